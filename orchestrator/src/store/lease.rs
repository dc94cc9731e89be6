//! Leases: which process works on a group under a name. They save work; what keeps two writers apart is the end of
//! the log, which moves only from where its writer knew it.

use std::collections::BTreeSet;
use std::time::Duration;

use super::convert::{to_slug, to_u64};
use super::{LogName, Store, StoreError};

/// A lease that this process holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// For which log.
    pub log: LogName,
    /// This process.
    pub holder: String,
    /// Counts changes of holder.
    pub epoch: u64,
}

/// A lease as another process finds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeaseState {
    /// Nobody has it, or the asker itself.
    Free,
    /// Another process had it and let it run out.
    RunOut,
    /// Another process has it for so long, unless it prolongs it.
    Held(Duration),
}

impl Store {
    /// How a lease stands for a holder. Reads only.
    ///
    /// # Errors
    /// As the database gives them.
    pub async fn lease_state(&self, log: &LogName, holder: &str) -> Result<LeaseState, StoreError> {
        let row = sqlx::query!(
            r#"SELECT holder, (extract(epoch FROM held_until - clock_timestamp()) * 1000)::bigint AS "left_ms!"
               FROM leases WHERE group_id = $1 AND replica = $2"#,
            log.group.as_str(),
            log.replica.as_str(),
        )
        .fetch_optional(&self.leases)
        .await
        .map_err(|e| StoreError::from_driver("a lease", e))?;
        Ok(match row {
            Some(row) if row.holder != holder => match u64::try_from(row.left_ms) {
                Ok(left_ms) if left_ms > 0 => LeaseState::Held(Duration::from_millis(left_ms)),
                _ => LeaseState::RunOut,
            },
            _ => LeaseState::Free,
        })
    }

    /// Prolongs all of a holder's leases among these; gives those that it still has.
    ///
    /// # Errors
    /// As the database gives them: then nobody else can have taken one there either.
    pub async fn renew_leases(
        &self,
        logs: &[LogName],
        holder: &str,
        length: Duration,
    ) -> Result<BTreeSet<LogName>, StoreError> {
        let groups: Vec<String> = logs.iter().map(|log| log.group.to_string()).collect();
        let replicas: Vec<String> = logs.iter().map(|log| log.replica.to_string()).collect();
        let rows = sqlx::query!(
            "UPDATE leases SET held_until = clock_timestamp() + make_interval(secs => $4)
             FROM UNNEST($1::text[], $2::text[]) AS mine (group_id, replica)
             WHERE leases.group_id = mine.group_id AND leases.replica = mine.replica AND leases.holder = $3
             RETURNING leases.group_id, leases.replica",
            &groups,
            &replicas,
            holder,
            length.as_secs_f64(),
        )
        .fetch_all(&self.leases)
        .await
        .map_err(|e| StoreError::from_driver("leases", e))?;
        rows.into_iter()
            .map(|row| {
                Ok(LogName {
                    group: to_slug("a group", &row.group_id)?,
                    replica: to_slug("a replica", &row.replica)?,
                })
            })
            .collect()
    }

    /// Takes the lease when it is free, has run out, or is this holder's already; none while another holds it.
    ///
    /// # Errors
    /// As the database gives them.
    pub async fn take_lease(
        &self,
        log: &LogName,
        holder: &str,
        length: Duration,
    ) -> Result<Option<Lease>, StoreError> {
        let row = sqlx::query!(
            // The clock is the database's: those of two machines may differ.
            "INSERT INTO leases AS old (group_id, replica, holder, epoch, held_until)
             VALUES ($1, $2, $3, 1, clock_timestamp() + make_interval(secs => $4))
             ON CONFLICT (group_id, replica) DO UPDATE SET
                 holder = excluded.holder,
                 epoch = old.epoch + CASE WHEN old.holder = excluded.holder THEN 0 ELSE 1 END,
                 held_until = excluded.held_until
             WHERE old.holder = excluded.holder OR old.held_until < clock_timestamp()
             RETURNING epoch",
            log.group.as_str(),
            log.replica.as_str(),
            holder,
            length.as_secs_f64(),
        )
        .fetch_optional(&self.leases)
        .await
        .map_err(|e| StoreError::from_driver("a lease", e))?;
        row.map(|row| {
            Ok(Lease { log: *log, holder: holder.to_owned(), epoch: to_u64("an epoch", row.epoch)? })
        })
        .transpose()
    }

    /// Gives a lease back, so that another process need not wait for it to run out.
    ///
    /// # Errors
    /// As the database gives them.
    pub async fn release_lease(&self, lease: &Lease) -> Result<(), StoreError> {
        sqlx::query!(
            "DELETE FROM leases WHERE group_id = $1 AND replica = $2 AND holder = $3",
            lease.log.group.as_str(),
            lease.log.replica.as_str(),
            lease.holder,
        )
        .execute(&self.leases)
        .await
        .map_err(|e| StoreError::from_driver("a lease", e))?;
        Ok(())
    }
}
