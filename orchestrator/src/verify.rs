//! Verify: evidence for claims, judged by the verifier, largest value first.
//!
//! *Who is in the play.* The engine asks with `RequestEvidence`; [`EvidenceQueue`] takes the request without waiting;
//! [`Verifier`] works it off, so many at once, and returns each verdict to the engine as `Proved`. A [`Judge`] does
//! one claim: the family gathers, the registry judges. Undecided is stored, counted, told to the engine, and tried
//! again with growing pauses until it is decided or nobody needs it any more.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use portcullis_core::Body;
use portcullis_verifier::{Claim, ClaimId, Evidence, IncidentId, Registry, Trust, Undecided, Verdict};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::budget;
use crate::persist::describe;
use crate::service::ChainWiring;
use crate::store::{BackgroundRow, EvidenceRow};
use crate::telemetry::{Background, Heads, Note, Status, Verb, millis, now_ms};

/// A judged claim.
#[derive(Debug, Clone)]
pub struct Judged {
    /// What came out.
    pub verdict: Verdict,
    /// What it was judged on; none when no evidence could be had.
    pub evidence: Option<Evidence>,
    /// From asking to verdict.
    pub took: Duration,
}

impl Judged {
    /// `proven`, `refuted` or `undecided`.
    #[must_use]
    pub fn outcome(&self) -> &'static str {
        match &self.verdict {
            Verdict::Proven(_) => "proven",
            Verdict::Refuted(..) => "refuted",
            Verdict::Undecided(_) => "undecided",
        }
    }
}

/// Judges claims: the one place where evidence meets the verifier.
#[derive(Clone)]
pub struct Judge {
    chains: Arc<BTreeMap<portcullis_verifier::ChainId, ChainWiring>>,
    registry: Arc<Registry>,
    heads: Heads,
    background: Background,
}

impl Judge {
    /// Judges with these adapters and these verifiers.
    #[must_use]
    pub fn new(
        chains: Arc<BTreeMap<portcullis_verifier::ChainId, ChainWiring>>,
        registry: Arc<Registry>,
        heads: Heads,
        background: Background,
    ) -> Self {
        Self { chains, registry, heads, background }
    }

    /// Gathers evidence for a claim, judges it, and puts both on record.
    pub async fn judge(&self, claim: &Claim, incident: Option<IncidentId>) -> Judged {
        let judged = self.weigh(claim).await;
        self.record(claim, incident, &judged);
        judged
    }

    /// Gathers evidence for a claim and judges it, without a trace: for what is looked at again at every head.
    pub async fn weigh(&self, claim: &Claim) -> Judged {
        let started = Instant::now();
        let (verdict, evidence) = self.verdict(claim).await;
        let judged = Judged { verdict, evidence, took: started.elapsed() };
        metrics::counter!("portcullis_verify_total", "outcome" => judged.outcome()).increment(1);
        metrics::histogram!("portcullis_verify_seconds").record(judged.took.as_secs_f64());
        judged
    }

    /// Puts a judged claim on record.
    pub fn record(&self, claim: &Claim, incident: Option<IncidentId>, judged: &Judged) {
        self.background.put(BackgroundRow::Evidence(Box::new(EvidenceRow {
            log: self.background.log(),
            incident,
            claim: claim.clone(),
            evidence: judged.evidence.clone(),
            verdict: judged.verdict.clone(),
            took_ms: millis(judged.took),
            at_ms: now_ms(),
        })));
        let mut note =
            Note::new(Verb::Verify, format!("{}: {}", say_claim(claim), say_verdict(&judged.verdict)))
                .chain(claim.chain())
                .height(claim.block().height);
        if let Some(incident) = incident {
            note = note.incident(incident);
        }
        self.background.note(note);
    }

    async fn verdict(&self, claim: &Claim) -> (Verdict, Option<Evidence>) {
        let no_evidence = |detail: String| (Verdict::Undecided(Undecided::NoEvidence { detail }), None);
        let Some(chain) = self.chains.get(&claim.chain()) else {
            return no_evidence(format!("{} is not configured", claim.chain()));
        };
        let evidence = match tokio::time::timeout(budget::EVIDENCE_TIME, chain.prove.evidence(claim)).await {
            Ok(Ok(evidence)) => evidence,
            Ok(Err(error)) => return no_evidence(describe(&error)),
            Err(_elapsed) => {
                return no_evidence(format!("nothing within {} s", budget::EVIDENCE_TIME.as_secs()));
            }
        };
        // Ages are counted in the chain's own time. Before its first block nothing has an age.
        let now = self.heads.get(claim.chain()).map_or(0, |head| head.time);
        let trust = Trust { operators: chain.operators.clone(), quorum: chain.quorum, now };
        let (registry, claim) = (Arc::clone(&self.registry), claim.clone());
        // Hashing a full block takes milliseconds: not on the threads that wait for sockets.
        let judged =
            tokio::task::spawn_blocking(move || (registry.verify(&claim, &evidence, &trust), evidence));
        match judged.await {
            Ok((verdict, evidence)) => (verdict, Some(evidence)),
            Err(error) => no_evidence(format!("the verifier ended: {error}")),
        }
    }
}

/// A claim in a few words.
fn say_claim(claim: &Claim) -> &'static str {
    match claim {
        Claim::Emitted { .. } => "the event stands in its block",
        Claim::NotEmitted { .. } => "the block holds no such event",
        Claim::State { .. } => "the state is as asked",
        Claim::StateAbsent { .. } => "the state is absent",
    }
}

/// A verdict in a few words, with what it rests on.
fn say_verdict(verdict: &Verdict) -> String {
    let header = |assurance: &portcullis_verifier::Assurance| match assurance.header.quorum {
        Some(quorum) => {
            format!("header by {}/{} operators, {:?}", quorum.agreeing, quorum.of, assurance.inclusion)
        }
        None => format!("{:?}", assurance.inclusion),
    };
    match verdict {
        Verdict::Proven(assurance) => format!("proven ({})", header(assurance)),
        Verdict::Refuted(why, assurance) => {
            format!("refuted ({}): expected {}, found {}", header(assurance), why.expected, why.found)
        }
        Verdict::Undecided(why) => format!("undecided: {why}"),
    }
}

/// A request that waits.
#[derive(Debug, Clone)]
struct Request {
    claim: Claim,
    incident: IncidentId,
    value_micro_usd: u64,
    tries: u32,
    asked_ms: u64,
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
    arrived: Arc<Notify>,
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
        let asked_ms = now_ms();
        let mut request = Request { claim, incident, value_micro_usd, tries: 0, asked_ms };
        if let Some(old) = waiting.requests.remove(&id) {
            waiting.order.remove(&(old.value_micro_usd, id));
            request.value_micro_usd = request.value_micro_usd.max(old.value_micro_usd);
            request.asked_ms = old.asked_ms;
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
    fn take(&self) -> Option<(Request, Arc<Notify>)> {
        let mut waiting = self.lock();
        let (_, id) = waiting.order.pop_last()?;
        let request = waiting.requests.remove(&id)?;
        let again = Arc::new(Notify::new());
        let busy = Busy { incident: request.incident, again: Arc::clone(&again), dropped: false };
        waiting.busy.insert(id, busy);
        Some((request, again))
    }

    /// Ends one; true when it has to be tried again.
    fn finish(&self, id: ClaimId, decided: bool) -> bool {
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

    fn counts(&self) -> (usize, usize) {
        let waiting = self.lock();
        (waiting.requests.len().saturating_add(waiting.busy.len()), waiting.undecided.len())
    }
}

/// The far end: works requests off.
pub struct Verifier {
    /// Judges.
    pub judge: Judge,
    /// Where requests come from.
    pub queue: EvidenceQueue,
    /// To the engine's loop.
    pub engine: mpsc::Sender<Body>,
    /// For the health of the service.
    pub status: Arc<Status>,
}

impl Verifier {
    /// Runs until told to stop.
    pub async fn run(self, stop: CancellationToken) {
        let this = Arc::new(self);
        let mut working = JoinSet::new();
        loop {
            while working.len() < budget::EVIDENCE_AT_ONCE {
                let Some((request, again)) = this.queue.take() else { break };
                working.spawn(Arc::clone(&this).work(request, again));
            }
            this.report();
            tokio::select! {
                () = stop.cancelled() => return,
                () = this.queue.arrived.notified() => {}
                Some(_ended) = working.join_next() => {}
            }
        }
    }

    /// Judges one claim once; an undecided one waits outside of the slots and comes back.
    async fn work(self: Arc<Self>, mut request: Request, again: Arc<Notify>) {
        let id = request.claim.id();
        let judged = self.judge.judge(&request.claim, Some(request.incident)).await;
        let decided = !matches!(judged.verdict, Verdict::Undecided(_));
        // Before the engine hears of it, so that its asking again starts a new try instead of hurrying this one.
        let again_later = self.queue.finish(id, decided);
        let told = self.engine.send(Body::Proved { claim: id, verdict: judged.verdict }).await;
        if told.is_err() || !again_later {
            return;
        }
        request.tries = request.tries.saturating_add(1);
        metrics::counter!("portcullis_verify_retries_total").increment(1);
        let this = Arc::clone(&self);
        tokio::spawn(async move {
            let _sooner = tokio::time::timeout(pause_before(request.tries), again.notified()).await;
            this.queue.put_back(request);
        });
    }

    fn report(&self) {
        let (waiting, undecided) = self.queue.counts();
        let group = self.judge.background.log().group;
        self.status.group(group, |status| {
            status.evidence_waiting = waiting;
            status.evidence_undecided = undecided;
        });
    }
}

impl EvidenceQueue {
    /// Puts a request back into the line after its pause, unless nobody needs it any more.
    fn put_back(&self, request: Request) {
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

fn pause_before(tries: u32) -> Duration {
    let (first, longest) = budget::EVIDENCE_RETRY;
    first.saturating_mul(1u32.checked_shl(tries.saturating_sub(1).min(16)).unwrap_or(u32::MAX)).min(longest)
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

    #[test]
    fn pauses_grow_to_their_bound() {
        assert_eq!(pause_before(1), budget::EVIDENCE_RETRY.0);
        assert_eq!(pause_before(2), budget::EVIDENCE_RETRY.0 * 2);
        assert_eq!(pause_before(1_000), budget::EVIDENCE_RETRY.1);
    }
}
