//! Taking what operators say: slots, blocks, and why there are none.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use portcullis_adapter::{Batch, Class};
use portcullis_rpc::faults::kind_of;
use portcullis_verifier::{FaultKind, solana::Regime};

use super::{
    Report,
    assembler::Assembler,
    chain::{Ask, Compared},
    fetch::{Fetched, Missing},
    health::{Trouble, Unproven},
    preview::Preview,
};
use crate::{error::chain_of, limits, transport::Told};

impl Assembler {
    /// Takes one report.
    pub(super) fn take(&mut self, report: Report) {
        match report {
            Report::Head { operator, slot, root, at } => {
                if let Some(standing) = self.standings.get_mut(operator) {
                    let before = standing.head.map_or(0, |(slot, _)| slot);
                    standing.head = Some((slot.max(before), at));
                    if slot > before {
                        // What is going to be pushed is not asked for at once.
                        let silence = Duration::from_millis(self.compiled.config.silence_ms);
                        let pushes = |last: Instant| at.saturating_duration_since(last) < silence;
                        let coming = standing.pushed.is_some_and(pushes);
                        standing.quiet_until = coming.then(|| later(at, limits::PUSHED_GRACE_MS));
                    }
                }
                self.settled.report(operator, root);
                self.lower(operator, &[Trouble::Dark, Trouble::GarbageHead]);
                self.measure(at);
            }
            Report::Processed { operator, slot } => self.processed(operator, slot),
            Report::Root { operator, root } => self.settled.report(operator, root),
            Report::Blocks { operator, ask, answer } => {
                if let Some(standing) = self.standings.get_mut(operator) {
                    standing.asked = false;
                }
                match answer {
                    Ok(fetched) => self.fetched(operator, ask, fetched),
                    Err(missing) => self.missing(operator, missing),
                }
            }
            Report::Pushed { operator, told, at } => self.pushed(operator, told, at),
            Report::Preview(preview) => self.take_preview(&preview),
            Report::Trouble { operator, kind, what } => {
                let trouble = match kind {
                    FaultKind::Garbage => Trouble::GarbageHead,
                    _ => Trouble::Dark,
                };
                self.raise(operator, trouble, &what);
            }
            Report::Regime(regime) => {
                let what = "PC-0953: validators agree by certificates that this version does not verify; stake is no longer \
                            counted, what operators report still is";
                let stopped = regime != Regime::Tower;
                self.tell_unproven(Unproven::Regime, stopped.then_some(what));
            }
        }
    }

    /// A slot that was worked through. Servers drop pushes in silence: what is missing is counted, and asked for anyway.
    fn processed(&mut self, operator: usize, slot: u64) {
        let Some(standing) = self.standings.get_mut(operator) else { return };
        let missed = slot.saturating_sub(standing.processed.saturating_add(1));
        if standing.processed > 0 && missed > 0 {
            metrics::counter!("portcullis_slots_passed_over_total", "chain" => self.network.chain.as_str().to_owned())
                .increment(missed);
        }
        standing.processed = slot.max(standing.processed);
    }

    /// The greatest slot that the quorum has reached. SECURITY: one operator's word for a slot far ahead is not the chain's.
    fn measure(&mut self, at: Instant) {
        let mut slots: Vec<u64> =
            self.standings.iter().filter_map(|one| one.head.map(|(slot, _)| slot)).collect();
        slots.sort_unstable_by(|a, b| b.cmp(a));
        let reached = slots.get(self.network.quorum.saturating_sub(1)).copied().unwrap_or(0);
        if reached > self.reached.0 {
            self.reached = (reached, at);
        }
    }

    fn fetched(&mut self, operator: usize, ask: Ask, fetched: Fetched) {
        let Fetched { blocks, covered } = fetched;
        let new = blocks.iter().any(|told| !self.chain.has(operator, told.block.height));
        if let Some(standing) = self.standings.get_mut(operator) {
            standing.failures = 0;
            if new {
                standing.not_yet = 0;
            }
            // Nothing new yet, or a parent that leads nowhere: a moment later there may be more.
            let pause = !new || matches!(ask, Ask::One(_));
            standing.quiet_until = pause.then(|| later(Instant::now(), limits::RETRY_MIN_MS));
        }
        self.lower(operator, &[Trouble::GarbageBlock, Trouble::NoBlock, Trouble::Pruned]);
        for told in blocks {
            self.told(operator, told);
        }
        if let Some(covered) = covered {
            self.chain.covered(operator, covered);
        }
    }

    /// A block that nobody asked for. What lies between it and what is known was not pushed, and is asked for.
    fn pushed(&mut self, operator: usize, told: Told, at: Instant) {
        let (slot, parent) = (told.block.height, told.parent.height);
        // SECURITY: who pushes blocks decides how many come; only as many are kept as would have been asked for.
        if !self.chain.takes(operator, slot) {
            return;
        }
        if let Some(standing) = self.standings.get_mut(operator) {
            standing.pushed = Some(at);
            standing.quiet_until = None;
            let before = standing.head.map_or(0, |(slot, _)| slot);
            standing.head = Some((slot.max(before), at));
        }
        self.measure(at);
        self.told(operator, told);
        self.chain.passed_over(operator, parent, slot);
    }

    fn told(&mut self, operator: usize, told: Told) {
        let slot = told.block.height;
        match self.chain.compare(&told) {
            None => {}
            Some(Compared::Same) => self.lower(operator, &[Trouble::DissentHead, Trouble::DissentEvents]),
            Some(Compared::OtherRecords) => {
                let what = format!("slot {slot}: it tells other records than enough others");
                self.raise(operator, Trouble::DissentEvents, &what);
            }
            Some(Compared::OtherBlock(ours)) => {
                let what = format!(
                    "slot {slot}: it tells block {}, enough others {} of slot {}",
                    told.block.hash, ours.hash, ours.height
                );
                self.raise(operator, Trouble::DissentHead, &what);
            }
        }
        self.chain.told(operator, Arc::new(told));
    }

    fn missing(&mut self, operator: usize, missing: Missing) {
        let at = Instant::now();
        let Some(standing) = self.standings.get_mut(operator) else { return };
        let pause_ms = match &missing {
            // It calls a block confirmed a moment before it has stored it.
            Missing::NotYet => {
                let doubled = limits::NOT_YET_MS.checked_shl(standing.not_yet.min(16)).unwrap_or(u64::MAX);
                standing.not_yet = standing.not_yet.saturating_add(1);
                doubled.min(limits::NOT_YET_MAX_MS)
            }
            Missing::Pruned(_) => limits::RETRY_MAX_MS,
            // Each wrong answer may have cost as much as the largest right one.
            Missing::Rpc(error) if kind_of(error) == FaultKind::Garbage => {
                standing.failures = standing.failures.saturating_add(1);
                limits::RETRY_MAX_MS
            }
            Missing::Rpc(_) => {
                standing.failures = standing.failures.saturating_add(1);
                let doubled = limits::RETRY_MIN_MS.checked_shl(standing.failures.min(16)).unwrap_or(u64::MAX);
                doubled.min(limits::RETRY_MAX_MS)
            }
        };
        let failures = standing.failures;
        standing.quiet_until = Some(later(at, pause_ms));
        match missing {
            Missing::NotYet => {}
            Missing::Pruned(slot) => {
                let what = format!(
                    "PC-0952: slot {slot} is needed, and its node no longer has it; add an endpoint that keeps old blocks, \
                     or start above"
                );
                self.raise(operator, Trouble::Pruned, &what);
            }
            Missing::Rpc(error) => {
                let what = format!("blocks: {}", chain_of(&error));
                if error.class() == Class::Untrusted || kind_of(&error) == FaultKind::Garbage {
                    self.raise(operator, Trouble::GarbageBlock, &what);
                } else if failures >= limits::BLOCK_FAILURES {
                    self.raise(operator, Trouble::NoBlock, &what);
                }
            }
        }
    }

    /// Sends what a processed transaction logged, once.
    fn take_preview(&mut self, preview: &Preview) {
        // A block may have come faster by another way.
        let known = preview.slot <= self.chain.tip().height || self.previewed.contains(&preview.transaction);
        if known {
            return;
        }
        if self.previewed.len() >= limits::PREVIEWED_MAX {
            self.previewed.pop_front();
        }
        self.previewed.push_back(preview.transaction);
        let observations = preview.observations(&self.compiled.decoder, self.chain.tip_time());
        let (chain, seen_at) = (self.network.chain, preview.at);
        self.outbox.push_back(Batch { chain, seen_at, observations, progress: None, cursor: None });
    }
}

/// A moment later.
pub(super) fn later(at: Instant, by_ms: u64) -> Instant {
    at.checked_add(Duration::from_millis(by_ms)).unwrap_or(at)
}
