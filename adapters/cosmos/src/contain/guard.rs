//! The messages of Guard and Gate, and the layout of a scope's word.
//!
//! The word of a scope lies, as 32 big-endian bytes, in the contract's own store under the length of `scope`, `scope`, and
//! the scope's 32 bytes. Least significant bits first: registered 0..8, hold 8..16, closed until 16..56, closed until
//! height 56..96, limited until 96..136, limited until height 136..176, generation 176..208. Fixed by the contracts'
//! documentation and tested on both sides.

pub use portcullis_adapter::word::{Field, ScopeWord, effect_field};
use portcullis_adapter::{
    Action,
    trip::{self, deadline, level_number},
};
use portcullis_verifier::B256;
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
    trip::signed_message(action, record, deadline)
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

/// Under which of its own keys a contract keeps a scope's word.
#[must_use]
pub fn scope_key(scope: B256) -> Vec<u8> {
    // Two bytes, as the contracts' storage library counts namespaces; the name is a constant of five.
    let mut key = vec![0, 5];
    key.extend_from_slice(SCOPES);
    key.extend_from_slice(scope.as_slice());
    key
}

#[cfg(test)]
#[path = "guard_tests.rs"]
mod tests;
