//! The same way on a bridge with a side on a chain of slots: a false mint there, and the trips for all three chains; and how soon
//! a trip is in a block of that chain.
//!
//! A slot becomes visible when the first of the operators' endpoints pushes that it is confirmed; then a quorum is asked what
//! happened in it, and the trips leave on that word: there is no other on this chain. The measurement ends when bytes have
//! arrived at the last of the nine endpoints.

use std::time::{Duration, Instant};

use alloy::primitives::{B256, U256};
use eyre::{Result, WrapErr, bail, ensure, eyre};
use portcullis_adapter::{Contain, Landing};
use portcullis_solana::address::shown;
use portcullis_solana::signer::{LocalSigner, Signer};
use portcullis_solana::{Solana, SolanaConfig, SolanaContainer};
use portcullis_verifier::{Action, ActionClass, ActionId, ChainId, IncidentId, Level};
use serde_json::{Value, json};

use super::{latency, mixed};
use crate::chain::Rpc;
use crate::clock::{self, Factor};
use crate::demo::{self, Options, Script};
use crate::lab::{Setup, World};
use crate::scenario::Domain;
use crate::solana::cluster::Cluster;
use crate::solana::deploy::recipient;
use crate::solana::keys::account;
use crate::solana::program::{Message, guard_program, pay};

/// How long one round may take.
const ROUND: Duration = Duration::from_secs(60);
/// What each false mint takes, base units: 75,000 whole tokens, for which no threshold is too high.
const AMOUNT: u64 = 75_000_000_000;
/// Messages that nobody sent are numbered from here.
const FALSE_ID: u64 = 7_000_000;
/// The record that trips name.
const RECORD: B256 = B256::repeat_byte(0x5e);

/// What came out.
#[derive(Debug, Clone, Default)]
pub struct Slots {
    /// Slot with the mint → bytes at the last endpoint, milliseconds, one per round.
    pub told: Vec<f64>,
    /// The floor: bare round trips for the same questions, one fsynced record, and the bytes' way.
    pub floor: Vec<f64>,
    /// Slots from the one that was worked through when a trip was handed over to the one that holds it, one per run.
    pub trips: Vec<u64>,
    /// The floor: the same of a bare payment that was handed over at the same time.
    pub payments: Vec<u64>,
}

impl Slots {
    /// How many of these landed within two slots.
    #[must_use]
    pub fn within_two(landed: &[u64]) -> f64 {
        landed.iter().filter(|slots| **slots <= 2).count() as f64
    }
}

/// Runs `rounds` attacks, one after the other, and then `runs` trips and payments without anybody else on the chain; `told` hears
/// of each.
///
/// # Errors
/// When a node is missing, the world cannot be built, or a round does not end.
pub async fn measure(rounds: usize, runs: usize, mut told: impl FnMut(&str)) -> Result<Slots> {
    let options = Options { script: Script::Corridor(None), solana: true, lead: 0, ..Options::default() };
    let setup = Setup { scenario: demo::script(&options)?, factor: Factor::new(60.0), seed: 97, dir: None };
    let world = World::build(setup).await?;
    let service = mixed::start(&world).await?;
    let mut out = Slots::default();
    let play = Play::open(&world).await?;
    for round in 0..rounds {
        let played = play.round(round).await;
        let (slot, ms) = played.map_err(|error| error.wrap_err(service.told.tail(20)))?;
        let floor = play.floor(slot).await?;
        told(&format!("round {:>3}: told {ms:>8.3} ms, floor {floor:>7.3} ms", round + 1));
        out.told.push(ms);
        out.floor.push(floor);
    }
    // What follows is about the chain: nobody else closes anything meanwhile.
    drop(service);
    let lane = Lane::open(play.cluster, &world).await?;
    for run in 0..runs {
        let (trip, payment) = lane.run(run).await.wrap_err_with(|| format!("run {}", run + 1))?;
        told(&format!("run {:>3}: the trip landed {trip} slots later, a payment {payment}", run + 1));
        out.trips.push(trip);
        out.payments.push(payment);
    }
    Ok(out)
}

struct Play<'w> {
    world: &'w World,
    cluster: &'w Cluster,
    relayer: LocalSigner,
    token: usize,
}

impl<'w> Play<'w> {
    /// Makes the mistake after which everybody can mint.
    async fn open(world: &'w World) -> Result<Self> {
        let cluster = world.cluster.as_ref().ok_or_else(|| eyre!("the world has no side on slots"))?;
        let owner = account(&world.crew.owner)?;
        cluster.node.settle(&[&owner], &[cluster.deployed.bridge.upgrade()], "the upgrade").await?;
        let usdc = world.scenario.tokens.iter().position(|token| token.symbol == "USDC");
        let token = usdc.ok_or_else(|| eyre!("the script has no USDC"))?;
        Ok(Self { world, cluster, relayer: account(&world.crew.relayer)?, token })
    }

    /// One false mint: its slot, and milliseconds from there to the last endpoint's bytes.
    async fn round(&self, round: usize) -> Result<(u64, f64)> {
        for proxy in self.world.places().into_iter().flat_map(|place| place.operators()) {
            proxy.forget();
        }
        let deadline = Instant::now() + ROUND;
        let here = &self.cluster.deployed;
        let word = |number: u64| B256::from(U256::from(number));
        let message = Message {
            origin: Domain::Ethereum.number(),
            id: word(FALSE_ID + round as u64),
            mint: here.token(self.token)?,
            amount: AMOUNT,
            to: here.holding(recipient(&self.world.crew, self.token)?)?,
            nonce: word(round as u64),
        };
        let call = here.bridge.process(self.relayer.account(), &message);
        let slot = self.cluster.node.settle(&[&self.relayer], &[call], "a false mint").await?;
        let ms = mixed::bytes_after(self.world, &self.cluster.operators, slot, deadline).await?;
        self.open_again(deadline).await?;
        Ok((slot, ms))
    }

    /// Waits until the trips have landed everywhere, and until every gate lets value out again.
    async fn open_again(&self, deadline: Instant) -> Result<()> {
        for closed in [true, false] {
            while self.cluster.closed().await? != closed {
                ensure!(Instant::now() < deadline, "{}: closed is not {closed}", self.cluster.caip2());
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        latency::opened(self.world, deadline).await
    }

    /// The bare minimum of the same work, milliseconds: the block from all three operators, one record on disk, and the bytes' way
    /// to an endpoint.
    async fn floor(&self, slot: u64) -> Result<f64> {
        let asks = self.cluster.operators.iter().map(|proxy| Rpc::new(proxy.http(), 0));
        let asks = asks.collect::<Result<Vec<_>>>()?;
        let how = json!({
            "commitment": "confirmed", "encoding": "json", "rewards": false,
            "transactionDetails": "full", "maxSupportedTransactionVersion": 0,
        });
        let begun = Instant::now();
        let blocks = asks.iter().map(|rpc| rpc.call::<Value>("getBlock", json!([slot, how])));
        futures::future::try_join_all(blocks).await?;
        let first = asks.first().ok_or_else(|| eyre!("no endpoint"))?;
        let _way: Value = first.call("getHealth", json!([])).await?;
        let trips = begun.elapsed().as_secs_f64() * 1e3;
        Ok(trips + latency::on_disk(self.world).await?)
    }
}

/// The lane by itself: what is signed is handed over at once, and no service is in between.
struct Lane<'w> {
    cluster: &'w Cluster,
    container: SolanaContainer,
    payer: LocalSigner,
    to: B256,
    began_secs: u64,
}

impl<'w> Lane<'w> {
    async fn open(cluster: &'w Cluster, world: &World) -> Result<Self> {
        let endpoints: Vec<Value> = cluster
            .operators
            .iter()
            .map(|proxy| json!({"operator": proxy.operator, "http": proxy.http(), "ws": proxy.ws()}))
            .collect();
        let guard = shown(cluster.deployed.bridge.guard.breaker);
        let config: SolanaConfig = serde_json::from_value(json!({
            "chain": cluster.caip2(), "endpoints": endpoints, "quorum": 2,
            "targets": [{"id": "guard", "kind": "guard", "address": format!("{guard}@{}", shown(guard_program()))}],
        }))?;
        let container = Solana::new(config)?.container(std::sync::Arc::new(account(&world.crew.tripper)?));
        let (payer, to) = (account(&world.crew.float)?, account(&world.crew.relayer)?.account());
        Ok(Self { cluster, container, payer, to, began_secs: clock::now_secs() })
    }

    /// One trip and one payment, handed over at once: slots from then to the blocks that hold them.
    async fn run(&self, run: usize) -> Result<(u64, u64)> {
        self.container.warm().await?;
        let node = &self.cluster.node;
        let attempts = self.container.sign(&self.action(run)?, RECORD, 0).await?;
        let attempt = attempts.first().ok_or_else(|| eyre!("nothing was signed"))?;
        let payment =
            node.sign(&[&self.payer], &[pay(self.payer.account(), self.to, 1 + run as u64)]).await?;
        let now = node.devnet.ask("getSlot", json!([{"commitment": "processed"}])).await?;
        let now = now.as_u64().ok_or_else(|| eyre!("the node says no slot"))?;
        let (sent, paid) = tokio::join!(self.container.broadcast(attempt), node.send(&payment));
        paid?;
        ensure!(sent.replies.iter().any(|reply| reply.accepted), "nobody took the trip: {sent:?}");
        let deadline = Instant::now() + ROUND;
        let landed = loop {
            match self.container.landing(attempt).await {
                Ok(Landing::Included(block)) => break block.height,
                Ok(Landing::Pending) | Err(_) if Instant::now() < deadline => {}
                other => bail!("the trip did not land: {other:?}"),
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        let settled = node.settled(&payment.signature, "a payment").await?;
        Ok((landed.saturating_sub(now), settled.saturating_sub(now)))
    }

    /// Each closes a second longer than the one before, so that each changes something.
    fn action(&self, run: usize) -> Result<Action> {
        let here = &self.cluster.deployed;
        let action = Action {
            id: ActionId(B256::ZERO),
            chain: ChainId::new(&here.caip2)?,
            target: here.bridge.guard.breaker,
            scope: here.scope,
            level: Level::Closed,
            until: self.began_secs + 600 + run as u64,
            until_height: 0,
            incident: IncidentId(B256::repeat_byte(7)),
            generation: 0,
            class: ActionClass::Halt,
            value_at_risk_micro_usd: 0,
            reasons: Vec::new(),
        };
        Ok(action.with_id())
    }
}
