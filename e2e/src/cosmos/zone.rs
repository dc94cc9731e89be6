//! Everything of the side on this chain in one place.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use alloy::primitives::{Address, B256, U256};
use eyre::{Result, WrapErr};
use portcullis_rpc::loopback::free_port;
use serde_json::json;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::actors::{self, Players};
use super::deploy::{CHANNEL_HELD, Deployed, call, channel_claim, channel_denom, deploy, hex};
use super::genesis::Endowment;
use super::keys::{Account, Wallet, shown};
use super::node::Node;
use super::watch;
use crate::actors::{Cast, Sent};
use crate::chain::Receipt;
use crate::clock::{Factor, Zero};
use crate::deploy::Crew;
use crate::keys::Key;
use crate::lab::OPERATORS;
use crate::nodes::Heads;
use crate::proxy::Proxy;
use crate::scenario::Scenario;

/// The chain's own name; no public chain has it.
pub const CHAIN_ID: &str = "portcullis-play-7";
/// From one block's agreement to the next one's proposal. Below a second the agreement itself would be much of it.
pub const PACE: Duration = Duration::from_secs(1);
/// Gas of a call outside the script.
const GAS: u64 = 3_000_000;

/// The side on this chain.
#[derive(Debug)]
pub struct Zone {
    /// Its node.
    pub node: Node,
    /// Its heads, as seen without any operator between.
    pub heads: Heads,
    /// One endpoint per operator.
    pub operators: Vec<Proxy>,
    /// What stands there.
    pub deployed: Deployed,
    players: Players,
}

impl Zone {
    /// Starts the node, deploys, and puts the operators' endpoints in front of it.
    ///
    /// # Errors
    /// When the node is missing or does not start, or a set-up call fails.
    pub async fn build(
        dir: &Path,
        scenario: &Scenario,
        crew: &Crew,
        cast: &Cast,
        factor: Factor,
    ) -> Result<Self> {
        let players = Players::of(scenario, crew, cast);
        let mut endowed: Vec<Endowment> = Vec::new();
        for key in crew.all().into_iter().chain(players.attackers()) {
            endowed.push((Account::of(key)?.id().to_string(), Vec::new()));
        }
        let float = Account::of(&crew.float)?.id().to_string();
        for (_, coins) in endowed.iter_mut().filter(|(account, _)| *account == float) {
            coins.push((channel_denom(), CHANNEL_HELD.to_string()));
        }
        let node = Node::start(&dir.join("cosmos"), CHAIN_ID, PACE, &endowed).await?;
        let deployed = deploy(&node.rpc, scenario, crew, factor, PACE).await?;
        let heads = node.heads().await?;
        let mut operators = Vec::new();
        for name in OPERATORS {
            operators.push(Proxy::before(name, node.rpc.url(), &node.ws()).await?);
        }
        Ok(Self { node, heads, operators, deployed, players })
    }

    /// The name of its chain, CAIP-2.
    #[must_use]
    pub fn caip2(&self) -> String {
        format!("cosmos:{}", self.deployed.chain_id)
    }

    /// Its guard as the play names contracts.
    #[must_use]
    pub fn guard(&self) -> Address {
        watch::short(&self.deployed.guard)
    }

    /// Whether nothing gets out now.
    ///
    /// # Errors
    /// When the node does not answer.
    pub async fn closed(&self) -> Result<bool> {
        let question = json!({"level_of": {"scope": hex(self.deployed.scope)}});
        let level: u8 = self.node.rpc.ask(&self.deployed.guard, &question).await?;
        Ok(level == 2)
    }

    /// What an account holds of a represented token.
    ///
    /// # Errors
    /// When the node does not answer.
    pub async fn balance(&self, account: Address, token: &str) -> Result<U256> {
        let question = json!({"balance": {"account": shown(account)?.to_string(), "token": token}});
        let held: String = self.node.rpc.ask(&self.deployed.bridge, &question).await?;
        held.parse().wrap_err("a balance is no number")
    }

    /// Claims coins of the channel's denomination for a message that nobody sent, and gives what became of it: the words
    /// of the chain where it was refused.
    ///
    /// # Errors
    /// When the node does not take it, or no block holds it.
    pub async fn claim_from_channel(&self, key: &Key, message_id: u64) -> Result<Option<String>> {
        let wallet = Wallet::open(&self.node.rpc, key).await?;
        let claim = channel_claim(&Account::of(key)?, message_id);
        let signed = wallet.sign([call(&wallet, &self.deployed.bridge, &claim, Vec::new())?], GAS)?;
        self.node.rpc.send(&signed).await?;
        match self.node.rpc.settled(signed.hash, "the claim").await {
            Ok(_landed) => Ok(None),
            Err(refused) => Ok(Some(format!("{refused:#}"))),
        }
    }

    /// Splits the chain in two: from here on its only validator signs on two nodes that do not know of each other, and
    /// the last operator's endpoint stands in front of the second. Gives that second node.
    ///
    /// # Errors
    /// When a node does not end, start again, or make a block.
    pub async fn split(&mut self, dir: &Path) -> Result<Node> {
        let before = self.node.rpc.height().await?;
        let (home, port) = self.node.stop().await?;
        let other = dir.join("cosmos-other");
        copy(&home, &other)?;
        self.node = Node::resume(&home, CHAIN_ID, port).await?;
        self.heads = self.node.heads().await?;
        let second = Node::resume(&other, CHAIN_ID, free_port()?).await?;
        if let Some(last) = self.operators.last() {
            last.turn_to(second.rpc.url(), &second.ws());
        }
        // What was under way when the node was told to end may still be one block of both.
        for node in [&self.node, &second] {
            node.rpc.reach(before + 2).await?;
        }
        Ok(second)
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
        let (rpc, here) = (Arc::clone(&self.node.rpc), self.deployed.clone());
        actors::play(rpc, here, scenario, self.players.clone(), zero, log, stop)
    }

    /// What became of a transaction; none while no block holds it.
    ///
    /// # Errors
    /// When the node does not answer.
    pub async fn receipt(&self, hash: B256) -> Result<Option<Receipt>> {
        let Some(landed) = self.node.rpc.landed(hash).await? else { return Ok(None) };
        let block = self.node.rpc.block(landed.height).await?;
        Ok(Some(watch::receipt(&block, hash, landed.index, &landed.executed, &self.deployed.guard)))
    }
}

/// Copies a folder with everything in it.
fn copy(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to).wrap_err_with(|| format!("cannot create {}", to.display()))?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let (here, there) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type()?.is_dir() {
            copy(&here, &there)?;
        } else {
            std::fs::copy(&here, &there).wrap_err_with(|| format!("cannot copy {}", here.display()))?;
        }
    }
    Ok(())
}
