//! The targets, one file each.

pub(crate) mod answers;
pub(crate) mod config;
pub(crate) mod dataset;
pub(crate) mod engine;
pub(crate) mod evidence;
pub(crate) mod header;
pub(crate) mod journal;
pub(crate) mod logs;
pub(crate) mod receipts;
pub(crate) mod record;
pub(crate) mod request;
pub(crate) mod shred_evidence;
pub(crate) mod shreds;
pub(crate) mod trie;
pub(crate) mod vocabulary;
pub(crate) mod votes;
pub(crate) mod wire;

/// The small chain of the verifier's own tests: real tries, real headers, all types of receipts.
#[path = "../../../verifier/tests/evm/fixture.rs"]
#[allow(dead_code, clippy::arithmetic_side_effects, reason = "the verifier's tests use all of it")]
mod fixture;

/// Stake, votes and blocks in shreds, from the verifier's own tests.
#[path = "../../../verifier/tests/solana/fixture.rs"]
#[allow(
    dead_code,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    reason = "the verifier's tests use all of it"
)]
mod shreds_fixture;

/// A bank's manifest, from the verifier's own tests.
#[path = "../../../verifier/tests/solana/bank.rs"]
#[allow(clippy::as_conversions, reason = "the verifier's tests use all of it")]
mod bank_fixture;

/// Splits the first byte off: it chooses a case.
fn choice(bytes: &[u8]) -> (usize, &[u8]) {
    bytes.split_first().map_or((0, bytes), |(first, rest)| (usize::from(*first), rest))
}

/// Cuts bytes into strings: two bytes of length, little-endian, then as much of it as is there.
fn strings(mut bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut out = Vec::new();
    while let Some((length, rest)) = bytes.split_first_chunk::<2>() {
        let (string, rest) = rest.split_at(usize::from(u16::from_le_bytes(*length)).min(rest.len()));
        out.push(string.to_vec());
        bytes = rest;
    }
    out
}

/// What [`strings`] reads back.
fn joined<S: AsRef<[u8]>>(strings: impl IntoIterator<Item = S>) -> Vec<u8> {
    let mut out = Vec::new();
    for string in strings {
        let string = string.as_ref();
        let length = u16::try_from(string.len()).expect("a seed's string below 64 KiB");
        out.extend(length.to_le_bytes());
        out.extend(string);
    }
    out
}
