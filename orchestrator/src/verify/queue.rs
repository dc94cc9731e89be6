//! The line of claims that wait for evidence: the most valuable first, each claim once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use portcullis_verifier::{Claim, ClaimId, IncidentId};
use tokio::sync::Notify;

use crate::budget;

/// A request that waits.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) claim: Claim,
    pub(super) incident: IncidentId,
    value_micro_usd: u64,
    pub(super) tries: u32,
}

#[derive(Debug, Default)]
struct Waiting {
    /// By value and claim: the last entry is the next.
    order: BTreeSet<(u64, ClaimId)>,
    requests: BTreeMap<ClaimId, Request>,
    /// Being judged, or pausing after an undecided verdict. True: asked for again meanwhile.
    busy: BTreeMap<ClaimId, Busy>,
    undecided: BTreeSet<ClaimId>,
}

#[derive(Debug)]
struct Busy {
    incident: IncidentId,
    /// Ends the pause at once.
    again: Arc<Notify>,
    /// Nobody needs it any more.
    dropped: bool,
}

/// The near end: takes requests without waiting.
#[derive(Debug, Clone, Default)]
pub struct EvidenceQueue {
    waiting: Arc<Mutex<Waiting>>,
    pub(super) arrived: Arc<Notify>,
}

impl EvidenceQueue {
    /// Asks for evidence. A claim that is under way already is only hurried; one that waits keeps the larger value.
    pub fn request(&self, claim: Claim, incident: IncidentId, value_micro_usd: u64) {
        let id = claim.id();
        let mut waiting = self.lock();
        if let Some(busy) = waiting.busy.get_mut(&id) {
            busy.dropped = false;
            busy.again.notify_one();
            return;
        }
        let mut request = Request { claim, incident, value_micro_usd, tries: 0 };
        if let Some(old) = waiting.requests.remove(&id) {
            waiting.order.remove(&(old.value_micro_usd, id));
            request.value_micro_usd = request.value_micro_usd.max(old.value_micro_usd);
        }
        waiting.order.insert((request.value_micro_usd, id));
        waiting.requests.insert(id, request);
        if waiting.requests.len() > budget::EVIDENCE_WAITING {
            // The least valuable one is asked for again by the engine when its own deadline comes.
            if let Some((_, least)) = waiting.order.pop_first() {
                waiting.requests.remove(&least);
                metrics::counter!("portcullis_verify_overflow_total").increment(1);
            }
        }
        drop(waiting);
        self.arrived.notify_one();
    }

    /// Nobody needs the claims of an incident any more.
    pub fn forget(&self, incident: IncidentId) {
        let mut waiting = self.lock();
        let gone: Vec<_> =
            waiting.requests.iter().filter(|(_, r)| r.incident == incident).map(|(id, _)| *id).collect();
        for id in gone {
            if let Some(request) = waiting.requests.remove(&id) {
                waiting.order.remove(&(request.value_micro_usd, id));
            }
        }
        for busy in waiting.busy.values_mut().filter(|busy| busy.incident == incident) {
            busy.dropped = true;
            busy.again.notify_one();
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the most valuable request.
    pub(super) fn take(&self) -> Option<(Request, Arc<Notify>)> {
        let mut waiting = self.lock();
        let (_, id) = waiting.order.pop_last()?;
        let request = waiting.requests.remove(&id)?;
        let again = Arc::new(Notify::new());
        let busy = Busy { incident: request.incident, again: Arc::clone(&again), dropped: false };
        waiting.busy.insert(id, busy);
        Some((request, again))
    }

    /// Ends one; true when it has to be tried again.
    pub(super) fn finish(&self, id: ClaimId, decided: bool) -> bool {
        let mut waiting = self.lock();
        let dropped = waiting.busy.get(&id).is_none_or(|busy| busy.dropped);
        if decided || dropped {
            waiting.busy.remove(&id);
            waiting.undecided.remove(&id);
            return false;
        }
        waiting.undecided.insert(id);
        true
    }

    pub(super) fn counts(&self) -> (usize, usize) {
        let waiting = self.lock();
        (waiting.requests.len().saturating_add(waiting.busy.len()), waiting.undecided.len())
    }

    /// Puts a request back into the line after its pause, unless nobody needs it any more.
    pub(super) fn put_back(&self, request: Request) {
        let id = request.claim.id();
        let mut waiting = self.lock();
        let dropped = waiting.busy.remove(&id).is_none_or(|busy| busy.dropped);
        if dropped {
            waiting.undecided.remove(&id);
            return;
        }
        waiting.order.insert((request.value_micro_usd, id));
        waiting.requests.insert(id, request);
        drop(waiting);
        self.arrived.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use portcullis_verifier::{B256, BlockRef, ChainId};

    fn claim(height: u64) -> Claim {
        Claim::NotEmitted {
            chain: ChainId::new("test:1").unwrap(),
            block: BlockRef { height, hash: B256::ZERO },
            contract: B256::ZERO,
            topics: Vec::new(),
        }
    }

    fn incident(n: u8) -> IncidentId {
        IncidentId(B256::repeat_byte(n))
    }

    #[test]
    fn the_largest_value_is_taken_first_and_a_claim_only_once() {
        let queue = EvidenceQueue::default();
        queue.request(claim(1), incident(1), 10);
        queue.request(claim(2), incident(1), 30);
        queue.request(claim(3), incident(1), 20);
        queue.request(claim(1), incident(1), 40);
        let heights: Vec<u64> =
            std::iter::from_fn(|| queue.take()).map(|(request, _)| request.claim.block().height).collect();
        assert_eq!(heights, [1, 2, 3]);
        queue.request(claim(1), incident(1), 99);
        assert!(queue.take().is_none(), "it is being judged already");
    }

    #[test]
    fn undecided_stays_until_decided_or_forgotten() {
        let queue = EvidenceQueue::default();
        queue.request(claim(1), incident(1), 10);
        let (request, _) = queue.take().unwrap();
        assert!(queue.finish(request.claim.id(), false), "undecided is tried again");
        assert_eq!(queue.counts(), (1, 1));
        queue.put_back(request);
        let (request, _) = queue.take().unwrap();
        assert!(!queue.finish(request.claim.id(), true), "decided is not");
        assert_eq!(queue.counts(), (0, 0));

        queue.request(claim(2), incident(2), 10);
        let (request, _) = queue.take().unwrap();
        queue.forget(incident(2));
        assert!(!queue.finish(request.claim.id(), false), "nobody needs it any more");
        queue.request(claim(3), incident(2), 10);
        queue.forget(incident(2));
        assert!(queue.take().is_none());
    }

    #[test]
    fn the_waiting_line_is_bounded_and_loses_the_least_valuable() {
        let queue = EvidenceQueue::default();
        for height in 0..=u64::try_from(budget::EVIDENCE_WAITING).unwrap() {
            queue.request(claim(height), incident(1), height);
        }
        assert_eq!(queue.counts().0, budget::EVIDENCE_WAITING);
        assert_eq!(queue.lock().order.first().unwrap().0, 1, "the claim of value 0 is gone");
    }
}
