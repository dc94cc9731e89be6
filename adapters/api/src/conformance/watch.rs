//! Running an observer against a ledger, and waiting for conditions instead of sleeping.

use core::time::Duration;
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use tokio::{sync::mpsc, task::JoinHandle, time::sleep};
use tokio_util::sync::CancellationToken;

use super::{Harness, ledger::Ledger};
use crate::AdapterError;

/// Longest wait for any condition.
const PATIENCE: Duration = Duration::from_secs(30);

/// An observer at work, and what it has delivered.
pub(super) struct Watch {
    ledger: Arc<Mutex<Ledger>>,
    stop: CancellationToken,
    observing: JoinHandle<Result<(), AdapterError>>,
    taking: JoinHandle<()>,
}

impl Watch {
    /// Starts a new observer where `ledger` stopped.
    pub(super) async fn start(harness: &dyn Harness, ledger: Ledger) -> Result<Self, String> {
        let observer = harness.observer().await.map_err(|error| error.to_string())?;
        let cursor = ledger.cursor();
        let ledger = Arc::new(Mutex::new(ledger));
        let stop = CancellationToken::new();
        // Small on purpose: a feed that is often full must not make an observer lose anything.
        let (feed, mut batches) = mpsc::channel(2);
        let stopped = stop.clone();
        let observing = tokio::spawn(async move { observer.observe(cursor, feed, stopped).await });
        let taker = Arc::clone(&ledger);
        let taking = tokio::spawn(async move {
            while let Some(batch) = batches.recv().await {
                taker.lock().unwrap_or_else(PoisonError::into_inner).take(&batch);
            }
        });
        Ok(Self { ledger, stop, observing, taking })
    }

    fn lock(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until a condition holds.
    pub(super) async fn until(&self, what: &str, holds: impl Fn(&Ledger) -> bool) -> Result<(), String> {
        let began = Instant::now();
        while !holds(&self.lock()) {
            if began.elapsed() > PATIENCE {
                return Err(format!(
                    "{what}: not within {} s; faults told: {:?}",
                    PATIENCE.as_secs(),
                    self.lock().faults()
                ));
            }
            if self.observing.is_finished() {
                return Err(format!("{what}: the observer returned"));
            }
            sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }

    /// Waits until exactly the truth has been delivered.
    pub(super) async fn caught_up(&self, harness: &dyn Harness) -> Result<(), String> {
        let began = Instant::now();
        loop {
            let truth = harness.truth().await.map_err(|error| error.to_string())?;
            let Some(difference) = self.lock().differs(&truth) else { return Ok(()) };
            if began.elapsed() > PATIENCE {
                return Err(format!("not caught up: {difference}; faults told: {:?}", self.lock().faults()));
            }
            sleep(Duration::from_millis(10)).await;
        }
    }

    /// Stops the observer and gives the ledger, unless a promise was broken.
    pub(super) async fn stop(self) -> Result<Ledger, String> {
        self.stop.cancel();
        let result = self.observing.await.map_err(|error| format!("the observer panicked: {error}"))?;
        result.map_err(|error| format!("the observer gave up: {error}"))?;
        self.taking.await.map_err(|error| error.to_string())?;
        let ledger = core::mem::take(&mut *self.ledger.lock().unwrap_or_else(PoisonError::into_inner));
        match ledger.violations() {
            [] => Ok(ledger),
            broken => Err(broken.join("; ")),
        }
    }
}
