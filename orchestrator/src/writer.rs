//! The writer: makes what a group's loop consumed durable, in order, and only then lets the lane act.
//!
//! Sets that queue up commit together. What is urgent does not wait for company. The row is there before the first
//! byte leaves.

use std::sync::Arc;
use std::time::Duration;

use portcullis_verifier::{Action, B256, Slug};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;

use crate::budget;
use crate::contain::Signing;
use crate::persist::{Dispatch, Durable, DurableError};
use crate::store::{Signed, WriteSet};
use crate::telemetry::{Status, now_ms};
use portcullis_adapter::error::chain_of;

/// An action whose containment waits for the decision to be durable.
#[derive(Debug)]
pub struct Order {
    /// What to do.
    pub action: Action,
    /// Playbook that allows it.
    pub playbook: Slug,
    /// Head of the log after the input that led to it.
    pub record: B256,
    /// When what led to it was seen on the socket.
    pub seen: Option<std::time::Instant>,
    /// Signing, under way since the decision.
    pub signing: JoinHandle<Signing>,
}

/// What the writer is handed.
#[derive(Debug)]
pub struct Work {
    /// What to write.
    pub set: WriteSet,
    /// What waits for it.
    pub orders: Vec<Order>,
}

/// Commits what the engine's loop hands over, in order.
#[derive(Debug)]
pub struct Writer {
    /// Where to.
    pub durable: Arc<Durable>,
    /// From the loop.
    pub work: mpsc::Receiver<Work>,
    /// Told by the loop when it hands over something urgent.
    pub hurry: Arc<Notify>,
    /// To the lane.
    pub lane: mpsc::Sender<Dispatch>,
    /// For the health of the service.
    pub status: Arc<Status>,
}

impl Writer {
    /// Runs until the loop ends; everything that it handed over is durable then.
    ///
    /// # Errors
    /// When another process writes the log, or when nothing takes the records.
    pub async fn run(mut self) -> Result<(), DurableError> {
        while let Some(first) = self.work.recv().await {
            let work = self.gather(first).await;
            self.persist(work).await?;
        }
        Ok(())
    }

    /// Puts what follows within a moment behind a set; what is urgent, or large, does not wait.
    async fn gather(&mut self, mut work: Work) -> Work {
        let moment = tokio::time::sleep(budget::LINGER);
        tokio::pin!(moment);
        while work.set.steps.len() < budget::COMMIT_INPUTS {
            let next = if work.orders.is_empty() {
                tokio::select! {
                    biased;
                    next = self.work.recv() => next,
                    () = &mut moment => None,
                }
            } else {
                self.work.try_recv().ok()
            };
            let Some(next) = next else { break };
            work.set.append(next.set);
            work.orders.extend(next.orders);
        }
        work
    }

    async fn persist(&self, work: Work) -> Result<(), DurableError> {
        let Work { mut set, orders } = work;
        let group = set.log.group;
        let oldest = set.steps.first().map(|step| step.record.at_ms);
        self.status.group(group, |status| status.oldest_pending_ms = oldest);
        let urgent = !orders.is_empty();
        let ready = futures::future::join_all(orders.into_iter().map(sign_in_time)).await;
        let at_ms = now_ms();
        for dispatch in &ready {
            let signed = dispatch.attempts.iter().map(|attempt| Signed { attempt: attempt.clone(), at_ms });
            set.attempts.extend(signed);
        }
        let end = set.end();
        let set = Arc::new(set);
        let mut pause = budget::RECONCILE_EVERY;
        while let Err(error) = self.durable.write(Arc::clone(&set), urgent, &self.hurry).await {
            if matches!(error, DurableError::StepBack(_)) {
                return Err(error);
            }
            // Neither takes it: nothing may be sent. Both are tried until one does.
            tracing::error!(
                code = error.code(),
                error = chain_of(&error),
                "nothing takes the record; trying again"
            );
            tokio::time::sleep(pause).await;
            pause = budget::back_off(pause, Duration::from_secs(5));
        }
        for dispatch in ready {
            // The lane ends only with the group; then nothing more is to be sent.
            let _sent = self.lane.send(dispatch).await;
        }
        self.status.group(group, |status| {
            status.oldest_pending_ms = None;
            status.next_seq = end.next_seq;
            status.head = end.head;
        });
        Ok(())
    }
}

/// Signing began with the decision; what is not there in time is signed again by the lane, after the commit.
async fn sign_in_time(order: Order) -> Dispatch {
    let Order { action, playbook, record, seen, mut signing } = order;
    let attempts = match tokio::time::timeout(budget::SIGNING, &mut signing).await {
        Ok(Ok(Signing::Signed(attempts))) => attempts,
        Ok(_) => Vec::new(),
        Err(_elapsed) => {
            signing.abort();
            Vec::new()
        }
    };
    let cleared = !attempts.is_empty();
    Dispatch { action, playbook, record, seen, attempts, effective: false, cleared }
}
