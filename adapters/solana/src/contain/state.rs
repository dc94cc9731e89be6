//! What a quorum of operators tells of the newest block, of a gate, and of what it should have paused.

use futures::future::join_all;
use portcullis_adapter::{AdapterError, GateReport, contain::not_followed};
use portcullis_rpc::{Client, RpcError, Wait, quorum};
use portcullis_verifier::{B256, BlockRef, FaultKind, U256};

use super::{
    guard::{self, Breaker, Lane, ScopeWord},
    query,
};
use crate::{
    address::shown,
    config::{CompiledTarget, GateKind},
    error::no_quorum,
    limits,
    transport::{AT_CONFIRMED, Network, blocks_between, not_there, slot},
};

/// Type of the extension of a mint by which it can be paused.
const PAUSABLE: u16 = 26;
/// Where the extensions of a mint begin.
const EXTENSIONS: usize = 166;

/// A block that the quorum agrees on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tip {
    pub(crate) block: BlockRef,
    /// Its time, seconds since 1970.
    pub(crate) time: u64,
}

/// The newest block that a quorum of operators has confirmed, told alike by as many.
pub(crate) async fn tip(network: &Network) -> Result<Tip, AdapterError> {
    let asks = network.operators.iter().map(|operator| slot(&operator.lanes.contain, AT_CONFIRMED));
    let mut slots: Vec<u64> = join_all(asks).await.into_iter().flatten().collect();
    slots.sort_unstable_by(|a, b| b.cmp(a));
    // SECURITY: the slot that `quorum` operators have reached: one that is far behind, or ahead of all, does not choose it.
    let newest = slots.get(network.quorum.saturating_sub(1)).copied();
    let newest = newest.ok_or_else(|| no_quorum(network.chain, "newest slot"))?;
    // SECURITY: a quorum that has fallen behind what a quorum had reached before tells the truth of then, and an open gate of then
    // may be a closed one now, or the other way round.
    if network.has_reached(newest).saturating_sub(newest) > network.lag_slots {
        return Err(no_quorum(network.chain, "newest slot: too many operators have fallen behind"));
    }
    let questions = network.operators.iter().map(|operator| {
        let client = operator.lanes.contain.clone();
        (operator.name, async move { last_block(&client, newest).await })
    });
    quorum(questions, network.quorum, Wait::Grace(limits::GRACE_MIN))
        .await
        .map(|agreed| {
            let (block, time) = agreed.value;
            Tip { block, time }
        })
        .map_err(|split| no_quorum(network.chain, "newest block").caused_by(split))
}

/// The last confirmed block at or below a slot that a node has stored: it confirms a block a moment before it can tell it.
pub(crate) async fn last_block(client: &Client, slot: u64) -> Result<(BlockRef, u64), RpcError> {
    match query::block_at(client, slot).await {
        Err(error) if not_there(&error).is_some() => {}
        answer => return answer,
    }
    let list = blocks_between(client, slot.saturating_sub(limits::SKIPPED_MAX_SLOTS), slot).await?;
    let mut missing = RpcError::garbage("slot with a block");
    for at in list.into_iter().rev().filter(|at| *at != slot).take(limits::UNSTORED_MAX_BLOCKS) {
        match query::block_at(client, at).await {
            Err(error) if not_there(&error).is_some() => missing = error,
            answer => return answer,
        }
    }
    Err(missing)
}

/// A scope's word as one operator tells it after some slot from `least` on, and that slot. Of a Gate it says closed only while
/// every mint that it should have paused is paused.
pub(crate) async fn scope_word(
    client: &Client,
    target: &CompiledTarget,
    mints: &[B256],
    scope: B256,
    least: u64,
) -> Result<(u64, Option<ScopeWord>), RpcError> {
    let breaker = Breaker { address: target.address, program: target.program };
    let lanes = Lane::BOTH.map(|lane| breaker.scope(scope, lane));
    let mints = if target.kind == GateKind::Gate { mints } else { &[] };
    let asked: Vec<B256> = lanes.iter().chain(mints).copied().collect();
    let (slot, accounts) = query::accounts(client, &asked, least).await?;
    let (lanes, mints) = accounts.split_at_checked(lanes.len()).unwrap_or_default();
    // SECURITY: what another program owns at the address is not the gate's, whatever it says.
    let own = lanes.iter().map(|account| {
        let account = account.as_ref().filter(|account| account.owner == breaker.program);
        account.map(|account| account.data.clone())
    });
    let word = guard::combined(breaker, &own.collect::<Vec<_>>());
    let enforced = mints.iter().all(|mint| mint.as_ref().is_some_and(|mint| is_paused(&mint.data)));
    Ok((slot, word.map(|word| if enforced { word } else { word.not_enforced() })))
}

/// The extension by which a mint can be paused: the authority, then whether it is paused.
fn pausable(data: &[u8]) -> Option<&[u8]> {
    let mut rest = data.get(EXTENSIONS..)?;
    loop {
        let (&[k0, k1, l0, l1], behind) = rest.split_first_chunk::<4>()?;
        let (value, next) = behind.split_at_checked(usize::from(u16::from_le_bytes([l0, l1])))?;
        if u16::from_le_bytes([k0, k1]) == PAUSABLE {
            return Some(value);
        }
        rest = next;
    }
}

/// Whether a mint is paused, by its extension.
pub(crate) fn is_paused(data: &[u8]) -> bool {
    pausable(data).is_some_and(|value| value.get(32) == Some(&1))
}

/// Who may pause a mint.
pub(crate) fn pause_authority(data: &[u8]) -> Option<B256> {
    B256::try_from(pausable(data)?.get(..32)?).ok()
}

/// Reads a gate as a quorum of operators tells it.
pub(crate) async fn gate(
    network: &Network,
    target: &CompiledTarget,
    mints: &[B256],
    scope: B256,
) -> Result<GateReport, AdapterError> {
    let tip = tip(network).await?;
    let questions = network.operators.iter().map(|operator| {
        let client = operator.lanes.contain.clone();
        (operator.name, async move {
            let (_slot, word) = scope_word(&client, target, mints, scope, tip.block.height).await?;
            Ok(word.map_or(U256::ZERO, |word| word.0))
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
    let word = (!agreed.value.is_zero()).then_some(ScopeWord(agreed.value));
    Ok(guard::report(word, tip.block, tip.time))
}

/// Which of these mints a Gate has not paused although its scope was closed, in words; none where there is no such mint, and
/// where nobody tells. One voice: people are told, and nothing is decided by it.
pub(crate) async fn unenforced(
    network: &Network,
    target: &CompiledTarget,
    mints: &[B256],
    scope: B256,
) -> Option<String> {
    if mints.is_empty() {
        return None;
    }
    for operator in &network.operators {
        let client = &operator.lanes.contain;
        let Ok((slot, Some(word))) = scope_word(client, target, &[], scope, 0).await else { continue };
        if word.hold() < 2 && word.not_enforced() == word {
            return None;
        }
        let Ok((_slot, accounts)) = query::accounts(client, mints, slot).await else { continue };
        let open = mints.iter().zip(accounts).filter_map(|(mint, account)| {
            let paused = account.is_some_and(|account| is_paused(&account.data));
            (!paused).then(|| format!("mint {} is not paused", shown(*mint)))
        });
        return not_followed(&shown(target.address), &open.collect::<Vec<_>>());
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mint_is_paused_when_its_extension_says_so() {
        let mint = |paused: u8| {
            let mut data = vec![0; EXTENSIONS];
            // Another extension stands before it.
            data.extend([3, 0, 2, 0, 9, 9]);
            data.extend([26, 0, 33, 0]);
            data.extend([7; 32]);
            data.push(paused);
            data
        };
        assert!(is_paused(&mint(1)));
        assert!(!is_paused(&mint(0)));
        let whole = mint(1);
        for end in 0..whole.len() {
            assert!(!is_paused(whole.get(..end).unwrap()), "cut at {end}");
        }
    }
}
