//! Observe: keeps each chain's adapter running and passes on what it sees.
//!
//! Batches go to the group's loop through bounded queues: a slow engine slows the adapters down, nothing is dropped.
//! An adapter that ends is started again, from the cursor that it delivered last.

pub mod half_told;
pub mod shared;

use std::sync::Arc;
use std::time::Duration;

use portcullis_adapter::{Batch, Cursor, Observe};
use portcullis_core::Body;
use portcullis_verifier::{ChainId, Event, FaultKind};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::budget;
use crate::telemetry::{Heads, Status, now_ms};
use half_told::HalfTold;
use portcullis_adapter::error::chain_of;

/// Watches one chain for one group.
pub struct Watcher {
    /// The family's part.
    pub adapter: Arc<dyn Observe>,
    /// Where the chain was left.
    pub cursor: Option<Cursor>,
    /// What is on record of blocks behind it.
    pub half_told: HalfTold,
    /// To the group's loop.
    pub batches: mpsc::Sender<Batch>,
    /// To the group's loop, for what is not a batch: that the chain is not seen at all.
    pub engine: mpsc::Sender<Body>,
    /// Told of every head.
    pub heads: Heads,
    /// For the health of the service.
    pub status: Arc<Status>,
}

/// How a run of the adapter ended.
enum Ended {
    /// The group ends.
    Stop,
    /// It has to be started again.
    Again(String),
}

impl Watcher {
    /// Runs until told to stop, or until the group's loop is gone.
    pub async fn run(mut self, stop: CancellationToken) {
        let chain = self.adapter.chain();
        let mut pause = budget::OBSERVE_RETRY.0;
        loop {
            let started = std::time::Instant::now();
            match self.once(chain, &stop).await {
                Ended::Stop => return,
                Ended::Again(why) => {
                    tracing::error!(code = "PC-0251", %chain, why, "an adapter ended; starting it again");
                    metrics::counter!("portcullis_observe_restarts_total", "chain" => chain.to_string())
                        .increment(1);
                    // Darkness is no cover: the engine hears of it, and of the first block that ends it.
                    let failed =
                        Body::SourceFailed { chain, operator: None, since_ms: now_ms(), detail: why.clone() };
                    self.status.chain(chain, |status| status.adapter_error = Some(why));
                    if self.engine.send(failed).await.is_err() {
                        return;
                    }
                }
            }
            // One that ran for long has earned a quick restart.
            if started.elapsed() > budget::OBSERVE_RETRY.1 {
                pause = budget::OBSERVE_RETRY.0;
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
            pause = budget::back_off(pause, budget::OBSERVE_RETRY.1);
        }
    }

    async fn once(&mut self, chain: ChainId, stop: &CancellationToken) -> Ended {
        let (feed, mut batches) = mpsc::channel(budget::FEED_QUEUE);
        let child = stop.child_token();
        let adapter = Arc::clone(&self.adapter);
        let (cursor, adapter_stop) = (self.cursor.clone(), child.clone());
        let running = tokio::spawn(async move { adapter.observe(cursor, feed, adapter_stop).await });
        let _ends_with_this = child.drop_guard();
        loop {
            tokio::select! {
                () = stop.cancelled() => return Ended::Stop,
                batch = batches.recv() => match batch {
                    Some(batch) => {
                        if !self.pass_on(chain, batch).await {
                            return Ended::Stop;
                        }
                    }
                    None => break,
                },
            }
        }
        match running.await {
            Ok(Ok(())) if stop.is_cancelled() => Ended::Stop,
            Ok(Ok(())) => Ended::Again("it ended without a reason".to_owned()),
            Ok(Err(error)) => Ended::Again(chain_of(&error)),
            Err(error) => Ended::Again(format!("it broke down: {error}")),
        }
    }

    /// Passes a batch on; false when the group's loop is gone.
    async fn pass_on(&mut self, chain: ChainId, mut batch: Batch) -> bool {
        let (progress, cursor) = (batch.progress, batch.cursor.clone());
        // What can be undone stays here, for an adapter that is started again. A start of the service finds it in the
        // log: what waits for the engine, the writer or the tables must not hold a busy chain's newest blocks as well.
        if let Some(passed) = batch.cursor.as_mut() {
            passed.undoable = Vec::new();
        }
        metrics::counter!("portcullis_observe_observations_total", "chain" => chain.to_string())
            .increment(u64::try_from(batch.observations.len()).unwrap_or(u64::MAX));
        self.note_faults(chain, &batch);
        self.finish_half_told(chain, &mut batch);
        if self.batches.send(batch).await.is_err() {
            return false;
        }
        if let Some(cursor) = cursor {
            self.cursor = Some(cursor);
        }
        if let Some(progress) = progress {
            self.heads.put(progress);
            self.status.chain(chain, |status| {
                status.progress = Some(progress);
                status.received_at_ms = now_ms();
                status.adapter_error = None;
            });
            metrics::gauge!("portcullis_observe_height", "chain" => chain.to_string())
                .set(f64::from(u32::try_from(progress.height).unwrap_or(u32::MAX)));
        }
        true
    }

    /// Takes back what a process before this one put on record of blocks that turn out not to be on the chain.
    fn finish_half_told(&mut self, chain: ChainId, batch: &mut Batch) {
        if self.half_told.is_empty() {
            return;
        }
        let gone = self.half_told.complete(batch);
        if gone > 0 {
            tracing::warn!(%chain, events = gone, "what was on record of a block that left the chain is taken back");
        }
    }

    fn note_faults(&self, chain: ChainId, batch: &Batch) {
        for observation in &batch.observations {
            let Event::Fault(fault) = observation.event() else { continue };
            let name = fault.operator.map_or_else(|| "chain".to_owned(), |operator| operator.to_string());
            let kind = fault.kind;
            metrics::counter!("portcullis_observe_faults_total", "chain" => chain.to_string(), "operator" => name.clone())
                .increment(1);
            self.status.chain(chain, |status| match kind {
                FaultKind::Recovered => drop(status.faults.remove(&name)),
                _ => drop(status.faults.insert(name, kind)),
            });
        }
    }
}

/// Keeps what signing needs fresh: at every head, and from time to time without one.
pub async fn keep_warm(contain: Arc<dyn portcullis_adapter::Contain>, heads: Heads, stop: CancellationToken) {
    let mut follow = heads.follow(contain.chain());
    loop {
        if let Err(error) = contain.warm().await {
            tracing::warn!(
                error = chain_of(&error),
                "nonces and fees could not be read; the last known ones stay"
            );
        }
        tokio::select! {
            () = stop.cancelled() => return,
            // Catching up, heads come faster than asking makes sense.
            ((), ()) = async { tokio::join!(follow.next(budget::WARM_EVERY), tokio::time::sleep(WARM_PACE)) } => {}
        }
    }
}

/// Shortest time between two refreshes.
const WARM_PACE: Duration = Duration::from_millis(100);
