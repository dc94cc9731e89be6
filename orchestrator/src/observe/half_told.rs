//! Blocks of which an earlier process has put events on record and no cursor: it ended in the middle of a batch.
//!
//! Whether such a block is on the chain shows when the adapter has come to its height again. If it is, all of it is told
//! again, and nothing has happened; if it is not, what is on record of it is taken back, before the chain counts as
//! delivered so far. This holds for every family: also where blocks are final, a record that was cut off is one.

use std::collections::BTreeMap;

use portcullis_adapter::Batch;
use portcullis_verifier::{B256, Observation, Status};

/// What is on record of a chain's blocks behind where its cursor stands.
#[derive(Debug, Default)]
pub struct HalfTold {
    /// Events in chain order, by height and hash of their block.
    blocks: BTreeMap<(u64, B256), Vec<Observation>>,
}

impl HalfTold {
    /// Adds events that are on record and not taken back.
    pub fn add(&mut self, events: impl Iterator<Item = Observation>) {
        for event in events {
            let position = event.position();
            self.blocks.entry((position.height, position.block_hash)).or_default().push(event);
        }
    }

    /// Whether nothing is left to be found out.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    /// Takes in the next batch of the chain, and puts before its observations what it shows not to be on the chain,
    /// newest first; how many.
    pub fn complete(&mut self, batch: &mut Batch) -> usize {
        for told in batch.observations.iter().filter(|told| told.status() != Status::Pending) {
            let position = told.position();
            self.blocks.remove(&(position.height, position.block_hash));
        }
        let named = batch.cursor.iter().flat_map(|cursor| &cursor.recent);
        for block in named {
            self.blocks.remove(&(block.height, block.hash));
        }
        let Some(progress) = batch.progress else { return 0 };
        let beyond = self.blocks.split_off(&(progress.height.saturating_add(1), B256::ZERO));
        let gone = std::mem::replace(&mut self.blocks, beyond);
        let events = gone.into_values().rev().flat_map(|events| events.into_iter().rev());
        let mut observations: Vec<Observation> =
            events.map(|event| event.with_status(Status::Retracted)).collect();
        let count = observations.len();
        observations.append(&mut batch.observations);
        batch.observations = observations;
        count
    }
}

#[cfg(test)]
#[path = "half_told_tests.rs"]
mod tests;
