//! Leases: which process works on a group under a name. They save work; what keeps two writers apart is the end of
//! the log, which moves only from where its writer knew it.

use std::time::Duration;

use super::convert::to_u64;
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

impl Store {
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
        .fetch_optional(&self.general)
        .await
        .map_err(|e| StoreError::from_driver("a lease", e))?;
        row.map(|row| {
            Ok(Lease { log: *log, holder: holder.to_owned(), epoch: to_u64("an epoch", row.epoch)? })
        })
        .transpose()
    }

    /// Prolongs a lease; false when another process has taken it since.
    ///
    /// # Errors
    /// As the database gives them: then nobody else can have taken it there either.
    pub async fn renew_lease(&self, lease: &Lease, length: Duration) -> Result<bool, StoreError> {
        let renewed = sqlx::query!(
            "UPDATE leases SET held_until = clock_timestamp() + make_interval(secs => $4)
             WHERE group_id = $1 AND replica = $2 AND holder = $3",
            lease.log.group.as_str(),
            lease.log.replica.as_str(),
            lease.holder,
            length.as_secs_f64(),
        )
        .execute(&self.general)
        .await
        .map_err(|e| StoreError::from_driver("a lease", e))?;
        Ok(renewed.rows_affected() == 1)
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
        .execute(&self.general)
        .await
        .map_err(|e| StoreError::from_driver("a lease", e))?;
        Ok(())
    }
}
