//! The log's encoding, in one place for all who write or read records.

use portcullis_core::{Body, Effects, Input};
use portcullis_verifier::{B256, keccak256};

use super::{LogRecord, Step, StoreError, convert::unreadable};

const VERSION: u8 = 1;

pub(crate) const ENGINE_VERSION: u32 = 1;

pub(crate) fn encode_input(input: &Input) -> Result<Vec<u8>, StoreError> {
    borsh::to_vec(&(VERSION, ENGINE_VERSION, input)).map_err(|e| unreadable("an input", e.to_string()))
}

pub(crate) fn encode_effects(effects: &Effects) -> Result<Vec<u8>, StoreError> {
    borsh::to_vec(effects).map_err(|e| unreadable("effects", e.to_string()))
}

pub(crate) fn chain_head(previous: B256, seq: u64, encoded: &[u8]) -> B256 {
    let mut buffer = Vec::with_capacity(encoded.len().saturating_add(40));
    buffer.extend_from_slice(previous.as_slice());
    buffer.extend_from_slice(&seq.to_be_bytes());
    buffer.extend_from_slice(encoded);
    keccak256(&buffer)
}

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
    }
}

pub(crate) fn step_of(record: LogRecord) -> Result<Step, StoreError> {
    let (version, _engine, input): (u8, u32, Input) =
        borsh::from_slice(&record.encoded).map_err(|e| unreadable("an input", e.to_string()))?;
    if version != VERSION {
        return Err(unreadable("an input", format!("version {version}")));
    }
    let effects = borsh::from_slice(&record.effects).map_err(|e| unreadable("effects", e.to_string()))?;
    Ok(Step { record, input, effects })
}
