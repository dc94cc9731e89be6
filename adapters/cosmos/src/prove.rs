//! Proving: the way from the light client's checkpoint to the header that a claim hangs on, and the path from there to
//! the key or transaction. Judging is the verifier's.
//!
//! State after a block stands in the header of the next one, and so do the results of its transactions: what is claimed
//! of the newest block can be proven one block later. Nothing here needs a second voice: evidence either verifies from
//! the checkpoint or it does not, and whoever gave one that does not is named.

mod gather;

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use futures::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use portcullis_adapter::{AdapterError, Class, Prove};
use portcullis_rpc::{Operator, RpcError, Wait, quorum};
use portcullis_verifier::{
    BlockRef, ChainId, Claim, Evidence, FaultKind, System, Trust, Undecided, Verdict,
    cosmos::{Checkpoint, LightSystem, system_name},
};

use crate::{
    config::Compiled,
    error::{chain_of, no_quorum},
    finality::now,
    limits,
    transport::{Network, header, status},
};

pub(crate) use gather::GatherError;
use gather::gather;

/// Gathers evidence on one chain.
#[derive(Debug, Clone)]
pub struct CosmosProver {
    compiled: Arc<Compiled>,
    network: Arc<Network>,
}

/// Who answered, and what: the checkpoint from which the evidence leads, and the evidence.
type Answered<'a> = (&'a Operator, Result<(Checkpoint, Evidence), GatherError>);

/// Evidence for a claim as operators bring it. One operator is asked first; the next one as soon as that one fails, or
/// has kept us waiting: a half-open endpoint costs a moment, not its time-out.
struct Gathering<'a> {
    prover: &'a CosmosProver,
    claim: &'a Claim,
    open: FuturesUnordered<BoxFuture<'a, Answered<'a>>>,
    rest: std::vec::IntoIter<&'a Operator>,
}

impl<'a> Gathering<'a> {
    /// Asks one more; false when all were asked.
    fn ask(&mut self) -> bool {
        let Some(operator) = self.rest.next() else { return false };
        let (prover, claim) = (self.prover, self.claim);
        let asked = async move {
            let decoder = &prover.compiled.decoder;
            (operator, gather(&prover.network, decoder, operator, claim).await)
        };
        self.open.push(asked.boxed());
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

impl CosmosProver {
    pub(crate) fn new(compiled: Arc<Compiled>, network: Arc<Network>) -> Self {
        Self { compiled, network }
    }

    fn judge(&self, claim: &Claim, evidence: &Evidence, checkpoint: &Checkpoint) -> Verdict {
        let operators = self.network.operators.iter().map(|operator| operator.name).collect();
        let quorum = u16::try_from(self.network.quorum).unwrap_or(u16::MAX);
        let pinned = BTreeMap::from([(system_name(), checkpoint.to_bytes())]);
        let trust = Trust { operators, quorum, now: now(), pinned };
        LightSystem::default().verify(claim, evidence, &trust)
    }

    /// Files why an operator gave no evidence, and gives the error.
    fn blame(&self, operator: &Operator, block: BlockRef, error: GatherError) -> AdapterError {
        let chain = self.network.chain;
        let what = format!("proof for block {}", block.height);
        if let Some(kind) = error.kind() {
            self.network.faults.bad(operator.name, kind, &format!("{what}: {}", chain_of(&error)));
        }
        let whose = error.kind().map(|_| operator.name);
        AdapterError::new(chain, whose, error.class(), what).caused_by(error)
    }
}

#[async_trait]
impl Prove for CosmosProver {
    fn chain(&self) -> ChainId {
        self.network.chain
    }

    async fn evidence(&self, claim: &Claim) -> Result<Evidence, AdapterError> {
        let chain = self.network.chain;
        if claim.chain() != chain {
            let what = format!("the claim is about {}", claim.chain());
            return Err(AdapterError::new(chain, None, Class::Permanent, what));
        }
        let block = claim.block();
        let rest = self.network.by_standing().into_iter();
        let mut gathering = Gathering { prover: self, claim, open: FuturesUnordered::new(), rest };
        let mut last_error = None;
        while let Some((operator, answer)) = gathering.next().await {
            let (checkpoint, evidence) = match answer {
                Ok(answer) => answer,
                Err(error) => {
                    last_error = Some(self.blame(operator, block, error));
                    continue;
                }
            };
            if let Verdict::Undecided(Undecided::BadEvidence { detail }) =
                self.judge(claim, &evidence, &checkpoint)
            {
                let what = format!("proof for block {}: {detail}", block.height);
                self.network.faults.bad(operator.name, FaultKind::Garbage, &what);
                last_error = Some(AdapterError::new(chain, Some(operator.name), Class::Untrusted, what));
                continue;
            }
            self.network.faults.good(operator.name);
            return Ok(evidence);
        }
        Err(last_error.unwrap_or_else(|| no_quorum(chain, "no operator gave evidence")))
    }

    /// The newest block whose child is known to the quorum: what holds after it can be proven now.
    async fn head(&self) -> Result<BlockRef, AdapterError> {
        let network = &self.network;
        let asks = network.operators.iter().map(|operator| status(&operator.lanes.prove));
        let answers = futures::future::join_all(asks).await;
        let right = answers.into_iter().flatten().filter(|status| status.chain == network.name);
        let mut heights: Vec<u64> = right.map(|status| status.height).collect();
        heights.sort_unstable_by(|a, b| b.cmp(a));
        let height = heights.get(network.quorum.saturating_sub(1)).copied().filter(|height| *height > 1);
        let Some(height) = height else {
            return Err(no_quorum(network.chain, "fewer operators than the quorum tell their head"));
        };
        let parent = |operator: &Operator| {
            let client = operator.lanes.prove.clone();
            async move {
                let (child, _) = header(&client, height).await?;
                child.parent().ok_or_else(|| RpcError::garbage("header that names its parent"))
            }
        };
        let questions = network.operators.iter().map(|operator| (operator.name, parent(operator)));
        let agreed = quorum(questions, network.quorum, Wait::Grace(limits::GRACE_MIN)).await;
        agreed.map(|agreed| agreed.value).map_err(|split| {
            no_quorum(network.chain, format!("operators disagree on block {height}")).caused_by(split)
        })
    }
}
