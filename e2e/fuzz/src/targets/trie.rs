//! One key's path through a trie, beside another reader of the same nodes.

use std::sync::LazyLock;

use alloy_primitives::{B256, Bytes, keccak256};
use alloy_trie::{
    Nibbles,
    proof::{ProofVerificationError, verify_proof},
};
use portcullis_verifier::evm::{limits::MAX_STATE_NODE_BYTES, walk};

use super::{choice, fixture, joined, strings};
use crate::Target;

pub(crate) const TARGET: Target = Target {
    name: "trie",
    what: "Merkle paths: under a real root only the truth, under any root what a second reader finds too",
    most_bytes: 16 << 10,
    feed,
    seeds,
};

fn feed(bytes: &[u8]) {
    let (which, bytes) = choice(bytes);
    let nodes = strings(bytes);
    let (contents, known_root) = &*CONTENTS;
    let entries: Vec<(&Vec<u8>, &Vec<u8>)> = contents.0.iter().collect();
    let (key, truth): (&[u8], Option<&[u8]>) = match entries.get(which % (entries.len() + 1)) {
        Some((key, value)) => (key, Some(value)),
        None => (&[0x5a; 32], None),
    };
    // Under the root of what is known, a path that verifies tells what is there.
    if let Ok(found) = walk(*known_root, key, &nodes, MAX_STATE_NODE_BYTES) {
        assert_eq!(found, truth, "another content under the same root");
    }
    // Under the root that these nodes give themselves, whatever is found is found by another reader too.
    let Some(root) = nodes.first().map(keccak256) else { return };
    if let Ok(Some(value)) = walk(root, key, &nodes, MAX_STATE_NODE_BYTES) {
        let nodes: Vec<Bytes> = nodes.iter().map(|node| Bytes::copy_from_slice(node)).collect();
        let other = verify_proof(root, Nibbles::unpack(key), Some(value.to_vec()), &nodes);
        // The other reader refuses a branch with a value of its own, which no trie with keys of one length has.
        let unread = matches!(&other, Err(ProofVerificationError::Rlp(alloy_rlp::Error::Custom(_))));
        assert!(other.is_ok() || unread, "{value:?} is found by one reader only: {other:?}");
    }
}

static CONTENTS: LazyLock<(fixture::Trie, B256)> = LazyLock::new(|| {
    let trie = small_trie();
    let root = trie.root();
    (trie, root)
});

/// Keys of 32 bytes with short and long values, some of which share long prefixes.
fn small_trie() -> fixture::Trie {
    let key = |index: u8| {
        let mut key = keccak256([index % 5]).0;
        key[31] = index;
        key
    };
    fixture::Trie::of((0u8..12).map(|index| (key(index), vec![index; usize::from(index) * 9 + 1])))
}

fn seeds() -> Vec<Vec<u8>> {
    let trie = small_trie();
    let keys = trie.0.keys().cloned().chain([vec![0x5a; 32]]);
    (0u8..).zip(keys).map(|(which, key)| [vec![which], joined(trie.prove(&key))].concat()).collect()
}
