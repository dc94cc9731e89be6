//! A service that is killed again and again loses nothing. What happens to a containment that is cut off is in chaos.rs.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::time::Duration;

use e2e::service::Tuning;
use e2e::trial::Trial;

/// Killed and started again several times under honest traffic: every event of both chains is written down, once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_observation_is_lost_across_restarts() {
    let script = e2e::scenario::compact::load(&e2e::scenario::compact_path(), 900).unwrap().until(-1);
    let factor = e2e::clock::Factor::new(60.0);
    let setup = e2e::lab::Setup { scenario: script, factor, seed: 26, dir: None };
    let world = e2e::lab::World::build(setup).await.unwrap();
    let service = e2e::service::Service::start(&world, &Tuning::default()).await.unwrap();
    let mut trial = Trial { service, world };
    let play = trial.world.play();
    for round in 0..4u64 {
        tokio::time::sleep(Duration::from_millis(900 + 450 * round)).await;
        trial.service.kill().await.unwrap();
        tokio::time::sleep(Duration::from_millis(500)).await;
        trial.service.restart().await.unwrap();
    }
    play.finish().await.unwrap();
    let seen = trial.nothing_lost().await.unwrap();
    assert!(seen > trial.world.scenario.history.len() / 2, "only {seen} events");
    for side in trial.world.sides() {
        assert!(!side.closed().await.unwrap(), "honest traffic closed {}", side.caip2());
    }
}
