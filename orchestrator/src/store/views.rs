//! What the log says, as tables: observations, incidents, decisions, actions, gates and notices. Made from the log
//! alone, in its order, each record exactly once, a moment after it: nothing that matters waits for them.

use portcullis_core::effect::{Decision, IncidentChange, Notice};
use portcullis_core::input::{GateState, Outcome};
use portcullis_core::{Body, Effect};
use portcullis_verifier::{Action, ActionId, Slug};
use sqlx::PgConnection;

use super::commands::answer_command;
use super::convert::{clean, json, name_of, to_i32, to_i64, to_i64_capped, to_u64};
use super::notify::insert_messages;
use super::observations::insert_observations;
use super::trust::{insert_check, put_mode, write_judgement};
use super::{LogName, LogRecord, Step, Store, StoreError, ensure_one_row};

impl Store {
    /// How far the views of a log have been written: the sequence number of the next record.
    ///
    /// # Errors
    /// As the database gives them.
    pub async fn views_end(&self, log: &LogName) -> Result<u64, StoreError> {
        let end = sqlx::query_scalar!(
            "SELECT views_seq FROM logs WHERE group_id = $1 AND replica = $2",
            log.group.as_str(),
            log.replica.as_str(),
        )
        .fetch_one(&self.general)
        .await
        .map_err(|e| StoreError::from_driver("a log", e))?;
        to_u64("a sequence number", end)
    }

    /// Leaves a record out of the views.
    ///
    /// # Errors
    /// As the database gives them.
    pub async fn skip_view(&self, log: &LogName, seq: u64) -> Result<(), StoreError> {
        let skipped = sqlx::query!(
            "UPDATE logs SET views_seq = views_seq + 1 WHERE group_id = $1 AND replica = $2 AND views_seq = $3",
            log.group.as_str(),
            log.replica.as_str(),
            to_i64("a sequence number", seq)?,
        )
        .execute(&self.general)
        .await
        .map_err(|e| StoreError::from_driver("a log", e))?;
        ensure_one_row("a log", &skipped)
    }

    /// Writes what consecutive steps of a log say; false when somebody else has written some of it already.
    ///
    /// # Errors
    /// As the database gives them; then nothing is written.
    pub async fn write_views(&self, log: &LogName, steps: &[Step]) -> Result<bool, StoreError> {
        let (Some(first), Some(last)) = (steps.first(), steps.last()) else { return Ok(true) };
        if self.views_end(log).await? != first.record.seq {
            return Ok(false);
        }
        // Should it be lost, so is the mark of how far it came, and it is made again.
        let mut tx = self.lazy_transaction().await?;
        insert_observations(&mut tx, log, steps).await?;
        for step in steps {
            write_input(&mut tx, log, step).await?;
            write_effects(&mut tx, log, step).await?;
            insert_messages(&mut tx, log, step).await?;
        }
        // Last, because it locks the row that every commit of the log moves: a decision must not wait for tables.
        let moved = sqlx::query!(
            "UPDATE logs SET views_seq = $4 WHERE group_id = $1 AND replica = $2 AND views_seq = $3",
            log.group.as_str(),
            log.replica.as_str(),
            to_i64("a sequence number", first.record.seq)?,
            to_i64("a sequence number", last.record.seq.saturating_add(1))?,
        )
        .execute(&mut *tx)
        .await
        .map_err(|e| StoreError::from_driver("a log", e))?;
        if moved.rows_affected() != 1 {
            return Ok(false);
        }
        tx.commit().await.map_err(|e| StoreError::from_driver("a commit", e))?;
        Ok(true)
    }
}

async fn write_input(tx: &mut PgConnection, log: &LogName, step: &Step) -> Result<(), StoreError> {
    match &step.input.body {
        Body::Landed { action, outcome } => put_outcome(tx, log, &step.record, *action, outcome).await,
        Body::Gate(state) => put_gate(tx, log, &step.record, state).await,
        Body::Command(_) => {
            write_judgement(tx, log, step).await?;
            answer_command(tx, log, step).await
        }
        _ => Ok(()),
    }
}

async fn write_effects(tx: &mut PgConnection, log: &LogName, step: &Step) -> Result<(), StoreError> {
    for (ordinal, effect) in (0i32..).zip(&step.effects.list) {
        match effect {
            Effect::Open(change) | Effect::Upgrade(change) => {
                put_incident(tx, log, &step.record, change, "open").await?;
            }
            Effect::Retract(change) => put_incident(tx, log, &step.record, change, "retracted").await?,
            Effect::Contain(decision) => {
                insert_decision(tx, log, &step.record, ordinal, decision).await?;
                for action in &decision.actions {
                    insert_action(tx, log, &step.record, decision.playbook, action).await?;
                }
            }
            Effect::Notify(notice) => insert_notice(tx, log, &step.record, ordinal, notice).await?,
            Effect::Mode(change) => put_mode(tx, log, &step.record, change).await?,
            Effect::Checked(check) => insert_check(tx, log, &step.record, ordinal, check).await?,
            // Neither changes what people look at: evidence has its own table, and a deadline is a wake-up call.
            Effect::RequestEvidence { .. } | Effect::Deadline { .. } => {}
        }
    }
    Ok(())
}

async fn put_incident(
    tx: &mut PgConnection,
    log: &LogName,
    record: &LogRecord,
    change: &IncidentChange,
    state: &'static str,
) -> Result<(), StoreError> {
    let (seq, at_ms) = (to_i64("a sequence number", record.seq)?, to_i64("a time", record.at_ms)?);
    sqlx::query!(
        "INSERT INTO incidents (group_id, replica, incident_id, state, class, value_micro_usd, signals,
                                opened_seq, opened_at_ms, updated_seq, updated_at_ms)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $8, $9)
         ON CONFLICT (group_id, replica, incident_id) DO UPDATE SET
             state = excluded.state, class = excluded.class, value_micro_usd = excluded.value_micro_usd,
             signals = excluded.signals, updated_seq = excluded.updated_seq,
             updated_at_ms = excluded.updated_at_ms",
        log.group.as_str(),
        log.replica.as_str(),
        change.incident.0.as_slice(),
        state,
        name_of(&change.class),
        to_i64_capped(change.value_micro_usd),
        json(&change.signals),
        seq,
        at_ms,
    )
    .execute(tx)
    .await
    .map_err(|e| StoreError::from_driver("an incident", e))?;
    Ok(())
}

async fn insert_decision(
    tx: &mut PgConnection,
    log: &LogName,
    record: &LogRecord,
    ordinal: i32,
    decision: &Decision,
) -> Result<(), StoreError> {
    sqlx::query!(
        "INSERT INTO decisions (group_id, replica, seq, ordinal, incident_id, class, playbook, reasons, withheld,
                                record, engine_version, at_ms)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
        log.group.as_str(),
        log.replica.as_str(),
        to_i64("a sequence number", record.seq)?,
        ordinal,
        decision.incident.0.as_slice(),
        name_of(&decision.class),
        decision.playbook.as_str(),
        json(&decision.reasons),
        json(&decision.withheld),
        record.head.as_slice(),
        to_i32("an engine version", record.engine_version)?,
        to_i64("a time", record.at_ms)?,
    )
    .execute(tx)
    .await
    .map_err(|e| StoreError::from_driver("a decision", e))?;
    Ok(())
}

async fn insert_action(
    tx: &mut PgConnection,
    log: &LogName,
    record: &LogRecord,
    playbook: Slug,
    action: &Action,
) -> Result<(), StoreError> {
    // The id derives from what is asked: asked again, it is the same action, and keeps how far it got.
    sqlx::query!(
        "INSERT INTO actions (group_id, replica, action_id, incident_id, seq, chain, target, scope, level, until_s,
                              until_height, generation, class, playbook, value_micro_usd, reasons, record,
                              decided_at_ms, updated_at_ms)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $18)
         ON CONFLICT (group_id, replica, action_id) DO NOTHING",
        log.group.as_str(),
        log.replica.as_str(),
        action.id.0.as_slice(),
        action.incident.0.as_slice(),
        to_i64("a sequence number", record.seq)?,
        action.chain.as_str(),
        action.target.as_slice(),
        action.scope.as_slice(),
        name_of(&action.level),
        to_i64_capped(action.until),
        to_i64_capped(action.until_height),
        i64::from(action.generation),
        name_of(&action.class),
        playbook.as_str(),
        to_i64_capped(action.value_at_risk_micro_usd),
        json(&action.reasons),
        record.head.as_slice(),
        to_i64("a time", record.at_ms)?,
    )
    .execute(tx)
    .await
    .map_err(|e| StoreError::from_driver("an action", e))?;
    Ok(())
}

/// How far an action got, in the words of the table, with a sentence for people.
fn outcome_row(outcome: &Outcome) -> (&'static str, String) {
    match outcome {
        Outcome::Broadcast { accepted, asked } => {
            ("sent", format!("{accepted} of {asked} endpoints took it"))
        }
        Outcome::Landed { height, .. } => ("landed", format!("in block {height}")),
        Outcome::Reverted { detail } => ("reverted", clean(detail)),
        Outcome::Reorged => ("reorged", "its block left the chain".to_owned()),
        Outcome::Effective { .. } => ("effective", "the gate is as tight as asked".to_owned()),
        Outcome::Delayed { detail } => ("delayed", clean(detail)),
        Outcome::Stopped { detail } => ("stopped", clean(detail)),
    }
}

async fn put_outcome(
    tx: &mut PgConnection,
    log: &LogName,
    record: &LogRecord,
    action: ActionId,
    outcome: &Outcome,
) -> Result<(), StoreError> {
    let (state, detail) = outcome_row(outcome);
    let landed = match outcome {
        Outcome::Landed { height, block_hash } => Some((to_i64_capped(*height), block_hash.to_vec())),
        _ => None,
    };
    let (height, hash) = landed.unzip();
    // No row is no error: an outcome may come for an action of another log that a person asked about.
    sqlx::query!(
        "UPDATE actions SET state = $4, detail = $5, updated_at_ms = $6,
                landed_height = COALESCE($7, landed_height), landed_hash = COALESCE($8, landed_hash)
         WHERE group_id = $1 AND replica = $2 AND action_id = $3",
        log.group.as_str(),
        log.replica.as_str(),
        action.0.as_slice(),
        state,
        detail,
        to_i64("a time", record.at_ms)?,
        height,
        hash,
    )
    .execute(tx)
    .await
    .map_err(|e| StoreError::from_driver("an outcome", e))?;
    Ok(())
}

async fn put_gate(
    tx: &mut PgConnection,
    log: &LogName,
    record: &LogRecord,
    state: &GateState,
) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE gates SET level = $4, until_s = $5, until_height = $6, generation = $7, height = $8, proven = $9,
                at_ms = $10
         WHERE group_id = $1 AND replica = $2 AND target = $3",
        log.group.as_str(),
        log.replica.as_str(),
        state.target.as_str(),
        name_of(&state.level),
        to_i64_capped(state.until),
        to_i64_capped(state.until_height),
        i64::from(state.generation),
        to_i64_capped(state.height),
        state.proven,
        to_i64("a time", record.at_ms)?,
    )
    .execute(tx)
    .await
    .map_err(|e| StoreError::from_driver("a gate", e))?;
    Ok(())
}

async fn insert_notice(
    tx: &mut PgConnection,
    log: &LogName,
    record: &LogRecord,
    ordinal: i32,
    notice: &Notice,
) -> Result<(), StoreError> {
    sqlx::query!(
        "INSERT INTO notices (group_id, replica, seq, ordinal, bridge, cause, class, incident_id, text, at_ms)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        log.group.as_str(),
        log.replica.as_str(),
        to_i64("a sequence number", record.seq)?,
        ordinal,
        notice.bridge.as_str(),
        name_of(&notice.cause),
        name_of(&notice.class),
        notice.incident.map(|id| id.0.to_vec()),
        clean(&notice.text),
        to_i64("a time", record.at_ms)?,
    )
    .execute(tx)
    .await
    .map_err(|e| StoreError::from_driver("a notice", e))?;
    Ok(())
}
