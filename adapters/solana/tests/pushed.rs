//! Whole blocks by push, on a real node that offers them.
#![allow(clippy::unwrap_used, clippy::panic, clippy::arithmetic_side_effects)]

mod support;

use std::collections::BTreeSet;

use portcullis_rpc::testing::FaultProxy;
use portcullis_solana::{SolanaConfig, devnet::DevnetConfig};
use portcullis_verifier::B256;
use support::{Watched, World, node_available};

/// Waits until all that happened above a block is delivered, once each.
async fn all_seen(world: &World, seen: &mut Watched, above: u64) -> u64 {
    let (head, events) = world.truth().await;
    let wanted: BTreeSet<B256> =
        events.iter().filter(|event| event.height > above).map(|event| event.raw).collect();
    assert!(wanted.len() > 10);
    seen.until("all events", |seen| {
        let found: BTreeSet<B256> = seen.events.iter().map(|event| event.raw()).collect();
        wanted.is_subset(&found) && seen.progress.is_some_and(|progress| progress.height >= head.height)
    })
    .await;
    let mut raws: Vec<B256> = seen.events.iter().map(|event| event.raw()).collect();
    let all = raws.len();
    raws.sort_unstable();
    raws.dedup();
    assert_eq!(raws.len(), all, "nothing is delivered twice");
    head.height
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn blocks_that_a_node_pushes_are_not_asked_for_and_sockets_that_end_lose_none() {
    if !node_available() {
        return;
    }
    let args = vec!["--rpc-pubsub-enable-block-subscription".to_owned()];
    let config = DevnetConfig { ticks_per_slot: Some(16), args, ..DevnetConfig::default() };
    let world = World::with(config).await;
    let checks = portcullis_solana::Solana::new(world.config()).unwrap().dial().await;
    let pushes =
        checks.iter().filter(|one| one.check.as_str() == "push" && one.detail.contains("whole blocks"));
    assert_eq!(pushes.count(), 3, "{checks:?}");

    let mut seen = Watched::start(SolanaConfig { start_height: 0, ..world.config() }, None);
    seen.until("the first block", |seen| seen.progress.is_some()).await;
    world.produce(4, 1).await;
    let start = seen.progress.unwrap().height;
    let asked = || world.proxies.iter().map(|proxy| proxy.requests_of("getBlock")).sum::<u64>();
    let (before, first) = (asked(), world.node.head().await.unwrap().height);
    world.produce(20, 2).await;
    let last = all_seen(&world, &mut seen, start).await;
    let (asked_for, made) = (asked() - before, last - first);
    println!("{asked_for} questions of three operators for {made} blocks");
    // Each operator would be asked for each block.
    assert!(asked_for < made, "{asked_for} questions for {made} blocks");

    world.proxies.iter().for_each(FaultProxy::hang_up);
    world.produce(20, 2).await;
    all_seen(&world, &mut seen, start).await;
    seen.end().await;
}
