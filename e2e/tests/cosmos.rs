//! A bridge between chains of two families, on real nodes: whatever is false on one side closes every side.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::time::{Duration, Instant};

use e2e::clock::Factor;
use e2e::demo::{self, Finished, Options, Script};
use e2e::keys::Key;
use e2e::lab::{Setup, World};
use e2e::scenario::corridor::Attack;
use e2e::scenario::{Actor, Domain};
use e2e::screen::Screen;
use e2e::service::{Service, Tuning};
use e2e::trial::PATIENCE;
use tokio::sync::Mutex;

/// One play at a time: its figures are in blocks, and a machine that plays two at once is late for both.
static STAGE: Mutex<()> = Mutex::const_new(());

async fn play(script: Script, seed: u64, lead: i64, until: i64, skew_secs: u64) -> Finished {
    let mut screen = Screen::new(true);
    let options =
        Options { script, cosmos: true, lead, until: Some(until), seed, skew_secs, ..Options::default() };
    demo::run(options, &mut screen).await.unwrap()
}

/// Everything that the play promises, on all three chains, and what lies behind them: the sibling corridors.
async fn closed_everywhere(finished: &Finished, seed: u64) {
    let summary = &finished.summary;
    let told = || finished.service.told.tail(60);
    assert_eq!(summary.broken_promises(), Vec::<String>::new(), "{}", told());
    assert_eq!(summary.families, ["cosmos", "evm"]);
    assert_eq!(summary.contain.len(), 3);
    for side in &summary.contain {
        assert!(side.observed_to_broadcast_ms.is_some_and(|ms| ms > 0.0), "{side:?}");
    }
    // Nobody attacked the siblings; they are closed all the same.
    let world = &finished.world;
    let zone = world.zone.as_ref().unwrap();
    let thief = Key::derive(seed, "relayer").unwrap();
    let refused = zone.claim_from_channel(&thief, 9_001).await.unwrap();
    assert!(refused.as_ref().is_some_and(|why| why.contains("ScopeClosed")), "{refused:?}");
    for origin in [Domain::Milkomeda, Domain::Channel, Domain::Moonbeam] {
        assert!(!world.pays(&thief, origin).await.unwrap(), "{} still pays", origin.name());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn released_on_one_family_and_burned_nowhere_on_the_other_closes_every_side() {
    let _alone = STAGE.lock().await;
    let finished = play(Script::Corridor(Some(Attack::Release)), 51, 600, 120, 0).await;
    closed_everywhere(&finished, 51).await;
    let (landed, refused) = finished.summary.attacks;
    assert!(landed >= 1 && refused >= 1 && landed + refused == 4, "{landed} landed, {refused} refused");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn minted_on_one_family_and_locked_nowhere_on_the_other_closes_every_side() {
    let _alone = STAGE.lock().await;
    let finished = play(Script::Corridor(Some(Attack::Mint)), 52, 600, 300, 0).await;
    closed_everywhere(&finished, 52).await;
    // What was minted before the gate closed is there, and nothing after it.
    let world = &finished.world;
    let zone = world.zone.as_ref().unwrap();
    let (landed, _refused) = finished.summary.attacks;
    let mut holders = 0;
    for transfer in world.scenario.live.iter().filter(|t| t.actor != Actor::Honest) {
        let token = zone.deployed.token(transfer.token).unwrap();
        let held = zone.balance(transfer.recipient, token).await.unwrap();
        holders += usize::from(held == transfer.amount);
    }
    assert_eq!(holders, landed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn honest_traffic_between_clocks_that_differ_by_seconds_closes_nothing() {
    let _alone = STAGE.lock().await;
    let finished = play(Script::Corridor(None), 53, 2_400, -1, 3).await;
    let summary = &finished.summary;
    assert_eq!(summary.broken_promises(), Vec::<String>::new(), "{}", finished.service.told.tail(60));
    // The clocks do differ, and both ways were travelled.
    let world = &finished.world;
    let zone = world.zone.as_ref().unwrap();
    let there = world.ethereum.node.rpc.head().await.unwrap().timestamp;
    let here = zone.heads.latest.borrow().unwrap().time;
    assert!(there >= here + 3, "{there} against {here}");
    let outcomes = world.outcomes(&finished.facts.sent).await.unwrap();
    for (side, from) in [(Domain::Cosmos, Domain::Ethereum), (Domain::Ethereum, Domain::Cosmos)] {
        let delivered =
            outcomes.iter().filter(|o| o.sent.side == side && o.landed()).flat_map(|o| &o.sent.transfers);
        let delivered = delivered.filter(|index| world.scenario.live[**index].remote == from).count();
        assert!(delivered >= 2, "{delivered} deliveries on {} from {}", side.name(), from.name());
    }
}

/// The chain's only validator signs twice at every height from some block on: one operator's node is on the other branch.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_signs_two_truths_opens_an_incident_and_every_side_is_held() {
    let _alone = STAGE.lock().await;
    let options = Options { script: Script::Corridor(None), cosmos: true, lead: 300, ..Options::default() };
    let setup =
        Setup { scenario: demo::script(&options).unwrap(), factor: Factor::new(60.0), seed: 54, dir: None };
    let mut world = World::build(setup).await.unwrap();
    let service = Service::start(&world, &Tuning::default()).await.unwrap();
    let dir = world.dir.clone();
    let other = world.zone.as_mut().unwrap().split(&dir).await.unwrap();
    let zone = world.zone.as_ref().unwrap();
    // Two blocks of one height, both signed by the whole stake.
    let height = zone.node.rpc.height().await.unwrap().min(other.rpc.height().await.unwrap());
    let (one, two) = (zone.node.rpc.block(height).await.unwrap(), other.rpc.block(height).await.unwrap());
    assert_ne!(one.hash, two.hash);
    let deadline = Instant::now() + PATIENCE;
    loop {
        let mut open = Vec::new();
        for place in world.places() {
            if !place.closed().await.unwrap() {
                open.push(place.caip2());
            }
        }
        if open.is_empty() {
            break;
        }
        assert!(Instant::now() < deadline, "{open:?} still open:\n{}", service.told.tail(60));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    // Somebody signed twice: that is an incident by itself, though nothing was taken.
    let page = service.get("/api/v1/incidents").await.unwrap();
    let mut open = page["incidents"].as_array().into_iter().flatten().filter(|one| one["state"] == "open");
    let id = open.find(|one| one["class"] == "hold").and_then(|one| one["id"].as_str()?.parse().ok());
    let books = service.incident(id.unwrap()).await.unwrap();
    assert!(books.to_string().contains("has signed two truths"), "{books}");
}

/// The stage by itself: without anybody who watches, what is minted for nothing stays, and honest traffic arrives.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_guardian_every_false_mint_lands_and_honest_traffic_too() {
    let _alone = STAGE.lock().await;
    let script = Script::Corridor(Some(Attack::Mint));
    let options = Options { script, cosmos: true, lead: 300, until: Some(120), ..Options::default() };
    let setup =
        Setup { scenario: demo::script(&options).unwrap(), factor: Factor::new(60.0), seed: 55, dir: None };
    let world = World::build(setup).await.unwrap();
    let sent = world.play().finish().await.unwrap();
    let zone = world.zone.as_ref().unwrap();
    for one in sent.iter().filter(|sent| sent.side == Domain::Cosmos) {
        zone.node.rpc.settled(one.hash, "a transaction of the play").await.unwrap();
    }
    assert_eq!(sent.iter().filter(|s| s.side == Domain::Cosmos && s.actor == Actor::Attacker).count(), 4);
    // The channel's escrow can be robbed just so.
    let thief = Key::derive(55, "relayer").unwrap();
    assert_eq!(zone.claim_from_channel(&thief, 9_001).await.unwrap(), None);
    assert!(!zone.closed().await.unwrap());
}
