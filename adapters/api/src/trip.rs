//! What a trip says to gates of every family: how its action is named there, and what a tripper signs for somebody else to
//! bring.

use portcullis_verifier::{Action, B256, Level, U256, keccak256};

/// The number under which contracts of every family know a level.
#[must_use]
pub fn level_number(level: Level) -> u8 {
    match level {
        Level::Open => 0,
        Level::Limited => 1,
        Level::Closed => 2,
    }
}

/// Until when a signed trip may be brought, seconds since 1970. A closure by height alone has no time to run out at; what
/// it asks for is bounded by the gate all the same.
#[must_use]
pub fn deadline(action: &Action) -> u64 {
    if action.until == 0 { u64::MAX } else { action.until }
}

/// The action's id as the gate counts it: words of 32 bytes, with the domain tag and the chain's name hashed.
#[must_use]
pub fn gate_id(action: &Action) -> B256 {
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

/// What the tripper's signature is over, before any wrapping that the family's wallets add: the action's id, the deadline,
/// and the record, which whoever brings it must not be able to forge.
#[must_use]
pub fn signed_message(action: &Action, record: B256, deadline: u64) -> B256 {
    words([gate_id(action), number(deadline), record])
}

fn words<const N: usize>(words: [B256; N]) -> B256 {
    keccak256(words.map(|word| word.0).concat())
}

fn number(value: u64) -> B256 {
    B256::from(U256::from(value))
}
