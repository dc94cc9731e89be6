//! The messages of Guard and Gate, and the layout of a scope's word.
//!
//! The word of a scope lies, as 32 big-endian bytes, in the contract's own store under the length of `scope`, `scope`, and
//! the scope's 32 bytes. Least significant bits first: registered 0..8, hold 8..16, closed until 16..56, closed until
//! height 56..96, limited until 96..136, limited until height 136..176, generation 176..208. Fixed by the contracts'
//! documentation and tested on both sides.

use portcullis_adapter::{Action, GateReport, Level};
use portcullis_verifier::{B256, BlockRef, U256, keccak256};
use serde::Deserialize;
use serde_json::{Value, json};

/// Name under which a contract keeps its scopes.
const SCOPES: &[u8] = b"scope";

/// The message that asks a gate to close.
///
/// SECURITY: with [`signed_message`] the only one that changes anything at a gate and that this family can encode: nothing
/// here can open.
pub(crate) fn trip_message(action: &Action, record: B256) -> Vec<u8> {
    json!({ "trip": request(action, record) }).to_string().into_bytes()
}

/// The same message with the tripper's signature, for anybody to bring. It is good for as long as the closure that it
/// asks for, and once.
pub(crate) fn signed_message(action: &Action, record: B256, signature: &[u8]) -> Vec<u8> {
    let signed = json!({ "trip_signed": {
        "request": request(action, record),
        "deadline": deadline(action),
        "signature": alloy_primitives::hex::encode(signature),
    }});
    signed.to_string().into_bytes()
}

/// What the tripper signs: the action's id, the deadline, and the record, which whoever brings it must not be able to
/// forge.
pub(crate) fn signed_digest(action: &Action, record: B256) -> B256 {
    digest_until(action, record, deadline(action))
}

fn digest_until(action: &Action, record: B256, deadline: u64) -> B256 {
    words([gate_id(action), number(deadline), record])
}

/// The action's id as the gate counts it: words of 32 bytes, with the domain tag and the chain's name hashed.
fn gate_id(action: &Action) -> B256 {
    words([
        keccak256("portcullis.action.v1"),
        keccak256(action.chain.as_str()),
        action.target,
        action.scope,
        number(level_number(action.level).into()),
        number(action.until),
        number(action.until_height),
        action.incident.0,
        number(action.generation.into()),
    ])
}

fn words<const N: usize>(words: [B256; N]) -> B256 {
    keccak256(words.map(|word| word.0).concat())
}

fn number(value: u64) -> B256 {
    B256::from(U256::from(value))
}

/// A closure by height alone has no time to run out at; what it asks for is bounded by the gate all the same.
fn deadline(action: &Action) -> u64 {
    if action.until == 0 { u64::MAX } else { action.until }
}

fn request(action: &Action, record: B256) -> Value {
    json!({
        "scope": bare(action.scope),
        "level": level_number(action.level),
        "until": action.until,
        "until_height": action.until_height,
        "incident": bare(action.incident.0),
        "record": bare(record),
        "generation": action.generation,
    })
}

/// A question for what an account may cause.
pub(crate) fn tripper_question(account: &str) -> Value {
    json!({ "tripper_of": { "account": account } })
}

/// What a tripper may still cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(crate) struct Tripper {
    /// Whether the account may trip.
    pub(crate) active: bool,
    /// Closed seconds that it may cause within the rolling window.
    pub(crate) budget_seconds: u64,
    /// What is left of them now.
    pub(crate) left_seconds: u64,
}

/// A question for what a Gate closes with a scope.
pub(crate) fn targets_question(scope: B256) -> Value {
    json!({ "targets_of": { "scope": bare(scope) } })
}

/// One of the things that a Gate closes with a scope. What else is told of it is for people who ask the Gate itself.
#[derive(Debug, Deserialize)]
pub(crate) struct GateTargetView {
    target: GateTargetOf,
}

#[derive(Debug, Deserialize)]
struct GateTargetOf {
    switch: Switch,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Switch {
    /// One kind of message of the chain, by its circuit breaker.
    Circuit {
        /// Which.
        type_url: String,
    },
    /// Anything else, which needs no permission of the chain.
    #[serde(untagged)]
    Other(serde::de::IgnoredAny),
}

impl GateTargetView {
    /// The kind of message that is tripped, where it is one.
    pub(crate) fn message(&self) -> Option<&str> {
        match &self.target.switch {
            Switch::Circuit { type_url } => Some(type_url),
            Switch::Other(_) => None,
        }
    }
}

/// Words are written as 64 hex digits without a prefix.
fn bare(word: B256) -> String {
    format!("{word:x}")
}

fn level_number(level: Level) -> u8 {
    match level {
        Level::Open => 0,
        Level::Limited => 1,
        Level::Closed => 2,
    }
}

/// Under which of its own keys a contract keeps a scope's word.
#[must_use]
pub fn scope_key(scope: B256) -> Vec<u8> {
    // Two bytes, as the contracts' storage library counts namespaces; the name is a constant of five.
    let mut key = vec![0, 5];
    key.extend_from_slice(SCOPES);
    key.extend_from_slice(scope.as_slice());
    key
}

/// A field of a scope's word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// Closed until this time, seconds since 1970.
    ClosedUntil,
    /// Closed below this height.
    ClosedUntilHeight,
    /// Limited until this time, seconds since 1970.
    LimitedUntil,
    /// Limited below this height.
    LimitedUntilHeight,
}

/// Greatest value of a field: 40 bits.
const FIELD_MAX: u64 = (1 << 40) - 1;

impl Field {
    fn shift(self) -> usize {
        match self {
            Self::ClosedUntil => 16,
            Self::ClosedUntilHeight => 56,
            Self::LimitedUntil => 96,
            Self::LimitedUntilHeight => 136,
        }
    }

    /// All bits of the field, in place.
    #[must_use]
    pub fn mask(self) -> U256 {
        U256::from(FIELD_MAX).wrapping_shl(self.shift())
    }

    /// A value in place; what does not fit is the greatest that does.
    #[must_use]
    pub fn place(self, value: u64) -> U256 {
        U256::from(value.min(FIELD_MAX)).wrapping_shl(self.shift())
    }
}

/// Which field of the word shows that an action took effect: its time, or its height where no time is asked.
#[must_use]
pub fn effect_field(action: &Action) -> Field {
    match (action.level, action.until) {
        (Level::Closed, 0) => Field::ClosedUntilHeight,
        (Level::Closed, _) => Field::ClosedUntil,
        (Level::Limited | Level::Open, 0) => Field::LimitedUntilHeight,
        (Level::Limited | Level::Open, _) => Field::LimitedUntil,
    }
}

/// A scope's word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScopeWord(pub U256);

impl ScopeWord {
    /// Reads a field.
    #[must_use]
    pub fn get(self, field: Field) -> u64 {
        (self.0 & field.mask()).wrapping_shr(field.shift()).saturating_to()
    }

    fn bits(self, from: usize, mask: u32) -> u32 {
        (self.0.wrapping_shr(from) & U256::from(mask)).saturating_to()
    }

    fn registered(self) -> bool {
        self.bits(0, 1) != 0
    }

    fn hold(self) -> u32 {
        self.bits(8, 0xff)
    }

    fn generation(self) -> u32 {
        self.bits(176, u32::MAX)
    }

    /// The level at a block: the strictest of hold, closure and limitation; unregistered is closed. A level holds
    /// while time or height is below its bound.
    #[must_use]
    pub fn level_at(self, time: u64, height: u64) -> Level {
        let holds = |until, until_height| time < self.get(until) || height < self.get(until_height);
        if !self.registered() || self.hold() >= 2 || holds(Field::ClosedUntil, Field::ClosedUntilHeight) {
            Level::Closed
        } else if self.hold() == 1 || holds(Field::LimitedUntil, Field::LimitedUntilHeight) {
            Level::Limited
        } else {
            Level::Open
        }
    }
}

pub(crate) fn report(word: U256, block: BlockRef, time: u64) -> GateReport {
    let word = ScopeWord(word);
    GateReport {
        block,
        time,
        registered: word.registered(),
        level: word.level_at(time, block.height),
        until: word.get(Field::ClosedUntil),
        until_height: word.get(Field::ClosedUntilHeight),
        generation: word.generation(),
    }
}

#[cfg(test)]
#[path = "guard_tests.rs"]
mod tests;
