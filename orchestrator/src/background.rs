//! Writes rows for people, many in one transaction, and waits out a database that does not answer.

use std::collections::VecDeque;
use std::time::Duration;

use portcullis_adapter::Class;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::budget;
use crate::store::people::BackgroundRow;
use crate::store::{Store, StoreError};

/// Rows of one transaction.
const ROWS: usize = 128;

/// How often a row that found nothing to change is tried again: what it belongs to may still lie in the journal, or
/// the views may be a moment behind.
const LATE_TRIES: u32 = 240;
const LATE_PAUSE: Duration = Duration::from_millis(500);

/// Rows that found nothing to change, with how often they were tried.
type Late = VecDeque<(BackgroundRow, u32)>;

/// Writes rows until the queue closes.
pub async fn write(store: Store, mut queue: mpsc::Receiver<BackgroundRow>, stop: CancellationToken) {
    let mut late = Late::new();
    let mut again = tokio::time::interval(LATE_PAUSE);
    again.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let mut rows = Vec::new();
        tokio::select! {
            received = queue.recv_many(&mut rows, ROWS) => {
                if received == 0 {
                    return;
                }
                write_rows(&store, rows, &mut late, &stop).await;
            }
            _ = again.tick(), if !late.is_empty() => {
                for (row, tries) in std::mem::take(&mut late) {
                    write_row(&store, row, tries, &mut late, &stop).await;
                }
            }
        }
    }
}

/// All at once; where that is refused, one by one, so that one bad row does not cost the others.
async fn write_rows(store: &Store, rows: Vec<BackgroundRow>, late: &mut Late, stop: &CancellationToken) {
    if patiently(store, &rows, stop).await.is_ok() {
        return;
    }
    for row in rows {
        write_row(store, row, 0, late, stop).await;
    }
}

async fn write_row(store: &Store, row: BackgroundRow, tries: u32, late: &mut Late, stop: &CancellationToken) {
    match patiently(store, std::slice::from_ref(&row), stop).await {
        Ok(()) => {}
        Err(StoreError::NotOneRow { .. }) if tries < LATE_TRIES && late.len() < budget::BACKGROUND_QUEUE => {
            late.push_back((row, tries.saturating_add(1)));
        }
        Err(error) => {
            metrics::counter!("portcullis_background_rows_dropped_total").increment(1);
            tracing::warn!(code = error.code(), %error, "a row for people was not written");
        }
    }
}

/// Tries until the database answers, or the service ends.
async fn patiently(
    store: &Store,
    rows: &[BackgroundRow],
    stop: &CancellationToken,
) -> Result<(), StoreError> {
    let mut pause = budget::RETRY.0;
    loop {
        match store.write_background(rows).await {
            Err(error) if error.class() == Class::Transient && !stop.is_cancelled() => {
                tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    () = stop.cancelled() => {}
                }
                pause = budget::back_off(pause, budget::RETRY.1);
            }
            other => return other,
        }
    }
}
