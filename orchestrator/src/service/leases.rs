//! Keeps the leases of this process: all of them renewed in one statement, and each group told when its own is lost.
//!
//! A lease saves work: who has it watches, and the others stand by with the log replayed up to its end. What keeps two
//! writers apart is the log itself, which moves only from where its writer knew it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use crate::budget;
use crate::store::{Lease, LeaseState, LogName, Store, StoreError};

/// The leases that this process holds.
#[derive(Debug)]
pub(super) struct Leases {
    store: Store,
    holder: String,
    held: Mutex<BTreeMap<LogName, (Lease, CancellationToken)>>,
}

impl Leases {
    pub(super) fn new(store: Store, holder: String) -> Arc<Self> {
        Arc::new(Self { store, holder, held: Mutex::default() })
    }

    pub(super) fn holder(&self) -> &str {
        &self.holder
    }

    /// Looks at a lease, and takes it where nobody else works.
    ///
    /// # Errors
    /// As the database gives them; silence counts as such.
    pub(super) async fn ask(&self, log: &LogName, patience: &Patience) -> Result<Asked, StoreError> {
        let silent = || StoreError::Unreachable(sqlx::Error::PoolTimedOut);
        let state = tokio::time::timeout(budget::LEASE_ANSWER, self.store.lease_state(log, &self.holder));
        match state.await.map_err(|_elapsed| silent())?? {
            LeaseState::Held(left) => return Ok(Asked::Wait(left)),
            LeaseState::RunOut if patience.is_short() => return Ok(Asked::Wait(budget::LEASE_RENEW)),
            LeaseState::RunOut | LeaseState::Free => {}
        }
        let taken = self.store.take_lease(log, &self.holder, budget::LEASE);
        let taken =
            tokio::time::timeout(budget::LEASE_ANSWER, taken).await.map_err(|_elapsed| silent())??;
        Ok(taken.map_or(Asked::Wait(budget::LEASE_RENEW), Asked::Taken))
    }

    /// Renews a lease from now on; the token is cancelled when it is lost.
    pub(super) fn keep(&self, lease: &Lease) -> CancellationToken {
        let lost = CancellationToken::new();
        self.lock().insert(lease.log, (lease.clone(), lost.clone()));
        lost
    }

    /// Renews a lease no longer, and gives it back.
    pub(super) async fn give_back(&self, lease: &Lease) {
        self.lock().remove(&lease.log);
        // Not getting through only means that the next holder waits until it has run out.
        match tokio::time::timeout(budget::LEASE_RELEASE, self.store.release_lease(lease)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(code = error.code(), %error, "the lease was not given back"),
            Err(_elapsed) => tracing::debug!("the lease was not given back in time"),
        }
    }

    /// Gives back what is held of other logs than these.
    pub(super) async fn give_back_all_but(&self, logs: &[LogName]) {
        let others: Vec<Lease> = self.lock().values().map(|(lease, _)| lease.clone()).collect();
        for lease in others.iter().filter(|lease| !logs.contains(&lease.log)) {
            self.give_back(lease).await;
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<LogName, (Lease, CancellationToken)>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Renews until told to stop.
    pub(super) async fn run(self: Arc<Self>, stop: CancellationToken) {
        let mut renewal = tokio::time::interval(budget::LEASE_RENEW);
        renewal.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = renewal.tick() => self.renew().await,
            }
        }
    }

    async fn renew(&self) {
        // What is taken while the database answers was not asked for, and is not judged by this answer.
        let asked = self.lock().clone();
        if asked.is_empty() {
            return;
        }
        let logs: Vec<LogName> = asked.keys().copied().collect();
        let renewed = self.store.renew_leases(&logs, &self.holder, budget::LEASE);
        match tokio::time::timeout(budget::LEASE_ANSWER, renewed).await {
            Ok(Ok(still)) => {
                // Another process took it, or somebody cleared the table: take it anew, or stand by.
                asked.iter().filter(|(log, _)| !still.contains(log)).for_each(|(_, (_, lost))| lost.cancel());
            }
            // A database that does not answer gives it to nobody else either.
            Ok(Err(error)) => tracing::warn!(code = error.code(), %error, "leases were not renewed"),
            Err(_elapsed) => tracing::warn!("leases were not renewed in time"),
        }
    }
}

/// What asking for a lease gave.
#[derive(Debug)]
pub(super) enum Asked {
    /// It is this process's.
    Taken(Lease),
    /// Another process has it; asking again makes sense after so long.
    Wait(Duration),
}

/// How long a process that stands by has had answers from the database.
///
/// When the database was away, every lease has run out. Who held it is given as long as a lease lasts to come back:
/// what it did meanwhile lies in its journal, and continues the log only if nobody else did.
#[derive(Debug, Default)]
pub(super) struct Patience {
    silent_at: Option<Instant>,
}

impl Patience {
    /// The database did not answer.
    pub(super) fn silence(&mut self) {
        self.silent_at = Some(Instant::now());
    }

    fn is_short(&self) -> bool {
        self.silent_at.is_some_and(|at| at.elapsed() < budget::LEASE)
    }
}
