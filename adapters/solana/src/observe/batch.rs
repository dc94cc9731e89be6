//! Building what is sent: observations, progress, and the cursor that commits with them. Pure.

use std::{collections::VecDeque, sync::Arc};

use portcullis_adapter::{AdapterError, Class, Cursor};
use portcullis_verifier::{
    B256, BlockRef, ChainId, EndpointFault, Event, Observation, Position, Status, codec::digest,
};

use super::chain::Delivered;
use crate::{decode::Decoder, transport::Told};

/// Milliseconds of a slot.
const SLOT_MS: u64 = 400;

/// The observations of a block, in order.
pub(crate) fn decode_block(decoder: &Decoder, told: &Told) -> Vec<Observation> {
    told.records.iter().flat_map(|record| decoder.observations(record, told.block, told.time)).collect()
}

/// What undoes delivered blocks; `retracted` is newest first, and so are its observations.
pub(crate) fn undo(retracted: &[Delivered]) -> Vec<Observation> {
    retracted
        .iter()
        .flat_map(|delivered| delivered.events.iter().rev())
        .map(|event| event.with_status(Status::Retracted))
        .collect()
}

/// The time of the chain's head, from the slot that a quorum has reached: operators tell slots only, so it is reckoned at the
/// pace of what was delivered since watching began, `began` and `newest` being slots and times.
pub(crate) fn head_time(began: (u64, u64), newest: (u64, u64), reached: u64) -> u64 {
    let (slots, secs) = (newest.0.saturating_sub(began.0), newest.1.saturating_sub(began.1));
    let ahead = reached.saturating_sub(newest.0);
    let measured = ahead.saturating_mul(secs).checked_div(slots);
    let usual = || ahead.saturating_mul(SLOT_MS).checked_div(1_000).unwrap_or(0);
    newest.1.saturating_add(measured.unwrap_or_else(usual))
}

/// Where to go on after the window's newest block.
pub(crate) fn cursor(chain: ChainId, window: &VecDeque<Delivered>) -> Cursor {
    let newest_first = || window.iter().rev();
    let undoable = newest_first()
        .filter(|delivered| !delivered.events.is_empty())
        .map(|delivered| (delivered.block, Arc::clone(&delivered.events)))
        .collect();
    Cursor { chain, recent: newest_first().map(|delivered| delivered.block).collect(), undoable }
}

/// The window that a cursor describes, oldest first.
///
/// # Errors
/// `Permanent` when the cursor is empty, not in order, or of another chain: a cursor that cannot be trusted must not
/// decide what is skipped.
pub(crate) fn window(chain: ChainId, cursor: &Cursor) -> Result<VecDeque<Delivered>, AdapterError> {
    let broken =
        |what: String| AdapterError::new(chain, None, Class::Permanent, format!("the cursor {what}"));
    if cursor.chain != chain {
        return Err(broken(format!("is of chain {}", cursor.chain)));
    }
    let mut out: VecDeque<Delivered> = VecDeque::new();
    for block in &cursor.recent {
        // Slots without a block lie between, so that only the order can be checked.
        if out.front().is_some_and(|newer| newer.block.height <= block.height) {
            return Err(broken(format!("is out of order at slot {}", block.height)));
        }
        let held = cursor.undoable.iter().find(|(at, _)| at == block);
        let events = held.map_or_else(nothing, |(_, events)| Arc::clone(events));
        let time = events.first().map_or(0, Observation::time);
        out.push_front(Delivered { block: *block, time, events });
    }
    if out.is_empty() { Err(broken("names no block".to_owned())) } else { Ok(out) }
}

/// The events of a block that has none.
pub(crate) fn nothing() -> Arc<[Observation]> {
    Arc::from([])
}

/// A fault as an observation. It stands at the delivered tip: that is when it was known.
pub(crate) fn fault(chain: ChainId, tip: BlockRef, time: u64, fault: EndpointFault) -> Observation {
    let position =
        Position { height: tip.height, tx_index: 0, log_index: 0, block_hash: tip.hash, tx_hash: B256::ZERO };
    let raw = digest("portcullis.solana.fault.v1", &fault);
    Observation::new(chain, position, time, Status::Included, raw, Event::Fault(fault))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_head_is_as_far_ahead_as_the_chain_s_own_pace_says() {
        assert_eq!(head_time((1_000, 5_000), (2_000, 5_400), 3_500), 6_000);
        assert_eq!(head_time((1_000, 5_000), (2_000, 5_400), 2_000), 5_400, "at the head");
        assert_eq!(head_time((1_000, 5_000), (2_000, 5_400), 10), 5_400, "nobody's word takes us back");
        assert_eq!(head_time((7, 5_000), (7, 5_000), 1_007), 5_400, "one block has no pace yet");
        assert_eq!(head_time((1, 0), (2, u64::MAX), u64::MAX), u64::MAX);
    }
}
