//! Correlate and decide: the loop around one group's engine.
//!
//! *Who is in the play.* Batches come from the adapters, everything else (verdicts, outcomes, gate states, commands) from the other
//! steps. The loop gives each input its place and moment, lets the engine consume it, extends the chain of hashes, and
//! hands sets to the writer. Evidence is asked for at once; what is to be contained is signed at once and sent when
//! the decision is durable.
//!
//! **Architecture Invariant:** the engine consumes nothing that does not go into the log, in this order.

pub mod clock;
pub mod rebuild;
pub mod saved;
pub mod sources;
mod told;
pub mod undoable;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use portcullis_adapter::Batch;
use portcullis_core::effect::Decision;
use portcullis_core::log::{chain_head, encode_effects, encode_input};
use portcullis_core::{Body, Command, ENGINE_VERSION, Effect, Effects, Engine, Input, limits};
use portcullis_verifier::{ActionId, B256, Event, Observation, Progress, Slug};
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;

use crate::budget;
use crate::contain::Signer;
use crate::store::{LogEnd, LogName, LogRecord, Step, WriteSet};
use crate::telemetry::{Background, Status, millis, now_ms};
use crate::verify::EvidenceQueue;
use crate::writer::{Order, Work};
use clock::LogClock;
use sources::Sources;
use told::Told;

/// Where a loop's results go.
pub struct Outputs {
    /// Sets and orders, to be made durable.
    pub writer: mpsc::Sender<Work>,
    /// Wakes the writer when something urgent is on its way.
    pub hurry: Arc<Notify>,
    /// Claims.
    pub evidence: EvidenceQueue,
    /// Signs.
    pub signer: Signer,
    /// Actions that a person stopped.
    pub stops: mpsc::Sender<(ActionId, String)>,
    /// Rows for people.
    pub background: Background,
    /// For the health of the service.
    pub status: Arc<Status>,
}

/// What a loop begins with.
pub struct Beginning {
    /// Which log.
    pub log: LogName,
    /// The engine as the log leaves it.
    pub engine: Engine,
    /// Where the log ends.
    pub end: LogEnd,
    /// Moments at which the engine wants to be woken, milliseconds since 1970.
    pub deadlines: BTreeSet<u64>,
    /// Which sources fail.
    pub sources: Sources,
    /// Moment of the last input.
    pub last_at_ms: u64,
}

/// The loop around one engine.
pub struct Correlator {
    log: LogName,
    engine: Engine,
    end: LogEnd,
    clock: LogClock,
    deadlines: BTreeSet<u64>,
    sources: Sources,
    bridges: BTreeSet<Slug>,
    told: Told,
    out: Outputs,
    /// Consumed and not handed over yet.
    set: WriteSet,
    orders: Vec<Order>,
    /// When what is being consumed was seen on the socket.
    seen: Option<Instant>,
}

/// Why a loop ended.
#[derive(Debug, thiserror::Error)]
pub enum LoopError {
    /// The writer is gone: it says why.
    #[error("the writer ended")]
    WriterGone,
}

impl Correlator {
    /// A loop that goes on where a log ends.
    #[must_use]
    pub fn new(beginning: Beginning, out: Outputs) -> Self {
        let Beginning { log, engine, end, deadlines, sources, last_at_ms } = beginning;
        let bridges = engine.config().bridges.iter().map(|bridge| bridge.id).collect();
        let (set, told) = (WriteSet::new(log, end), Told::default());
        let (orders, seen) = (Vec::new(), None);
        let clock = LogClock::new(last_at_ms, now_ms(), Instant::now());
        Self { log, engine, end, clock, deadlines, sources, bridges, told, out, set, orders, seen }
    }

    /// Runs until told to stop; what was consumed is handed over before it returns.
    ///
    /// # Errors
    /// When the writer is gone.
    pub async fn run(
        mut self,
        first: Vec<Body>,
        mut control: mpsc::Receiver<Body>,
        mut batches: mpsc::Receiver<Batch>,
        stop: CancellationToken,
    ) -> Result<(), LoopError> {
        for body in first {
            self.consume(body);
        }
        self.hand_over().await?;
        loop {
            let deadline = self.until_deadline();
            tokio::select! {
                biased;
                () = stop.cancelled() => return self.hand_over().await,
                Some(body) = control.recv() => self.control(body, &mut control).await?,
                () = tokio::time::sleep(deadline.unwrap_or(Duration::MAX)), if deadline.is_some() => {
                    self.consume(Body::Tick);
                }
                Some(batch) = batches.recv() => self.batch(batch, &mut batches).await?,
            }
            self.hand_over().await?;
        }
    }

    fn until_deadline(&self) -> Option<Duration> {
        let at_ms = self.deadlines.first()?;
        Some(Duration::from_millis(at_ms.saturating_sub(self.clock.peek(Instant::now(), now_ms()))))
    }

    /// Everything that waits in the queue of verdicts, outcomes and commands, up to a bound.
    async fn control(&mut self, first: Body, queue: &mut mpsc::Receiver<Body>) -> Result<(), LoopError> {
        let mut next = Some(first);
        while let Some(body) = next {
            if let Body::Command(Command::Stop { action, by, reason }) = &body {
                // The lane ends only with the group.
                let _told = self.out.stops.send((*action, format!("{by}: {reason}"))).await;
            }
            if let Body::SourceFailed { chain, operator: None, .. } = &body {
                self.sources.restarted(*chain);
            }
            self.consume(body);
            next = if self.is_full() { None } else { queue.try_recv().ok() };
        }
        Ok(())
    }

    /// One batch, and those that wait behind it, up to a bound.
    async fn batch(&mut self, first: Batch, queue: &mut mpsc::Receiver<Batch>) -> Result<(), LoopError> {
        let mut next = Some(first);
        while let Some(batch) = next {
            let Batch { chain, seen_at, observations, progress, cursor } = batch;
            self.seen = Some(seen_at);
            if let Some(overload) = self.sources.behind(chain, seen_at.elapsed()) {
                self.consume(overload);
            }
            let mut coming = observations.into_iter();
            while !coming.as_slice().is_empty() {
                self.engine.foresee(coming.as_slice().iter().take(limits::FORESEEN));
                for observation in coming.by_ref().take(limits::FORESEEN) {
                    self.observed(observation);
                    if self.is_full() {
                        self.hand_over().await?;
                    }
                }
            }
            if let Some(progress) = progress {
                self.progress(progress);
            }
            // The cursor comes with the last of what it stands behind, never before it.
            if let Some(cursor) = cursor {
                self.set.put_cursor(cursor);
            }
            self.seen = None;
            next = if self.is_full() { None } else { queue.try_recv().ok() };
        }
        let waiting = queue.len();
        self.out.status.group(self.log.group, |status| status.batches_waiting = waiting);
        Ok(())
    }

    /// A decision is handed over at once; otherwise sets grow up to a bound.
    fn is_full(&self) -> bool {
        !self.orders.is_empty() || self.set.steps.len() >= budget::STEP_INPUTS
    }

    fn observed(&mut self, observation: Observation) {
        let chain = observation.chain();
        let fault = match observation.event() {
            Event::Fault(fault) => Some(fault.clone()),
            // An adapter watches a chain for all groups that stand on it.
            Event::Transfer(transfer) if !self.bridges.contains(&transfer.bridge) => return,
            Event::Admin(change) if !self.bridges.contains(&change.bridge) => return,
            Event::Unmapped { bridge, .. } if !self.bridges.contains(bridge) => return,
            Event::Transfer(_) | Event::Admin(_) | Event::Unmapped { .. } => None,
        };
        self.told.saw(&observation, self.seen_ms());
        self.consume(Body::Observed(observation));
        if let Some(failed) = fault.and_then(|fault| self.sources.fault(chain, &fault, now_ms())) {
            self.consume(failed);
            self.out.status.chain(chain, |status| status.dark = true);
        }
    }

    fn progress(&mut self, progress: Progress) {
        if let Some(recovered) = self.sources.progress(progress.chain) {
            self.consume(recovered);
            self.out.status.chain(progress.chain, |status| status.dark = false);
        }
        self.consume(Body::Progress(progress));
    }

    fn seen_ms(&self) -> u64 {
        self.seen.map_or_else(now_ms, |seen| now_ms().saturating_sub(millis(seen.elapsed())))
    }

    /// Gives an input its place and moment, and lets the engine consume it.
    fn consume(&mut self, body: Body) {
        let moment = self.clock.advance(Instant::now(), now_ms());
        if moment.skipped {
            tracing::warn!(at_ms = moment.at_ms, "the clock was set forward, or the machine slept");
            self.consume_at(moment.at_ms, Body::Resumed);
        }
        self.consume_at(moment.at_ms, body);
    }

    fn consume_at(&mut self, at_ms: u64, body: Body) {
        let input = Input { at_ms, body };
        let effects = self.engine.step(&input);
        let encoded = encode_input(&input);
        let seq = self.end.next_seq;
        let head = chain_head(self.end.head, seq, &encoded);
        self.end = LogEnd { next_seq: seq.saturating_add(1), head };
        self.deadlines = self.deadlines.split_off(&at_ms.saturating_add(1));
        self.sources.consumed(&input.body);
        if let Body::ConfigChanged(config) = &input.body {
            self.sources.configure(&config.chains);
            self.bridges = config.bridges.iter().map(|bridge| bridge.id).collect();
        }
        self.act(&effects, head, at_ms);
        let engine_version = ENGINE_VERSION;
        let record =
            LogRecord { seq, at_ms, encoded, head, engine_version, effects: encode_effects(&effects) };
        self.set.steps.push(Step { record, input, effects });
    }

    /// Starts what an input caused. Nothing of it leaves this machine before the input is durable, except questions.
    fn act(&mut self, effects: &Effects, head: B256, at_ms: u64) {
        for effect in &effects.list {
            match effect {
                Effect::RequestEvidence { claim, incident, value_micro_usd } => {
                    self.out.evidence.request(claim.clone(), *incident, *value_micro_usd);
                }
                Effect::Open(change) => self.told.changed(&self.out.background, "opened", change, at_ms),
                Effect::Upgrade(change) => self.told.changed(&self.out.background, "grew", change, at_ms),
                Effect::Retract(change) => {
                    self.told.changed(&self.out.background, "retracted", change, at_ms);
                    self.out.evidence.forget(change.incident);
                }
                Effect::Contain(decision) => self.order(decision, head, at_ms),
                Effect::Notify(notice) => self.told.notice(notice),
                Effect::Deadline { at_ms } => {
                    self.deadlines.insert(*at_ms);
                }
                Effect::Mode(change) => self.told.mode(change),
                Effect::Checked(check) => self.told.checked(check),
            }
        }
    }

    fn order(&mut self, decision: &Decision, head: B256, at_ms: u64) {
        self.told.decided(&self.out.background, decision, head, at_ms);
        for action in &decision.actions {
            let signing = tokio::spawn({
                let (signer, action, playbook) = (self.out.signer.clone(), action.clone(), decision.playbook);
                async move { signer.sign(&action, playbook, head, 0).await }
            });
            self.orders.push(Order {
                action: action.clone(),
                playbook: decision.playbook,
                record: head,
                seen: self.seen.or_else(|| self.told.first_seen(decision.incident)),
                signing,
            });
        }
    }

    /// Hands everything consumed since the last time to the writer.
    async fn hand_over(&mut self) -> Result<(), LoopError> {
        if self.set.is_empty() {
            return Ok(());
        }
        let set = std::mem::replace(&mut self.set, WriteSet::new(self.log, self.end));
        let orders = std::mem::take(&mut self.orders);
        if !orders.is_empty() {
            self.out.hurry.notify_one();
        }
        metrics::counter!("portcullis_correlate_inputs_total")
            .increment(u64::try_from(set.steps.len()).unwrap_or(u64::MAX));
        self.out.writer.send(Work { set, orders }).await.map_err(|_gone| LoopError::WriterGone)
    }
}
