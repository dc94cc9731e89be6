//! The messages of Guard and Gate, and the layout of a scope's word.
//!
//! The word of a scope lies, as 32 big-endian bytes, in the contract's own store under the length of `scope`, `scope`, and
//! the scope's 32 bytes. Least significant bits first: registered 0..8, hold 8..16, closed until 16..56, closed until
//! height 56..96, limited until 96..136, limited until height 136..176, generation 176..208. Fixed by the contracts'
//! documentation and tested on both sides.
//!
//! A Gate keeps a second word of each scope under `enforced`: the same fields, with nothing closed or limited that one of
//! its targets did not follow.

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
/// Name under which a Gate keeps what of its scopes is enforced.
const ENFORCED: &[u8] = b"enforced";

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

/// A question for a scope's level now: 0 open, 1 limited, 2 closed.
pub(crate) fn level_question(scope: B256) -> Value {
    json!({ "level_of": { "scope": bare(scope) } })
}

/// A question for what a Gate closes with a scope.
pub(crate) fn targets_question(scope: B256) -> Value {
    json!({ "targets_of": { "scope": bare(scope) } })
}

/// One of the things that a Gate closes with a scope. What else is told of it is for people who ask the Gate itself.
#[derive(Debug, Deserialize)]
pub(crate) struct GateTargetView {
    target: GateTargetOf,
    /// What the Gate's last attempt left of it.
    #[serde(default)]
    mark: Mark,
    /// What the target says itself.
    #[serde(default)]
    closed: Option<bool>,
}

/// What a Gate's last attempt left of a target.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Mark {
    /// Not closed by it.
    Open,
    /// Closed by it.
    Ours,
    /// Closed already.
    Found,
    /// It refused to close.
    Failed,
    /// Closed by it, and it refused to open.
    Stuck,
    /// Closed by it once; when that was tried again, it refused.
    Doubtful,
    /// Nothing that this version knows.
    #[default]
    #[serde(other)]
    Unknown,
}

#[derive(Debug, Deserialize)]
struct GateTargetOf {
    switch: Switch,
    /// The level from which it is closed: 1 limited, 2 closed.
    #[serde(default)]
    from_level: u8,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Switch {
    /// One kind of message of the chain, by its circuit breaker.
    Circuit {
        /// Which.
        type_url: String,
    },
    /// A contract that can be paused.
    Pausable {
        /// Which.
        account: String,
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
            Switch::Pausable { .. } | Switch::Other(_) => None,
        }
    }

    /// What it is and why it is open, in words; none where the Gate says that it is closed, or where this level does not ask
    /// for that.
    pub(crate) fn open_because(&self, level: u8) -> Option<String> {
        if self.target.from_level > level || self.closed == Some(true) {
            return None;
        }
        let name = match &self.target.switch {
            Switch::Circuit { type_url } => type_url,
            Switch::Pausable { account } => account,
            Switch::Other(_) => "a target of another kind",
        };
        let why = match self.mark {
            Mark::Ours | Mark::Found | Mark::Stuck => return None,
            Mark::Open => "is open",
            Mark::Failed => "refused to close",
            Mark::Doubtful => "was closed once, and refused when that was tried again",
            Mark::Unknown => "says nothing that this version knows",
        };
        Some(format!("{name} {why}"))
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
    [&[0, 5], SCOPES, scope.as_slice()].concat()
}

/// Under which of its own keys a Gate keeps what of a scope is enforced.
#[must_use]
pub fn enforced_key(scope: B256) -> Vec<u8> {
    [&[0, 8], ENFORCED, scope.as_slice()].concat()
}

#[cfg(test)]
#[path = "guard_tests.rs"]
mod tests;
