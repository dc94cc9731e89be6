//! Blocks of this family commit to state and not to events. A protected contract that wants its events to be provable
//! writes them down: under a digest of the event, the height at which it said so. That key is proven like any other.
//!
//! ```text
//! own key  0x0008 ‖ "recorded" ‖ digest
//! value    the block's height, 8 bytes, big-endian
//! digest   keccak256(text(type) ‖ text(key) ‖ text(value) ‖ text(key) ‖ …), the type as the chain shows it
//! text     length as 4 bytes, big-endian, and the bytes
//! ```

use crate::word::{Word, keccak256};
use cosmwasm_std::storage_keys::namespace_with_key;
use cosmwasm_std::{Event, Storage};

/// SECURITY: proofs read this key; it may never change.
const NAMESPACE: &[u8] = b"recorded";

/// Writes down that the event was emitted at this height.
pub fn record_event(storage: &mut dyn Storage, height: u64, event: &Event) {
    storage.set(&namespace_with_key(&[NAMESPACE], &digest(event).0), &height.to_be_bytes());
}

/// What the event says, with `wasm-` before its type as the chain puts it there.
fn digest(event: &Event) -> Word {
    let mut bytes = Vec::new();
    let mut put = |text: &str| {
        let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
        bytes.extend(length.to_be_bytes());
        bytes.extend(text.as_bytes());
    };
    put(&format!("wasm-{}", event.ty));
    for attribute in &event.attributes {
        put(&attribute.key);
        put(&attribute.value);
    }
    keccak256(&[&bytes])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_do_not_run_into_each_other() {
        let event = |ty: &str, key: &str, value: &str| digest(&Event::new(ty).add_attribute(key, value));
        assert_eq!(event("Minted", "ab", "c"), event("Minted", "ab", "c"));
        assert_ne!(event("Minted", "ab", "c"), event("Minted", "a", "bc"));
        assert_ne!(event("Minted", "ab", "c"), event("Released", "ab", "c"));
        // Four bytes of length and the text, for type, key and value.
        let bytes = b"\x00\x00\x00\x06wasm-X\x00\x00\x00\x01a\x00\x00\x00\x01b";
        assert_eq!(event("X", "a", "b"), keccak256(&[bytes]));
    }
}
