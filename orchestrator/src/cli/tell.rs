//! Telling a running service something: through the table of commands, and waiting for its answer.

use std::time::{Duration, Instant};

use portcullis_core::Command;
use portcullis_verifier::GroupId;
use serde_json::Value;

use super::CliError;
use crate::store::commands::CommandRow;
use crate::store::{LogName, Store};

/// How long an answer is waited for: the service looks every quarter of a second and answers from its log.
const PATIENCE: Duration = Duration::from_secs(10);

/// Between two looks at the answer.
const PACE: Duration = Duration::from_millis(100);

/// Logs of a group: each replica decides for itself, so each is told.
///
/// # Errors
/// When no service has ever written for the group.
pub(super) async fn logs_of(store: &Store, group: GroupId) -> Result<Vec<LogName>, CliError> {
    let mut logs = store.log_names().await?;
    logs.retain(|log| log.group == group);
    if logs.is_empty() { Err(CliError::NoLog(group)) } else { Ok(logs) }
}

/// Puts one command to each of these logs; gives the rows.
///
/// # Errors
/// As the database gives them.
pub(super) async fn put(store: &Store, told: &[(LogName, Command)]) -> Result<Vec<i64>, CliError> {
    let mut rows = Vec::with_capacity(told.len());
    for (log, command) in told {
        rows.push(store.ask(log, command).await?);
    }
    Ok(rows)
}

/// Waits until every row is answered.
///
/// # Errors
/// [`CliError::Unanswered`] when no service answers one in time; [`CliError::CommandRefused`] when all are refused.
pub(super) async fn answers(store: &Store, rows: &[i64]) -> Result<Vec<CommandRow>, CliError> {
    let since = Instant::now();
    loop {
        let now = store.commands(rows).await?;
        let open = now.iter().filter(|row| ["waiting", "taken"].contains(&row.state.as_str())).count();
        if open == 0 {
            let refused = now.iter().find_map(why_not);
            let all = now.iter().all(|row| row.state != "answered");
            return match refused {
                Some(why) if all => Err(CliError::CommandRefused(why)),
                _ => Ok(now),
            };
        }
        // Of several replicas one answer is enough to go on: another may not be running.
        let answered = now.iter().any(|row| row.state == "answered");
        if since.elapsed() >= PATIENCE {
            return if answered { Ok(now) } else { Err(CliError::Unanswered { secs: PATIENCE.as_secs() }) };
        }
        tokio::time::sleep(PACE).await;
    }
}

fn why_not(row: &CommandRow) -> Option<String> {
    let why = row.answer.as_ref()?.get("refused")?.as_str()?;
    Some(why.to_owned())
}

/// A list inside the answer of a row.
pub(super) fn list<'a>(row: &'a CommandRow, key: &str) -> &'a [Value] {
    let found = row.answer.as_ref().and_then(|answer| answer.get(key)).and_then(Value::as_array);
    found.map_or(&[], Vec::as_slice)
}

/// A text inside a value.
pub(super) fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or("?")
}

/// The answers as JSON.
pub(super) fn shown(rows: &[CommandRow]) -> Vec<Value> {
    let shown = rows.iter().map(|row| {
        serde_json::json!({
            "id": row.id, "group": row.group_id, "replica": row.replica, "kind": row.kind, "state": row.state,
            "answer": row.answer,
        })
    });
    shown.collect()
}

/// What the service said beside what it did, one line each.
pub(super) fn said(rows: &[CommandRow]) -> String {
    let lines = rows.iter().flat_map(|row| list(row, "said")).filter_map(Value::as_str);
    lines.map(|line| format!("  {line}\n")).collect()
}
