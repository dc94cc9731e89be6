//! What only time shows: an operator that falls behind or says nothing, a quorum that is lost, a chain that stands.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{Report, assembler::Assembler, health::Trouble, push::poll};
use crate::limits;

impl Assembler {
    /// Looks at the clocks.
    pub(super) fn tick(&mut self) {
        let at = Instant::now();
        let delivered = self.recent.back().map_or(0, |block| block.height);
        for operator in 0..self.standings.len() {
            self.nudge(operator, at);
            self.compare(operator, delivered);
        }
        let quorum = self.network.quorum;
        let usable = self
            .network
            .operators
            .iter()
            .filter(|one| self.health.only(one.name, |one| one == Trouble::Lagging))
            .count();
        if usable < quorum {
            let what = format!("{usable} operators are usable, {quorum} must agree: nothing is delivered");
            return self.health.raise(None, Trouble::Dark, &what);
        }
        self.health.lower(None, Trouble::Dark);
        let stall_ms = self.compiled.config.stall_ms;
        if at.saturating_duration_since(self.reached.1) > Duration::from_millis(stall_ms) {
            let what = format!("no block above {} for {stall_ms} ms", self.reached.0);
            self.health.raise(None, Trouble::Stalled, &what);
        } else {
            self.health.lower(None, Trouble::Stalled);
        }
    }

    /// Asks an operator for its head that has said nothing for long: its socket may be half open.
    fn nudge(&mut self, operator: usize, at: Instant) {
        let quiet = Duration::from_millis(self.compiled.config.poll_ms.max(limits::NUDGE_AFTER_MS));
        let Some(standing) = self.standings.get_mut(operator) else { return };
        let long_ago =
            |when: Option<Instant>| when.is_none_or(|when| at.saturating_duration_since(when) > quiet);
        if !long_ago(standing.head.map(|(_, when)| when)) || !long_ago(standing.nudged) {
            return;
        }
        standing.nudged = Some(at);
        let (network, reports) = (Arc::clone(&self.network), self.reports.clone());
        tokio::spawn(async move {
            // Who does not answer is found out by its watcher; a good answer is what matters here.
            let report = poll(&network, operator).await;
            if matches!(report, Report::Head { .. }) {
                let _observer_gone = reports.send(report).await;
            }
        });
    }

    fn compare(&mut self, operator: usize, delivered: u64) {
        let Some(standing) = self.standings.get(operator) else { return };
        match standing.head {
            Some((height, _)) if height.saturating_add(self.compiled.config.lag_blocks) < delivered => {
                let what = format!("it is at height {height}, block {delivered} is delivered");
                self.raise(operator, Trouble::Lagging, &what);
            }
            Some(_) => self.lower(operator, &[Trouble::Lagging]),
            None => {}
        }
    }
}
