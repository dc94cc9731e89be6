//! Proving: what operators say of a header, and receipts or paths that hang on it. Judging is the verifier's.
//!
//! Every operator is asked for the header at the claim's height, by number, because a node also knows blocks that
//! have left its chain. The payload (receipts, paths) needs no second voice: it either adds up under the header
//! or it does not, and whoever gave one that does not is named.

mod receipts;

use std::{collections::BTreeMap, sync::Arc, time::Instant};

use alloy::rpc::types::{EIP1186AccountProofResponse, Header};
use async_trait::async_trait;
use futures::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use portcullis_adapter::{AdapterError, Class, Prove};
use portcullis_rpc::{Client, Operator, ReplySize, RpcError, RpcRequest, Wait, quorum};
use portcullis_verifier::{
    B256, BlockRef, ChainId, Claim, Evidence, FaultKind, System, Trust, Undecided, Verdict,
    evm::{Anchor, Attestation, Nodes, Payload, QuorumEvidence, QuorumSystem},
};
use serde_json::{Value, json};

use crate::{
    config::unpadded,
    error::{failed, no_quorum},
    limits,
    transport::{At, Head, Network, full_header, head},
};

/// Gathers evidence on one chain.
#[derive(Debug, Clone)]
pub struct EvmProver {
    network: Arc<Network>,
}

/// What all operators said about a height.
struct Voices {
    header: Option<Header>,
    attestations: Vec<Attestation>,
}

/// Payloads for a claim as operators bring them. One operator is asked first; the next one as soon as that one
/// fails, or has kept us waiting: a half-open endpoint costs a moment, not its time-out.
struct Payloads<'a> {
    claim: &'a Claim,
    open: FuturesUnordered<BoxFuture<'a, Answered<'a>>>,
    rest: std::vec::IntoIter<&'a Operator>,
}

/// Who answered, and what.
type Answered<'a> = (&'a Operator, Result<Payload, RpcError>);

impl<'a> Payloads<'a> {
    fn new(claim: &'a Claim, order: Vec<&'a Operator>) -> Self {
        Self { claim, open: FuturesUnordered::new(), rest: order.into_iter() }
    }

    /// Asks one more; false when all were asked.
    fn ask(&mut self) -> bool {
        let Some(operator) = self.rest.next() else { return false };
        let claim = self.claim;
        self.open.push(async move { (operator, payload(&operator.lanes.prove, claim).await) }.boxed());
        true
    }

    /// The next answer; none when everybody has answered.
    async fn next(&mut self) -> Option<Answered<'a>> {
        loop {
            if self.open.is_empty() && !self.ask() {
                return None;
            }
            match tokio::time::timeout(limits::PAYLOAD_HEDGE, self.open.next()).await {
                Ok(answer) => return answer,
                Err(_waiting) if self.ask() => {}
                Err(_waiting) => return self.open.next().await,
            }
        }
    }
}

impl EvmProver {
    pub(crate) fn new(network: Arc<Network>) -> Self {
        Self { network }
    }

    /// Asks every operator which block stands at the claim's height.
    ///
    /// Listens until enough agree with the claim, then as long again (within bounds), so that a slow dissenter is
    /// still heard but a dark one costs nothing.
    async fn voices(&self, block: BlockRef) -> Voices {
        let started = Instant::now();
        let mut open: FuturesUnordered<_> = self
            .network
            .operators
            .iter()
            .map(|operator| async move {
                (operator, full_header(&operator.lanes.prove, At::Number(block.height)).await)
            })
            .collect();
        let mut voices = Voices { header: None, attestations: Vec::new() };
        let mut agreeing = 0usize;
        let mut deadline: Option<tokio::time::Instant> = None;
        loop {
            let next = match deadline {
                None => open.next().await,
                Some(at) => tokio::time::timeout_at(at, open.next()).await.unwrap_or(None),
            };
            let Some((operator, answer)) = next else { break };
            if self.hear(block, operator, answer, &mut voices) {
                agreeing = agreeing.saturating_add(1);
            }
            if agreeing >= self.network.quorum && deadline.is_none() {
                let grace = started.elapsed().clamp(limits::GRACE_MIN, limits::GRACE_MAX);
                deadline = tokio::time::Instant::now().checked_add(grace);
            }
        }
        voices
    }

    /// Files one answer; true when it agrees with the claim.
    fn hear(
        &self,
        block: BlockRef,
        operator: &Operator,
        answer: Result<Option<Header>, RpcError>,
        voices: &mut Voices,
    ) -> bool {
        let header = match answer {
            Ok(Some(header)) => header,
            // Not there yet, or not there any more: no voice, and no fault.
            Ok(None) => return false,
            Err(error) => {
                self.network.faults.failed(operator.name, "header for a proof", &error);
                return false;
            }
        };
        let said = BlockRef { height: header.inner.number, hash: header.hash };
        self.network.faults.over(operator.name, FaultKind::Dark);
        voices.attestations.push(Attestation { operator: operator.name, block: said });
        let agrees = said == block;
        if agrees && voices.header.is_none() {
            voices.header = Some(header);
        }
        agrees
    }

    /// Operators in the order in which they are asked for payloads: those without recent faults first.
    fn by_standing(&self) -> Vec<&Operator> {
        let mut all: Vec<&Operator> = self.network.operators.iter().collect();
        all.sort_by_key(|operator| !self.network.faults.is_good(operator.name));
        all
    }

    fn judge(&self, claim: &Claim, evidence: &Evidence) -> Verdict {
        let operators = self.network.operators.iter().map(|operator| operator.name).collect();
        let quorum = u16::try_from(self.network.quorum).unwrap_or(u16::MAX);
        let trust = Trust { operators, quorum, now: u64::MAX, pinned: BTreeMap::new() };
        QuorumSystem.verify(claim, evidence, &trust)
    }

    /// Names operators that report another block than the quorum.
    fn name_dissenters(&self, block: BlockRef, attestations: &[Attestation]) {
        let agreeing = attestations.iter().filter(|voice| voice.block == block).count();
        if agreeing < self.network.quorum || agreeing.saturating_mul(2) <= attestations.len() {
            return;
        }
        for voice in attestations.iter().filter(|voice| voice.block != block) {
            let what = format!(
                "block {}: it says {}, {agreeing} others say {}",
                block.height, voice.block.hash, block.hash
            );
            self.network.faults.bad(voice.operator, FaultKind::DissentHead, &what);
        }
    }
}

#[cfg(feature = "testing")]
pub(crate) use receipts::committed;
use receipts::receipts;

#[async_trait]
impl Prove for EvmProver {
    fn chain(&self) -> ChainId {
        self.network.chain
    }

    async fn evidence(&self, claim: &Claim) -> Result<Evidence, AdapterError> {
        let chain = self.network.chain;
        if claim.chain() != chain {
            return Err(AdapterError::new(
                chain,
                None,
                Class::Permanent,
                format!("the claim is about {}", claim.chain()),
            ));
        }
        if let Claim::State { contract, .. } | Claim::StateAbsent { contract, .. } = claim
            && unpadded(*contract).is_none()
        {
            let what = format!("the claim's contract {contract} is no address of 20 bytes");
            return Err(AdapterError::new(chain, None, Class::Permanent, what));
        }
        let block = claim.block();
        let mut payloads = Payloads::new(claim, self.by_standing());
        let (voices, mut early) = tokio::join!(self.voices(block), payloads.next());
        self.name_dissenters(block, &voices.attestations);
        let header = match voices.header {
            Some(header) => header,
            None => self.header_by_hash(block).await?,
        };
        let header_rlp = alloy::rlp::encode(&header.inner);
        let assemble = |payload| {
            let attestations = voices.attestations.clone();
            QuorumEvidence { header: header_rlp.clone(), attestations, anchor: Anchor::Itself, payload }
                .to_evidence()
        };
        let mut last_error = None;
        loop {
            let next = match early.take() {
                Some(answer) => Some(answer),
                None => payloads.next().await,
            };
            let Some((operator, answer)) = next else { break };
            match answer {
                Ok(payload) => {
                    let evidence = assemble(payload);
                    if let Verdict::Undecided(Undecided::BadEvidence { detail }) =
                        self.judge(claim, &evidence)
                    {
                        let what = format!("proof for block {}: {detail}", block.height);
                        self.network.faults.bad(operator.name, FaultKind::Garbage, &what);
                        last_error =
                            Some(AdapterError::new(chain, Some(operator.name), Class::Untrusted, what));
                        continue;
                    }
                    if voices.attestations.iter().any(|v| v.operator == operator.name && v.block == block) {
                        self.network.faults.good(operator.name);
                    }
                    self.probe(claim, &header_rlp, &voices.attestations);
                    return Ok(evidence);
                }
                Err(error) => {
                    let what = format!("proof for block {}", block.height);
                    // What this version cannot read is no fault of who serves it.
                    if !matches!(error, RpcError::Unsupported(_)) {
                        self.network.faults.failed(operator.name, &what, &error);
                    }
                    last_error = Some(failed(chain, operator.name, &what, error));
                }
            }
        }
        Err(last_error.unwrap_or_else(|| no_quorum(chain, "no operator gave evidence")))
    }

    async fn head(&self) -> Result<BlockRef, AdapterError> {
        Ok(quorum_head(&self.network).await?.block)
    }
}

impl EvmProver {
    /// Asks operators whose word was bad once more, behind the back of who waits for the evidence: who is asked last
    /// would else never be asked again, and never be cleared.
    fn probe(&self, claim: &Claim, header: &[u8], attestations: &[Attestation]) {
        let standing = |operator: &&Operator| !self.network.faults.is_good(operator.name);
        for operator in self.network.operators.iter().filter(standing) {
            let (prover, operator, claim) = (self.clone(), operator.clone(), claim.clone());
            let (header, attestations) = (header.to_vec(), attestations.to_vec());
            tokio::spawn(async move {
                let Ok(payload) = payload(&operator.lanes.prove, &claim).await else { return };
                let evidence = QuorumEvidence { header, attestations, anchor: Anchor::Itself, payload };
                let agrees = evidence
                    .attestations
                    .iter()
                    .any(|voice| voice.operator == operator.name && voice.block == claim.block());
                if agrees && prover.judge(&claim, &evidence.to_evidence()).assurance().is_some() {
                    prover.network.faults.good(operator.name);
                }
            });
        }
    }

    /// The header of a block that nobody has at its height: it may have left the chain, which the verifier then
    /// says by the attestations.
    async fn header_by_hash(&self, block: BlockRef) -> Result<Header, AdapterError> {
        for operator in self.by_standing() {
            match full_header(&operator.lanes.prove, At::Hash(block.hash)).await {
                Ok(Some(header)) => return Ok(header),
                Ok(None) => {}
                Err(error) => self.network.faults.failed(operator.name, "header for a proof", &error),
            }
        }
        let what = format!("no operator knows block {} {}", block.height, block.hash);
        Err(no_quorum(self.network.chain, what))
    }
}

/// The newest block that the quorum agrees on.
pub(crate) async fn quorum_head(network: &Network) -> Result<Head, AdapterError> {
    let latest = |operator: &Operator| {
        let client = operator.lanes.prove.clone();
        async move { head(&client, At::Latest).await?.ok_or_else(|| RpcError::garbage("latest block")) }
    };
    let questions = network.operators.iter().map(|operator| (operator.name, latest(operator)));
    let wait = Wait::Grace(limits::GRACE_MIN);
    let split = match quorum(questions, network.quorum, wait).await {
        Ok(agreed) => return Ok(agreed.value),
        Err(split) => split,
    };
    // Some are a block ahead: the height that enough of them have reached is compared instead.
    let mut heights: Vec<u64> = Vec::new();
    for (head, who) in &split.groups {
        heights.extend(who.iter().map(|_| head.block.height));
    }
    heights.sort_unstable_by(|a, b| b.cmp(a));
    let Some(height) = heights.get(network.quorum.saturating_sub(1)).copied() else {
        return Err(
            no_quorum(network.chain, "fewer operators than the quorum tell their head").caused_by(split)
        );
    };
    let at_height = |operator: &Operator| {
        let client = operator.lanes.prove.clone();
        async move {
            head(&client, At::Number(height))
                .await?
                .ok_or_else(|| RpcError::garbage("block at a reached height"))
        }
    };
    let questions = network.operators.iter().map(|operator| (operator.name, at_height(operator)));
    quorum(questions, network.quorum, wait).await.map(|agreed| agreed.value).map_err(|split| {
        no_quorum(network.chain, format!("operators disagree on block {height}")).caused_by(split)
    })
}

/// Asks one operator for what a claim needs.
async fn payload(client: &Client, claim: &Claim) -> Result<Payload, RpcError> {
    match claim {
        Claim::Emitted { block, .. } | Claim::NotEmitted { block, .. } => {
            receipts(client, *block).await.map(Payload::Receipts)
        }
        Claim::State { block, contract, key, .. } | Claim::StateAbsent { block, contract, key, .. } => {
            state(client, *block, *contract, *key).await
        }
        Claim::Stored { .. } | Claim::NotStored { .. } | Claim::Included { .. } => {
            Err(RpcError::Unsupported("proof of this kind of claim".to_owned()))
        }
    }
}

async fn state(client: &Client, block: BlockRef, contract: B256, key: B256) -> Result<Payload, RpcError> {
    let address =
        unpadded(contract).ok_or_else(|| RpcError::garbage("contract with an address of 20 bytes"))?;
    let ask = |at: Value| RpcRequest::read("eth_getProof", json!([address, [key], at]), ReplySize::Block);
    // By hash, so that a reorganisation in between is an error and not a proof of another block (EIP-1898).
    let by_hash = client.ask(ask(json!({ "blockHash": block.hash })), "account proof").await;
    let proof: EIP1186AccountProofResponse = match by_hash {
        Err(error @ RpcError::Server { .. }) if error.class() == Class::Permanent => {
            client.ask(ask(json!(format!("{:#x}", block.height))), "account proof").await?
        }
        other => other?,
    };
    let (account_nodes, storage_nodes) = paths(&proof);
    Ok(Payload::State { account_nodes, storage_nodes })
}

/// The path of the account, and of the first slot of the answer.
pub(crate) fn paths(proof: &EIP1186AccountProofResponse) -> (Nodes, Nodes) {
    let storage: Nodes =
        proof.storage_proof.first().map(|slot| slot.proof.iter().collect()).unwrap_or_default();
    // An empty trie has no node; some nodes show it as the encoding of nothing.
    let storage_nodes =
        if storage.0 == [vec![alloy::rlp::EMPTY_STRING_CODE]] { Nodes::default() } else { storage };
    (proof.account_proof.iter().collect(), storage_nodes)
}
