//! Between the engine's encoding of records and the rows that hold them.

use portcullis_core::log::{Record, decode_effects, decode_input};
use portcullis_core::{Body, Input};

use super::{LogRecord, Step, StoreError, convert::unreadable};

/// Kind of an input, for people.
pub(crate) fn kind_of(input: &Input) -> &'static str {
    match &input.body {
        Body::Observed(_) => "observed",
        Body::Progress(_) => "progress",
        Body::SourceFailed { .. } => "source_failed",
        Body::SourceRecovered { .. } => "source_recovered",
        Body::Proved { .. } => "proved",
        Body::Landed { .. } => "landed",
        Body::Gate(_) => "gate",
        Body::Price { .. } => "price",
        Body::Tick => "tick",
        Body::Command(_) => "command",
        Body::ConfigChanged(_) => "config_changed",
        Body::Checked(_) => "checked",
        Body::Overload { .. } => "overload",
        Body::Resumed => "resumed",
        Body::Snapshot { .. } => "snapshot",
    }
}

/// Reads what a record holds.
///
/// # Errors
/// [`StoreError::Unreadable`] when its bytes are not an input with effects of this version's encoding.
pub(crate) fn step_of(record: LogRecord) -> Result<Step, StoreError> {
    let at = |what: &'static str| {
        move |error: portcullis_core::log::DecodeError| unreadable(what, error.to_string())
    };
    let (_engine, input) = decode_input(&record.encoded).map_err(at("an input of the log"))?;
    let effects = decode_effects(&record.effects).map_err(at("effects of the log"))?;
    Ok(Step { record, input, effects })
}

/// As the engine's replay reads it.
impl From<LogRecord> for Record {
    fn from(record: LogRecord) -> Self {
        Self { seq: record.seq, input: record.encoded, effects: record.effects, head: record.head }
    }
}
