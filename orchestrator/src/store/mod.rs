//! The record in Postgres.
//!
//! *Who is in the play.* A [`WriteSet`] holds what must commit together; [`Store::commit`] writes it in one
//! transaction. Reading back has its own files: logs ([`log`]), the record for people ([`people`]), leases
//! ([`lease`]). [`cluster`] runs a private server where none is named.
//!
//! Queries are checked against the migrations when this is compiled (`.sqlx` holds the answers). No transaction spans
//! a call to anything else than the database.

pub mod cluster;
mod codec;
pub mod commands;
mod commit;
mod convert;
mod error;
pub mod lease;
pub mod log;
mod notify;
mod observations;
pub mod people;
pub mod read;
pub mod schema;
mod set;
pub mod trust;
mod views;
mod warm;

use std::sync::Arc;
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions, PgQueryResult};
use sqlx::{PgPool, Postgres};
use tokio::sync::OnceCell;

pub use commit::{Committed, Pool};
pub use error::StoreError;
pub use lease::{Lease, LeaseState};
pub use log::verify_chain;
pub use notify::Due;
pub use people::{BackgroundRow, EvidenceRow, TimelineRow};
pub use set::{LogEnd, LogName, LogRecord, Signed, Step, WriteSet};

pub(crate) use codec::step_of;

use crate::budget;

/// Every migration, embedded.
pub static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("../migrations");

/// The record in Postgres. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    general: PgPool,
    containment: PgPool,
    leases: PgPool,
    /// Set when the connections of containment are warm.
    warmed: Arc<OnceCell<()>>,
}

impl Store {
    /// Opens the pools and checks that the database answers. Does not migrate.
    ///
    /// # Errors
    /// [`StoreError::Unreachable`] when it does not answer; [`StoreError::Refused`] when it refuses the user.
    pub async fn connect(options: PgConnectOptions) -> Result<Self, StoreError> {
        let store = Self::lazily(options);
        store.connection().await?;
        Ok(store)
    }

    /// The pools without asking whether anybody answers, for who waits until somebody does.
    #[must_use]
    pub fn lazily(options: PgConnectOptions) -> Self {
        // SECURITY: what is told to have been committed must survive a crash, whatever the server's own default.
        let options = options.application_name("portcullis").options([("synchronous_commit", "on")]);
        let idle_ms = budget::IDLE_TRANSACTION.as_millis().to_string();
        let options = options.options([("idle_in_transaction_session_timeout", idle_ms.as_str())]);
        let general = PgPoolOptions::new()
            .max_connections(budget::GENERAL_CONNECTIONS)
            .acquire_timeout(budget::GENERAL_ACQUIRE)
            .connect_lazy_with(options.clone());
        let containment = PgPoolOptions::new()
            .max_connections(budget::CONTAINMENT_CONNECTIONS)
            .min_connections(budget::CONTAINMENT_CONNECTIONS)
            .acquire_timeout(budget::CONTAINMENT_ACQUIRE)
            // A round trip before each use would cost a containment what it is meant to find out; a connection that
            // broke is noticed by the commit, and the journal stands in.
            .test_before_acquire(false)
            .connect_lazy_with(options.clone());
        let leases = PgPoolOptions::new()
            .max_connections(budget::LEASE_CONNECTIONS)
            .acquire_timeout(budget::LEASE_ANSWER)
            // A renewal that a crash of the server forgets only makes a lease run out sooner: no reason to write to
            // disk three times a second.
            .connect_lazy_with(options.options([("synchronous_commit", "off")]));
        Self { general, containment, leases, warmed: Arc::default() }
    }

    /// Opens the database that a URL names.
    ///
    /// # Errors
    /// As [`Store::connect`]; a URL that does not parse is [`StoreError::Refused`].
    pub async fn connect_url(url: &str) -> Result<Self, StoreError> {
        Self::connect(options_of(url)?).await
    }

    /// As [`Store::lazily`], of the database that a URL names.
    ///
    /// # Errors
    /// A URL that does not parse is [`StoreError::Refused`].
    pub fn lazily_url(url: &str) -> Result<Self, StoreError> {
        options_of(url).map(Self::lazily)
    }

    /// Asks the database for nothing, to see that it answers.
    ///
    /// # Errors
    /// As the database gives them.
    pub async fn ping(&self) -> Result<(), StoreError> {
        let one = sqlx::query_scalar!("SELECT 1").fetch_one(&self.general);
        match tokio::time::timeout(budget::GENERAL_ACQUIRE, one).await {
            Ok(answer) => answer.map(|_one| ()).map_err(|e| StoreError::from_driver("a ping", e)),
            Err(_elapsed) => Err(StoreError::Unreachable(sqlx::Error::PoolTimedOut)),
        }
    }

    /// Closes the pools, waiting for what is under way at most so long.
    pub async fn close(&self, patience: Duration) {
        let all = async { tokio::join!(self.general.close(), self.containment.close(), self.leases.close()) };
        let _closed_or_not = tokio::time::timeout(patience, all).await;
    }

    /// A connection for long work that is not containment's.
    ///
    /// # Errors
    /// As the database gives them.
    pub(crate) async fn connection(&self) -> Result<PoolConnection<Postgres>, StoreError> {
        self.general.acquire().await.map_err(|e| StoreError::from_driver("a connection", e))
    }

    fn pool(&self, pool: Pool) -> &PgPool {
        match pool {
            Pool::General => &self.general,
            Pool::Containment => &self.containment,
        }
    }
}

fn options_of(url: &str) -> Result<PgConnectOptions, StoreError> {
    url.parse().map_err(|e| StoreError::from_driver("the address of the database", e))
}

/// A statement that must have changed one row and did not has met a world that its author did not expect.
pub(crate) fn ensure_one_row(what: &'static str, result: &PgQueryResult) -> Result<(), StoreError> {
    match result.rows_affected() {
        1 => Ok(()),
        found => Err(StoreError::NotOneRow { what, found }),
    }
}
