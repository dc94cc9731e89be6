//! A start from a snapshot on a real Postgres: it leaves the same as the whole log does, or is not believed.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    reason = "tests fail by panicking"
)]

mod support;

use std::fs;
use std::path::PathBuf;

use portcullis::correlate::rebuild::{RebuildError, Rebuilt, rebuild};
use portcullis::correlate::saved::{Keeper, Saved, begin};
use portcullis::store::{LogEnd, LogRecord, Pool, Step, Store, WriteSet};
use portcullis_core::log::{chain_head, encode_effects, encode_input};
use portcullis_core::snapshot::encode_engine;
use portcullis_core::{Body, ENGINE_VERSION, Engine, Input};
use portcullis_verifier::{Progress, keccak256};
use support::world::{away, config, home};
use support::{Database, log_name};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

const T0: u64 = 1_700_000_000;

/// The service, as far as its log is concerned.
struct Service {
    database: Database,
    folder: tempfile::TempDir,
    engine: Engine,
    end: LogEnd,
}

impl Service {
    async fn start() -> Self {
        let database = Database::start().await;
        database.store.open_log(&log_name()).await.unwrap();
        let (folder, engine) = (tempfile::tempdir().unwrap(), Engine::new(config()).unwrap());
        let mut service = Self { database, folder, engine, end: LogEnd::EMPTY };
        service.consume(vec![Body::ConfigChanged(Box::new(config()))]).await;
        service
    }

    fn store(&self) -> &Store {
        &self.database.store
    }

    async fn consume(&mut self, bodies: Vec<Body>) {
        let mut set = WriteSet::new(log_name(), self.end);
        for body in bodies {
            let input = Input { at_ms: T0 * 1_000 + self.end.next_seq, body };
            let (effects, encoded) = (self.engine.step(&input), encode_input(&input));
            let (seq, head) = (self.end.next_seq, chain_head(self.end.head, self.end.next_seq, &encoded));
            let (at_ms, engine_version) = (input.at_ms, ENGINE_VERSION);
            let record =
                LogRecord { seq, at_ms, encoded, head, engine_version, effects: encode_effects(&effects) };
            self.end = LogEnd { next_seq: seq + 1, head };
            set.steps.push(Step { record, input, effects });
        }
        self.database.store.commit(&set, Pool::General).await.unwrap();
    }

    /// Blocks of both chains, and one of them dark now and then.
    async fn blocks(&mut self, count: u64) {
        let first = self.end.next_seq;
        let block = |n: u64| {
            let (chain, height) = (if n.is_multiple_of(2) { home() } else { away() }, 100 + n);
            let block_hash = keccak256(n.to_be_bytes());
            let (time, since_ms) = (T0 + n, T0 * 1_000 + n);
            match n % 7 {
                5 => Body::SourceFailed { chain, operator: None, since_ms, detail: "silent".to_owned() },
                6 => Body::SourceRecovered { chain: away() },
                _ => Body::Progress(Progress {
                    chain,
                    height,
                    block_hash,
                    time,
                    safe_height: height,
                    final_height: height,
                    head_time: time,
                }),
            }
        };
        self.consume((first..first + count).map(block).collect()).await;
    }

    /// Takes a snapshot if so many inputs came; true when it did. The log takes it on after so many blocks.
    async fn keep(&mut self, inputs: u64, blocks: u64) -> bool {
        let (keeper, mut told) = self.keeper();
        let stop = CancellationToken::new();
        let kept = tokio::spawn(async move { keeper.keep(inputs, &stop).await.unwrap() });
        if let Some(body) = told.recv().await {
            self.blocks(blocks).await;
            self.consume(vec![body]).await;
        }
        kept.await.unwrap()
    }

    fn keeper(&self) -> (Keeper, mpsc::Receiver<Body>) {
        let (engine, told) = mpsc::channel(1);
        let (store, folder) = (self.store().clone(), self.folder.path().to_owned());
        (Keeper { store, log: log_name(), folder, engine }, told)
    }

    /// As a start would leave it, and how many records that took.
    async fn restart(&self) -> (Rebuilt, bool) {
        let follower = begin(log_name(), self.folder.path()).await;
        let from_snapshot = format!("{follower:?}").contains("Unconfirmed");
        (follower.finish(self.store()).await.unwrap(), from_snapshot)
    }

    /// What a start leaves is what the whole log leaves.
    async fn starts_the_same(&self) -> bool {
        let (started, from_snapshot) = self.restart().await;
        let whole = rebuild(self.store(), &log_name()).await.unwrap();
        assert_eq!((started.end, whole.end), (self.end, self.end));
        assert_eq!(encode_engine(started.engine.as_ref().unwrap()), encode_engine(&self.engine));
        assert_eq!(format!("{:?}", started.leftover), format!("{:?}", whole.leftover));
        assert_eq!(format!("{:?}", started.undoable), format!("{:?}", whole.undoable));
        assert_eq!(started.config, whole.config);
        from_snapshot
    }

    fn files(&self) -> Vec<PathBuf> {
        let mut files: Vec<_> =
            fs::read_dir(self.folder.path()).unwrap().map(|f| f.unwrap().path()).collect();
        files.sort();
        files
    }
}

#[tokio::test]
async fn a_start_from_a_snapshot_leaves_what_the_whole_log_leaves() {
    let mut service = Service::start().await;
    assert!(!service.starts_the_same().await, "there is none yet");
    service.blocks(40).await;
    assert!(!service.keep(100, 0).await, "too little came");
    assert!(service.keep(41, 5).await);
    service.blocks(30).await;
    assert!(service.starts_the_same().await);

    // The next one is taken from the one before, and the oldest goes.
    for _ in 0..2 {
        assert!(service.keep(20, 0).await);
        service.blocks(20).await;
        assert!(service.starts_the_same().await);
    }
    assert_eq!(service.files().len(), 2);
    assert!(!service.keep(1_000, 0).await);
}

#[tokio::test]
async fn what_the_log_does_not_confirm_is_not_believed() {
    let mut service = Service::start().await;
    service.blocks(40).await;
    // The service ends before the log has taken it on.
    let (keeper, mut told) = service.keeper();
    let stop = CancellationToken::new();
    let keeping = tokio::spawn({
        let stop = stop.clone();
        async move { keeper.keep(1, &stop).await.unwrap() }
    });
    let taken = told.recv().await.unwrap();
    stop.cancel();
    assert!(!keeping.await.unwrap());
    assert!(!service.starts_the_same().await, "nobody reads it");

    // Somebody gives it the name of one that is finished.
    let unfinished = service.files()[0].clone();
    fs::rename(&unfinished, unfinished.with_extension("snapshot")).unwrap();
    service.blocks(5).await;
    assert!(service.starts_the_same().await, "it is read, and the whole log decides");
    let bytes = fs::read(&service.files()[0]).unwrap();
    let (_, hash) = Saved::read(log_name(), &bytes).unwrap();
    assert_eq!(taken, Body::Snapshot { next_seq: 41, hash });
    // Another hash for the same place confirms nothing.
    service.consume(vec![Body::Snapshot { next_seq: 41, hash: keccak256("another") }]).await;
    service.blocks(5).await;
    let mut follower = begin(log_name(), service.folder.path()).await;
    while follower.page(service.store()).await.unwrap() {}
    assert!(matches!(follower.confirmed(), Err(RebuildError::Unconfirmed { next_seq: 41, .. })));
    assert!(service.starts_the_same().await);
}

#[tokio::test]
async fn a_damaged_or_foreign_file_costs_a_replay_and_nothing_else() {
    let mut service = Service::start().await;
    service.blocks(40).await;
    assert!(service.keep(1, 0).await);
    service.blocks(5).await;
    assert!(service.starts_the_same().await);
    let path = service.files()[0].clone();
    let whole = fs::read(&path).unwrap();
    // In the length, in what the shell knew, in the engine, at the end.
    for at in [0, 9, 60, whole.len() / 2, whole.len() - 1] {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        fs::write(&path, &bytes).unwrap();
        service.starts_the_same().await;
    }
    fs::write(&path, &whole[..whole.len() / 3]).unwrap();
    assert!(!service.starts_the_same().await);
    fs::write(&path, b"").unwrap();
    assert!(!service.starts_the_same().await);
}

#[tokio::test]
async fn a_snapshot_of_a_log_that_was_restored_from_a_backup_gives_way_to_the_next() {
    let mut service = Service::start().await;
    service.blocks(10).await;
    let (engine, end) = (service.restart().await.0.engine.unwrap(), service.end);
    service.blocks(30).await;
    assert!(service.keep(1, 0).await);
    // Another past from here on.
    let cut = format!(
        "SET session_replication_role = replica; DELETE FROM input_log WHERE seq >= {}",
        end.next_seq
    );
    service.database.execute(&cut).await.unwrap();
    let head: String = end.head.iter().map(|byte| format!("{byte:02x}")).collect();
    let back = format!("UPDATE logs SET next_seq = {}, head = '\\x{head}'", end.next_seq);
    service.database.execute(&back).await.unwrap();
    (service.engine, service.end) = (engine, end);
    service.consume(vec![Body::Tick]).await;
    service.blocks(5).await;
    assert!(service.starts_the_same().await, "the file is read, and the log decides");
    assert!(service.keep(1, 0).await);
    assert_eq!(service.files().len(), 1, "it goes");
    service.blocks(45).await;
    assert!(service.starts_the_same().await);
}
