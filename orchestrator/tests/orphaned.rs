//! A block leaves the chain while nobody watches: whoever goes on takes back what it held.
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

use std::collections::BTreeSet;

use portcullis::telemetry::Phase;
use portcullis_core::Body;
use portcullis_core::log::decode_input;
use portcullis_verifier::{ChainId, EventId, Observation, Status};
use sqlx::{Connection, PgConnection, Row};
use support::harness::{Service, assert_replays, running, start};
use support::world::{Branch, World, away};
use support::{Database, log_name, until};

/// Every observation of the log with a status, in order.
async fn told(database: &Database, status: Status) -> Vec<Observation> {
    let mut out = Vec::new();
    for record in database.store.log_records(&log_name()).await.unwrap() {
        if let Body::Observed(seen) = decode_input(&record.encoded).unwrap().1.body
            && seen.status() == status
        {
            out.push(seen);
        }
    }
    out
}

/// Waits until a cursor names the newest block of the busy chain.
async fn on_record(world: &World, database: &Database) {
    let (height, chain) = (world.height(away()), away());
    until("the blocks are on record", || async {
        let cursors = database.store.cursors(&log_name()).await.unwrap();
        cursors.get(&chain).is_some_and(|cursor| cursor.recent[0].height >= height)
    })
    .await;
}

/// Three busy blocks, on record; gives their events.
async fn busy(world: &World, database: &Database) -> BTreeSet<EventId> {
    let before = world.events();
    for from in [100, 200, 300] {
        world.burns(from, 40, 10);
    }
    let events: BTreeSet<EventId> = world.events().difference(&before).copied().collect();
    world.mine_both();
    on_record(world, database).await;
    assert_eq!(told(database, Status::Included).await.len(), events.len());
    events
}

/// All but the first busy block are gone; what they held is taken back, newest first, each event once.
async fn taken_back(world: &World, database: &Database, busy: &BTreeSet<EventId>) {
    let left = world.events();
    let gone: BTreeSet<EventId> = busy.difference(&left).copied().collect();
    assert_eq!(gone.len(), 80);
    until("what is gone is taken back", || async {
        world.mine_both();
        told(database, Status::Retracted).await.len() >= gone.len()
    })
    .await;
    let back = told(database, Status::Retracted).await;
    assert_eq!(back.iter().map(Observation::id).collect::<BTreeSet<_>>(), gone);
    assert_eq!(back.len(), gone.len(), "each of them once");
    let places: Vec<_> =
        back.iter().map(|seen| (seen.position().height, seen.position().log_index)).collect();
    assert!(places.is_sorted_by(|newer, older| newer > older), "newest first: {places:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_orphaned_while_down_is_taken_back_at_the_start() {
    let database = Database::start().await;
    let world = World::new();
    let service = start(&world, &database);
    service.running().await;
    let events = busy(&world, &database).await;
    service.kill().await;
    world.reorg(away(), 3);
    let service = start(&world, &database);
    taken_back(&world, &database, &events).await;
    service.end().await;
    assert_replays(&database.store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_orphaned_is_taken_back_by_who_takes_over() {
    let database = Database::start().await;
    let world = World::new();
    let first = start(&world, &database);
    first.running().await;
    let other = database.folder.path().join("other");
    let second = Service::start(&world, database.cluster().connect_options(), other);
    until("the second stands by", || async { second.phase() == Phase::Standby }).await;
    let events = busy(&world, &database).await;
    first.kill().await;
    world.reorg(away(), 3);
    taken_back(&world, &database, &events).await;
    second.end().await;
    assert_replays(&database.store).await;
}

/// What a cursor costs does not depend on what happens on the chain.
#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_holds_blocks_and_no_events() {
    let database = Database::start().await;
    let world = World::new();
    let service = start(&world, &database);
    service.running().await;
    busy(&world, &database).await;
    let mut connection = PgConnection::connect_with(&database.cluster().connect_options()).await.unwrap();
    let sizes = sqlx::query("SELECT max(octet_length(encoded)) FROM cursors");
    let largest: i32 = sizes.fetch_one(&mut connection).await.unwrap().get(0);
    assert!(largest < 1_000, "{largest} bytes for some ten blocks, with 120 events in three of them");
    service.end().await;
}

/// Events of one block: more than one commit takes.
const CROWD: u64 = 1_100;

/// A lock on where a chain's cursor stands. What moves it waits, and what comes before it in a batch does not.
struct Held(PgConnection);

impl Held {
    async fn cursor_of(database: &Database, chain: ChainId) -> Self {
        let mut connection = PgConnection::connect_with(&database.cluster().connect_options()).await.unwrap();
        sqlx::raw_sql("BEGIN").execute(&mut connection).await.unwrap();
        let lock =
            sqlx::query("SELECT chain FROM cursors WHERE chain = $1 FOR UPDATE").bind(chain.to_string());
        assert_eq!(lock.fetch_all(&mut connection).await.unwrap().len(), 1);
        Self(connection)
    }

    /// Ends whoever waits for it, as the death of a machine does, and lets go.
    async fn release(self, database: &Database) {
        let options = database.cluster().connect_options();
        // Who waits for one that was ended goes by itself, or waits for the lock in turn: only an empty list tells the end.
        until("nobody waits for the lock any more", || async {
            let mut connection = PgConnection::connect_with(&options).await.unwrap();
            let end = "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity \
                       WHERE wait_event_type = 'Lock'";
            sqlx::query(end).fetch_all(&mut connection).await.unwrap().is_empty()
        })
        .await;
        self.0.close().await.unwrap();
    }
}

/// Kills a service when a part of a batch is on record, and the end of it waits.
async fn killed_in_between(service: Service, database: &Database, held: Held, status: Status) {
    let options = database.cluster().connect_options();
    until("the end of the batch waits", || async {
        let mut connection = PgConnection::connect_with(&options).await.unwrap();
        let waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
        let waiting: i64 = sqlx::query(waits).fetch_one(&mut connection).await.unwrap().get(0);
        waiting > 0
    })
    .await;
    service.kill().await;
    held.release(database).await;
    let part = told(database, status).await.len();
    assert!((512..usize::try_from(CROWD).unwrap()).contains(&part), "{part} of {CROWD} are on record");
}

/// Another machine goes on: with the record, and without what the first one held on its disk.
fn elsewhere(world: &World, database: &Database) -> Service {
    let folder = database.folder.path().join("elsewhere");
    Service::start(world, database.cluster().connect_options(), folder)
}

/// What the record holds in the end is what is on the chains.
async fn record_is_the_chains(world: &World, database: &Database, service: Service) {
    until("the record is what the chains hold", || async {
        world.mine_both();
        let mut live = BTreeSet::new();
        for record in database.store.log_records(&log_name()).await.unwrap() {
            let Body::Observed(seen) = decode_input(&record.encoded).unwrap().1.body else { continue };
            match seen.status() {
                Status::Retracted => live.remove(&seen.id()),
                _ => live.insert(seen.id()),
            };
        }
        live == world.events()
    })
    .await;
    service.end().await;
    assert_replays(&database.store).await;
}

/// A large block, of which a part is on record, and no cursor names it.
async fn told_in_part() -> (Database, World) {
    let (database, world, service) = running().await;
    on_record(&world, &database).await;
    let held = Held::cursor_of(&database, away()).await;
    world.burns(1_000, CROWD, 10);
    killed_in_between(service, &database, held, Status::Included).await;
    let cursors = database.store.cursors(&log_name()).await.unwrap();
    assert!(cursors[&away()].recent[0].height < world.height(away()), "the cursor does not name the block");
    (database, world)
}

/// A large block that is on record, and left the chain; a part of taking it back is on record. With the branch that it
/// is on.
async fn taken_back_in_part() -> (Database, World, Branch) {
    let (database, world, service) = running().await;
    world.burns(1_000, CROWD, 10);
    let crowded = world.branch(away());
    on_record(&world, &database).await;
    let held = Held::cursor_of(&database, away()).await;
    world.reorg(away(), 1);
    killed_in_between(service, &database, held, Status::Retracted).await;
    (database, world, crowded)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_that_was_told_in_part_and_orphaned_is_taken_back() {
    let (database, world) = told_in_part().await;
    world.reorg(away(), 1);
    let service = elsewhere(&world, &database);
    record_is_the_chains(&world, &database, service).await;
    let on_record = told(&database, Status::Included).await.len();
    assert_eq!(told(&database, Status::Retracted).await.len(), on_record, "each event once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_that_was_told_in_part_and_stays_is_told_whole() {
    let (database, world) = told_in_part().await;
    let service = elsewhere(&world, &database);
    record_is_the_chains(&world, &database, service).await;
    assert_eq!(told(&database, Status::Retracted).await, [], "it never left the chain");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_that_was_taken_back_in_part_is_taken_back_whole() {
    let (database, world, _) = taken_back_in_part().await;
    let service = elsewhere(&world, &database);
    record_is_the_chains(&world, &database, service).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_that_was_taken_back_in_part_and_came_back_is_told_again() {
    let (database, world, crowded) = taken_back_in_part().await;
    world.put_back(away(), crowded);
    assert!(world.events().len() >= usize::try_from(CROWD).unwrap());
    let service = elsewhere(&world, &database);
    record_is_the_chains(&world, &database, service).await;
}
