//! Rows that are written after the fact, for people: evidence with its verdict, the timeline, what endpoints said.
//! None of them is in the way of a decision or a containment.

use portcullis_adapter::Broadcast;
use portcullis_verifier::{ActionId, B256, ChainId, Claim, Evidence, IncidentId, Verdict};

use sqlx::PgConnection;

use super::convert::{clean, json, to_i64, to_i64_capped};
use super::{LogName, Store, StoreError, ensure_one_row};
use crate::budget;

/// One judged claim.
#[derive(Debug, Clone)]
pub struct EvidenceRow {
    /// Which log asked.
    pub log: LogName,
    /// For which incident, where it is one.
    pub incident: Option<IncidentId>,
    /// What had to be proven.
    pub claim: Claim,
    /// What was offered; none when none could be had.
    pub evidence: Option<Evidence>,
    /// What the verifier made of it.
    pub verdict: Verdict,
    /// From the request to the verdict, milliseconds.
    pub took_ms: u64,
    /// When the verdict was made, milliseconds since 1970.
    pub at_ms: u64,
}

/// One line of the timeline.
#[derive(Debug, Clone)]
pub struct TimelineRow {
    /// Which log.
    pub log: LogName,
    /// Incident, where there is one.
    pub incident: Option<IncidentId>,
    /// One of the seven verbs.
    pub step: &'static str,
    /// Chain, where it is one.
    pub chain: Option<ChainId>,
    /// Action, where it is one.
    pub action: Option<ActionId>,
    /// When it happened, milliseconds since 1970.
    pub at_ms: u64,
    /// Height of the chain, where it matters.
    pub height: Option<u64>,
    /// One sentence.
    pub detail: String,
}

/// What became of an attempt.
#[derive(Debug, Clone)]
pub struct AttemptRow {
    /// On which chain.
    pub chain: ChainId,
    /// By which hash.
    pub hash: B256,
    /// `sent`, `included`, `reverted` or `replaced`.
    pub state: &'static str,
    /// For people.
    pub detail: String,
    /// What endpoints said, where they were asked.
    pub replies: Option<Broadcast>,
    /// When it was handed to them, milliseconds since 1970, where it was.
    pub sent_at_ms: Option<u64>,
}

/// Whatever waits to be written after the fact.
#[derive(Debug, Clone)]
pub enum BackgroundRow {
    /// A judged claim.
    Evidence(Box<EvidenceRow>),
    /// A line of the timeline.
    Timeline(TimelineRow),
    /// What became of an attempt.
    Attempt(AttemptRow),
    /// An action's time ran out before it took effect.
    Expired {
        /// Which log.
        log: LogName,
        /// Which action.
        action: ActionId,
        /// When, milliseconds since 1970.
        at_ms: u64,
    },
}

/// A kill switch that is set in the table.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct KillSwitchRow {
    /// `all`, `chain/<CAIP-2>` or `playbook/<name>`.
    pub scope: String,
    /// Who set it.
    pub set_by: String,
    /// Why.
    pub reason: String,
}

impl Store {
    /// Writes rows in one transaction. It may be lost when the machine loses its power within the next second: the log
    /// and the attempts hold the truth, and a write to disk for each line would stand in the way of theirs.
    ///
    /// # Errors
    /// As the database gives them; then none of the rows is written.
    pub async fn write_background(&self, rows: &[BackgroundRow]) -> Result<(), StoreError> {
        let mut tx = self.lazy_transaction().await?;
        for row in rows {
            match row {
                BackgroundRow::Evidence(row) => insert_evidence(&mut tx, row).await?,
                BackgroundRow::Timeline(row) => insert_timeline(&mut tx, row).await?,
                BackgroundRow::Attempt(row) => update_attempt(&mut tx, row).await?,
                BackgroundRow::Expired { log, action, at_ms } => {
                    expire_action(&mut tx, log, *action, *at_ms).await?;
                }
            }
        }
        tx.commit().await.map_err(|e| StoreError::from_driver("a commit", e))
    }

    /// A transaction whose commit does not wait for the disk.
    pub(super) async fn lazy_transaction(&self) -> Result<sqlx::PgTransaction<'static>, StoreError> {
        let mut tx = self.general.begin().await.map_err(|e| StoreError::from_driver("a transaction", e))?;
        sqlx::query!("SET LOCAL synchronous_commit TO off")
            .execute(&mut *tx)
            .await
            .map_err(|e| StoreError::from_driver("a transaction", e))?;
        Ok(tx)
    }

    /// Kill switches that are set, read through the connections of containment.
    ///
    /// # Errors
    /// As the database gives them.
    pub async fn kill_switches(&self) -> Result<Vec<KillSwitchRow>, StoreError> {
        sqlx::query_as!(KillSwitchRow, "SELECT scope, set_by, reason FROM kill_switches ORDER BY scope")
            .fetch_all(&self.containment)
            .await
            .map_err(|e| StoreError::from_driver("kill switches", e))
    }

    /// Sets a kill switch; setting it again replaces who and why.
    ///
    /// # Errors
    /// [`StoreError::Refused`] when the scope has none of the three forms.
    pub async fn set_kill_switch(&self, row: &KillSwitchRow) -> Result<(), StoreError> {
        let set = sqlx::query!(
            "INSERT INTO kill_switches (scope, set_by, reason) VALUES ($1, $2, $3)
             ON CONFLICT (scope) DO UPDATE SET set_by = excluded.set_by, reason = excluded.reason, set_at = now()",
            row.scope,
            clean(&row.set_by),
            clean(&row.reason),
        )
        .execute(&self.general)
        .await
        .map_err(|e| StoreError::from_driver("a kill switch", e))?;
        ensure_one_row("a kill switch", &set)
    }

    /// Lifts a kill switch; false when it was not set.
    ///
    /// # Errors
    /// As the database gives them.
    pub async fn lift_kill_switch(&self, scope: &str) -> Result<bool, StoreError> {
        let lifted = sqlx::query!("DELETE FROM kill_switches WHERE scope = $1", scope)
            .execute(&self.general)
            .await
            .map_err(|e| StoreError::from_driver("a kill switch", e))?;
        Ok(lifted.rows_affected() == 1)
    }
}

async fn insert_evidence(tx: &mut PgConnection, row: &EvidenceRow) -> Result<(), StoreError> {
    let stored = row.evidence.as_ref().filter(|e| e.bytes.len() <= budget::EVIDENCE_STORED_BYTES);
    let outcome = match &row.verdict {
        Verdict::Proven(_) => "proven",
        Verdict::Refuted(..) => "refuted",
        Verdict::Undecided(_) => "undecided",
    };
    let claim_id = row.claim.id();
    sqlx::query!(
        "INSERT INTO evidence (group_id, replica, incident_id, claim_id, claim, system, bytes, outcome, verdict,
                               assurance, took_ms, at_ms)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
        row.log.group.as_str(),
        row.log.replica.as_str(),
        row.incident.map(|id| id.0.to_vec()),
        claim_id.0.as_slice(),
        json(&row.claim),
        row.evidence.as_ref().map_or("", |e| e.system.as_str()),
        stored.map_or(&[][..], |e| &e.bytes),
        outcome,
        json(&row.verdict),
        row.verdict.assurance().map(json),
        to_i64_capped(row.took_ms),
        to_i64("a time", row.at_ms)?,
    )
    .execute(tx)
    .await
    .map_err(|e| StoreError::from_driver("evidence", e))?;
    Ok(())
}

async fn insert_timeline(tx: &mut PgConnection, row: &TimelineRow) -> Result<(), StoreError> {
    sqlx::query!(
        "INSERT INTO timeline (group_id, replica, incident_id, step, chain, action_id, at_ms, height, detail)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        row.log.group.as_str(),
        row.log.replica.as_str(),
        row.incident.map(|id| id.0.to_vec()),
        row.step,
        row.chain.map(|chain| chain.to_string()),
        row.action.map(|id| id.0.to_vec()),
        to_i64("a time", row.at_ms)?,
        row.height.map(to_i64_capped),
        clean(&row.detail),
    )
    .execute(tx)
    .await
    .map_err(|e| StoreError::from_driver("the timeline", e))?;
    Ok(())
}

async fn update_attempt(tx: &mut PgConnection, row: &AttemptRow) -> Result<(), StoreError> {
    let updated = sqlx::query!(
        "UPDATE attempts SET state = $3, detail = $4, replies = COALESCE($5, replies),
                sent_at_ms = COALESCE(sent_at_ms, $6)
         WHERE chain = $1 AND hash = $2",
        row.chain.as_str(),
        row.hash.as_slice(),
        row.state,
        clean(&row.detail),
        row.replies.as_ref().map(|replies| json(&replies.replies)),
        row.sent_at_ms.map(to_i64_capped),
    )
    .execute(tx)
    .await
    .map_err(|e| StoreError::from_driver("an attempt", e))?;
    ensure_one_row("an attempt", &updated)
}

async fn expire_action(
    tx: &mut PgConnection,
    log: &LogName,
    action: ActionId,
    at_ms: u64,
) -> Result<(), StoreError> {
    let updated = sqlx::query!(
        "UPDATE actions SET state = 'expired', detail = 'its time ran out before it took effect',
                updated_at_ms = $4
         WHERE group_id = $1 AND replica = $2 AND action_id = $3",
        log.group.as_str(),
        log.replica.as_str(),
        action.0.as_slice(),
        to_i64("a time", at_ms)?,
    )
    .execute(tx)
    .await
    .map_err(|e| StoreError::from_driver("an action", e))?;
    ensure_one_row("an action", &updated)
}
