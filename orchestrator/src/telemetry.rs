//! What people see of the service while it runs: the timeline, its status, its clock.
//!
//! The timeline has one line per step, as an event of `tracing` (target `portcullis::timeline`) at once, and as a row
//! soon after. Nothing here is ever waited for by a decision or a containment.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use portcullis_verifier::{ActionId, B256, ChainId, FaultKind, GroupId, IncidentId, Progress};
use serde::Serialize;
use tokio::sync::{mpsc, watch};

use crate::budget;
use crate::store::people::BackgroundRow;
use crate::store::{LogName, TimelineRow};

/// The service's clock, milliseconds since 1970.
#[must_use]
pub fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// A duration in whole milliseconds.
#[must_use]
pub fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// The seven verbs, and no others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// An adapter reported something.
    Observe,
    /// A verifier judged a claim.
    Verify,
    /// Signals joined, grew or fell away.
    Correlate,
    /// A plan was made.
    Decide,
    /// Bytes were signed and sent.
    Contain,
    /// Something landed, or its effect was proven.
    Confirm,
    /// A gate moved back.
    Recover,
}

impl Verb {
    /// As it stands in tables, spans, metrics and documents.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Observe => "observe",
            Self::Verify => "verify",
            Self::Correlate => "correlate",
            Self::Decide => "decide",
            Self::Contain => "contain",
            Self::Confirm => "confirm",
            Self::Recover => "recover",
        }
    }
}

/// One line of the timeline, without the name of its log.
#[derive(Debug, Clone)]
pub struct Note {
    verb: Verb,
    incident: Option<IncidentId>,
    chain: Option<ChainId>,
    action: Option<ActionId>,
    at_ms: u64,
    height: Option<u64>,
    detail: String,
}

impl Note {
    /// A line that happens now.
    #[must_use]
    pub fn new(verb: Verb, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        Self { verb, incident: None, chain: None, action: None, at_ms: now_ms(), height: None, detail }
    }

    /// Of an incident.
    #[must_use]
    pub fn incident(mut self, incident: IncidentId) -> Self {
        self.incident = Some(incident);
        self
    }

    /// On a chain.
    #[must_use]
    pub fn chain(mut self, chain: ChainId) -> Self {
        self.chain = Some(chain);
        self
    }

    /// Of an action.
    #[must_use]
    pub fn action(mut self, action: ActionId) -> Self {
        self.action = Some(action);
        self
    }

    /// At a moment other than now, milliseconds since 1970.
    #[must_use]
    pub fn at_ms(mut self, at_ms: u64) -> Self {
        self.at_ms = at_ms;
        self
    }

    /// At a height of the chain.
    #[must_use]
    pub fn height(mut self, height: u64) -> Self {
        self.height = Some(height);
        self
    }
}

/// Rows for people, on their way to the database.
#[derive(Debug, Clone)]
pub struct Background {
    log: LogName,
    queue: mpsc::Sender<BackgroundRow>,
}

impl Background {
    /// The near end of a queue, and its far end for [`crate::background::write`].
    #[must_use]
    pub fn new(log: LogName) -> (Self, mpsc::Receiver<BackgroundRow>) {
        let (queue, far) = mpsc::channel(budget::BACKGROUND_QUEUE);
        (Self { log, queue }, far)
    }

    /// Which log this belongs to.
    #[must_use]
    pub fn log(&self) -> LogName {
        self.log
    }

    /// Puts a row on its way. A full queue drops and counts it: the truth is in the log.
    pub fn put(&self, row: BackgroundRow) {
        if self.queue.try_send(row).is_err() {
            metrics::counter!("portcullis_background_rows_dropped_total").increment(1);
        }
    }

    /// Writes a line of the timeline.
    pub fn note(&self, note: Note) {
        let Note { verb, incident, chain, action, at_ms, height, detail } = note;
        let step = verb.as_str();
        metrics::counter!("portcullis_steps_total", "step" => step).increment(1);
        tracing::info!(
            target: "portcullis::timeline",
            step,
            group = %self.log.group,
            chain = chain.map(tracing::field::display),
            incident = incident.map(tracing::field::display),
            action = action.map(tracing::field::display),
            height,
            at_ms,
            detail,
        );
        let log = self.log;
        self.put(BackgroundRow::Timeline(TimelineRow {
            log,
            incident,
            step,
            chain,
            action,
            at_ms,
            height,
            detail,
        }));
    }
}

/// How far each chain is delivered, for whoever waits for heads.
#[derive(Debug, Clone)]
pub struct Heads {
    chains: Arc<BTreeMap<ChainId, watch::Sender<Option<Progress>>>>,
}

impl Heads {
    /// Heads of these chains, none known yet.
    #[must_use]
    pub fn new(chains: impl IntoIterator<Item = ChainId>) -> Self {
        let chains = chains.into_iter().map(|chain| (chain, watch::Sender::new(None))).collect();
        Self { chains: Arc::new(chains) }
    }

    /// A chain has been delivered up to here.
    pub fn put(&self, progress: Progress) {
        if let Some(sender) = self.chains.get(&progress.chain) {
            sender.send_replace(Some(progress));
        }
    }

    /// How far a chain is delivered.
    #[must_use]
    pub fn get(&self, chain: ChainId) -> Option<Progress> {
        self.chains.get(&chain).and_then(|sender| *sender.borrow())
    }

    /// Follows a chain from now on: heads that come between two waits are not missed.
    #[must_use]
    pub fn follow(&self, chain: ChainId) -> Follow {
        Follow { heads: self.chains.get(&chain).map(watch::Sender::subscribe) }
    }
}

/// Follows the heads of one chain.
#[derive(Debug)]
pub struct Follow {
    heads: Option<watch::Receiver<Option<Progress>>>,
}

impl Follow {
    /// Resolves at once when a head came since the last wait, else at the next one, or after `at_most` without one.
    pub async fn next(&mut self, at_most: Duration) {
        match self.heads.as_mut() {
            // An elapsed wait is an answer as well: the caller looks for itself.
            Some(heads) => drop(tokio::time::timeout(at_most, heads.changed()).await),
            None => tokio::time::sleep(at_most).await,
        }
    }
}

/// A chain as it is seen now.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ChainStatus {
    /// How far it is delivered; none before the first block.
    pub progress: Option<Progress>,
    /// When that came in, milliseconds since 1970.
    pub received_at_ms: u64,
    /// Operators (or `chain`) that misbehave, and how.
    pub faults: BTreeMap<String, FaultKind>,
    /// True while fewer operators than the quorum tell.
    pub dark: bool,
    /// Why its adapter ended last, while it is being started again.
    pub adapter_error: Option<String>,
}

/// What a group is doing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Opening its log.
    #[default]
    Starting,
    /// The database does not answer: without its log a group decides nothing.
    Waiting,
    /// Another process holds its lease.
    Standby,
    /// Replaying its log.
    Rebuilding,
    /// Running.
    Running,
    /// Waiting to be started again after an error.
    Failed,
}

/// A group as it is now.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct GroupStatus {
    /// What it is doing.
    pub phase: Phase,
    /// Records of its log.
    pub next_seq: u64,
    /// Head of its log.
    pub head: B256,
    /// Batches that wait for its engine.
    pub batches_waiting: usize,
    /// When the oldest input that is not durable yet came in, milliseconds since 1970; none when all are.
    pub oldest_pending_ms: Option<u64>,
    /// Claims that wait for evidence or are judged.
    pub evidence_waiting: usize,
    /// Claims whose last verdict was undecided.
    pub evidence_undecided: usize,
    /// Actions that are not known to be in effect.
    pub actions_open: usize,
    /// Records that lie in the journal and not in the database.
    pub journal_records: usize,
    /// Why it was started again last.
    pub error: Option<String>,
}

/// The database as it is now.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct DatabaseStatus {
    /// Whether it answered last.
    pub ok: bool,
    /// Since when that is so, milliseconds since 1970.
    pub since_ms: u64,
    /// What it said last when it did not.
    pub error: Option<String>,
}

/// Everything at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Snapshot {
    /// By chain.
    pub chains: BTreeMap<ChainId, ChainStatus>,
    /// By group.
    pub groups: BTreeMap<GroupId, GroupStatus>,
    /// The database.
    pub database: DatabaseStatus,
    /// Why the configuration file on disk is not the one that is in use; none when it is.
    pub config_refused: Option<String>,
}

/// The live status of the service.
#[derive(Debug, Default)]
pub struct Status {
    now: Mutex<Snapshot>,
}

impl Status {
    /// A copy of everything at this moment.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.now.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Changes what is said of a chain.
    pub fn chain(&self, chain: ChainId, change: impl FnOnce(&mut ChainStatus)) {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        change(now.chains.entry(chain).or_default());
    }

    /// Changes what is said of a group.
    pub fn group(&self, group: GroupId, change: impl FnOnce(&mut GroupStatus)) {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        change(now.groups.entry(group).or_default());
    }

    /// Forgets what is not configured any more.
    pub fn only(&self, groups: &BTreeSet<GroupId>, chains: &BTreeSet<ChainId>) {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        now.groups.retain(|group, _| groups.contains(group));
        now.chains.retain(|chain, _| chains.contains(chain));
    }

    /// Says why the configuration file on disk is not the one that is in use; none when it is.
    pub fn config(&self, refused: Option<String>) {
        self.now.lock().unwrap_or_else(PoisonError::into_inner).config_refused = refused;
    }

    /// Says whether the database answers.
    pub fn database(&self, error: Option<String>) {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        let ok = error.is_none();
        if now.database.ok != ok || now.database.since_ms == 0 {
            now.database.since_ms = now_ms();
        }
        now.database.ok = ok;
        if error.is_some() {
            now.database.error = error;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_head_wakes_who_waits_and_silence_does_too() {
        let chain = ChainId::new("test:1").unwrap();
        let heads = Heads::new([chain]);
        let mut follow = heads.follow(chain);
        follow.next(Duration::from_millis(5)).await;
        assert_eq!(heads.get(chain), None);
        let head = Progress {
            chain,
            height: 7,
            block_hash: B256::ZERO,
            time: 1,
            safe_height: 0,
            final_height: 0,
            head_time: 1,
        };
        heads.put(head);
        // It came between two waits and is not missed.
        follow.next(Duration::from_secs(600)).await;
        assert_eq!(heads.get(chain), Some(head));
    }

    #[test]
    fn the_database_keeps_what_it_said_last_and_since_when() {
        let status = Status::default();
        status.database(Some("gone".to_owned()));
        let gone = status.snapshot().database;
        assert!(!gone.ok && gone.since_ms > 0);
        status.database(None);
        let back = status.snapshot().database;
        assert!(back.ok && back.error.as_deref() == Some("gone"));
    }
}
