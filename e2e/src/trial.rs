//! A short play with a service, for tests: the first minute of the attack, and whatever a test does to it.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use alloy::primitives::{B256, U256, keccak256};
use alloy::sol_types::SolEvent;
use eyre::{Result, bail};
use serde_json::Value;

use crate::actors::Sent;
use crate::books::{Books, Observed};
use crate::clock::Factor;
use crate::contracts::Guard;
use crate::lab::{Outcome, Setup, Side, World};
use crate::nodes::{Head, Heads};
use crate::scenario::{self, Actor, Domain};
use crate::service::{Service, Tuning};

/// How long containment may take on a busy machine before a test gives up.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A world with a service that watches it.
#[derive(Debug)]
pub struct Trial {
    /// The service. Ends before the world.
    pub service: Service,
    /// The world.
    pub world: World,
}

impl Trial {
    /// Builds the world of the compact scenario, from a recorded minute before the first false release to one after it,
    /// and starts the service.
    ///
    /// # Errors
    /// When a tool is missing or something does not start.
    pub async fn start(seed: u64, tuning: Tuning) -> Result<Self> {
        let script = scenario::compact::load(&scenario::compact_path(), 60)?.until(60);
        let world =
            World::build(Setup { scenario: script, factor: Factor::new(60.0), seed, dir: None }).await?;
        let service = Service::start(&world, &tuning).await?;
        Ok(Self { service, world })
    }

    /// Plays to the end without doing anything to it.
    ///
    /// # Errors
    /// When a stage fails.
    pub async fn play(&self) -> Result<Vec<Sent>> {
        self.world.play().finish().await
    }

    /// Waits for the first block on Ethereum that holds a false release.
    ///
    /// # Errors
    /// When none comes.
    pub async fn first_false_release(&self) -> Result<Head> {
        let mut heads = self.world.ethereum.heads.latest.clone();
        let released = keccak256(b"Released(uint32,uint256,address,address,uint256)");
        let attackers: BTreeSet<B256> = self
            .world
            .scenario
            .live
            .iter()
            .filter(|transfer| transfer.actor != Actor::Honest)
            .map(|transfer| B256::from(U256::from(transfer.message_id)))
            .collect();
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            let head = tokio::time::timeout(PATIENCE, Heads::next(&mut heads)).await??;
            let side = &self.world.ethereum;
            for receipt in side.node.rpc.receipts(head.height).await? {
                let false_one = |log: &crate::chain::Log| {
                    log.address == side.deployed.bridge
                        && log.topics.first() == Some(&released)
                        && log.topics.get(2).is_some_and(|id| attackers.contains(id))
                };
                if receipt.logs.iter().any(false_one) {
                    return Ok(head);
                }
            }
        }
        bail!("no false release came")
    }

    /// Waits until both gates are closed.
    ///
    /// # Errors
    /// When they are not within [`PATIENCE`]; the error holds the service's last lines.
    pub async fn both_closed(&self) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let closed = [self.world.ethereum.closed().await?, self.world.moonbeam.closed().await?];
            if closed == [true, true] {
                return Ok(());
            }
            if Instant::now() > deadline {
                bail!("closed: {closed:?}; the service's last lines:\n{}", self.service.told.tail(40));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Trips on a side that took effect, in order.
    ///
    /// # Errors
    /// When the node does not answer.
    pub async fn trips(&self, side: &Side) -> Result<Vec<Guard::Tripped>> {
        let logs = side.node.rpc.logs(side.deployed.guard, 0, Guard::Tripped::SIGNATURE_HASH).await?;
        logs.iter()
            .map(|log| Ok(Guard::Tripped::decode_raw_log(log.topics.iter().copied(), &log.data)?))
            .collect()
    }

    /// Hashes of everything that the service submitted anywhere.
    #[must_use]
    pub fn submitted(&self) -> BTreeSet<B256> {
        self.world
            .sides()
            .iter()
            .flat_map(|side| &side.operators)
            .flat_map(|proxy| proxy.submitted())
            .collect()
    }

    /// The service's database.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn books(&self) -> Result<Books> {
        Books::open(self.service.data()).await
    }

    /// The incident in the service's own words, once every action of it is effective.
    ///
    /// # Errors
    /// When that does not come within [`PATIENCE`].
    pub async fn settled(&self, incident: B256) -> Result<Value> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let said = self.service.incident(incident).await;
            if let Ok(books) = &said
                && crate::demo::facts::settled(books)
            {
                return Ok(books.clone());
            }
            if Instant::now() > deadline {
                bail!("not settled: {said:?}; the service's last lines:\n{}", self.service.told.tail(40));
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Every log of the bridges on both chains, as the chains hold them now.
    ///
    /// # Errors
    /// When a node does not answer.
    pub async fn logs_on_chain(&self) -> Result<BTreeSet<(String, B256, i64)>> {
        let mut out = BTreeSet::new();
        for side in self.world.sides() {
            for log in side.node.rpc.all_logs(side.deployed.bridge, side.deployed.from_height).await? {
                out.insert((side.caip2(), log.block_hash, i64::try_from(log.log_index)?));
            }
        }
        Ok(out)
    }

    /// Waits until the database holds every log of the chains exactly once as included (retractions aside).
    ///
    /// # Errors
    /// When it does not within [`PATIENCE`]; the error says what is missing and what is there twice.
    pub async fn nothing_lost(&self) -> Result<usize> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let chain = self.logs_on_chain().await?;
            let observed = match self.books().await {
                Ok(mut books) => books.observed().await.unwrap_or_default(),
                Err(_restarting) => Vec::new(),
            };
            let missing: Vec<_> = chain.iter().filter(|log| standing(&observed, log) < 1).collect();
            let twice: Vec<_> = chain.iter().filter(|log| standing(&observed, log) > 1).collect();
            if missing.is_empty() && twice.is_empty() {
                return Ok(chain.len());
            }
            if Instant::now() > deadline {
                bail!("{} missing: {missing:?}; {} twice: {twice:?}", missing.len(), twice.len());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// What became of the play.
    ///
    /// # Errors
    /// When a node does not answer.
    pub async fn outcomes(&self, sent: &[Sent]) -> Result<Vec<Outcome>> {
        self.world.outcomes(sent).await
    }

    /// The first endpoint of Ethereum and its two colleagues.
    #[must_use]
    pub fn side(&self, domain: Domain) -> &Side {
        if domain == Domain::Ethereum { &self.world.ethereum } else { &self.world.moonbeam }
    }
}

/// How often a log was written down as standing: included, less retracted.
fn standing(observed: &[Observed], (chain, block, index): &(String, B256, i64)) -> i64 {
    observed
        .iter()
        .filter(|one| one.chain == *chain && one.block == *block && one.log_index == *index)
        .map(|one| if one.status == "retracted" { -1 } else { 1 })
        .sum()
}
