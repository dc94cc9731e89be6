//! ICS23: a key is, or is not, in a store with a given root.
//!
//! The rules are those of the [ICS23 specification](https://github.com/cosmos/ics23), for binary trees of SHA-256,
//! which is all that the stores of this family are. Its library is not used for the walk: it checks no depth where no
//! least depth is set, can panic on paths that it takes for neighbours, and says in prose what failed. It is the
//! other opinion in the tests.
//!
//! SECURITY: what an attacker may choose in a proof is bounded by four rules, each of which was once missing
//! somewhere: operations must be the store's own ([`StoreProofError::Leaf`], [`StoreProofError::Inner`]), a leaf must
//! not pass for an inner node nor an inner node for a leaf (prefixes), a step has its child on one side and a
//! sibling on the other, never siblings on both, and an empty value is no value.

use core::cmp::Ordering;

use ics23::{ExistenceProof, InnerOp, LeafOp, NonExistenceProof};
use sha2::{Digest, Sha256};

use super::spec::{NO_HASH, NO_LENGTH, SHA_256, StoreProofError, StoreSpec, VARINT_LENGTH, check_shape};

/// Bytes of the image of an inner node, with some to spare: three numbers and two children of 33 bytes.
const INNER_IMAGE_BYTES: usize = 128;
/// Bytes of the longest number as it is written before a key or a value.
const LONGEST_VARINT_BYTES: usize = 10;

/// Proves that `key` has `value` in the store with this root.
///
/// # Errors
/// The first check that the proof does not pass.
pub fn verify_existence(
    spec: &StoreSpec<'_>,
    proof: &ExistenceProof,
    root: &[u8; 32],
    key: &[u8],
    value: &[u8],
) -> Result<(), StoreProofError> {
    if proof.key != key || proof.value != value {
        return Err(StoreProofError::OtherKey);
    }
    check_shape(spec, proof)?;
    if existence_root(proof)? == *root { Ok(()) } else { Err(StoreProofError::Root) }
}

/// Proves that `key` is not in the store with this root: its neighbours are, and nothing lies between them.
///
/// # Errors
/// The first check that the proof does not pass.
pub fn verify_non_existence(
    spec: &StoreSpec<'_>,
    proof: &NonExistenceProof,
    root: &[u8; 32],
    key: &[u8],
) -> Result<(), StoreProofError> {
    if key.is_empty() {
        return Err(StoreProofError::Empty { what: "key" });
    }
    // Not needed by the proof, and not to be free for anybody to choose. Where keys are hashed it may be the hash.
    if !spec.hashed_order && proof.key != key {
        return Err(StoreProofError::OtherKey);
    }
    let beside = |neighbour: &ExistenceProof, side, wanted| {
        if spec.order(&neighbour.key, key)? != wanted {
            return Err(StoreProofError::Order { side });
        }
        verify_existence(spec, neighbour, root, &neighbour.key, &neighbour.value)
    };
    if let Some(left) = &proof.left {
        beside(left, "left", Ordering::Less)?;
    }
    if let Some(right) = &proof.right {
        beside(right, "right", Ordering::Greater)?;
    }
    match (&proof.left, &proof.right) {
        (Some(left), Some(right)) => check_neighbours(spec, &left.path, &right.path),
        (Some(left), None) => check_outermost(spec, &left.path, Side::Right),
        (None, Some(right)) => check_outermost(spec, &right.path, Side::Left),
        (None, None) => Err(StoreProofError::NoNeighbour),
    }
}

/// The root that a path leads to, whatever the store.
///
/// # Errors
/// [`StoreProofError::Empty`] for a key or value of no bytes, [`StoreProofError::Leaf`] where there is no leaf,
/// [`StoreProofError::Unsupported`] for operations that no store here uses.
pub fn existence_root(proof: &ExistenceProof) -> Result<[u8; 32], StoreProofError> {
    let Some(leaf) = &proof.leaf else { return Err(StoreProofError::Leaf { what: "there is none" }) };
    let mut hash = leaf_hash(leaf, &proof.key, &proof.value)?;
    for step in &proof.path {
        hash = inner_hash(step, &hash)?;
    }
    Ok(hash)
}

/// Hash of a leaf.
///
/// # Errors
/// As [`existence_root`].
pub fn leaf_hash(leaf: &LeafOp, key: &[u8], value: &[u8]) -> Result<[u8; 32], StoreProofError> {
    let mut hasher = Sha256::new_with_prefix(&leaf.prefix);
    absorb(&mut hasher, "key", leaf.prehash_key, leaf.length, key)?;
    absorb(&mut hasher, "value", leaf.prehash_value, leaf.length, value)?;
    known("hash", leaf.hash, SHA_256)?;
    Ok(hasher.finalize().into())
}

/// Hash of an inner node above `child`.
///
/// # Errors
/// As [`existence_root`].
pub fn inner_hash(step: &InnerOp, child: &[u8]) -> Result<[u8; 32], StoreProofError> {
    if child.is_empty() {
        return Err(StoreProofError::Empty { what: "child" });
    }
    known("hash", step.hash, SHA_256)?;
    // Three short parts are hashed as one: a hasher that is fed part by part spends a tenth of the proof on its seams.
    let mut space = [0; INNER_IMAGE_BYTES];
    if let Some(image) = join(&mut space, [&step.prefix, child, &step.suffix]) {
        return Ok(Sha256::digest(image).into());
    }
    let hasher = Sha256::new_with_prefix(&step.prefix).chain_update(child).chain_update(&step.suffix);
    Ok(hasher.finalize().into())
}

/// What the parts are in a row; none when there is no space for them.
fn join<'a>(space: &'a mut [u8], parts: [&[u8]; 3]) -> Option<&'a [u8]> {
    let mut used = 0usize;
    for part in parts {
        let end = used.checked_add(part.len())?;
        space.get_mut(used..end)?.copy_from_slice(part);
        used = end;
    }
    space.get(..used)
}

fn known(what: &'static str, found: i32, supported: i32) -> Result<(), StoreProofError> {
    if found == supported { Ok(()) } else { Err(StoreProofError::Unsupported { what, found }) }
}

fn absorb(
    hasher: &mut Sha256,
    what: &'static str,
    prehash: i32,
    length: i32,
    data: &[u8],
) -> Result<(), StoreProofError> {
    if data.is_empty() {
        return Err(StoreProofError::Empty { what });
    }
    let digest: [u8; 32];
    let data = match prehash {
        NO_HASH => data,
        SHA_256 => {
            digest = Sha256::digest(data).into();
            &digest
        }
        found => return Err(StoreProofError::Unsupported { what: "hash", found }),
    };
    match length {
        NO_LENGTH => {}
        VARINT_LENGTH => {
            let mut space = [0; LONGEST_VARINT_BYTES];
            let mut left = space.as_mut_slice();
            prost::encoding::encode_varint(u64::try_from(data.len()).unwrap_or(u64::MAX), &mut left);
            let used = LONGEST_VARINT_BYTES.saturating_sub(left.len());
            hasher.update(space.get(..used).unwrap_or_default());
        }
        found => return Err(StoreProofError::Unsupported { what: "length", found }),
    }
    hasher.update(data);
    Ok(())
}

/// On which side of its parent a child stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Left,
    Right,
}

impl Side {
    fn name(self) -> &'static str {
        match self {
            Self::Left => "left",
            Self::Right => "right",
        }
    }
}

fn side_of(spec: &StoreSpec<'_>, step: &InnerOp) -> Option<Side> {
    let (least, most) = spec.prefix_bytes;
    let before = |children: usize| {
        let bytes = children.saturating_mul(spec.child_bytes);
        (least.saturating_add(bytes)..=most.saturating_add(bytes)).contains(&step.prefix.len())
    };
    if before(0) && step.suffix.len() == spec.child_bytes {
        Some(Side::Left)
    } else if before(1) && step.suffix.is_empty() {
        Some(Side::Right)
    } else {
        None
    }
}

/// Whether the sibling of a step, on the given side of its child, stands for nothing.
///
/// `left` asks about a sibling on the left.
#[must_use]
pub fn sibling_is_empty(spec: &StoreSpec<'_>, step: &InnerOp, left: bool) -> bool {
    if spec.empty_child.is_empty() {
        return false;
    }
    match (side_of(spec, step), left) {
        (Some(Side::Right), true) => step.prefix.ends_with(spec.empty_child),
        (Some(Side::Left), false) => step.suffix == spec.empty_child,
        _ => false,
    }
}

/// Checks that nothing lies beyond a path on the given side.
fn check_outermost(spec: &StoreSpec<'_>, path: &[InnerOp], side: Side) -> Result<(), StoreProofError> {
    let outermost = |step: &InnerOp| {
        side_of(spec, step) == Some(side) || sibling_is_empty(spec, step, side == Side::Left)
    };
    if path.iter().all(outermost) { Ok(()) } else { Err(StoreProofError::NotOutermost { side: side.name() }) }
}

/// Checks that the right path starts where the left one ends: below the node where they part, the left one keeps
/// to the right and the right one to the left.
fn check_neighbours(
    spec: &StoreSpec<'_>,
    left: &[InnerOp],
    right: &[InnerOp],
) -> Result<(), StoreProofError> {
    let same = |(one, other): &(&InnerOp, &InnerOp)| one.prefix == other.prefix && one.suffix == other.suffix;
    let shared = left.iter().rev().zip(right.iter().rev()).take_while(same).count();
    let parted = |path: &'_ [InnerOp]| path.len().checked_sub(shared.saturating_add(1));
    let (Some(left_at), Some(right_at)) = (parted(left), parted(right)) else {
        return Err(StoreProofError::NotNeighbours);
    };
    let (Some((left_below, [left_step, ..])), Some((right_below, [right_step, ..]))) =
        (left.split_at_checked(left_at), right.split_at_checked(right_at))
    else {
        return Err(StoreProofError::NotNeighbours);
    };
    if side_of(spec, left_step) != Some(Side::Left) || side_of(spec, right_step) != Some(Side::Right) {
        return Err(StoreProofError::NotNeighbours);
    }
    check_outermost(spec, left_below, Side::Right)?;
    check_outermost(spec, right_below, Side::Left)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_hashes_the_same_whether_there_is_space_for_it_or_not() {
        for length in 0..2 * INNER_IMAGE_BYTES {
            let step = InnerOp { hash: SHA_256, prefix: vec![7; length], suffix: vec![9; length % 5] };
            let image = [&step.prefix[..], &[8; 32], &step.suffix].concat();
            let expected: [u8; 32] = Sha256::digest(&image).into();
            assert_eq!(inner_hash(&step, &[8; 32]), Ok(expected), "a prefix of {length} bytes");
        }
    }

    #[test]
    fn lengths_are_written_as_numbers_of_seven_bits() {
        let leaf = LeafOp {
            hash: SHA_256,
            prehash_key: NO_HASH,
            prehash_value: NO_HASH,
            length: VARINT_LENGTH,
            prefix: vec![0],
        };
        for (length, written) in
            [(1, vec![1]), (127, vec![127]), (128, vec![0x80, 1]), (16_384, vec![0x80, 0x80, 1])]
        {
            let value = vec![5; length];
            let image = [&[0, 1, b'k'][..], &written, &value].concat();
            let expected: [u8; 32] = Sha256::digest(&image).into();
            assert_eq!(leaf_hash(&leaf, b"k", &value), Ok(expected), "{length} bytes");
        }
    }
}
