//! Incidents with everything that led to them and came of them.

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::{TimelineLine, hex};
use crate::store::{
    LogEnd, LogName,
    read::{ActionRow, AttemptView, DecisionRow, EvidenceView, IncidentRow},
};

/// An incident in one line.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Incident {
    /// Id.
    pub id: String,
    /// Group of linked bridges.
    pub group: String,
    /// Name of the log among those of the group.
    pub replica: String,
    /// `open` or `retracted`.
    pub state: String,
    /// Highest class of action that its signals allow: `notify`, `tighten`, `hold`, `halt`.
    pub class: String,
    /// Value behind its signals, micro-USD.
    pub value_micro_usd: i64,
    /// How many signals support it.
    pub signals: usize,
    /// Record of the log that opened it.
    pub opened_seq: i64,
    /// When it was opened.
    pub opened_at_ms: i64,
    /// When it changed last.
    pub updated_at_ms: i64,
}

impl From<&IncidentRow> for Incident {
    fn from(row: &IncidentRow) -> Self {
        Self {
            id: hex(&row.incident_id),
            group: row.group_id.clone(),
            replica: row.replica.clone(),
            state: row.state.clone(),
            class: row.class.clone(),
            value_micro_usd: row.value_micro_usd,
            signals: row.signals.as_array().map_or(0, Vec::len),
            opened_seq: row.opened_seq,
            opened_at_ms: row.opened_at_ms,
            updated_at_ms: row.updated_at_ms,
        }
    }
}

/// A page of incidents, newest first.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct IncidentPage {
    /// Newest first.
    pub incidents: Vec<Incident>,
    /// `before_ms` of the next page; none at the end.
    pub next_before_ms: Option<i64>,
}

/// Everything that is recorded of one incident in one log.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct IncidentDetail {
    /// In one line.
    #[serde(flatten)]
    pub incident: Incident,
    /// What supports it, in order of chain position.
    #[schema(value_type = Vec<Object>)]
    pub reasons: Value,
    /// What had to be proven, and what came out.
    pub evidence: Vec<Evidence>,
    /// What was decided.
    pub decisions: Vec<Decision>,
    /// What was asked of each gate.
    pub actions: Vec<Action>,
    /// What was signed and sent.
    pub attempts: Vec<Attempt>,
    /// What happened when; the first thousand lines.
    pub timeline: Vec<TimelineLine>,
    /// Where the log ends now. The head at the decision stands in every trip.
    pub log: Option<LogHead>,
}

/// Where a log ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct LogHead {
    /// Records so far.
    pub records: u64,
    /// Head of the chain of hashes.
    pub head: String,
}

impl From<&LogEnd> for LogHead {
    fn from(end: &LogEnd) -> Self {
        Self { records: end.next_seq, head: end.head.to_string() }
    }
}

/// The log that an incident belongs to.
pub(in crate::api) fn belongs(name: &LogName, row: &IncidentRow) -> bool {
    name.group.as_str() == row.group_id && name.replica.as_str() == row.replica
}

/// A judged claim.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Evidence {
    /// Id of the claim, by content.
    pub claim_id: String,
    /// What had to be proven.
    #[schema(value_type = Object)]
    pub claim: Value,
    /// Proof system; empty when no evidence could be had.
    pub system: String,
    /// Size of the evidence, bytes.
    pub size_bytes: i32,
    /// `proven`, `refuted` or `undecided`.
    pub outcome: String,
    /// The verdict in full.
    #[schema(value_type = Object)]
    pub verdict: Value,
    /// What it rests on; none when undecided.
    #[schema(value_type = Option<Object>)]
    pub assurance: Option<Value>,
    /// From request to verdict, milliseconds.
    pub took_ms: i64,
    /// When.
    pub at_ms: i64,
}

impl From<EvidenceView> for Evidence {
    fn from(row: EvidenceView) -> Self {
        Self {
            claim_id: hex(&row.claim_id),
            claim: row.claim,
            system: row.system,
            size_bytes: row.size,
            outcome: row.outcome,
            verdict: row.verdict,
            assurance: row.assurance,
            took_ms: row.took_ms,
            at_ms: row.at_ms,
        }
    }
}

/// A plan with its reasons.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Decision {
    /// Record of the log that led to it.
    pub seq: i64,
    /// Class that was chosen.
    pub class: String,
    /// Playbook that allows it.
    pub playbook: String,
    /// Why, one sentence each.
    #[schema(value_type = Vec<String>)]
    pub reasons: Value,
    /// What a mode or a missing assurance held back, and why.
    #[schema(value_type = Vec<Object>)]
    pub withheld: Value,
    /// Head of the log that stands in the trips.
    pub record: String,
    /// Version of the engine that decided.
    pub engine_version: i32,
    /// When.
    pub at_ms: i64,
}

impl From<DecisionRow> for Decision {
    fn from(row: DecisionRow) -> Self {
        Self {
            seq: row.seq,
            class: row.class,
            playbook: row.playbook,
            reasons: row.reasons,
            withheld: row.withheld,
            record: hex(&row.record),
            engine_version: row.engine_version,
            at_ms: row.at_ms,
        }
    }
}

/// What is asked of one gate, and how far it got.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Action {
    /// Id, derived from what is asked.
    pub id: String,
    /// Chain of the gate, CAIP-2.
    pub chain: String,
    /// The gate, 32 bytes, left padded.
    pub target: String,
    /// Scope as the gate counts it.
    pub scope: String,
    /// At least this tight: `limited` or `closed`.
    pub level: String,
    /// Until this chain time.
    pub until_s: i64,
    /// And not before this height.
    pub until_height: i64,
    /// Releases of the scope that were known.
    pub generation: i64,
    /// How much it hurts.
    pub class: String,
    /// Why, one sentence each.
    #[schema(value_type = Vec<String>)]
    pub reasons: Value,
    /// `decided`, `sent`, `delayed`, `landed`, `reverted`, `reorged`, `effective`, `stopped` or `expired`.
    pub state: String,
    /// The last thing that was learned.
    pub detail: String,
    /// Block that holds it.
    pub landed_height: Option<i64>,
    /// Hash of that block.
    pub landed_hash: Option<String>,
    /// When it was decided.
    pub decided_at_ms: i64,
    /// When its state changed last.
    pub updated_at_ms: i64,
}

impl From<ActionRow> for Action {
    fn from(row: ActionRow) -> Self {
        Self {
            id: hex(&row.action_id),
            chain: row.chain,
            target: hex(&row.target),
            scope: hex(&row.scope),
            level: row.level,
            until_s: row.until_s,
            until_height: row.until_height,
            generation: row.generation,
            class: row.class,
            reasons: row.reasons,
            state: row.state,
            detail: row.detail,
            landed_height: row.landed_height,
            landed_hash: row.landed_hash.as_deref().map(hex),
            decided_at_ms: row.decided_at_ms,
            updated_at_ms: row.updated_at_ms,
        }
    }
}

/// Signed bytes and what became of them.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Attempt {
    /// For which action.
    pub action_id: String,
    /// On which chain.
    pub chain: String,
    /// By which hash the chain knows it.
    pub hash: String,
    /// Account that pays, 32 bytes, left padded.
    pub sender: String,
    /// Its nonce.
    pub nonce: i64,
    /// Step of the fee schedule, from 0.
    pub bump: i32,
    /// Fee per gas offered, decimal, in the chain's base unit.
    pub fee: String,
    /// `signed`, `sent`, `included`, `reverted` or `replaced`.
    pub state: String,
    /// For people.
    pub detail: String,
    /// What each endpoint said to the last broadcast.
    #[schema(value_type = Vec<Object>)]
    pub replies: Value,
    /// When it was signed and committed.
    pub signed_at_ms: i64,
    /// When it was handed to endpoints.
    pub sent_at_ms: Option<i64>,
}

impl From<AttemptView> for Attempt {
    fn from(row: AttemptView) -> Self {
        Self {
            action_id: hex(&row.action_id),
            chain: row.chain,
            hash: hex(&row.hash),
            sender: hex(&row.sender),
            nonce: row.nonce,
            bump: row.bump,
            fee: row.fee,
            state: row.state,
            detail: row.detail,
            replies: row.replies,
            signed_at_ms: row.signed_at_ms,
            sent_at_ms: row.sent_at_ms,
        }
    }
}
