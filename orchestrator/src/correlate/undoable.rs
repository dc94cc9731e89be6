//! What the newest blocks of each chain held, found again in the log when a group starts.
//!
//! A reorganisation while nobody watched has to be undone, so an adapter is given back the events of the blocks that
//! its cursor names. They stand in the log, where they were consumed. While the log is replayed only their places are
//! kept: who stands by for another process would else hold the newest blocks of busy chains for days.

use std::collections::{BTreeMap, BTreeSet};

use portcullis_adapter::Cursor;
use portcullis_core::Body;
use portcullis_core::log::decode_input;
use portcullis_verifier::{B256, BlockRef, ChainId, Event, Observation, Status};

use super::rebuild::RebuildError;
use crate::budget;
use crate::store::{LogName, LogRecord, Store, StoreError};

/// First and last record that may hold events of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Span {
    first: u64,
    last: u64,
}

/// Where a log holds the events of the newest blocks.
#[derive(Debug, Default)]
pub struct Undoable {
    chains: BTreeMap<ChainId, BTreeMap<(u64, B256), Span>>,
}

/// Events of blocks by their place in them.
type Held = BTreeMap<(ChainId, B256), BTreeMap<u32, Observation>>;

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
            }
            _ => {}
        }
    }

    fn observed(&mut self, seq: u64, seen: &Observation) {
        let position = seen.position();
        let blocks = self.chains.entry(seen.chain()).or_default();
        let block = (position.height, position.block_hash);
        if seen.status() == Status::Retracted {
            blocks.remove(&block);
        } else {
            blocks.entry(block).or_insert(Span { first: seq, last: seq }).last = seq;
        }
    }

    /// Gives cursors the events of their blocks, read from the log.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub async fn complete(
        &self,
        store: &Store,
        log: &LogName,
        cursors: &mut BTreeMap<ChainId, Cursor>,
    ) -> Result<(), RebuildError> {
        let mut wanted: Held = BTreeMap::new();
        let mut spans: BTreeSet<Span> = BTreeSet::new();
        for (chain, cursor) in cursors.iter() {
            for block in &cursor.recent {
                if let Some(span) = self.span(*chain, *block) {
                    wanted.insert((*chain, block.hash), BTreeMap::new());
                    spans.insert(span);
                }
            }
        }
        // In order, so that blocks that lie close to each other in the log share a page.
        let mut next = 0;
        for span in spans {
            next = span.first.max(next);
            while next <= span.last {
                let page = store.log_page(log, next).await.map_err(RebuildError::Store)?;
                let Some(last) = page.last().map(|record| record.seq) else { break };
                next = last.saturating_add(1);
                for record in &page {
                    collect(&mut wanted, record).map_err(RebuildError::Store)?;
                }
            }
        }
        for (chain, cursor) in cursors.iter_mut() {
            cursor.undoable.clear();
            for block in &cursor.recent {
                let events = wanted.remove(&(*chain, block.hash)).unwrap_or_default();
                if !events.is_empty() {
                    cursor.undoable.push((*block, events.into_values().collect()));
                }
            }
        }
        Ok(())
    }

    fn span(&self, chain: ChainId, block: BlockRef) -> Option<Span> {
        self.chains.get(&chain)?.get(&(block.height, block.hash)).copied()
    }
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
    let Some(events) = wanted.get_mut(&(seen.chain(), position.block_hash)) else { return Ok(()) };
    if seen.status() == Status::Retracted {
        events.remove(&position.log_index);
    } else {
        events.insert(position.log_index, seen);
    }
    Ok(())
}

#[cfg(test)]
#[path = "undoable_tests.rs"]
mod tests;
