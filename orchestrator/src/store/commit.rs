//! The one statement that makes a set durable: inputs with what they caused, cursors and attempts, all or nothing.
//!
//! It is one statement, and so one round trip and one write to disk, because a containment waits for it. What people
//! read is made from the log afterwards; see [`super::views`].

use sqlx::PgPool;

use super::convert::{to_i32, to_i64, to_i64_capped, unreadable};
use super::set::encode_cursor;
use super::{LogEnd, Signed, Step, Store, StoreError, WriteSet, codec};

/// Which connections a commit takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pool {
    /// Those that everything shares.
    General,
    /// Those that only containment uses.
    Containment,
}

/// What a commit found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Committed {
    /// The set was written.
    Now,
    /// An earlier commit of the very same set had gone through, although its answer was lost.
    Before,
}

impl Store {
    /// Writes a set. Writing the same set twice is the same as writing it once.
    ///
    /// # Errors
    /// [`StoreError::EndMoved`] when the log does not end where the set begins: somebody else writes it. Others as
    /// the database gives them; then nothing of the set is written, or (where the answer was lost) all of it.
    pub async fn commit(&self, set: &WriteSet, pool: Pool) -> Result<Committed, StoreError> {
        let pool = self.pool(pool);
        if write(pool, set).await? {
            return Ok(Committed::Now);
        }
        if holds(pool, set).await? {
            // The log already has these records; attempts may have been signed again since.
            let mut attempts = WriteSet::new(set.log, LogEnd::EMPTY);
            attempts.attempts.clone_from(&set.attempts);
            write(pool, &attempts).await?;
            return Ok(Committed::Before);
        }
        Err(StoreError::EndMoved {
            group: set.log.group.to_string(),
            replica: set.log.replica.to_string(),
            expected: set.base.next_seq,
        })
    }
}

/// Whether the log holds the set's last record with the set's head: then it holds all of the set.
async fn holds(pool: &PgPool, set: &WriteSet) -> Result<bool, StoreError> {
    if set.steps.is_empty() {
        return Ok(false);
    }
    let LogEnd { next_seq, head } = set.end();
    let last = to_i64("a sequence number", next_seq.saturating_sub(1))?;
    let found = sqlx::query_scalar!(
        "SELECT head FROM input_log WHERE group_id = $1 AND replica = $2 AND seq = $3",
        set.log.group.as_str(),
        set.log.replica.as_str(),
        last,
    )
    .fetch_optional(pool)
    .await
    .map_err(|e| StoreError::from_driver("a record of the log", e))?;
    Ok(found.is_some_and(|stored| stored == head.as_slice()))
}

/// Writes a set in one statement; false when the log does not end where the set begins, and then nothing is written.
///
/// SECURITY: moving the end of the log from exactly where the writer knew it is what keeps two writers apart.
/// Attempts alone do not touch the log.
#[expect(clippy::as_conversions, reason = "tells the query macro an argument's type; converts nothing")]
pub(super) async fn write(executor: impl sqlx::PgExecutor<'_>, set: &WriteSet) -> Result<bool, StoreError> {
    let Rows { records, cursors, attempts } = Rows::of(set)?;
    let (end, last) = (set.end(), set.steps.last().map(|step| &step.record));
    let only_attempts = set.steps.is_empty() && set.cursors.is_empty();
    let moved = sqlx::query_scalar!(
        r#"WITH moved AS (
               UPDATE logs SET next_seq = $5, head = $6, last_at_ms = GREATEST(last_at_ms, $7),
                               engine_version = GREATEST(engine_version, $8)
               WHERE group_id = $1 AND replica = $2 AND next_seq = $3 AND head = $4 AND NOT $9
               RETURNING 1
           ), appended AS (
               INSERT INTO input_log (group_id, replica, seq, at_ms, kind, encoded, head, engine_version, effects)
               SELECT $1, $2, r.* FROM UNNEST($10::bigint[], $11::bigint[], $12::text[], $13::bytea[],
                                              $14::bytea[], $15::integer[], $16::bytea[]) AS r
               WHERE EXISTS (SELECT FROM moved)
           ), placed AS (
               INSERT INTO cursors (group_id, replica, chain, height, block_hash, encoded, at_ms)
               SELECT $1, $2, c.*, $7 FROM UNNEST($17::text[], $18::bigint[], $19::bytea[], $20::bytea[]) AS c
               WHERE EXISTS (SELECT FROM moved)
               ON CONFLICT (group_id, replica, chain) DO UPDATE SET
                   height = excluded.height, block_hash = excluded.block_hash, encoded = excluded.encoded,
                   at_ms = excluded.at_ms
           ), attempted AS (
               -- Signing again with the same nonce and fee gives the same bytes: a hash that is known is the same row.
               INSERT INTO attempts (group_id, replica, chain, hash, action_id, bytes, sender, nonce, bump, fee,
                                     signed_at_ms)
               SELECT $1, $2, a.* FROM UNNEST($21::text[], $22::bytea[], $23::bytea[], $24::bytea[], $25::bytea[],
                                              $26::bigint[], $27::integer[], $28::text[], $29::bigint[]) AS a
               WHERE $9 OR EXISTS (SELECT FROM moved)
               ON CONFLICT (chain, hash) DO NOTHING
           )
           SELECT $9 OR EXISTS (SELECT FROM moved) AS "moved!""#,
        set.log.group.as_str(),
        set.log.replica.as_str(),
        to_i64("a sequence number", set.base.next_seq)?,
        set.base.head.as_slice(),
        to_i64("a sequence number", end.next_seq)?,
        end.head.as_slice(),
        to_i64("a time", last.map_or(0, |record| record.at_ms))?,
        to_i32("an engine version", last.map_or(0, |record| record.engine_version))?,
        only_attempts,
        &records.seq,
        &records.at_ms,
        &records.kind,
        &records.encoded as &[&[u8]],
        &records.head as &[&[u8]],
        &records.engine_version,
        &records.effects as &[&[u8]],
        &cursors.chain,
        &cursors.height,
        &cursors.block_hash as &[&[u8]],
        &cursors.encoded,
        &attempts.chain,
        &attempts.hash as &[&[u8]],
        &attempts.action as &[&[u8]],
        &attempts.bytes as &[&[u8]],
        &attempts.sender as &[&[u8]],
        &attempts.nonce,
        &attempts.bump,
        &attempts.fee,
        &attempts.at_ms,
    )
    .fetch_one(executor)
    .await
    .map_err(|e| StoreError::from_driver("a commit", e))?;
    Ok(moved)
}

/// A set as columns.
#[derive(Default)]
struct Rows<'a> {
    records: RecordRows<'a>,
    cursors: CursorRows<'a>,
    attempts: AttemptRows<'a>,
}

#[derive(Default)]
struct RecordRows<'a> {
    seq: Vec<i64>,
    at_ms: Vec<i64>,
    kind: Vec<String>,
    encoded: Vec<&'a [u8]>,
    head: Vec<&'a [u8]>,
    engine_version: Vec<i32>,
    effects: Vec<&'a [u8]>,
}

#[derive(Default)]
struct CursorRows<'a> {
    chain: Vec<String>,
    height: Vec<i64>,
    block_hash: Vec<&'a [u8]>,
    encoded: Vec<Vec<u8>>,
}

#[derive(Default)]
struct AttemptRows<'a> {
    chain: Vec<String>,
    hash: Vec<&'a [u8]>,
    action: Vec<&'a [u8]>,
    bytes: Vec<&'a [u8]>,
    sender: Vec<&'a [u8]>,
    nonce: Vec<i64>,
    bump: Vec<i32>,
    fee: Vec<String>,
    at_ms: Vec<i64>,
}

impl<'a> Rows<'a> {
    fn of(set: &'a WriteSet) -> Result<Self, StoreError> {
        let mut rows = Self::default();
        set.steps.iter().try_for_each(|step| rows.records.push(step))?;
        set.cursors.iter().try_for_each(|cursor| rows.cursors.push(cursor))?;
        set.attempts.iter().try_for_each(|signed| rows.attempts.push(signed))?;
        Ok(rows)
    }
}

impl<'a> RecordRows<'a> {
    fn push(&mut self, step: &'a Step) -> Result<(), StoreError> {
        let record = &step.record;
        self.seq.push(to_i64("a sequence number", record.seq)?);
        self.at_ms.push(to_i64("a time", record.at_ms)?);
        self.kind.push(codec::kind_of(&step.input).to_owned());
        self.encoded.push(&record.encoded);
        self.head.push(record.head.as_slice());
        self.engine_version.push(to_i32("an engine version", record.engine_version)?);
        self.effects.push(&record.effects);
        Ok(())
    }
}

impl<'a> CursorRows<'a> {
    fn push(&mut self, cursor: &'a portcullis_adapter::Cursor) -> Result<(), StoreError> {
        let newest = cursor.recent.first().ok_or_else(|| unreadable("a cursor", "it names no block"))?;
        self.chain.push(cursor.chain.to_string());
        // A height is what an endpoint said: a lying one must not stop the commit by its size.
        self.height.push(to_i64_capped(newest.height));
        self.block_hash.push(newest.hash.as_slice());
        self.encoded.push(encode_cursor(cursor)?);
        Ok(())
    }
}

impl<'a> AttemptRows<'a> {
    fn push(&mut self, signed: &'a Signed) -> Result<(), StoreError> {
        let attempt = &signed.attempt;
        self.chain.push(attempt.chain.to_string());
        self.hash.push(attempt.hash.as_slice());
        self.action.push(attempt.action.0.as_slice());
        self.bytes.push(&attempt.bytes);
        self.sender.push(attempt.sender.as_slice());
        self.nonce.push(to_i64("a nonce", attempt.nonce)?);
        self.bump.push(i32::from(attempt.bump));
        self.fee.push(attempt.fee.to_string());
        self.at_ms.push(to_i64("a time", signed.at_ms)?);
        Ok(())
    }
}
