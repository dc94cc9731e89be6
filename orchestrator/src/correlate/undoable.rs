//! What the newest blocks of each chain held, found again in the log when a group starts.
//!
//! A reorganisation while nobody watched has to be undone, so an adapter is given back the events of the blocks that
//! its cursor names. They stand in the log, where they were consumed. While the log is replayed only their places are
//! kept: who stands by for another process would else hold the newest blocks of busy chains for days.
//!
//! A large batch, or one with a decision in the middle, commits in parts, and its cursor with the last of them. A process
//! that ends in between leaves a block of which the log holds events and no cursor says anything, or one that a cursor
//! still names and the log has begun to take back. A start goes back to below such a block: it is told again if it is
//! on the chain, and what was told of it is taken back if it is not ([`HalfTold`]).

use std::collections::{BTreeMap, BTreeSet};

use borsh::{BorshDeserialize, BorshSerialize};
use portcullis_adapter::Cursor;
use portcullis_core::Body;
use portcullis_core::log::decode_input;
use portcullis_verifier::{B256, BlockRef, ChainId, Event, EventId, Observation, Status};

use super::rebuild::RebuildError;
use crate::budget;
use crate::observe::half_told::HalfTold;
use crate::store::{LogName, LogRecord, Store, StoreError};

/// First and last record that may hold events of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize)]
struct Span {
    first: u64,
    last: u64,
}

/// Where the log tells of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
struct Place {
    span: Span,
    /// True when the log has begun to take it back, and perhaps not ended.
    taken_back: bool,
}

/// Where a log holds the events of the newest blocks.
#[derive(Debug, Default, BorshSerialize, BorshDeserialize)]
pub struct Undoable {
    chains: BTreeMap<ChainId, BTreeMap<(u64, B256), Place>>,
}

/// From where a chain is watched at a start.
#[derive(Debug, Default)]
pub struct Start {
    /// After the last block that was told whole; none to begin where the configuration says.
    pub cursor: Option<Cursor>,
    /// What was told of blocks behind it.
    pub half_told: HalfTold,
}

/// Events of blocks by their place in them.
type Held = BTreeMap<(ChainId, u64, B256), BTreeMap<(u32, EventId), Observation>>;

impl Undoable {
    /// Takes in an input of the log, with its sequence number.
    pub fn consumed(&mut self, seq: u64, body: &Body) {
        match body {
            Body::Observed(seen) if is_of_its_block(seen) => self.observed(seq, seen),
            Body::Progress(progress) => {
                let oldest = progress.height.saturating_sub(budget::UNDOABLE_BLOCKS);
                let Some(blocks) = self.chains.get_mut(&progress.chain) else { return };
                while blocks.first_key_value().is_some_and(|((height, _), _)| *height < oldest) {
                    blocks.pop_first();
                }
                // What comes with the end of a batch is whole. A block above it may be one of another batch.
                blocks.retain(|(height, _), place| !place.taken_back || *height > progress.height);
            }
            _ => {}
        }
    }

    fn observed(&mut self, seq: u64, seen: &Observation) {
        let position = seen.position();
        let blocks = self.chains.entry(seen.chain()).or_default();
        let taken_back = seen.status() == Status::Retracted;
        let place = Place { span: Span { first: seq, last: seq }, taken_back };
        let place = blocks.entry((position.height, position.block_hash)).or_insert(place);
        place.span.last = seq;
        place.taken_back = taken_back;
    }

    /// From where each chain is watched, given where its cursor was left; what has to be undone is read from the log.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub async fn starts(
        &self,
        store: &Store,
        log: &LogName,
        cursors: BTreeMap<ChainId, Cursor>,
    ) -> Result<BTreeMap<ChainId, Start>, RebuildError> {
        let mut starts: BTreeMap<ChainId, Start> = BTreeMap::new();
        for (chain, mut cursor) in cursors {
            self.cut(&mut cursor);
            starts.insert(chain, Start { cursor: Some(cursor), half_told: HalfTold::default() });
        }
        let mut wanted: Held = BTreeMap::new();
        let mut spans: BTreeSet<Span> = BTreeSet::new();
        for (chain, blocks) in &self.chains {
            let cursor = starts.get(chain).and_then(|start| start.cursor.as_ref());
            for ((height, hash), place) in blocks {
                if is_named(cursor, *height, *hash) || is_beyond(cursor, *height) {
                    wanted.insert((*chain, *height, *hash), BTreeMap::new());
                    spans.insert(place.span);
                }
            }
        }
        read(store, log, spans, &mut wanted).await?;
        for ((chain, height, hash), events) in wanted {
            if events.is_empty() {
                continue;
            }
            let start = starts.entry(chain).or_default();
            match start.cursor.as_mut().filter(|cursor| is_named(Some(cursor), height, hash)) {
                Some(cursor) => {
                    cursor.undoable.push((BlockRef { height, hash }, events.into_values().collect()))
                }
                None => start.half_told.add(events.into_values()),
            }
        }
        for cursor in starts.values_mut().filter_map(|start| start.cursor.as_mut()) {
            cursor.undoable.reverse();
        }
        Ok(starts)
    }

    /// Goes back to below the oldest block that the log has begun to take back: were it on the chain again, nobody
    /// would tell of it. One block stays in any case.
    fn cut(&self, cursor: &mut Cursor) {
        cursor.undoable.clear();
        let Some(blocks) = self.chains.get(&cursor.chain) else { return };
        let taken_back =
            |block: &BlockRef| blocks.get(&(block.height, block.hash)).is_some_and(|place| place.taken_back);
        let whole = cursor.recent.iter().rposition(taken_back).map_or(0, |oldest| oldest.saturating_add(1));
        let whole = whole.min(cursor.recent.len().saturating_sub(1));
        cursor.recent.drain(..whole);
    }
}

/// Whether a cursor names a block.
fn is_named(cursor: Option<&Cursor>, height: u64, hash: B256) -> bool {
    cursor.is_some_and(|cursor| cursor.recent.contains(&BlockRef { height, hash }))
}

/// Whether a block that a cursor does not name is not one of those that lie below all that it names.
fn is_beyond(cursor: Option<&Cursor>, height: u64) -> bool {
    let oldest = cursor.and_then(|cursor| cursor.recent.last());
    oldest.is_none_or(|oldest| height > oldest.height)
}

/// Reads the events of the wanted blocks: in order, so that blocks that lie close to each other in the log share a page.
async fn read(
    store: &Store,
    log: &LogName,
    spans: BTreeSet<Span>,
    wanted: &mut Held,
) -> Result<(), RebuildError> {
    let mut next = 0;
    for span in spans {
        next = span.first.max(next);
        while next <= span.last {
            let page = store.log_page(log, next).await.map_err(RebuildError::Store)?;
            let Some(last) = page.last().map(|record| record.seq) else { break };
            next = last.saturating_add(1);
            for record in &page {
                collect(wanted, record).map_err(RebuildError::Store)?;
            }
        }
    }
    Ok(())
}

/// Whether a block holds it: what only waits is in none, and trouble of endpoints is told at a block and is nothing of it.
fn is_of_its_block(seen: &Observation) -> bool {
    seen.status() != Status::Pending && !matches!(seen.event(), Event::Fault(_))
}

/// Takes an event of a wanted block from a record. One that was told twice, before and after a crash, is one event.
fn collect(wanted: &mut Held, record: &LogRecord) -> Result<(), StoreError> {
    let unreadable = |error: portcullis_core::log::DecodeError| StoreError::Unreadable {
        what: "an input of the log",
        detail: error.to_string(),
    };
    let (_engine, input) = decode_input(&record.encoded).map_err(unreadable)?;
    let Body::Observed(seen) = input.body else { return Ok(()) };
    let position = *seen.position();
    if !is_of_its_block(&seen) {
        return Ok(());
    }
    let block = (seen.chain(), position.height, position.block_hash);
    let Some(events) = wanted.get_mut(&block) else { return Ok(()) };
    // Several events may stand behind everything else in a block, and so at one place.
    let place = (position.log_index, seen.id());
    if seen.status() == Status::Retracted {
        events.remove(&place);
    } else {
        events.insert(place, seen);
    }
    Ok(())
}

#[cfg(test)]
#[path = "undoable_tests.rs"]
mod tests;
