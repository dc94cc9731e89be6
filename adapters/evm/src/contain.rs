//! Containing: signing trips, handing them to every endpoint, and saying what must be proven afterwards.
//!
//! *Who is in the play.* [`nonces`] keeps apart what several outstanding actions of one key may use. [`fees`]
//! says what a step offers. [`guard`] is the interface of Guard and Gate. The lane above decides when to sign,
//! when to send again, and when to stop: nothing here retries a submission.

use std::sync::{Arc, Mutex, PoisonError};

use alloy::{
    consensus::{SignableTransaction, TxEip1559},
    eips::eip2718::Encodable2718,
    primitives::{Address, TxKind, U256 as Amount},
    sol_types::SolCall,
};
use async_trait::async_trait;
use futures::future::join_all;
use portcullis_adapter::{
    Action, AdapterError, Attempt, Broadcast, Class, Contain, EndpointReply, GateReport, Landing, Readiness,
    contain::not_followed, word,
};
use portcullis_rpc::{Client, ReplySize, RpcError, RpcRequest, Wait, broadcast, quorum};
use portcullis_verifier::{B256, BlockRef, ChainId, Claim, FaultKind, U256};
use serde_json::json;

use crate::{
    config::{Compiled, padded, unpadded},
    error::{DETAIL_MAX_BYTES, chain_of, detail, no_quorum},
    limits,
    prove::quorum_head,
    signer::Signer,
    transport::Network,
};

mod fees;
pub mod guard;
mod landing;
mod nonces;
mod rehearse;
pub(crate) mod state;

use guard::{IGate, ScopeWord};
use nonces::Nonces;
use state::Told;

/// Closes gates on one chain with one key.
#[derive(Debug)]
pub struct EvmContainer {
    compiled: Arc<Compiled>,
    network: Arc<Network>,
    tripper: Account,
    carrier: Option<Account>,
}

/// A key with the nonces of its account.
#[derive(Debug)]
struct Account {
    signer: Arc<dyn Signer>,
    nonces: Mutex<Nonces>,
}

impl Account {
    fn new(signer: Arc<dyn Signer>) -> Self {
        Self { signer, nonces: Mutex::new(Nonces::default()) }
    }

    fn with_nonces<T>(&self, act: impl FnOnce(&mut Nonces) -> T) -> T {
        act(&mut self.nonces.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl EvmContainer {
    pub(crate) fn new(compiled: Arc<Compiled>, network: Arc<Network>, signer: Arc<dyn Signer>) -> Self {
        Self { compiled, network, tripper: Account::new(signer), carrier: None }
    }

    /// The same with another account that carries signed trips when the tripper's own is stuck or empty.
    #[must_use]
    pub fn carried_by(self, carrier: Arc<dyn Signer>) -> Self {
        Self { carrier: Some(Account::new(carrier)), ..self }
    }

    /// The account that pays for trips and holds the tripper's role.
    #[must_use]
    pub fn account(&self) -> Address {
        self.tripper.signer.address()
    }

    /// The account that carries signed trips, where there is one.
    #[must_use]
    pub fn carrier(&self) -> Option<Address> {
        self.carrier.as_ref().map(|account| account.signer.address())
    }

    fn accounts(&self) -> impl Iterator<Item = &Account> {
        core::iter::once(&self.tripper).chain(&self.carrier)
    }

    /// The account that paid for an attempt.
    fn payer(&self, attempt: &Attempt) -> &Account {
        let paid = self.accounts().find(|account| padded(account.signer.address()) == attempt.sender);
        paid.unwrap_or(&self.tripper)
    }

    fn error(&self, class: Class, what: impl Into<String>) -> AdapterError {
        AdapterError::new(self.network.chain, None, class, what)
    }

    fn gate_of(&self, action: &Action) -> Result<Address, AdapterError> {
        let address = unpadded(action.target);
        let known = address.filter(|address| self.compiled.targets.iter().any(|t| t.address == *address));
        // SECURITY: only configured gates are ever called; a wrong action cannot make the key call elsewhere.
        known.ok_or_else(|| {
            self.error(Class::Permanent, format!("{} is no configured gate of this chain", action.target))
        })
    }

    /// Nonces of an account for an action, asking the chain only when nothing is known yet.
    async fn candidates(
        &self,
        account: &Account,
        action: &Action,
        bump: u16,
    ) -> Result<Vec<u64>, AdapterError> {
        if !account.with_nonces(|nonces| nonces.known()) {
            self.warm_account(account).await?;
        }
        let nonces = account.with_nonces(|nonces| nonces.candidates(action.id, bump));
        if nonces.is_empty() {
            return Err(
                self.error(Class::Transient, "too many actions are outstanding, or no nonce is known")
            );
        }
        Ok(nonces)
    }

    /// Signs one call for each nonce that it may have.
    async fn attempts(
        &self,
        account: &Account,
        call: &Call<'_>,
        nonces: Vec<u64>,
    ) -> Result<Vec<Attempt>, AdapterError> {
        let (fees, at_risk) = (&self.compiled.config.fees, call.action.value_at_risk_micro_usd);
        let step = fees::step(fees, at_risk, call.bump, self.network.base_fee_wei());
        let offer = fees::offer(fees, at_risk, step);
        let mut attempts = Vec::with_capacity(nonces.len());
        for nonce in nonces {
            let transaction = TxEip1559 {
                chain_id: self.compiled.chain_number,
                nonce,
                gas_limit: call.gas_limit,
                max_fee_per_gas: offer.fee_wei,
                max_priority_fee_per_gas: offer.tip_wei,
                to: TxKind::Call(call.gate),
                value: Amount::ZERO,
                access_list: alloy::eips::eip2930::AccessList::default(),
                input: call.input.clone().into(),
            };
            let signature = self.signature(account, transaction.signature_hash()).await?;
            let signed = transaction.into_signed(signature);
            attempts.push(Attempt {
                action: call.action.id,
                chain: self.network.chain,
                hash: *signed.hash(),
                bytes: signed.encoded_2718(),
                sender: padded(account.signer.address()),
                nonce,
                bump: step,
                fee: offer.fee_wei,
            });
        }
        Ok(attempts)
    }

    async fn signature(
        &self,
        account: &Account,
        hash: B256,
    ) -> Result<alloy::primitives::Signature, AdapterError> {
        let signed = account.signer.sign_hash(hash).await;
        signed.map_err(|source| self.error(Class::Permanent, "the key did not sign").caused_by(source))
    }

    async fn warm_account(&self, account: &Account) -> Result<(), AdapterError> {
        let address = account.signer.address();
        let counts = self.network.operators.iter().map(|operator| async move {
            let client = &operator.lanes.contain;
            let count = |tag: &str| {
                RpcRequest::read("eth_getTransactionCount", json!([address, tag]), ReplySize::Small)
            };
            let (latest, pending) = tokio::join!(
                client.ask::<alloy::primitives::U64>(count("latest"), "nonce"),
                client.ask::<alloy::primitives::U64>(count("pending"), "nonce"),
            );
            (operator.name, latest, pending)
        });
        let mut last_error = None;
        let mut heard = false;
        for (name, latest, pending) in join_all(counts).await {
            match latest {
                Ok(latest) => {
                    heard = true;
                    self.network.faults.over(name, FaultKind::Dark);
                    // Without a pending count nothing is known to be stuck.
                    let pending = pending.unwrap_or(latest).to::<u64>();
                    account.with_nonces(|nonces| nonces.report(name, latest.to(), pending));
                }
                Err(error) => {
                    self.network.faults.failed(name, "nonce of the containment key", &error);
                    last_error = Some(crate::error::failed(self.network.chain, name, "nonce", error));
                }
            }
        }
        if heard {
            account.with_nonces(Nonces::refreshed);
        }
        match last_error {
            Some(error) if !heard => Err(error),
            _ => Ok(()),
        }
    }
}

/// One call of a gate, ready to be signed.
struct Call<'a> {
    action: &'a Action,
    gate: Address,
    input: Vec<u8>,
    gas_limit: u64,
    bump: u16,
}

/// What a contract answers now, as one node tells it; none where it does not answer so.
async fn latest<C: SolCall>(client: &Client, to: Address, call: C) -> Option<C::Return> {
    let data = alloy::primitives::hex::encode_prefixed(call.abi_encode());
    let request =
        RpcRequest::read("eth_call", json!([{ "to": to, "data": data }, "latest"]), ReplySize::Small);
    let answer = client.ask::<alloy::primitives::Bytes>(request, "call result").await.ok()?;
    C::abi_decode_returns(&answer).ok()
}

#[async_trait]
impl Contain for EvmContainer {
    fn chain(&self) -> ChainId {
        self.network.chain
    }

    async fn warm(&self) -> Result<(), AdapterError> {
        let Some(carrier) = &self.carrier else { return self.warm_account(&self.tripper).await };
        let (tripper, carrier) = tokio::join!(self.warm_account(&self.tripper), self.warm_account(carrier));
        tripper.and(carrier)
    }

    async fn sign(&self, action: &Action, record: B256, bump: u16) -> Result<Vec<Attempt>, AdapterError> {
        let gate = self.gate_of(action)?;
        let nonces = self.candidates(&self.tripper, action, bump).await?;
        let input = guard::trip_call(action, record).abi_encode();
        let gas_limit = self.compiled.config.fees.gas_limit;
        self.attempts(&self.tripper, &Call { action, gate, input, gas_limit, bump }, nonces).await
    }

    async fn carry(&self, action: &Action, record: B256, bump: u16) -> Result<Vec<Attempt>, AdapterError> {
        let Some(carrier) = &self.carrier else { return Ok(Vec::new()) };
        let gate = self.gate_of(action)?;
        let nonces = self.candidates(carrier, action, bump).await?;
        let signature = self.signature(&self.tripper, guard::signed_digest(action, record)).await?;
        let input = guard::signed_call(action, record, signature.as_bytes()).abi_encode();
        let gas_limit = self.compiled.config.fees.gas_limit.saturating_add(limits::CARRY_GAS);
        self.attempts(carrier, &Call { action, gate, input, gas_limit, bump }, nonces).await
    }

    async fn broadcast(&self, attempt: &Attempt) -> Broadcast {
        self.payer(attempt).with_nonces(|nonces| nonces.sent(attempt.action));
        let bytes = alloy::primitives::hex::encode_prefixed(&attempt.bytes);
        let request = RpcRequest::submit("eth_sendRawTransaction", json!([bytes]));
        let answers = broadcast(&self.network.submit, &request).await;
        let replies =
            answers.into_iter().zip(&self.network.submit).map(|((operator, answer), client)| async move {
                match answer {
                    Ok(_hash) => EndpointReply { operator, accepted: true, detail: "taken".to_owned() },
                    Err(error) => {
                        // Nodes word "already known" as they like; whether the node has it is a question with an
                        // answer.
                        let has = matches!(error, RpcError::Server { .. })
                            && landing::knows(client, attempt.hash).await;
                        let text = if has { "it has it already".to_owned() } else { chain_of(&error) };
                        EndpointReply { operator, accepted: has, detail: detail(&text, DETAIL_MAX_BYTES) }
                    }
                }
            });
        Broadcast { replies: join_all(replies).await }
    }

    async fn landing(&self, attempt: &Attempt) -> Result<Landing, AdapterError> {
        let payer = self.payer(attempt);
        let landing = landing::landing(&self.network, payer.signer.address(), attempt).await?;
        if !matches!(landing, Landing::Pending) {
            payer.with_nonces(|nonces| nonces.settle(attempt.action, attempt.nonce));
        }
        Ok(landing)
    }

    fn effect(&self, action: &Action, block: BlockRef) -> Claim {
        // SECURITY: the word of a Gate's scope says that it was tripped; what counts is what of it is enforced.
        let is_gate = unpadded(action.target).is_some_and(|address| self.compiled.is_gate(address));
        let slot = if is_gate { guard::enforced_slot(action.scope) } else { guard::scope_slot(action.scope) };
        word::effect(self.network.chain, action, block, slot)
    }

    async fn gate(&self, target: B256, scope: B256) -> Result<GateReport, AdapterError> {
        let address = unpadded(target)
            .ok_or_else(|| self.error(Class::Permanent, format!("{target} is no padded address")))?;
        let head = quorum_head(&self.network).await?;
        let contract = (address, self.compiled.is_gate(address));
        let questions =
            self.network.operators.iter().map(|operator| {
                (operator.name, Told::by(&operator.lanes.contain, contract, scope, head.block))
            });
        let agreed = quorum(questions, self.network.quorum, Wait::Grace(limits::GRACE_MIN))
            .await
            .map_err(|split| no_quorum(self.network.chain, "state of a gate").caused_by(split))?;
        for (_, who) in &agreed.dissenting {
            for name in who {
                self.network.faults.bad(*name, FaultKind::Garbage, "another state of a gate than the quorum");
            }
        }
        let word = agreed.value.word().ok_or_else(|| {
            self.error(Class::Permanent, format!("{address} does not answer as a gate does"))
        })?;
        Ok(word.report(head.block, head.time))
    }

    async fn unenforced(&self, target: B256, scope: B256) -> Option<String> {
        let address = unpadded(target)?;
        if !self.compiled.is_gate(address) {
            return None;
        }
        for operator in &self.network.operators {
            let client = &operator.lanes.contain;
            let (level, targets) = tokio::join!(
                latest(client, address, IGate::levelOfCall { scope }),
                latest(client, address, IGate::targetsOfCall { scope }),
            );
            let (Some(level), Some(targets)) = (level, targets) else { continue };
            return not_followed(&address.to_string(), &guard::open_because(level, &targets));
        }
        None
    }

    async fn rehearse(&self, action: &Action) -> Result<Vec<Readiness>, AdapterError> {
        rehearse::rehearse(self, action).await
    }
}

/// A slot's word as the guard packs it; exported for who reads proofs.
#[must_use]
pub fn scope_word(word: U256) -> ScopeWord {
    ScopeWord(word)
}
