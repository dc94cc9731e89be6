//! How scopes and actions are named: the same hashes on every machine, each part one word of 32 bytes.

use cosmwasm_std::{Addr, Api, StdResult};
use sha2::{Digest, Sha256};

use crate::msg::TripRequest;
use crate::word::{Word, keccak256};

/// The explicit wildcard for corridor and asset.
pub const ANY: Word = Word::ZERO;
/// In and out.
pub const DIRECTION_ANY: u8 = 0;
/// Value comes in.
pub const DIRECTION_IN: u8 = 1;
/// Value leaves.
pub const DIRECTION_OUT: u8 = 2;

const SCOPE_DOMAIN: &[u8] = b"portcullis.scope.v1";
const ACTION_DOMAIN: &[u8] = b"portcullis.action.v1";

/// The chain's CAIP-2 name: `cosmos:` and the chain id, or, for an id that CAIP-2 cannot hold, what CAIP-5 prescribes:
/// `hashed-` and the first 16 hex digits of its SHA-256.
#[must_use]
pub fn caip2_name(chain_id: &str) -> String {
    let fits = (1..=32).contains(&chain_id.len())
        && chain_id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && !chain_id.starts_with("hashed-");
    if fits {
        return format!("cosmos:{chain_id}");
    }
    let hash: String =
        Sha256::digest(chain_id.as_bytes()).iter().take(8).map(|b| format!("{b:02x}")).collect();
    format!("cosmos:hashed-{hash}")
}

/// Keccak-256 of the chain's CAIP-2 name.
#[must_use]
pub fn caip2_hash(chain_id: &str) -> Word {
    keccak256(&[caip2_name(chain_id).as_bytes()])
}

/// keccak256(keccak256("portcullis.scope.v1"), caip2 hash, bridge, direction, corridor, asset).
#[must_use]
pub fn scope_of(caip2_hash: Word, bridge: Word, direction: u8, corridor: Word, asset: Word) -> Word {
    keccak256(&[
        &keccak256(&[SCOPE_DOMAIN]).0,
        &caip2_hash.0,
        &bridge.0,
        &padded(&[direction]).0,
        &corridor.0,
        &asset.0,
    ])
}

/// keccak256(keccak256("portcullis.action.v1"), caip2 hash, guard, scope, level, until, until height, incident,
/// generation).
#[must_use]
pub fn action_id(caip2_hash: Word, guard: Word, r: &TripRequest) -> Word {
    keccak256(&[
        &keccak256(&[ACTION_DOMAIN]).0,
        &caip2_hash.0,
        &guard.0,
        &r.scope.0,
        &padded(&[r.level]).0,
        &padded(&r.until.to_be_bytes()).0,
        &padded(&r.until_height.to_be_bytes()).0,
        &r.incident.0,
        &padded(&r.generation.to_be_bytes()).0,
    ])
}

/// What a tripper signs: keccak256(action id, deadline, record). The record is signed too, so that who submits cannot
/// forge it.
#[must_use]
pub fn trip_message(action_id: Word, deadline: u64, record: Word) -> Word {
    keccak256(&[&action_id.0, &padded(&deadline.to_be_bytes()).0, &record.0])
}

/// An account as a word: its canonical bytes, at most 32, with zeros before them.
///
/// # Errors
/// When the chain does not know the address's form.
pub fn account_word(api: &dyn Api, account: &Addr) -> StdResult<Word> {
    Ok(padded(&api.addr_canonicalize(account.as_str())?))
}

/// Big-endian with zeros before it; of more than 32 bytes the last ones.
fn padded(bytes: &[u8]) -> Word {
    let mut word = [0_u8; 32];
    for (to, from) in word.iter_mut().rev().zip(bytes.iter().rev()) {
        *to = *from;
    }
    Word(word)
}
