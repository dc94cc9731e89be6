//! Making things durable: Postgres first, the local journal when Postgres does not answer in time.
//!
//! *Who is in the play.* [`Durable`] takes sets: those of the [`crate::writer`], in order, and later attempts from the
//! lane. [`reconcile`] brings the journal into Postgres once it answers again.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use portcullis_adapter::{Attempt, error::chain_of};
use portcullis_verifier::{Action, B256, Slug};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::budget;
use crate::journal::{Journal, JournalError, Slot};
use crate::notify::{Pager, messages};
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
    /// True when it was signed a moment ago, and so the kill switches were read a moment ago.
    pub cleared: bool,
}

#[derive(Debug)]
struct Pending {
    journal: Journal,
    sets: VecDeque<Waiting>,
}

/// A set that lies in the journal and not in Postgres.
#[derive(Debug, Clone)]
enum Waiting {
    /// In memory as well.
    Held(Arc<WriteSet>),
    /// Only there: a long outage must not fill the memory.
    Spilled(Slot),
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
    pager: Pager,
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
        pager: Pager,
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
            sets.push_back(Waiting::Held(Arc::new(
                WriteSet::decode(record).map_err(DurableError::Unreadable)?,
            )));
        }
        let pending = Arc::new(Mutex::new(Pending { journal, sets }));
        let (fresh, overtaken) = (Arc::new(Fresh::default()), CancellationToken::new());
        Ok(Self { store, log, holder, pending, status, fresh, pager, overtaken })
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
    pub(crate) async fn write(
        &self,
        set: Arc<WriteSet>,
        urgent: bool,
        hurry: &Notify,
    ) -> Result<(), DurableError> {
        if set.is_empty() {
            return Ok(());
        }
        // Records must reach Postgres in order: while earlier ones lie in the journal, later ones go there too. So do
        // attempts, because a database that did not answer a moment ago is not worth waiting for.
        if self.pending() == 0 {
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
                Some(Err(error)) => self.status.database(Some(chain_of(&error))),
                None => self.status.database(Some("a commit was not answered in time".to_owned())),
            }
        }
        self.to_journal(set, urgent, hurry).await
    }

    async fn to_journal(&self, set: Arc<WriteSet>, urgent: bool, hurry: &Notify) -> Result<(), DurableError> {
        metrics::counter!("portcullis_journal_records_total").increment(1);
        // Inputs that nothing waits for may fill the journal only so far: then they wait for Postgres.
        // Something urgent behind them ends that wait.
        while !urgent && self.lock().journal.bytes() > budget::JOURNAL_BYTES {
            tokio::select! {
                () = tokio::time::sleep(budget::RECONCILE_EVERY) => {}
                () = hurry.notified() => break,
            }
        }
        let payload = set.encode().map_err(DurableError::Unreadable)?;
        let (pending, taken) = (Arc::clone(&self.pending), Arc::clone(&set));
        let written = tokio::task::spawn_blocking(move || {
            let mut pending = pending.lock().unwrap_or_else(PoisonError::into_inner);
            let slot = pending.journal.append(&payload)?;
            let held = pending.sets.len() < budget::JOURNAL_HELD;
            pending.sets.push_back(if held { Waiting::Held(set) } else { Waiting::Spilled(slot) });
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
        // The tables that people are told from cannot be written: whoever has to be woken is told directly.
        for step in &taken.steps {
            messages(&self.log, step).into_iter().for_each(|message| self.pager.page(message));
        }
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
        let Some(set) = self.oldest()? else { return Ok(false) };
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

    fn oldest(&self) -> Result<Option<Arc<WriteSet>>, StoreError> {
        let pending = self.lock();
        match pending.sets.front() {
            None => Ok(None),
            Some(Waiting::Held(set)) => Ok(Some(Arc::clone(set))),
            Some(Waiting::Spilled(slot)) => {
                let unreadable = |error: JournalError| StoreError::Unreadable {
                    what: "a record of the journal",
                    detail: chain_of(&error),
                };
                let payload = pending.journal.read(*slot).map_err(unreadable)?;
                drop(pending);
                WriteSet::decode(&payload).map(|set| Some(Arc::new(set)))
            }
        }
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
