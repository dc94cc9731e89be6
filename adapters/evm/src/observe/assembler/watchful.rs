//! What is noticed by the clock: stalls, lag, dissent that lasts, a quorum that is gone.

use std::time::{Duration, Instant};

use portcullis_verifier::FaultKind;

use super::Assembler;
use crate::{limits, observe::health::Trouble};

impl Assembler {
    /// Looks at every clock once.
    pub(super) fn look_around(&mut self) {
        let now = Instant::now();
        let patience = Duration::from_millis(limits::FETCH_RETRY_MS);
        self.fetching.retain(|_, since| now.saturating_duration_since(*since) < patience);
        for operator in 0..self.network.operators.len() {
            self.look_at(operator, now);
        }
        self.nudge(now);
        self.ask_the_quiet(now);
        self.probe_logs();
        self.look_at_quorum();
        self.look_at_chain(now);
    }

    fn look_at(&mut self, operator: usize, now: Instant) {
        let Some(head) = self.tree.head_of(operator) else { return };
        let tip = self.tree.tip();
        if head.block.height.saturating_add(self.compiled.config.lag_blocks) < tip.height {
            let what = format!("its head is {}, the quorum's {}", head.block.height, tip.height);
            self.raise(operator, Trouble::Lagging, &what);
        } else {
            self.lower(operator, Trouble::Lagging);
        }
        if self.ranging.is_some() {
            return;
        }
        let depth = self.tree.contradicts(operator);
        let off = depth > 0 || self.tree.hangs(operator);
        let Some(since) = self.off_since.get_mut(operator) else { return };
        if !off {
            *since = None;
            self.lower(operator, Trouble::DissentHead);
            if let Some(name) = self.name(operator) {
                // The proving lane sees a fork at the tip too, and asks nobody when it is over.
                self.network.faults.over(name, FaultKind::DissentHead);
            }
            return;
        }
        let lasted = now.saturating_duration_since(*since.get_or_insert(now));
        if depth >= limits::DISSENT_DEPTH_BLOCKS || lasted >= Duration::from_millis(limits::DISSENT_GRACE_MS)
        {
            let what = format!(
                "its head {} {} is not on the quorum's chain, whose head is {} {}",
                head.block.height, head.block.hash, tip.height, tip.hash
            );
            self.raise(operator, Trouble::DissentHead, &what);
        }
    }

    /// Asks operators for their heads that fall behind without a word: a socket that is half open looks like a quiet chain
    /// until its bound, and while too many are, nothing can be delivered. Who does not answer at all is left to its watcher.
    fn nudge(&mut self, now: Instant) {
        let patience = Duration::from_millis(limits::NUDGE_AFTER_MS);
        let height = |at: usize| self.tree.head_of(at).map(|head| head.block.height);
        let heights: Vec<Option<u64>> = (0..self.network.operators.len()).map(height).collect();
        let newest = heights.iter().flatten().max().copied().unwrap_or(0);
        for (operator, height) in heights.into_iter().enumerate() {
            let behind = height.is_some_and(|height| height < newest);
            let Some(since) = self.behind_since.get_mut(operator).filter(|_| behind) else { continue };
            let waits_since = *since.get_or_insert(now);
            if now.saturating_duration_since(waits_since) >= patience {
                *since = Some(now);
                self.ask_head(operator);
            }
        }
    }

    /// Asks operators for their heads that are quieter than the chain goes: were all their sockets half open at once, nobody
    /// would be behind anybody.
    fn ask_the_quiet(&mut self, now: Instant) {
        for operator in 0..self.network.operators.len() {
            // Who tells nothing at all is left to its watcher, who connects anew.
            if self.tree.head_of(operator).is_some() && self.pace.asks(operator, now) {
                self.ask_head(operator);
            }
        }
    }

    /// Measures the pace of the chain by what was delivered.
    pub(super) fn keep_pace(&mut self) {
        if self.ranging.is_some() {
            self.pace.interrupted();
        } else {
            self.pace.delivered(self.tree.tip().height, Instant::now());
        }
    }

    /// Fewer operators than must agree tell anything: nothing can be delivered, and that is an alarm.
    fn look_at_quorum(&mut self) {
        let all = 0..self.network.operators.len();
        let telling = all.filter(|at| self.tree.head_of(*at).is_some()).count();
        let silent = self.network.operators.len().saturating_sub(telling);
        if telling < self.network.quorum && self.begun() {
            let what =
                format!("{silent} operator(s) do not tell; {telling} do, {} must agree", self.network.quorum);
            self.health.raise(None, Trouble::Dark, &what);
        } else {
            self.health.lower(None, Trouble::Dark);
        }
    }

    /// Operators get a moment to speak after the start.
    fn begun(&self) -> bool {
        self.started.elapsed() > Duration::from_millis(self.compiled.config.silence_ms)
            || (0..self.network.operators.len()).any(|at| self.health.has(self.name(at), Trouble::Dark))
    }

    fn look_at_chain(&mut self, now: Instant) {
        let stalled = now.saturating_duration_since(self.moved);
        let anybody = (0..self.network.operators.len()).any(|at| self.tree.head_of(at).is_some());
        if anybody && stalled >= Duration::from_millis(self.compiled.config.stall_ms) {
            let what = format!("no operator has brought a new block for {} ms", stalled.as_millis());
            self.health.raise(None, Trouble::Stalled, &what);
        }
        let ahead = self.tree.quorum_height().is_some_and(|height| height > self.tree.tip().height);
        if !ahead || self.ranging.is_some() {
            self.torn_since = None;
            return;
        }
        let torn = now.saturating_duration_since(*self.torn_since.get_or_insert(now));
        if torn >= Duration::from_millis(limits::DISSENT_GRACE_MS) {
            let tip = self.tree.tip().height;
            let what = format!("a quorum is ahead of block {tip} but does not agree on what follows it");
            self.health.raise(None, Trouble::DissentHead, &what);
        }
    }
}
