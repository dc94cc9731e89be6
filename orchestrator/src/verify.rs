//! Verify: evidence for claims, judged by the verifier, largest value first.
//!
//! *Who is in the play.* The engine asks with `RequestEvidence`; [`EvidenceQueue`] takes the request without waiting;
//! [`Verifier`] works it off, so many at once, and returns each verdict to the engine as `Proved`. A [`Judge`] does
//! one claim: the family gathers, the registry judges. Undecided is stored, counted, told to the engine, and tried
//! again with growing pauses until it is decided or nobody needs it any more.

mod queue;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use portcullis_core::Body;
use portcullis_verifier::{
    Claim, Evidence, IncidentId, Inclusion, Registry, Slug, Trust, Undecided, Verdict,
};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::budget;
use crate::service::ChainWiring;
use crate::store::{BackgroundRow, EvidenceRow};
use crate::telemetry::{Background, Heads, Note, Status, Verb, millis, now_ms};
use portcullis_adapter::error::chain_of;
use queue::Request;

pub use queue::EvidenceQueue;

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
        let before = (chain.pinned)();
        let evidence = match tokio::time::timeout(budget::EVIDENCE_TIME, chain.prove.evidence(claim)).await {
            Ok(Ok(evidence)) => evidence,
            Ok(Err(error)) => return no_evidence(chain_of(&error)),
            Err(_elapsed) => {
                return no_evidence(format!("nothing within {} s", budget::EVIDENCE_TIME.as_secs()));
            }
        };
        // Ages are counted in the chain's own time. Before its first block nothing has an age.
        let now = self.heads.get(claim.chain()).map_or(0, |head| head.time);
        let operators = chain.operators.clone();
        // What proofs start from may have moved on while evidence was gathered: it fits one of the two.
        let after = (chain.pinned)();
        let roots = if before == after { vec![after] } else { vec![before, after] };
        let trust = Trust { operators, quorum: chain.quorum, now, pinned: BTreeMap::new() };
        let (registry, claim) = (Arc::clone(&self.registry), claim.clone());
        // Hashing a full block takes milliseconds: not on the threads that wait for sockets.
        let judged = tokio::task::spawn_blocking(move || {
            (judge_under(&registry, &claim, &evidence, &trust, roots), evidence)
        });
        match judged.await {
            Ok((verdict, evidence)) => (verdict, Some(evidence)),
            Err(error) => no_evidence(format!("the verifier ended: {error}")),
        }
    }
}

/// Judges under each of what proofs may have started from, until one of them decides.
///
/// SECURITY: both came from the same light client, one after the other; a claim is proven under what was trusted when it
/// was asked for or when it was answered, and under nothing else.
fn judge_under(
    registry: &Registry,
    claim: &Claim,
    evidence: &Evidence,
    trust: &Trust,
    roots: Vec<BTreeMap<Slug, Vec<u8>>>,
) -> Verdict {
    let mut verdict = Verdict::Undecided(Undecided::NoEvidence { detail: "nothing is pinned".to_owned() });
    for pinned in roots {
        verdict = registry.verify(claim, evidence, &Trust { pinned, ..trust.clone() });
        if !matches!(verdict, Verdict::Undecided(_)) {
            break;
        }
    }
    verdict
}

/// A claim in a few words.
fn say_claim(claim: &Claim) -> &'static str {
    match claim {
        Claim::Emitted { .. } => "the event stands in its block",
        Claim::NotEmitted { .. } => "the block holds no such event",
        Claim::State { .. } => "the state is as asked",
        Claim::StateAbsent { .. } | Claim::NotStored { .. } => "the state is absent",
        Claim::Stored { .. } => "the state is there",
        Claim::Included { .. } => "the transaction ended as told",
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
        Verdict::Proven(assurance) => {
            // What operators only say is not called proven, also where a chain allows no more.
            let how = if assurance.inclusion > Inclusion::Reported { "proven" } else { "reported" };
            format!("{how} ({})", header(assurance))
        }
        Verdict::Refuted(why, assurance) => {
            format!("refuted ({}): expected {}, found {}", header(assurance), why.expected, why.found)
        }
        Verdict::Undecided(why) => format!("undecided: {why}"),
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

fn pause_before(tries: u32) -> Duration {
    let (first, longest) = budget::EVIDENCE_RETRY;
    first.saturating_mul(1u32.checked_shl(tries.saturating_sub(1).min(16)).unwrap_or(u32::MAX)).min(longest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use portcullis_verifier::Assurance;

    #[test]
    fn pauses_grow_to_their_bound() {
        assert_eq!(pause_before(1), budget::EVIDENCE_RETRY.0);
        assert_eq!(pause_before(2), budget::EVIDENCE_RETRY.0 * 2);
        assert_eq!(pause_before(1_000), budget::EVIDENCE_RETRY.1);
    }

    #[test]
    fn what_operators_only_say_is_not_called_proven() {
        let said = Assurance::reported(2, 3);
        let proven = Assurance { inclusion: Inclusion::MerkleProved, ..said };
        assert_eq!(say_verdict(&Verdict::Proven(said)), "reported (header by 2/3 operators, Reported)");
        assert!(say_verdict(&Verdict::Proven(proven)).starts_with("proven (header by 2/3 operators"));
    }
}
