//! Making the bytes: which calls close a scope, what they pay, and what their life hangs on.

use std::{collections::BTreeMap, sync::Arc};

use portcullis_adapter::{Action, AdapterError, Attempt, Class};
use portcullis_verifier::B256;
use solana_instruction::Instruction;

use super::{
    SolanaContainer,
    blockhashes::Recent,
    breaker, fees,
    guard::{self, Lane},
    nonce::{Durable, Hold, Trouble},
    tx,
};
use crate::{
    address,
    config::{CompiledTarget, GateKind},
    limits,
    signer::Signer,
};

/// Calls for each transaction that closing by one of a scope's accounts needs.
type Closing = Vec<Vec<Instruction>>;

/// Who pays for a transaction, and the nonce that this lane may sign with.
#[derive(Clone, Copy)]
struct Payer<'c> {
    signer: &'c Arc<dyn Signer>,
    nonce: Option<&'c Durable>,
}

/// What a transaction's life hangs on.
#[derive(Debug, Clone, Copy)]
enum Life {
    /// It can land until the chain is past a height.
    Recent(Recent),
    /// It can land for as long as a nonce account has this value, which it had from a slot on.
    Nonce { account: B256, value: B256, slot: u64 },
}

impl SolanaContainer {
    /// Trips by the tripper itself.
    pub(super) async fn trips(
        &self,
        action: &Action,
        record: B256,
        bump: u16,
        hold: Hold,
    ) -> Result<Vec<Attempt>, AdapterError> {
        let target = self.target_of(action.target)?;
        self.contest.note(action.target, action.scope);
        // Where others outbid the first step, the first account may be filled by them for as long as they pay.
        let (step, _price) = self.offer(action.value_at_risk_micro_usd, bump);
        let both = step >= limits::BOTH_LANES_BUMP;
        let lanes: &[Lane] = if both { &Lane::BOTH } else { &[Lane::First] };
        let closings = |_in_front: u16| {
            let trip = |lane: &Lane| breaker(target).trip(action, record, self.tripper.account(), *lane);
            lanes.iter().map(|lane| self.calls(target, action, &[trip(lane)])).collect()
        };
        let payer = Payer { signer: &self.tripper, nonce: self.nonce.as_ref() };
        self.attempts(payer, action, bump, hold, closings).await
    }

    /// Trips that the carrier brings; none where there is no carrier.
    pub(super) async fn carried(
        &self,
        action: &Action,
        record: B256,
        bump: u16,
        hold: Hold,
    ) -> Result<Vec<Attempt>, AdapterError> {
        let Some(carrier) = &self.carrier else { return Ok(Vec::new()) };
        // SECURITY: what is signed here can be brought by anybody, so it is signed for configured gates only.
        let target = self.target_of(action.target)?;
        let digest = guard::signed_digest(action, record);
        let signature = self.tripper.sign(digest.as_slice()).await;
        let signature = signature
            .map_err(|source| self.error(Class::Permanent, "the key did not sign").caused_by(source))?;
        let (by, tripper) = (carrier.account(), self.tripper.account());
        let closings = |in_front: u16| {
            // What stands in front and the two calls of the budget, then the signature, then the trip that names its place.
            let verify = guard::verify_signature(tripper, &signature, digest);
            let at = in_front.saturating_add(2);
            let trip = breaker(target).trip_signed(action, record, (by, tripper), Lane::Second, at);
            vec![self.calls(target, action, &[verify, trip])]
        };
        let payer = Payer { signer: carrier, nonce: self.carrier_nonce.as_ref() };
        self.attempts(payer, action, bump, hold, closings).await
    }

    /// Signs on the lane's nonce where it has one that can be used, and on recent blockhashes otherwise. `closings` is told how
    /// many calls stand in front of its own.
    async fn attempts(
        &self,
        payer: Payer<'_>,
        action: &Action,
        bump: u16,
        hold: Hold,
        closings: impl Fn(u16) -> Vec<Closing> + Send + Sync,
    ) -> Result<Vec<Attempt>, AdapterError> {
        if let Some(durable) = payer.nonce
            && let Some(attempts) = self.on_nonce(payer, durable, action, bump, hold, closings(1)).await?
        {
            return Ok(attempts);
        }
        let closings = closings(0);
        let mut attempts = Vec::new();
        for recent in self.recent().await? {
            for calls in closings.iter().flatten() {
                attempts.push(self.attempt(payer, action, calls, Life::Recent(recent), bump).await?);
            }
        }
        Ok(attempts)
    }

    /// Signs on a nonce; none where it cannot be used, which is told.
    async fn on_nonce(
        &self,
        payer: Payer<'_>,
        durable: &Durable,
        action: &Action,
        bump: u16,
        hold: Hold,
        closings: Vec<Closing>,
    ) -> Result<Option<Vec<Attempt>>, AdapterError> {
        let looked = match durable.take(action.id, Hold::Look) {
            Ok(looked) => looked,
            Err(why) => return Ok(self.without_nonce(durable, hold, why)),
        };
        let life = Life::Nonce { account: durable.account, value: looked.0, slot: looked.1 };
        // Of all that are signed on one value one lands: enough where each closes by itself, and not where it takes several.
        if closings.iter().any(|closing| closing.len() != 1) {
            return Ok(self.without_nonce(durable, hold, Trouble::Room));
        }
        let mut attempts = Vec::new();
        for calls in closings.iter().flatten() {
            attempts.push(self.attempt(payer, action, calls, life, bump).await?);
        }
        if attempts.iter().any(|attempt| attempt.bytes.len() > limits::PACKET_BYTES) {
            return Ok(self.without_nonce(durable, hold, Trouble::Room));
        }
        // SECURITY: another action may have been signed with it meanwhile, or what was read be out of date.
        match durable.take(action.id, hold) {
            Ok(taken) if taken == looked => Ok(Some(attempts)),
            Ok(_) => Ok(self.without_nonce(durable, hold, Trouble::NotRead)),
            Err(why) => Ok(self.without_nonce(durable, hold, why)),
        }
    }

    /// Tells that a closure is signed without the nonce. Nothing waits for it.
    fn without_nonce(&self, durable: &Durable, hold: Hold, why: Trouble) -> Option<Vec<Attempt>> {
        if hold == Hold::Keep {
            let (chain, account) = (self.network.chain, address::shown(durable.account));
            tracing::warn!(code = why.page(), %chain, account, %why, "signed with a recent blockhash");
        }
        None
    }

    /// The calls that close a scope by one of its lanes, for each transaction that they need: a Gate pauses so many mints in
    /// one, and a trip that has been made already does no harm before the rest of them.
    fn calls(&self, target: &CompiledTarget, action: &Action, first: &[Instruction]) -> Closing {
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
    pub(super) fn offer(&self, at_risk_micro_usd: u64, bump: u16) -> (u16, u128) {
        let schedule = &self.compiled.config.fees;
        let step = fees::step(schedule, at_risk_micro_usd, bump, self.contest.least());
        (step, fees::price(schedule, at_risk_micro_usd, step))
    }

    /// Signs the calls of one transaction.
    async fn attempt(
        &self,
        payer: Payer<'_>,
        action: &Action,
        calls: &[Instruction],
        life: Life,
        bump: u16,
    ) -> Result<Attempt, AdapterError> {
        let (step, price) = self.offer(action.value_at_risk_micro_usd, bump);
        let more = u32::try_from(calls.len().saturating_sub(1)).unwrap_or(0);
        let units = self.compiled.config.fees.unit_limit;
        let units = units.saturating_add(more.saturating_mul(limits::UNITS_EACH)).min(limits::UNITS_MAX);
        let account = payer.signer.account();
        let (hash, nonce, in_front) = match life {
            Life::Recent(recent) => (recent.hash, recent.last_height, None),
            Life::Nonce { account: nonce, value, slot } => (value, slot, Some(tx::advance(nonce, account))),
        };
        let rest = tx::budget(units, price).into_iter().chain(calls.iter().cloned());
        let instructions: Vec<Instruction> = in_front.into_iter().chain(rest).collect();
        let bytes = self.signed(payer.signer, &instructions, hash).await?;
        Ok(Attempt {
            action: action.id,
            chain: self.network.chain,
            hash: tx::hash(&bytes),
            bytes,
            sender: account,
            nonce,
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
