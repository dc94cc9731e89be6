//! Containing: signing trips, handing them to every endpoint, and saying what must hold afterwards.
//!
//! *Who is in the play.* [`warm`] keeps warm what signing needs: [`blockhashes`] and, as an option, a durable [`nonce`]. [`sign`] makes
//! the bytes. [`fees`] says what a step pays, [`contest`] what others do, [`guard`] is the interface of Guard and Gate, [`tx`] the
//! form in which calls travel, and [`refusal`] sorts why one failed. The lane above decides when to sign, when to send again, and
//! when to stop: nothing here retries a submission.
//!
//! The first step trips one of a scope's two accounts, unless others outbid it; each further one trips both, in two transactions that share no writable
//! account but the tripper's own, and the carrier brings the second with an account of its own that pays.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError, atomic::AtomicU64},
};

use async_trait::async_trait;
use futures::future::join_all;
use portcullis_adapter::{
    Action, AdapterError, Attempt, Broadcast, Class, Contain, EndpointReply, GateReport, Landing, Readiness,
    word,
};
use portcullis_rpc::broadcast;
use portcullis_verifier::{B256, BlockRef, ChainId, Claim};

use crate::{
    address,
    config::{Compiled, CompiledTarget, GateKind},
    error::{DETAIL_MAX_BYTES, chain_of, detail},
    signer::Signer,
    transport::Network,
};

mod blockhashes;
mod contest;
mod fees;
pub mod guard;
mod landing;
pub(crate) mod nonce;
pub(crate) mod query;
pub mod refusal;
pub(crate) mod rehearse;
mod sign;
pub(crate) mod state;
pub(crate) mod tx;
mod warm;

use blockhashes::Blockhashes;
use contest::Contest;
use guard::Breaker;
use nonce::{Durable, Hold};

/// Closes gates on one cluster with one key.
#[derive(Debug)]
pub struct SolanaContainer {
    compiled: Arc<Compiled>,
    network: Arc<Network>,
    tripper: Arc<dyn Signer>,
    carrier: Option<Arc<dyn Signer>>,
    hashes: Mutex<Blockhashes>,
    /// The nonce that the tripper signs with; none where that is not configured.
    nonce: Option<Durable>,
    /// The carrier's own.
    carrier_nonce: Option<Durable>,
    /// What others pay for the accounts that trips write.
    contest: Contest,
    /// How often what signing needs was refreshed.
    warmed: AtomicU64,
}

impl SolanaContainer {
    pub(crate) fn new(compiled: Arc<Compiled>, network: Arc<Network>, tripper: Arc<dyn Signer>) -> Self {
        let [nonce, carrier_nonce] = compiled.nonces.map(|account| account.map(Durable::new));
        Self {
            compiled,
            network,
            tripper,
            carrier: None,
            hashes: Mutex::default(),
            nonce,
            carrier_nonce,
            contest: Contest::default(),
            warmed: AtomicU64::new(0),
        }
    }

    /// The same with another account that carries signed trips when the tripper's own is empty.
    #[must_use]
    pub fn carried_by(self, carrier: Arc<dyn Signer>) -> Self {
        Self { carrier: Some(carrier), ..self }
    }

    /// The account that pays for trips and holds the tripper's role.
    #[must_use]
    pub fn account(&self) -> String {
        address::shown(self.tripper.account())
    }

    /// The account that carries signed trips, where there is one.
    #[must_use]
    pub fn carrier(&self) -> Option<String> {
        self.carrier.as_ref().map(|carrier| address::shown(carrier.account()))
    }

    /// The nonces that are signed with, each with its authority.
    fn durables(&self) -> impl Iterator<Item = (&Durable, B256)> {
        let own = self.nonce.as_ref().map(|nonce| (nonce, self.tripper.account()));
        let carrier = self.carrier.as_ref().map(|carrier| carrier.account());
        own.into_iter().chain(self.carrier_nonce.as_ref().zip(carrier))
    }

    /// The nonce that an attempt was signed with, and its value then; none for one with a recent blockhash.
    fn durable_of(&self, attempt: &Attempt) -> Option<(&Durable, B256)> {
        let used = tx::advanced(&attempt.bytes)?;
        let (durable, _) = self.durables().find(|(durable, _)| durable.account == used.account)?;
        Some((durable, used.value))
    }

    fn error(&self, class: Class, what: impl Into<String>) -> AdapterError {
        AdapterError::new(self.network.chain, None, class, what)
    }

    fn with_hashes<T>(&self, act: impl FnOnce(&mut Blockhashes) -> T) -> T {
        act(&mut self.hashes.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn target_of(&self, target: B256) -> Result<&CompiledTarget, AdapterError> {
        // SECURITY: only configured gates are ever called; a wrong action cannot make the key call elsewhere.
        let known = self.compiled.targets.iter().find(|known| known.address == target);
        known.ok_or_else(|| {
            let what = format!("{} is no configured gate of this chain", address::shown(target));
            self.error(Class::Permanent, what)
        })
    }
}

pub(crate) fn breaker(target: &CompiledTarget) -> Breaker {
    Breaker { address: target.address, program: target.program }
}

/// The mints that a Gate holds, with their scopes, as a quorum tells each; none where no quorum answers.
pub(crate) async fn held_mints(network: &Network, target: &CompiledTarget) -> Option<Vec<(B256, B256)>> {
    let breaker = breaker(target);
    let asked = network.operators.iter().map(|operator| async move {
        query::owned(&operator.lanes.contain, breaker.program, guard::target_filter(breaker)).await
    });
    let answers: Vec<Vec<(B256, B256)>> = join_all(asked)
        .await
        .into_iter()
        .flatten()
        .map(|found| found.iter().filter_map(|account| guard::target_of(breaker, &account.data)).collect())
        .collect();
    if answers.len() < network.quorum {
        return None;
    }
    let mut counts: BTreeMap<(B256, B256), usize> = BTreeMap::new();
    for held in answers.into_iter().flatten() {
        let count = counts.entry(held).or_default();
        *count = count.saturating_add(1);
    }
    // SECURITY: a mint that only one operator names may not be there, and would make the whole transaction fail.
    Some(counts.into_iter().filter(|(_, count)| *count >= network.quorum).map(|(held, _)| held).collect())
}

/// The mints that a gate has to have paused for a scope to count as closed; none for a guard, which is asked itself.
///
/// SECURITY: a Gate of which it is not known what it holds is no Gate that holds nothing.
pub(crate) async fn mints_of(
    network: &Network,
    target: &CompiledTarget,
    scope: B256,
) -> Result<Vec<B256>, AdapterError> {
    if target.kind == GateKind::Guard {
        return Ok(Vec::new());
    }
    let held = match network.mints.of(target.address) {
        Some(held) => held,
        None => {
            let held = held_mints(network, target).await;
            let held = held.ok_or_else(|| crate::error::no_quorum(network.chain, "what a Gate holds"))?;
            network.mints.keep(target.address, held.clone());
            held
        }
    };
    Ok(held.into_iter().filter(|(_, of)| *of == scope).map(|(mint, _)| mint).collect())
}

#[async_trait]
impl Contain for SolanaContainer {
    fn chain(&self) -> ChainId {
        self.network.chain
    }

    async fn warm(&self) -> Result<(), AdapterError> {
        let (hashes, (), (), ()) =
            tokio::join!(self.read_hashes(), self.read_nonces(), self.read_prices(), self.read_mints());
        hashes
    }

    async fn sign(&self, action: &Action, record: B256, bump: u16) -> Result<Vec<Attempt>, AdapterError> {
        self.trips(action, record, bump, Hold::Keep).await
    }

    async fn carry(&self, action: &Action, record: B256, bump: u16) -> Result<Vec<Attempt>, AdapterError> {
        self.carried(action, record, bump, Hold::Keep).await
    }

    async fn broadcast(&self, attempt: &Attempt) -> Broadcast {
        if let Some((durable, value)) = self.durable_of(attempt) {
            durable.handed(attempt.action, value);
        }
        let handed = broadcast(&self.network.submit, &query::send(&attempt.bytes)).await;
        let replies = handed.into_iter().map(|(operator, answer)| {
            let (accepted, text) = match answer {
                Ok(_) => (true, "taken".to_owned()),
                Err(error) => (false, chain_of(&error)),
            };
            EndpointReply { operator, accepted, detail: detail(&text, DETAIL_MAX_BYTES) }
        });
        Broadcast { replies: replies.collect() }
    }

    async fn landing(&self, attempt: &Attempt) -> Result<Landing, AdapterError> {
        let landing = landing::landing(&self.network, attempt).await?;
        if let Some((durable, value)) = self.durable_of(attempt) {
            match &landing {
                Landing::Pending => {}
                // The chain keeps the advance also where the rest of the transaction failed.
                Landing::Included(block) | Landing::Reverted(block, _) => {
                    durable.consumed(value, block.height)
                }
                Landing::Replaced => durable.consumed(value, 0),
            }
        }
        Ok(landing)
    }

    fn effect(&self, action: &Action, block: BlockRef) -> Claim {
        word::effect(self.network.chain, action, block, action.scope)
    }

    async fn gate(&self, target: B256, scope: B256) -> Result<GateReport, AdapterError> {
        let target = self.target_of(target)?;
        self.contest.note(target.address, scope);
        let mints = mints_of(&self.network, target, scope).await?;
        state::gate(&self.network, target, &mints, scope).await
    }

    async fn unenforced(&self, target: B256, scope: B256) -> Option<String> {
        let target = self.target_of(target).ok()?;
        let mints = mints_of(&self.network, target, scope).await.ok()?;
        state::unenforced(&self.network, target, &mints, scope).await
    }

    async fn rehearse(&self, action: &Action) -> Result<Vec<Readiness>, AdapterError> {
        rehearse::rehearse(self, action).await
    }
}
