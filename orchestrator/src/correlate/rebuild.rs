//! From a log to a running engine: replayed, checked, and with a list of what was left to do.

use std::collections::{BTreeMap, BTreeSet};

use borsh::{BorshDeserialize, BorshSerialize};
use portcullis_adapter::Class;
use portcullis_core::config::EngineConfig;
use portcullis_core::input::Outcome;
use portcullis_core::log::{decode_input, encode_effects};
use portcullis_core::{Body, Command, ENGINE_VERSION, Effect, Effects, Engine, Input};
use portcullis_verifier::{
    Action, ActionId, B256, ChainId, Claim, ClaimId, IncidentId, Progress, Slug, Verdict,
};

use super::sources::Sources;
use super::undoable::Undoable;
use crate::store::{LogEnd, LogName, LogRecord, Store, StoreError, step_of, verify_chain};

/// Why a log does not become an engine.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    /// It cannot be read, or its chain of hashes does not hold.
    #[error("PC-0271: the log cannot be read back")]
    Store(#[source] StoreError),
    /// The engine refuses the configuration.
    #[error("PC-0272: the engine refuses its configuration: {0}")]
    Config(String),
    /// It does not begin with a configuration.
    #[error("PC-0273: the log of {log} does not begin with a configuration")]
    NoConfig {
        /// Which log.
        log: LogName,
    },
    /// What a snapshot says was never taken on by the log, so nothing of it is used.
    #[error("the log of {log} does not confirm the snapshot at {next_seq}")]
    Unconfirmed {
        /// Which log.
        log: LogName,
        /// Where the snapshot stands in it.
        next_seq: u64,
    },
    /// The database says that the log ends elsewhere.
    #[error("PC-0274: the log of {log} ends at {found}, and the database says {expected}")]
    Cut {
        /// Which log.
        log: LogName,
        /// By the table of logs.
        expected: u64,
        /// By the records themselves.
        found: u64,
    },
}

/// An action that is not known to be over.
#[derive(Debug, Clone, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct OpenAction {
    /// What was decided.
    pub action: Action,
    /// Playbook that allows it.
    pub playbook: Slug,
    /// Head of the log after the input that led to it.
    pub record: B256,
    /// True when it was proven to be in effect.
    pub effective: bool,
}

/// What a log leaves behind, apart from the engine.
#[derive(Debug, Default, BorshSerialize, BorshDeserialize)]
pub struct Leftover {
    /// Claims without a decided verdict.
    pub claims: BTreeMap<ClaimId, (Claim, IncidentId, u64)>,
    /// Actions that no person stopped.
    pub actions: BTreeMap<ActionId, OpenAction>,
    /// Moments at which the engine wants to be woken, milliseconds since 1970.
    pub deadlines: BTreeSet<u64>,
    /// Which sources fail.
    pub sources: Sources,
    /// How far each chain was delivered.
    pub heads: BTreeMap<ChainId, Progress>,
    /// Moment of the last input.
    pub last_at_ms: u64,
}

impl Leftover {
    /// Whether an action's time had not run out yet on its chain.
    #[must_use]
    pub fn is_under_way(&self, action: &Action) -> bool {
        let head = self.heads.get(&action.chain);
        head.is_none_or(|head| head.time < action.until || head.height < action.until_height)
    }

    /// Takes in a consumed input with what it caused.
    pub fn consumed(&mut self, input: &Input, effects: &Effects, head: B256) {
        self.last_at_ms = self.last_at_ms.max(input.at_ms);
        self.deadlines = self.deadlines.split_off(&input.at_ms.saturating_add(1));
        self.sources.consumed(&input.body);
        match &input.body {
            Body::Proved { claim, verdict: Verdict::Proven(_) | Verdict::Refuted(..) } => {
                self.claims.remove(claim);
            }
            Body::Landed { action, outcome } => match outcome {
                Outcome::Effective { .. } => self.set_effective(*action, true),
                Outcome::Reorged => self.set_effective(*action, false),
                _ => {}
            },
            Body::Progress(progress) => drop(self.heads.insert(progress.chain, *progress)),
            Body::Command(Command::Stop { action, .. }) => drop(self.actions.remove(action)),
            Body::ConfigChanged(config) => self.sources.configure(&config.chains),
            _ => {}
        }
        for effect in &effects.list {
            self.caused(effect, head);
        }
    }

    fn caused(&mut self, effect: &Effect, head: B256) {
        match effect {
            Effect::RequestEvidence { claim, incident, value_micro_usd } => {
                self.claims.insert(claim.id(), (claim.clone(), *incident, *value_micro_usd));
            }
            Effect::Retract(change) => self.claims.retain(|_, (_, incident, _)| *incident != change.incident),
            Effect::Contain(decision) => {
                for action in &decision.actions {
                    let open = OpenAction {
                        action: action.clone(),
                        playbook: decision.playbook,
                        record: head,
                        effective: false,
                    };
                    self.actions.entry(action.id).or_insert(open);
                }
            }
            Effect::Deadline { at_ms } => {
                self.deadlines.insert(*at_ms);
            }
            Effect::Open(_)
            | Effect::Upgrade(_)
            | Effect::Notify(_)
            | Effect::Mode(_)
            | Effect::Checked(_) => {}
        }
    }

    fn set_effective(&mut self, action: ActionId, effective: bool) {
        if let Some(open) = self.actions.get_mut(&action) {
            open.effective = effective;
        }
    }
}

/// An engine as its log leaves it.
#[derive(Debug)]
pub struct Rebuilt {
    /// The engine; none when the log is empty.
    pub engine: Option<Engine>,
    /// Its configuration by the log.
    pub config: Option<EngineConfig>,
    /// Where the log ends.
    pub end: LogEnd,
    /// What was left to do.
    pub leftover: Leftover,
    /// Where the log holds what a reorganisation may have undone meanwhile.
    pub undoable: Undoable,
}

/// Replays a log into a fresh engine page by page, checking the chain of hashes on the way. A process that stands by
/// follows the log of the one that works, and has only its end to read when its turn comes.
#[derive(Debug)]
pub struct Follower {
    log: LogName,
    rebuilt: Rebuilt,
    unequal: u64,
    /// Records replayed by this follower.
    read: u64,
    behind: Behind,
}

/// What a follower stands on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Behind {
    /// The log from its first record on.
    Nothing,
    /// A snapshot at a place, with a hash that the log has not shown yet.
    Unconfirmed(u64, B256),
    /// A snapshot whose hash the log has shown.
    Confirmed,
}

impl Follower {
    /// At the beginning of a log.
    #[must_use]
    pub fn new(log: LogName) -> Self {
        let (leftover, undoable) = (Leftover::default(), Undoable::default());
        let rebuilt = Rebuilt { engine: None, config: None, end: LogEnd::EMPTY, leftover, undoable };
        Self { log, rebuilt, unequal: 0, read: 0, behind: Behind::Nothing }
    }

    /// Behind a snapshot that hashes to `hash`.
    ///
    /// SECURITY: nothing of it comes out before the log has shown that hash: whoever can write a file must not be able
    /// to make the engine forget a consumed message.
    #[must_use]
    pub fn behind(log: LogName, rebuilt: Rebuilt, hash: B256) -> Self {
        let behind = Behind::Unconfirmed(rebuilt.end.next_seq, hash);
        Self { log, rebuilt, unequal: 0, read: 0, behind }
    }

    /// Whether nothing was replayed yet.
    #[must_use]
    pub fn is_fresh(&self) -> bool {
        self.read == 0
    }

    /// Replays the next page; false when there was nothing more to read.
    ///
    /// # Errors
    /// When the log cannot be read, is broken, or is refused by the engine; then the follower is of no more use.
    pub async fn page(&mut self, store: &Store) -> Result<bool, RebuildError> {
        let page = store.log_page(&self.log, self.rebuilt.end.next_seq).await.map_err(RebuildError::Store)?;
        if page.is_empty() {
            return Ok(false);
        }
        self.rebuilt.end = verify_chain(&self.log, self.rebuilt.end, &page).map_err(RebuildError::Store)?;
        for record in page {
            self.read = self.read.saturating_add(1);
            if let Behind::Unconfirmed(next_seq, hash) = self.behind
                && confirms(&record, next_seq, hash).map_err(RebuildError::Store)?
            {
                self.behind = Behind::Confirmed;
            }
            self.unequal = self.unequal.saturating_add(u64::from(!self.rebuilt.replay(&self.log, record)?));
        }
        // A long log must not keep the other tasks of this thread from their work.
        tokio::task::yield_now().await;
        Ok(true)
    }

    /// Whether it began behind a snapshot.
    #[must_use]
    pub fn is_on_snapshot(&self) -> bool {
        self.behind != Behind::Nothing
    }

    /// Sequence number of the next record that it reads.
    #[must_use]
    pub fn next_seq(&self) -> u64 {
        self.rebuilt.end.next_seq
    }

    /// What it knows.
    ///
    /// # Errors
    /// [`RebuildError::Unconfirmed`] when it stands on a snapshot whose hash the log has not shown so far.
    pub fn confirmed(self) -> Result<Rebuilt, RebuildError> {
        match self.behind {
            Behind::Unconfirmed(next_seq, _) => Err(RebuildError::Unconfirmed { log: self.log, next_seq }),
            Behind::Nothing | Behind::Confirmed => Ok(self.rebuilt),
        }
    }

    /// Reads the rest, and holds it against where the database says that the log ends. Whatever is wrong behind a
    /// snapshot, the log from its beginning has the last word.
    ///
    /// # Errors
    /// As [`Follower::page`], and when the log was cut.
    pub async fn finish(self, store: &Store) -> Result<Rebuilt, RebuildError> {
        let (log, behind) = (self.log, self.behind);
        match self.read_all(store).await {
            Err(RebuildError::Store(error)) if error.class() == Class::Transient => {
                Err(RebuildError::Store(error))
            }
            Err(error) if behind != Behind::Nothing => {
                let why = portcullis_adapter::error::chain_of(&error);
                tracing::warn!(code = "PC-0276", %log, why, "a snapshot is of no use; the whole log is replayed");
                Self::new(log).read_all(store).await
            }
            read => read,
        }
    }

    async fn read_all(mut self, store: &Store) -> Result<Rebuilt, RebuildError> {
        let expected = store.open_log(&self.log).await.map_err(RebuildError::Store)?;
        while self.page(store).await? {}
        if self.rebuilt.end != expected {
            let found = self.rebuilt.end.next_seq;
            return Err(RebuildError::Cut { log: self.log, expected: expected.next_seq, found });
        }
        if self.unequal > 0 {
            let (log, unequal) = (self.log, self.unequal);
            tracing::warn!(code = "PC-0275", %log, unequal, "this engine decides differently on parts of the log");
        }
        self.confirmed()
    }
}

/// True for the record with which the log took a snapshot on.
pub(super) fn confirms(record: &LogRecord, next_seq: u64, hash: B256) -> Result<bool, StoreError> {
    let input = decode_input(&record.encoded);
    let (_engine, input) = input
        .map_err(|error| StoreError::Unreadable { what: "an input of the log", detail: error.to_string() })?;
    Ok(input.body == Body::Snapshot { next_seq, hash })
}

/// Replays a whole log into a fresh engine.
///
/// # Errors
/// As [`Follower::finish`].
pub async fn rebuild(store: &Store, log: &LogName) -> Result<Rebuilt, RebuildError> {
    Follower::new(*log).finish(store).await
}

impl Rebuilt {
    /// Replays one record; false when this engine decides differently.
    fn replay(&mut self, log: &LogName, record: LogRecord) -> Result<bool, RebuildError> {
        let step = step_of(record).map_err(RebuildError::Store)?;
        if let Body::ConfigChanged(config) = &step.input.body {
            self.config = Some((**config).clone());
            if self.engine.is_none() {
                let engine =
                    Engine::new((**config).clone()).map_err(|e| RebuildError::Config(e.to_string()))?;
                self.engine = Some(engine);
            }
        }
        let Some(engine) = self.engine.as_mut() else { return Err(RebuildError::NoConfig { log: *log }) };
        let effects = engine.step(&step.input);
        self.undoable.consumed(step.record.seq, &step.input.body);
        // What was decided then is what was done: the rest is taken up from the log, not from today's engine.
        self.leftover.consumed(&step.input, &step.effects, step.record.head);
        Ok(encode_effects(&effects) == step.record.effects || step.record.engine_version != ENGINE_VERSION)
    }
}
