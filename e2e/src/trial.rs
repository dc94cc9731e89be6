//! A short play with a service, for tests: the first minute of the attack, and whatever a test does to it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use alloy::primitives::{Address, B256, U256, keccak256};
use alloy::sol_types::SolEvent;
use eyre::{Result, bail};
use serde_json::Value;

use crate::actors::Sent;
use crate::books::{Books, Observed};
use crate::chain::Receipt;
use crate::clock::Factor;
use crate::contracts::Guard;
use crate::lab::{Outcome, Setup, Side, World};
use crate::nodes::{Head, Heads};
use crate::scenario::{self, Actor, Domain};
use crate::service::{Service, Tuning};

/// How long containment may take on a busy machine before a test gives up.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Divides all times of a trial.
pub const FACTOR: f64 = 60.0;

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
        Self::start_in(None, seed, tuning).await
    }

    /// As [`Trial::start`]; the world lives in a folder that somebody chose.
    ///
    /// # Errors
    /// As [`Trial::start`].
    pub async fn start_in(dir: Option<PathBuf>, seed: u64, tuning: Tuning) -> Result<Self> {
        let script = scenario::compact::load(&scenario::compact_path(), 60)?.until(60);
        let world = World::build(Setup { scenario: script, factor: Factor::new(FACTOR), seed, dir }).await?;
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
        let attack = Attack::of(&self.world);
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            let head = tokio::time::timeout(PATIENCE, Heads::next(&mut heads)).await??;
            let receipts = self.world.ethereum.node.rpc.receipts(head.height).await?;
            if receipts.iter().any(|receipt| attack.is_in(receipt)) {
                return Ok(head);
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

    /// The database, which runs beside the first service of the world whoever uses it.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn books(&self) -> Result<Books> {
        Books::open(&self.world.dir.join(crate::service::MAIN_FOLDER)).await
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
    pub async fn logs_on_chain(&self) -> Result<BTreeSet<Place>> {
        let mut out = BTreeSet::new();
        for side in self.world.sides() {
            for log in side.node.rpc.all_logs(side.deployed.bridge, side.deployed.from_height).await? {
                out.insert((side.caip2(), log.block_hash, i64::try_from(log.log_index)?));
            }
        }
        Ok(out)
    }

    /// Compares what was written down with what the chains hold now.
    ///
    /// # Errors
    /// When a node or the database does not answer.
    pub async fn gap(&self) -> Result<Gap> {
        let chain = self.logs_on_chain().await?;
        let observed = self.books().await?.observed().await?;
        Ok(Gap::between(&chain, &observed))
    }

    /// Waits until the database holds every log of the chains exactly once as standing, and nothing else.
    ///
    /// # Errors
    /// When it does not within [`PATIENCE`]; the error says what is missing and what is there too often.
    pub async fn nothing_lost(&self) -> Result<usize> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.gap().await {
                Ok(gap) if gap.is_none() => return Ok(gap.events),
                Ok(gap) if Instant::now() > deadline => bail!("{gap:?}"),
                Err(error) if Instant::now() > deadline => return Err(error),
                _not_yet => tokio::time::sleep(Duration::from_millis(100)).await,
            }
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

/// What tells a false release of the play from an honest one.
#[derive(Debug, Clone)]
pub struct Attack {
    bridge: Address,
    released: B256,
    ids: BTreeSet<B256>,
}

impl Attack {
    /// The attack of a world's script.
    #[must_use]
    pub fn of(world: &World) -> Self {
        let false_ones = world.scenario.live.iter().filter(|transfer| transfer.actor != Actor::Honest);
        Self::on(world.ethereum.deployed.bridge, false_ones.map(|transfer| transfer.message_id))
    }

    /// An attack on a bridge that releases for these messages.
    #[must_use]
    pub fn on(bridge: Address, messages: impl IntoIterator<Item = u64>) -> Self {
        Self {
            bridge,
            released: keccak256(b"Released(uint32,uint256,address,address,uint256)"),
            ids: messages.into_iter().map(|id| B256::from(U256::from(id))).collect(),
        }
    }

    /// Whether a transaction made a false release on Ethereum.
    #[must_use]
    pub fn is_in(&self, receipt: &Receipt) -> bool {
        receipt.logs.iter().any(|log| log.address == self.bridge && self.is(&log.topics))
    }

    /// Whether topics are those of a false release.
    #[must_use]
    pub fn is(&self, topics: &[B256]) -> bool {
        topics.first() == Some(&self.released) && topics.get(2).is_some_and(|id| self.ids.contains(id))
    }
}

/// A log by its place: chain, block, index.
pub type Place = (String, B256, i64);

/// Where the record and the chains differ; each replica's record counts for itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Gap {
    /// Logs on the chains.
    pub events: usize,
    /// On a chain and not standing in a record.
    pub missing: Vec<Place>,
    /// On a chain and standing more than once.
    pub twice: Vec<Place>,
    /// Standing, and on no chain.
    pub phantoms: Vec<Place>,
}

impl Gap {
    /// Whether they say the same.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.count() == 0
    }

    /// How many logs differ.
    #[must_use]
    pub fn count(&self) -> usize {
        self.missing.len() + self.twice.len() + self.phantoms.len()
    }

    fn between(chain: &BTreeSet<Place>, observed: &[Observed]) -> Self {
        let mut records: BTreeMap<&str, BTreeMap<Place, i64>> = BTreeMap::new();
        for one in observed {
            let place = (one.chain.clone(), one.block, one.log_index);
            let standing = if one.status == "retracted" { -1 } else { 1 };
            *records.entry(&one.replica).or_default().entry(place).or_default() += standing;
        }
        // No record at all lacks everything.
        records.entry(observed.first().map_or("", |one| &one.replica)).or_default();
        let mut gap = Self { events: chain.len(), ..Self::default() };
        for record in records.values() {
            let standing = |place: &Place| record.get(place).copied().unwrap_or(0);
            gap.missing.extend(chain.iter().filter(|place| standing(place) < 1).cloned());
            gap.twice.extend(chain.iter().filter(|place| standing(place) > 1).cloned());
            let phantom = |(place, count): &(&Place, &i64)| **count != 0 && !chain.contains(*place);
            gap.phantoms.extend(record.iter().filter(phantom).map(|(place, _)| place.clone()));
        }
        gap
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(replica: &str, index: i64, status: &str) -> Observed {
        Observed {
            replica: replica.to_owned(),
            chain: "eip155:1".to_owned(),
            block: B256::ZERO,
            log_index: index,
            status: status.to_owned(),
        }
    }

    #[test]
    fn what_is_missing_there_twice_or_on_no_chain_is_a_gap() {
        let place = |index| ("eip155:1".to_owned(), B256::ZERO, index);
        let chain = BTreeSet::from([place(1), place(2)]);
        let whole = [seen("a", 1, "included"), seen("a", 2, "included")];
        assert!(Gap::between(&chain, &whole).is_none());
        assert_eq!(Gap::between(&chain, &[]).missing.len(), 2);
        assert_eq!(Gap::between(&chain, &whole[..1]).missing, [place(2)]);
        let again = [whole.to_vec(), vec![seen("a", 2, "included")]].concat();
        assert_eq!(Gap::between(&chain, &again).twice, [place(2)]);
        let back = [again, vec![seen("a", 2, "retracted")]].concat();
        assert!(Gap::between(&chain, &back).is_none());
        let ghost = [back.clone(), vec![seen("a", 3, "included")]].concat();
        assert_eq!(Gap::between(&chain, &ghost).phantoms, [place(3)]);
        // Another replica's record has to be whole by itself.
        let other = [back, vec![seen("b", 1, "included")]].concat();
        assert_eq!(Gap::between(&chain, &other).missing, [place(2)]);
    }
}
