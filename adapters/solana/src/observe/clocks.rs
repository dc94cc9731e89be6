//! What only time shows: an operator that falls behind or says nothing, a quorum that is lost, a chain that stands, validators
//! that agree by other rules.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use portcullis_rpc::{Wait, quorum};
use portcullis_verifier::{FaultKind, solana::Regime};
use tokio::{
    sync::mpsc,
    time::{MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;

use super::{
    Report,
    assembler::Assembler,
    health::{Trouble, Unproven},
    push::poll,
};
use crate::{finality, limits, transport::Network};

/// Asks now and then by which rules validators agree.
pub(super) async fn watch_regime(
    network: Arc<Network>,
    reports: mpsc::Sender<Report>,
    stop: CancellationToken,
) {
    let mut ticks = interval(Duration::from_millis(limits::REGIME_POLL_MS));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        let asks = network.operators.iter().map(|one| (one.name, finality::regime(&one.lanes.prove)));
        let Ok(agreed) = quorum(asks, network.quorum, Wait::ForAll).await else { continue };
        let Some(regime) = agreed.value else { continue };
        // Before anybody is told: votes stop counting at once.
        if let Some(stakes) = &network.stakes {
            stakes.regime(regime != Regime::Tower);
        }
        if reports.send(Report::Regime(regime)).await.is_err() {
            return;
        }
    }
}

impl Assembler {
    /// Looks at the clocks.
    pub(super) fn tick(&mut self) {
        let at = Instant::now();
        self.look_at_stakes();
        for operator in 0..self.standings.len() {
            self.nudge(operator, at);
            self.compare_heads(operator);
        }
        let quorum = self.network.quorum;
        let usable = self
            .network
            .operators
            .iter()
            .filter(|one| self.health.only(one.name, |trouble| trouble == Trouble::Lagging))
            .count();
        if usable < quorum {
            let what = format!("{usable} operators are usable, {quorum} must agree: nothing is delivered");
            return self.health.raise(None, Trouble::Dark, &what);
        }
        self.health.lower(None, Trouble::Dark);
        let stall_ms = self.compiled.config.stall_ms;
        if at.saturating_duration_since(self.reached.1) > Duration::from_millis(stall_ms) {
            let what = format!("no slot above {} for {stall_ms} ms", self.reached.0);
            self.health.raise(None, Trouble::Stalled, &what);
        } else {
            self.health.lower(None, Trouble::Stalled);
        }
        self.look_at_agreement(at);
    }

    /// A table of stakes counts for one epoch.
    fn look_at_stakes(&mut self) {
        let Some(pinned) = self.network.stakes.clone() else { return };
        let slot = self.chain.tip().height;
        if slot == 0 {
            return;
        }
        let table = pinned.stakes().table();
        let what = || {
            format!(
                "PC-0981: the pinned table of stakes is of epoch {} (slots {} to {}), the chain is at slot {slot}; stake is not \
                 counted, what operators report still is",
                table.epoch, table.first_slot, table.last_slot
            )
        };
        let what = (!pinned.covers(slot)).then(what);
        self.tell_unproven(Unproven::Epoch, what.as_deref());
    }

    /// Says once that proofs have stopped, and why; none where there is no such reason (any more).
    pub(super) fn tell_unproven(&mut self, why: Unproven, what: Option<&str>) {
        let Some(what) = what else {
            self.unproven.remove(&why);
            return;
        };
        if self.unproven.insert(why) {
            tracing::error!(chain = %self.network.chain, what, "proofs have stopped");
            self.health.tell(None, FaultKind::Unproven, what);
        }
    }

    /// A quorum has come further, and tells nothing alike: that is an alarm of its own.
    fn look_at_agreement(&mut self, at: Instant) {
        let tip = self.chain.tip().height;
        let ahead = self.reached.0.saturating_sub(tip) > self.compiled.config.lag_blocks;
        let begun = self.delivered_at.get_or_insert(at);
        if ahead && at.saturating_duration_since(*begun) > Duration::from_millis(limits::DISSENT_GRACE_MS) {
            let what = format!("a quorum is ahead of slot {tip} but does not tell alike what follows it");
            self.health.raise(None, Trouble::DissentHead, &what);
        }
    }

    /// Asks an operator for its head that has said nothing for long: its socket may be half open.
    fn nudge(&mut self, operator: usize, at: Instant) {
        let quiet = Duration::from_millis(limits::NUDGE_AFTER_MS.min(self.compiled.config.poll_ms));
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

    fn compare_heads(&mut self, operator: usize) {
        let Some(standing) = self.standings.get(operator) else { return };
        let Some((slot, _)) = standing.head else { return };
        let newest = self.chain.tip().height.max(self.reached.0);
        if slot.saturating_add(self.compiled.config.lag_blocks) < newest {
            let what = format!("its newest slot is {slot}, a quorum is at {newest}");
            self.raise_once(operator, Trouble::Lagging, &what);
        } else {
            self.lower(operator, &[Trouble::Lagging]);
        }
    }
}
