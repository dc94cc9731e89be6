//! Blocks that follow from what is in them.

use std::collections::BTreeMap;

use borsh::{BorshDeserialize, BorshSerialize};
use portcullis_verifier::{B256, BlockRef, ChainId, Event, codec::digest};

/// A block's header. Its hash commits to everything else in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Header {
    /// Number, from 0.
    pub height: u64,
    /// Hash of the rest.
    pub hash: B256,
    /// Hash of the block before; zero for the first.
    pub parent: B256,
    /// Seconds since 1970.
    pub time: u64,
    /// Digest of the logs.
    pub logs: B256,
    /// Tells blocks of equal content on different branches apart.
    pub branch: u64,
}

impl Header {
    /// The header with its hash set from the rest.
    #[must_use]
    pub fn sealed(mut self, chain: ChainId) -> Self {
        self.hash = self.derive_hash(chain);
        self
    }

    /// What the hash must be.
    #[must_use]
    pub fn derive_hash(&self, chain: ChainId) -> B256 {
        digest(
            "portcullis.sim.block.v1",
            &(chain, self.height, self.parent, self.time, self.logs, self.branch),
        )
    }

    /// The block by both its names.
    #[must_use]
    pub fn block(&self) -> BlockRef {
        BlockRef { height: self.height, hash: self.hash }
    }
}

/// One log of a block.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize)]
pub struct SimLog {
    /// Index in the block.
    pub index: u32,
    /// Hash of its transaction.
    pub tx_hash: B256,
    /// Digest of the raw record.
    pub raw: B256,
    /// What it says.
    pub event: Event,
}

#[derive(Debug, Clone)]
pub(super) struct Block {
    pub(super) header: Header,
    pub(super) logs: Vec<SimLog>,
}

/// A chain: every block that ever was, and which of them count.
#[derive(Debug)]
pub(super) struct Chain {
    id: ChainId,
    block_secs: u64,
    blocks: BTreeMap<B256, Block>,
    /// By height.
    canonical: Vec<B256>,
    branch: u64,
}

impl Chain {
    pub(super) fn new(id: ChainId, genesis_secs: u64, block_secs: u64) -> Self {
        let logs = digest("portcullis.sim.logs.v1", &Vec::<SimLog>::new());
        let genesis =
            Header { height: 0, hash: B256::ZERO, parent: B256::ZERO, time: genesis_secs, logs, branch: 0 };
        let header = genesis.sealed(id);
        let blocks = BTreeMap::from([(header.hash, Block { header, logs: Vec::new() })]);
        Self { id, block_secs, blocks, canonical: vec![header.hash], branch: 0 }
    }

    pub(super) fn head(&self) -> Header {
        let head = self.canonical.last().and_then(|hash| self.blocks.get(hash));
        // The first block is never taken away.
        head.map_or_else(|| self.empty(), |block| block.header)
    }

    fn empty(&self) -> Header {
        let zero = B256::ZERO;
        Header { height: 0, hash: zero, parent: zero, time: 0, logs: zero, branch: self.branch }
    }

    /// Adds a block on the head.
    pub(super) fn extend(&mut self, events: Vec<Event>) -> Header {
        let before = self.head();
        let (height, time) = (before.height.saturating_add(1), before.time.saturating_add(self.block_secs));
        let logs: Vec<SimLog> = (0u32..)
            .zip(events)
            .map(|(index, event)| SimLog {
                index,
                tx_hash: digest("portcullis.sim.tx.v1", &(self.id, before.hash, index, self.branch)),
                raw: digest("portcullis.sim.log.v1", &event),
                event,
            })
            .collect();
        let root = digest("portcullis.sim.logs.v1", &logs);
        let (parent, branch) = (before.hash, self.branch);
        let header = Header { height, hash: B256::ZERO, parent, time, logs: root, branch }.sealed(self.id);
        self.blocks.insert(header.hash, Block { header, logs });
        self.canonical.push(header.hash);
        header
    }

    /// Takes the newest `depth` blocks off; what is added next is another branch. False when there are not so many.
    pub(super) fn cut(&mut self, depth: u64) -> bool {
        let depth = usize::try_from(depth).unwrap_or(usize::MAX);
        let Some(left) = self.canonical.len().checked_sub(depth).filter(|left| *left > 0) else {
            return false;
        };
        self.canonical.truncate(left);
        self.branch = self.branch.saturating_add(1);
        true
    }

    /// A block that is, or was, part of the chain.
    pub(super) fn block(&self, hash: &B256) -> Option<&Block> {
        self.blocks.get(hash)
    }

    /// The blocks that count, from the first.
    pub(super) fn canonical(&self) -> impl Iterator<Item = &Block> {
        self.canonical.iter().filter_map(|hash| self.blocks.get(hash))
    }
}

#[cfg(test)]
mod tests {
    use portcullis_verifier::Slug;

    use super::*;

    fn event(number: u8) -> Event {
        let bridge = Slug::new("b").unwrap();
        let word = B256::with_last_byte(number);
        Event::Unmapped { bridge, contract: word, topic: word, reason: String::new() }
    }

    #[test]
    fn equal_commands_make_equal_chains_and_another_branch_another_hash() {
        let id = ChainId::new("sim:one").unwrap();
        let make = || {
            let mut chain = Chain::new(id, 1_000, 12);
            chain.extend(vec![event(1), event(2)]);
            chain.extend(vec![]);
            chain
        };
        let (mut one, two) = (make(), make());
        assert_eq!(one.head(), two.head());
        assert_eq!((one.head().height, one.head().time), (2, 1_024));
        assert_eq!(one.head().derive_hash(id), one.head().hash);
        let orphan = one.head();
        assert!(one.cut(1));
        let replaced = one.extend(vec![]);
        assert_ne!(replaced.hash, orphan.hash);
        assert_eq!(replaced.parent, orphan.parent);
        assert!(one.block(&orphan.hash).is_some(), "nodes keep what they have seen");
        assert!(!one.cut(3), "the first block stays");
        assert_eq!(one.canonical().count(), 3);
    }
}
