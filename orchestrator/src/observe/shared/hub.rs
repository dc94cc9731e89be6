//! The common run of an adapter, and its members.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use portcullis_adapter::{Batch, Cursor, Observe};
use portcullis_verifier::{BlockRef, Observation, Status};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::standing::Faults;
use crate::budget;
use portcullis_adapter::error::chain_of;

/// What a member is told.
#[derive(Debug, Clone)]
pub(super) enum Told {
    /// The next batch.
    Batch(Arc<Batch>),
    /// The adapter ended, and why.
    Ended(Arc<str>),
}

/// A batch that was passed on, and on which block it stands; none is the configured start.
struct Passed {
    base: Option<BlockRef>,
    batch: Arc<Batch>,
}

/// One common run.
struct Run {
    /// Tells it from those before.
    number: u64,
    stop: CancellationToken,
    /// The newest block after the newest batch.
    tip: Option<BlockRef>,
    /// The newest batches, oldest first.
    passed: VecDeque<Passed>,
    faults: Faults,
    members: BTreeMap<u64, mpsc::Sender<Told>>,
}

#[derive(Default)]
struct State {
    run: Option<Run>,
    /// Of the last run, and of the last member.
    runs: u64,
    members: u64,
}

/// See the module.
pub(super) struct Hub {
    adapter: Arc<dyn Observe>,
    state: Mutex<State>,
}

/// A place in the common run. Given back when it is dropped.
pub(super) struct Member {
    hub: Arc<Hub>,
    run: u64,
    number: u64,
    faults: Vec<Observation>,
    /// What was passed on since the block on which the member stands.
    backlog: VecDeque<Batch>,
    queue: mpsc::Receiver<Told>,
}

impl Member {
    /// What was wrong when it joined.
    pub(super) fn faults(&mut self) -> Vec<Observation> {
        std::mem::take(&mut self.faults)
    }

    /// What comes next; none when the others would have to wait for this member.
    pub(super) async fn next(&mut self) -> Option<Told> {
        match self.backlog.pop_front() {
            Some(batch) => Some(Told::Batch(Arc::new(batch))),
            None => self.queue.recv().await,
        }
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.hub.leave(self.run, &[self.number]);
    }
}

impl Hub {
    pub(super) fn new(adapter: Arc<dyn Observe>) -> Arc<Self> {
        Arc::new(Self { adapter, state: Mutex::default() })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change is made whole before the lock is given back.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Joins the common run where it stands, or stood a moment ago, on the cursor's newest block; starts one from there
    /// when there is none. None when the common run is elsewhere.
    pub(super) fn join(self: &Arc<Self>, cursor: Option<&Cursor>) -> Option<Member> {
        let newest = cursor.and_then(|cursor| cursor.recent.first().copied());
        let (sender, queue) = mpsc::channel(budget::SHARED_QUEUE);
        let mut state = self.lock();
        let state = &mut *state;
        state.members = state.members.saturating_add(1);
        let number = state.members;
        let run = match &mut state.run {
            Some(run) => run,
            none => {
                state.runs = state.runs.saturating_add(1);
                let stop = CancellationToken::new();
                tokio::spawn(Arc::clone(self).watch(state.runs, cursor.cloned(), stop.clone()));
                none.insert(Run {
                    number: state.runs,
                    stop,
                    tip: newest,
                    passed: VecDeque::new(),
                    faults: Faults::default(),
                    members: BTreeMap::new(),
                })
            }
        };
        let backlog = run.since(newest)?;
        run.members.insert(number, sender);
        let faults = run.faults.list();
        Some(Member { hub: Arc::clone(self), run: run.number, number, faults, backlog, queue })
    }

    /// Takes members out of a run; the last one ends it.
    fn leave(&self, run: u64, members: &[u64]) {
        let mut state = self.lock();
        let Some(running) = state.run.as_mut().filter(|running| running.number == run) else { return };
        running.members.retain(|number, _| !members.contains(number));
        if running.members.is_empty() {
            running.stop.cancel();
            state.run = None;
        }
    }

    /// Runs the adapter until it ends or nobody is a member any more.
    async fn watch(self: Arc<Self>, run: u64, cursor: Option<Cursor>, stop: CancellationToken) {
        let (feed, mut batches) = mpsc::channel(budget::FEED_QUEUE);
        let (adapter, adapter_stop) = (Arc::clone(&self.adapter), stop.clone());
        let running = tokio::spawn(async move { adapter.observe(cursor, feed, adapter_stop).await });
        let _ends_with_this = stop.clone().drop_guard();
        let passing = async {
            while let Some(batch) = batches.recv().await {
                self.pass(run, batch).await;
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = passing => {}
        }
        let why = match running.await {
            Ok(Ok(())) => "it ended without a reason".to_owned(),
            Ok(Err(error)) => chain_of(&error),
            Err(error) => format!("it broke down: {error}"),
        };
        self.ended(run, &why);
    }

    /// The adapter of a run has ended: its members are told, and the next to join starts another.
    fn ended(&self, run: u64, why: &str) {
        let mut state = self.lock();
        if state.run.as_ref().is_some_and(|running| running.number == run)
            && let Some(over) = state.run.take()
        {
            for member in over.members.into_values() {
                // One whose queue is full finds the run gone when it has caught up, and goes on alone.
                let _told = member.try_send(Told::Ended(Arc::from(why)));
            }
        }
    }

    /// Passes a batch on to every member. One that has no room is waited for as long as nobody else could go on; then
    /// for a moment.
    async fn pass(&self, run: u64, batch: Batch) {
        let batch = Arc::new(batch);
        let mut taken = false;
        let mut full = Vec::new();
        {
            let mut state = self.lock();
            let Some(running) = state.run.as_mut().filter(|running| running.number == run) else { return };
            running.note(&batch);
            for (number, member) in &running.members {
                match member.try_send(Told::Batch(Arc::clone(&batch))) {
                    Ok(()) => taken = true,
                    Err(mpsc::error::TrySendError::Full(told)) => full.push((*number, member.clone(), told)),
                    // Its place is given back by whoever held it.
                    Err(mpsc::error::TrySendError::Closed(_)) => {}
                }
            }
        }
        let mut late: Vec<u64> = full.iter().map(|(number, ..)| *number).collect();
        let mut waiting: FuturesUnordered<_> = full
            .into_iter()
            .map(|(number, member, told)| async move {
                // Closed is as good as taken: it waits for nothing any more.
                let _gone = member.send(told).await;
                number
            })
            .collect();
        if !taken && let Some(number) = waiting.next().await {
            late.retain(|one| *one != number);
        }
        let rest = async {
            while let Some(number) = waiting.next().await {
                late.retain(|one| *one != number);
            }
        };
        if tokio::time::timeout(budget::SHARED_PATIENCE, rest).await.is_err() {
            drop(waiting);
            self.leave(run, &late);
        }
    }
}

impl Run {
    /// A batch is passed on.
    fn note(&mut self, batch: &Arc<Batch>) {
        self.faults.take(batch);
        // Faults alone lead nowhere: who joins gets those that are not over.
        let Some(tip) = batch.cursor.as_ref().and_then(|cursor| cursor.recent.first().copied()) else {
            return;
        };
        self.passed.push_back(Passed { base: self.tip, batch: Arc::clone(batch) });
        if self.passed.len() > budget::SHARED_PASSED {
            self.passed.pop_front();
        }
        self.tip = Some(tip);
    }

    /// What leads from a block to where the run stands; none when the run does not come from there.
    fn since(&self, newest: Option<BlockRef>) -> Option<VecDeque<Batch>> {
        if newest == self.tip {
            return Some(VecDeque::new());
        }
        let exact = self.passed.iter().rposition(|passed| passed.base == newest);
        let (from, above) = match (exact, newest) {
            (Some(from), _) => (from, None),
            (None, Some(newest)) => {
                (self.passed.iter().rposition(|passed| passed.leads_over(newest))?, Some(newest.height))
            }
            (None, None) => return None,
        };
        let rest = self.passed.iter().skip(from);
        let mut backlog: VecDeque<Batch> = rest.map(|passed| passed.batch.as_ref().clone()).collect();
        let now = Instant::now();
        for batch in &mut backlog {
            // Who joins now was not late: it was not there.
            batch.seen_at = now;
            batch.observations.retain(|one| !matches!(one.event(), portcullis_verifier::Event::Fault(_)));
        }
        if let (Some(first), Some(above)) = (backlog.front_mut(), above) {
            first.observations.retain(|one| one.position().height > above);
        }
        Some(backlog)
    }
}

impl Passed {
    /// Whether a block lies between its base and its tip, on one chain with both: then what of it lies above the block
    /// leads on from there.
    fn leads_over(&self, block: BlockRef) -> bool {
        let retracts = self.batch.observations.iter().any(|one| one.status() == Status::Retracted);
        let above = self.base.is_none_or(|base| base.height < block.height);
        let recent = self.batch.cursor.as_ref().map_or(&[][..], |cursor| cursor.recent.as_slice());
        !retracts && above && recent.contains(&block)
    }
}
