//! Paths through tries: what is there, what is not, and what is neither.

use std::slice::from_ref;

use alloy_primitives::{B256, Bytes, keccak256};
use alloy_rlp::{EMPTY_STRING_CODE, Header};
use alloy_trie::{EMPTY_ROOT_HASH, Nibbles, proof::verify_proof};
use portcullis_verifier::evm::{TrieError, limits::MAX_PROOF_NODES, walk};
use proptest::prelude::*;

use crate::fixture::Trie;

const MAX: usize = 1_024;

fn look<'a>(root: B256, key: &[u8], nodes: &'a [Vec<u8>]) -> Result<Option<&'a [u8]>, TrieError> {
    walk(root, key, nodes, MAX)
}

/// What the library that most of the field uses says of the same path.
fn library_agrees(root: B256, key: &[u8], value: Option<&[u8]>, nodes: &[Vec<u8>]) -> bool {
    let nodes: Vec<Bytes> = nodes.iter().map(|node| Bytes::copy_from_slice(node)).collect();
    verify_proof(root, Nibbles::unpack(key), value.map(<[u8]>::to_vec), &nodes).is_ok()
}

/// Keys of one length from few nibbles, so that paths share long beginnings and nodes get embedded.
fn small_tries() -> impl Strategy<Value = Trie> {
    let byte = prop::sample::select(vec![0x00u8, 0x01, 0x10, 0x11, 0xf1, 0xff, 0x80]);
    (1usize..=4).prop_flat_map(move |length| {
        let key = prop::collection::vec(byte.clone(), length);
        let value = prop::collection::vec(any::<u8>(), 1..50);
        prop::collection::btree_map(key, value, 1..24).prop_map(Trie)
    })
}

/// Keys as state tries have them.
fn hashed_tries() -> impl Strategy<Value = Trie> {
    let entry = (any::<u32>(), prop::collection::vec(any::<u8>(), 1..110));
    prop::collection::vec(entry, 1..200)
        .prop_map(|entries| Trie::of(entries.into_iter().map(|(k, v)| (keccak256(k.to_be_bytes()), v))))
}

/// A trie, and a key of the same length that may or may not be in it.
fn with_key(tries: impl Strategy<Value = Trie>) -> impl Strategy<Value = (Trie, Vec<u8>)> {
    tries.prop_flat_map(|trie| {
        let keys: Vec<Vec<u8>> = trie.0.keys().cloned().collect();
        let length = keys[0].len();
        let near =
            (prop::sample::select(keys.clone()), 0..length, any::<u8>()).prop_map(|(mut key, at, byte)| {
                key[at] = byte;
                key
            });
        let key = prop_oneof![prop::sample::select(keys), near];
        (Just(trie), key)
    })
}

fn check_round_trip(trie: &Trie, key: &[u8]) -> Result<(), TestCaseError> {
    let root = trie.root();
    let nodes = trie.prove(key);
    let value = trie.0.get(key).map(Vec::as_slice);
    prop_assert_eq!(look(root, key, &nodes), Ok(value));
    // The library does not know roots of less than 32 bytes, which only test tries have.
    prop_assert!(nodes[0].len() < 32 || library_agrees(root, key, value, &nodes));

    // Shorter by any number of nodes, it shows nothing; above all it does not show absence.
    for length in 0..nodes.len() {
        let cut = look(root, key, &nodes[..length]);
        prop_assert!(matches!(cut, Err(TrieError::Truncated { at, .. }) if at == length), "{:?}", cut);
    }
    // Longer, it is refused, whatever was added and wherever.
    for at in 0..=nodes.len() {
        let mut longer = nodes.clone();
        longer.insert(at, nodes[0].clone());
        prop_assert!(look(root, key, &longer).is_err());
    }
    // And it holds under no other root.
    prop_assert!(look(keccak256(root), key, &nodes).is_err());
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn small_tries_round_trip((trie, key) in with_key(small_tries())) {
        check_round_trip(&trie, &key)?;
    }

    #[test]
    fn hashed_tries_round_trip((trie, key) in with_key(hashed_tries())) {
        check_round_trip(&trie, &key)?;
    }

    #[test]
    fn a_path_shows_only_what_lies_on_it((trie, key) in with_key(small_tries()), other in 0usize..24) {
        let root = trie.root();
        let other = trie.0.keys().nth(other % trie.0.len()).unwrap();
        // Another key's path may happen to be this key's too; whatever it shows, it shows the truth.
        if let Ok(found) = look(root, &key, &trie.prove(other)) {
            prop_assert_eq!(found, trie.0.get(&key).map(Vec::as_slice));
        }
    }

    #[test]
    fn no_bytes_crash_it(root in any::<[u8; 32]>(), key in prop::collection::vec(any::<u8>(), 0..40),
        nodes in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 0..6)) {
        let first_hash = nodes.first().map(keccak256);
        prop_assert!(look(B256::from(root), &key, &nodes).is_err());
        // Also where the hash fits and only the decoder stands in the way.
        if let Some(hash) = first_hash {
            let _any = look(hash, &key, &nodes);
        }
    }

    #[test]
    fn one_flipped_bit_breaks_the_path((trie, key) in with_key(small_tries()), node in any::<usize>(),
        at in any::<usize>(), bit in 0u8..8) {
        let mut nodes = trie.prove(&key);
        let node = node % nodes.len();
        let at = at % nodes[node].len();
        nodes[node][at] ^= 1 << bit;
        let broken = look(trie.root(), &key, &nodes);
        prop_assert!(matches!(broken, Err(TrieError::NodeHash { at, .. }) if at == node), "{:?}", broken);
    }
}

/// The advisory of 2026: a path that stops at a branch was read as "nothing there".
#[test]
fn a_truncated_inclusion_proof_is_not_absence() {
    let trie = Trie::of((0u8..=255).map(|byte| (keccak256([byte]), [byte, 1])));
    let key = keccak256([7]);
    let nodes = trie.prove(key.as_slice());
    assert!(nodes.len() > 1, "the path must have something to cut");
    assert_eq!(look(trie.root(), key.as_slice(), &nodes), Ok(Some([7, 1].as_slice())));
    for length in 0..nodes.len() {
        let cut = &nodes[..length];
        assert!(matches!(look(trie.root(), key.as_slice(), cut), Err(TrieError::Truncated { .. })));
        // The library is only used to build roots, but it is pinned to a version without that fault.
        assert!(!library_agrees(trie.root(), key.as_slice(), None, cut));
    }
}

#[test]
fn the_empty_trie_holds_nothing_and_needs_no_proof() {
    let key = keccak256([7]);
    let none: [Vec<u8>; 0] = [];
    assert_eq!(look(EMPTY_ROOT_HASH, key.as_slice(), &none), Ok(None));
    assert_eq!(look(EMPTY_ROOT_HASH, key.as_slice(), &[vec![EMPTY_STRING_CODE]]), Ok(None));
    // The twin: the same offers under a root that is not empty.
    let root = Trie::of([(key, [1])]).root();
    assert_eq!(
        look(root, key.as_slice(), &none),
        Err(TrieError::Truncated { at: 0, expected: root }),
        "no node is no proof of absence"
    );
    assert!(matches!(
        look(root, key.as_slice(), &[vec![EMPTY_STRING_CODE]]),
        Err(TrieError::NodeHash { at: 0, .. })
    ));
    assert!(matches!(
        look(EMPTY_ROOT_HASH, key.as_slice(), &[vec![0xc0]]),
        Err(TrieError::UnusedNodes { used: 0, given: 1 })
    ));
}

fn string(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    alloy_rlp::Encodable::encode(bytes, &mut out);
    out
}

fn node(items: &[Vec<u8>]) -> Vec<u8> {
    let payload = items.concat();
    let mut out = Vec::new();
    Header { list: true, payload_length: payload.len() }.encode(&mut out);
    out.extend(payload);
    out
}

fn branch(children: &[(usize, Vec<u8>)], value: &[u8]) -> Vec<u8> {
    let mut items = vec![string(&[]); 16];
    for (nibble, child) in children {
        items[*nibble] = child.clone();
    }
    items.push(string(value));
    node(&items)
}

fn hash_of(node: &[u8]) -> Vec<u8> {
    string(keccak256(node).as_slice())
}

/// The trie of four words that Ethereum's documentation and `ethereum/tests` (`trieanyorder`, "dogs") both
/// have: an extension, branches with values, an embedded leaf and an embedded branch.
struct Dogs {
    root: B256,
    path_to_dogs: Vec<Vec<u8>>,
}

fn dogs() -> Dogs {
    let coin = node(&[string(&[0x35]), string(b"coin")]);
    let puppy_branch = branch(&[(6, coin)], b"puppy");
    let g = node(&[string(&[0x17]), hash_or_self(&puppy_branch)]);
    let verb_branch = branch(&[(6, hash_or_self(&g))], b"verb");
    let o = node(&[string(&[0x00, 0x6f]), hash_or_self(&verb_branch)]);
    let horse = node(&[string(b"\x20orse"), string(b"stallion")]);
    let top = branch(&[(4, hash_or_self(&o)), (8, hash_or_self(&horse))], b"");
    let root = node(&[string(&[0x16]), hash_of(&top)]);
    let all = [root.clone(), top, o, verb_branch, g, puppy_branch];
    let path_to_dogs = all.into_iter().enumerate().filter(|(at, n)| *at == 0 || n.len() >= 32);
    Dogs { root: keccak256(&root), path_to_dogs: path_to_dogs.map(|(_, n)| n).collect() }
}

fn hash_or_self(node: &[u8]) -> Vec<u8> {
    if node.len() < 32 { node.to_vec() } else { hash_of(node) }
}

#[test]
fn branch_values_extensions_and_embedded_nodes_are_read() {
    let Dogs { root, path_to_dogs } = dogs();
    let published = "5991bb8c6514148a29db676a14ac506cd2cd5775ace63c30a4fe457715e9ac84";
    assert_eq!(root, published.parse::<B256>().unwrap());

    // Everything from "dog" down is embedded in the branch of "do".
    assert_eq!(path_to_dogs.len(), 4);
    let upto = |length: usize| path_to_dogs[..length].to_vec();
    let found = [("do", "verb", 4), ("dog", "puppy", 4), ("doge", "coin", 4), ("horse", "stallion", 2)];
    for (word, value, length) in found {
        let nodes = upto(length);
        assert_eq!(look(root, word.as_bytes(), &nodes), Ok(Some(value.as_bytes())), "{word}");
        // The twins: the same with a node too few or too many.
        let short = upto(length - 1);
        let cut = look(root, word.as_bytes(), &short);
        assert!(matches!(cut, Err(TrieError::Truncated { at, .. }) if at == length - 1), "{word}: {cut:?}");
        let long = [nodes, vec![path_to_dogs[0].clone()]].concat();
        let more = look(root, word.as_bytes(), &long);
        assert!(
            matches!(more, Err(TrieError::UnusedNodes { used, .. }) if used == length),
            "{word}: {more:?}"
        );
    }
    for (missing, length) in [("d", 3), ("dogs", 4), ("dogf", 4), ("house", 2), ("horses", 2), ("x", 1)] {
        assert_eq!(look(root, missing.as_bytes(), &upto(length)), Ok(None), "{missing}");
    }
}

#[test]
fn forms_that_no_client_writes_are_refused() {
    let leaf = |partial: &[u8], value: &[u8]| node(&[string(partial), string(value)]);
    let big = branch(&[(1, hash_of(b"one")), (2, hash_of(b"two"))], b"");
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("a string", string(b"no node")),
        ("bytes behind", [leaf(&[0x20, 0x01], b"v"), vec![0x80]].concat()),
        ("three items", node(&[string(b"a"), string(b"b"), string(b"c")])),
        ("eighteen items", node(&vec![string(&[]); 18])),
        ("no items", node(&[])),
        ("an empty path", leaf(&[], b"v")),
        ("unknown flags", leaf(&[0x40, 0x01], b"v")),
        ("padding in an even path", leaf(&[0x2f, 0x01], b"v")),
        ("a leaf without a value", leaf(&[0x20, 0x01], b"")),
        ("a leaf whose value is a list", node(&[string(&[0x20, 0x01]), node(&[])])),
        ("a path that is a list", node(&[node(&[]), string(b"v")])),
        ("an extension of no nibble", node(&[string(&[0x00]), hash_of(&big)])),
        ("an extension to nothing", node(&[string(&[0x10]), string(&[])])),
        ("a child of 31 bytes", branch(&[(0, string(&[7; 31]))], b"")),
        ("an embedded child of 32 bytes", branch(&[(0, leaf(&[0x30], &[7; 29]))], b"")),
    ];
    for (name, root_node) in cases {
        let root = keccak256(&root_node);
        let nodes = [root_node];
        let found = look(root, &[0x01], &nodes);
        assert!(matches!(found, Err(TrieError::Shape { at: 0, .. })), "{name}: {found:?}");
    }
    let torn = vec![0xf8, 0x44, 0x01];
    assert!(matches!(look(keccak256(&torn), &[0x01], from_ref(&torn)), Err(TrieError::Rlp { at: 0, .. })));
    // The twin: the same kinds of node, well-formed.
    let good = leaf(&[0x20, 0x01], b"v");
    assert_eq!(look(keccak256(&good), &[0x01], from_ref(&good)), Ok(Some(b"v".as_slice())));
    let embedded = branch(&[(0, leaf(&[0x31], &[7; 27]))], b"");
    assert_eq!(look(keccak256(&embedded), &[0x01], from_ref(&embedded)), Ok(Some([7; 27].as_slice())));
}

#[test]
fn a_short_node_below_the_root_is_embedded_or_nothing() {
    let leaf = node(&[string(&[0x31]), string(b"v")]);
    let by_hash = branch(&[(0, hash_of(&leaf))], b"");
    let nodes = [by_hash.clone(), leaf.clone()];
    assert!(matches!(look(keccak256(&by_hash), &[0x01], &nodes), Err(TrieError::Shape { at: 1, .. })));
    let embedded = branch(&[(0, leaf.clone())], b"");
    assert_eq!(look(keccak256(&embedded), &[0x01], from_ref(&embedded)), Ok(Some(b"v".as_slice())));
    assert!(matches!(
        look(keccak256(&embedded), &[0x01], &[embedded.clone(), leaf]),
        Err(TrieError::UnusedNodes { used: 1, given: 2 })
    ));
}

#[test]
fn sizes_are_refused_before_anything_is_hashed() {
    let many = vec![vec![0x80]; MAX_PROOF_NODES + 1];
    assert_eq!(
        look(B256::ZERO, &[1], &many),
        Err(TrieError::TooManyNodes { found: MAX_PROOF_NODES + 1, limit: MAX_PROOF_NODES })
    );
    assert!(matches!(look(B256::ZERO, &[1], &many[1..]), Err(TrieError::NodeHash { .. })));
    let large = [vec![0u8; MAX + 1]];
    assert_eq!(
        look(B256::ZERO, &[1], &large),
        Err(TrieError::NodeTooLarge { at: 0, found: MAX + 1, limit: MAX })
    );
    assert!(matches!(look(B256::ZERO, &[1], &[vec![0u8; MAX]]), Err(TrieError::NodeHash { .. })));
}
