//! Delivering blocks and ranges, retracting what they replace.

use std::{sync::Arc, time::Instant};

use portcullis_adapter::{Batch, Cursor};
use portcullis_verifier::{BlockRef, FaultKind, Observation, Progress, Status};

use super::Assembler;
use crate::{
    limits,
    observe::{
        backfill::{Decoded, Fork, Range},
        batch::{cursor, decode_block, fault, undo},
        health::Trouble,
        logs::Agreed,
        no_logs, nothing,
        pending::Preview,
        tree::Delivered,
    },
    transport::{Head, LogSet},
};

impl Assembler {
    /// Delivers as many of `blocks` (ascending, above position `fork`) as are ready; false when none is.
    pub(super) fn deliver(&mut self, fork: usize, blocks: &[portcullis_verifier::B256]) -> bool {
        let mut ready: Vec<(Head, Arc<LogSet>)> = Vec::new();
        let mut blocked = false;
        for hash in blocks.iter().take(limits::BLOCKS_PER_STEP) {
            let Some(head) = self.tree.known(hash).cloned() else { break };
            // Those behind a blocked one are still asked for, so that they are ready when it is.
            match self.logs_of(&head) {
                Some(logs) if !blocked => ready.push((head, logs)),
                Some(_) => {}
                None => blocked = true,
            }
        }
        let Some((newest, _)) = ready.last() else { return false };
        let newest = newest.clone();
        let mut decoded = Vec::with_capacity(ready.len());
        for (head, logs) in &ready {
            match decode_block(&self.compiled.decoder, &logs.logs, head.time) {
                Ok(events) => {
                    let events = events.into();
                    decoded.push(Delivered { block: head.block, time: head.time, events });
                }
                Err(error) => {
                    // Checked when the answer came; were it missed there, standing still beats skipping.
                    tracing::error!(chain = %self.network.chain, %error, "agreed logs do not decode");
                    return false;
                }
            }
        }
        let retracted = self.tree.retract(fork);
        if !retracted.is_empty() {
            metrics::counter!("portcullis_reorgs_total", "chain" => self.network.chain.as_str().to_owned())
                .increment(1);
        }
        let mut observations = undo(&retracted);
        for delivered in decoded {
            observations.extend(delivered.events.iter().cloned());
            self.tree.deliver(delivered);
        }
        for (head, logs) in &ready {
            self.compare(head.block, logs);
        }
        self.health.lower(None, Trouble::DissentLogs);
        self.health.lower(None, Trouble::DissentHead);
        self.torn_since = None;
        self.network.delivered(&newest);
        let seen_at = self.tree.seen(&newest.block.hash).unwrap_or_else(Instant::now);
        self.send_tip(seen_at, observations);
        let oldest = self.tree.window().front().map_or(0, |oldest| oldest.block.height);
        self.book.prune(oldest);
        self.hinted.retain(|_, height| *height >= oldest);
        true
    }

    /// Names who says otherwise about the logs of a delivered block, and clears who agrees.
    fn compare(&mut self, block: BlockRef, logs: &LogSet) {
        let (same, other) = self.book.settle(block.hash, logs.digest);
        for operator in same {
            self.lower(operator, Trouble::DissentLogs);
        }
        for operator in other {
            self.logs_differ(operator, block.height);
        }
    }

    /// The logs of a block, when they are known well enough; else asks for them.
    fn logs_of(&mut self, head: &Head) -> Option<Arc<LogSet>> {
        let nothing = || Arc::new(LogSet { digest: no_logs(), logs: Vec::new() });
        if self.addresses.is_empty() {
            return Some(nothing());
        }
        if self.bloom
            && !head.may_concern(&self.compiled.decoder)
            && !self.hinted.contains_key(&head.block.hash)
        {
            return Some(nothing());
        }
        self.book.reopen(head.block.hash);
        match self.book.agreed(head.block.hash, self.network.quorum) {
            Agreed::Yes(logs) => Some(logs),
            Agreed::NotYet => {
                self.ask_logs(head.block);
                None
            }
            Agreed::Split => {
                let waited = self.book.waiting_since(head.block.hash).map(|since| since.elapsed());
                if waited.is_some_and(|waited| waited.as_millis() >= u128::from(limits::SPLIT_RETRY_MS)) {
                    let what = format!("operators disagree on the logs of block {}", head.block.height);
                    self.health.raise(None, Trouble::DissentLogs, &what);
                    // A node that had not indexed the block yet may say otherwise now.
                    self.book.forget(head.block.hash);
                }
                // Who has reached the block meanwhile has not been asked.
                self.ask_logs(head.block);
                None
            }
        }
    }

    /// Retracts everything above position `keep`, and nothing else for now.
    pub(super) fn retract_only(&mut self, keep: usize) {
        let retracted = self.tree.retract(keep);
        if !retracted.is_empty() {
            self.send_tip(Instant::now(), undo(&retracted));
        }
    }

    /// Sends observations with the state after the newest delivered block.
    fn send_tip(&mut self, seen_at: Instant, observations: Vec<Observation>) {
        let bound = usize::try_from(self.compiled.config.reorg_bound_blocks).unwrap_or(usize::MAX);
        let cursor = cursor(self.network.chain, self.tree.window(), bound);
        let (tip, time) = (self.tree.tip(), self.tip_time());
        self.send(seen_at, observations, tip, time, cursor);
    }

    /// Tells where the chain's head is, without anything new.
    pub(super) fn tell_head(&mut self) {
        self.send_tip(Instant::now(), Vec::new());
    }

    fn send(
        &mut self,
        seen_at: Instant,
        observations: Vec<Observation>,
        tip: BlockRef,
        time: u64,
        cursor: Cursor,
    ) {
        let chain = self.network.chain;
        // While too few tell, the head is where it was last: what is delivered meanwhile is no nearer to it.
        self.head_time = self.tree.quorum_time().unwrap_or(self.head_time);
        let progress = self.settled.settle(Progress {
            chain,
            height: tip.height,
            block_hash: tip.hash,
            time,
            safe_height: 0,
            final_height: 0,
            head_time: self.head_time.max(time),
        });
        metrics::gauge!("portcullis_observed_height", "chain" => chain.as_str().to_owned())
            .set(u32::try_from(tip.height).unwrap_or(u32::MAX));
        let (progress, cursor) = (Some(progress), Some(cursor));
        self.outbox.push_back(Batch { chain, seen_at, observations, progress, cursor });
    }

    fn tip_time(&self) -> u64 {
        self.tree.window().back().map_or(0, |newest| newest.time)
    }

    /// Sends what is known of operators' trouble, those of the other lanes included.
    pub(super) fn tell_faults(&mut self) {
        let mut faults = self.health.drain();
        faults.extend(self.network.faults.drain());
        // An operator has recovered when both the feed and the other lanes have nothing against it: each of them knows
        // only its own, and the last one to be content tells.
        faults.retain(|told| match (told.kind, told.operator) {
            (FaultKind::Recovered, Some(name)) => {
                !self.health.troubled(name) && self.network.faults.is_good(name)
            }
            _ => true,
        });
        if faults.is_empty() {
            return;
        }
        let (chain, tip, time) = (self.network.chain, self.tree.tip(), self.tip_time());
        let observations = faults.into_iter().map(|told| fault(chain, tip, time, told)).collect();
        self.outbox.push_back(Batch {
            chain,
            seen_at: Instant::now(),
            observations,
            progress: None,
            cursor: None,
        });
    }

    /// Sends what a waiting transaction would emit, once.
    pub(in crate::observe) fn take_preview(&mut self, preview: &Preview) {
        // A simulation may take longer than the next block.
        let mut included = self.tree.window().iter().flat_map(|delivered| delivered.events.iter());
        let known = included.any(|event| event.position().tx_hash == preview.transaction);
        if known || self.previewed.contains(&preview.transaction) {
            return;
        }
        if self.previewed.len() >= limits::PREVIEWED_MAX {
            self.previewed.pop_front();
        }
        self.previewed.push_back(preview.transaction);
        let logs = preview.logs_after(self.tree.tip().height);
        let Ok(events) = decode_block(&self.compiled.decoder, &logs, self.tip_time()) else { return };
        let observations = events.iter().map(|event| event.with_status(Status::Pending)).collect();
        let (chain, seen_at) = (self.network.chain, preview.at);
        self.outbox.push_back(Batch { chain, seen_at, observations, progress: None, cursor: None });
    }

    /// The quorum's chain left ours below the window: everything that can be undone is, and watching goes on from
    /// there with an alarm.
    pub(super) fn abandon(&mut self, block: BlockRef) {
        let silent = self.tree.began_here();
        let time = self.tree.known(&block.hash).map_or(0, |head| head.time);
        let start = Delivered { block, time, events: nothing() };
        let old = self.tree.restart(start, silent);
        if !silent {
            let what = format!(
                "the chain was reorganised below height {}; what was delivered at or below it may be wrong",
                block.height.saturating_add(1)
            );
            self.health.tell(None, FaultKind::DeepReorg, &what);
        }
        self.send_tip(Instant::now(), undo(&old));
    }

    /// Where the window meets the chain again, before ranges are added.
    pub(super) fn take_fork(&mut self, fork: Fork) {
        match fork {
            Fork::At(head) => {
                let position = self.tree.window().iter().position(|delivered| delivered.block == head.block);
                if let Some(position) = position {
                    self.tree.date(position, head.time);
                    self.retract_only(position);
                }
            }
            Fork::Below(head) => {
                self.ranging = None;
                let block = head.block;
                self.tree.add(head, Instant::now(), 0);
                self.abandon(block);
            }
        }
    }

    /// A range is delivered in batches that end at block boundaries.
    pub(super) fn take_range(&mut self, range: Range) {
        if self.ranging.is_none() || range.from != self.tree.tip().height.saturating_add(1) {
            return;
        }
        let seen_at = Instant::now();
        let mut observations: Vec<Observation> = Vec::new();
        for Decoded { block, time, events } in range.blocks {
            observations.extend(events);
            if observations.len() >= limits::BATCH_MAX_OBSERVATIONS && block.height < range.to.block.height {
                let done = Cursor { chain: self.network.chain, recent: vec![block], undoable: Vec::new() };
                self.send(seen_at, core::mem::take(&mut observations), block, time, done);
            }
        }
        self.network.delivered(&range.to);
        let newest = Delivered { block: range.to.block, time: range.to.time, events: nothing() };
        // Ranges end below the reorg bound: nothing in them is meant to be undone.
        self.tree.restart(newest, false);
        self.send_tip(seen_at, observations);
        if self.ranging.is_some_and(|last| range.to.block.height >= last) {
            self.ranging = None;
        }
    }
}
