//! Bytes by their digest, of which the oldest are forgotten. Pure.

use std::collections::{BTreeMap, VecDeque};

use portcullis_verifier::B256;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Kept {
    by_digest: BTreeMap<B256, Vec<u8>>,
    order: VecDeque<B256>,
}

impl Kept {
    /// The bytes with this digest.
    pub(super) fn get(&self, digest: B256) -> Option<Vec<u8>> {
        self.by_digest.get(&digest).cloned()
    }

    /// Remembers bytes; beyond `most`, the ones that were remembered first are forgotten.
    pub(super) fn insert(&mut self, digest: B256, bytes: &[u8], most: usize) {
        if self.by_digest.insert(digest, bytes.to_vec()).is_some() {
            return;
        }
        self.order.push_back(digest);
        if self.order.len() > most
            && let Some(oldest) = self.order.pop_front()
        {
            self.by_digest.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_are_forgotten_and_what_is_known_takes_no_second_place() {
        let mut kept = Kept::default();
        let digest = B256::with_last_byte;
        for byte in [1, 2, 2, 2, 3] {
            kept.insert(digest(byte), &[byte], 2);
        }
        let left = [1, 2, 3].map(|byte| kept.get(digest(byte)));
        assert_eq!(left, [None, Some(vec![2]), Some(vec![3])]);
    }
}
