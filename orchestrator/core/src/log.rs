//! The log: what was decided can be decided again, byte for byte, by anybody who has the inputs.
//!
//! A record is an input, the effects that it caused, and the head of a chain of hashes up to it. Record 0 holds
//! the configuration. The head stands in trip events and notices, so that the log cannot be rewritten afterwards.

use alloy_primitives::Keccak256;
use borsh::{BorshDeserialize, BorshSerialize};
use portcullis_verifier::{B256, Progress, keccak256};
use serde::{Deserialize, Serialize};

use crate::{
    effect::Effects,
    engine::{ENGINE_VERSION, Engine},
    input::{Body, Input},
};

/// Version of the encoding of records: the first byte of each.
pub const RECORD_VERSION: u8 = 3;

/// The version before, which is still read: its progress did not say where the chain's head was.
const HEADLESS_VERSION: u8 = 2;

/// Why bytes are not an input.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Empty, or shorter than its header.
    #[error("{0} bytes are too few for a record")]
    Short(usize),
    /// Another version of the encoding.
    #[error("the record has encoding version {found}, this program reads {RECORD_VERSION}")]
    Version {
        /// First byte of the record.
        found: u8,
    },
    /// The bytes after the header are not an input.
    #[error("the record's input cannot be read: {detail}")]
    Input {
        /// What the decoder says.
        detail: String,
    },
}

/// An input as it stands in the log: encoding version, engine version (4 bytes, little-endian), borsh.
#[must_use]
pub fn encode_input(input: &Input) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(512);
    bytes.push(RECORD_VERSION);
    bytes.extend_from_slice(&ENGINE_VERSION.to_le_bytes());
    // Writing into memory cannot fail for these types.
    let _infallible = BorshSerialize::serialize(input, &mut bytes);
    bytes
}

/// Reads an input of the log; gives the version of the engine that consumed it beside it.
///
/// # Errors
/// [`DecodeError`] says what the bytes are instead.
pub fn decode_input(bytes: &[u8]) -> Result<(u32, Input), DecodeError> {
    let short = || DecodeError::Short(bytes.len());
    let (version, rest) = bytes.split_first().ok_or_else(short)?;
    let (engine, rest) = rest.split_first_chunk::<4>().ok_or_else(short)?;
    let input = match *version {
        RECORD_VERSION => Input::try_from_slice(rest),
        HEADLESS_VERSION => decode_headless(rest),
        found => return Err(DecodeError::Version { found }),
    };
    let input = input.map_err(|e| DecodeError::Input { detail: e.to_string() })?;
    Ok((u32::from_le_bytes(*engine), input))
}

/// An input as version 2 wrote it: a progress ended before `head_time`, its last field. What was delivered was taken
/// for the head.
fn decode_headless(bytes: &[u8]) -> Result<Input, borsh::io::Error> {
    let whole = Input::try_from_slice(bytes);
    let Err(error) = whole else { return whole };
    let longer = [bytes, &[0; 8]].concat();
    match Input::try_from_slice(&longer) {
        Ok(Input { at_ms, body: Body::Progress(progress) }) => {
            let progress = Progress { head_time: progress.time, ..progress };
            Ok(Input { at_ms, body: Body::Progress(progress) })
        }
        _ => Err(error),
    }
}

/// Effects as they stand in the log.
#[must_use]
pub fn encode_effects(effects: &Effects) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(if effects.list.is_empty() { 4 } else { 1_024 });
    let _infallible = BorshSerialize::serialize(effects, &mut bytes);
    bytes
}

/// Reads effects of the log.
///
/// # Errors
/// [`DecodeError::Input`] when the bytes are none.
pub fn decode_effects(bytes: &[u8]) -> Result<Effects, DecodeError> {
    Effects::try_from_slice(bytes).map_err(|e| DecodeError::Input { detail: e.to_string() })
}

/// The head of the chain after a record: keccak256(previous head ‖ sequence number, 8 bytes big-endian ‖ input).
#[must_use]
pub fn chain_head(prev: B256, seq: u64, encoded_input: &[u8]) -> B256 {
    let mut hasher = Keccak256::new();
    hasher.update(prev);
    hasher.update(seq.to_be_bytes());
    hasher.update(encoded_input);
    hasher.finalize()
}

/// Digest of a sequence of effects: keccak256 over the chained digests of each encoding.
pub fn decisions_digest<'a>(effects: impl IntoIterator<Item = &'a [u8]>) -> B256 {
    effects.into_iter().fold(B256::ZERO, link)
}
/// A record as it was stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// From 0, without a gap.
    pub seq: u64,
    /// The input; see [`encode_input`].
    pub input: Vec<u8>,
    /// The effects; see [`encode_effects`].
    pub effects: Vec<u8>,
    /// The head after it; see [`chain_head`].
    pub head: B256,
}

/// What a replay showed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "verdict")]
pub enum ReplayReport {
    /// Every record gives the stored decisions again.
    Equal {
        /// How many records.
        records: u64,
        /// Head after the last.
        head: B256,
        /// Digest of all decisions.
        decisions: B256,
    },
    /// The log was changed, or has a gap: from `seq` on it is not what was hashed.
    Broken {
        /// First record that does not fit.
        seq: u64,
        /// In which way.
        why: String,
    },
    /// The log is whole, but the engine decides something else at `seq`.
    Different {
        /// First record that differs.
        seq: u64,
        /// The stored effects, for people.
        expected: String,
        /// What the engine does now.
        found: String,
    },
    /// Another version of the engine wrote `seq`; this one has nothing to say about equality.
    DifferentEngine {
        /// First such record.
        seq: u64,
        /// Version that wrote it.
        wrote: u32,
        /// Version of this engine.
        runs: u32,
    },
}

/// Feeds a log to a fresh engine and compares what it decides, record by record, with what was stored.
pub fn replay(records: impl IntoIterator<Item = Record>) -> ReplayReport {
    let mut run = Replay { engine: None, head: B256::ZERO, next: 0, decisions: B256::ZERO };
    for record in records {
        if let Err(report) = run.check(&record) {
            return report;
        }
    }
    ReplayReport::Equal { records: run.next, head: run.head, decisions: run.decisions }
}

/// A replay under way; for callers that read the log piece by piece.
#[derive(Debug)]
struct Replay {
    engine: Option<Engine>,
    head: B256,
    next: u64,
    decisions: B256,
}

impl Replay {
    fn check(&mut self, record: &Record) -> Result<(), ReplayReport> {
        let seq = self.next;
        let broken = |why: String| ReplayReport::Broken { seq, why };
        if record.seq != seq {
            return Err(broken(format!("record {seq} is missing; the next one is {}", record.seq)));
        }
        let head = chain_head(self.head, seq, &record.input);
        if head != record.head {
            let why = format!("the input hashes to {head}, the log says {}", record.head);
            return Err(broken(why));
        }
        let (wrote, input) = decode_input(&record.input).map_err(|error| broken(error.to_string()))?;
        if wrote != ENGINE_VERSION {
            return Err(ReplayReport::DifferentEngine { seq, wrote, runs: ENGINE_VERSION });
        }
        let effects = encode_effects(&self.step(seq, &input)?);
        if effects != record.effects {
            return Err(difference(seq, &record.effects, &effects));
        }
        self.head = head;
        self.decisions = link(self.decisions, &effects);
        self.next = seq.saturating_add(1);
        Ok(())
    }

    fn step(&mut self, seq: u64, input: &Input) -> Result<Effects, ReplayReport> {
        let engine = match (&mut self.engine, &input.body) {
            (Some(engine), _) => engine,
            (none, Body::ConfigChanged(config)) => {
                let engine = Engine::new((**config).clone());
                none.insert(engine.map_err(|e| ReplayReport::Broken { seq, why: e.to_string() })?)
            }
            (None, _) => {
                let why = String::from("the first record holds no configuration");
                return Err(ReplayReport::Broken { seq, why });
            }
        };
        Ok(engine.step(input))
    }
}

fn link(head: B256, encoded: &[u8]) -> B256 {
    let mut hasher = Keccak256::new();
    hasher.update(head);
    hasher.update(keccak256(encoded));
    hasher.finalize()
}

/// Words for two encodings that differ: the effects where they can be read, the bytes where not.
fn difference(seq: u64, expected: &[u8], found: &[u8]) -> ReplayReport {
    let words = |bytes: &[u8]| match decode_effects(bytes) {
        Ok(effects) => format!("{:?}", effects.list),
        Err(error) => format!("{} bytes that are no effects ({error})", bytes.len()),
    };
    ReplayReport::Different { seq, expected: words(expected), found: words(found) }
}
