//! Recent blockhashes, kept warm so that signing needs no round trip. Pure.
//!
//! A transaction names a recent blockhash and can land until the chain is some 150 blocks above it. The block height up to which
//! it can land serves as its nonce: past it the bytes are dead, and the action is signed anew.
//!
//! SECURITY: a hash that only one operator knows may be a lie, and what is signed with it never lands. So a hash is used that
//! a quorum calls valid; while there is none, one is signed for each that was told.

use std::collections::BTreeMap;

use portcullis_verifier::{B256, OperatorId};

use crate::limits;

/// A hash, and the last block height at which it can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Recent {
    pub(crate) hash: B256,
    pub(crate) last_height: u64,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Blockhashes {
    told: BTreeMap<OperatorId, Recent>,
    good: Option<Recent>,
    /// Block height that a quorum has reached.
    height: u64,
    /// Refreshes since a quorum called one valid.
    age: u32,
}

impl Blockhashes {
    /// What an operator tells.
    pub(crate) fn told(&mut self, operator: OperatorId, recent: Recent) {
        self.told.insert(operator, recent);
    }

    /// Distinct hashes that were told, the newest first.
    pub(crate) fn distinct(&self) -> Vec<Recent> {
        let mut all: Vec<Recent> = self.told.values().copied().collect();
        all.sort_by_key(|recent| core::cmp::Reverse(recent.last_height));
        let mut out: Vec<Recent> = Vec::new();
        for recent in all {
            if !out.iter().any(|known| known.hash == recent.hash) {
                out.push(recent);
            }
        }
        out.truncate(limits::CANDIDATES_MAX);
        out
    }

    /// A quorum calls this one valid, at this block height; or calls none so.
    pub(crate) fn settle(&mut self, good: Option<Recent>, height: u64) {
        self.height = height.max(self.height);
        match good {
            Some(good) => {
                // Nobody's word makes a hash live longer than the chain lets it.
                let most = self.height.saturating_add(limits::HASH_LIFE_BLOCKS);
                let last_height = good.last_height.min(most);
                (self.good, self.age) = (Some(Recent { last_height, ..good }), 0);
            }
            None => self.age = self.age.saturating_add(1),
        }
    }

    /// What to sign with: the one that a quorum calls valid, or each that was told; nothing where nothing was.
    pub(crate) fn candidates(&self) -> Vec<Recent> {
        let live = |recent: &Recent| recent.last_height > self.height;
        match self.good.filter(live) {
            Some(good) if self.age < limits::HASH_AGE => vec![good],
            _ => self.distinct().into_iter().filter(live).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use portcullis_verifier::Slug;

    fn name(text: &str) -> OperatorId {
        Slug::new(text).unwrap()
    }

    fn recent(byte: u8, last_height: u64) -> Recent {
        Recent { hash: B256::repeat_byte(byte), last_height }
    }

    #[test]
    fn the_hash_that_a_quorum_calls_valid_is_used_while_it_lives() {
        let mut hashes = Blockhashes::default();
        assert!(hashes.candidates().is_empty());
        hashes.told(name("a"), recent(1, 200));
        hashes.told(name("liar"), recent(9, 100_000));
        assert_eq!(hashes.candidates().len(), 2, "one for each while nothing is known better");
        hashes.settle(Some(recent(1, 200)), 60);
        assert_eq!(hashes.candidates(), [recent(1, 200)]);
        for _ in 0..limits::HASH_AGE {
            hashes.settle(None, 70);
        }
        assert_eq!(hashes.candidates().len(), 2, "nobody has called it valid for long");
        hashes.settle(Some(recent(1, 200)), 200);
        assert_eq!(hashes.candidates(), [recent(9, 100_000)], "past its height it is dead");
    }

    #[test]
    fn nobody_s_word_makes_a_hash_live_longer_than_the_chain_lets_it() {
        let mut hashes = Blockhashes::default();
        hashes.settle(Some(recent(1, u64::MAX)), 50);
        assert_eq!(hashes.candidates(), [recent(1, 50 + limits::HASH_LIFE_BLOCKS)]);
    }
}
