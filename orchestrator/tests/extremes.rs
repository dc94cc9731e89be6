//! Amounts, ids and tokens that nobody expects: kept, shown and judged like the rest.
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

use std::collections::BTreeMap;

use portcullis_verifier::{B256, EventId, Transfer, TransferKind, U256};
use sqlx::PgPool;
use support::harness::{both_effective, incident, mine_until, over, running};
use support::world::{away, home, transfer, word};
use support::{Database, until};

/// A release with one thing about it changed.
fn release(id: u64, change: impl FnOnce(&mut Transfer)) -> Transfer {
    let mut release = transfer(TransferKind::Release, id, 5);
    change(&mut release);
    release
}

/// Every observed event as people see it.
async fn shown(database: &Database) -> BTreeMap<EventId, serde_json::Value> {
    let options = database.cluster.as_ref().expect("a running server").connect_options();
    let pool = PgPool::connect_with(options).await.unwrap();
    let rows: Vec<(Vec<u8>, serde_json::Value)> =
        sqlx::query_as("SELECT event_id, view FROM observations").fetch_all(&pool).await.unwrap();
    pool.close().await;
    rows.into_iter().map(|(id, view)| (EventId(B256::from_slice(&id)), view)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_expects_is_kept_shown_and_judged() {
    let (database, world, service) = running().await;
    world.mine(
        home(),
        vec![
            release(0, |all| all.amount = U256::MAX),
            release(1, |nothing| nothing.amount = U256::ZERO),
            release(2, |unknown| unknown.asset = B256::repeat_byte(0xde)),
            release(3, |odd| odd.message_id = B256::repeat_byte(0xff)),
            release(4, |elsewhere| elsewhere.remote = word(99)),
            release(5, |nobody| nobody.recipient = B256::ZERO),
        ],
    );
    mine_until(&world, "both gates close", || world.is_closed(home()) && world.is_closed(away())).await;
    let id = incident(&database.store).await;
    both_effective(&database.store, &world, id).await;
    until("every event is shown", || async {
        let shown = shown(&database).await;
        world.events().iter().all(|event| shown.contains_key(event))
    })
    .await;
    let shown: Vec<String> = shown(&database).await.values().map(ToString::to_string).collect();
    let greatest = [U256::MAX.to_string(), format!("{:#x}", U256::MAX)];
    assert!(shown.iter().any(|view| greatest.iter().any(|amount| view.contains(amount))), "{shown:?}");
    assert!(shown.iter().any(|view| view.contains(&"de".repeat(32))), "the unknown token: {shown:?}");
    let notices = database.store.notices(None, 100).await.unwrap();
    assert!(!notices.is_empty(), "what cannot be valued is told");
    over(service, &database).await;
}
