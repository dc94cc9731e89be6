//! Building what is sent: observations, progress, and the cursor that commits with them. Pure.

use std::{collections::VecDeque, sync::Arc};

use alloy::rpc::types::Log;
use portcullis_adapter::Cursor;
use portcullis_verifier::{
    BlockRef, ChainId, EndpointFault, Event, Observation, Position, Status, codec::digest,
};

use super::tree::Delivered;
use crate::decode::{Decoder, IncompleteLog};

/// The observations of a block's logs, in order. `time` is the block's, seconds since 1970.
pub(crate) fn decode_block(
    decoder: &Decoder,
    logs: &[Log],
    time: u64,
) -> Result<Vec<Observation>, IncompleteLog> {
    logs.iter().filter_map(|log| decoder.observation(log, time).transpose()).collect()
}

/// What undoes delivered blocks; `retracted` is newest first, and so are its observations.
pub(super) fn undo(retracted: &[Delivered]) -> Vec<Observation> {
    retracted
        .iter()
        .flat_map(|delivered| delivered.events.iter().rev())
        .map(|event| event.with_status(Status::Retracted))
        .collect()
}

/// Where to go on after the window's newest block.
pub(super) fn cursor(chain: ChainId, window: &VecDeque<Delivered>, bound: usize) -> Cursor {
    let newest_first = || window.iter().rev().take(bound.saturating_add(1));
    let recent = newest_first().map(|delivered| delivered.block).collect();
    let undoable = newest_first()
        .filter(|delivered| !delivered.events.is_empty())
        .map(|delivered| (delivered.block, Arc::clone(&delivered.events)))
        .collect();
    Cursor { chain, recent, undoable }
}

/// A fault as an observation. It stands at the delivered tip: that is when it was known.
pub(super) fn fault(chain: ChainId, tip: BlockRef, time: u64, fault: EndpointFault) -> Observation {
    let position = Position {
        height: tip.height,
        tx_index: 0,
        log_index: 0,
        block_hash: tip.hash,
        tx_hash: portcullis_verifier::B256::ZERO,
    };
    let raw = digest("portcullis.evm.fault.v1", &fault);
    Observation::new(chain, position, time, Status::Included, raw, Event::Fault(fault))
}
