//! Keeps the tables for people up with the log: each record once, in order, a moment after it is durable.
//!
//! Fresh sets come from memory; what was missed (an outage, a restart, a queue that overflowed) is read from the log.
//! Nothing that matters waits for this.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use portcullis_adapter::Class;
use portcullis_core::config::Target;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::budget;
use crate::store::{LogName, Step, Store, StoreError, WriteSet, step_of};
use portcullis_adapter::error::chain_of;

/// Steps that are kept in memory, some two kilobytes each; what is older is read from the log. A database that writes
/// tables slower than blocks come must not fill the memory of every group.
const KEPT_STEPS: usize = 2 * budget::COMMIT_INPUTS;

#[derive(Debug, Default)]
struct Kept {
    sets: VecDeque<Arc<WriteSet>>,
    steps: usize,
}

impl Kept {
    fn pop(&mut self) -> Option<Arc<WriteSet>> {
        let set = self.sets.pop_front()?;
        self.steps = self.steps.saturating_sub(set.steps.len());
        Some(set)
    }
}

/// Sets that became durable lately.
#[derive(Debug, Default)]
pub struct Fresh {
    kept: Mutex<Kept>,
    arrived: Notify,
}

impl Fresh {
    /// A set is durable in Postgres. Never waits; the newest sets are always there.
    pub fn put(&self, set: Arc<WriteSet>) {
        if set.steps.is_empty() {
            return;
        }
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.steps = kept.steps.saturating_add(set.steps.len());
        kept.sets.push_back(set);
        while kept.steps > KEPT_STEPS && kept.sets.len() > 1 {
            kept.pop();
        }
        drop(kept);
        self.arrived.notify_one();
    }

    fn take(&self) -> Option<Arc<WriteSet>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }
}

/// Writes the views of one log.
#[derive(Debug)]
pub struct Views {
    /// Where to.
    pub store: Store,
    /// Of which log.
    pub log: LogName,
    /// Configured gates: each has a row, so that one that was never read shows as such.
    pub gates: Vec<Target>,
    /// What is durable since.
    pub fresh: Arc<Fresh>,
}

impl Views {
    /// Runs until told to stop, and then only until what is in memory is written.
    pub async fn run(self, stop: CancellationToken) {
        let mut pause = budget::RETRY.0;
        loop {
            match self.follow(&stop).await {
                Ok(()) => return,
                Err(error) if stop.is_cancelled() => {
                    tracing::debug!(code = error.code(), %error, "views are completed at the next start");
                    return;
                }
                Err(error) => {
                    tracing::warn!(code = error.code(), error = chain_of(&error), "views wait");
                    tokio::select! {
                        () = stop.cancelled() => {}
                        () = tokio::time::sleep(pause) => {}
                    }
                    pause = budget::back_off(pause, Duration::from_secs(5));
                }
            }
        }
    }

    async fn follow(&self, stop: &CancellationToken) -> Result<(), StoreError> {
        self.store.register_gates(&self.log, &self.gates).await?;
        let mut next = self.store.views_end(&self.log).await?;
        next = self.catch_up(next).await?;
        loop {
            while let Some(set) = self.fresh.take() {
                if set.end().next_seq <= next {
                    continue;
                }
                next = if set.base.next_seq == next {
                    self.write(&set.steps).await?
                } else {
                    self.catch_up(next).await?
                };
            }
            tokio::select! {
                () = self.fresh.arrived.notified() => {}
                () = stop.cancelled() => return Ok(()),
            }
        }
    }

    /// Writes everything that the log holds from here on.
    async fn catch_up(&self, mut next: u64) -> Result<u64, StoreError> {
        loop {
            // No more than is written at once: every group that lags reads, and a long page, its rows and its steps are
            // in memory together.
            let page = self.store.log_part(&self.log, next, budget::STEP_INPUTS).await?;
            if page.is_empty() {
                return Ok(next);
            }
            let steps: Vec<Step> = page.into_iter().map(step_of).collect::<Result<_, _>>()?;
            next = self.write(&steps).await?;
        }
    }

    /// Writes steps; gives where the views end then.
    async fn write(&self, steps: &[Step]) -> Result<u64, StoreError> {
        match self.store.write_views(&self.log, steps).await {
            Ok(true) => Ok(steps.last().map_or(0, |step| step.record.seq.saturating_add(1))),
            // An earlier write went through although its answer was lost.
            Ok(false) => self.store.views_end(&self.log).await,
            Err(error) if error.class() == Class::Transient => Err(error),
            Err(_) => self.write_one_by_one(steps).await,
        }
    }

    /// One record that the tables refuse must not keep all later ones from people. It stays in the log.
    async fn write_one_by_one(&self, steps: &[Step]) -> Result<u64, StoreError> {
        let mut next = 0;
        for step in steps {
            let seq = step.record.seq;
            if let Err(error) = self.store.write_views(&self.log, std::slice::from_ref(step)).await {
                if error.class() == Class::Transient {
                    return Err(error);
                }
                tracing::error!(code = "PC-0237", log = %self.log, seq, error = chain_of(&error), "no view of a record");
                self.store.skip_view(&self.log, seq).await?;
            }
            next = seq.saturating_add(1);
        }
        Ok(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{LogEnd, LogRecord};
    use portcullis_core::{Body, Effects, Input};
    use portcullis_verifier::{B256, Slug};

    fn set(from: u64, steps: u64) -> Arc<WriteSet> {
        let name = Slug::new("one").unwrap();
        let log = LogName { group: name, replica: name };
        let mut set = WriteSet::new(log, LogEnd { next_seq: from, head: B256::ZERO });
        set.steps = (from..from.saturating_add(steps))
            .map(|seq| Step {
                record: LogRecord {
                    seq,
                    at_ms: 0,
                    encoded: Vec::new(),
                    head: B256::ZERO,
                    engine_version: 0,
                    effects: Vec::new(),
                },
                input: Input { at_ms: 0, body: Body::Tick },
                effects: Effects::default(),
            })
            .collect();
        Arc::new(set)
    }

    #[test]
    fn the_newest_are_kept_up_to_a_bound_however_large_the_sets_are() {
        let fresh = Fresh::default();
        for at in 0..10 {
            fresh.put(set(at * 1_000, 1_000));
        }
        let bases: Vec<u64> = std::iter::from_fn(|| fresh.take()).map(|set| set.base.next_seq).collect();
        assert_eq!(bases, [8_000, 9_000]);
        fresh.put(set(10_000, 5_000));
        assert_eq!(fresh.take().map(|set| set.steps.len()), Some(5_000), "the newest is always there");
        assert!(fresh.take().is_none());
        assert_eq!(fresh.kept.lock().unwrap().steps, 0);
    }
}
