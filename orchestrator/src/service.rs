//! The service: everything between a wired configuration and a graceful end.
//!
//! *Who is in the play.* The wiring gives [`Wired`]: engines' configurations, one set of adapters per chain, and the
//! verifiers. [`run`] takes each group's lease, brings its journal in, rebuilds its engine from its log, takes up what was
//! left to do, lets the adapters observe from where they were left, and joins the seven steps: [`crate::observe`] →
//! [`crate::verify`] → [`crate::correlate`] (where the engine also decides) → [`crate::contain`] →
//! [`crate::confirm`] → [`crate::recover`]. A group that fails is started again from its log.

mod away;
mod generation;
mod group;
mod leases;
mod running;
mod steps;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use portcullis_adapter::{Contain, Observe, Prove};
use portcullis_core::{Command, EngineConfig};
use portcullis_verifier::{ChainId, GroupId, OperatorId, Registry, Slug, keccak256};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::budget;
use crate::contain::purse::Purse;
use crate::notify::Pager;
use crate::operate::Operate;
use crate::store::Store;
use crate::telemetry::{Status, now_ms};
pub use away::until_readable;
use generation::Shell;
use leases::Leases;

/// A checked configuration with everything that it names.
pub struct Wired {
    /// One engine each.
    pub groups: Vec<GroupWiring>,
    /// Every chain that any group needs.
    pub chains: BTreeMap<ChainId, ChainWiring>,
    /// Judges evidence.
    pub registry: Arc<Registry>,
}

/// One linked group.
pub struct GroupWiring {
    /// What its engine knows before it sees anything.
    pub engine_config: EngineConfig,
}

/// What proof systems start from on a chain, as it stands now: by the system's name, in its own encoding. It comes from
/// the configuration and from headers that were verified since, never from evidence.
pub type Pinned = Arc<dyn Fn() -> BTreeMap<Slug, Vec<u8>> + Send + Sync>;

/// Nothing: for chains whose headers are attested by operators alone.
#[must_use]
pub fn nothing_pinned() -> Pinned {
    Arc::new(BTreeMap::new)
}

/// The roles that a family plays for one chain.
#[derive(Clone)]
pub struct ChainWiring {
    /// Watches it. Where several groups stand on the chain they watch it together, as far as they keep up with each other.
    pub observe: Arc<dyn Observe>,
    /// Gathers evidence on it.
    pub prove: Arc<dyn Prove>,
    /// Closes gates on it; none where no signer is configured, and then its gates are closed by people only.
    pub contain: Option<Arc<dyn Contain>>,
    /// Operators whose word counts; a name that occurs twice is one voice.
    pub operators: Vec<OperatorId>,
    /// How many of them must agree on a header.
    pub quorum: u16,
    /// What proofs start from.
    pub pinned: Pinned,
}

/// What the service is told besides the configuration.
pub struct Options {
    /// Where journal and kill switches lie. One process per folder.
    pub data_dir: PathBuf,
    /// Name of this log among those of the same group; two processes of one name take turns by lease.
    pub replica: Slug,
    /// Ends everything gracefully.
    pub stop: CancellationToken,
    /// Shown by the API; kept up to date by the service.
    pub status: Arc<Status>,
    /// How it is operated.
    pub operate: Operate,
    /// What people tell engines, by group; see [`commands`].
    pub commands: mpsc::Receiver<Told>,
    /// Wakes people while the database is away.
    pub pager: Pager,
    /// Checked configurations that replace the running one, whole; see [`changes`].
    pub changes: mpsc::Receiver<Change>,
}

/// What a person tells the engine of a group.
pub type Told = (GroupId, Command);

/// A way to tell engines something, and its far end for [`Options`].
#[must_use]
pub fn commands() -> (mpsc::Sender<Told>, mpsc::Receiver<Told>) {
    mpsc::channel(budget::CONTROL_QUEUE)
}

/// A checked configuration that replaces the running one, whole.
pub struct Change {
    /// Engines and adapters.
    pub wired: Wired,
    /// How it is operated. What it may spend stays that of the start.
    pub operate: Operate,
}

/// A way to replace the configuration while the service runs, and its far end for [`Options`].
#[must_use]
pub fn changes() -> (mpsc::Sender<Change>, mpsc::Receiver<Change>) {
    mpsc::channel(1)
}

/// Why the service does not run.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// The data directory.
    #[error("PC-0281: the data directory {} cannot be used", path.display())]
    DataDir {
        /// Which.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// Another process works there.
    #[error("PC-0282: another process uses the data directory {}", path.display())]
    InUse {
        /// Which.
        path: PathBuf,
    },
    /// A group stands on a chain that is not wired.
    #[error("PC-0283: group {group} stands on {chain}, which is not configured")]
    UnknownChain {
        /// Which group.
        group: GroupId,
        /// Which chain.
        chain: ChainId,
    },
}

impl ServiceError {
    /// The code under which the documentation explains it.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::DataDir { .. } => "PC-0281",
            Self::InUse { .. } => "PC-0282",
            Self::UnknownChain { .. } => "PC-0283",
        }
    }
}

/// Runs until told to stop. Everything that was consumed is durable when this returns.
///
/// # Errors
/// Only what trying again does not help; everything else is reported by the status and tried again.
pub async fn run(wired: Wired, store: Store, options: Options) -> Result<(), ServiceError> {
    let Options { data_dir, replica, stop, status, operate, mut commands, pager, mut changes } = options;
    let _lock = lock(&data_dir)?;
    wired.check()?;
    let leases = Leases::new(store.clone(), holder_of(&data_dir));
    // Renewed until the last group has given its own back.
    let renewing = tokio::spawn(Arc::clone(&leases).run(CancellationToken::new()));
    let watching = tokio::spawn(watch_database(store.clone(), Arc::clone(&status), stop.clone()));
    // One purse for all groups and configurations: the money is one.
    let purse = Arc::new(Purse::new(operate.spending.clone(), operate.actions_per_hour));
    let shell = Shell { store, data_dir, replica, leases, status, purse, pager, stop };
    let mut running = shell.begin(Change { wired, operate }, BTreeMap::new());
    while let Some(changed) = running.until_changed(&shell.stop, &mut commands, &mut changes).await {
        if let Err(error) = changed.wired.check() {
            tracing::error!(code = error.code(), %error, "the change is not taken");
            continue;
        }
        running = shell.swap(running, changed, &mut commands).await;
    }
    running.end().await;
    renewing.abort();
    // It ends with the service; should the database hang, it is not waited for.
    watching.abort();
    shell.store.close(budget::SHUTDOWN).await;
    Ok(())
}

impl Wired {
    /// Every chain that a group stands on must be wired.
    fn check(&self) -> Result<(), ServiceError> {
        for config in self.groups.iter().map(|wiring| &wiring.engine_config) {
            if let Some(chain) = config.chains.iter().find(|chain| !self.chains.contains_key(&chain.id)) {
                return Err(ServiceError::UnknownChain { group: config.group, chain: chain.id });
            }
        }
        Ok(())
    }
}

/// Asks the database from time to time, so that its state is known while nothing is written.
async fn watch_database(store: Store, status: Arc<Status>, stop: CancellationToken) {
    let mut partitions_ms = 0;
    loop {
        match store.ping().await {
            Ok(()) => {
                status.database(None);
                let now = now_ms();
                if now.saturating_sub(partitions_ms) > 3_600_000 {
                    match store.prepare_partitions(now).await {
                        Ok(()) => partitions_ms = now,
                        Err(error) => tracing::warn!(code = error.code(), %error, "partitions were not made"),
                    }
                }
            }
            Err(error) => status.database(Some(portcullis_adapter::error::chain_of(&error))),
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(budget::DATABASE_ASK) => {}
        }
    }
}

/// One process per data directory: two would write one journal.
fn lock(data_dir: &Path) -> Result<File, ServiceError> {
    let fail = |source| ServiceError::DataDir { path: data_dir.to_path_buf(), source };
    fs::create_dir_all(data_dir).map_err(fail)?;
    let file = File::create(data_dir.join("lock")).map_err(fail)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => Err(ServiceError::InUse { path: data_dir.to_path_buf() }),
        Err(fs::TryLockError::Error(source)) => Err(fail(source)),
    }
}

/// Name of this holder of leases: that of the machine and the data directory, so that a restart need not wait for its own lease.
fn holder_of(data_dir: &Path) -> String {
    let path = fs::canonicalize(data_dir).unwrap_or_else(|_| data_dir.to_path_buf());
    let machine =
        ["/etc/machine-id", "/etc/hostname"].iter().find_map(|file| fs::read(file).ok()).unwrap_or_default();
    let digest = keccak256([machine.as_slice(), path.as_os_str().as_encoded_bytes()].concat());
    digest.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_process_per_data_directory_and_a_stable_holder() {
        let folder = tempfile::tempdir().unwrap();
        let held = lock(folder.path()).unwrap();
        assert!(matches!(lock(folder.path()), Err(ServiceError::InUse { .. })));
        drop(held);
        assert!(lock(folder.path()).is_ok());
        assert_eq!(holder_of(folder.path()), holder_of(folder.path()));
        let other = tempfile::tempdir().unwrap();
        assert_ne!(holder_of(folder.path()), holder_of(other.path()));
    }
}
