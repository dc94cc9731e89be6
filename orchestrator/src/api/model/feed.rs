//! The timeline, the gates as they are, and what people were told.

use serde::Serialize;
use utoipa::ToSchema;

use super::hex;
use crate::store::read::{GateRow, NoticeRow, TimelineView};

/// One line of the timeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct TimelineLine {
    /// Order of arrival.
    pub id: i64,
    /// Incident, where there is one.
    pub incident: Option<String>,
    /// `observe`, `verify`, `correlate`, `decide`, `contain`, `confirm` or `recover`.
    pub step: String,
    /// Chain, where it is one.
    pub chain: Option<String>,
    /// Action, where it is one.
    pub action_id: Option<String>,
    /// When it happened.
    pub at_ms: i64,
    /// Height of the chain, where it matters.
    pub height: Option<i64>,
    /// One sentence.
    pub detail: String,
}

impl From<TimelineView> for TimelineLine {
    fn from(row: TimelineView) -> Self {
        Self {
            id: row.id,
            incident: row.incident_id.as_deref().map(hex),
            step: row.step,
            chain: row.chain,
            action_id: row.action_id.as_deref().map(hex),
            at_ms: row.at_ms,
            height: row.height,
            detail: row.detail,
        }
    }
}

/// A page of the timeline, in order of arrival.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct TimelinePage {
    /// In order of arrival.
    pub lines: Vec<TimelineLine>,
    /// `after_id` of the next page; the same as asked when nothing new came.
    pub next_after_id: i64,
}

/// A configured gate as it was last read; nulls where it never was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Gate {
    /// Configured name.
    pub id: String,
    /// Group of linked bridges.
    pub group: String,
    /// Chain, CAIP-2.
    pub chain: String,
    /// The gate, 32 bytes, left padded.
    pub address: String,
    /// Scope as the gate counts it.
    pub scope: String,
    /// How far automation may go.
    pub mode: String,
    /// `open`, `limited` or `closed`.
    pub level: Option<String>,
    /// Until this chain time; zero when open.
    pub until_s: Option<i64>,
    /// And not before this height.
    pub until_height: Option<i64>,
    /// Releases so far.
    pub generation: Option<i64>,
    /// Block at which it was read.
    pub height: Option<i64>,
    /// Whether a proof says so, or only operators.
    pub proven: Option<bool>,
    /// When it was read.
    pub at_ms: Option<i64>,
}

impl From<GateRow> for Gate {
    fn from(row: GateRow) -> Self {
        Self {
            id: row.target,
            group: row.group_id,
            chain: row.chain,
            address: hex(&row.address),
            scope: hex(&row.scope),
            mode: row.mode,
            level: row.level,
            until_s: row.until_s,
            until_height: row.until_height,
            generation: row.generation,
            height: row.height,
            proven: row.proven,
            at_ms: row.at_ms,
        }
    }
}

/// Something that people were told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Notice {
    /// Group of linked bridges.
    pub group: String,
    /// Which bridge.
    pub bridge: String,
    /// Why.
    pub cause: String,
    /// How urgent.
    pub class: String,
    /// Incident, where there is one.
    pub incident: Option<String>,
    /// One sentence.
    pub text: String,
    /// When.
    pub at_ms: i64,
}

impl From<NoticeRow> for Notice {
    fn from(row: NoticeRow) -> Self {
        Self {
            group: row.group_id,
            bridge: row.bridge,
            cause: row.cause,
            class: row.class,
            incident: row.incident_id.as_deref().map(hex),
            text: row.text,
            at_ms: row.at_ms,
        }
    }
}
