//! The kinds of stores of this family, and whether a proof's operations are a store's own.

use core::cmp::Ordering;

use ics23::{ExistenceProof, InnerOp, LeafOp, ProofSpec};
use sha2::{Digest, Sha256};

use super::limits::{MAX_KEY_BYTES, MAX_PROOF_DEPTH, MAX_VALUE_BYTES};

/// Why a proof of a key does not verify.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreProofError {
    /// Larger than the bound; nothing was computed.
    #[error("{what}: {found}, at most {limit} are accepted")]
    Limit {
        /// What is bounded, with its unit.
        what: &'static str,
        /// How much came.
        found: usize,
        /// The bound.
        limit: usize,
    },
    /// Fewer steps than the kind of store has at least.
    #[error("the path has {found} steps, at least {least} are expected")]
    Shallow {
        /// How many came.
        found: usize,
        /// The fewest.
        least: usize,
    },
    /// Not an encoding of a proof.
    #[error("the proof cannot be decoded: {detail}")]
    Encoding {
        /// The decoder's words.
        detail: String,
    },
    /// A proof of the other kind, a batch, or a compressed batch.
    #[error("a proof of {expected} is needed, this is {found}")]
    Kind {
        /// What was asked for.
        expected: &'static str,
        /// What came.
        found: &'static str,
    },
    /// A key or a value of no bytes.
    #[error("the {what} is empty")]
    Empty {
        /// Key or value.
        what: &'static str,
    },
    /// Another leaf operation than the store's.
    #[error("the leaf operation is not the store's: {what}")]
    Leaf {
        /// What differs.
        what: &'static str,
    },
    /// Another inner operation than the store's.
    #[error("step {layer} of the path is not the store's: {what}")]
    Inner {
        /// From 1, the one above the leaf.
        layer: usize,
        /// What differs.
        what: &'static str,
    },
    /// An operation that none of the stores here uses.
    #[error("operation {what} {found} is not supported")]
    Unsupported {
        /// Hash or length operation.
        what: &'static str,
        /// Its number.
        found: i32,
    },
    /// The proof is about another key.
    #[error("the proof is about another key")]
    OtherKey,
    /// The path leads to another root.
    #[error("the path leads to another root")]
    Root,
    /// The neighbour does not lie on its side of the key.
    #[error("the {side} neighbour does not lie on that side of the key")]
    Order {
        /// Left or right.
        side: &'static str,
    },
    /// There is room for the key between the two that are offered as neighbours.
    #[error("the paths are not those of neighbours")]
    NotNeighbours,
    /// There are keys beyond the one that is offered as the outermost.
    #[error("the path is not the {side}most")]
    NotOutermost {
        /// Left or right.
        side: &'static str,
    },
    /// Absence needs at least one neighbour.
    #[error("there is no neighbour")]
    NoNeighbour,
    /// A parameter of the kind of store that this code cannot follow.
    #[error("the kind of store is not supported: {what}")]
    Spec {
        /// Which parameter.
        what: &'static str,
    },
}

/// A kind of store: how its leaves and inner nodes are hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoreSpec<'a> {
    leaf: LeafRule<'a>,
    /// Bytes of a child in the image of its parent, with its length where that is written.
    pub(super) child_bytes: usize,
    /// Bytes before the first child.
    pub(super) prefix_bytes: (usize, usize),
    /// What stands for a child that is not there; no bytes where there is always one.
    pub(super) empty_child: &'a [u8],
    /// Steps of a path.
    depth: (usize, usize),
    /// Inner prefixes are height, size and version of an IAVL node.
    iavl: bool,
    /// Keys are compared by their hashes.
    pub(super) hashed_order: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct LeafRule<'a> {
    hash: i32,
    prehash_key: i32,
    prehash_value: i32,
    length: i32,
    prefix: &'a [u8],
    /// Nothing may follow the prefix.
    exact: bool,
}

/// Numbers of the operations in use, as the specification gives them; a test compares them with its library's.
pub(super) const NO_HASH: i32 = 0;
pub(super) const SHA_256: i32 = 1;
pub(super) const NO_LENGTH: i32 = 0;
pub(super) const VARINT_LENGTH: i32 = 1;

/// The stores of modules: an IAVL tree.
pub const IAVL: StoreSpec<'static> = StoreSpec {
    leaf: LeafRule {
        hash: SHA_256,
        prehash_key: NO_HASH,
        prehash_value: SHA_256,
        length: VARINT_LENGTH,
        prefix: &[0],
        exact: false,
    },
    child_bytes: 33,
    prefix_bytes: (4, 12),
    empty_child: &[],
    depth: (0, MAX_PROOF_DEPTH),
    iavl: true,
    hashed_order: false,
};

/// The root of all stores: a simple Merkle tree of their names and roots.
pub const SIMPLE: StoreSpec<'static> = StoreSpec {
    leaf: LeafRule {
        hash: SHA_256,
        prehash_key: NO_HASH,
        prehash_value: SHA_256,
        length: VARINT_LENGTH,
        prefix: &[0],
        // SECURITY: the specification allows more bytes here, with which the end of one store's name could be
        // presented as a name of its own.
        exact: true,
    },
    child_bytes: 32,
    prefix_bytes: (1, 1),
    empty_child: &[],
    depth: (0, MAX_PROOF_DEPTH),
    iavl: false,
    hashed_order: false,
};

impl<'a> StoreSpec<'a> {
    /// A kind of store as the specification describes it: for trees of other shapes than the two above.
    ///
    /// # Errors
    /// [`StoreProofError::Spec`] for what is no binary tree of SHA-256.
    pub fn of(spec: &'a ProofSpec) -> Result<Self, StoreProofError> {
        let not = |what| StoreProofError::Spec { what };
        let (Some(leaf), Some(inner)) = (&spec.leaf_spec, &spec.inner_spec) else {
            return Err(not("leaf and inner node must be described"));
        };
        if inner.child_order != [0, 1] || inner.hash != SHA_256 {
            return Err(not("only binary trees of SHA-256 are"));
        }
        let size = |number: i32| usize::try_from(number).map_err(|_negative| not("a size is negative"));
        let child_bytes = size(inner.child_size)?;
        if child_bytes == 0 {
            return Err(not("children have no size"));
        }
        let deepest = match size(spec.max_depth)? {
            0 => MAX_PROOF_DEPTH,
            depth => depth.min(MAX_PROOF_DEPTH),
        };
        let prefix_bytes = (size(inner.min_prefix_length)?, size(inner.max_prefix_length)?);
        let leaf = LeafRule {
            hash: leaf.hash,
            prehash_key: leaf.prehash_key,
            prehash_value: leaf.prehash_value,
            length: leaf.length,
            prefix: &leaf.prefix,
            exact: false,
        };
        Ok(Self {
            leaf,
            child_bytes,
            prefix_bytes,
            empty_child: &inner.empty_child,
            depth: (size(spec.min_depth)?, deepest),
            // The same test as the library's: the rule for prefixes goes with the shape.
            iavl: leaf == LeafRule { prefix: leaf.prefix, ..IAVL.leaf }
                && child_bytes == IAVL.child_bytes
                && prefix_bytes == IAVL.prefix_bytes,
            hashed_order: spec.prehash_key_before_comparison,
        })
    }

    /// How two keys stand to each other in the tree.
    pub(super) fn order(&self, one: &[u8], other: &[u8]) -> Result<Ordering, StoreProofError> {
        if !self.hashed_order {
            return Ok(one.cmp(other));
        }
        let hashed = |key: &[u8]| -> Result<[u8; 32], StoreProofError> {
            match self.leaf.prehash_key {
                SHA_256 => Ok(Sha256::digest(key).into()),
                found => Err(StoreProofError::Unsupported { what: "hash", found }),
            }
        };
        Ok(hashed(one)?.cmp(&hashed(other)?))
    }
}

/// Checks that all operations of a proof are the store's own.
///
/// # Errors
/// [`StoreProofError::Limit`], [`StoreProofError::Shallow`], [`StoreProofError::Leaf`], [`StoreProofError::Inner`].
pub fn check_shape(spec: &StoreSpec<'_>, proof: &ExistenceProof) -> Result<(), StoreProofError> {
    let bounded = |what, found, limit| {
        if found > limit { Err(StoreProofError::Limit { what, found, limit }) } else { Ok(()) }
    };
    let (least, most) = spec.depth;
    bounded("steps of a path", proof.path.len(), most)?;
    bounded("bytes of a key", proof.key.len(), MAX_KEY_BYTES)?;
    bounded("bytes of a value", proof.value.len(), MAX_VALUE_BYTES)?;
    if proof.path.len() < least {
        return Err(StoreProofError::Shallow { found: proof.path.len(), least });
    }
    let Some(leaf) = &proof.leaf else { return Err(StoreProofError::Leaf { what: "there is none" }) };
    check_leaf(&spec.leaf, leaf)?;
    if spec.iavl {
        let rest = iavl_prefix(&leaf.prefix, 0).ok_or(StoreProofError::Leaf { what: "height or size" })?;
        if !rest.is_empty() {
            return Err(StoreProofError::Leaf { what: "the prefix goes on" });
        }
    }
    for (layer, step) in (1..).zip(&proof.path) {
        check_step(spec, layer, step).map_err(|what| StoreProofError::Inner { layer, what })?;
    }
    Ok(())
}

/// Checks a leaf operation against one that is described as a leaf operation.
///
/// # Errors
/// [`StoreProofError::Leaf`] names what differs.
pub fn check_leaf_op(described: &LeafOp, leaf: &LeafOp) -> Result<(), StoreProofError> {
    let LeafOp { hash, prehash_key, prehash_value, length, ref prefix } = *described;
    check_leaf(&LeafRule { hash, prehash_key, prehash_value, length, prefix, exact: false }, leaf)
}

fn check_leaf(rule: &LeafRule<'_>, leaf: &LeafOp) -> Result<(), StoreProofError> {
    let differs = |what| Err(StoreProofError::Leaf { what });
    if leaf.hash != rule.hash {
        differs("hash")
    } else if leaf.prehash_key != rule.prehash_key {
        differs("hash of the key")
    } else if leaf.prehash_value != rule.prehash_value {
        differs("hash of the value")
    } else if leaf.length != rule.length {
        differs("length")
    } else if !leaf.prefix.starts_with(rule.prefix) || (rule.exact && leaf.prefix != rule.prefix) {
        differs("prefix")
    } else {
        Ok(())
    }
}

fn check_step(spec: &StoreSpec<'_>, layer: usize, step: &InnerOp) -> Result<(), &'static str> {
    let (least, most) = spec.prefix_bytes;
    if step.hash != SHA_256 {
        return Err("hash");
    }
    // An inner node must never be one that could be read as a leaf.
    if step.prefix.starts_with(spec.leaf.prefix) {
        return Err("it has the prefix of a leaf");
    }
    if step.prefix.len() < least {
        return Err("the prefix is too short");
    }
    if step.prefix.len() > most.saturating_add(spec.child_bytes) {
        return Err("the prefix is too long");
    }
    // SECURITY: in a binary tree a step has one sibling. A left one stands in the prefix, and then there is no
    // suffix: with siblings on both sides the parent would have three children, one of them the attacker's.
    let left_sibling = step.prefix.len() > most;
    if !(step.suffix.is_empty() || (!left_sibling && step.suffix.len() == spec.child_bytes)) {
        return Err("there is no such pair of siblings");
    }
    if spec.iavl {
        let rest = iavl_prefix(&step.prefix, layer).ok_or("height, size or version")?;
        // Each child is written with its length, which is always 32.
        let lengths = match rest {
            [child] => *child == 32 && step.suffix.first().is_none_or(|length| *length == 32),
            [sibling, .., child] => rest.len() == 34 && *sibling == 32 && *child == 32,
            [] => false,
        };
        if !lengths {
            return Err("the lengths of its children");
        }
    }
    Ok(())
}

/// What follows height (at least `layer`), size and version, each a signed varint.
fn iavl_prefix(prefix: &[u8], layer: usize) -> Option<&[u8]> {
    let mut rest = prefix;
    let height = read_varint(&mut rest)?;
    let size = read_varint(&mut rest)?;
    let version = read_varint(&mut rest)?;
    let high_enough = i64::try_from(layer).is_ok_and(|layer| height >= layer);
    (high_enough && size >= 0 && version >= 0).then_some(rest)
}

fn read_varint(bytes: &mut &[u8]) -> Option<i64> {
    let number = prost::encoding::decode_varint(bytes).ok()?;
    let half = i64::try_from(number >> 1).ok()?;
    Some(if number & 1 == 0 { half } else { !half })
}

#[cfg(test)]
mod tests {
    use ics23::{HashOp, LengthOp};

    use super::*;

    #[test]
    fn the_two_kinds_of_stores_are_those_of_the_specification() {
        assert_eq!([NO_HASH, SHA_256], [HashOp::NoHash, HashOp::Sha256].map(i32::from));
        assert_eq!([NO_LENGTH, VARINT_LENGTH], [LengthOp::NoPrefix, LengthOp::VarProto].map(i32::from));
        assert_eq!(StoreSpec::of(&ics23::iavl_spec()).unwrap(), IAVL);
        let described = ics23::tendermint_spec();
        let mut simple = StoreSpec::of(&described).unwrap();
        simple.leaf.exact = true;
        assert_eq!(simple, SIMPLE);
    }
}
