//! The stage by itself: without anybody who watches, the attack takes what it took.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use e2e::clock::Factor;
use e2e::lab::{Setup, World};
use e2e::scenario::{self, Actor};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_guardian_every_false_release_lands_and_honest_traffic_too() {
    let scenario = scenario::compact::load(&scenario::compact_path(), 300).unwrap().until(900);
    let expected = scenario.taken(Actor::Attacker);
    let setup = Setup { scenario, factor: Factor::new(60.0), seed: 7, dir: None };
    let world = World::build(setup).await.unwrap();
    let sent = world.play().finish().await.unwrap();
    tokio::time::sleep(world.factor.block_time() * 3).await;
    let outcomes = world.outcomes(&sent).await.unwrap();
    for outcome in &outcomes {
        assert!(outcome.landed(), "{:?}", outcome);
    }
    assert_eq!(world.taken(&outcomes, Actor::Attacker), expected);
    // What shared a recorded block shares one here, or is at most one block apart.
    let first: Vec<u64> = outcomes
        .iter()
        .filter(|o| {
            o.sent
                .transfers
                .iter()
                .any(|t| world.scenario.live[*t].at == 0 && o.sent.actor == Actor::Attacker)
        })
        .map(|o| o.receipt.as_ref().unwrap().block_number)
        .collect();
    assert_eq!(first.len(), 4);
    assert!(first.iter().max().unwrap() - first.iter().min().unwrap() <= 1, "{first:?}");
    for side in world.sides() {
        assert!(!side.closed().await.unwrap());
    }
}
