//! Users, the relayer, the crowd of attackers: each sends what the script says, when it says so, once, and waits for
//! nobody.
//!
//! Attackers watch heads, as searchers do: what stood in one recorded block is sent together right after a head, so
//! that it competes for the next block. They tip like a crowd does, up to one gwei.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use alloy::primitives::{Address, B256, keccak256};
use alloy::sol_types::SolCall;
use eyre::Result;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::chain::{GAS, Rpc};
use crate::clock::{self, Zero};
use crate::contracts::Bridge;
use crate::deploy::{Crew, Deployed};
use crate::history::{message, send};
use crate::keys::{Call, Key};
use crate::nodes::{Head, Heads};
use crate::scenario::{Actor, Domain, Kind, Scenario, Transfer};

/// Highest tip of the crowd, wei.
const CROWD_TIP: u64 = 1_000_000_000;
/// The bridge's flawed upgrade comes so long before the first false release, recorded seconds.
pub const UPGRADE_AT: i64 = -600;
/// How long the first attack waits for a block of another chain.
const BESIDE_PATIENCE: Duration = Duration::from_secs(3);
/// Gas per message of a call with many.
const GAS_EACH: u64 = 250_000;

/// A transaction of the play.
#[derive(Debug, Clone)]
pub struct Sent {
    /// On which chain.
    pub side: Domain,
    /// Its hash.
    pub hash: B256,
    /// Which live transfers it carries, by index.
    pub transfers: Vec<usize>,
    /// Whose doing.
    pub actor: Actor,
    /// When it was handed to the node, microseconds since 1970.
    pub at_us: i64,
    /// What the node said when it did not take it.
    pub refused: Option<String>,
}

/// Keys of everybody who sends live.
#[derive(Debug, Clone)]
pub struct Cast {
    /// Recorded senders.
    pub senders: BTreeMap<Address, Key>,
    /// Attackers by the recorded transaction.
    pub attackers: BTreeMap<u32, Key>,
}

impl Cast {
    /// Derives all keys of a script.
    ///
    /// # Errors
    /// When a key cannot be derived.
    pub fn derive(scenario: &Scenario, seed: u64) -> Result<Self> {
        let mut senders = BTreeMap::new();
        for account in crate::history::live_senders(scenario) {
            senders.insert(account, Key::derive(seed, &format!("sender {account}"))?);
        }
        let mut attackers = BTreeMap::new();
        for transfer in scenario.live.iter().filter(|t| t.actor != Actor::Honest && t.kind == Kind::Process) {
            if let std::collections::btree_map::Entry::Vacant(place) = attackers.entry(transfer.group) {
                place.insert(Key::derive(seed, &format!("attacker {}", transfer.group))?);
            }
        }
        Ok(Self { senders, attackers })
    }
}

/// One chain as a stage.
#[derive(Debug, Clone)]
pub struct Stage {
    /// The node.
    pub rpc: Arc<Rpc>,
    /// What stands there.
    pub deployed: Deployed,
    /// Its heads.
    pub heads: watch::Receiver<Option<Head>>,
    /// Heads of a chain with slow blocks, into whose agreement on one the first attack should not fall: whether the answer
    /// is in that block or in the next would be chance.
    pub beside: Option<watch::Receiver<Option<Head>>>,
}

/// What one recorded block asks for.
struct Beat {
    at: i64,
    calls: Vec<Planned>,
}

/// One transaction to be.
struct Planned {
    key: Key,
    input: Vec<u8>,
    gas: u64,
    tip: u128,
    actor: Actor,
    transfers: Vec<usize>,
}

/// Plays the live part of one chain until it is over or told to stop. What was sent goes to `log`.
///
/// # Errors
/// When the node's heads end, or a transfer cannot be written as a call.
pub async fn play(
    stage: Stage,
    scenario: Arc<Scenario>,
    crew: Crew,
    cast: Arc<Cast>,
    zero: Zero,
    log: mpsc::UnboundedSender<Sent>,
    stop: CancellationToken,
) -> Result<()> {
    let beats = beats(&stage.deployed, &scenario, &crew, &cast)?;
    let mut heads = stage.heads.clone();
    let mut nonces: BTreeMap<Address, u64> = BTreeMap::new();
    let patience = zero.factor.block_time() * 3;
    let mut beside = stage.beside.clone();
    for beat in beats {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = tokio::time::sleep_until(zero.due(beat.at).into()) => {}
        }
        if beat.calls.iter().any(|call| call.actor != Actor::Honest)
            && let Some(mut other) = beside.take()
        {
            other.borrow_and_update();
            // A chain that stands still is no reason not to attack.
            let _still = tokio::time::timeout(BESIDE_PATIENCE, Heads::next(&mut other)).await;
        }
        // A head that came while nobody looked is not the one to follow.
        heads.borrow_and_update();
        let head = tokio::time::timeout(patience, Heads::next(&mut heads)).await.ok().transpose()?;
        let base_fee = u128::from(head.or(*heads.borrow()).map_or(1_000_000_000, |head| head.base_fee));
        for planned in beat.calls {
            let account = planned.key.address();
            let nonce = match nonces.get(&account) {
                Some(nonce) => *nonce,
                None => stage.rpc.nonce(account).await.unwrap_or(0),
            };
            nonces.insert(account, nonce + 1);
            let call = Call {
                to: Some(stage.deployed.bridge),
                input: planned.input.into(),
                gas: planned.gas,
                max_fee: base_fee * 2 + planned.tip,
                tip: planned.tip,
            };
            let signed = planned.key.sign(stage.rpc.chain_id, nonce, &call)?;
            let (rpc, log, side) = (Arc::clone(&stage.rpc), log.clone(), stage.deployed.domain);
            tokio::spawn(async move {
                let at_us = clock::now_us();
                let refused = rpc.send_raw(&signed.raw).await.err().map(|error| format!("{error:#}"));
                let (transfers, actor) = (planned.transfers, planned.actor);
                // Nobody listens any more when the play was stopped.
                let _over = log.send(Sent { side, hash: signed.hash, transfers, actor, at_us, refused });
            });
        }
    }
    Ok(())
}

/// Live transfers of one block by recorded transaction, sends and consumptions apart.
type Calls = BTreeMap<(u32, bool), Vec<usize>>;

/// Groups the live part of a chain by recorded block, and each block by recorded transaction.
fn beats(here: &Deployed, scenario: &Scenario, crew: &Crew, cast: &Cast) -> Result<Vec<Beat>> {
    let mut blocks: BTreeMap<(i64, u64), Calls> = BTreeMap::new();
    for (index, transfer) in scenario.live.iter().enumerate().filter(|(_, t)| t.side == here.domain) {
        let call = (transfer.group, transfer.kind == Kind::Send);
        blocks.entry((transfer.at, transfer.block)).or_default().entry(call).or_default().push(index);
    }
    let mut out = vec![upgrade(crew)];
    for ((at, _block), calls) in blocks {
        let calls = calls
            .into_values()
            .map(|indexes| plan(here, scenario, crew, cast, indexes))
            .collect::<Result<Vec<_>>>()?;
        out.push(Beat { at, calls });
    }
    out.sort_by_key(|beat| beat.at);
    Ok(out)
}

/// The mistake: from here on nobody needs a proof.
fn upgrade(crew: &Crew) -> Beat {
    let call = Planned {
        key: crew.owner.clone(),
        input: Bridge::upgradeCall {}.abi_encode(),
        gas: GAS,
        tip: u128::from(CROWD_TIP),
        actor: Actor::Honest,
        transfers: Vec::new(),
    };
    Beat { at: UPGRADE_AT, calls: vec![call] }
}

fn plan(
    here: &Deployed,
    scenario: &Scenario,
    crew: &Crew,
    cast: &Cast,
    indexes: Vec<usize>,
) -> Result<Planned> {
    let transfers: Vec<&Transfer> = indexes.iter().filter_map(|index| scenario.live.get(*index)).collect();
    let Some(first) = transfers.first() else { eyre::bail!("a recorded transaction without transfers") };
    let (key, input) = match first.kind {
        Kind::Send => {
            let sends = transfers.iter().map(|t| send(here, t)).collect::<Result<Vec<_>>>()?;
            (
                cast.senders.get(&first.sender).unwrap_or(&crew.float),
                Bridge::sendManyCall { sends }.abi_encode(),
            )
        }
        Kind::Process => {
            let key = cast.attackers.get(&first.group).filter(|_| first.actor != Actor::Honest);
            let messages = transfers.iter().map(|t| message(here, t)).collect::<Result<Vec<_>>>()?;
            (key.unwrap_or(&crew.relayer), Bridge::processManyCall { messages }.abi_encode())
        }
    };
    // The same crowd in every run: the tip follows from the recorded transaction.
    let dice = keccak256(first.group.to_be_bytes());
    let tip = u64::from_be_bytes([0, 0, 0, 0, dice[0], dice[1], dice[2], dice[3]]) % (CROWD_TIP + 1);
    Ok(Planned {
        key: key.clone(),
        input,
        gas: GAS + GAS_EACH * transfers.len() as u64,
        tip: u128::from(tip),
        actor: first.actor,
        transfers: indexes,
    })
}

/// How long after the first false release the script goes on, in played time.
#[must_use]
pub fn length(scenario: &Scenario, zero: &Zero) -> Duration {
    Duration::from_secs_f64(zero.factor.secs(scenario.last_secs).max(0.0))
}
