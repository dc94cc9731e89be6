//! Head visible on the socket → containment bytes at every endpoint of both chains, commit included.
//!
//! Measured at the operators' endpoints, from outside: from the moment at which the first of them pushes the head of
//! the block with a false release, to the moment at which the trip's bytes have arrived at the last of the six. The gate
//! then expires by itself, and the next false release is a new attack.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write;
use std::time::{Duration, Instant};

use alloy::primitives::{Address, U256};
use alloy::sol_types::SolCall;
use eyre::{Result, bail, eyre};
use serde_json::json;

use crate::chain::{GAS, Rpc};
use crate::clock::Factor;
use crate::contracts::{Bridge, Message};
use crate::keys::{Call, Key};
use crate::lab::{Setup, Side, World};
use crate::proxy::What;
use crate::scenario::{self, Domain};
use crate::service::{Service, Tuning};

use super::percentile;
use super::profile::Sampler;

/// Closure of each halt, recorded seconds: two seconds of the bench.
const HALT_SECS: u64 = 120;
/// How long one round may take.
const ROUND: Duration = Duration::from_secs(30);
/// Size of the record that the floor's commit writes, bytes: about that of a decision with its attempts.
const COMMIT_BYTES: usize = 8_192;

/// What came out, milliseconds.
#[derive(Debug, Clone, Default)]
pub struct Latency {
    /// Head to the last endpoint, one per round.
    pub total: Vec<f64>,
    /// Head to the first endpoint, one per round: observe, verify, decide, sign, commit.
    pub first: Vec<f64>,
    /// The floor: bare round trips through one endpoint for the same questions, one fsynced record, and the bytes'
    /// way, one per round.
    pub floor: Vec<f64>,
    /// Of the floor: round trips.
    pub trips: Vec<f64>,
    /// Of the floor: the commit.
    pub commit: Vec<f64>,
    /// Where a profile was asked for: the service's stacks, and how often each was seen.
    pub stacks: BTreeMap<String, u64>,
    /// Where a profile was asked for: steps of the service by its own clock, median and 99th percentile, milliseconds.
    pub spans: Vec<(String, f64, f64)>,
}

impl Latency {
    /// Median and 99th percentile of what was measured, and the median of the floor.
    #[must_use]
    pub fn p50_p99_floor(&self) -> (f64, f64, f64) {
        (percentile(&self.total, 0.5), percentile(&self.total, 0.99), percentile(&self.floor, 0.5))
    }
}

/// Runs `rounds` attacks, one after the other.
///
/// # Errors
/// When the world cannot be built, or a round does not end.
pub async fn measure(rounds: usize, profile: bool, mut told: impl FnMut(usize, f64, f64)) -> Result<Latency> {
    let script = scenario::compact::load(&scenario::compact_path(), 0)?.until(-1);
    let world =
        World::build(Setup { scenario: script, factor: Factor::new(60.0), seed: 99, dir: None }).await?;
    let tuning = Tuning { halt_secs: HALT_SECS, hold_secs: HALT_SECS, ..Tuning::default() };
    let service = Service::start(&world, &tuning).await?;
    upgrade(&world).await?;
    let sampler =
        if profile { Some(Sampler::start(service.pid(), &world.dir.join("perf.data"))?) } else { None };
    let mut out = Latency::default();
    for round in 0..rounds {
        let (first, total) =
            attack(&world, round).await.map_err(|error| error.wrap_err(service.told.tail(20)))?;
        let (trips, commit) = floor(&world).await?;
        out.first.push(first);
        out.total.push(total);
        out.trips.push(trips);
        out.commit.push(commit);
        out.floor.push(trips + commit);
        told(round, total, trips + commit);
        open_again(&world).await?;
    }
    if let Some(sampler) = sampler {
        out.stacks = sampler.stacks().await?;
        out.spans = spans(&service).await?;
    }
    drop(service);
    Ok(out)
}

async fn send(rpc: &Rpc, key: &Key, bridge: Address, input: Vec<u8>) -> Result<alloy::primitives::B256> {
    let head = rpc.head().await?;
    let nonce = rpc.nonce(key.address()).await?;
    let tip = 500_000_000u128;
    let max_fee = u128::from(head.base_fee_per_gas) * 2 + tip;
    let signed = key.sign(
        rpc.chain_id,
        nonce,
        &Call { to: Some(bridge), input: input.into(), gas: GAS, max_fee, tip },
    )?;
    rpc.send_raw(&signed.raw).await
}

async fn upgrade(world: &World) -> Result<()> {
    let side = &world.ethereum;
    let hash =
        send(&side.node.rpc, &world.crew.owner, side.deployed.bridge, Bridge::upgradeCall {}.abi_encode())
            .await?;
    landed(&side.node.rpc, hash).await.map(|_height| ())
}

async fn landed(rpc: &Rpc, hash: alloy::primitives::B256) -> Result<u64> {
    let deadline = Instant::now() + ROUND;
    loop {
        match rpc.receipt(hash).await? {
            Some(receipt) if receipt.status == 1 => return Ok(receipt.block_number),
            Some(_reverted) => bail!("a call of the bench was refused"),
            None if Instant::now() > deadline => bail!("a call of the bench does not land"),
            None => tokio::time::sleep(Duration::from_millis(2)).await,
        }
    }
}

/// One false release; gives milliseconds from its head to the first and to the last endpoint.
async fn attack(world: &World, round: usize) -> Result<(f64, f64)> {
    for proxy in world.sides().into_iter().flat_map(|side| &side.operators) {
        proxy.forget();
    }
    let side = &world.ethereum;
    let message = Message {
        origin: Domain::Moonbeam.number(),
        messageId: U256::from(7_000_000 + round),
        token: side.deployed.token(0)?,
        amount: U256::from(100_000_000u64),
        recipient: world.crew.float.address(),
        nonce: U256::from(round),
    };
    let call = Bridge::processManyCall { messages: vec![message] }.abi_encode();
    let hash = send(&side.node.rpc, &world.crew.relayer, side.deployed.bridge, call).await?;
    let height = landed(&side.node.rpc, hash).await?;
    let deadline = Instant::now() + ROUND;
    loop {
        if let Some((pushed, arrivals)) = seen(world, height)
            && let (Some(first), Some(last)) = (arrivals.iter().min(), arrivals.iter().max())
        {
            let ms = |at: &Instant| at.duration_since(pushed).as_secs_f64() * 1e3;
            return Ok((ms(first), ms(last)));
        }
        if Instant::now() > deadline {
            bail!("round {round}: the trips do not come");
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// When the head was pushed first, and when each of the six endpoints had a trip; none until all have.
fn seen(world: &World, height: u64) -> Option<(Instant, Vec<Instant>)> {
    let pushed = world
        .ethereum
        .operators
        .iter()
        .flat_map(|proxy| proxy.notes())
        .filter(|note| matches!(note.what, What::Head { height: at, .. } if at == height))
        .map(|note| note.at)
        .min()?;
    let arrival = |proxy: &crate::proxy::Proxy| {
        let submitted =
            |note: &crate::proxy::Note| matches!(note.what, What::Submitted { .. }) && note.at >= pushed;
        proxy.notes().iter().find(|note| submitted(note)).map(|note| note.at)
    };
    let arrivals: Option<Vec<Instant>> =
        world.sides().into_iter().flat_map(|side| &side.operators).map(arrival).collect();
    Some((pushed, arrivals?))
}

/// What the service's own histograms say of its steps.
pub(super) async fn spans(service: &Service) -> Result<Vec<(String, f64, f64)>> {
    let text =
        crate::tools::http_client()?.get(format!("{}/metrics", service.api())).send().await?.text().await?;
    let mut found: BTreeMap<String, (f64, f64)> = BTreeMap::new();
    for line in text.lines() {
        let Some((name, value)) = line.rsplit_once(' ') else { continue };
        let Some((base, labels)) = name.split_once('{') else { continue };
        let (true, Ok(value)) = (base.ends_with("_seconds"), value.parse::<f64>()) else { continue };
        let entry = found.entry(format!("{base}{{{}", without_quantile(labels))).or_default();
        match labels {
            _ if labels.contains("quantile=\"0.5\"") => entry.0 = value * 1e3,
            _ if labels.contains("quantile=\"0.99\"") => entry.1 = value * 1e3,
            _ => {}
        }
    }
    Ok(found.into_iter().map(|(name, (p50, p99))| (name, p50, p99)).collect())
}

fn without_quantile(labels: &str) -> String {
    let labels = labels.trim_end_matches('}').split(',').filter(|label| !label.starts_with("quantile="));
    format!("{}}}", labels.collect::<Vec<_>>().join(","))
}

/// The bare minimum of the same work, milliseconds: the block's logs, then header and receipts from all three operators,
/// then the bytes' way to an endpoint, each a round trip; and one record that is on disk before it goes on.
async fn floor(world: &World) -> Result<(f64, f64)> {
    let side = &world.ethereum;
    let head = side.node.rpc.head().await?;
    let ask = endpoints(side)?;
    let begun = Instant::now();
    let first = ask.first().ok_or_else(|| eyre!("no endpoint"))?;
    let filter = json!([{"blockHash": head.hash, "address": side.deployed.bridge}]);
    let _logs: serde_json::Value = first.call("eth_getLogs", filter).await?;
    let both = ask.iter().flat_map(|rpc| {
        [
            rpc.call::<serde_json::Value>("eth_getBlockByHash", json!([head.hash, false])),
            rpc.call::<serde_json::Value>("eth_getBlockReceipts", json!([format!("{:#x}", head.number)])),
        ]
    });
    futures::future::try_join_all(both).await?;
    let _way: serde_json::Value = first.call("eth_chainId", json!([])).await?;
    let trips = begun.elapsed().as_secs_f64() * 1e3;
    Ok((trips, on_disk(world).await?))
}

/// Milliseconds until one record is on disk.
pub(super) async fn on_disk(world: &World) -> Result<f64> {
    let path = world.dir.join("floor.bin");
    tokio::task::spawn_blocking(move || -> Result<f64> {
        let mut file = OpenOptions::new().create(true).append(true).open(path)?;
        let begun = Instant::now();
        file.write_all(&[0x5a; COMMIT_BYTES])?;
        file.sync_data()?;
        Ok(begun.elapsed().as_secs_f64() * 1e3)
    })
    .await?
}

fn endpoints(side: &Side) -> Result<Vec<Rpc>> {
    side.operators.iter().map(|proxy| Rpc::new(proxy.http(), side.deployed.chain_id)).collect()
}

/// Waits until both trips have landed, and then until both gates let value out again.
async fn open_again(world: &World) -> Result<()> {
    let deadline = Instant::now() + ROUND;
    for side in world.sides() {
        while !side.closed().await? {
            if Instant::now() > deadline {
                bail!("{} does not close", side.caip2());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
    opened(world, deadline).await
}

/// Waits until the gates of both sides with a past let value out, and the service may have seen it.
pub(super) async fn opened(world: &World, deadline: Instant) -> Result<()> {
    for side in world.sides() {
        loop {
            // By the newest block's own clock: a call may be given the next block's, which is ahead of it.
            let (gate, head) = (side.gate().await?, side.node.rpc.head().await?);
            if head.timestamp >= gate.closedUntil && head.number >= gate.closedUntilHeight {
                break;
            }
            if Instant::now() > deadline {
                bail!("{} does not open again", side.caip2());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    // A few blocks, so that the service has seen it too.
    tokio::time::sleep(world.factor.block_time() * 3).await;
    Ok(())
}
