//! A real Postgres for one test, and a small world of two chains.
#![allow(
    dead_code,
    unreachable_pub,
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    reason = "test support: it fails by panicking"
)]

pub mod harness;
pub mod proxy;
pub mod world;

use std::future::Future;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use portcullis::store::cluster::Cluster;
use portcullis::store::{LogName, Store};
use portcullis_verifier::Slug;
use tempfile::TempDir;

/// A folder that the database's user can enter, gone with the test.
pub fn open_folder() -> TempDir {
    let folder = tempfile::Builder::new().prefix("pc-").tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

/// A throw-away server with a migrated database.
pub struct Database {
    pub folder: TempDir,
    pub cluster: Option<Cluster>,
    pub store: Store,
}

impl Database {
    pub async fn start() -> Self {
        let database = Self::empty().await;
        database.store.migrate().await.unwrap();
        database
    }

    /// One without a schema.
    pub async fn empty() -> Self {
        let folder = open_folder();
        let cluster = Cluster::start(&folder.path().join("pg")).await.expect("a Postgres on this machine");
        let store = Store::connect(cluster.connect_options()).await.unwrap();
        Self { folder, cluster: Some(cluster), store }
    }

    /// Runs statements as the owner of the database.
    pub async fn execute(&self, sql: &str) -> Result<(), sqlx::Error> {
        use sqlx::Connection;
        let mut connection = sqlx::PgConnection::connect_with(&self.cluster().connect_options()).await?;
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql.to_owned())).execute(&mut connection).await?;
        connection.close().await
    }

    pub fn data(&self) -> PathBuf {
        self.folder.path().join("pg/data")
    }

    pub fn cluster(&self) -> &Cluster {
        self.cluster.as_ref().unwrap()
    }

    /// Ends the server the hard way: every backend at once, nothing written out.
    pub fn crash(&self) {
        crash(&self.data());
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        // The keeper of the cluster must not start it again.
        if let Some(cluster) = self.cluster.take() {
            cluster.abandon();
        }
        if self.data().join("postmaster.pid").exists() {
            crash(&self.data());
        }
    }
}

pub fn postmaster_pid(data: &Path) -> Option<String> {
    let text = std::fs::read_to_string(data.join("postmaster.pid")).ok()?;
    text.lines().next().map(str::to_owned)
}

/// SIGQUIT: every backend ends at once, nothing is written out.
pub fn crash(data: &Path) {
    let Some(pid) = postmaster_pid(data) else { return };
    let _sent = Command::new("kill").args(["-QUIT", &pid]).status();
    let since = Instant::now();
    while Path::new(&format!("/proc/{pid}/exe")).exists() && since.elapsed() < Duration::from_secs(10) {
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Sends a signal to the server and all of its backends.
pub fn signal_all(data: &Path, signal: &str) {
    let Some(pid) = postmaster_pid(data) else { return };
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    for pid in children.split_whitespace().chain([pid.as_str()]) {
        let _sent = Command::new("kill").args([signal, pid]).status();
    }
}

pub fn slug(text: &str) -> Slug {
    Slug::new(text).unwrap()
}

pub fn log_name() -> LogName {
    LogName { group: slug("g"), replica: slug("main") }
}

/// Waits for a condition, at most thirty seconds.
pub async fn until<F: Future<Output = bool>>(what: &str, mut condition: impl FnMut() -> F) {
    let since = Instant::now();
    while !condition().await {
        assert!(since.elapsed() < Duration::from_secs(30), "not within 30 s: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
