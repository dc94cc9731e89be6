//! Addresses that programs sign for, and the hashes that name scopes and actions.

use curve25519_dalek::edwards::CompressedEdwardsY;
use sha2::{Digest as _, Sha256};
use sha3::Keccak256;

use crate::Word;

/// The address that the seeds give under a program, and its bump.
#[must_use]
pub fn derived(program: &Word, seeds: &[&[u8]]) -> (Word, u8) {
    (0..=255_u8)
        .rev()
        .find_map(|bump| at_bump(program, seeds, bump).map(|address| (address, bump)))
        .unwrap_or_default()
}

/// The address with this bump; none when a key could have it.
#[must_use]
pub fn at_bump(program: &Word, seeds: &[&[u8]], bump: u8) -> Option<Word> {
    let mut hash = Sha256::new();
    for seed in seeds {
        hash.update(seed);
    }
    hash.update([bump]);
    hash.update(program);
    hash.update(b"ProgramDerivedAddress");
    let address: Word = hash.finalize().into();
    CompressedEdwardsY(address).decompress().is_none().then_some(address)
}

/// Keccak-256 of the parts, one after the other.
#[must_use]
pub fn keccak256(parts: &[&[u8]]) -> Word {
    let mut hash = Keccak256::new();
    for part in parts {
        hash.update(part);
    }
    hash.finalize().into()
}

/// Big-endian with zeros before it.
#[must_use]
pub fn padded(number: u64) -> Word {
    let mut word = [0; 32];
    word[24..].copy_from_slice(&number.to_be_bytes());
    word
}

/// Text of up to 32 bytes, padded with zeros on the right; "*" is any.
#[must_use]
pub fn text(value: &str) -> Word {
    let mut word = [0; 32];
    if value != "*" {
        word[..value.len()].copy_from_slice(value.as_bytes());
    }
    word
}

/// The id of a scope.
#[must_use]
pub fn scope_of(caip2: &Word, bridge: &Word, direction: u8, corridor: &Word, asset: &Word) -> Word {
    let domain = keccak256(&[b"portcullis.scope.v1"]);
    keccak256(&[&domain, caip2, bridge, &padded(direction.into()), corridor, asset])
}
