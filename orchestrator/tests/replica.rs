//! Two processes of one name: one works, the other takes over within two seconds, and both at once do no harm.
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

use std::time::{Duration, Instant};

use portcullis::telemetry::Phase;
use support::harness::{
    Service, assert_replays, assert_rows_cover_bytes, both_effective, data_dir, incident, journal_of,
    mine_until, start,
};
use support::proxy::Door;
use support::world::{World, away, home};
use support::{Database, log_name, until};

/// From the moment at which the first process says nothing any more.
const TAKEOVER: Duration = Duration::from_secs(2);

/// A spare beside the process that works, which has followed the log.
async fn spare(world: &World, database: &Database) -> Service {
    let place = database.folder.path().join("spare");
    let spare = Service::start(world, database.cluster().connect_options(), place);
    until("the spare stands by", || async { spare.phase() == Phase::Standby }).await;
    spare
}

/// Waits until the spare works; gives how long that took.
async fn taken_over(spare: &Service, since: Instant) -> Duration {
    spare.running().await;
    let took = since.elapsed();
    eprintln!("taken over after {took:?}");
    assert!(took < TAKEOVER, "took {took:?}");
    took
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spare_takes_over_within_two_seconds_of_a_kill() {
    let database = Database::start().await;
    let world = World::new();
    let first = start(&world, &database);
    first.running().await;
    let spare = spare(&world, &database).await;
    for n in 0..50 {
        world.burn(n, 10);
    }
    until("the first has consumed them", || async {
        database.store.open_log(&log_name()).await.unwrap().next_seq > 100
    })
    .await;
    let since = Instant::now();
    first.kill().await;
    world.steal(1_000, 2_000_000);
    taken_over(&spare, since).await;
    mine_until(&world, "both gates close", || world.is_closed(home()) && world.is_closed(away())).await;
    let id = incident(&database.store).await;
    both_effective(&database.store, &world, id).await;
    assert_rows_cover_bytes(&database.store, &world).await;
    spare.end().await;
    assert_replays(&database.store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_was_stopped_is_replaced_and_steps_back_when_it_wakes() {
    let database = Database::start().await;
    let world = World::new();
    let first = start(&world, &database);
    first.running().await;
    let spare = spare(&world, &database).await;
    let since = Instant::now();
    let frozen = first.freeze().await;
    world.steal(2, 2_000_000);
    taken_over(&spare, since).await;
    mine_until(&world, "both gates close", || world.is_closed(home()) && world.is_closed(away())).await;
    let id = incident(&database.store).await;
    both_effective(&database.store, &world, id).await;
    frozen.thaw();
    until("the first stands by", || async { first.phase() == Phase::Standby }).await;
    assert_eq!(spare.phase(), Phase::Running, "the spare keeps what it took");
    assert_rows_cover_bytes(&database.store, &world).await;
    first.end().await;
    spare.end().await;
    assert_replays(&database.store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn both_acting_at_once_does_no_harm() {
    let database = Database::start().await;
    let world = World::new();
    let door = Door::before(database.cluster().socket_folder());
    let first = Service::start(&world, door.options(), data_dir(&database));
    first.running().await;
    let spare = spare(&world, &database).await;
    // The first still sees the chains and signs, but not the database: it works with its journal.
    door.cut();
    let since = Instant::now();
    taken_over(&spare, since).await;
    world.steal(2, 2_000_000);
    mine_until(&world, "both gates close", || world.is_closed(home()) && world.is_closed(away())).await;
    until("the first acts too", || async {
        std::fs::metadata(journal_of(&data_dir(&database))).unwrap().len() > 8
    })
    .await;
    let id = incident(&database.store).await;
    both_effective(&database.store, &world, id).await;
    door.open();
    until("the first stands by", || async { first.phase() == Phase::Standby }).await;
    until("its journal is brought in", || async {
        std::fs::metadata(journal_of(&data_dir(&database))).unwrap().len() == 8
    })
    .await;
    assert_eq!(spare.phase(), Phase::Running);
    assert_rows_cover_bytes(&database.store, &world).await;
    first.end().await;
    spare.end().await;
    assert_replays(&database.store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_was_away_for_both_changes_nothing() {
    let database = Database::start().await;
    let world = World::new();
    let door = Door::before(database.cluster().socket_folder());
    let first = Service::start(&world, door.options(), data_dir(&database));
    first.running().await;
    let place = database.folder.path().join("spare");
    let spare = Service::start(&world, door.options(), place);
    until("the spare stands by", || async { spare.phase() == Phase::Standby }).await;
    door.cut();
    world.steal(2, 2_000_000);
    mine_until(&world, "both gates close", || world.is_closed(home()) && world.is_closed(away())).await;
    // Longer than the lease.
    let cut = Instant::now();
    until("the lease has run out", || async { cut.elapsed() > 2 * portcullis::budget::LEASE }).await;
    door.open();
    let id = incident(&database.store).await;
    both_effective(&database.store, &world, id).await;
    // It waited for the database, and looks again only every so often.
    until("the spare stands by again", || async { spare.phase() == Phase::Standby }).await;
    assert_eq!(first.phase(), Phase::Running, "who had it keeps it");
    first.end().await;
    spare.end().await;
    assert_rows_cover_bytes(&database.store, &world).await;
    assert_replays(&database.store).await;
}
