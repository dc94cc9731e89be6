//! What speaks for trusting automation at a gate: how long it was watched, what was decided, what was false, which
//! checks passed. Written from the log, read by `portcullis modes`.

use portcullis_core::effect::ModeChange;
use portcullis_core::input::Check;
use portcullis_core::{Body, Command};
use serde::Serialize;
use sqlx::PgConnection;

use super::convert::{clean, json, name_of, to_i64, to_i64_capped};
use super::{LogName, LogRecord, Step, Store, StoreError, ensure_one_row};

/// What the record says of one gate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TrustRow {
    /// Linked group.
    pub group_id: String,
    /// Name of the log.
    pub replica: String,
    /// Configured name.
    pub target: String,
    /// Chain.
    pub chain: String,
    /// Mode by the configuration.
    pub configured: String,
    /// Mode now.
    pub mode: String,
    /// Until when that was lent, milliseconds since 1970; none where it does not run out.
    pub until_ms: Option<i64>,
    /// Who changed it and why; none where nobody did.
    pub why: Option<String>,
    /// When the log began, milliseconds since 1970.
    pub since_ms: i64,
    /// Decisions that asked, or in a higher mode would have asked, something of it.
    pub decisions: i64,
    /// Of these, decisions for incidents that people judged to be nothing.
    pub false_decisions: i64,
    /// When the last such judgement was made, milliseconds since 1970.
    pub last_false_ms: Option<i64>,
    /// Rehearsals in a row that passed, up to now.
    pub drills_passed: i64,
    /// Whether the last rehearsal passed; none where there was none.
    pub last_drill_ok: Option<bool>,
    /// Canaries in a row that landed and were proven, up to now.
    pub canaries_landed: i64,
    /// When the last canary was proven, milliseconds since 1970.
    pub last_canary_ms: Option<i64>,
    /// Actions at the gate itself that were proven to be in effect.
    pub effects_proven: i64,
}

impl Store {
    /// What the record says of every configured gate.
    ///
    /// # Errors
    /// As the database gives them.
    pub async fn trust(&self) -> Result<Vec<TrustRow>, StoreError> {
        sqlx::query_as!(
            TrustRow,
            r#"WITH concerned AS (
                 SELECT g.group_id, g.replica, g.target, d.seq, d.incident_id
                 FROM gates g JOIN decisions d ON d.group_id = g.group_id AND d.replica = g.replica
                 WHERE d.withheld @> jsonb_build_array(jsonb_build_object('target', g.target))
                    OR EXISTS (SELECT 1 FROM actions a
                               WHERE a.group_id = d.group_id AND a.replica = d.replica AND a.seq = d.seq
                                 AND a.chain = g.chain AND a.target = g.address AND a.scope = g.scope)
               )
               SELECT g.group_id, g.replica, g.target, g.chain, g.mode AS configured,
                      COALESCE(g.standing_mode, g.mode) AS "mode!", g.mode_until_ms AS until_ms, g.mode_why AS why,
                      COALESCE((SELECT l.at_ms FROM input_log l
                                WHERE l.group_id = g.group_id AND l.replica = g.replica AND l.seq = 0),
                               (extract(epoch FROM now()) * 1000)::bigint) AS "since_ms!",
                      (SELECT count(DISTINCT c.seq) FROM concerned c
                       WHERE c.group_id = g.group_id AND c.replica = g.replica AND c.target = g.target)
                          AS "decisions!",
                      (SELECT count(DISTINCT c.seq) FROM concerned c
                       JOIN false_alarms f USING (group_id, replica, incident_id)
                       WHERE c.group_id = g.group_id AND c.replica = g.replica AND c.target = g.target)
                          AS "false_decisions!",
                      (SELECT max(f.at_ms) FROM concerned c
                       JOIN false_alarms f USING (group_id, replica, incident_id)
                       WHERE c.group_id = g.group_id AND c.replica = g.replica AND c.target = g.target)
                          AS last_false_ms,
                      (SELECT count(*) FROM checks k
                       WHERE k.group_id = g.group_id AND k.replica = g.replica AND k.target = g.target
                         AND k.kind = 'rehearsal' AND k.ok AND k.seq > COALESCE(
                             (SELECT max(b.seq) FROM checks b
                              WHERE b.group_id = g.group_id AND b.replica = g.replica AND b.target = g.target
                                AND b.kind = 'rehearsal' AND NOT b.ok), -1)) AS "drills_passed!",
                      (SELECT k.ok FROM checks k
                       WHERE k.group_id = g.group_id AND k.replica = g.replica AND k.target = g.target
                         AND k.kind = 'rehearsal' ORDER BY k.seq DESC LIMIT 1) AS last_drill_ok,
                      (SELECT count(*) FROM checks k
                       WHERE k.group_id = g.group_id AND k.replica = g.replica AND k.target = g.target
                         AND k.kind = 'canary' AND k.ok AND k.seq > COALESCE(
                             (SELECT max(b.seq) FROM checks b
                              WHERE b.group_id = g.group_id AND b.replica = g.replica AND b.target = g.target
                                AND b.kind = 'canary' AND NOT b.ok), -1)) AS "canaries_landed!",
                      (SELECT max(k.at_ms) FROM checks k
                       WHERE k.group_id = g.group_id AND k.replica = g.replica AND k.target = g.target
                         AND k.kind = 'canary' AND k.ok) AS last_canary_ms,
                      (SELECT count(*) FROM actions a
                       WHERE a.group_id = g.group_id AND a.replica = g.replica AND a.chain = g.chain
                         AND a.target = g.address AND a.scope = g.scope AND a.state = 'effective')
                          AS "effects_proven!"
               FROM gates g ORDER BY g.group_id, g.target, g.replica"#,
        )
        .fetch_all(&self.general)
        .await
        .map_err(|e| StoreError::from_driver("gates", e))
    }
}

/// Writes what an input says of trust: false alarms.
pub(super) async fn write_judgement(
    tx: &mut PgConnection,
    log: &LogName,
    step: &Step,
) -> Result<(), StoreError> {
    let Body::Command(Command::FalseAlarm { incident, by, reason }) = &step.input.body else { return Ok(()) };
    sqlx::query!(
        "INSERT INTO false_alarms (group_id, replica, incident_id, said_by, reason, at_ms)
         VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
        log.group.as_str(),
        log.replica.as_str(),
        incident.0.as_slice(),
        by.as_str(),
        clean(reason),
        to_i64("a time", step.record.at_ms)?,
    )
    .execute(tx)
    .await
    .map_err(|e| StoreError::from_driver("a false alarm", e))?;
    Ok(())
}

/// Writes how far automation may go at a gate now.
pub(super) async fn put_mode(
    tx: &mut PgConnection,
    log: &LogName,
    record: &LogRecord,
    change: &ModeChange,
) -> Result<(), StoreError> {
    // No row is no error: a gate that left the configuration has none.
    sqlx::query!(
        "UPDATE gates SET standing_mode = $4, mode_until_ms = $5, mode_why = $6, mode_at_ms = $7
         WHERE group_id = $1 AND replica = $2 AND target = $3",
        log.group.as_str(),
        log.replica.as_str(),
        change.target.as_str(),
        name_of(&change.mode),
        change.until_ms.map(to_i64_capped),
        clean(&change.why),
        to_i64("a time", record.at_ms)?,
    )
    .execute(tx)
    .await
    .map_err(|e| StoreError::from_driver("a mode", e))?;
    Ok(())
}

/// Writes a check of a way of containing.
pub(super) async fn insert_check(
    tx: &mut PgConnection,
    log: &LogName,
    record: &LogRecord,
    ordinal: i32,
    check: &Check,
) -> Result<(), StoreError> {
    let inserted = sqlx::query!(
        "INSERT INTO checks (group_id, replica, seq, ordinal, target, kind, ok, failing, took_ms, at_ms)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        log.group.as_str(),
        log.replica.as_str(),
        to_i64("a sequence number", record.seq)?,
        ordinal,
        check.target.as_str(),
        name_of(&check.kind),
        check.failing.is_empty(),
        json(&check.failing),
        to_i64_capped(check.took_ms),
        to_i64("a time", record.at_ms)?,
    )
    .execute(tx)
    .await
    .map_err(|e| StoreError::from_driver("a check", e))?;
    ensure_one_row("a check", &inserted)
}
