//! Events that a contract writes down.
//!
//! Blocks of this family commit to state and not to events. A contract that wants its events to be provable therefore
//! *records* each of them: beside the event it stores, under a digest of what the event says, the height at which it
//! said so. That key is proven like any other.
//!
//! ```text
//! own key  0x0008 ‖ "recorded" ‖ digest           (a map named "recorded", as cw-storage-plus lays it out)
//! value    the block's height, 8 bytes, big-endian
//! digest   keccak256(text(type) ‖ text(key) ‖ text(value) ‖ text(key) ‖ …)
//! text     length as 4 bytes, big-endian, and the bytes
//! ```
//!
//! The attributes stand in the order in which the contract emitted them, without those that the chain adds
//! ([`is_added_by_chain`]). Two events of one block that say the same are one record: what is proven is that the contract
//! said so in that block, not how often.

use super::system::{CONTRACT_STORE, contract_key};
use crate::{B256, Slug, keccak256};

/// What stands before every digest in a contract's keys: the length of the map's name, and the name.
const NAMESPACE: &[u8] = b"\x00\x08recorded";

/// Separates the digest of a recorded event from every other digest of a raw record.
const DOMAIN: &[u8] = b"portcullis.cosmos.recorded.v1";

/// Whether the chain adds the attribute to what a contract emitted: `_contract_address`, `msg_index`, and any other
/// key with an underscore before it, which contracts may not use.
#[must_use]
pub fn is_added_by_chain(key: &str) -> bool {
    key.starts_with('_') || key == "msg_index"
}

/// The digest under which an event is recorded.
///
/// `kind` is its type as the chain shows it (`wasm-released`). Attributes that the chain adds are left out here, so that
/// an event may be given as it was received. A text of 4 GiB or more cannot be told from a shorter one, and is in no block.
#[must_use]
pub fn recorded_digest<'a>(kind: &str, attributes: impl IntoIterator<Item = (&'a str, &'a str)>) -> B256 {
    let mut bytes = Vec::new();
    let mut put = |text: &str| {
        let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(text.as_bytes());
    };
    put(kind);
    for (key, value) in attributes {
        if !is_added_by_chain(key) {
            put(key);
            put(value);
        }
    }
    keccak256(bytes)
}

/// What an observation of a recorded event carries as its raw digest: contract and event, in a domain of its own, so that
/// whoever judges it knows that there must be a record.
#[must_use]
pub fn recorded_raw(contract: B256, digest: B256) -> B256 {
    keccak256([DOMAIN, contract.as_slice(), digest.as_slice()].concat())
}

/// The contract's own key for a record.
#[must_use]
pub fn recorded_key(digest: B256) -> Vec<u8> {
    [NAMESPACE, digest.as_slice()].concat()
}

/// The raw digest that a key of the contracts' store stands for; none where it is no record.
pub(super) fn raw_of_key(store: Slug, key: &[u8]) -> Option<B256> {
    if store.as_str() != CONTRACT_STORE {
        return None;
    }
    // The prefix is one byte; a contract's address is a word.
    let contract = B256::try_from(key.get(1..33)?).ok()?;
    let digest = B256::try_from(key.get(33..)?.strip_prefix(NAMESPACE)?).ok()?;
    (contract_key(contract, &recorded_key(digest)) == key).then(|| recorded_raw(contract, digest))
}
