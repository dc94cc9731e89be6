//! Cheap events at the rate of 10^5 a minute, and a database that is slow: nothing is lost, and the attack that hides
//! among them is contained.
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
use std::time::{Duration, Instant};

use portcullis_core::Body;
use portcullis_core::log::decode_input;
use support::harness::{
    Service, assert_rows_cover_bytes, both_effective, data_dir, incident, journal_of, mine_until, over,
};
use support::proxy::Door;
use support::world::{World, away, home};
use support::{Database, log_name, until};

/// 1,700 a second are more than 10^5 a minute.
const PER_BLOCK: u64 = 170;
const BLOCK: Duration = Duration::from_millis(100);
const BLOCKS: u64 = 100;

#[tokio::test(flavor = "multi_thread")]
async fn ten_to_the_five_a_minute_on_a_slow_database_hide_nothing() {
    let database = Database::start().await;
    let world = World::new();
    let door = Door::before(database.cluster().socket_folder());
    let service = Service::start(&world, door.options(), data_dir(&database));
    service.running().await;
    // Slower than the patience of an ordinary commit: the journal takes what the database does not.
    door.slow(Duration::from_millis(1_200));
    let began = Instant::now();
    let mut closed_after = None;
    let mut stolen = None;
    for block in 0..BLOCKS {
        let due = began + BLOCK * u32::try_from(block).unwrap();
        tokio::time::sleep_until(due.into()).await;
        world.burns(1_000 * block, PER_BLOCK, 1);
        world.mine(home(), Vec::new());
        if block == BLOCKS / 2 {
            world.steal(900_000_000, 2_000_000);
            stolen = Some(Instant::now());
        }
        if let Some(stolen) = stolen.filter(|_| world.is_closed(home()) && world.is_closed(away())) {
            closed_after.get_or_insert(stolen.elapsed());
        }
    }
    let flood = began.elapsed();
    mine_until(&world, "both gates close", || world.is_closed(home()) && world.is_closed(away())).await;
    let closed_after = closed_after.unwrap_or_else(|| stolen.unwrap().elapsed());
    let journal = std::fs::metadata(journal_of(&data_dir(&database))).unwrap().len();
    eprintln!(
        "{} events in {flood:?}; closed after {closed_after:?}; journal {journal} bytes",
        BLOCKS * PER_BLOCK
    );
    door.slow(Duration::ZERO);

    let wanted = world.events();
    assert_eq!(u64::try_from(wanted.len()).unwrap(), BLOCKS * PER_BLOCK + 1);
    // Longer than the usual patience: tens of thousands of records are brought in from the journal.
    for _ in 0..4 {
        let logged = logged(&database).await;
        if wanted.is_subset(&logged) {
            break;
        }
        let seen = database.store.open_log(&log_name()).await.unwrap().next_seq;
        until("more is brought in", || async {
            database.store.open_log(&log_name()).await.unwrap().next_seq > seen + 5_000
                || wanted.is_subset(&self::logged(&database).await)
        })
        .await;
    }
    until("every event is in the log", || async { wanted.is_subset(&logged(&database).await) }).await;
    let id = incident(&database.store).await;
    both_effective(&database.store, &world, id).await;
    assert_rows_cover_bytes(&database.store, &world).await;
    over(service, &database).await;
    assert!(closed_after < Duration::from_secs(10), "closed after {closed_after:?}");
}

async fn logged(database: &Database) -> BTreeSet<portcullis_verifier::EventId> {
    let records = database.store.log_records(&log_name()).await.unwrap();
    let observed = |record: &portcullis::store::LogRecord| match decode_input(&record.encoded).unwrap().1.body
    {
        Body::Observed(observation) => Some(observation.id()),
        _ => None,
    };
    records.iter().filter_map(observed).collect()
}
