//! The chain changes its mind: across a release that was observed, and across a pause that had landed.
//!
//! Blocks are 200 ms apart and final after twelve; forty are deeper than what counted as final.

use std::collections::BTreeSet;

use alloy::primitives::{Address, B256, Bytes};
use eyre::{Result, ensure};
use futures::FutureExt;
use serde_json::{Value, json};
use tokio::time::{Duration, Instant, sleep};

use super::check::{self, Expect};
use super::scene::Scene;
use super::{Case, Outcome};
use crate::chain::Rpc;
use crate::service::Tuning;
use crate::trial::PATIENCE;

macro_rules! case {
    ($name:literal, $fault:literal, $injected:literal, $run:expr) => {
        Case { name: $name, fault: $fault, injected: $injected, quick: false, run: |seed| $run(seed).boxed() }
    };
}

pub(super) const CASES: &[Case] = &[
    case!(
        "reorg-gone-1",
        "the block with the first false release is replaced by one without it",
        "anvil_reorg, 1 deep",
        |seed| gone(seed, 1)
    ),
    case!("reorg-gone-5", "a false release, five blocks old, is gone", "anvil_reorg, 5 deep", |seed| gone(
        seed, 5
    )),
    case!(
        "reorg-gone-40",
        "a false release, final by configuration, is gone",
        "anvil_reorg, 40 deep",
        |seed| gone(seed, 40)
    ),
    case!(
        "reorg-back-5",
        "a false release moves into another block",
        "anvil_reorg, 5 deep, its transactions again",
        |seed| back(seed, 5)
    ),
    case!(
        "reorg-back-40",
        "everything since a false release moves, beyond finality",
        "anvil_reorg, 40 deep, its transactions again",
        |seed| back(seed, 40)
    ),
    case!(
        "reorg-pause-1",
        "the block in which the pause landed is replaced by one without it",
        "anvil_reorg, 1 deep, all but the pause again",
        |seed| pause(seed, 1)
    ),
    case!(
        "reorg-pause-5",
        "a pause, five blocks old, is gone",
        "anvil_reorg, 5 deep, all but the pause again",
        |seed| pause(seed, 5)
    ),
    case!(
        "reorg-pause-40",
        "a pause, final by configuration, is gone",
        "anvil_reorg, 40 deep, all but the pause again",
        |seed| pause(seed, 40)
    ),
];

/// Replaces the chain from a height on, once that lies so deep, and gives how many blocks that were. Transactions for
/// which `keep` says so come again, a block later where there is one: in the same place they would make the same block.
async fn replace(rpc: &Rpc, from: u64, depth: u64, keep: impl Fn(&Value) -> bool) -> Result<u64> {
    let deadline = Instant::now() + PATIENCE;
    let before = loop {
        let head = rpc.head().await?.number;
        if head + 1 >= from + depth {
            break rpc.block(from).await?.map(|block| block.hash);
        }
        ensure!(Instant::now() < deadline, "the chain does not grow");
        sleep(Duration::from_millis(5)).await;
    };
    loop {
        let deep = rpc.head().await?.number + 1 - from;
        let pairs = again(rpc, from, deep, &keep).await?;
        let _null: Value = rpc.call("anvil_reorg", json!([deep, pairs])).await?;
        // A block that came in between made it one too shallow.
        if rpc.block(from).await?.map(|block| block.hash) != before {
            return Ok(deep);
        }
        ensure!(Instant::now() < deadline, "the node does not reorganise");
    }
}

/// Raw transactions that come again, each with its place above the fork.
async fn again(
    rpc: &Rpc,
    from: u64,
    blocks: u64,
    keep: impl Fn(&Value) -> bool,
) -> Result<Vec<(Bytes, u64)>> {
    let mut out = Vec::new();
    for place in 0..blocks {
        let block: Value =
            rpc.call("eth_getBlockByNumber", json!([format!("{:#x}", from + place), true])).await?;
        for transaction in block["transactions"].as_array().into_iter().flatten() {
            if keep(transaction) {
                let raw: Bytes =
                    rpc.call("eth_getRawTransactionByHash", json!([transaction["hash"]])).await?;
                out.push((raw, (place + 1).min(blocks - 1)));
            }
        }
    }
    Ok(out)
}

/// Waits for an incident of the service's list.
async fn incident_where(scene: &Scene, wanted: impl Fn(&Value) -> bool) -> Result<Value> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let page = scene.trial.service.get("/api/v1/incidents").await?;
        if let Some(found) =
            page["incidents"].as_array().into_iter().flatten().find(|incident| wanted(incident))
        {
            return Ok(found.clone());
        }
        ensure!(Instant::now() < deadline, "not there: {page}\n{}", scene.trial.service.told.tail(30));
        sleep(Duration::from_millis(50)).await;
    }
}

/// A scene in which nothing is closed, with the incident of the first false release, and the height of that.
async fn observed(seed: u64) -> Result<(Scene, Value, u64)> {
    let scene = Scene::start(seed, Tuning { mode: "observe", ..Tuning::default() }).await?;
    let play = scene.play();
    let first = scene.first_false_release().await?;
    play.stop();
    play.finish().await?;
    let incident = incident_where(&scene, |incident| incident["class"] == "halt").await?;
    Ok((scene, incident, first.height))
}

async fn gone(seed: u64, depth: u64) -> Result<Outcome> {
    let (scene, incident, height) = observed(seed).await?;
    let deep = replace(&scene.trial.world.ethereum.node.rpc, height, depth, |_| false).await?;
    incident_where(&scene, |found| found["id"] == incident["id"] && found["state"] == "retracted").await?;
    let outcome = check::verdict(&scene, Expect { to_close: 0, ..Expect::default() }).await?;
    Ok(outcome.noting(format!("{deep} blocks replaced; the incident is retracted")))
}

async fn back(seed: u64, depth: u64) -> Result<Outcome> {
    let (scene, _, height) = observed(seed).await?;
    let rpc = &scene.trial.world.ethereum.node.rpc;
    let deep = replace(rpc, height, depth, |_| true).await?;
    let outcome = check::verdict(&scene, Expect { to_close: 0, ..Expect::default() }).await?;
    // Every log is in another block than before, and the loss is as real as it was.
    incident_where(&scene, |found| found["class"] == "halt" && found["state"] == "open").await?;
    Ok(outcome.noting(format!("{deep} blocks replaced; an incident stands")))
}

async fn pause(seed: u64, depth: u64) -> Result<Outcome> {
    let scene = Scene::start(seed, Tuning::default()).await?;
    let side = &scene.trial.world.ethereum;
    scene.trial.play().await?;
    check::all_closed(&scene.trial, PATIENCE).await?;
    let trips = scene.trial.trips(side).await?;
    let landed = landed(&side.node.rpc, side.deployed.guard, side.deployed.from_height).await?;
    let Some(first) = landed.iter().map(|(height, _)| *height).min() else { eyre::bail!("no pause landed") };
    let before: BTreeSet<B256> = landed.iter().map(|(_, block)| *block).collect();
    let tripper = scene.trial.world.crew.tripper.address();
    let not_ours = |transaction: &Value| {
        transaction["from"].as_str().and_then(|from| from.parse::<Address>().ok()) != Some(tripper)
    };
    let deep = replace(&side.node.rpc, first, depth, not_ours).await?;
    let opened = Instant::now();
    check::all_closed(&scene.trial, PATIENCE).await?;
    let took = opened.elapsed();
    let outcome = check::verdict(&scene, Expect::default()).await?;
    let now = self::landed(&side.node.rpc, side.deployed.guard, side.deployed.from_height).await?;
    ensure!(now.iter().any(|(_, block)| !before.contains(block)), "the pause stands where it stood");
    if let Some(trip) = trips.first() {
        scene.trial.settled(trip.incident).await?;
    }
    Ok(outcome.noting(format!("{deep} blocks replaced; closed again after {} ms", took.as_millis())))
}

/// Blocks in which the guard's logs stand.
async fn landed(rpc: &Rpc, guard: Address, from: u64) -> Result<Vec<(u64, B256)>> {
    Ok(rpc.all_logs(guard, from).await?.iter().map(|log| (log.block_number, log.block_hash)).collect())
}
