//! Building what is sent: observations, progress, and the cursor that commits with them. Pure.

use std::collections::{BTreeSet, VecDeque};

use portcullis_adapter::{AdapterError, Class, Cursor};
use portcullis_verifier::{
    AdminChange, AdminKind, B256, BlockRef, BridgeId, ChainId, EndpointFault, Event, FaultKind, Observation,
    Position, Progress, Status, codec::digest, keccak256,
};

use super::fetch::{Answer, DoubleSign};
use crate::{
    decode::Decoder,
    error::{DETAIL_MAX_BYTES, detail},
    limits::{self, DOUBLE_SIGN_BPS},
};

/// The observations of a block, in order.
pub(crate) fn decode_block(
    decoder: &Decoder,
    answer: &Answer,
    block: BlockRef,
    time: u64,
) -> Vec<Observation> {
    let hash = |place: Option<u32>| {
        place.and_then(|place| answer.transactions.get(&place).copied()).unwrap_or_default()
    };
    let events = answer.events.iter();
    events.flat_map(|placed| decoder.observations(placed, block, hash(placed.transaction), time)).collect()
}

/// The place behind everything else in a block.
fn behind(block: BlockRef) -> Position {
    Position {
        height: block.height,
        tx_index: u32::MAX,
        log_index: u32::MAX,
        block_hash: block.hash,
        tx_hash: B256::ZERO,
    }
}

/// Much of the power over the chain has moved: a change of signers for every bridge that is watched here.
pub(crate) fn signer_change(
    decoder: &Decoder,
    block: BlockRef,
    time: u64,
    (validators, moved_bps): (B256, u64),
) -> Vec<Observation> {
    let contracts = decoder.contracts.iter().map(|contract| contract.bridge);
    let bridges: BTreeSet<BridgeId> =
        contracts.chain(decoder.channels.iter().map(|channel| channel.bridge)).collect();
    tracing::warn!(chain = %decoder.chain, height = block.height, moved_bps, "power over the chain has moved");
    let raw = digest("portcullis.cosmos.validators.v1", &(block, validators));
    let change = |bridge| {
        Event::Admin(AdminChange {
            bridge,
            kind: AdminKind::SignerSet,
            contract: keccak256("validators"),
            value: validators,
        })
    };
    let observation =
        |bridge| Observation::new(decoder.chain, behind(block), time, Status::Included, raw, change(bridge));
    bridges.into_iter().map(observation).collect()
}

/// A validator's misbehaviour that the chain itself has found. One vote of little power is punished and means nothing
/// for anybody else; it is counted.
pub(crate) fn double_sign(
    chain: ChainId,
    block: BlockRef,
    time: u64,
    found: &DoubleSign,
) -> Option<Observation> {
    let DoubleSign { attack, height, who, share_bps } = found;
    metrics::counter!("portcullis_double_signs_total", "chain" => chain.as_str().to_owned()).increment(1);
    if !attack && *share_bps < DOUBLE_SIGN_BPS {
        tracing::warn!(%chain, height, who, share_bps, "a validator signed twice");
        return None;
    }
    let what = if *attack { "forged headers" } else { "two votes of one validator" };
    let text = format!(
        "block {} carries proof of {what} at height {height}: {who}, {share_bps} basis points of the power, as \
         reported",
        block.height
    );
    let detail = detail(&text, DETAIL_MAX_BYTES);
    let fault = EndpointFault { operator: None, kind: FaultKind::Equivocation, detail };
    let raw = digest("portcullis.cosmos.double-sign.v1", &fault);
    Some(Observation::new(chain, behind(block), time, Status::Included, raw, Event::Fault(fault)))
}

/// How far the chain is delivered: what is delivered is final.
pub(crate) fn progress(chain: ChainId, block: BlockRef, time: u64, head_time: u64) -> Progress {
    Progress {
        chain,
        height: block.height,
        block_hash: block.hash,
        time,
        safe_height: block.height,
        final_height: block.height,
        head_time: head_time.max(time),
    }
}

/// The time of the chain's head, from the height that a quorum has reached: operators tell heights only, so it is reckoned
/// at the pace of what was delivered since watching began, `began` and `newest` being heights and times. No chain of this
/// family that is watched makes more than a block a second on average; where it does, it looks nearer than it is.
pub(crate) fn head_time(began: (u64, u64), newest: (u64, u64), reached: u64) -> u64 {
    let (blocks, secs) = (newest.0.saturating_sub(began.0), newest.1.saturating_sub(began.1));
    let ahead = reached.saturating_sub(newest.0);
    let measured = ahead.saturating_mul(secs).checked_div(blocks);
    newest.1.saturating_add(measured.unwrap_or(ahead))
}

/// Where to go on after the newest block. Nothing is ever undone.
pub(crate) fn cursor(chain: ChainId, recent: &VecDeque<BlockRef>) -> Cursor {
    let recent = recent.iter().rev().take(limits::RECENT_BLOCKS).copied().collect();
    Cursor { chain, recent, undoable: Vec::new() }
}

/// The blocks that a cursor names, oldest first.
///
/// # Errors
/// `Permanent` when the cursor is empty, not contiguous, or of another chain: a cursor that cannot be trusted must not
/// decide what is skipped.
pub(crate) fn window(chain: ChainId, cursor: &Cursor) -> Result<VecDeque<BlockRef>, AdapterError> {
    let broken =
        |what: String| AdapterError::new(chain, None, Class::Permanent, format!("the cursor {what}"));
    if cursor.chain != chain {
        return Err(broken(format!("is of chain {}", cursor.chain)));
    }
    let mut out: VecDeque<BlockRef> = VecDeque::new();
    for block in &cursor.recent {
        if let Some(newer) = out.front()
            && block.height.checked_add(1) != Some(newer.height)
        {
            return Err(broken(format!("has a gap at height {}", block.height)));
        }
        out.push_front(*block);
    }
    if out.is_empty() { Err(broken("names no block".to_owned())) } else { Ok(out) }
}

/// A fault as an observation. It stands at the delivered tip: that is when it was known.
pub(crate) fn fault(chain: ChainId, tip: BlockRef, time: u64, fault: EndpointFault) -> Observation {
    let position = Position { tx_index: 0, log_index: 0, ..behind(tip) };
    let raw = digest("portcullis.cosmos.fault.v1", &fault);
    Observation::new(chain, position, time, Status::Included, raw, Event::Fault(fault))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_head_is_as_far_ahead_as_the_chain_s_own_pace_says() {
        // A hundred blocks in ten minutes, a thousand more to come.
        assert_eq!(head_time((1, 5_000), (101, 5_600), 1_101), 11_600);
        assert_eq!(head_time((1, 5_000), (101, 5_600), 101), 5_600, "at the head");
        assert_eq!(
            head_time((1, 5_000), (101, 5_600), 90),
            5_600,
            "a quorum that fell back is no head before us"
        );
        assert_eq!(head_time((7, 5_000), (7, 5_000), 90_007), 95_000, "one block has no pace yet");
        assert_eq!(head_time((1, 5_000), (11, 5_000), 1_000), 5_000, "no time passed: it is not called old");
        assert_eq!(head_time((1, 0), (2, u64::MAX), u64::MAX), u64::MAX);
    }
}
