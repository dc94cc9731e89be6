//! The one transaction: inputs, what they caused, cursors and attempts, all or nothing.

use portcullis_verifier::Observation;
use sqlx::{PgConnection, PgPool};

use super::convert::{json, name_of, to_i32, to_i64, to_i64_capped};
use super::set::encode_cursor;
use super::{LogEnd, Signed, Step, Store, StoreError, WriteSet, views};

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
    /// Writes a set in one transaction. Writing the same set twice is the same as writing it once.
    ///
    /// # Errors
    /// [`StoreError::EndMoved`] when the log does not end where the set begins: somebody else writes it. Others as
    /// the database gives them; then nothing of the set is written, or (where the answer was lost) all of it.
    pub async fn commit(&self, set: &WriteSet, pool: Pool) -> Result<Committed, StoreError> {
        let pool = self.pool(pool);
        match commit_in(pool, set).await {
            Err(StoreError::EndMoved { .. }) if holds(pool, set).await? => {
                // The log already has these records; attempts may have been signed again since.
                insert_attempts_in(pool, set).await?;
                Ok(Committed::Before)
            }
            Err(error) => Err(error),
            Ok(()) => Ok(Committed::Now),
        }
    }
}

async fn commit_in(pool: &PgPool, set: &WriteSet) -> Result<(), StoreError> {
    let begin = |e| StoreError::from_driver("a transaction", e);
    let mut tx = pool.begin().await.map_err(begin)?;
    if !set.steps.is_empty() {
        move_end(&mut tx, set).await?;
        insert_log(&mut tx, set).await?;
        insert_observations(&mut tx, set).await?;
        views::write(&mut tx, set).await?;
    }
    for cursor in &set.cursors {
        put_cursor(&mut tx, set, cursor).await?;
    }
    insert_attempts(&mut tx, set, &set.attempts).await?;
    tx.commit().await.map_err(|e| StoreError::from_driver("a commit", e))
}

async fn insert_attempts_in(pool: &PgPool, set: &WriteSet) -> Result<(), StoreError> {
    let mut connection = pool.acquire().await.map_err(|e| StoreError::from_driver("a connection", e))?;
    insert_attempts(&mut connection, set, &set.attempts).await
}

/// Whether the log holds the set's last record with the set's head: then it holds all of the set.
async fn holds(pool: &PgPool, set: &WriteSet) -> Result<bool, StoreError> {
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

/// Moves the end of the log from exactly where the set begins. SECURITY: this is what keeps two writers apart.
async fn move_end(tx: &mut PgConnection, set: &WriteSet) -> Result<(), StoreError> {
    let Some(last) = set.steps.last() else { return Ok(()) };
    let end = set.end();
    let moved = sqlx::query!(
        "UPDATE logs SET next_seq = $5, head = $6, last_at_ms = $7, engine_version = $8
         WHERE group_id = $1 AND replica = $2 AND next_seq = $3 AND head = $4",
        set.log.group.as_str(),
        set.log.replica.as_str(),
        to_i64("a sequence number", set.base.next_seq)?,
        set.base.head.as_slice(),
        to_i64("a sequence number", end.next_seq)?,
        end.head.as_slice(),
        to_i64("a time", last.record.at_ms)?,
        to_i32("an engine version", last.record.engine_version)?,
    )
    .execute(tx)
    .await
    .map_err(|e| StoreError::from_driver("the end of the log", e))?;
    match moved.rows_affected() {
        1 => Ok(()),
        _ => Err(StoreError::EndMoved {
            group: set.log.group.to_string(),
            replica: set.log.replica.to_string(),
            expected: set.base.next_seq,
        }),
    }
}

#[expect(clippy::as_conversions, reason = "tells the query macro an argument's type; converts nothing")]
async fn insert_log(tx: &mut PgConnection, set: &WriteSet) -> Result<(), StoreError> {
    let mut rows = LogRows::default();
    for step in &set.steps {
        rows.push(step)?;
    }
    let LogRows { seq, at_ms, kind, encoded, head, engine_version, effects } = rows;
    sqlx::query!(
        "INSERT INTO input_log (group_id, replica, seq, at_ms, kind, encoded, head, engine_version, effects)
         SELECT $1, $2, * FROM UNNEST($3::bigint[], $4::bigint[], $5::text[], $6::bytea[], $7::bytea[],
                                      $8::integer[], $9::bytea[])",
        set.log.group.as_str(),
        set.log.replica.as_str(),
        &seq,
        &at_ms,
        &kind,
        &encoded as &[&[u8]],
        &head as &[&[u8]],
        &engine_version,
        &effects as &[&[u8]],
    )
    .execute(tx)
    .await
    .map_err(|e| StoreError::from_driver("records of the log", e))?;
    Ok(())
}

#[derive(Default)]
struct LogRows<'a> {
    seq: Vec<i64>,
    at_ms: Vec<i64>,
    kind: Vec<String>,
    encoded: Vec<&'a [u8]>,
    head: Vec<&'a [u8]>,
    engine_version: Vec<i32>,
    effects: Vec<&'a [u8]>,
}

impl<'a> LogRows<'a> {
    fn push(&mut self, step: &'a Step) -> Result<(), StoreError> {
        let record = &step.record;
        self.seq.push(to_i64("a sequence number", record.seq)?);
        self.at_ms.push(to_i64("a time", record.at_ms)?);
        self.kind.push(super::codec::kind_of(&step.input).to_owned());
        self.encoded.push(&record.encoded);
        self.head.push(record.head.as_slice());
        self.engine_version.push(to_i32("an engine version", record.engine_version)?);
        self.effects.push(&record.effects);
        Ok(())
    }
}

#[expect(clippy::as_conversions, reason = "tells the query macro an argument's type; converts nothing")]
async fn insert_observations(tx: &mut PgConnection, set: &WriteSet) -> Result<(), StoreError> {
    let mut rows = ObservationRows::default();
    for step in &set.steps {
        if let portcullis_core::Body::Observed(observation) = &step.input.body {
            rows.push(step.record.seq, observation)?;
        }
    }
    if rows.seq.is_empty() {
        return Ok(());
    }
    let ObservationRows {
        seq,
        event_id,
        chain,
        height,
        block_hash,
        tx_hash,
        log_index,
        time_s,
        status,
        kind,
        view,
    } = rows;
    sqlx::query!(
        "INSERT INTO observations (group_id, replica, seq, event_id, chain, height, block_hash, tx_hash, log_index,
                                   time_s, status, kind, view)
         SELECT $1, $2, * FROM UNNEST($3::bigint[], $4::bytea[], $5::text[], $6::bigint[], $7::bytea[], $8::bytea[],
                                      $9::bigint[], $10::bigint[], $11::text[], $12::text[], $13::jsonb[])",
        set.log.group.as_str(),
        set.log.replica.as_str(),
        &seq,
        &event_id,
        &chain,
        &height,
        &block_hash as &[&[u8]],
        &tx_hash as &[&[u8]],
        &log_index,
        &time_s,
        &status,
        &kind,
        &view,
    )
    .execute(tx)
    .await
    .map_err(|e| StoreError::from_driver("observations", e))?;
    Ok(())
}

#[derive(Default)]
struct ObservationRows<'a> {
    seq: Vec<i64>,
    event_id: Vec<Vec<u8>>,
    chain: Vec<String>,
    height: Vec<i64>,
    block_hash: Vec<&'a [u8]>,
    tx_hash: Vec<&'a [u8]>,
    log_index: Vec<i64>,
    time_s: Vec<i64>,
    status: Vec<String>,
    kind: Vec<String>,
    view: Vec<serde_json::Value>,
}

impl<'a> ObservationRows<'a> {
    // Heights and times are what an endpoint said: a lying one must not stop the commit by their size.
    fn push(&mut self, seq: u64, observation: &'a Observation) -> Result<(), StoreError> {
        let position = observation.position();
        self.seq.push(to_i64("a sequence number", seq)?);
        self.event_id.push(observation.id().0.to_vec());
        self.chain.push(observation.chain().to_string());
        self.height.push(to_i64_capped(position.height));
        self.block_hash.push(position.block_hash.as_slice());
        self.tx_hash.push(position.tx_hash.as_slice());
        self.log_index.push(i64::from(position.log_index));
        self.time_s.push(to_i64_capped(observation.time()));
        self.status.push(name_of(&observation.status()));
        self.kind.push(name_of(observation.event()));
        self.view.push(json(observation.event()));
        Ok(())
    }
}

async fn put_cursor(
    tx: &mut PgConnection,
    set: &WriteSet,
    cursor: &portcullis_adapter::Cursor,
) -> Result<(), StoreError> {
    let newest =
        cursor.recent.first().ok_or_else(|| super::convert::unreadable("a cursor", "it names no block"))?;
    let at_ms = set.steps.last().map_or(0, |step| step.record.at_ms);
    sqlx::query!(
        "INSERT INTO cursors (group_id, replica, chain, height, block_hash, encoded, at_ms)
         VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (group_id, replica, chain) DO UPDATE SET
             height = excluded.height, block_hash = excluded.block_hash, encoded = excluded.encoded,
             at_ms = excluded.at_ms",
        set.log.group.as_str(),
        set.log.replica.as_str(),
        cursor.chain.as_str(),
        to_i64_capped(newest.height),
        newest.hash.as_slice(),
        encode_cursor(cursor)?,
        to_i64("a time", at_ms)?,
    )
    .execute(tx)
    .await
    .map_err(|e| StoreError::from_driver("a cursor", e))?;
    Ok(())
}

/// Signing again with the same nonce and fee gives the same bytes, so a hash that is known is the same row.
async fn insert_attempts(
    connection: &mut PgConnection,
    set: &WriteSet,
    attempts: &[Signed],
) -> Result<(), StoreError> {
    for Signed { attempt, at_ms } in attempts {
        sqlx::query!(
            "INSERT INTO attempts (chain, hash, group_id, replica, action_id, bytes, sender, nonce, bump, fee,
                                   signed_at_ms)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
             ON CONFLICT (chain, hash) DO NOTHING",
            attempt.chain.as_str(),
            attempt.hash.as_slice(),
            set.log.group.as_str(),
            set.log.replica.as_str(),
            attempt.action.0.as_slice(),
            &attempt.bytes,
            attempt.sender.as_slice(),
            to_i64("a nonce", attempt.nonce)?,
            i32::from(attempt.bump),
            attempt.fee.to_string(),
            to_i64("a time", *at_ms)?,
        )
        .execute(&mut *connection)
        .await
        .map_err(|e| StoreError::from_driver("an attempt", e))?;
    }
    Ok(())
}
