//! Borsh for the two foreign number types, so that every encoding in the log is ours and versioned.

use alloy_primitives::keccak256;
use borsh::BorshSerialize;

use crate::B256;

/// Digest of a domain tag and a value's canonical encoding: `keccak256(tag ‖ 0x00 ‖ borsh(value))`.
///
/// The tag separates id spaces, so that an event can never collide with, say, an action of equal bytes.
/// Writing into memory cannot fail, so encoding errors cannot occur for the types of this crate.
#[must_use]
pub fn digest<T: BorshSerialize + ?Sized>(tag: &str, value: &T) -> B256 {
    let mut buffer = Vec::with_capacity(256);
    buffer.extend_from_slice(tag.as_bytes());
    buffer.push(0);
    // A Vec never refuses a write; if a future type's encoder does, its digest still covers what was written.
    let _infallible = value.serialize(&mut buffer);
    keccak256(&buffer)
}
