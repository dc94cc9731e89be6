//! What is known of each gate without asking it: the last reading, and what was sent to it since.
//!
//! When the hour's budget is used up, what closes an open gate is sent all the same, and what extends a closure waits.
//! Which of the two it is, the gate itself says; asking it takes a round trip to every operator, at the very moment at
//! which value leaves. Where nothing that was sent can be in effect and the last reading says open, it need not be asked.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use portcullis_adapter::GateReport;
use portcullis_verifier::{Action, B256, ChainId, Level, Progress};

use crate::budget;

/// One scope of one gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Which chain.
    pub chain: ChainId,
    /// Address of the gate.
    pub address: B256,
    /// Scope at the gate.
    pub scope: B256,
}

impl Place {
    /// What an action closes.
    #[must_use]
    pub fn of(action: &Action) -> Self {
        Self { chain: action.chain, address: action.target, scope: action.scope }
    }
}

/// Until when something lasts: chain time in seconds, and height.
#[derive(Debug, Clone, Copy)]
struct Until {
    time: u64,
    height: u64,
}

impl Until {
    fn has_passed(self, head: Progress) -> bool {
        head.time >= self.time && head.height >= self.height
    }
}

#[derive(Debug, Default)]
struct Known {
    reading: Option<(Instant, GateReport)>,
    /// The longest that was sent, at each level.
    sent: BTreeMap<Level, Until>,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Readings {
    gates: Mutex<BTreeMap<Place, Known>>,
}

impl Readings {
    fn with<T>(&self, place: Place, act: impl FnOnce(&mut Known) -> T) -> T {
        act(self.gates.lock().unwrap_or_else(PoisonError::into_inner).entry(place).or_default())
    }

    /// A gate was read.
    pub fn put(&self, place: Place, report: GateReport) {
        self.with(place, |known| known.reading = Some((Instant::now(), report)));
    }

    /// Bytes of an action may have reached the chain.
    pub fn sent(&self, action: &Action) {
        self.with(Place::of(action), |known| {
            let Action { until: time, until_height: height, .. } = *action;
            let longest = known.sent.entry(action.level).or_insert(Until { time, height });
            *longest = Until { time: longest.time.max(time), height: longest.height.max(height) };
        });
    }

    /// Whether a gate is known not to be as tight as `level` after this head.
    ///
    /// SECURITY: a wrong yes costs the fee of an extension, a wrong no the time of asking; neither leaves a gate open.
    #[must_use]
    pub fn is_open(&self, place: Place, level: Level, head: Option<Progress>) -> bool {
        let Some(head) = head else { return false };
        self.with(place, |known| {
            let ours_over = known.sent.range(level..).all(|(_, until)| until.has_passed(head));
            let said_open = known.reading.as_ref().is_some_and(|(at, report)| {
                let until = Until { time: report.until, height: report.until_height };
                at.elapsed() < budget::GATE_READING && (report.level < level || until.has_passed(head))
            });
            ours_over && said_open
        })
    }
}

#[cfg(test)]
#[path = "readings_tests.rs"]
mod tests;
