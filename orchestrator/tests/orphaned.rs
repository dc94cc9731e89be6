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
use portcullis_verifier::{EventId, Observation, Status};
use sqlx::{Connection, PgConnection, Row};
use support::harness::{Service, assert_replays, start};
use support::world::{World, away};
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

/// Three busy blocks, on record; gives their events.
async fn busy(world: &World, database: &Database) -> BTreeSet<EventId> {
    let before = world.events();
    for from in [100, 200, 300] {
        world.burns(from, 40, 10);
    }
    let events: BTreeSet<EventId> = world.events().difference(&before).copied().collect();
    world.mine_both();
    let (height, chain) = (world.height(away()), away());
    until("the blocks are on record", || async {
        let cursors = database.store.cursors(&log_name()).await.unwrap();
        cursors.get(&chain).is_some_and(|cursor| cursor.recent[0].height >= height)
    })
    .await;
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
