//! A stranger's cheap events: 10⁵ a minute, in front of, during and after an attack.

use std::sync::Arc;

use alloy::primitives::{Address, B256, U256};
use alloy::sol_types::SolCall;
use eyre::{Result, ensure};
use futures::FutureExt;
use tokio::task::JoinHandle;
use tokio::time::{Duration, Instant, MissedTickBehavior, interval};

use super::check::{self, Expect};
use super::scene::Scene;
use super::{Case, Outcome};
use crate::chain::Rpc;
use crate::contracts::{Bridge, Send, Token};
use crate::deploy::Deployed;
use crate::keys::{Call, Key};
use crate::scenario::Domain;
use crate::service::Tuning;
use crate::trial::PATIENCE;

pub(super) const CASES: &[Case] = &[Case {
    name: "flood-events",
    fault: "a stranger makes 10^5 cheap events per minute on the attacked chain, for 24 s around the attack",
    injected: "transfers of one wei through the bridge, 50 in a transaction",
    quick: false,
    run: |seed| events(seed).boxed(),
}];

/// Events in one transaction.
const PER_CALL: u64 = 50;
/// Pause between two transactions: 10⁵ events per minute.
const EVERY: Duration = Duration::from_millis(30);
/// Transactions of the flood.
const CALLS: u64 = 800;
/// The attack begins after so many of them.
const ATTACK_AFTER: Duration = Duration::from_secs(8);
/// Blocks that closing may take beside the flood. All of it, the node and its three endpoints included, runs on one machine
/// here: what the service alone needs is measured by the benchmarks.
const LATEST: i64 = 25;
/// Gas of one call: fifty transfers.
const CALL_GAS: u64 = 8_000_000;
/// Message ids that nobody else uses begin here.
const FIRST_ID: u64 = 1 << 40;

/// A call that the node was handed, and its hash once the node took it.
type Handed = JoinHandle<Result<B256>>;

/// Sends one call after the other.
struct Stranger {
    rpc: Arc<Rpc>,
    here: Deployed,
    key: Key,
    token: Address,
    nonce: u64,
}

impl Stranger {
    /// A stranger with a little of a token that is at home here.
    async fn arrive(scene: &Scene, seed: u64) -> Result<Self> {
        let side = &scene.trial.world.ethereum;
        let (rpc, here) = (Arc::clone(&side.node.rpc), side.deployed.clone());
        let key = Key::derive(seed, "stranger")?;
        rpc.fund(key.address()).await?;
        let token = here.token(1)?;
        let owner = &scene.trial.world.crew.owner;
        let mint = Token::mintCall { to: key.address(), value: U256::from(CALLS * PER_CALL) }.abi_encode();
        let mut stranger = Self { rpc, here, key, token, nonce: 0 };
        let nonce = stranger.rpc.nonce(owner.address()).await?;
        let minted = stranger.send(owner, nonce, token, mint, 200_000)?;
        let approve = Token::approveCall { spender: stranger.here.bridge, value: U256::MAX }.abi_encode();
        let approved = stranger.send(&stranger.key, 0, token, approve, 200_000)?;
        stranger.nonce = 1;
        stranger.landed(vec![minted, approved]).await?;
        Ok(stranger)
    }

    /// Hands a call to the node, which answers when it likes.
    fn send(&self, key: &Key, nonce: u64, to: Address, input: Vec<u8>, gas: u64) -> Result<Handed> {
        let call = Call { to: Some(to), input: input.into(), gas, max_fee: 500_000_000_000, tip: 0 };
        let signed = key.sign(self.rpc.chain_id, nonce, &call)?;
        let rpc = Arc::clone(&self.rpc);
        Ok(tokio::spawn(async move { rpc.send_raw(&signed.raw).await }))
    }

    /// Waits until transactions have succeeded.
    async fn landed(&self, handed: Vec<Handed>) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        for handed in handed {
            let hash = handed.await??;
            let receipt = loop {
                if let Some(receipt) = self.rpc.receipt(hash).await? {
                    break receipt;
                }
                ensure!(Instant::now() < deadline, "{hash} does not land");
                tokio::time::sleep(Duration::from_millis(20)).await;
            };
            ensure!(receipt.status == 1, "{hash} failed");
        }
        Ok(())
    }

    /// The whole flood; gives when its last transaction was in a block.
    async fn flood(mut self) -> Result<Instant> {
        let mut pace = interval(EVERY);
        pace.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let mut sent = Vec::new();
        for call in 0..CALLS {
            pace.tick().await;
            let sends = (0..PER_CALL)
                .map(|at| Send {
                    destination: Domain::Moonbeam.number(),
                    token: self.token,
                    amount: U256::from(1),
                    recipient: self.key.address(),
                    messageId: U256::from(FIRST_ID + call * PER_CALL + at),
                })
                .collect();
            let input = Bridge::sendManyCall { sends }.abi_encode();
            sent.push(self.send(&self.key, self.nonce, self.here.bridge, input, CALL_GAS)?);
            self.nonce += 1;
        }
        self.landed(sent).await?;
        Ok(Instant::now())
    }
}

async fn events(seed: u64) -> Result<Outcome> {
    let scene = Scene::start(seed, Tuning::default()).await?;
    let side = &scene.trial.world.ethereum;
    let stranger = Stranger::arrive(&scene, seed).await?;
    let began = Instant::now();
    let flood = tokio::spawn(stranger.flood());
    tokio::time::sleep(ATTACK_AFTER).await;
    ensure!(!side.closed().await?, "the flood alone closed the gate");
    let play = scene.play();
    check::all_closed(&scene.trial, PATIENCE).await?;
    play.finish().await?;
    let ended = flood.await??;
    let rate = CALLS * PER_CALL * 60_000 / (ended.duration_since(began).as_millis() as u64).max(1);
    let outcome = check::verdict(&scene, Expect::default()).await?;
    for closed in &outcome.closed {
        ensure!(
            closed.blocks_after <= LATEST,
            "{} closed {} blocks after the first false release",
            closed.chain,
            closed.blocks_after
        );
        ensure!(closed.blocks_after >= 0, "{} closed before anything happened", closed.chain);
    }
    Ok(outcome.noting(format!("{} events at {rate} per minute", CALLS * PER_CALL)))
}
