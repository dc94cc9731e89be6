//! The receiving end of an observer: keeps what is in force and holds every batch to the promises. Pure.

use std::collections::BTreeMap;

use portcullis_verifier::{Event, EventId, FaultKind, Observation, OperatorId, Progress, Status};

use super::{TrueEvent, Truth};
use crate::{Batch, Cursor};

/// What was delivered so far.
#[derive(Debug, Default)]
pub struct Ledger {
    /// Events in force, by id.
    live: BTreeMap<EventId, TrueEvent>,
    /// Faults in the order in which they were told.
    faults: Vec<(Option<OperatorId>, FaultKind)>,
    progress: Option<Progress>,
    cursor: Option<Cursor>,
    violations: Vec<String>,
}

impl Ledger {
    /// A ledger that goes on where another one stopped, as after a restart.
    #[must_use]
    pub fn resume(self) -> Self {
        Self { faults: Vec::new(), ..self }
    }

    /// Takes one batch.
    pub fn take(&mut self, batch: &Batch) {
        let mut included = false;
        let mut last_retracted: Option<(u64, u32)> = None;
        for observation in &batch.observations {
            if let Event::Fault(fault) = observation.event() {
                self.faults.push((fault.operator, fault.kind));
                continue;
            }
            let place = (observation.position().height, observation.position().log_index);
            if observation.status() == Status::Retracted {
                if included {
                    self.violation("a retraction stands behind an inclusion in one batch", observation);
                }
                if last_retracted.is_some_and(|before| before <= place) {
                    self.violation("retractions are not newest first", observation);
                }
                last_retracted = Some(place);
                self.retract(observation);
            } else {
                included = true;
                self.include(observation, batch.progress.as_ref());
            }
        }
        self.take_progress(batch, included || last_retracted.is_some());
    }

    fn violation(&mut self, what: &str, observation: &Observation) {
        let position = observation.position();
        self.violations.push(format!("{what}: height {}, log {}", position.height, position.log_index));
    }

    fn retract(&mut self, observation: &Observation) {
        if self.live.remove(&observation.id()).is_none() {
            self.violation("something was retracted that is not in force", observation);
        }
    }

    fn include(&mut self, observation: &Observation, progress: Option<&Progress>) {
        let position = observation.position();
        let event = TrueEvent {
            height: position.height,
            index: position.log_index,
            block_hash: position.block_hash,
            raw: observation.raw(),
        };
        let newest = self.live.values().map(|live| (live.height, live.index)).max();
        if self.live.contains_key(&observation.id()) {
            self.violation("an event came twice", observation);
        } else if newest.is_some_and(|newest| newest >= (event.height, event.index)) {
            self.violation("an event came behind a later one", observation);
        }
        if progress.is_none_or(|progress| progress.height < event.height) {
            self.violation("an event lies above the progress of its batch", observation);
        }
        self.live.insert(observation.id(), event);
    }

    fn take_progress(&mut self, batch: &Batch, moved: bool) {
        match (&batch.progress, &batch.cursor) {
            (Some(progress), Some(cursor)) => {
                let tip = cursor.recent.first().map(|block| (block.height, block.hash));
                if tip != Some((progress.height, progress.block_hash)) {
                    self.violations.push(format!("cursor and progress differ at height {}", progress.height));
                }
                if progress.final_height > progress.safe_height || progress.safe_height > progress.height {
                    self.violations.push(format!("settled heights are out of order at {}", progress.height));
                }
                if progress.head_time < progress.time {
                    self.violations
                        .push(format!("the head lies before what is delivered at {}", progress.height));
                }
                self.progress = Some(*progress);
                self.cursor = Some(cursor.clone());
            }
            (None, None) if !moved => {}
            _ => self.violations.push("events, progress and cursor do not come together".to_owned()),
        }
    }

    /// Where an observer goes on.
    #[must_use]
    pub fn cursor(&self) -> Option<Cursor> {
        self.cursor.clone()
    }

    /// Whether a fault of this kind was told of this operator; none is the chain itself.
    #[must_use]
    pub fn told(&self, operator: Option<OperatorId>, kinds: &[FaultKind]) -> bool {
        self.faults.iter().any(|(who, kind)| *who == operator && kinds.contains(kind))
    }

    /// Faults told so far.
    #[must_use]
    pub fn faults(&self) -> &[(Option<OperatorId>, FaultKind)] {
        &self.faults
    }

    /// Promises broken so far.
    #[must_use]
    pub fn violations(&self) -> &[String] {
        &self.violations
    }

    /// How what is in force differs from the truth; none when it does not.
    #[must_use]
    pub fn differs(&self, truth: &Truth) -> Option<String> {
        let tip = self.progress.map(|progress| (progress.height, progress.block_hash));
        if tip != Some((truth.height, truth.block_hash)) {
            return Some(format!(
                "delivered up to {tip:?}, the head is {:?}",
                (truth.height, truth.block_hash)
            ));
        }
        let mut live: Vec<TrueEvent> = self.live.values().copied().collect();
        live.sort_unstable();
        let missing = truth.events.iter().filter(|event| live.binary_search(event).is_err()).count();
        let extra = live.len().saturating_add(missing).saturating_sub(truth.events.len());
        (missing > 0 || extra > 0)
            .then(|| format!("{missing} events are missing and {extra} should not be there"))
    }
}
