//! What a quorum of operators tells of the chain's newest block, and of a gate after it.

use futures::{StreamExt, stream::FuturesUnordered};
use portcullis_adapter::{AdapterError, GateReport, contain::not_followed};
use portcullis_rpc::{Client, Wait, quorum};
use portcullis_verifier::{B256, BlockRef, FaultKind, U256, cosmos::SealedHeader};

use super::{
    guard::{self, GateTargetView},
    query::{self, QueryError},
};
use crate::{
    config::{Compiled, shown},
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
/// state after the newest is not made everywhere yet. A Gate is as tight as what it closes.
pub(crate) async fn gate(
    compiled: &Compiled,
    network: &Network,
    target: B256,
    scope: B256,
) -> Result<GateReport, AdapterError> {
    let (newest, is_gate) = (tip(network).await?, compiled.is_gate(target));
    match gate_at(network, newest, (target, is_gate), scope).await {
        Ok(report) => Ok(report),
        Err(_not_yet) if newest.block.height > 1 => {
            let before = tip_at(network, newest.block.height.saturating_sub(1)).await?;
            gate_at(network, before, (target, is_gate), scope).await
        }
        Err(error) => Err(error),
    }
}

/// A scope's word as one node tells it; of a Gate with nothing closed that it does not enforce.
async fn scope_word(
    client: &Client,
    (target, is_gate): (B256, bool),
    scope: B256,
    height: u64,
) -> Result<U256, QueryError> {
    let word = query::word(client, target, &guard::scope_key(scope), height).await?;
    if !is_gate || word.is_zero() {
        return Ok(word);
    }
    let enforced = query::word(client, target, &guard::enforced_key(scope), height).await?;
    // SECURITY: a Gate of an older version does not say what it enforces, which is not that it enforces anything.
    Ok(if enforced.is_zero() { guard::ScopeWord(word).not_enforced().0 } else { enforced })
}

async fn gate_at(
    network: &Network,
    tip: Tip,
    target: (B256, bool),
    scope: B256,
) -> Result<GateReport, AdapterError> {
    let questions = network.operators.iter().map(|operator| {
        let client = operator.lanes.contain.clone();
        (operator.name, async move {
            scope_word(&client, target, scope, tip.block.height).await.map_err(query::flat)
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

/// What a Gate should have closed with a scope and did not, in words; none where it says that everything is closed, and
/// where nobody tells. One voice: people are told, and nothing is decided by it.
pub(crate) async fn unenforced(
    compiled: &Compiled,
    network: &Network,
    target: B256,
    scope: B256,
) -> Option<String> {
    if !compiled.is_gate(target) {
        return None;
    }
    let gate = shown(&compiled.config.prefix, target)?;
    let (level, targets) = (guard::level_question(scope), guard::targets_question(scope));
    for operator in network.by_standing() {
        let client = &operator.lanes.contain;
        let level = query::contract::<u8>(client, &gate, &level, "level of a scope");
        let targets = query::contract::<Vec<GateTargetView>>(client, &gate, &targets, "list of targets");
        let (Ok(level), Ok(targets)) = tokio::join!(level, targets) else { continue };
        let mut open: Vec<String> = targets.iter().filter_map(|target| target.open_because(level)).collect();
        if targets.is_empty() && level > 0 {
            open.push("its owner has added no target".to_owned());
        }
        return not_followed(&gate, &open);
    }
    None
}
