//! Containing: signing trips, handing them to every endpoint, and saying what must hold afterwards.
//!
//! *Who is in the play.* [`blockhashes`] keeps what signing needs warm. [`fees`] says what a step pays, [`contest`] what others do, [`guard`] is the
//! interface of Guard and Gate, [`tx`] the form in which calls travel, and [`refusal`] sorts why one failed. The lane above
//! decides when to sign, when to send again, and when to stop: nothing here retries a submission.
//!
//! The first step trips one of a scope's two accounts, unless others outbid it; each further one trips both, in two transactions that share no writable
//! account but the tripper's own, and the carrier brings the second with an account of its own that pays.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
use futures::future::join_all;
use portcullis_adapter::{
    Action, AdapterError, Attempt, Broadcast, Class, Contain, EndpointReply, GateReport, Landing, Readiness,
    word,
};
use portcullis_rpc::broadcast;
use portcullis_verifier::{B256, BlockRef, ChainId, Claim, FaultKind};
use solana_instruction::Instruction;

use crate::{
    address,
    config::{Compiled, CompiledTarget, GateKind},
    error::{DETAIL_MAX_BYTES, chain_of, detail},
    limits,
    signer::Signer,
    transport::Network,
};

mod blockhashes;
mod contest;
mod fees;
pub mod guard;
mod landing;
pub(crate) mod query;
pub mod refusal;
mod rehearse;
pub(crate) mod state;
pub(crate) mod tx;

use blockhashes::{Blockhashes, Recent};
use contest::Contest;
use guard::{Breaker, Lane};

/// Closes gates on one cluster with one key.
#[derive(Debug)]
pub struct SolanaContainer {
    compiled: Arc<Compiled>,
    network: Arc<Network>,
    tripper: Arc<dyn Signer>,
    carrier: Option<Arc<dyn Signer>>,
    hashes: Mutex<Blockhashes>,
    /// What others pay for the accounts that trips write.
    contest: Contest,
    /// How often what signing needs was refreshed.
    warmed: AtomicU64,
}

impl SolanaContainer {
    pub(crate) fn new(compiled: Arc<Compiled>, network: Arc<Network>, tripper: Arc<dyn Signer>) -> Self {
        Self {
            compiled,
            network,
            tripper,
            carrier: None,
            hashes: Mutex::default(),
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

    /// Blockhashes to sign with, asking the chain only when nothing is known that may be used.
    async fn recent(&self) -> Result<Vec<Recent>, AdapterError> {
        let known = self.with_hashes(|hashes| hashes.candidates());
        if !known.is_empty() {
            return Ok(known);
        }
        self.read_hashes().await?;
        let known = self.with_hashes(|hashes| hashes.candidates());
        if known.is_empty() {
            return Err(self.error(Class::Transient, "no usable blockhash is known"));
        }
        Ok(known)
    }

    /// Asks every operator for its newest blockhash, and then which of them a quorum calls valid.
    async fn read_hashes(&self) -> Result<(), AdapterError> {
        let operators = &self.network.operators;
        let asked = operators.iter().map(|operator| async move {
            (operator.name, query::latest_blockhash(&operator.lanes.contain).await)
        });
        let (mut heard, mut last_error) = (0usize, None);
        let mut heights = Vec::new();
        for (name, answer) in join_all(asked).await {
            match answer {
                Ok(recent) => {
                    heard = heard.saturating_add(1);
                    self.network.faults.over(name, FaultKind::Dark);
                    heights.push(recent.last_height.saturating_sub(limits::HASH_LIFE_BLOCKS));
                    self.with_hashes(|hashes| hashes.told(name, recent));
                }
                Err(error) => {
                    self.network.faults.failed(name, "blockhash", &error);
                    let what = format!("blockhash: {}", chain_of(&error));
                    last_error = Some(AdapterError::new(self.network.chain, Some(name), error.class(), what));
                }
            }
        }
        if heard == 0 {
            return Err(last_error.unwrap_or_else(|| self.error(Class::Transient, "no operator answers")));
        }
        heights.sort_unstable_by(|a, b| b.cmp(a));
        let height = heights.get(self.network.quorum.saturating_sub(1)).copied().unwrap_or(0);
        let mut good = None;
        for recent in self.with_hashes(|hashes| hashes.distinct()) {
            let asked = operators.iter().map(|one| query::is_valid(&one.lanes.contain, recent.hash));
            let valid = join_all(asked).await.into_iter().filter(|answer| matches!(answer, Ok(true))).count();
            if valid >= self.network.quorum {
                good = Some(recent);
                break;
            }
        }
        self.with_hashes(|hashes| hashes.settle(good, height));
        Ok(())
    }

    /// Asks what others paid of late for writing to the accounts that trips write.
    async fn read_prices(&self) {
        let payers = [Some(&self.tripper), self.carrier.as_ref()];
        let payers: Vec<B256> = payers.into_iter().flatten().map(|signer| signer.account()).collect();
        self.contest.ask(&self.network, &self.compiled.targets, &payers).await;
    }

    /// Asks which mints the Gates hold, and keeps what a quorum tells. Not each time: nodes look through all accounts of the
    /// program for it.
    async fn read_mints(&self) {
        let warmed = self.warmed.fetch_add(1, Ordering::Relaxed);
        let gates = self.compiled.targets.iter().filter(|target| target.kind == GateKind::Gate);
        let known = gates.clone().all(|gate| self.network.mints.of(gate.address).is_some());
        if known && warmed.checked_rem(limits::MINTS_EVERY) != Some(0) {
            return;
        }
        for target in gates {
            let held = held_mints(&self.network, target).await;
            if let Some(held) = held {
                self.network.mints.keep(target.address, held);
            }
        }
    }

    /// The calls that close a scope by one of its lanes, for each transaction that they need: a Gate pauses so many mints in
    /// one, and a trip that has been made already does no harm before the rest of them.
    fn calls(
        &self,
        target: &CompiledTarget,
        action: &Action,
        first: &[Instruction],
    ) -> Vec<Vec<Instruction>> {
        let held = match target.kind {
            GateKind::Guard => Vec::new(),
            GateKind::Gate => self.network.mints.of(target.address).unwrap_or_default(),
        };
        let program = address::constant(crate::decode::TOKEN_2022);
        let own = held.iter().filter(|(_, scope)| *scope == action.scope);
        let enforced: Vec<Instruction> =
            own.map(|(mint, _)| breaker(target).enforce(action.scope, *mint, program)).collect();
        if enforced.is_empty() {
            return vec![first.to_vec()];
        }
        enforced.chunks(limits::ENFORCED_MAX).map(|some| [first, some].concat()).collect()
    }

    /// Price at a step, and the step at which it is really sent.
    fn offer(&self, at_risk_micro_usd: u64, bump: u16) -> (u16, u128) {
        let schedule = &self.compiled.config.fees;
        let step = fees::step(schedule, at_risk_micro_usd, bump, self.contest.least());
        (step, fees::price(schedule, at_risk_micro_usd, step))
    }

    /// Signs calls with one of the recent blockhashes.
    async fn attempt(
        &self,
        payer: &Arc<dyn Signer>,
        action: &Action,
        calls: &[Instruction],
        recent: Recent,
        bump: u16,
    ) -> Result<Attempt, AdapterError> {
        let (step, price) = self.offer(action.value_at_risk_micro_usd, bump);
        let more = u32::try_from(calls.len().saturating_sub(1)).unwrap_or(0);
        let units = self.compiled.config.fees.unit_limit;
        let units = units.saturating_add(more.saturating_mul(limits::UNITS_EACH)).min(limits::UNITS_MAX);
        let instructions: Vec<Instruction> =
            tx::budget(units, price).into_iter().chain(calls.iter().cloned()).collect();
        let bytes = self.signed(payer, &instructions, recent.hash).await?;
        Ok(Attempt {
            action: action.id,
            chain: self.network.chain,
            hash: tx::hash(&bytes),
            bytes,
            sender: payer.account(),
            nonce: recent.last_height,
            bump: step,
            fee: price,
        })
    }

    /// The signed bytes of instructions.
    async fn signed(
        &self,
        payer: &Arc<dyn Signer>,
        instructions: &[Instruction],
        recent: B256,
    ) -> Result<Vec<u8>, AdapterError> {
        let (message, signers) = tx::message(payer.account(), instructions, recent);
        let keys: BTreeMap<B256, &Arc<dyn Signer>> =
            [&self.tripper, payer].into_iter().map(|signer| (signer.account(), signer)).collect();
        let mut signatures = Vec::with_capacity(signers.len());
        for account in signers {
            let key = keys.get(&account).ok_or_else(|| {
                self.error(Class::Permanent, format!("no key for {}", address::shown(account)))
            })?;
            let signature = key.sign(&message).await;
            signatures.push(
                signature.map_err(|source| {
                    self.error(Class::Permanent, "the key did not sign").caused_by(source)
                })?,
            );
        }
        Ok(tx::assembled(&signatures, &message))
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
        let (hashes, (), ()) = tokio::join!(self.read_hashes(), self.read_prices(), self.read_mints());
        hashes
    }

    async fn sign(&self, action: &Action, record: B256, bump: u16) -> Result<Vec<Attempt>, AdapterError> {
        let target = self.target_of(action.target)?;
        self.contest.note(action.target, action.scope);
        // Where others outbid the first step, the first account may be filled by them for as long as they pay.
        let (step, _price) = self.offer(action.value_at_risk_micro_usd, bump);
        let both = step >= limits::BOTH_LANES_BUMP;
        let lanes: &[Lane] = if both { &Lane::BOTH } else { &[Lane::First] };
        let mut attempts = Vec::new();
        for recent in self.recent().await? {
            for lane in lanes {
                let trip = breaker(target).trip(action, record, self.tripper.account(), *lane);
                for calls in self.calls(target, action, &[trip]) {
                    attempts.push(self.attempt(&self.tripper, action, &calls, recent, bump).await?);
                }
            }
        }
        Ok(attempts)
    }

    async fn carry(&self, action: &Action, record: B256, bump: u16) -> Result<Vec<Attempt>, AdapterError> {
        let Some(carrier) = &self.carrier else { return Ok(Vec::new()) };
        // SECURITY: what is signed here can be brought by anybody, so it is signed for configured gates only.
        let target = self.target_of(action.target)?;
        let digest = guard::signed_digest(action, record);
        let signature = self.tripper.sign(digest.as_slice()).await;
        let signature = signature
            .map_err(|source| self.error(Class::Permanent, "the key did not sign").caused_by(source))?;
        let (payer, tripper) = (carrier.account(), self.tripper.account());
        let mut attempts = Vec::new();
        for recent in self.recent().await? {
            // The two calls of the budget stand first, then the signature, then the trip that names it.
            let verify = guard::verify_signature(tripper, &signature, digest);
            let trip = breaker(target).trip_signed(action, record, (payer, tripper), Lane::Second, 2);
            for calls in self.calls(target, action, &[verify, trip]) {
                attempts.push(self.attempt(carrier, action, &calls, recent, bump).await?);
            }
        }
        Ok(attempts)
    }

    async fn broadcast(&self, attempt: &Attempt) -> Broadcast {
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
        landing::landing(&self.network, attempt).await
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

    async fn rehearse(&self, action: &Action) -> Result<Vec<Readiness>, AdapterError> {
        rehearse::rehearse(self, action).await
    }
}
