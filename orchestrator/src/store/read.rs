//! The record as people read it: the API, the command line.

use portcullis_verifier::IncidentId;
use serde::Serialize;
use serde_json::Value;

use super::convert::to_i64;
use super::{Store, StoreError};

/// An incident in one line.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct IncidentRow {
    /// Linked group.
    pub group_id: String,
    /// Name of the log.
    pub replica: String,
    /// Id, 32 bytes.
    pub incident_id: Vec<u8>,
    /// `open` or `retracted`.
    pub state: String,
    /// Highest class that its signals allow.
    pub class: String,
    /// Value behind its signals, micro-USD.
    pub value_micro_usd: i64,
    /// Its signals.
    pub signals: Value,
    /// Record of the log that opened it.
    pub opened_seq: i64,
    /// When it was opened, milliseconds since 1970.
    pub opened_at_ms: i64,
    /// Record of the log that changed it last.
    pub updated_seq: i64,
    /// When it changed last, milliseconds since 1970.
    pub updated_at_ms: i64,
}

/// A plan with its reasons.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DecisionRow {
    /// Record of the log that led to it.
    pub seq: i64,
    /// Class that was chosen.
    pub class: String,
    /// Playbook that allows it.
    pub playbook: String,
    /// Why.
    pub reasons: Value,
    /// What was held back, and why.
    pub withheld: Value,
    /// Head of the log after the input that led to it.
    pub record: Vec<u8>,
    /// Version of the engine that decided.
    pub engine_version: i32,
    /// When, milliseconds since 1970.
    pub at_ms: i64,
}

/// What is asked of one gate, and how far it got.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ActionRow {
    /// Id, 32 bytes.
    pub action_id: Vec<u8>,
    /// Chain of the gate.
    pub chain: String,
    /// The gate.
    pub target: Vec<u8>,
    /// Scope as the gate counts it.
    pub scope: Vec<u8>,
    /// How tight.
    pub level: String,
    /// Until this chain time, seconds since 1970.
    pub until_s: i64,
    /// And not before this height.
    pub until_height: i64,
    /// Releases that the engine knew of.
    pub generation: i64,
    /// How much it hurts.
    pub class: String,
    /// Why.
    pub reasons: Value,
    /// How far it got.
    pub state: String,
    /// The last thing that was learned.
    pub detail: String,
    /// Block that holds it.
    pub landed_height: Option<i64>,
    /// Hash of that block.
    pub landed_hash: Option<Vec<u8>>,
    /// When it was decided, milliseconds since 1970.
    pub decided_at_ms: i64,
    /// When its state changed last, milliseconds since 1970.
    pub updated_at_ms: i64,
}

/// Signed bytes and what became of them.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AttemptView {
    /// For which action.
    pub action_id: Vec<u8>,
    /// On which chain.
    pub chain: String,
    /// By which hash.
    pub hash: Vec<u8>,
    /// Account that pays.
    pub sender: Vec<u8>,
    /// Its nonce.
    pub nonce: i64,
    /// Step of the fee schedule.
    pub bump: i32,
    /// Fee per gas, decimal.
    pub fee: String,
    /// How far it got.
    pub state: String,
    /// For people.
    pub detail: String,
    /// What endpoints said.
    pub replies: Value,
    /// When it was signed, milliseconds since 1970.
    pub signed_at_ms: i64,
    /// When it was handed to endpoints.
    pub sent_at_ms: Option<i64>,
}

/// A judged claim, without the bytes of its evidence.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EvidenceView {
    /// Id of the claim.
    pub claim_id: Vec<u8>,
    /// What had to be proven.
    pub claim: Value,
    /// Proof system; empty when no evidence could be had.
    pub system: String,
    /// Size of the evidence, bytes.
    pub size: i32,
    /// `proven`, `refuted` or `undecided`.
    pub outcome: String,
    /// The verdict in full.
    pub verdict: Value,
    /// What it rests on.
    pub assurance: Option<Value>,
    /// From request to verdict, milliseconds.
    pub took_ms: i64,
    /// When, milliseconds since 1970.
    pub at_ms: i64,
}

/// One line of the timeline.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TimelineView {
    /// Order of arrival.
    pub id: i64,
    /// Incident, where there is one.
    pub incident_id: Option<Vec<u8>>,
    /// One of the seven verbs.
    pub step: String,
    /// Chain, where it is one.
    pub chain: Option<String>,
    /// Action, where it is one.
    pub action_id: Option<Vec<u8>>,
    /// When it happened, milliseconds since 1970.
    pub at_ms: i64,
    /// Height of the chain, where it matters.
    pub height: Option<i64>,
    /// One sentence.
    pub detail: String,
}

/// A configured gate as it was last read; nulls where it never was.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GateRow {
    /// Linked group.
    pub group_id: String,
    /// Configured name.
    pub target: String,
    /// Chain.
    pub chain: String,
    /// The gate.
    pub address: Vec<u8>,
    /// Scope as the gate counts it.
    pub scope: Vec<u8>,
    /// How far automation may go.
    pub mode: String,
    /// How tight now.
    pub level: Option<String>,
    /// Until when, chain time.
    pub until_s: Option<i64>,
    /// And not before this height.
    pub until_height: Option<i64>,
    /// Releases so far.
    pub generation: Option<i64>,
    /// Block at which it was read.
    pub height: Option<i64>,
    /// Whether a proof says so.
    pub proven: Option<bool>,
    /// When it was read, milliseconds since 1970.
    pub at_ms: Option<i64>,
}

/// What people were told.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NoticeRow {
    /// Linked group.
    pub group_id: String,
    /// Record of the log that led to it.
    pub seq: i64,
    /// Which bridge.
    pub bridge: String,
    /// Why.
    pub cause: String,
    /// How urgent.
    pub class: String,
    /// Incident, where there is one.
    pub incident_id: Option<Vec<u8>>,
    /// One sentence.
    pub text: String,
    /// When, milliseconds since 1970.
    pub at_ms: i64,
}

const WHAT: &str = "the record";

impl Store {
    /// Incidents opened before a moment, newest first; `limit` is between 1 and 1,000.
    ///
    /// # Errors
    /// As the database gives them.
    pub async fn incidents(
        &self,
        before_ms: Option<u64>,
        limit: u32,
    ) -> Result<Vec<IncidentRow>, StoreError> {
        let before = before_ms.map_or(Ok(i64::MAX), |ms| to_i64("a time", ms))?;
        sqlx::query_as!(
            IncidentRow,
            "SELECT group_id, replica, incident_id, state, class, value_micro_usd, signals, opened_seq,
                    opened_at_ms, updated_seq, updated_at_ms
             FROM incidents WHERE opened_at_ms < $1 ORDER BY opened_at_ms DESC, incident_id LIMIT $2",
            before,
            i64::from(limit.clamp(1, 1_000)),
        )
        .fetch_all(&self.general)
        .await
        .map_err(|e| StoreError::from_driver(WHAT, e))
    }

    /// One incident, in every log that has it.
    ///
    /// # Errors
    /// As the database gives them.
    pub async fn incident(&self, id: IncidentId) -> Result<Vec<IncidentRow>, StoreError> {
        sqlx::query_as!(
            IncidentRow,
            "SELECT group_id, replica, incident_id, state, class, value_micro_usd, signals, opened_seq,
                    opened_at_ms, updated_seq, updated_at_ms
             FROM incidents WHERE incident_id = $1 ORDER BY group_id, replica",
            id.0.as_slice(),
        )
        .fetch_all(&self.general)
        .await
        .map_err(|e| StoreError::from_driver(WHAT, e))
    }

    /// Decisions of an incident, in order.
    ///
    /// # Errors
    /// As the database gives them.
    pub async fn decisions(&self, id: IncidentId) -> Result<Vec<DecisionRow>, StoreError> {
        sqlx::query_as!(
            DecisionRow,
            "SELECT seq, class, playbook, reasons, withheld, record, engine_version, at_ms
             FROM decisions WHERE incident_id = $1 ORDER BY group_id, replica, seq, ordinal",
            id.0.as_slice(),
        )
        .fetch_all(&self.general)
        .await
        .map_err(|e| StoreError::from_driver(WHAT, e))
    }

    /// Actions of an incident, in order of decision.
    ///
    /// # Errors
    /// As the database gives them.
    pub async fn actions(&self, id: IncidentId) -> Result<Vec<ActionRow>, StoreError> {
        sqlx::query_as!(
            ActionRow,
            "SELECT action_id, chain, target, scope, level, until_s, until_height, generation, class, reasons,
                    state, detail, landed_height, landed_hash, decided_at_ms, updated_at_ms
             FROM actions WHERE incident_id = $1 ORDER BY group_id, replica, seq, chain, action_id",
            id.0.as_slice(),
        )
        .fetch_all(&self.general)
        .await
        .map_err(|e| StoreError::from_driver(WHAT, e))
    }

    /// Attempts of an incident's actions, in order of signing.
    ///
    /// # Errors
    /// As the database gives them.
    pub async fn incident_attempts(&self, id: IncidentId) -> Result<Vec<AttemptView>, StoreError> {
        sqlx::query_as!(
            AttemptView,
            "SELECT action_id, chain, hash, sender, nonce, bump, fee, state, detail, replies, signed_at_ms, sent_at_ms
             FROM attempts WHERE action_id IN (SELECT action_id FROM actions WHERE incident_id = $1)
             ORDER BY signed_at_ms, chain, bump, nonce",
            id.0.as_slice(),
        )
        .fetch_all(&self.general)
        .await
        .map_err(|e| StoreError::from_driver(WHAT, e))
    }

    /// Evidence gathered for an incident, in order of arrival, the first thousand.
    ///
    /// # Errors
    /// As the database gives them.
    pub async fn incident_evidence(&self, id: IncidentId) -> Result<Vec<EvidenceView>, StoreError> {
        sqlx::query_as!(
            EvidenceView,
            r#"SELECT claim_id, claim, system, octet_length(bytes) AS "size!", outcome, verdict, assurance, took_ms,
                      at_ms
               FROM evidence WHERE incident_id = $1 ORDER BY id LIMIT 1000"#,
            id.0.as_slice(),
        )
        .fetch_all(&self.general)
        .await
        .map_err(|e| StoreError::from_driver(WHAT, e))
    }

    /// Lines of the timeline after an id, in order of arrival; of one incident, or of all.
    ///
    /// # Errors
    /// As the database gives them.
    pub async fn timeline(
        &self,
        incident: Option<IncidentId>,
        after_id: i64,
        limit: u32,
    ) -> Result<Vec<TimelineView>, StoreError> {
        let incident = incident.map(|id| id.0.to_vec());
        sqlx::query_as!(
            TimelineView,
            "SELECT id, incident_id, step, chain, action_id, at_ms, height, detail FROM timeline
             WHERE ($1::bytea IS NULL OR incident_id = $1) AND id > $2 ORDER BY id LIMIT $3",
            incident,
            after_id,
            i64::from(limit.clamp(1, 1_000)),
        )
        .fetch_all(&self.general)
        .await
        .map_err(|e| StoreError::from_driver(WHAT, e))
    }

    /// Every configured gate.
    ///
    /// # Errors
    /// As the database gives them.
    pub async fn gates(&self) -> Result<Vec<GateRow>, StoreError> {
        sqlx::query_as!(
            GateRow,
            r#"SELECT group_id, target, chain, address, scope, COALESCE(standing_mode, mode) AS "mode!", level, until_s,
                      until_height, generation, height, proven, at_ms
               FROM gates ORDER BY group_id, target, replica"#,
        )
        .fetch_all(&self.general)
        .await
        .map_err(|e| StoreError::from_driver(WHAT, e))
    }

    /// What people were told before a moment, newest first.
    ///
    /// # Errors
    /// As the database gives them.
    pub async fn notices(&self, before_ms: Option<u64>, limit: u32) -> Result<Vec<NoticeRow>, StoreError> {
        let before = before_ms.map_or(Ok(i64::MAX), |ms| to_i64("a time", ms))?;
        sqlx::query_as!(
            NoticeRow,
            "SELECT group_id, seq, bridge, cause, class, incident_id, text, at_ms FROM notices
             WHERE at_ms < $1 ORDER BY at_ms DESC, seq DESC, ordinal LIMIT $2",
            before,
            i64::from(limit.clamp(1, 1_000)),
        )
        .fetch_all(&self.general)
        .await
        .map_err(|e| StoreError::from_driver(WHAT, e))
    }
}
