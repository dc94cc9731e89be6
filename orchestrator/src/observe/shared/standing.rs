//! Where one group stands on a chain, and what it was told of the chain's endpoints.

use std::collections::BTreeMap;
use std::time::Instant;

use portcullis_adapter::{Batch, Cursor, Feed};
use portcullis_verifier::codec::digest;
use portcullis_verifier::{ChainId, EndpointFault, Event, FaultKind, Observation, OperatorId};
use tokio_util::sync::CancellationToken;

/// Faults that are not over, by who has them. None is the chain, or all of its operators.
#[derive(Debug, Default)]
pub(super) struct Faults(BTreeMap<(Option<OperatorId>, FaultKind), Observation>);

impl Faults {
    /// Takes in what a run tells.
    pub(super) fn take(&mut self, batch: &Batch) {
        for observation in &batch.observations {
            let Event::Fault(fault) = observation.event() else { continue };
            match (fault.kind, fault.operator) {
                (FaultKind::Recovered, None) => self.0.clear(),
                (FaultKind::Recovered, operator) => self.0.retain(|(who, _), _| *who != operator),
                // Told once, and never over.
                (FaultKind::DeepReorg | FaultKind::Equivocation | FaultKind::Unproven, _) => {}
                (kind, operator) => drop(self.0.insert((operator, kind), observation.clone())),
            }
        }
    }

    /// All of them.
    pub(super) fn list(&self) -> Vec<Observation> {
        self.0.values().cloned().collect()
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Standing {
    /// Which chain.
    pub(super) chain: ChainId,
    /// After the newest batch that was delivered.
    pub(super) cursor: Option<Cursor>,
    told: Faults,
}

impl Standing {
    pub(super) fn new(chain: ChainId, cursor: Option<Cursor>) -> Self {
        Self { chain, cursor, told: Faults::default() }
    }

    /// Delivers a batch, if there is one; false when the group ends.
    pub(super) async fn deliver(
        &mut self,
        batch: Option<Batch>,
        feed: &Feed,
        stop: &CancellationToken,
    ) -> bool {
        let Some(batch) = batch else { return true };
        self.told.take(&batch);
        let cursor = batch.cursor.clone();
        let sent = tokio::select! {
            () = stop.cancelled() => false,
            sent = feed.send(batch) => sent.is_ok(),
        };
        if let Some(cursor) = cursor.filter(|_| sent) {
            self.cursor = Some(cursor);
        }
        sent
    }

    /// What has to be told when another run takes over that knows of these faults: which of the former run's are over,
    /// and which are new. None when nothing differs.
    pub(super) fn adopt(&self, known: Vec<Observation>) -> Option<Batch> {
        let has = |all: &[Observation], who: Option<OperatorId>, what: FaultKind| {
            all.iter()
                .any(|one| matches!(one.event(), Event::Fault(f) if (f.operator, f.kind) == (who, what)))
        };
        let mut observations: Vec<Observation> = Vec::new();
        let mut over: Vec<Option<OperatorId>> = Vec::new();
        for ((who, what), told) in &self.told.0 {
            if !has(&known, *who, *what) && !over.contains(who) {
                over.push(*who);
                observations.push(recovered(told, *who));
            }
        }
        // To have recovered takes everything back that was told of an operator; of the chain, of everybody.
        let taken_back = |who: &Option<OperatorId>| over.contains(who) || over.contains(&None);
        observations.sort_by_key(|one| matches!(one.event(), Event::Fault(f) if f.operator.is_some()));
        for one in known {
            let Event::Fault(fault) = one.event() else { continue };
            if taken_back(&fault.operator) || !self.told.0.contains_key(&(fault.operator, fault.kind)) {
                observations.push(one);
            }
        }
        (!observations.is_empty()).then(|| Batch {
            chain: self.chain,
            seen_at: Instant::now(),
            observations,
            progress: None,
            cursor: None,
        })
    }
}

/// That an operator's faults are over, where the last of them was told.
fn recovered(told: &Observation, operator: Option<OperatorId>) -> Observation {
    let detail = "another run of the adapter finds nothing wrong".to_owned();
    let fault = EndpointFault { operator, kind: FaultKind::Recovered, detail };
    let raw = digest("portcullis.observe.fault.v1", &fault);
    Observation::new(told.chain(), *told.position(), told.time(), told.status(), raw, Event::Fault(fault))
}
