//! What people are told while the engine works: the timeline's lines for what it saw, joined and decided.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use portcullis_core::effect::{Decision, IncidentChange, ModeChange, Notice};
use portcullis_core::input::Check;
use portcullis_verifier::{B256, ChainId, EventId, IncidentId, Observation};

use crate::telemetry::{Background, Note, Verb, now_ms};

/// Observations whose moment is remembered: an incident refers to recent ones.
const REMEMBERED: usize = 8_192;

/// When and where an event was seen.
#[derive(Debug, Clone, Copy)]
struct SeenAt {
    chain: ChainId,
    height: u64,
    at_ms: u64,
}

/// What has been told already.
#[derive(Debug, Default)]
pub(super) struct Told {
    seen: BTreeMap<EventId, SeenAt>,
    order: VecDeque<EventId>,
    /// Events that stand in the timeline, by incident.
    noted: BTreeMap<IncidentId, BTreeSet<EventId>>,
    first_seen_ms: BTreeMap<IncidentId, u64>,
}

impl Told {
    /// An adapter saw something at a moment.
    pub(super) fn saw(&mut self, observation: &Observation, at_ms: u64) {
        let id = observation.id();
        let seen = SeenAt { chain: observation.chain(), height: observation.position().height, at_ms };
        if self.seen.insert(id, seen).is_none() {
            self.order.push_back(id);
        }
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.seen.remove(&oldest);
        }
    }

    /// An incident was opened, grew, or was retracted.
    pub(super) fn changed(
        &mut self,
        background: &Background,
        how: &'static str,
        change: &IncidentChange,
        at_ms: u64,
    ) {
        metrics::counter!("portcullis_correlate_incidents_total", "change" => how).increment(1);
        let noted = self.noted.entry(change.incident).or_default();
        for signal in &change.signals {
            let Some(event) = signal.event.filter(|event| noted.insert(*event)) else { continue };
            let Some(seen) = self.seen.get(&event) else { continue };
            let first = self.first_seen_ms.entry(change.incident).or_insert(seen.at_ms);
            *first = (*first).min(seen.at_ms);
            background.note(
                Note::new(Verb::Observe, signal.detail.clone())
                    .incident(change.incident)
                    .chain(seen.chain)
                    .height(seen.height)
                    .at_ms(seen.at_ms),
            );
        }
        let first = change.signals.first().map_or_else(String::new, |signal| format!(": {:?}", signal.cause));
        let text = format!(
            "incident {how}: {} signals, up to {:?}, {}{first}",
            change.signals.len(),
            change.class,
            dollars(change.value_micro_usd),
        );
        background.note(Note::new(Verb::Correlate, text).incident(change.incident).at_ms(at_ms));
    }

    /// A plan was made.
    pub(super) fn decided(&self, background: &Background, decision: &Decision, head: B256, at_ms: u64) {
        metrics::counter!("portcullis_decide_total").increment(1);
        let chains: BTreeSet<ChainId> = decision.actions.iter().map(|action| action.chain).collect();
        let chains: Vec<&str> = chains.iter().map(ChainId::as_str).collect();
        let text = format!(
            "{:?} by playbook {}: {} actions on {}; {} withheld; record {head}",
            decision.class,
            decision.playbook,
            decision.actions.len(),
            if chains.is_empty() { "no chain".to_owned() } else { chains.join(", ") },
            decision.withheld.len(),
        );
        background.note(Note::new(Verb::Decide, text).incident(decision.incident).at_ms(at_ms));
    }

    /// People are to be told. The row stands in the log's transaction; here it goes to those who watch.
    #[expect(clippy::unused_self, reason = "it is one of the ways of telling")]
    pub(super) fn notice(&self, notice: &Notice) {
        let cause = format!("{:?}", notice.cause);
        metrics::counter!("portcullis_notices_total", "cause" => cause.clone()).increment(1);
        tracing::warn!(
            target: "portcullis::notice",
            bridge = %notice.bridge,
            cause,
            class = ?notice.class,
            incident = notice.incident.map(tracing::field::display),
            text = notice.text,
        );
    }

    /// How far automation may go somewhere has changed.
    #[expect(clippy::unused_self, reason = "it is one of the ways of telling")]
    pub(super) fn mode(&self, change: &ModeChange) {
        tracing::warn!(
            target: "portcullis::notice",
            target_name = %change.target,
            mode = ?change.mode,
            until_ms = change.until_ms,
            why = change.why,
            "how far automation may go has changed",
        );
    }

    /// A way of containing was checked.
    #[expect(clippy::unused_self, reason = "it is one of the ways of telling")]
    pub(super) fn checked(&self, check: &Check) {
        let (kind, ok) = (format!("{:?}", check.kind), check.failing.is_empty());
        metrics::counter!("portcullis_checks_total", "kind" => kind.clone(), "ok" => ok.to_string())
            .increment(1);
        if ok {
            tracing::info!(target_name = %check.target, kind, took_ms = check.took_ms, "containing would work");
        } else {
            let failing = check.failing.join("; ");
            tracing::error!(code = "PC-0601", target_name = %check.target, kind, failing, "containing would fail");
        }
    }

    /// When the first event behind an incident was seen on the socket.
    pub(super) fn first_seen(&self, incident: IncidentId) -> Option<Instant> {
        let at_ms = self.first_seen_ms.get(&incident)?;
        Instant::now().checked_sub(Duration::from_millis(now_ms().saturating_sub(*at_ms)))
    }
}

/// Whole dollars with a sign, from micro-USD.
fn dollars(micro_usd: u64) -> String {
    let whole = micro_usd.checked_div(1_000_000).unwrap_or_default().to_string();
    let mut text = String::with_capacity(whole.len().saturating_mul(2));
    for (index, digit) in whole.chars().enumerate() {
        let left = whole.len().saturating_sub(index);
        if index > 0 && left.is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    format!("${text}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dollars_are_grouped() {
        assert_eq!(dollars(0), "$0");
        assert_eq!(dollars(999_999), "$0");
        assert_eq!(dollars(1_234_567_000_000), "$1,234,567");
        assert_eq!(dollars(100_000_000), "$100");
    }
}
