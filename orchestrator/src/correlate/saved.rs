//! Snapshots of a log on disk, so that a start replays what came after the newest one and not the whole log.
//!
//! *Who is in the play.* Now and then [`Keeper`] follows the log beside the running engine, from the snapshot before,
//! writes what it then knows to a file, has the file's hash consumed like any input, and gives the file its name when the
//! log shows the hash. A start reads the newest file and goes on from there; until the log itself has shown that hash,
//! nothing of it is used. A file that is foreign, damaged or of another engine costs time: more of the log is replayed.
//!
//! **Architecture Invariant:** the log is the truth. Every file here can be deleted at any time.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use borsh::{BorshDeserialize, BorshSerialize};
use portcullis_core::Body;
use portcullis_core::config::EngineConfig;
use portcullis_core::snapshot::{SnapshotError, decode_engine, encode_engine, snapshot_hash};
use portcullis_verifier::B256;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::rebuild::{Follower, Leftover, RebuildError, Rebuilt, confirms};
use super::undoable::Undoable;
use crate::budget;
use crate::store::{LogEnd, LogName, Store};
use portcullis_adapter::error::chain_of;

/// Ends the name of a finished file.
const EXTENSION: &str = "snapshot";
/// Ends the name of one that the log has not confirmed.
const UNFINISHED: &str = "unfinished";

/// Why there is no snapshot, or none that can be used.
#[derive(Debug, thiserror::Error)]
pub enum SavedError {
    /// The file system.
    #[error("{} cannot be read or written", path.display())]
    Io {
        /// Which file or folder.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The file does not begin with what belongs there.
    #[error("the head of the snapshot cannot be read")]
    Head(#[source] io::Error),
    /// It is of another log.
    #[error("the snapshot is of the log {0}")]
    Foreign(LogName),
    /// The engine in it is not one to go on from.
    #[error("the engine in the snapshot cannot be used")]
    Engine(#[source] SnapshotError),
    /// The log could not be followed.
    #[error("the log could not be followed")]
    Log(#[source] RebuildError),
    /// Nothing was replayed yet, so there is nothing to keep.
    #[error("the log is empty")]
    Empty,
}

/// What stands before the engine in a file; its hash stands in the log, and covers the engine by the engine's hash.
#[derive(BorshSerialize, BorshDeserialize)]
struct Head {
    log: LogName,
    end: LogEnd,
    config: Option<EngineConfig>,
    leftover: Leftover,
    undoable: Undoable,
    engine: B256,
}

/// A snapshot in memory.
#[derive(Debug)]
pub struct Saved {
    /// Where its log ended.
    pub end: LogEnd,
    /// What the log has to say of it.
    pub hash: B256,
    bytes: Vec<u8>,
}

impl Saved {
    /// What is known at a place of a log.
    ///
    /// # Errors
    /// When nothing is known yet.
    pub fn new(log: LogName, rebuilt: Rebuilt) -> Result<Self, SavedError> {
        let Rebuilt { engine, config, end, leftover, undoable } = rebuilt;
        let engine = encode_engine(&engine.ok_or(SavedError::Empty)?);
        let head = Head { log, end, config, leftover, undoable, engine: snapshot_hash(&engine) };
        // Writing into memory cannot fail for these types.
        let head = borsh::to_vec(&head).map_err(SavedError::Head)?;
        let length = u64::try_from(head.len()).unwrap_or(u64::MAX);
        let bytes = [length.to_be_bytes().as_slice(), &head, &engine].concat();
        Ok(Self { end, hash: snapshot_hash(&head), bytes })
    }

    /// Reads a file back: what was known there, and what the log has to say of it before any of it is used.
    ///
    /// # Errors
    /// [`SavedError`] says why it is of no use.
    pub fn read(log: LogName, bytes: &[u8]) -> Result<(Rebuilt, B256), SavedError> {
        let cut = || SavedError::Head(io::ErrorKind::UnexpectedEof.into());
        let (length, rest) = bytes.split_first_chunk::<8>().ok_or_else(cut)?;
        let length = usize::try_from(u64::from_be_bytes(*length)).unwrap_or(usize::MAX);
        let (head, engine) = rest.split_at_checked(length).ok_or_else(cut)?;
        let hash = snapshot_hash(head);
        let head = Head::try_from_slice(head).map_err(SavedError::Head)?;
        if head.log != log {
            return Err(SavedError::Foreign(head.log));
        }
        let engine = decode_engine(engine, head.engine).map_err(SavedError::Engine)?;
        let Head { end, config, leftover, undoable, .. } = head;
        Ok((Rebuilt { engine: Some(engine), config, end, leftover, undoable }, hash))
    }

    /// Puts it on disk, where nobody reads it before [`Written::finish`].
    ///
    /// # Errors
    /// As the file system gives them.
    pub fn write(&self, log: LogName, folder: &Path) -> Result<Written, SavedError> {
        fs::create_dir_all(folder).map_err(at(folder))?;
        // What a process left that ended meanwhile.
        for old in files(log, folder, UNFINISHED)? {
            fs::remove_file(&old).map_err(at(&old))?;
        }
        let name = format!("{}.{}.{:020}.{UNFINISHED}", log.group, log.replica, self.end.next_seq);
        let path = folder.join(name);
        let mut file = File::create(&path).map_err(at(&path))?;
        file.write_all(&self.bytes).and_then(|()| file.sync_all()).map_err(at(&path))?;
        Ok(Written { log, folder: folder.to_owned(), path })
    }
}

/// A snapshot on disk that the log has not confirmed yet.
#[derive(Debug)]
#[must_use = "a snapshot that is not finished is never read"]
pub struct Written {
    log: LogName,
    folder: PathBuf,
    path: PathBuf,
}

impl Written {
    /// From here on it is what a start goes on from; the older ones go, but for the one before.
    ///
    /// # Errors
    /// As the file system gives them.
    pub fn finish(self) -> Result<(), SavedError> {
        let Self { log, folder, path } = self;
        let finished = path.with_extension(EXTENSION);
        fs::rename(&path, &finished).map_err(at(&finished))?;
        // The new name is durable only when the folder is; the older ones go after that.
        File::open(&folder).and_then(|folder| folder.sync_all()).map_err(at(&folder))?;
        for old in files(log, &folder, EXTENSION)?.into_iter().rev().skip(budget::SNAPSHOTS_KEPT) {
            fs::remove_file(&old).map_err(at(&old))?;
        }
        Ok(())
    }
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> SavedError + use<> {
    let path = path.to_owned();
    move |source| SavedError::Io { path, source }
}

/// Where the files of a service lie.
#[must_use]
pub fn folder(data_dir: &Path) -> PathBuf {
    data_dir.join("snapshots")
}

/// The files of a log with an extension, the oldest first.
fn files(log: LogName, folder: &Path, extension: &str) -> Result<Vec<PathBuf>, SavedError> {
    let failed = |source| SavedError::Io { path: folder.to_owned(), source };
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let prefix = format!("{}.{}.", log.group, log.replica);
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.map_err(failed)?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let sequence =
            name.strip_prefix(&prefix).and_then(|name| name.strip_suffix(&format!(".{extension}")));
        if sequence.is_some_and(|sequence| sequence.bytes().all(|byte| byte.is_ascii_digit())) {
            found.push(path);
        }
    }
    // The sequence number has as many digits in each.
    found.sort();
    Ok(found)
}

/// Where a log is followed from: behind the newest file that can be used, or from its beginning.
pub async fn begin(log: LogName, folder: &Path) -> Follower {
    let folder = folder.to_owned();
    let newest = tokio::task::spawn_blocking(move || newest(log, &folder)).await;
    match newest {
        Ok(Some((rebuilt, hash))) => Follower::behind(log, rebuilt, hash),
        Ok(None) => Follower::new(log),
        Err(error) => {
            tracing::warn!(code = "PC-0276", %log, %error, "reading a snapshot ended early; the log is replayed");
            Follower::new(log)
        }
    }
}

fn newest(log: LogName, folder: &Path) -> Option<(Rebuilt, B256)> {
    let files = files(log, folder, EXTENSION).unwrap_or_default();
    files.into_iter().rev().find_map(|path| {
        let bytes = fs::read(&path).map_err(|source| SavedError::Io { path: path.clone(), source });
        match bytes.and_then(|bytes| Saved::read(log, &bytes)) {
            Ok(saved) => Some(saved),
            Err(error) => {
                let (file, why) = (path.display(), chain_of(&error));
                tracing::warn!(code = "PC-0276", %log, %file, why, "a snapshot is of no use; more is replayed");
                None
            }
        }
    })
}

/// Takes snapshots of one log.
pub struct Keeper {
    /// Where the log is.
    pub store: Store,
    /// Which log.
    pub log: LogName,
    /// Where the files go.
    pub folder: PathBuf,
    /// Into the log.
    pub engine: mpsc::Sender<Body>,
}

impl Keeper {
    /// Looks every now and then, until told to stop.
    pub async fn run(self, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(budget::SNAPSHOT_LOOK) => {}
            }
            if let Err(error) = self.keep(budget::SNAPSHOT_INPUTS, &stop).await {
                let why = chain_of(&error);
                tracing::warn!(code = "PC-0276", log = %self.log, why, "no snapshot was taken; a start replays more");
            }
        }
    }

    /// Takes a snapshot if so many inputs came since the last one; true when it did.
    ///
    /// # Errors
    /// When the log cannot be followed or the file cannot be written.
    pub async fn keep(&self, inputs: u64, stop: &CancellationToken) -> Result<bool, SavedError> {
        let log = self.log;
        let end = self.store.open_log(&log).await.map_err(|e| SavedError::Log(RebuildError::Store(e)))?;
        let before = self.newest_of(end.next_seq)?;
        let share = end.next_seq.checked_div(budget::SNAPSHOT_SHARE).unwrap_or(0);
        if end.next_seq < before.saturating_add(inputs.max(share)) {
            return Ok(false);
        }
        let (store, folder, ended) = (self.store.clone(), self.folder.clone(), stop.clone());
        let runtime = tokio::runtime::Handle::current();
        // On a thread of its own: seconds of replaying must not delay a containment.
        let written = tokio::task::spawn_blocking(move || {
            let rebuilt = runtime.block_on(replayed(&store, log, &folder, end.next_seq, &ended))?;
            let Some(rebuilt) = rebuilt else { return Ok(None) };
            let saved = Saved::new(log, rebuilt)?;
            Ok(Some((saved.end.next_seq, saved.hash, saved.write(log, &folder)?)))
        });
        let written = written.await.unwrap_or_else(|error| {
            let (path, source) = (self.folder.clone(), io::Error::other(error));
            Err(SavedError::Io { path, source })
        });
        let Some((next_seq, hash, written)) = written? else { return Ok(false) };
        // Where nobody consumes any more, the next start goes on from the one before.
        if self.engine.send(Body::Snapshot { next_seq, hash }).await.is_err() {
            return Ok(false);
        }
        let confirmed = tokio::time::timeout(budget::SNAPSHOT_CONFIRM, self.confirmation(next_seq, hash));
        let confirmed = tokio::select! {
            () = stop.cancelled() => return Ok(false),
            confirmed = confirmed => confirmed.unwrap_or(Err(RebuildError::Unconfirmed { log, next_seq })),
        };
        confirmed.map_err(SavedError::Log)?;
        written.finish()?;
        Ok(true)
    }

    /// Where the newest snapshot was taken. Those from beyond the end of the log go: it was restored from a backup.
    fn newest_of(&self, end: u64) -> Result<u64, SavedError> {
        let mut newest = 0;
        for path in files(self.log, &self.folder, EXTENSION)? {
            match sequence(&path) {
                Some(taken_at) if taken_at <= end => newest = taken_at,
                _ => fs::remove_file(&path).map_err(at(&path))?,
            }
        }
        Ok(newest)
    }

    /// Waits until the log shows a snapshot's hash.
    async fn confirmation(&self, taken_at: u64, hash: B256) -> Result<(), RebuildError> {
        let mut next_seq = taken_at;
        loop {
            let page = self.store.log_page(&self.log, next_seq).await.map_err(RebuildError::Store)?;
            for record in &page {
                if confirms(record, taken_at, hash).map_err(RebuildError::Store)? {
                    return Ok(());
                }
                next_seq = record.seq.saturating_add(1);
            }
            if page.is_empty() {
                tokio::time::sleep(budget::RECONCILE_EVERY).await;
            }
        }
    }
}

/// What is known at a place of the log at least, from the newest snapshot that the log confirms; none when told to stop.
async fn replayed(
    store: &Store,
    log: LogName,
    folder: &Path,
    next_seq: u64,
    stop: &CancellationToken,
) -> Result<Option<Rebuilt>, SavedError> {
    let mut follower = begin(log, folder).await;
    loop {
        let on_snapshot = follower.is_on_snapshot();
        let read = loop {
            if stop.is_cancelled() {
                return Ok(None);
            }
            if follower.next_seq() >= next_seq {
                break follower.confirmed();
            }
            match follower.page(store).await {
                Ok(true) => {}
                Ok(false) => break follower.confirmed(),
                Err(error) => break Err(error),
            }
        };
        match read {
            // As at a start: whatever is wrong behind a snapshot, the log has the last word.
            Err(_) if on_snapshot => follower = Follower::new(log),
            read => return read.map(Some).map_err(SavedError::Log),
        }
    }
}

/// Up to which sequence number a file goes, by its name.
fn sequence(path: &Path) -> Option<u64> {
    path.file_stem()?.to_str()?.rsplit('.').next()?.parse().ok()
}

#[cfg(test)]
#[path = "saved_tests.rs"]
mod tests;
