//! Lists as binary trees with separate domains for leaves and inner nodes (RFC 6962, section 2.1), as blocks of this
//! family commit to them: the root of a list, and the hashes beside the path of one item. Pure.

use portcullis_verifier::B256;
use sha2::{Digest, Sha256};

fn hash(parts: &[&[u8]]) -> B256 {
    let digest = parts.iter().fold(Sha256::new(), |hasher, part| hasher.chain_update(part)).finalize();
    B256::from(<[u8; 32]>::from(digest))
}

/// Hash of a leaf.
pub(crate) fn leaf(bytes: &[u8]) -> B256 {
    hash(&[&[0], bytes])
}

/// One level up, from left to right; who has no neighbour goes up as it is.
fn level(below: &[B256]) -> Vec<B256> {
    below
        .chunks(2)
        .filter_map(|pair| match pair {
            [left, right] => Some(hash(&[&[1], left.as_slice(), right.as_slice()])),
            [alone] => Some(*alone),
            _ => None,
        })
        .collect()
}

/// The root of a list, by the hashes of its leaves; that of nothing for an empty one.
pub(crate) fn root(leaves: &[B256]) -> B256 {
    let mut nodes = leaves.to_vec();
    while nodes.len() > 1 {
        nodes = level(&nodes);
    }
    nodes.first().copied().unwrap_or_else(|| hash(&[]))
}

/// The hashes beside the path of the leaf at `index`, from the bottom up; none when there is no such leaf.
pub(crate) fn aunts(leaves: &[B256], index: usize) -> Option<Vec<B256>> {
    leaves.get(index)?;
    let (mut nodes, mut at) = (leaves.to_vec(), index);
    let mut out = Vec::new();
    while nodes.len() > 1 {
        // The neighbour has the same place but for the last bit; the last of an odd level has none.
        out.extend(nodes.get(at ^ 1).copied());
        nodes = level(&nodes);
        at >>= 1;
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The tree as its definition has it: the left half holds the largest power of two below the length.
    fn defined(leaves: &[B256]) -> B256 {
        match leaves {
            [] => hash(&[]),
            [one] => *one,
            many => {
                let (left, right) = many.split_at(many.len().next_power_of_two() >> 1);
                hash(&[&[1], defined(left).as_slice(), defined(right).as_slice()])
            }
        }
    }

    #[test]
    fn going_up_by_pairs_gives_the_defined_tree_and_every_path_leads_to_its_root() {
        for count in 0..70u8 {
            let leaves: Vec<B256> = (0..count).map(|one| leaf(&[one])).collect();
            assert_eq!(root(&leaves), defined(&leaves), "{count}");
            for index in 0..usize::from(count) {
                let path = aunts(&leaves, index).unwrap();
                assert_eq!(follow(&leaves, index, &path), root(&leaves), "{index} of {count}");
            }
            assert_eq!(aunts(&leaves, usize::from(count)), None);
        }
    }

    /// Walks a path up by the definition.
    fn follow(leaves: &[B256], index: usize, path: &[B256]) -> B256 {
        fn down(count: usize, index: usize, node: B256, path: &[B256]) -> B256 {
            let Some((last, rest)) = path.split_last() else { return node };
            let left = count.next_power_of_two() >> 1;
            if index < left {
                hash(&[&[1], down(left, index, node, rest).as_slice(), last.as_slice()])
            } else {
                let right = down(count.saturating_sub(left), index.saturating_sub(left), node, rest);
                hash(&[&[1], last.as_slice(), right.as_slice()])
            }
        }
        down(leaves.len(), index, leaves.get(index).copied().unwrap(), path)
    }
}
