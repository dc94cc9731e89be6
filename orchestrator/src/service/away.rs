//! The record is away before this process has read it: it waits, and says so.
//!
//! An engine that has not read its log knows neither which messages are consumed nor which gates it has closed. Begun
//! as if it were new, it would call old releases unbacked, and would write a log that continues nothing. So nothing is
//! decided until the log is read; people are told, the heartbeat falls silent, and every chain goes on from its cursor
//! as soon as the database answers. `docs/adr/0010-no-log-no-decision.md` says why it is this way.

use std::time::Instant;

use portcullis_adapter::Class;
use portcullis_verifier::GroupId;
use tokio_util::sync::CancellationToken;

use crate::budget;
use crate::notify::{Pager, Severity, operational};
use crate::store::{Store, StoreError};
use crate::telemetry::{Phase, Status, now_ms};
use portcullis_adapter::error::chain_of;

/// Waits until the record answers and has this program's schema, which is made where there is none. False when the
/// service is to end before that.
///
/// # Errors
/// What waiting does not help: a refused user, or the schema of another version.
pub async fn until_readable(
    store: &Store,
    groups: &[GroupId],
    status: &Status,
    pager: &Pager,
    stop: &CancellationToken,
) -> Result<bool, StoreError> {
    let mut away = Away::default();
    loop {
        let asked = async {
            // Bounded in time, which making a schema is not.
            store.ping().await?;
            store.require_schema().await
        };
        let asked = tokio::select! {
            asked = asked => asked,
            () = stop.cancelled() => return Ok(false),
        };
        match asked {
            Ok(()) => {
                status.database(None);
                return Ok(true);
            }
            Err(error) if error.class() == Class::Transient => {
                groups.iter().for_each(|group| status.group(*group, |group| group.phase = Phase::Waiting));
                away.silent(&error, status, pager);
            }
            Err(error) => return Err(error),
        }
        tokio::select! {
            () = stop.cancelled() => return Ok(false),
            () = tokio::time::sleep(budget::LEASE_ASK) => {}
        }
    }
}

/// Since when the record is away, and whether people know.
#[derive(Debug, Default)]
pub(super) struct Away {
    since: Option<(Instant, u64)>,
    told: bool,
}

impl Away {
    /// It answers.
    pub(super) fn over(&mut self) {
        *self = Self::default();
    }

    /// It does not answer. People are told once that has lasted.
    pub(super) fn silent(&mut self, error: &StoreError, status: &Status, pager: &Pager) {
        status.database(Some(chain_of(error)));
        let (since, at_ms) = *self.since.get_or_insert_with(|| (Instant::now(), now_ms()));
        if self.told || since.elapsed() < budget::AWAY_PAGE {
            return;
        }
        self.told = true;
        tracing::error!(
            code = "PC-0216",
            error = chain_of(error),
            "the record cannot be read: nothing is watched or closed from here until the database answers"
        );
        let text = format!(
            "PC-0216: this process watches nothing and closes nothing: its database has not answered since {at_ms} \
             (milliseconds since 1970); it begins by itself as soon as it does"
        );
        pager.page(operational(Severity::Page, "record_away", &text, at_ms));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn people_are_told_once_per_silence_and_only_of_one_that_lasts() {
        let (pager, mut pages) = Pager::new();
        let status = Status::default();
        let error = StoreError::Unreachable(sqlx::Error::PoolTimedOut);
        let mut away = Away::default();
        away.silent(&error, &status, &pager);
        assert!(pages.try_recv().is_err(), "a database that is started with its machine takes seconds");
        let long_ago = Instant::now().checked_sub(budget::AWAY_PAGE + Duration::from_secs(1)).unwrap();
        away.since = Some((long_ago, 1));
        away.silent(&error, &status, &pager);
        away.silent(&error, &status, &pager);
        let page = pages.try_recv().unwrap();
        assert!(page.severity == Severity::Page && page.body.contains("PC-0216"), "{page:?}");
        assert!(pages.try_recv().is_err(), "told once");
        assert!(!status.snapshot().database.ok);
        away.over();
        away.since = Some((long_ago, 2));
        away.silent(&error, &status, &pager);
        assert_ne!(pages.try_recv().unwrap().key, page.key, "another silence is another message");
    }
}
