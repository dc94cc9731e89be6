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
};
use portcullis_rpc::{ReplySize, RpcError, RpcRequest, Wait, broadcast, quorum};
use portcullis_verifier::{B256, BlockRef, ChainId, Claim, FaultKind, Relation, U256};
use serde_json::json;

use crate::{
    config::{Compiled, padded, unpadded},
    error::{chain_of, detail, no_quorum},
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

use guard::{IBreaker, ScopeWord};
use nonces::Nonces;

/// Closes gates on one chain with one key.
#[derive(Debug)]
pub struct EvmContainer {
    compiled: Arc<Compiled>,
    network: Arc<Network>,
    signer: Arc<dyn Signer>,
    nonces: Mutex<Nonces>,
}

impl EvmContainer {
    pub(crate) fn new(compiled: Arc<Compiled>, network: Arc<Network>, signer: Arc<dyn Signer>) -> Self {
        Self { compiled, network, signer, nonces: Mutex::new(Nonces::default()) }
    }

    /// The account that pays for trips and holds the tripper's role.
    #[must_use]
    pub fn account(&self) -> Address {
        self.signer.address()
    }

    fn error(&self, class: Class, what: impl Into<String>) -> AdapterError {
        AdapterError::new(self.network.chain, None, class, what)
    }

    fn with_nonces<T>(&self, act: impl FnOnce(&mut Nonces) -> T) -> T {
        act(&mut self.nonces.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn gate_of(&self, action: &Action) -> Result<Address, AdapterError> {
        let address = unpadded(action.target);
        let known = address.filter(|address| self.compiled.targets.iter().any(|t| t.address == *address));
        // SECURITY: only configured gates are ever called; a wrong action cannot make the key call elsewhere.
        known.ok_or_else(|| {
            self.error(Class::Permanent, format!("{} is no configured gate of this chain", action.target))
        })
    }

    async fn candidate(
        &self,
        action: &Action,
        gate: Address,
        record: B256,
        bump: u16,
        nonce: u64,
    ) -> Result<Attempt, AdapterError> {
        let fees = &self.compiled.config.fees;
        let offer = fees::offer(fees, action.value_at_risk_micro_usd, bump);
        let transaction = TxEip1559 {
            chain_id: self.compiled.chain_number,
            nonce,
            gas_limit: fees.gas_limit,
            max_fee_per_gas: offer.fee_wei,
            max_priority_fee_per_gas: offer.tip_wei,
            to: TxKind::Call(gate),
            value: Amount::ZERO,
            access_list: alloy::eips::eip2930::AccessList::default(),
            input: guard::trip_call(action, record).abi_encode().into(),
        };
        let signature = self
            .signer
            .sign_hash(transaction.signature_hash())
            .await
            .map_err(|source| self.error(Class::Permanent, "the key did not sign").caused_by(source))?;
        let signed = transaction.into_signed(signature);
        Ok(Attempt {
            action: action.id,
            chain: self.network.chain,
            hash: *signed.hash(),
            bytes: signed.encoded_2718(),
            sender: padded(self.signer.address()),
            nonce,
            bump,
            fee: offer.fee_wei,
        })
    }
}

#[async_trait]
impl Contain for EvmContainer {
    fn chain(&self) -> ChainId {
        self.network.chain
    }

    async fn warm(&self) -> Result<(), AdapterError> {
        let account = self.signer.address();
        let counts = self.network.operators.iter().map(|operator| async move {
            let client = &operator.lanes.contain;
            let count = |tag: &str| {
                RpcRequest::read("eth_getTransactionCount", json!([account, tag]), ReplySize::Small)
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
                    // Without a pending count nothing is known to be stuck.
                    let pending = pending.unwrap_or(latest).to::<u64>();
                    self.with_nonces(|nonces| nonces.report(name, latest.to(), pending));
                }
                Err(error) => {
                    self.network.faults.failed(name, "nonce of the containment key", &error);
                    last_error = Some(crate::error::failed(self.network.chain, name, "nonce", error));
                }
            }
        }
        if heard {
            self.with_nonces(Nonces::refreshed);
        }
        match last_error {
            Some(error) if !heard => Err(error),
            _ => Ok(()),
        }
    }

    async fn sign(&self, action: &Action, record: B256, bump: u16) -> Result<Vec<Attempt>, AdapterError> {
        let gate = self.gate_of(action)?;
        if !self.with_nonces(|nonces| nonces.known()) {
            self.warm().await?;
        }
        let nonces = self.with_nonces(|nonces| nonces.candidates(action.id, bump));
        if nonces.is_empty() {
            return Err(
                self.error(Class::Transient, "too many actions are outstanding, or no nonce is known")
            );
        }
        let mut attempts = Vec::with_capacity(nonces.len());
        for nonce in nonces {
            attempts.push(self.candidate(action, gate, record, bump, nonce).await?);
        }
        Ok(attempts)
    }

    async fn broadcast(&self, attempt: &Attempt) -> Broadcast {
        self.with_nonces(|nonces| nonces.sent(attempt.action));
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
                        EndpointReply {
                            operator,
                            accepted: has,
                            detail: detail(&text, limits::DETAIL_MAX_BYTES),
                        }
                    }
                }
            });
        Broadcast { replies: join_all(replies).await }
    }

    async fn landing(&self, attempt: &Attempt) -> Result<Landing, AdapterError> {
        let landing = landing::landing(&self.network, self.signer.address(), attempt).await?;
        if !matches!(landing, Landing::Pending) {
            self.with_nonces(|nonces| nonces.settle(attempt.action, attempt.nonce));
        }
        Ok(landing)
    }

    fn effect(&self, action: &Action, block: BlockRef) -> Claim {
        let field = guard::effect_field(action);
        Claim::State {
            chain: self.network.chain,
            block,
            contract: action.target,
            key: guard::scope_slot(action.scope),
            mask: field.mask(),
            relation: Relation::AtLeast,
            value: field.place(match field {
                guard::Field::ClosedUntilHeight | guard::Field::LimitedUntilHeight => action.until_height,
                _ => action.until,
            }),
        }
    }

    async fn gate(&self, target: B256, scope: B256) -> Result<GateReport, AdapterError> {
        let address = unpadded(target)
            .ok_or_else(|| self.error(Class::Permanent, format!("{target} is no padded address")))?;
        let head = quorum_head(&self.network).await?;
        let call = IBreaker::stateOfCall { scope }.abi_encode();
        let call = json!({ "to": address, "data": alloy::primitives::hex::encode_prefixed(&call) });
        let request =
            RpcRequest::read("eth_call", json!([call, { "blockHash": head.block.hash }]), ReplySize::Small);
        let questions = self.network.operators.iter().map(|operator| {
            let request = request.clone();
            (operator.name, async move {
                operator.lanes.contain.ask::<alloy::primitives::Bytes>(request, "call result").await
            })
        });
        let agreed = quorum(questions, self.network.quorum, Wait::Grace(limits::GRACE_MIN))
            .await
            .map_err(|split| no_quorum(self.network.chain, "state of a gate").caused_by(split))?;
        for (_, who) in &agreed.dissenting {
            for name in who {
                self.network.faults.bad(*name, FaultKind::Garbage, "another state of a gate than the quorum");
            }
        }
        let state = IBreaker::stateOfCall::abi_decode_returns(&agreed.value).map_err(|source| {
            self.error(Class::Permanent, format!("{address} does not answer as a gate does"))
                .caused_by(source)
        })?;
        Ok(guard::report(&state, &head))
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
