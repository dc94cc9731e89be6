//! Shreds: the pieces in which a block travels, each with a Merkle path to the root of its FEC set.

use sha2::{Digest, Sha256};

use super::{
    bytes::Reader,
    error::{SolanaProofError, wide},
};
use crate::B256;

/// Bytes of a shred with data as it travels, and of one with parity.
pub const DATA_SHRED_BYTES: usize = 1_203;
/// Bytes of a shred with parity as it travels.
pub const CODE_SHRED_BYTES: usize = 1_228;

const SIGNATURE_BYTES: usize = 64;
const HASH_BYTES: usize = 20;
const ROOT_BYTES: usize = 32;
/// Bytes of the headers of a shred with data, the leader's signature included: what its size counts from.
const DATA_HEADERS_BYTES: u16 = 88;

const LEAF: &[u8] = b"\x00SOLANA_MERKLE_SHREDS_LEAF";
const NODE: &[u8] = b"\x01SOLANA_MERKLE_SHREDS_NODE";

/// Last shred of a batch of entries.
const DATA_COMPLETE: u8 = 0b0100_0000;
/// Last shred of a block; the bit of the batch is set as well.
const LAST_IN_SLOT: u8 = 0b1100_0000;

/// How a shred is laid out, as its first byte says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// The byte.
    pub variant: u8,
    /// Data, or parity.
    pub data: bool,
    /// Whether whoever passes it on signs it again.
    pub resigned: bool,
    /// Hashes on its path.
    pub depth: u8,
}

impl Layout {
    /// Reads the byte.
    ///
    /// # Errors
    /// [`SolanaProofError::Variant`] for shreds without a path, without a predecessor, or of an unknown kind.
    pub fn of(variant: u8) -> Result<Self, SolanaProofError> {
        let depth = variant & 0x0f;
        let (data, resigned) = match variant & 0xf0 {
            0x60 => (false, false),
            0x70 => (false, true),
            0x90 => (true, false),
            0xb0 => (true, true),
            0x40 | 0x80 => {
                let why = "it names no predecessor, so nothing chains it";
                return Err(SolanaProofError::Variant { variant, why });
            }
            _ => return Err(SolanaProofError::Variant { variant, why: "the kind is not known" }),
        };
        Ok(Self { variant, data, resigned, depth })
    }

    /// Bytes of the shred as it travels.
    #[must_use]
    pub fn wire_bytes(self) -> usize {
        if self.data { DATA_SHRED_BYTES } else { CODE_SHRED_BYTES }
    }

    /// Bytes without the two signatures.
    fn part_bytes(self) -> usize {
        let trailer = if self.resigned { SIGNATURE_BYTES } else { 0 };
        self.wire_bytes().saturating_sub(SIGNATURE_BYTES).saturating_sub(trailer)
    }

    /// Bytes of the path.
    fn path_bytes(self) -> usize {
        usize::from(self.depth).saturating_mul(HASH_BYTES)
    }
}

/// The part of a shred that its own path authenticates, and the path: all but the leader's signature before it and the
/// retransmitter's after it, which this proof does not rest on.
///
/// # Errors
/// [`SolanaProofError::Truncated`] or [`SolanaProofError::Trailing`] for another length than the kind's,
/// [`SolanaProofError::Variant`].
pub fn authenticated_part(wire: &[u8]) -> Result<&[u8], SolanaProofError> {
    let (_signature, rest) = wire.split_at_checked(SIGNATURE_BYTES).ok_or_else(|| truncated(wire.len()))?;
    let layout = Layout::of(*rest.first().ok_or_else(|| truncated(wire.len()))?)?;
    match wire.len().checked_sub(layout.wire_bytes()) {
        Some(0) => rest.get(..layout.part_bytes()).ok_or_else(|| truncated(wire.len())),
        Some(over) => Err(SolanaProofError::Trailing { what: "shred", found: wide(over) }),
        None => Err(truncated(wire.len())),
    }
}

fn truncated(found: usize) -> SolanaProofError {
    SolanaProofError::Truncated { what: "shred", expected: wide(DATA_SHRED_BYTES), found: wide(found) }
}

/// What a shred carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content<'a> {
    /// A piece of the block's entries.
    Data {
        /// How many slots before this one the parent is.
        parent_offset: u16,
        /// Whether a batch of entries ends here.
        ends_batch: bool,
        /// Whether the block ends here.
        ends_block: bool,
        /// The piece.
        bytes: &'a [u8],
    },
    /// Parity, from which lost data could be restored.
    Code {
        /// Shreds with data in the set.
        data_shreds: u16,
        /// Shreds with parity in the set.
        code_shreds: u16,
        /// Its place among those with parity.
        place: u16,
    },
}

/// A shred, taken apart, with the root that its path leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shred<'a> {
    /// How it is laid out.
    pub layout: Layout,
    /// Slot of its block.
    pub slot: u64,
    /// Its place in the block, among those of its kind.
    pub index: u32,
    /// Version of the cluster, so that shreds of another one are told apart.
    pub version: u16,
    /// Index of the first shred of its FEC set.
    pub set: u32,
    /// What it carries.
    pub content: Content<'a>,
    /// Root of the set before it.
    pub previous_root: B256,
    /// Root of its own set, as its path leads to it.
    pub root: B256,
}

impl<'a> Shred<'a> {
    /// Reads what [`authenticated_part`] leaves of a shred, and follows its path.
    ///
    /// # Errors
    /// Those of the encoding; [`SolanaProofError::Position`] when its tree has no such place.
    pub fn read(part: &'a [u8]) -> Result<Self, SolanaProofError> {
        let mut reader = Reader::new("shred", part);
        let layout = Layout::of(reader.u8()?)?;
        let (slot, index, version, set) = (reader.u64()?, reader.u32()?, reader.u16()?, reader.u32()?);
        let leaf_bytes = layout.part_bytes().checked_sub(layout.path_bytes());
        let split = leaf_bytes.and_then(|bytes| part.split_at_checked(bytes));
        let Some((leaf, path)) = split.filter(|_| part.len() == layout.part_bytes()) else {
            let (expected, found) = (wide(layout.part_bytes()), wide(part.len()));
            return Err(SolanaProofError::Truncated { what: "shred", expected, found });
        };
        let beyond = || SolanaProofError::Position { position: index, depth: layout.depth };
        let place = index.checked_sub(set).ok_or_else(beyond)?;
        let (content, position) = if layout.data {
            (read_data(&mut reader, layout)?, place)
        } else {
            let (data_shreds, code_shreds, at) = (reader.u16()?, reader.u16()?, reader.u16()?);
            if at >= code_shreds || u32::from(at) != place {
                return Err(beyond());
            }
            let content = Content::Code { data_shreds, code_shreds, place: at };
            (content, u32::from(data_shreds).saturating_add(u32::from(at)))
        };
        let previous_root = leaf.last_chunk::<ROOT_BYTES>().map(|root| B256::from(*root)).unwrap_or_default();
        let root = follow(leaf, path, position)
            .ok_or(SolanaProofError::Position { position, depth: layout.depth })?;
        Ok(Self { layout, slot, index, version, set, content, previous_root, root })
    }
}

fn read_data<'a>(reader: &mut Reader<'a>, layout: Layout) -> Result<Content<'a>, SolanaProofError> {
    let (parent_offset, flags, size) = (reader.u16()?, reader.u8()?, reader.u16()?);
    let room = reader.rest().len().saturating_sub(layout.path_bytes()).saturating_sub(ROOT_BYTES);
    let length = size.checked_sub(DATA_HEADERS_BYTES).map(usize::from);
    let Some(length) = length.filter(|length| *length <= room) else {
        return Err(SolanaProofError::encoding("shred", format!("a size of {size}, with room for {room}")));
    };
    let ends_block = flags & LAST_IN_SLOT == LAST_IN_SLOT;
    let ends_batch = flags & DATA_COMPLETE != 0;
    if flags & LAST_IN_SLOT != 0 && !ends_batch {
        return Err(SolanaProofError::encoding("shred", "it ends a block, and no batch"));
    }
    Ok(Content::Data { parent_offset, ends_batch, ends_block, bytes: reader.take(length)? })
}

/// The root that a leaf's path leads to; none when the tree has no such place.
///
/// SECURITY: leaves and nodes are hashed behind different words, so that no node can pass for a leaf; a place beyond
/// the tree is refused, so that the copy of an odd last leaf cannot pass for a leaf of its own.
fn follow(leaf: &[u8], path: &[u8], mut position: u32) -> Option<B256> {
    let mut hash = Sha256::new_with_prefix(LEAF).chain_update(leaf).finalize();
    for sibling in path.as_chunks::<HASH_BYTES>().0 {
        let own = hash.first_chunk::<HASH_BYTES>()?;
        let (left, right) = if position & 1 == 0 { (own, sibling) } else { (sibling, own) };
        hash = Sha256::new_with_prefix(NODE).chain_update(left).chain_update(right).finalize();
        position >>= 1;
    }
    (position == 0).then(|| B256::from_slice(&hash))
}
