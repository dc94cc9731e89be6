//! What a quorum of operators tells of the chain's newest block, and of a gate after it.

use futures::{StreamExt, stream::FuturesUnordered};
use portcullis_adapter::{AdapterError, GateReport};
use portcullis_rpc::{Wait, quorum};
use portcullis_verifier::{B256, BlockRef, FaultKind, cosmos::SealedHeader};

use super::{guard, query};
use crate::{
    error::no_quorum,
    limits,
    transport::{Network, header, status},
};

/// A block that the quorum agrees on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tip {
    pub(crate) block: BlockRef,
    /// Its time, seconds since 1970.
    pub(crate) time: u64,
}

impl From<&SealedHeader> for Tip {
    fn from(header: &SealedHeader) -> Self {
        Self { block: header.block(), time: header.time() }
    }
}

/// The newest block that a quorum of operators has, told alike by as many.
pub(crate) async fn tip(network: &Network) -> Result<Tip, AdapterError> {
    let mut newest: FuturesUnordered<_> =
        network.operators.iter().map(|operator| status(&operator.lanes.contain)).collect();
    // The lowest of the first answers: every one of those operators has that block, and nobody slow is waited for.
    let mut heights = Vec::new();
    while heights.len() < network.quorum
        && let Some(answer) = newest.next().await
    {
        heights.extend(answer.ok().filter(|status| status.chain == network.name).map(|status| status.height));
    }
    let enough = heights.len() >= network.quorum;
    let height = heights.into_iter().min().filter(|_| enough);
    tip_at(network, height.ok_or_else(|| no_quorum(network.chain, "newest block"))?).await
}

/// A block of this height, told alike by a quorum.
pub(crate) async fn tip_at(network: &Network, height: u64) -> Result<Tip, AdapterError> {
    let questions = network.operators.iter().map(|operator| {
        let client = operator.lanes.contain.clone();
        (operator.name, async move { Ok(Tip::from(&header(&client, height).await?.0)) })
    });
    quorum(questions, network.quorum, Wait::Grace(limits::GRACE_MIN))
        .await
        .map(|agreed| agreed.value)
        .map_err(|split| no_quorum(network.chain, "newest block").caused_by(split))
}

/// Reads a gate as a quorum of operators tells it, at a block that they agree on: the newest, or the one before where the
/// state after the newest is not made everywhere yet.
pub(crate) async fn gate(network: &Network, target: B256, scope: B256) -> Result<GateReport, AdapterError> {
    let newest = tip(network).await?;
    match gate_at(network, newest, target, scope).await {
        Ok(report) => Ok(report),
        Err(_not_yet) if newest.block.height > 1 => {
            let before = tip_at(network, newest.block.height.saturating_sub(1)).await?;
            gate_at(network, before, target, scope).await
        }
        Err(error) => Err(error),
    }
}

async fn gate_at(network: &Network, tip: Tip, target: B256, scope: B256) -> Result<GateReport, AdapterError> {
    let questions = network.operators.iter().map(|operator| {
        let client = operator.lanes.contain.clone();
        (operator.name, async move {
            query::scope_word(&client, target, scope, tip.block.height).await.map_err(query::flat)
        })
    });
    let agreed = quorum(questions, network.quorum, Wait::Grace(limits::GRACE_MIN))
        .await
        .map_err(|split| no_quorum(network.chain, "state of a gate").caused_by(split))?;
    for (_, who) in &agreed.dissenting {
        for name in who {
            network.faults.bad(*name, FaultKind::Garbage, "another state of a gate than the quorum");
        }
    }
    Ok(guard::ScopeWord(agreed.value).report(tip.block, tip.time))
}
