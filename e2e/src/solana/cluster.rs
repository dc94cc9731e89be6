//! Everything of the side on this chain in one place.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use alloy::primitives::{Address, B256};
use eyre::{Result, bail, eyre};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::actors::{self, Players};
use super::deploy::{Deployed, deploy};
use super::keys::short;
use super::node::{LAND_PATIENCE, Node, little};
use crate::actors::{Cast, Sent};
use crate::chain::Receipt;
use crate::clock::{Factor, Zero};
use crate::deploy::Crew;
use crate::lab::OPERATORS;
use crate::nodes::Heads;
use crate::proxy::Proxy;
use crate::scenario::Scenario;

/// Where the word of a scope stands in its account.
const WORD_AT: usize = 80;
/// Where the amount stands in an account that holds a token.
const AMOUNT_AT: usize = 64;
/// Closed, on the wire.
const CLOSED: u8 = 2;

/// What the node calls transactions of the play: by a hash nothing can be asked here.
#[derive(Debug, Clone, Default)]
pub struct Names(Arc<Mutex<BTreeMap<B256, String>>>);

impl Names {
    /// Remembers the node's name of a transaction.
    pub fn learn(&self, hash: B256, signature: &str) {
        // Whoever panicked while holding the lock left a map that is whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(hash, signature.to_owned());
    }

    fn of(&self, hash: B256) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&hash).cloned()
    }
}

/// The side on this chain.
#[derive(Debug)]
pub struct Cluster {
    /// Its node.
    pub node: Arc<Node>,
    /// Its slots as they begin, as seen without any operator between.
    pub heads: Heads,
    /// One endpoint per operator.
    pub operators: Vec<Proxy>,
    /// What stands there.
    pub deployed: Deployed,
    players: Players,
    names: Names,
}

impl Cluster {
    /// Starts the node, deploys, and puts the operators' endpoints in front of it.
    ///
    /// # Errors
    /// When the node or a program is missing, or a set-up call fails.
    pub async fn build(
        dir: &Path,
        scenario: &Scenario,
        crew: &Crew,
        cast: &Cast,
        factor: Factor,
    ) -> Result<Self> {
        let players = Players::of(scenario, crew, cast);
        let node = Arc::new(Node::start(&dir.join("solana")).await?);
        let deployed = deploy(&node, scenario, crew, &players.attackers, factor).await?;
        let heads = node.heads().await?;
        let (http, ws) = node.urls();
        let mut operators = Vec::new();
        for name in OPERATORS {
            operators.push(Proxy::before(name, &http, &ws).await?);
        }
        Ok(Self { node, heads, operators, deployed, players, names: Names::default() })
    }

    /// The name of its chain, CAIP-2.
    #[must_use]
    pub fn caip2(&self) -> String {
        self.deployed.caip2.clone()
    }

    /// Its guard as the play names contracts.
    #[must_use]
    pub fn guard(&self) -> Address {
        short(self.deployed.bridge.guard.breaker)
    }

    /// Whether nothing gets out now: the stricter of the scope's two accounts counts.
    ///
    /// # Errors
    /// When the node does not answer, or the scope is not registered.
    pub async fn closed(&self) -> Result<bool> {
        let guard = self.deployed.bridge.guard;
        let lanes = [0, 1].map(|lane| guard.scope(self.deployed.scope, lane));
        let (slot, time) = self.node.now().await?;
        let mut closed = false;
        for data in self.node.accounts(&lanes).await? {
            let data = data.ok_or_else(|| eyre!("the guard does not know the scope"))?;
            let word = data.get(WORD_AT..).and_then(|rest| rest.first_chunk::<32>());
            closed |= is_closed(word.ok_or_else(|| eyre!("a scope's account is too short"))?, slot, time);
        }
        Ok(closed)
    }

    /// What is held at a place, by its short name; base units.
    ///
    /// # Errors
    /// When the node does not answer, or nobody has that name.
    pub async fn balance(&self, name: Address) -> Result<u64> {
        let place = self.deployed.holding(name)?;
        let data = self.node.accounts(&[place]).await?.into_iter().next().flatten();
        little(&data.ok_or_else(|| eyre!("nothing is held there"))?, AMOUNT_AT)
    }

    /// Plays the live part; what was sent goes to `log`.
    ///
    /// # Errors
    /// As [`actors::play`].
    pub fn play(
        &self,
        scenario: Arc<Scenario>,
        zero: Zero,
        log: mpsc::UnboundedSender<Sent>,
        stop: CancellationToken,
    ) -> impl Future<Output = Result<()>> + Send + 'static {
        let stage = (Arc::clone(&self.node), self.deployed.clone(), self.names.clone());
        actors::play(stage, scenario, self.players.clone(), zero, log, stop)
    }

    /// Waits until a transaction of the play is in a confirmed block, whether it succeeded there or not.
    ///
    /// # Errors
    /// When no block holds it within half a minute, or the node does not answer.
    pub async fn landed(&self, hash: B256) -> Result<Receipt> {
        let deadline = Instant::now() + LAND_PATIENCE;
        loop {
            match self.receipt(hash).await? {
                Some(receipt) => return Ok(receipt),
                None if Instant::now() > deadline => bail!("transaction {hash} is in no block"),
                None => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    }

    /// What became of a transaction of the play; none while no confirmed block holds it.
    ///
    /// # Errors
    /// When the node does not answer.
    pub async fn receipt(&self, hash: B256) -> Result<Option<Receipt>> {
        let Some(signature) = self.names.of(hash) else { return Ok(None) };
        let Some((slot, why)) = self.node.status(&signature).await? else { return Ok(None) };
        Ok(Some(Receipt {
            transaction_hash: hash,
            block_number: slot,
            transaction_index: 0,
            status: u64::from(why.is_none()),
            contract_address: None,
            logs: Vec::new(),
        }))
    }
}

/// Whether a scope's word says closed at a slot and time.
fn is_closed(word: &[u8; 32], slot: u64, time: u64) -> bool {
    // Five bytes, the most significant first.
    let bound = |at: usize| word[at..at + 5].iter().fold(0, |sum, byte| (sum << 8) | u64::from(*byte));
    let (until_slot, until, hold) = (bound(20), bound(25), word[30]);
    hold >= CLOSED || time < until || slot < until_slot
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_closed_by_hold_by_time_and_by_slot() {
        let mut word = [0; 32];
        word[31] = 1;
        assert!(!is_closed(&word, 10, 10));
        let (mut held, mut timed, mut slotted) = (word, word, word);
        held[30] = 2;
        timed[29] = 11;
        slotted[24] = 11;
        assert!(is_closed(&held, 10, 10) && is_closed(&timed, 10, 10) && is_closed(&slotted, 10, 10));
        assert!(!is_closed(&timed, 10, 11) && !is_closed(&slotted, 11, 10));
        held[30] = 1;
        assert!(!is_closed(&held, 10, 10), "limited");
    }
}
