//! A service that is killed at any step finishes the containment when it is started again, and loses nothing.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeSet;
use std::time::Duration;

use e2e::service::Tuning;
use e2e::trial::Trial;

/// Kills the service so long after the block with the first false release was seen, and looks at what is left.
async fn killed_after(delay: Duration, seed: u64) {
    let mut trial = Trial::start(seed, Tuning::default()).await.unwrap();
    let play = trial.world.play();
    trial.first_false_release().await.unwrap();
    tokio::time::sleep(delay).await;
    trial.service.kill().await.unwrap();
    // Bytes that left before the kill are in the rows that are read after it.
    let before = trial.submitted();
    trial.service.restart().await.unwrap();
    trial.both_closed().await.unwrap();
    play.finish().await.unwrap();

    let mut incidents = BTreeSet::new();
    for side in trial.world.sides() {
        let trips = trial.trips(side).await.unwrap();
        let closing: Vec<_> = trips.iter().filter(|trip| trip.level == 2).collect();
        assert!(!closing.is_empty(), "killed after {delay:?}: nothing closed {}", side.caip2());
        let actions: BTreeSet<_> = closing.iter().map(|trip| trip.actionId).collect();
        assert_eq!(actions.len(), closing.len(), "killed after {delay:?}: an action took effect twice");
        incidents.extend(closing.iter().map(|trip| trip.incident));
    }
    assert_eq!(incidents.len(), 1, "killed after {delay:?}: one attack, one incident");
    for incident in incidents {
        trial.settled(incident).await.unwrap();
        assert!(e2e::demo::facts::replay(&trial.service, incident).await.unwrap(), "killed after {delay:?}");
    }
    let rows: BTreeSet<_> = trial.books().await.unwrap().attempts().await.unwrap().into_iter().collect();
    let submitted = trial.submitted();
    assert!(before.is_subset(&submitted) && !submitted.is_empty());
    let without_row: Vec<_> = submitted.difference(&rows).collect();
    assert!(without_row.is_empty(), "killed after {delay:?}: bytes left without a row: {without_row:?}");
    trial.nothing_lost().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_as_the_release_is_observed() {
    killed_after(Duration::ZERO, 21).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_while_it_is_verified_and_decided() {
    killed_after(Duration::from_millis(3), 22).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_while_the_bytes_leave() {
    killed_after(Duration::from_millis(9), 23).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_before_the_trips_land() {
    killed_after(Duration::from_millis(60), 24).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_after_landing_before_the_effect_is_proven() {
    killed_after(Duration::from_millis(260), 25).await;
}

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
