//! The service killed at every step, and its database killed, starved and taken away.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    reason = "tests fail by panicking"
)]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use support::harness::{
    Service, assert_replays, assert_rows_cover_bytes, both_effective, data_dir, incident, journal_of,
    mine_until, over, running, start,
};
use support::world::{World, away, home};
use support::{Database, log_name, slug, until};

/// Kills the service when a hook fires for the n-th time, starts it again, and expects the same end.
async fn killed_at(step: &'static str, nth: usize) {
    let (database, world, service) = running().await;
    let fired = Arc::new(AtomicUsize::new(0));
    let hook = {
        let fired = Arc::clone(&fired);
        move |_: &portcullis_adapter::Attempt| {
            if fired.fetch_add(1, Ordering::SeqCst) + 1 >= nth {
                // Holds the task where it stands until the runtime is gone.
                std::thread::sleep(Duration::from_millis(300));
            }
        }
    };
    match step {
        "sign" => world.on_sign(hook),
        _ => world.on_broadcast(hook),
    }
    world.steal(2, 2_000_000);
    until("the step is reached", || async { fired.load(Ordering::SeqCst) >= nth }).await;
    service.kill().await;
    world.on_sign(|_| {});
    world.on_broadcast(|_| {});

    let service = start(&world, &database);
    mine_until(&world, "both gates close", || world.is_closed(home()) && world.is_closed(away())).await;
    let id = incident(&database.store).await;
    both_effective(&database.store, &world, id).await;
    assert_rows_cover_bytes(&database.store, &world).await;
    over(service, &database).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_while_signing_it_finishes_after_the_restart() {
    killed_at("sign", 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_while_sending_the_second_chain_it_finishes_after_the_restart() {
    killed_at("broadcast", 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_after_the_effect_it_neither_sends_again_nor_forgets() {
    let (database, world, service) = running().await;
    world.steal(2, 2_000_000);
    mine_until(&world, "both gates close", || world.is_closed(home()) && world.is_closed(away())).await;
    let id = incident(&database.store).await;
    both_effective(&database.store, &world, id).await;
    service.kill().await;
    let sent = world.received().len();
    let service = start(&world, &database);
    service.running().await;
    mine_until(&world, "the effect is final", || {
        service.status.snapshot().groups[&slug("g")].actions_open == 0
    })
    .await;
    assert_eq!(world.received().len(), sent, "what is in effect is not sent again");
    incident(&database.store).await;
    over(service, &database).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_dies_between_decision_and_commit_and_containment_goes_on() {
    let (database, world, service) = running().await;
    let data = database.data();
    let once = AtomicUsize::new(0);
    world.on_sign(move |_| {
        if once.fetch_add(1, Ordering::SeqCst) == 0 {
            support::crash(&data);
        }
    });
    world.steal(2, 2_000_000);
    mine_until(&world, "both gates close", || world.is_closed(home()) && world.is_closed(away())).await;
    let journal = journal_of(&data_dir(&database));
    assert!(journal.exists());
    // The keeper starts the server again; the journal is brought in.
    let id = incident(&database.store).await;
    both_effective(&database.store, &world, id).await;
    until("the journal is empty", || async { std::fs::metadata(&journal).unwrap().len() == 8 }).await;
    assert_rows_cover_bytes(&database.store, &world).await;
    over(service, &database).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_hangs_and_containment_goes_on() {
    let (database, world, service) = running().await;
    let data = database.data();
    support::signal_all(&data, "-STOP");
    world.steal(2, 2_000_000);
    mine_until(&world, "both gates close", || world.is_closed(home()) && world.is_closed(away())).await;
    assert!(std::fs::metadata(journal_of(&data_dir(&database))).unwrap().len() > 8);
    let status = service.status.snapshot();
    assert!(!status.database.ok && status.groups[&slug("g")].journal_records > 0, "{status:?}");
    support::signal_all(&data, "-CONT");
    let id = incident(&database.store).await;
    both_effective(&database.store, &world, id).await;
    assert_rows_cover_bytes(&database.store, &world).await;
    until("the journal is brought in", || async {
        service.status.snapshot().groups[&slug("g")].journal_records == 0
    })
    .await;
    over(service, &database).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_again_and_again_no_observation_is_lost() {
    let database = Database::start().await;
    let world = World::new();
    for round in 0..4 {
        let service = start(&world, &database);
        for n in 0..20 {
            world.burn(round * 100 + n, 10);
            world.mine_both();
            tokio::time::sleep(Duration::from_millis(7)).await;
        }
        service.kill().await;
    }
    let service = start(&world, &database);
    service.running().await;
    let events = world.events();
    until("every event is in the log", || async {
        let records = database.store.log_records(&log_name()).await.unwrap();
        let logged = records.iter().filter_map(|record| {
            match portcullis_core::log::decode_input(&record.encoded).unwrap().1.body {
                portcullis_core::Body::Observed(observation) => Some(observation.id()),
                _ => None,
            }
        });
        let logged: std::collections::BTreeSet<_> = logged.collect();
        events.is_subset(&logged)
    })
    .await;
    until("the views follow", || async {
        database.store.views_end(&log_name()).await.unwrap()
            == database.store.open_log(&log_name()).await.unwrap().next_seq
    })
    .await;
    service.end().await;
    assert!(world.received().is_empty(), "honest burns close nothing");
    assert_replays(&database.store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_with_decisions_in_the_journal_only_it_takes_them_up() {
    let mut database = Database::start().await;
    let options = database.cluster().connect_options();
    // Nobody starts this server again until the test does.
    database.cluster.take().unwrap().abandon();
    let world = World::new();
    let service = Service::start(&world, options.clone(), data_dir(&database));
    service.running().await;
    let data = database.data();
    let once = AtomicUsize::new(0);
    world.on_sign(move |_| {
        if once.fetch_add(1, Ordering::SeqCst) == 0 {
            support::crash(&data);
        }
    });
    world.steal(2, 2_000_000);
    until("the attempts are sent", || async { !world.received().is_empty() }).await;
    service.kill().await;
    let sent = world.received();
    let place = database.folder.path().join("pg");
    database.cluster = Some(portcullis::store::cluster::Cluster::start(&place).await.unwrap());
    let service = Service::start(&world, options, data_dir(&database));
    mine_until(&world, "both gates close", || world.is_closed(home()) && world.is_closed(away())).await;
    let id = incident(&database.store).await;
    both_effective(&database.store, &world, id).await;
    assert!(world.received().len() >= sent.len());
    assert_rows_cover_bytes(&database.store, &world).await;
    over(service, &database).await;
}
