//! Reading logs back: where they end, what they hold, where chains were left.

use std::collections::BTreeMap;

use portcullis_adapter::{Attempt, Cursor};
use portcullis_core::config::Target;
use portcullis_core::log::chain_head;
use portcullis_verifier::{ActionId, ChainId};

use super::convert::{name_of, to_b256, to_chain, to_i64, to_u32, to_u64, unreadable};
use super::set::decode_cursor;
use super::{LogEnd, LogName, LogRecord, Store, StoreError};
use crate::contain::purse::Spent;

/// Records that one page of a log holds at most, where a log is read from one end to the other.
const PAGE: usize = 4_096;

impl Store {
    /// Makes sure that a log exists, and says where it ends.
    ///
    /// # Errors
    /// As the database gives them.
    pub async fn open_log(&self, log: &LogName) -> Result<LogEnd, StoreError> {
        sqlx::query!(
            "INSERT INTO logs (group_id, replica, next_seq, head, last_at_ms, engine_version)
             VALUES ($1, $2, 0, $3, 0, 0) ON CONFLICT (group_id, replica) DO NOTHING",
            log.group.as_str(),
            log.replica.as_str(),
            LogEnd::EMPTY.head.as_slice(),
        )
        .execute(&self.general)
        .await
        .map_err(|e| StoreError::from_driver("a log", e))?;
        let row = sqlx::query!(
            "SELECT next_seq, head FROM logs WHERE group_id = $1 AND replica = $2",
            log.group.as_str(),
            log.replica.as_str(),
        )
        .fetch_one(&self.general)
        .await
        .map_err(|e| StoreError::from_driver("a log", e))?;
        Ok(LogEnd {
            next_seq: to_u64("a sequence number", row.next_seq)?,
            head: to_b256("the head of a log", &row.head)?,
        })
    }

    /// Makes the partitions of this month and the next.
    ///
    /// # Errors
    /// As the database gives them. Without them, records go to the default partition: nothing is lost.
    pub async fn prepare_partitions(&self, now_ms: u64) -> Result<(), StoreError> {
        const MONTH_MS: u64 = 31 * 24 * 3_600 * 1_000;
        for moment in [now_ms, now_ms.saturating_add(MONTH_MS)] {
            sqlx::query_scalar!("SELECT ensure_log_partition($1)", to_i64("a time", moment)?)
                .fetch_one(&self.general)
                .await
                .map_err(|e| StoreError::from_driver("a partition", e))?;
        }
        Ok(())
    }

    /// A page of a log from a sequence number on, in order; empty at its end.
    ///
    /// # Errors
    /// [`StoreError::Unreadable`] where a row is not a record; others as the database gives them.
    pub async fn log_page(&self, log: &LogName, from_seq: u64) -> Result<Vec<LogRecord>, StoreError> {
        self.log_part(log, from_seq, PAGE).await
    }

    /// As [`Store::log_page`], at most so many records.
    ///
    /// # Errors
    /// As [`Store::log_page`].
    pub async fn log_part(
        &self,
        log: &LogName,
        from_seq: u64,
        records: usize,
    ) -> Result<Vec<LogRecord>, StoreError> {
        let rows = sqlx::query!(
            "SELECT seq, at_ms, encoded, head, engine_version, effects FROM input_log
             WHERE group_id = $1 AND replica = $2 AND seq >= $3 ORDER BY seq LIMIT $4",
            log.group.as_str(),
            log.replica.as_str(),
            to_i64("a sequence number", from_seq)?,
            i64::try_from(records).unwrap_or(i64::MAX),
        )
        .fetch_all(&self.general)
        .await
        .map_err(|e| StoreError::from_driver("records of the log", e))?;
        let mut records = Vec::with_capacity(rows.len());
        for row in rows {
            records.push(LogRecord {
                seq: to_u64("a sequence number", row.seq)?,
                at_ms: to_u64("a time", row.at_ms)?,
                encoded: row.encoded,
                head: to_b256("a head", &row.head)?,
                engine_version: to_u32("an engine version", i64::from(row.engine_version))?,
                effects: row.effects,
            });
        }
        Ok(records)
    }

    /// A whole log as it is stored, unchecked: what an auditor replays.
    ///
    /// # Errors
    /// As [`Store::log_page`].
    pub async fn log_records(&self, log: &LogName) -> Result<Vec<LogRecord>, StoreError> {
        let mut records: Vec<LogRecord> = Vec::new();
        loop {
            let next = records.last().map_or(0, |last| last.seq.saturating_add(1));
            let page = self.log_page(log, next).await?;
            if page.is_empty() {
                return Ok(records);
            }
            records.extend(page);
        }
    }

    /// All logs of this database.
    ///
    /// # Errors
    /// As the database gives them.
    pub async fn logs(&self) -> Result<Vec<(LogName, LogEnd)>, StoreError> {
        Self::logs_on(&self.general).await
    }

    /// All logs as a connection sees them.
    pub(crate) async fn logs_on(
        executor: impl sqlx::PgExecutor<'_>,
    ) -> Result<Vec<(LogName, LogEnd)>, StoreError> {
        let rows =
            sqlx::query!("SELECT group_id, replica, next_seq, head FROM logs ORDER BY group_id, replica")
                .fetch_all(executor)
                .await
                .map_err(|e| StoreError::from_driver("logs", e))?;
        let mut logs = Vec::with_capacity(rows.len());
        for row in rows {
            let name = LogName {
                group: super::convert::to_slug("a group", &row.group_id)?,
                replica: super::convert::to_slug("a replica", &row.replica)?,
            };
            let end = LogEnd {
                next_seq: to_u64("a sequence number", row.next_seq)?,
                head: to_b256("the head of a log", &row.head)?,
            };
            logs.push((name, end));
        }
        Ok(logs)
    }

    /// Where each chain of a log was left.
    ///
    /// # Errors
    /// [`StoreError::Unreadable`] where a row is not a cursor; others as the database gives them.
    pub async fn cursors(&self, log: &LogName) -> Result<BTreeMap<ChainId, Cursor>, StoreError> {
        let rows = sqlx::query!(
            "SELECT chain, encoded FROM cursors WHERE group_id = $1 AND replica = $2",
            log.group.as_str(),
            log.replica.as_str(),
        )
        .fetch_all(&self.general)
        .await
        .map_err(|e| StoreError::from_driver("cursors", e))?;
        let mut cursors = BTreeMap::new();
        for row in rows {
            let chain = to_chain(&row.chain)?;
            let cursor = decode_cursor(&row.encoded)?;
            if cursor.chain != chain {
                return Err(unreadable(
                    "a cursor",
                    format!("it names {} in the row of {chain}", cursor.chain),
                ));
            }
            cursors.insert(chain, cursor);
        }
        Ok(cursors)
    }

    /// Everything that was signed for an action, in order of signing.
    ///
    /// # Errors
    /// [`StoreError::Unreadable`] where a row is not an attempt; others as the database gives them.
    pub async fn attempts(&self, action: ActionId) -> Result<Vec<Attempt>, StoreError> {
        let rows = sqlx::query!(
            "SELECT chain, hash, bytes, sender, nonce, bump, fee FROM attempts
             WHERE action_id = $1 ORDER BY signed_at_ms, bump, nonce",
            action.0.as_slice(),
        )
        .fetch_all(&self.general)
        .await
        .map_err(|e| StoreError::from_driver("attempts", e))?;
        let mut attempts = Vec::with_capacity(rows.len());
        for row in rows {
            attempts.push(Attempt {
                action,
                chain: to_chain(&row.chain)?,
                hash: to_b256("the hash of an attempt", &row.hash)?,
                bytes: row.bytes,
                sender: to_b256("the sender of an attempt", &row.sender)?,
                nonce: to_u64("a nonce", row.nonce)?,
                bump: u16::try_from(row.bump)
                    .map_err(|_outside| unreadable("a step of the fee schedule", row.bump.to_string()))?,
                fee: row.fee.parse().map_err(|_no_number| unreadable("a fee", row.fee.clone()))?,
            });
        }
        Ok(attempts)
    }

    /// What was signed for the actions of a log since a moment (milliseconds since 1970), oldest first.
    ///
    /// # Errors
    /// As [`Store::attempts`].
    pub async fn spent_since(&self, log: &LogName, since_ms: u64) -> Result<Vec<Spent>, StoreError> {
        let rows = sqlx::query!(
            "SELECT action_id, chain, fee, signed_at_ms FROM attempts
             WHERE group_id = $1 AND replica = $2 AND signed_at_ms >= $3 ORDER BY signed_at_ms",
            log.group.as_str(),
            log.replica.as_str(),
            to_i64("a time", since_ms)?,
        )
        .fetch_all(&self.general)
        .await
        .map_err(|e| StoreError::from_driver("what was spent", e))?;
        let spent = rows.into_iter().map(|row| {
            Ok(Spent {
                action: ActionId(to_b256("an action", &row.action_id)?),
                chain: to_chain(&row.chain)?,
                fee: row.fee.parse().map_err(|_no_number| unreadable("a fee", row.fee.clone()))?,
                at_ms: to_u64("a time", row.signed_at_ms)?,
            })
        });
        spent.collect()
    }

    /// Makes a row for each configured gate, so that one that was never read shows as such.
    ///
    /// # Errors
    /// As the database gives them.
    pub async fn register_gates(&self, log: &LogName, targets: &[Target]) -> Result<(), StoreError> {
        for target in targets {
            sqlx::query!(
                "INSERT INTO gates (group_id, replica, target, chain, address, scope, mode)
                 VALUES ($1, $2, $3, $4, $5, $6, $7)
                 ON CONFLICT (group_id, replica, target) DO UPDATE SET
                     chain = excluded.chain, address = excluded.address, scope = excluded.scope,
                     mode = excluded.mode",
                log.group.as_str(),
                log.replica.as_str(),
                target.id.as_str(),
                target.chain.as_str(),
                target.address.as_slice(),
                target.scope.as_slice(),
                name_of(&target.mode),
            )
            .execute(&self.general)
            .await
            .map_err(|e| StoreError::from_driver("a gate", e))?;
        }
        Ok(())
    }

    /// Keeps journal records whose place in the log was taken by another process.
    ///
    /// # Errors
    /// As the database gives them.
    pub async fn keep_fork(
        &self,
        log: &LogName,
        holder: &str,
        records: &[LogRecord],
    ) -> Result<(), StoreError> {
        for record in records {
            sqlx::query!(
                "INSERT INTO log_forks (group_id, replica, holder, seq, at_ms, encoded, head, effects)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING",
                log.group.as_str(),
                log.replica.as_str(),
                holder,
                to_i64("a sequence number", record.seq)?,
                to_i64("a time", record.at_ms)?,
                &record.encoded,
                record.head.as_slice(),
                &record.effects,
            )
            .execute(&self.general)
            .await
            .map_err(|e| StoreError::from_driver("a fork of the log", e))?;
        }
        Ok(())
    }
}

/// Checks that each record follows from the one before it, from `end` on; gives the end after the last.
///
/// # Errors
/// [`StoreError::Broken`] at the first record that does not.
pub fn verify_chain(log: &LogName, mut end: LogEnd, records: &[LogRecord]) -> Result<LogEnd, StoreError> {
    for record in records {
        let expected = chain_head(end.head, end.next_seq, &record.encoded);
        if record.seq != end.next_seq || record.head != expected {
            return Err(StoreError::Broken {
                group: log.group.to_string(),
                replica: log.replica.to_string(),
                seq: end.next_seq,
                expected,
                found: record.head,
            });
        }
        end = LogEnd { next_seq: record.seq.saturating_add(1), head: record.head };
    }
    Ok(end)
}
