//! Gathering evidence: what operators report, and which stake signed.
//!
//! Nothing of state, records or success can be proven on this family. What is gathered is what each operator says, and the
//! verifier counts. Where a table of stakes is pinned, votes that sign the claim's block are gathered meanwhile, and stand
//! beside it: they add to what the header rests on, and bind no transaction. Where they cannot be had, what operators say
//! counts as it would without.

use std::sync::Arc;

use async_trait::async_trait;
use futures::{StreamExt, stream::FuturesUnordered};
use portcullis_adapter::{AdapterError, Class, Prove};
use portcullis_rpc::{Operator, RpcError};
use portcullis_verifier::{
    B256, BlockRef, ChainId, Claim, Evidence, FaultKind,
    solana::{Certificate, Report, ReportEvidence, Said, ShredEvidence, Statement},
};

use crate::{
    config::Compiled,
    contain::{mints_of, query, state},
    error::{chain_of, no_quorum},
    limits,
    transport::{Network, not_there, told},
    votes::{counted, votes_for},
};

/// Gathers evidence on one cluster.
#[derive(Debug, Clone)]
pub struct SolanaProver {
    compiled: Arc<Compiled>,
    network: Arc<Network>,
}

/// What one operator says, in the terms of one of the proof systems.
enum Word {
    Statement(Statement),
    Report(Report),
}

impl SolanaProver {
    pub(crate) fn new(compiled: Arc<Compiled>, network: Arc<Network>) -> Self {
        Self { compiled, network }
    }

    /// What a Gate has to have paused for the claim's key to count as closed.
    async fn mints(&self, claim: &Claim) -> Result<Vec<B256>, AdapterError> {
        let (Claim::State { contract, key, .. } | Claim::StateAbsent { contract, key, .. }) = claim else {
            return Ok(Vec::new());
        };
        match self.compiled.targets.iter().find(|one| one.address == *contract) {
            Some(target) => mints_of(&self.network, target, *key).await,
            None => Ok(Vec::new()),
        }
    }

    /// What one operator says of a claim; none where it knows nothing of it.
    async fn word(
        &self,
        operator: &Operator,
        claim: &Claim,
        mints: &[B256],
    ) -> Result<Option<Word>, RpcError> {
        let client = &operator.lanes.prove;
        let block = claim.block();
        match claim {
            Claim::State { contract, key, .. } | Claim::StateAbsent { contract, key, .. } => {
                let Some(target) = self.compiled.targets.iter().find(|one| one.address == *contract) else {
                    return Ok(None);
                };
                let read = state::scope_word(client, target, mints, *key, block.height).await;
                let (slot, word) = read?;
                let word = word.map(|word| word.0);
                Ok(Some(Word::Statement(Statement::Word { slot, contract: *contract, key: *key, word })))
            }
            Claim::Emitted { log_index, .. } => {
                let told = told(client, &self.compiled.decoder, block.height).await?;
                let record = told.records.iter().find(|record| record.index == *log_index);
                let raw = record.map(crate::decode::Record::raw);
                Ok(Some(Word::Statement(Statement::Record { block: told.block, index: *log_index, raw })))
            }
            Claim::Included { transaction, .. } => {
                let found = query::outcome_in(client, block.height, *transaction).await?;
                Ok(found.map(|(at, code)| {
                    let report =
                        Report { operator: operator.name, block: at, transaction: *transaction, code };
                    Word::Report(report)
                }))
            }
            // Operators do not say what a block does not hold, nor what other stores do.
            Claim::NotEmitted { .. } | Claim::Stored { .. } | Claim::NotStored { .. } => Ok(None),
        }
    }

    /// Votes that sign the claim's block, where a table of stakes is pinned and the claim is about what stands in the block.
    /// What holds in a state is read from later blocks, of which these votes say nothing.
    async fn certificate(&self, claim: &Claim) -> Option<Certificate> {
        let pinned = self.network.stakes.as_ref()?;
        if !matches!(claim, Claim::Emitted { .. } | Claim::Included { .. }) {
            return None;
        }
        match votes_for(&self.network, pinned, claim.block().height).await {
            Ok(votes) => {
                counted(self.network.chain, "enough");
                Some(Certificate::Tower { votes })
            }
            Err(why) => {
                counted(self.network.chain, why.outcome());
                tracing::warn!(chain = %self.network.chain, why = chain_of(&why), "no stake is counted");
                None
            }
        }
    }

    /// What operators say of a claim.
    async fn heard(&self, claim: &Claim) -> Result<Heard, AdapterError> {
        let chain = self.network.chain;
        let mints = self.mints(claim).await?;
        let mints = mints.as_slice();
        let asks = self
            .network
            .operators
            .iter()
            .map(|operator| async move { (operator, self.word(operator, claim, mints).await) });
        let mut asks: FuturesUnordered<_> = asks.collect();
        let (mut heard, mut last_error) = (Heard::default(), None);
        loop {
            // Once a quorum has spoken the others are waited for a moment, so that who contradicts is heard too.
            let next = if heard.voices() >= self.network.quorum {
                tokio::time::timeout(limits::VOICES_GRACE, asks.next()).await.unwrap_or(None)
            } else {
                asks.next().await
            };
            let Some((operator, word)) = next else { break };
            match word {
                Ok(Some(Word::Statement(statement))) => {
                    heard.said.push(Said { operator: operator.name, statement });
                }
                Ok(Some(Word::Report(report))) => heard.reports.push(report),
                Ok(None) => {}
                Err(error) => {
                    if not_there(&error).is_none() && !matches!(error, RpcError::Server { .. }) {
                        self.network.faults.failed(operator.name, "evidence", &error);
                    }
                    let what = format!("evidence: {}", chain_of(&error));
                    last_error = Some(AdapterError::new(chain, Some(operator.name), error.class(), what));
                }
            }
        }
        if heard.voices() == 0 {
            return Err(last_error.unwrap_or_else(|| no_quorum(chain, "no operator says anything of it")));
        }
        let said = heard.said.iter().map(|one| one.operator);
        for one in said.chain(heard.reports.iter().map(|one| one.operator)) {
            self.network.faults.over(one, FaultKind::Dark);
        }
        Ok(heard)
    }
}

/// What operators said, in the terms of one of the proof systems.
#[derive(Debug, Default)]
struct Heard {
    said: Vec<Said>,
    reports: Vec<Report>,
}

impl Heard {
    fn voices(&self) -> usize {
        self.said.len().max(self.reports.len())
    }
}

#[async_trait]
impl Prove for SolanaProver {
    fn chain(&self) -> ChainId {
        self.network.chain
    }

    async fn evidence(&self, claim: &Claim) -> Result<Evidence, AdapterError> {
        let chain = self.network.chain;
        if claim.chain() != chain {
            let what = format!("the claim is about {}", claim.chain());
            return Err(AdapterError::new(chain, None, Class::Permanent, what));
        }
        if matches!(claim, Claim::NotEmitted { .. } | Claim::Stored { .. } | Claim::NotStored { .. }) {
            let what = "nobody on this family can say that";
            return Err(AdapterError::new(chain, None, Class::Permanent, what));
        }
        let votes = async { Ok(self.certificate(claim).await) };
        let (Heard { said, reports }, certificate) = tokio::try_join!(self.heard(claim), votes)?;
        Ok(if reports.is_empty() {
            ReportEvidence { said, certificate }.to_evidence()
        } else {
            ShredEvidence { reports, certificate, blocks: Vec::new() }.to_evidence()
        })
    }

    /// The newest confirmed block that a quorum tells alike.
    async fn head(&self) -> Result<BlockRef, AdapterError> {
        Ok(state::tip(&self.network).await?.block)
    }
}
