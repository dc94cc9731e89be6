//! Making things durable: Postgres first, the local journal when Postgres does not answer in time.
//!
//! *Who is in the play.* The engine's loop hands [`Work`] to the [`Writer`], which commits it in order, many sets in
//! one transaction when they queue up. Only then what waits for it is dispatched: the row is there before the first
//! byte leaves. The lane writes later attempts through [`Durable`] itself. [`reconcile`] brings the journal into
//! Postgres once it answers again.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use portcullis_adapter::Attempt;
use portcullis_verifier::{Action, B256, Slug};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::budget;
use crate::contain::Signing;
use crate::journal::{Journal, JournalError};
use crate::store::{LogEnd, LogName, Pool, Signed, Store, StoreError, WriteSet};
use crate::telemetry::{Status, now_ms};
use crate::views::Fresh;

/// Why something could not be made durable.
#[derive(Debug, thiserror::Error)]
pub enum DurableError {
    /// Another process writes the log: this one has to step back and start from what is there.
    #[error("PC-0231: another process writes this log")]
    StepBack(#[source] StoreError),
    /// The journal.
    #[error("PC-0232: the journal cannot be used")]
    Journal(#[source] JournalError),
    /// What lies in the journal cannot be read.
    #[error("PC-0233: a record of the journal cannot be read")]
    Unreadable(#[source] StoreError),
}

impl DurableError {
    /// The code under which the documentation explains it.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::StepBack(_) => "PC-0231",
            Self::Journal(_) => "PC-0232",
            Self::Unreadable(_) => "PC-0233",
        }
    }
}

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

/// An action that may be sent: its decision, and its attempts if there are any, are durable.
#[derive(Debug)]
pub struct Dispatch {
    /// What to do.
    pub action: Action,
    /// Playbook that allows it.
    pub playbook: Slug,
    /// Head of the log that goes into the trip.
    pub record: B256,
    /// When what led to it was seen on the socket.
    pub seen: Option<std::time::Instant>,
    /// What is signed and durable already.
    pub attempts: Vec<Attempt>,
    /// True when an earlier run had proven it to be in effect.
    pub effective: bool,
}

#[derive(Debug)]
struct Pending {
    journal: Journal,
    sets: VecDeque<Arc<WriteSet>>,
}

/// Where things become durable for one log.
#[derive(Debug)]
pub struct Durable {
    store: Store,
    log: LogName,
    holder: String,
    pending: Arc<Mutex<Pending>>,
    status: Arc<Status>,
    fresh: Arc<Fresh>,
    /// Set when the reconciler finds that the log has gone on without this process.
    overtaken: CancellationToken,
}

impl Durable {
    /// Opens the journal of a log below a data directory and takes up what it holds.
    ///
    /// # Errors
    /// When the journal cannot be opened or read.
    pub fn open(
        store: Store,
        log: LogName,
        holder: String,
        data_dir: &Path,
        status: Arc<Status>,
    ) -> Result<Self, DurableError> {
        let path = data_dir.join("journal").join(format!("{}.{}.journal", log.group, log.replica));
        let (journal, found) = Journal::open(&path).map_err(DurableError::Journal)?;
        if let Some(copy) = &found.damaged {
            tracing::error!(code = "PC-0234", copy = %copy.display(), "the journal was damaged; a copy is kept");
        }
        if found.torn_bytes > 0 {
            tracing::warn!(
                bytes = found.torn_bytes,
                "the journal ended in a record that was never acknowledged"
            );
        }
        let mut sets = VecDeque::new();
        for record in &found.records {
            sets.push_back(Arc::new(WriteSet::decode(record).map_err(DurableError::Unreadable)?));
        }
        let pending = Arc::new(Mutex::new(Pending { journal, sets }));
        let (fresh, overtaken) = (Arc::new(Fresh::default()), CancellationToken::new());
        Ok(Self { store, log, holder, pending, status, fresh, overtaken })
    }

    /// Sets that reached Postgres, for the views.
    #[must_use]
    pub fn fresh(&self) -> Arc<Fresh> {
        Arc::clone(&self.fresh)
    }

    /// Cancelled when the log has gone on without this process.
    #[must_use]
    pub fn overtaken(&self) -> &CancellationToken {
        &self.overtaken
    }

    /// Sets that lie in the journal and not in Postgres.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.lock().sets.len()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records must reach Postgres in order: while earlier ones lie in the journal, later ones go there too.
    fn steps_pending(&self) -> bool {
        self.lock().sets.iter().any(|set| !set.steps.is_empty())
    }

    /// Makes attempts durable that no step comes with.
    ///
    /// # Errors
    /// When neither Postgres nor the journal takes them: then nothing may be sent.
    pub async fn attempts(&self, attempts: &[Attempt]) -> Result<(), DurableError> {
        let at_ms = now_ms();
        let mut set = WriteSet::new(self.log, LogEnd::EMPTY);
        set.attempts = attempts.iter().map(|attempt| Signed { attempt: attempt.clone(), at_ms }).collect();
        self.write(Arc::new(set), true, &Notify::new()).await
    }

    /// Makes a set durable: in Postgres within its time, else in the journal.
    async fn write(&self, set: Arc<WriteSet>, urgent: bool, hurry: &Notify) -> Result<(), DurableError> {
        if set.is_empty() {
            return Ok(());
        }
        if set.steps.is_empty() || !self.steps_pending() {
            // On its own task: an answer that comes late must not leave half a transaction on the connection.
            let commit = tokio::spawn({
                let (store, set) = (self.store.clone(), Arc::clone(&set));
                async move { store.commit(&set, Pool::Containment).await }
            });
            let started = std::time::Instant::now();
            let answer = within(commit, urgent, hurry).await;
            metrics::histogram!("portcullis_commit_seconds").record(started.elapsed().as_secs_f64());
            match answer {
                Some(Ok(_committed)) => {
                    self.status.database(None);
                    self.fresh.put(set);
                    return Ok(());
                }
                Some(Err(moved @ StoreError::EndMoved { .. })) => return Err(DurableError::StepBack(moved)),
                Some(Err(error)) => self.status.database(Some(describe(&error))),
                None => self.status.database(Some("a commit was not answered in time".to_owned())),
            }
        }
        self.to_journal(set, urgent).await
    }

    async fn to_journal(&self, set: Arc<WriteSet>, urgent: bool) -> Result<(), DurableError> {
        metrics::counter!("portcullis_journal_records_total").increment(1);
        // Inputs that nothing waits for may fill the journal only so far: then they wait for Postgres.
        while !urgent && self.lock().journal.bytes() > budget::JOURNAL_BYTES {
            tokio::time::sleep(budget::RECONCILE_EVERY).await;
        }
        let payload = set.encode().map_err(DurableError::Unreadable)?;
        let pending = Arc::clone(&self.pending);
        let written = tokio::task::spawn_blocking(move || {
            let mut pending = pending.lock().unwrap_or_else(PoisonError::into_inner);
            pending.journal.append(&payload)?;
            pending.sets.push_back(set);
            Ok(pending.sets.len())
        });
        let count = written.await.unwrap_or_else(|panicked| {
            Err(JournalError::Io {
                what: "the writer of the journal ended",
                path: Path::new("journal").to_path_buf(),
                source: std::io::Error::other(panicked),
            })
        });
        let count = count.map_err(DurableError::Journal)?;
        self.status.group(self.log.group, |group| group.journal_records = count);
        tracing::warn!(
            code = "PC-0235",
            waiting = count,
            "the database did not answer in time; the journal has it"
        );
        Ok(())
    }

    /// Brings the oldest set of the journal into Postgres; false when there is none.
    ///
    /// # Errors
    /// As the database gives them; the set stays.
    pub async fn reconcile_one(&self) -> Result<bool, StoreError> {
        let Some(set) = self.lock().sets.front().cloned() else { return Ok(false) };
        let commit = tokio::time::timeout(budget::RECONCILE_COMMIT, self.store.commit(&set, Pool::General));
        match commit.await {
            Err(_elapsed) => return Err(StoreError::Unreachable(sqlx::Error::PoolTimedOut)),
            Ok(Err(StoreError::EndMoved { .. })) => self.set_aside(&set).await?,
            Ok(Err(error)) => return Err(error),
            Ok(Ok(_committed)) => self.fresh.put(Arc::clone(&set)),
        }
        self.status.database(None);
        let mut pending = self.lock();
        pending.sets.pop_front();
        if pending.sets.is_empty() {
            // Should the disk refuse, bringing the same records in again changes nothing.
            if let Err(error) = pending.journal.clear() {
                tracing::error!(code = error.code(), %error, "the journal could not be cleared");
            }
        }
        let count = pending.sets.len();
        drop(pending);
        self.status.group(self.log.group, |group| group.journal_records = count);
        Ok(true)
    }

    /// The place of these records was taken by another process: they are kept beside the log, attempts as always.
    async fn set_aside(&self, set: &WriteSet) -> Result<(), StoreError> {
        tracing::error!(
            code = "PC-0236",
            log = %self.log,
            from = set.base.next_seq,
            "the log went on without records of this journal; they are kept in log_forks"
        );
        let records: Vec<_> = set.steps.iter().map(|step| step.record.clone()).collect();
        self.store.keep_fork(&self.log, &self.holder, &records).await?;
        let mut attempts = WriteSet::new(self.log, LogEnd::EMPTY);
        attempts.attempts.clone_from(&set.attempts);
        self.store.commit(&attempts, Pool::General).await?;
        self.overtaken.cancel();
        Ok(())
    }
}

/// Brings the journal into Postgres whenever there is something in it and the database answers.
pub async fn reconcile(durable: Arc<Durable>, stop: CancellationToken) {
    loop {
        match durable.reconcile_one().await {
            Ok(true) => continue,
            Ok(false) => {}
            Err(error) => tracing::debug!(code = error.code(), %error, "the journal waits for the database"),
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(budget::RECONCILE_EVERY) => {}
        }
    }
}

/// An error with its causes, in one line.
pub(crate) fn describe(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

/// Waits for a commit. Something urgent that arrives meanwhile cuts the patience down to its own.
async fn within<T: Send + 'static>(mut commit: JoinHandle<T>, urgent: bool, hurry: &Notify) -> Option<T> {
    let patience = if urgent { budget::URGENT_COMMIT } else { budget::ORDINARY_COMMIT };
    let late = tokio::time::sleep(patience);
    tokio::pin!(late);
    let mut hurried = urgent;
    loop {
        tokio::select! {
            biased;
            answer = &mut commit => return answer.ok(),
            () = &mut late => return None,
            () = hurry.notified(), if !hurried => {
                hurried = true;
                if let Some(sooner) = Instant::now().checked_add(budget::URGENT_COMMIT)
                    && sooner < late.deadline()
                {
                    late.as_mut().reset(sooner);
                }
            }
        }
    }
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
                error = describe(&error),
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
    Dispatch { action, playbook, record, seen, attempts, effective: false }
}
