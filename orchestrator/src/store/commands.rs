//! Commands of people on their way to an engine, and back as answers. A row is all that is shared: whoever reaches the
//! database reaches the running service.

use std::time::Duration;

use portcullis_core::{Body, Command, Effect};
use portcullis_verifier::{B256, codec::digest};
use serde::Serialize;
use serde_json::{Value, json};
use sqlx::PgConnection;

use super::convert::{json, name_of, to_i64, to_slug};
use super::{LogName, Step, Store, StoreError, ensure_one_row};
use crate::operate::approve::SIGNED;

/// A command that waits for the service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitingCommand {
    /// Row.
    pub id: i64,
    /// Kind as the row says.
    pub kind: String,
    /// The command as the row says.
    pub command: Value,
}

/// Where a command is.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CommandRow {
    /// Row.
    pub id: i64,
    /// Linked group.
    pub group_id: String,
    /// Name of the log.
    pub replica: String,
    /// Kind.
    pub kind: String,
    /// `waiting`, `taken`, `answered`, `refused`, `cancelled` or `expired`.
    pub state: String,
    /// The command.
    pub command: Value,
    /// What came of it.
    pub answer: Option<Value>,
}

/// The hash by which a record of the log finds its row.
#[must_use]
pub fn command_digest(command: &Command) -> B256 {
    digest("portcullis.command.v1", command)
}

/// A command's kind, as rows say it.
#[must_use]
pub fn kind_of(command: &Command) -> String {
    name_of(command)
}

const WHAT: &str = "a command";

impl Store {
    /// Puts a command on its way.
    ///
    /// # Errors
    /// As the database gives them.
    pub async fn ask(&self, log: &LogName, command: &Command) -> Result<i64, StoreError> {
        self.ask_signed(log, command, &[]).await
    }

    /// As [`Store::ask`], with what people signed for it.
    ///
    /// # Errors
    /// As the database gives them.
    pub async fn ask_signed(
        &self,
        log: &LogName,
        command: &Command,
        signatures: &[String],
    ) -> Result<i64, StoreError> {
        let kind = name_of(command);
        let mut row = json(command);
        if let Some(content) = row.get_mut(&kind).and_then(Value::as_object_mut)
            && !signatures.is_empty()
        {
            content.insert(SIGNED.to_owned(), json!(signatures));
        }
        sqlx::query_scalar!(
            "INSERT INTO commands (group_id, replica, kind, command) VALUES ($1, $2, $3, $4) RETURNING id",
            log.group.as_str(),
            log.replica.as_str(),
            kind,
            row,
        )
        .fetch_one(&self.general)
        .await
        .map_err(|e| StoreError::from_driver(WHAT, e))
    }

    /// Whether an earlier row asked for the same trust, whatever became of it. Others may be asked for again.
    ///
    /// # Errors
    /// As the database gives them.
    pub async fn was_asked_before(
        &self,
        log: &LogName,
        id: i64,
        command: &Command,
    ) -> Result<bool, StoreError> {
        let Some(content) = json(command).get("trust").cloned() else { return Ok(false) };
        // SECURITY: signatures prove who agreed, not that it was only once: trust that was lowered would be lent again by
        // bringing the same request.
        let earlier = sqlx::query_scalar!(
            "SELECT id FROM commands
             WHERE group_id = $1 AND replica = $2 AND kind = 'trust' AND id < $3
                   AND (command -> 'trust') - 'signatures' = $4
             LIMIT 1",
            log.group.as_str(),
            log.replica.as_str(),
            id,
            content,
        )
        .fetch_optional(&self.general)
        .await
        .map_err(|e| StoreError::from_driver(WHAT, e))?;
        Ok(earlier.is_some())
    }

    /// Commands of a log that may be taken now, oldest first. Those that lend trust wait `delay` from when they were
    /// asked; the others are too old after `stale` and are marked so.
    ///
    /// # Errors
    /// As the database gives them.
    pub async fn waiting_commands(
        &self,
        log: &LogName,
        delay: Duration,
        stale: Duration,
    ) -> Result<Vec<WaitingCommand>, StoreError> {
        sqlx::query!(
            "UPDATE commands SET state = 'expired', answered_at = now()
             WHERE group_id = $1 AND replica = $2 AND state = 'waiting' AND
                   asked_at + make_interval(secs => $3::float8 + CASE kind WHEN 'trust' THEN $4::float8 ELSE 0 END) < now()",
            log.group.as_str(),
            log.replica.as_str(),
            stale.as_secs_f64(),
            delay.as_secs_f64(),
        )
        .execute(&self.general)
        .await
        .map_err(|e| StoreError::from_driver(WHAT, e))?;
        // SECURITY: the moment is the database's own; who asks cannot antedate it.
        sqlx::query_as!(
            WaitingCommand,
            "SELECT id, kind, command FROM commands
             WHERE group_id = $1 AND replica = $2 AND state = 'waiting' AND
                   (kind <> 'trust' OR asked_at + make_interval(secs => $3) <= now())
             ORDER BY id LIMIT 64",
            log.group.as_str(),
            log.replica.as_str(),
            delay.as_secs_f64(),
        )
        .fetch_all(&self.general)
        .await
        .map_err(|e| StoreError::from_driver(WHAT, e))
    }

    /// A command is about to be given to the engine as this; false when it was cancelled meanwhile.
    ///
    /// # Errors
    /// As the database gives them.
    pub async fn take_command(&self, id: i64, command: &Command) -> Result<bool, StoreError> {
        let digest = command_digest(command);
        let taken = sqlx::query!(
            "UPDATE commands SET state = 'taken', digest = $2 WHERE id = $1 AND state = 'waiting'",
            id,
            digest.as_slice(),
        )
        .execute(&self.general)
        .await
        .map_err(|e| StoreError::from_driver(WHAT, e))?;
        Ok(taken.rows_affected() == 1)
    }

    /// A command is not given to the engine.
    ///
    /// # Errors
    /// As the database gives them.
    pub async fn refuse_command(&self, id: i64, why: &str) -> Result<(), StoreError> {
        let refused = sqlx::query!(
            "UPDATE commands SET state = 'refused', answer = $2, answered_at = now() WHERE id = $1",
            id,
            json!({ "refused": super::convert::clean(why) }),
        )
        .execute(&self.general)
        .await
        .map_err(|e| StoreError::from_driver(WHAT, e))?;
        ensure_one_row(WHAT, &refused)
    }

    /// Takes back what was asked to be trusted: somebody reported a false alarm meanwhile.
    ///
    /// # Errors
    /// As the database gives them.
    pub async fn cancel_trust(&self, log: &LogName) -> Result<u64, StoreError> {
        let cancelled = sqlx::query!(
            "UPDATE commands SET state = 'cancelled', answered_at = now(),
                    answer = '{\"refused\": \"a false alarm was reported meanwhile: ask again\"}'
             WHERE group_id = $1 AND replica = $2 AND state = 'waiting' AND kind = 'trust'",
            log.group.as_str(),
            log.replica.as_str(),
        )
        .execute(&self.general)
        .await
        .map_err(|e| StoreError::from_driver(WHAT, e))?;
        Ok(cancelled.rows_affected())
    }

    /// What an earlier life took and may not have given to its engine is given again: asking twice changes nothing.
    ///
    /// # Errors
    /// As the database gives them.
    pub async fn take_again(&self, log: &LogName) -> Result<(), StoreError> {
        sqlx::query!(
            "UPDATE commands SET state = 'waiting' WHERE group_id = $1 AND replica = $2 AND state = 'taken'",
            log.group.as_str(),
            log.replica.as_str(),
        )
        .execute(&self.general)
        .await
        .map_err(|e| StoreError::from_driver(WHAT, e))?;
        Ok(())
    }

    /// Commands by their rows.
    ///
    /// # Errors
    /// As the database gives them.
    pub async fn commands(&self, ids: &[i64]) -> Result<Vec<CommandRow>, StoreError> {
        sqlx::query_as!(
            CommandRow,
            "SELECT id, group_id, replica, kind, state, command, answer FROM commands WHERE id = ANY($1) ORDER BY id",
            ids,
        )
        .fetch_all(&self.general)
        .await
        .map_err(|e| StoreError::from_driver(WHAT, e))
    }

    /// Commands that wait: trust that was asked for and is not due yet.
    ///
    /// # Errors
    /// As the database gives them.
    pub async fn open_commands(&self) -> Result<Vec<CommandRow>, StoreError> {
        sqlx::query_as!(
            CommandRow,
            "SELECT id, group_id, replica, kind, state, command, answer FROM commands
             WHERE state = 'waiting' ORDER BY id LIMIT 1000",
        )
        .fetch_all(&self.general)
        .await
        .map_err(|e| StoreError::from_driver(WHAT, e))
    }

    /// Every log that there is: each replica decides for itself and is told for itself.
    ///
    /// # Errors
    /// As the database gives them.
    pub async fn log_names(&self) -> Result<Vec<LogName>, StoreError> {
        let rows = sqlx::query!("SELECT group_id, replica FROM logs ORDER BY group_id, replica")
            .fetch_all(&self.general)
            .await
            .map_err(|e| StoreError::from_driver("logs", e))?;
        let name = |row: &str, replica: &str| {
            Ok(LogName { group: to_slug("a group", row)?, replica: to_slug("a replica", replica)? })
        };
        rows.iter().map(|row| name(&row.group_id, &row.replica)).collect()
    }

    /// Logs that know an action whose id begins so, with the whole id.
    ///
    /// # Errors
    /// As the database gives them.
    pub async fn logs_of_action(&self, prefix: &str) -> Result<Vec<(LogName, Vec<u8>)>, StoreError> {
        let rows = sqlx::query!(
            "SELECT group_id, replica, action_id FROM actions
             WHERE encode(action_id, 'hex') LIKE $1 || '%' ORDER BY decided_at_ms DESC LIMIT 16",
            prefix,
        )
        .fetch_all(&self.general)
        .await
        .map_err(|e| StoreError::from_driver("actions", e))?;
        let name = |group: &str, replica: &str| {
            Ok(LogName { group: to_slug("a group", group)?, replica: to_slug("a replica", replica)? })
        };
        rows.into_iter().map(|row| Ok((name(&row.group_id, &row.replica)?, row.action_id))).collect()
    }
}

/// Answers the command that a record of the log holds, if a row waits for the answer.
pub(super) async fn answer_command(
    tx: &mut PgConnection,
    log: &LogName,
    step: &Step,
) -> Result<(), StoreError> {
    let Body::Command(command) = &step.input.body else { return Ok(()) };
    let digest = command_digest(command);
    // No row is no error: what the service itself commands (a canary on schedule) has none.
    sqlx::query!(
        "UPDATE commands SET state = 'answered', answer = $4, answered_at = now()
         WHERE id = (SELECT id FROM commands
                     WHERE group_id = $1 AND replica = $2 AND state = 'taken' AND digest = $3
                     ORDER BY id LIMIT 1)",
        log.group.as_str(),
        log.replica.as_str(),
        digest.as_slice(),
        answer(step)?,
    )
    .execute(tx)
    .await
    .map_err(|e| StoreError::from_driver(WHAT, e))?;
    Ok(())
}

/// What came of a command, from what the engine said to it.
fn answer(step: &Step) -> Result<Value, StoreError> {
    let (mut actions, mut modes, mut said) = (Vec::new(), Vec::new(), Vec::new());
    for effect in &step.effects.list {
        match effect {
            Effect::Contain(decision) => {
                let of = decision.actions.iter().map(|action| {
                    json!({ "id": action.id, "incident": action.incident, "chain": action.chain,
                            "target": action.target, "level": action.level, "until_s": action.until })
                });
                actions.extend(of);
            }
            Effect::Mode(change) => modes.push(json(change)),
            Effect::Notify(notice) => said.push(notice.text.clone()),
            _ => {}
        }
    }
    let seq = to_i64("a sequence number", step.record.seq)?;
    Ok(json!({ "seq": seq, "record": step.record.head, "actions": actions, "modes": modes, "said": said }))
}
