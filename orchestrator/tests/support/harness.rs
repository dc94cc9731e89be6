//! Runs the service as a test needs it: started, ended, killed; and says what must hold in the end.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use portcullis::notify::Pager;
use portcullis::operate::Operate;
use portcullis::service::{self, Options, Wired};
use portcullis::store::Store;
use portcullis::telemetry::{Phase, Status};
use portcullis_core::Command;
use portcullis_core::log::{ReplayReport, replay};
use portcullis_verifier::{GroupId, IncidentId};
use sqlx::postgres::PgConnectOptions;
use tokio_util::sync::CancellationToken;

use super::world::{World, away, home};
use super::{Database, log_name, slug, until};

/// Threads of a service's runtime.
const WORKERS: usize = 2;

/// The service on a runtime of its own, so that it can be killed with everything that it started.
pub struct Service {
    pub runtime: Option<tokio::runtime::Runtime>,
    pub stop: CancellationToken,
    pub status: Arc<Status>,
    pub commands: tokio::sync::mpsc::Sender<(GroupId, Command)>,
    pub changes: tokio::sync::mpsc::Sender<service::Change>,
    pub task: Option<tokio::task::JoinHandle<()>>,
}

impl Service {
    pub fn start(world: &World, options: PgConnectOptions, data_dir: PathBuf) -> Self {
        Self::named(world, options, data_dir, "main")
    }

    pub fn named(world: &World, database: PgConnectOptions, data_dir: PathBuf, replica: &str) -> Self {
        Self::with(world.wired(), world.operate(), database, data_dir, replica, Pager::default())
    }

    /// With somebody who is woken while the database is away.
    pub fn paged(world: &World, database: PgConnectOptions, data_dir: PathBuf, pager: Pager) -> Self {
        Self::with(world.wired(), world.operate(), database, data_dir, "main", pager)
    }

    /// Operated otherwise than other tests' services.
    pub fn operated(wired: Wired, operate: Operate, database: &Database) -> Self {
        let (options, pager) = (database.cluster().connect_options(), Pager::default());
        Self::with(wired, operate, options, data_dir(database), "main", pager)
    }

    fn with(
        wired: Wired,
        operate: Operate,
        database: PgConnectOptions,
        data_dir: PathBuf,
        replica: &str,
        pager: Pager,
    ) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(WORKERS).enable_all().build().unwrap();
        let (stop, status) = (CancellationToken::new(), Arc::new(Status::default()));
        let ((commands, far), (changes, far_changes)) = (service::commands(), service::changes());
        let replica = slug(replica);
        let options = Options {
            data_dir,
            replica,
            stop: stop.clone(),
            status: Arc::clone(&status),
            operate,
            commands: far,
            changes: far_changes,
            pager,
        };
        let task = runtime.spawn(async move {
            let store = Store::connect(database).await.unwrap();
            service::run(wired, store, options).await.unwrap();
        });
        Self { runtime: Some(runtime), stop, status, commands, changes, task: Some(task) }
    }

    pub fn phase(&self) -> Phase {
        self.status.snapshot().groups.get(&slug("g")).map(|group| group.phase).unwrap_or_default()
    }

    pub async fn running(&self) {
        until("the group runs", || async { self.phase() == Phase::Running }).await;
    }

    pub async fn end(mut self) {
        self.stop.cancel();
        self.task.take().unwrap().await.unwrap();
        self.runtime.take().unwrap().shutdown_background();
    }

    /// Every thread stops where it stands, as under SIGSTOP: connections stay open, nothing is answered.
    pub async fn freeze(&self) -> Frozen {
        let frozen = Frozen::default();
        let runtime = self.runtime.as_ref().unwrap();
        for _ in 0..WORKERS {
            let inner = Arc::clone(&frozen.0);
            runtime.spawn(async move { inner.hold() });
        }
        until("every thread stands still", || async { *frozen.0.held.lock().unwrap() == WORKERS }).await;
        frozen
    }

    /// Every task ends where it stands, as under kill -9.
    pub async fn kill(mut self) {
        let runtime = self.runtime.take().unwrap();
        let ended = move || runtime.shutdown_timeout(Duration::from_secs(5));
        tokio::task::spawn_blocking(ended).await.unwrap();
    }
}

/// Threads that stand still until this is thawed or dropped.
#[derive(Default)]
pub struct Frozen(Arc<Standstill>);

#[derive(Default)]
struct Standstill {
    held: Mutex<usize>,
    thawed: Mutex<bool>,
    wake: Condvar,
}

impl Standstill {
    fn hold(&self) {
        *self.held.lock().unwrap() += 1;
        let thawed = self.thawed.lock().unwrap();
        drop(self.wake.wait_while(thawed, |thawed| !*thawed).unwrap());
    }
}

impl Frozen {
    /// As SIGCONT.
    pub fn thaw(self) {}
}

impl Drop for Frozen {
    fn drop(&mut self) {
        *self.0.thawed.lock().unwrap() = true;
        self.0.wake.notify_all();
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

pub fn data_dir(database: &Database) -> PathBuf {
    database.folder.path().join("data")
}

pub fn start(world: &World, database: &Database) -> Service {
    Service::start(world, database.cluster().connect_options(), data_dir(database))
}

/// A fresh database and a fresh world, and a service that works on them.
pub async fn running() -> (Database, World, Service) {
    let (database, world) = (Database::start().await, World::new());
    let service = start(&world, &database);
    service.running().await;
    (database, world, service)
}

/// Ends a service; a fresh engine then decides the same from what it left.
pub async fn over(service: Service, database: &Database) {
    service.end().await;
    assert_replays(&database.store).await;
}

/// Lets blocks come until a condition holds.
pub async fn mine_until(world: &World, what: &str, condition: impl Fn() -> bool) {
    until(what, || {
        let done = condition();
        if !done {
            world.mine_both();
        }
        async move {
            tokio::time::sleep(Duration::from_millis(40)).await;
            done
        }
    })
    .await;
}

pub async fn incident(store: &Store) -> IncidentId {
    let halts =
        |rows: Vec<_>| rows.iter().any(|row: &portcullis::store::read::IncidentRow| row.class == "halt");
    until("an incident is on record", || async { store.incidents(None, 10).await.is_ok_and(halts) }).await;
    let mut rows = store.incidents(None, 10).await.unwrap();
    // A cause that an outsider can provoke makes an incident of its own, which only notifies.
    rows.retain(|row| row.class == "halt");
    assert_eq!(rows.len(), 1, "one attack, one incident to halt for: {rows:?}");
    IncidentId(rows[0].incident_id.as_slice().try_into().unwrap())
}

pub async fn states(store: &Store, incident: IncidentId) -> Vec<(String, String)> {
    store.actions(incident).await.unwrap().into_iter().map(|row| (row.chain, row.state)).collect()
}

pub async fn both_effective(store: &Store, world: &World, id: IncidentId) {
    until("both gates are proven closed", || async {
        let states = states(store, id).await;
        let done = [home(), away()]
            .iter()
            .all(|chain| states.iter().any(|(c, s)| c == chain.as_str() && s == "effective"));
        if !done {
            world.mine_both();
            tokio::time::sleep(Duration::from_millis(40)).await;
        }
        done
    })
    .await;
}

pub async fn assert_replays(store: &Store) {
    let records = store.log_records(&log_name()).await.unwrap();
    let report = replay(records.into_iter().map(Into::into));
    assert!(matches!(report, ReplayReport::Equal { .. }), "{report:?}");
}

/// Row before bytes: whatever reached an endpoint lies in the table of attempts.
pub async fn assert_rows_cover_bytes(store: &Store, world: &World) {
    for attempt in world.received() {
        let rows = store.attempts(attempt.action).await.unwrap();
        assert!(rows.contains(&attempt), "bytes without a row: {attempt:?}");
    }
}

pub fn journal_of(data_dir: &Path) -> PathBuf {
    data_dir.join("journal/g.main.journal")
}
