//! Proof of history: that each entry's hash follows from the one before, with its transactions' signatures mixed in.
//!
//! The hashes bind the order of entries and the signatures of their transactions; the bytes of transactions are bound
//! by the shreds, not here.

use sha2::{Digest, Sha256, block_api::compress256};

use super::{entries::Entry, error::SolanaProofError, limits::MAX_BLOCK_HASHES, transaction::Transaction};
use crate::B256;

const LEAF: [u8; 1] = [0];
const NODE: [u8; 1] = [1];

/// Where SHA-256 starts (FIPS 180-4, 5.3.3).
const SHA256_START: [u32; 8] =
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];

/// A hash that is hashed over and over.
///
/// A hash of 32 bytes is one block, whose padding never changes: bit 1 after the bytes, and their length, 256 bits.
struct Chain([u8; 64]);

impl Chain {
    fn from(hash: B256) -> Self {
        let mut block = [0u8; 64];
        let (head, padding) = block.split_at_mut(32);
        head.copy_from_slice(hash.as_slice());
        if let [first, .., last_but_one, _] = padding {
            (*first, *last_but_one) = (0x80, 1);
        }
        Self(block)
    }

    #[inline]
    fn step(&mut self) {
        let mut state = SHA256_START;
        compress256(&mut state, core::slice::from_ref(&self.0));
        for (place, word) in self.0.as_chunks_mut::<4>().0.iter_mut().zip(state) {
            *place = word.to_be_bytes();
        }
    }

    fn hash(&self) -> B256 {
        self.0.first_chunk::<32>().map(|hash| B256::from(*hash)).unwrap_or_default()
    }
}

/// `hash`, hashed `times` times over.
fn advance(hash: B256, times: u64) -> B256 {
    let mut chain = Chain::from(hash);
    (0..times).for_each(|_| chain.step());
    chain.hash()
}

/// An entry that is being verified: how often it is still hashed before its transactions are mixed in.
struct Lane<'e, 'a> {
    index: usize,
    entry: &'e Entry<'a>,
    chain: Chain,
    left: u64,
}

impl<'e, 'a> Lane<'e, 'a> {
    fn of(previous: B256, index: usize, entry: &'e Entry<'a>) -> Self {
        let mixed = u64::from(!entry.is_tick());
        Self { index, entry, chain: Chain::from(previous), left: entry.hashes.saturating_sub(mixed) }
    }

    /// Whether the entry's hash is what it says.
    fn end(&self) -> Result<(), SolanaProofError> {
        let hash = self.chain.hash();
        let found = if self.entry.is_tick() { hash } else { mixed(hash, self.entry) };
        let (index, expected) = (self.index, self.entry.hash);
        if found == expected { Ok(()) } else { Err(SolanaProofError::EntryHash { index, expected, found }) }
    }
}

/// Root of the Merkle tree over all signatures of some transactions; zero without any.
///
/// An odd last node is its own sibling.
#[must_use]
pub fn signatures_root(transactions: &[Transaction<'_>]) -> B256 {
    let signatures = transactions.iter().flat_map(|transaction| transaction.signatures);
    let mut level: Vec<[u8; 32]> = signatures
        .map(|signature| Sha256::new_with_prefix(LEAF).chain_update(signature).finalize().into())
        .collect();
    while level.len() > 1 {
        level = level
            .chunks(2)
            .filter_map(|pair| Some((pair.first()?, pair.last()?)))
            .map(|(left, right)| {
                Sha256::new_with_prefix(NODE).chain_update(left).chain_update(right).finalize().into()
            })
            .collect();
    }
    level.first().map(|root| B256::from(*root)).unwrap_or_default()
}

/// The hash that an entry has after `previous`.
fn hash_after(previous: B256, entry: &Entry<'_>) -> B256 {
    if entry.is_tick() {
        return advance(previous, entry.hashes);
    }
    mixed(advance(previous, entry.hashes.saturating_sub(1)), entry)
}

/// The last hash of an entry with transactions.
fn mixed(hash: B256, entry: &Entry<'_>) -> B256 {
    let mixed = Sha256::new_with_prefix(hash).chain_update(signatures_root(&entry.transactions)).finalize();
    B256::from_slice(&mixed)
}

/// Verifies that the entry at `index` follows from the hash before it.
///
/// # Errors
/// [`SolanaProofError::Limit`] when that takes more hashes than a block may have, [`SolanaProofError::EntryHash`].
pub fn verify_entry(previous: B256, index: usize, entry: &Entry<'_>) -> Result<B256, SolanaProofError> {
    spend(0, entry)?;
    let found = hash_after(previous, entry);
    if found == entry.hash {
        Ok(found)
    } else {
        Err(SolanaProofError::EntryHash { index, expected: entry.hash, found })
    }
}

/// Verifies every entry that follows another, and the first one where `start`, the parent's last hash, is known.
/// Returns how many were verified.
///
/// Each entry says with which hash it ends, so that they need not wait for each other: two are hashed in turns, because a hash
/// of a hash waits for itself most of the time.
///
/// # Errors
/// As [`verify_entry`] for the first that does not follow, before the first hash when all of them together are too many.
pub fn verify_entries(start: Option<B256>, entries: &[Entry<'_>]) -> Result<usize, SolanaProofError> {
    entries.iter().try_fold(0, spend)?;
    let previous = core::iter::once(start).chain(entries.iter().map(|entry| Some(entry.hash)));
    let pairs = previous.zip(entries.iter().enumerate());
    let mut lanes = pairs.filter_map(|(hash, (index, entry))| Some(Lane::of(hash?, index, entry)));
    let (mut one, mut other) = (lanes.next(), lanes.next());
    let (mut verified, mut first) = (0usize, Ok(()));
    loop {
        let ended = match (&mut one, &mut other) {
            (Some(a), Some(b)) => {
                let both = a.left.min(b.left);
                for _ in 0..both {
                    a.chain.step();
                    b.chain.step();
                }
                (a.left, b.left) = (a.left.saturating_sub(both), b.left.saturating_sub(both));
                if a.left == 0 { core::mem::replace(&mut one, lanes.next()) } else { other.take() }
            }
            (Some(last), None) | (None, Some(last)) => {
                (0..last.left).for_each(|_| last.chain.step());
                one.take().or_else(|| other.take())
            }
            (None, None) => return first.map(|()| verified),
        };
        other = other.or_else(|| lanes.next());
        if let Some(lane) = ended {
            verified = verified.saturating_add(1);
            first = earlier(first, lane.end());
        }
    }
}

/// Of two failures the one of the earlier entry.
fn earlier(
    one: Result<(), SolanaProofError>,
    other: Result<(), SolanaProofError>,
) -> Result<(), SolanaProofError> {
    match (&one, &other) {
        (
            Err(SolanaProofError::EntryHash { index: known, .. }),
            Err(SolanaProofError::EntryHash { index: new, .. }),
        ) if new < known => other,
        (Err(_), _) => one,
        (Ok(()), _) => other,
    }
}

/// SECURITY: an entry says itself how often to hash, in eight bytes.
fn spend(spent: u64, entry: &Entry<'_>) -> Result<u64, SolanaProofError> {
    let found = spent.saturating_add(entry.hashes);
    if found > MAX_BLOCK_HASHES {
        let what = "hashes of a block";
        return Err(SolanaProofError::Limit { what, found, limit: MAX_BLOCK_HASHES });
    }
    Ok(found)
}

/// Verifies that ticks come at their pace: `hashes_per_tick` hashes up to each, `ticks` in all, and the last entry is
/// one. Returns how many hashes those are.
///
/// # Errors
/// [`SolanaProofError::Entry`] names the first entry that does not keep it.
pub fn verify_ticks(
    entries: &[Entry<'_>],
    hashes_per_tick: u64,
    ticks: u64,
) -> Result<u64, SolanaProofError> {
    let (mut since, mut seen, mut all) = (0u64, 0u64, 0u64);
    for (index, entry) in entries.iter().enumerate() {
        since = since.saturating_add(entry.hashes);
        all = all.saturating_add(entry.hashes);
        if entry.is_tick() {
            if since != hashes_per_tick {
                return Err(SolanaProofError::Entry { index, why: "it ticks too early or too late" });
            }
            (since, seen) = (0, seen.saturating_add(1));
        } else if since >= hashes_per_tick {
            return Err(SolanaProofError::Entry { index, why: "a tick before it is missing" });
        }
    }
    if since != 0 || seen != ticks {
        let why = "the block has not its number of ticks, or does not end in one";
        return Err(SolanaProofError::Entry { index: entries.len(), why });
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advancing_is_hashing_over_and_over() {
        let mut slow = B256::repeat_byte(7);
        for times in 0..70 {
            assert_eq!(advance(B256::repeat_byte(7), times), slow, "{times}");
            slow = B256::from_slice(&Sha256::digest(slow));
        }
    }

    /// Entries of all lengths, some of which say the wrong hash: as many verify, and the first that does not is named, as when
    /// one is hashed after the other.
    #[test]
    fn two_at_a_time_are_as_good_as_one_after_the_other() {
        let chain = |lengths: &[u64]| {
            let mut hash = B256::repeat_byte(7);
            let entry = |hashes: &u64| {
                hash = advance(hash, *hashes);
                Entry { hashes: *hashes, hash, transactions: Vec::new() }
            };
            lengths.iter().map(entry).collect::<Vec<Entry<'_>>>()
        };
        let lengths = [1, 9, 2, 2, 500, 1, 1, 1, 30, 7, 1];
        for count in 0..=lengths.len() {
            let entries = chain(lengths.get(..count).unwrap());
            let start = Some(B256::repeat_byte(7));
            assert_eq!(verify_entries(start, &entries), Ok(count));
            assert_eq!(verify_entries(None, &entries), Ok(count.saturating_sub(1)));
            for wrong in 0..count {
                for later in wrong..count {
                    let mut spoiled = entries.clone();
                    // What one says wrongly the next does not follow from either.
                    for at in [wrong, later] {
                        spoiled.get_mut(at).unwrap().hash = B256::ZERO;
                    }
                    let found = verify_entries(start, &spoiled);
                    assert!(
                        matches!(found, Err(SolanaProofError::EntryHash { index, .. }) if index == wrong),
                        "{count} {wrong} {later}: {found:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn no_signatures_have_no_root() {
        assert_eq!(signatures_root(&[]), B256::ZERO);
    }
}
