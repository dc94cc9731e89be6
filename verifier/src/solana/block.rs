//! A block from its shreds: each on the root of its set, each set on the one before it, the last one the block's id.

use super::{
    error::{SolanaProofError, bounded},
    limits::MAX_SHREDS,
    shred::{Content, Shred},
    tally::SignedBlock,
};
use crate::{Assurance, B256, Inclusion, Verified};

/// A whole block, put together from its shreds. Who agreed on it is not said here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// Its slot.
    pub slot: u64,
    /// Slot of its parent.
    pub parent_slot: u64,
    /// Version of the cluster.
    pub version: u16,
    /// Root of the parent's last FEC set: the parent's block id.
    pub parent_block_id: B256,
    /// Root of its own last FEC set.
    pub block_id: B256,
    /// Roots of its FEC sets, in order.
    pub roots: Vec<B256>,
    /// Batches of entries, in order.
    pub batches: Vec<Vec<u8>>,
}

impl Block {
    /// Puts a block together from all of its shreds with data, in order.
    ///
    /// SECURITY: a leader could make one set whose shreds name different predecessors, and show one to validators
    /// and another to us. All shreds of all sets are therefore needed, and must agree.
    ///
    /// # Errors
    /// [`SolanaProofError`]: a shred is left out, doubled, out of order, of another slot, set or cluster, or its path
    /// leads elsewhere; a set follows another one than came before it; the block does not end.
    pub fn open<P: AsRef<[u8]>>(parts: &[P]) -> Result<Self, SolanaProofError> {
        bounded("shreds", parts.len(), MAX_SHREDS)?;
        let mut parts = parts.iter();
        let first = parts.next().ok_or(SolanaProofError::Missing { what: "shreds" })?;
        let mut building = Building::begin(&Shred::read(first.as_ref())?)?;
        for part in parts {
            building.add(&Shred::read(part.as_ref())?)?;
        }
        building.finish()
    }

    /// The slot and id by which the block is agreed on.
    fn is(&self, slot: u64, block_id: B256) -> Result<(), SolanaProofError> {
        if self.slot != slot {
            return Err(SolanaProofError::Reach { expected: slot, found: self.slot });
        }
        if self.block_id != block_id {
            return Err(SolanaProofError::OtherBlock { slot, expected: block_id, found: self.block_id });
        }
        Ok(())
    }
}

/// A block of which some shreds have been seen.
struct Building<'a> {
    block: Block,
    parent_offset: u16,
    next_index: u32,
    /// First shred of the set that is being read.
    head: Shred<'a>,
    batch: Vec<u8>,
    ended: bool,
}

impl<'a> Building<'a> {
    fn begin(first: &Shred<'a>) -> Result<Self, SolanaProofError> {
        let Content::Data { parent_offset, .. } = first.content else { return Err(no_data(first)) };
        let block = Block {
            slot: first.slot,
            parent_slot: parent_slot(first.slot, parent_offset)?,
            version: first.version,
            parent_block_id: first.previous_root,
            block_id: first.root,
            roots: vec![first.root],
            batches: Vec::new(),
        };
        let (next_index, batch) = (0, Vec::new());
        let mut building = Self { block, parent_offset, next_index, head: *first, batch, ended: false };
        building.add(first)?;
        Ok(building)
    }

    fn add(&mut self, shred: &Shred<'a>) -> Result<(), SolanaProofError> {
        let Content::Data { parent_offset, ends_batch, ends_block, bytes } = shred.content else {
            return Err(no_data(shred));
        };
        if self.ended {
            let why = "it goes on after its last shred";
            return Err(SolanaProofError::Incomplete { slot: self.block.slot, why });
        }
        if shred.index != self.next_index {
            return Err(SolanaProofError::ShredOrder { expected: self.next_index, found: shred.index });
        }
        let foreign = |what, expected: u64, found: u64| {
            let index = shred.index;
            if expected == found {
                Ok(())
            } else {
                Err(SolanaProofError::ForeignShred { what, index, expected, found })
            }
        };
        foreign("slot", self.block.slot, shred.slot)?;
        foreign("version", self.block.version.into(), shred.version.into())?;
        foreign("parent's offset", self.parent_offset.into(), parent_offset.into())?;
        if shred.set == shred.index {
            self.begin_set(shred)?;
        }
        foreign("set", self.head.set.into(), shred.set.into())?;
        self.in_set(shred)?;
        self.batch.extend_from_slice(bytes);
        if ends_batch {
            self.block.batches.push(core::mem::take(&mut self.batch));
        }
        self.ended = ends_block;
        self.next_index = self.next_index.saturating_add(1);
        Ok(())
    }

    /// A set begins with the shred whose index is the set's.
    fn begin_set(&mut self, shred: &Shred<'a>) -> Result<(), SolanaProofError> {
        if shred.index == 0 {
            return Ok(());
        }
        if shred.previous_root != self.head.root {
            return Err(SolanaProofError::BrokenChain {
                set: shred.set,
                expected: shred.previous_root,
                found: self.head.root,
            });
        }
        self.head = *shred;
        self.block.block_id = shred.root;
        self.block.roots.push(shred.root);
        Ok(())
    }

    fn in_set(&self, shred: &Shred<'a>) -> Result<(), SolanaProofError> {
        let (index, set) = (shred.index, self.head.set);
        if shred.layout != self.head.layout {
            return Err(SolanaProofError::SetDisagrees { index, set, what: "how it is laid out" });
        }
        if shred.root != self.head.root {
            let (expected, found) = (self.head.root, shred.root);
            return Err(SolanaProofError::SetRoot { index, set, expected, found });
        }
        if shred.previous_root != self.head.previous_root {
            return Err(SolanaProofError::SetDisagrees { index, set, what: "its predecessor" });
        }
        Ok(())
    }

    fn finish(self) -> Result<Block, SolanaProofError> {
        if self.ended {
            Ok(self.block)
        } else {
            let why = "its last shred is not there";
            Err(SolanaProofError::Incomplete { slot: self.block.slot, why })
        }
    }
}

fn no_data(shred: &Shred<'_>) -> SolanaProofError {
    let why = "a block is put together from data, not from parity";
    SolanaProofError::Variant { variant: shred.layout.variant, why }
}

/// The first slot of all is its own parent; no other is.
fn parent_slot(slot: u64, offset: u16) -> Result<u64, SolanaProofError> {
    let parent = slot.checked_sub(offset.into()).filter(|parent| *parent != slot || slot == 0);
    parent
        .ok_or_else(|| SolanaProofError::encoding("shred", format!("a parent {offset} slots before {slot}")))
}

/// The block that was signed.
///
/// # Errors
/// [`SolanaProofError::Reach`] for another slot, [`SolanaProofError::OtherBlock`] for another block of that slot.
pub fn verify_block(
    signed: &Verified<SignedBlock>,
    block: Block,
) -> Result<Verified<Block>, SolanaProofError> {
    let SignedBlock { slot, block_id, .. } = *signed.value();
    // SECURITY: what was signed without a block id binds no bytes.
    if block_id.is_zero() {
        return Err(SolanaProofError::Missing { what: "block id" });
    }
    block.is(slot, block_id)?;
    let assurance = Assurance { inclusion: Inclusion::MerkleProved, ..*signed.assurance() };
    Ok(Verified::new(block, assurance))
}

/// The parent of a block that is verified: whoever signed a block signed all before it.
///
/// # Errors
/// As [`verify_block`].
pub fn verify_parent(child: &Verified<Block>, parent: Block) -> Result<Verified<Block>, SolanaProofError> {
    parent.is(child.value().parent_slot, child.value().parent_block_id)?;
    Ok(Verified::new(parent, *child.assurance()))
}
