//! SHA-256 as this family uses it: of bytes, and of lists as a binary tree with separate domains for leaves and
//! inner nodes (RFC 6962, section 2.1).

use sha2::{Digest, Sha256};
use tendermint::{
    crypto::Sha256 as OneShot,
    merkle::{Hash, MerkleHash},
};

use super::{
    error::{CosmosProofError, bounded},
    limits::MAX_AUNTS,
};
use crate::B256;

/// SHA-256 of the parts, one after the other.
pub(super) fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    parts.iter().fold(Sha256::new(), |hasher, part| hasher.chain_update(part)).finalize().into()
}

fn leaf_hash(bytes: &[u8]) -> [u8; 32] {
    sha256(&[&[0], bytes])
}

fn inner_hash(left: &[u8; 32], right: &[u8; 32]) -> [u8; 32] {
    sha256(&[&[1], left, right])
}

/// The hasher that the light client's library is given.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sha;

impl OneShot for Sha {
    fn digest(data: impl AsRef<[u8]>) -> [u8; 32] {
        sha256(&[data.as_ref()])
    }
}

impl MerkleHash for Sha {
    fn empty_hash(&mut self) -> Hash {
        sha256(&[])
    }

    fn leaf_hash(&mut self, bytes: &[u8]) -> Hash {
        leaf_hash(bytes)
    }

    fn inner_hash(&mut self, left: Hash, right: Hash) -> Hash {
        inner_hash(&left, &right)
    }
}

/// Place of one item in a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// Index, from 0.
    pub(super) index: u64,
    /// How many items the list has.
    pub(super) total: u64,
}

/// The root of the list that has `item` at `place`, by the hashes beside its path, from the bottom up.
///
/// # Errors
/// [`CosmosProofError::Place`] when there is no such place, [`CosmosProofError::Limit`] and
/// [`CosmosProofError::PathLength`] when the path has not exactly the length that the place asks for.
pub(super) fn root_of(item: &[u8], place: Place, aunts: &[B256]) -> Result<B256, CosmosProofError> {
    bounded("hashes on a path", aunts.len(), MAX_AUNTS)?;
    let turns = turns(place)?;
    if turns.len() != aunts.len() {
        return Err(CosmosProofError::PathLength { expected: turns.len(), found: aunts.len() });
    }
    let mut hash = leaf_hash(item);
    for (aunt, on_the_left) in aunts.iter().zip(turns.iter().rev()) {
        hash = if *on_the_left { inner_hash(&hash, &aunt.0) } else { inner_hash(&aunt.0, &hash) };
    }
    Ok(B256::from(hash))
}

/// Whether the place lies in the left half, at each node from the root down. The left half of a list of n items
/// has the largest power of two below n.
fn turns(place: Place) -> Result<Vec<bool>, CosmosProofError> {
    let Place { mut index, mut total } = place;
    if index >= total {
        return Err(CosmosProofError::Place { index, total });
    }
    let mut turns = Vec::new();
    while total > 1 {
        // None above half of all numbers: a list that long is refused like any that is too deep.
        let left = total.checked_next_power_of_two().map_or(0, |power| power >> 1);
        if left == 0 || turns.len() >= MAX_AUNTS {
            return Err(CosmosProofError::Place { index: place.index, total: place.total });
        }
        let on_the_left = index < left;
        turns.push(on_the_left);
        (index, total) = if on_the_left {
            (index, left)
        } else {
            (index.saturating_sub(left), total.saturating_sub(left))
        };
    }
    Ok(turns)
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, clippy::indexing_slicing, reason = "tests fail by panicking")]
mod tests {
    use super::*;

    fn path(items: &[Vec<u8>], index: usize) -> Vec<B256> {
        if items.len() < 2 {
            return Vec::new();
        }
        let split = items.len().next_power_of_two() / 2;
        let root = |part: &[Vec<u8>]| B256::from(Sha.hash_byte_vectors(part));
        let (mut aunts, aunt) = if index < split {
            (path(&items[..split], index), root(&items[split..]))
        } else {
            (path(&items[split..], index - split), root(&items[..split]))
        };
        aunts.push(aunt);
        aunts
    }

    #[test]
    fn every_place_of_every_small_list_is_proven_and_no_other() {
        for total in 1..=17u64 {
            let items: Vec<Vec<u8>> = (0..total).map(|at| vec![u8::try_from(at).unwrap(); 3]).collect();
            let root = B256::from(Sha.hash_byte_vectors(&items));
            for index in 0..total {
                let at = usize::try_from(index).unwrap();
                let aunts = path(&items, at);
                let proven = |index, total| root_of(&items[at], Place { index, total }, &aunts);
                assert_eq!(proven(index, total), Ok(root));
                for other in (0..total).filter(|other| *other != index) {
                    assert_ne!(proven(other, total), Ok(root), "{other} for {index} of {total}");
                }
                assert!(matches!(proven(total, total), Err(CosmosProofError::Place { .. })));
                let mut longer = aunts.clone();
                longer.push(B256::ZERO);
                let place = Place { index, total };
                assert!(matches!(
                    root_of(&items[at], place, &longer),
                    Err(CosmosProofError::PathLength { .. })
                ));
            }
        }
    }

    #[test]
    fn a_list_of_impossible_length_is_refused() {
        let place = Place { index: 0, total: u64::MAX };
        assert!(matches!(root_of(b"x", place, &[]), Err(CosmosProofError::Place { .. })));
        let place = Place { index: 0, total: 0 };
        assert!(matches!(root_of(b"x", place, &[]), Err(CosmosProofError::Place { .. })));
        let many = vec![B256::ZERO; MAX_AUNTS + 1];
        assert!(matches!(
            root_of(b"x", Place { index: 0, total: 1 }, &many),
            Err(CosmosProofError::Limit { .. })
        ));
    }
}
