//! Claims put to verifiers, and what came back. Undecided is stored and asked again; it is never taken for "no".

use std::collections::BTreeMap;

use borsh::{BorshDeserialize, BorshSerialize};
use portcullis_verifier::{Assurance, B256, Claim, ClaimId, IncidentId, Verdict};

use crate::{ledger::Seen, limits, names::BridgeNo};

/// Where a claim stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) enum Standing {
    /// Put to a verifier at this shell time, milliseconds.
    Asked(u64),
    /// Undecided; to be put again at this shell time, milliseconds.
    Undecided(u64),
    /// Proven.
    Proven(Assurance),
    /// Refuted, well enough.
    Refuted,
}

/// A claim and its history.
#[derive(Debug, Clone, BorshSerialize, BorshDeserialize)]
pub(crate) struct Case {
    pub(crate) claim: Claim,
    /// The event that it is about.
    pub(crate) event: B256,
    pub(crate) incident: IncidentId,
    pub(crate) value: u64,
    pub(crate) seen: Option<(BridgeNo, Seen)>,
    pub(crate) standing: Standing,
    tries: u32,
}

/// All claims put so far.
#[derive(Debug, Default, BorshSerialize, BorshDeserialize)]
pub(crate) struct Book {
    cases: BTreeMap<ClaimId, Case>,
    by_event: BTreeMap<B256, ClaimId>,
    /// When a claim has to be put again, shell time in milliseconds.
    due: BTreeMap<(u64, ClaimId), ()>,
}

impl Book {
    /// Puts a claim for the first time; none when the event's claim was put before.
    pub(crate) fn ask(
        &mut self,
        claim: Claim,
        event: B256,
        incident: IncidentId,
        value: u64,
        seen: Option<(BridgeNo, Seen)>,
        now_ms: u64,
    ) -> Option<ClaimId> {
        if self.by_event.contains_key(&event) {
            return None;
        }
        let id = claim.id();
        let standing = Standing::Asked(now_ms);
        self.cases.insert(id, Case { claim, event, incident, value, seen, standing, tries: 0 });
        self.by_event.insert(event, id);
        self.due.insert((now_ms.saturating_add(limits::ANSWER_WAIT_MS), id), ());
        Some(id)
    }

    /// The claim about an event, if one was put.
    pub(crate) fn of_event(&self, event: &B256) -> Option<(ClaimId, &Case)> {
        let id = self.by_event.get(event)?;
        Some((*id, self.cases.get(id)?))
    }

    /// A claim by id.
    pub(crate) fn get(&self, id: &ClaimId) -> Option<&Case> {
        self.cases.get(id)
    }

    /// Takes a verdict in. A refutation that is not good enough for `floor` shows too little: it counts as
    /// undecided. Gives the case when it is ours and was not decided before.
    pub(crate) fn answer(
        &mut self,
        id: ClaimId,
        verdict: &Verdict,
        floor: &Assurance,
        now_ms: u64,
    ) -> Option<Case> {
        let case = self.cases.get_mut(&id)?;
        let was = case.standing;
        if was == Standing::Refuted {
            return None;
        }
        case.standing = match verdict {
            Verdict::Proven(assurance) => Standing::Proven(*assurance),
            Verdict::Refuted(_, assurance) if assurance.meets(floor) => Standing::Refuted,
            // What was proven is not unproven by an answer that decides nothing.
            _ if matches!(was, Standing::Proven(_)) => return None,
            Verdict::Refuted(..) | Verdict::Undecided(_) => {
                let doubled = limits::RETRY_FIRST_MS.checked_shl(case.tries.min(16)).unwrap_or(u64::MAX);
                case.tries = case.tries.saturating_add(1);
                Standing::Undecided(now_ms.saturating_add(doubled.min(limits::RETRY_LAST_MS)))
            }
        };
        let case = case.clone();
        self.due.retain(|(_, due), ()| *due != id);
        if let Standing::Undecided(at) = case.standing {
            self.due.insert((at, id), ());
        }
        Some(case)
    }

    /// Claims to be put again now: undecided ones whose pause is over, and those that nobody answered.
    pub(crate) fn again(&mut self, now_ms: u64) -> Vec<Case> {
        let mut again = Vec::new();
        while let Some(((at, id), ())) = self.due.first_key_value().map(|(k, v)| (*k, *v)) {
            if at > now_ms {
                break;
            }
            self.due.remove(&(at, id));
            if let Some(case) = self.cases.get_mut(&id) {
                case.standing = Standing::Asked(now_ms);
                again.push(case.clone());
                self.due.insert((now_ms.saturating_add(limits::ANSWER_WAIT_MS), id), ());
            }
        }
        again
    }

    /// Gives a claim up: nothing depends on it any more.
    pub(crate) fn drop_event(&mut self, event: &B256) {
        let Some(id) = self.by_event.get(event).copied() else { return };
        if self.cases.get(&id).is_some_and(|case| case.standing == Standing::Refuted) {
            return;
        }
        self.by_event.remove(event);
        self.cases.remove(&id);
        self.due.retain(|(_, due), ()| *due != id);
    }

    /// True when a proof showed that the event never happened.
    pub(crate) fn is_refuted(&self, event: &B256) -> bool {
        // Nearly always empty: the usual step pays one comparison.
        !self.by_event.is_empty()
            && self.of_event(event).is_some_and(|(_, case)| case.standing == Standing::Refuted)
    }

    /// Next moment at which a claim has to be put again, shell time in milliseconds.
    pub(crate) fn next_ms(&self) -> Option<u64> {
        self.due.first_key_value().map(|((at, _), ())| *at)
    }

    /// How many claims were put.
    pub(crate) fn len(&self) -> usize {
        self.cases.len()
    }
}
