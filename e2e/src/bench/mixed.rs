//! The same way, from head to bytes, on a bridge between two families: a false mint on a real node of the other family,
//! and the trips for all three chains.
//!
//! Two moments of one attack are looked at. The block that holds the mint becomes visible, and a quorum reports what
//! happened in it: the first trips leave on that word. The next block's header carries the state in which the mint is
//! recorded: with it the attack is proven, and what is only done on proof leaves. Both begin when the first of the
//! operators' endpoints pushes the block, and end when bytes have arrived at the last of the nine endpoints.

use std::time::{Duration, Instant};

use alloy::primitives::{Address, U256};
use eyre::{Result, WrapErr, bail, ensure, eyre};
use portcullis_rpc::loopback::free_port;
use serde_json::{Value, json};

use super::{latency, percentile};
use crate::clock::Factor;
use crate::cosmos::deploy::call;
use crate::cosmos::keys::{Wallet, shown};
use crate::cosmos::rpc::Rpc;
use crate::cosmos::zone::Zone;
use crate::demo::{self, Options, Script};
use crate::lab::{Setup, World};
use crate::proxy::{Proxy, What};
use crate::scenario::Domain;
use crate::service::{Service, Tuning, write_config};

/// Closure on the word of a quorum, recorded seconds: two of the bench.
const HOLD_SECS: u64 = 120;
/// Closure on proof, recorded seconds: longer, so that it is another trip.
const HALT_SECS: u64 = 240;
/// How long one round may take.
const ROUND: Duration = Duration::from_secs(60);
/// Gas of a call; unused gas costs nothing here.
const GAS: u64 = 3_000_000;
/// What each false mint takes, base units: 75,000 whole tokens, for which no threshold is too high.
const AMOUNT: u64 = 75_000_000_000;
/// Messages that nobody sent are numbered from here.
const FALSE_ID: u64 = 7_000_000;

/// What came out, milliseconds, one of each per round.
#[derive(Debug, Clone, Default)]
pub struct Latency {
    /// Block with the mint → bytes at the last endpoint.
    pub told: Vec<f64>,
    /// The floor: bare round trips for the same questions, one fsynced record, and the bytes' way.
    pub told_floor: Vec<f64>,
    /// Block whose header proves it → bytes at the last endpoint.
    pub proven: Vec<f64>,
    /// The floor: as above, with the questions that the proof needs.
    pub proven_floor: Vec<f64>,
}

impl Latency {
    /// Median and 99th percentile of samples, and the same of their floor.
    #[must_use]
    pub fn figures(samples: &[f64], floor: &[f64]) -> [(f64, f64); 2] {
        [0.5, 0.99].map(|share| (percentile(samples, share), percentile(floor, share)))
    }
}

/// Runs `rounds` attacks, one after the other; `told` hears of each.
///
/// # Errors
/// When a node is missing, the world cannot be built, or a round does not end.
pub async fn measure(rounds: usize, mut told: impl FnMut(&str)) -> Result<Latency> {
    let options = Options { script: Script::Corridor(None), cosmos: true, lead: 0, ..Options::default() };
    let setup = Setup { scenario: demo::script(&options)?, factor: Factor::new(60.0), seed: 98, dir: None };
    let world = World::build(setup).await?;
    let service = start(&world).await?;
    let mut play = Play::open(&world).await?;
    let mut out = Latency::default();
    for round in 0..rounds {
        let played = play.round(round).await;
        let (first, second) = played.map_err(|error| error.wrap_err(service.told.tail(20)))?;
        let (told_floor, proven_floor) = play.floors().await?;
        told(&format!("round {:>3}: told {first:>8.3} ms, floor {told_floor:>7.3} ms", round + 1));
        out.told.push(first);
        out.told_floor.push(told_floor);
        if let Some(second) = second {
            told(&format!("           proven {second:>8.3} ms, floor {proven_floor:>7.3} ms"));
            out.proven.push(second);
            out.proven_floor.push(proven_floor);
        }
    }
    // Which of its steps took how long, by its own clocks; single round trips would drown them.
    let spans = latency::spans(&service).await?;
    for (name, p50, p99) in spans.iter().filter(|(name, ..)| !name.starts_with("portcullis_rpc_")) {
        told(&format!("{name:<90} p50 {p50:>8.3}  p99 {p99:>8.3} ms"));
    }
    drop(service);
    Ok(out)
}

/// The service, told not to wait for proof before it acts on the word of a quorum.
pub(super) async fn start(world: &World) -> Result<Service> {
    let tuning = Tuning { halt_secs: HALT_SECS, hold_secs: HOLD_SECS, ..Tuning::default() };
    let port = free_port()?;
    let config = write_config(world, &tuning, port)?;
    let text = std::fs::read_to_string(&config)?;
    let at_once = text.replace("evidence_wait_ms = 10\n", "evidence_wait_ms = 0\n");
    // Where nothing can be proven by state, nothing is waited for.
    ensure!(
        world.zone.is_none() || at_once != text,
        "the configuration says nothing of waiting for evidence"
    );
    std::fs::write(&config, at_once)?;
    let mut service = Service::begin_at(&world.dir, config, port, &tuning)?;
    service.healthy(ROUND).await?;
    Ok(service)
}

/// Milliseconds from a block's first push by one of `watched` to the moment at which every endpoint has had a trip since.
pub(super) async fn bytes_after(
    world: &World,
    watched: &[Proxy],
    height: u64,
    deadline: Instant,
) -> Result<f64> {
    loop {
        if let Some(ms) = seen(world, watched, height) {
            return Ok(ms);
        }
        if Instant::now() > deadline {
            bail!("the trips after block {height} do not come");
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

fn seen(world: &World, watched: &[Proxy], height: u64) -> Option<f64> {
    let heads = watched.iter().flat_map(Proxy::notes);
    let of_block = heads.filter(|note| matches!(note.what, What::Head { height: at, .. } if at == height));
    let pushed = of_block.map(|note| note.at).min()?;
    let first_trip = |proxy: &Proxy| {
        let notes = proxy.notes();
        let mut trips =
            notes.iter().filter(|note| matches!(note.what, What::Submitted { .. }) && note.at >= pushed);
        trips.next().map(|note| note.at)
    };
    let endpoints = world.places().into_iter().flat_map(|place| place.operators());
    let arrivals: Option<Vec<Instant>> = endpoints.map(first_trip).collect();
    Some(arrivals?.into_iter().max()?.duration_since(pushed).as_secs_f64() * 1e3)
}

struct Play<'w> {
    world: &'w World,
    zone: &'w Zone,
    relayer: Wallet,
    token: String,
    endpoints: Vec<Rpc>,
    /// The block of the newest attack.
    height: u64,
}

impl<'w> Play<'w> {
    /// Makes the mistake after which everybody can mint.
    async fn open(world: &'w World) -> Result<Self> {
        let zone = world.zone.as_ref().ok_or_else(|| eyre!("the world has no third side"))?;
        let rpc = &zone.node.rpc;
        let owner = Wallet::open(rpc, &world.crew.owner).await?;
        let upgrade = call(&owner, &zone.deployed.bridge, &json!({"upgrade": {}}), Vec::new())?;
        let signed = owner.sign([upgrade], GAS)?;
        rpc.send(&signed).await?;
        rpc.settled(signed.hash, "the upgrade").await?;
        let usdc = world.scenario.tokens.iter().position(|token| token.symbol == "USDC");
        let token = zone.deployed.token(usdc.ok_or_else(|| eyre!("the script has no USDC"))?)?.to_owned();
        let endpoints = zone.operators.iter().map(|proxy| Rpc::new(proxy.http(), rpc.chain_id.clone()));
        let (relayer, endpoints) =
            (Wallet::open(rpc, &world.crew.relayer).await?, endpoints.collect::<Result<_>>()?);
        Ok(Self { world, zone, relayer, token, endpoints, height: 0 })
    }

    /// One false mint; milliseconds from its block, and from the one that proves it, to the last endpoint's bytes.
    async fn round(&mut self, round: usize) -> Result<(f64, Option<f64>)> {
        for proxy in self.world.places().into_iter().flat_map(|place| place.operators()) {
            proxy.forget();
        }
        let deadline = Instant::now() + ROUND;
        let recipient = shown(Address::from_word(U256::from(round + 1).into()))?;
        let mint = json!({"process_many": {"messages": [{
            "origin": Domain::Ethereum.number(), "message_id": (FALSE_ID + round as u64).to_string(),
            "token": self.token, "amount": AMOUNT.to_string(), "recipient": recipient.to_string(),
            "nonce": round.to_string(),
        }]}});
        let signed =
            self.relayer.sign([call(&self.relayer, &self.zone.deployed.bridge, &mint, Vec::new())?], GAS)?;
        let rpc = &self.zone.node.rpc;
        rpc.send(&signed).await?;
        self.height = rpc.settled(signed.hash, "a false mint").await?.height;
        let after = |height| bytes_after(self.world, &self.zone.operators, height, deadline);
        let first = after(self.height).await.wrap_err("on the word of a quorum")?;
        // Once an attack of an incident is proven, what follows needs no proof of its own: there is one trip, at once.
        let second = if round == 0 { Some(after(self.height + 1).await.wrap_err("on proof")?) } else { None };
        self.open_again(deadline).await?;
        Ok((first, second))
    }

    /// Waits until both trips have landed everywhere, and until every gate lets value out again.
    async fn open_again(&self, deadline: Instant) -> Result<()> {
        let rpc = &self.zone.node.rpc;
        // The second trip is in the block after the one that caused it, or in the next.
        rpc.reach(self.height + 3).await?;
        while self.zone.closed().await? {
            if Instant::now() > deadline {
                bail!("{} does not open again", self.zone.caip2());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        latency::opened(self.world, deadline).await?;
        let now = rpc.height().await?;
        rpc.reach(now + 2).await
    }

    /// The bare minimum of the same work, milliseconds. On the word of a quorum: commit and results of the block from
    /// all three operators; its transactions came with the push. For the proof: the results again, then the recorded
    /// state with its proofs, beside the header that carries its root. Then one record on disk, and the bytes' way to an
    /// endpoint.
    async fn floors(&self) -> Result<(f64, f64)> {
        let at = |height: u64| json!({"height": height.to_string()});
        let first = self.endpoints.first().ok_or_else(|| eyre!("no endpoint"))?;
        let begun = Instant::now();
        let both = self.endpoints.iter().flat_map(|rpc| {
            ["commit", "block_results"].map(|method| rpc.call::<Value>(method, at(self.height)))
        });
        futures::future::try_join_all(both).await?;
        let _way: Value = first.call("health", json!({})).await?;
        let told = begun.elapsed().as_secs_f64() * 1e3;
        let begun = Instant::now();
        let state = async {
            let _events: Value = first.call("block_results", at(self.height)).await?;
            let key = format!("02{}", alloy::hex::encode(contract_bytes(&self.zone.deployed.bridge)?));
            let height = self.height.to_string();
            let ask = json!({"path": "/store/wasm/key", "data": key, "height": height, "prove": true});
            first.call::<Value>("abci_query", ask).await
        };
        let header = async {
            first.call::<Value>("commit", at(self.height + 1)).await?;
            first.call::<Value>("validators", at(self.height + 1)).await
        };
        tokio::try_join!(state, header)?;
        let _way: Value = first.call("health", json!({})).await?;
        let proven = begun.elapsed().as_secs_f64() * 1e3;
        Ok((told + latency::on_disk(self.world).await?, proven + latency::on_disk(self.world).await?))
    }
}

fn contract_bytes(contract: &str) -> Result<Vec<u8>> {
    let id: cosmrs::AccountId = contract.parse().map_err(|error| eyre!("{contract}: {error}"))?;
    Ok(id.to_bytes())
}
