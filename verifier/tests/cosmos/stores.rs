//! Proofs of keys: what is there, what is not, and every check that a proof of either can fail.

use ics23::{BatchProof, CompressedBatchProof, ExistenceProof, commitment_proof::Proof};
use portcullis_verifier::cosmos::{
    Entry, IAVL, SIMPLE, StoreProofError,
    ics23::{verify_existence, verify_non_existence},
    limits::{MAX_KEY_BYTES, MAX_PROOF_DEPTH, MAX_VALUE_BYTES},
    read_entry,
};

use crate::tree::{Tree, encode};

type Error = StoreProofError;

fn keys(count: u8) -> Vec<[u8; 2]> {
    (0..count).map(|at| [b'k', 2 * at + 1]).collect()
}

fn tree(count: u8, iavl: bool) -> Tree {
    let keys = keys(count);
    let entries: Vec<(&[u8], &[u8])> = keys.iter().map(|key| (key.as_slice(), key.as_slice())).collect();
    if iavl {
        Tree::iavl(&entries)
    } else {
        Tree::simple(entries.iter().map(|(key, value)| (key.to_vec(), value.to_vec())).collect())
    }
}

#[test]
fn every_key_of_every_small_tree_is_there_and_every_gap_is_not() {
    for (spec, iavl) in [(&IAVL, true), (&SIMPLE, false)] {
        for count in 1..=9u8 {
            let tree = tree(count, iavl);
            let root = tree.root();
            for last in 0..=2 * count {
                let key = [b'k', last];
                let expected = if last % 2 == 1 { Entry::Present(key.to_vec()) } else { Entry::Absent };
                assert_eq!(read_entry(spec, &root, &key, &tree.prove(&key)), Ok(expected));
                let other = read_entry(spec, &[7; 32], &key, &tree.prove(&key));
                assert_eq!(other, Err(Error::Root), "{key:?} of {count}");
            }
        }
    }
}

#[test]
fn a_proof_is_of_its_own_key_and_value() {
    let tree = tree(5, true);
    let (root, proof) = (tree.root(), tree.existence(b"k\x05"));
    assert_eq!(verify_existence(&IAVL, &proof, &root, b"k\x05", b"k\x05"), Ok(()));
    assert_eq!(verify_existence(&IAVL, &proof, &root, b"k\x03", b"k\x05"), Err(Error::OtherKey));
    assert_eq!(verify_existence(&IAVL, &proof, &root, b"k\x05", b"other"), Err(Error::OtherKey));
    let renamed = ExistenceProof { key: b"k\x03".to_vec(), ..proof };
    assert_eq!(verify_existence(&IAVL, &renamed, &root, b"k\x03", b"k\x05"), Err(Error::Root));
}

#[test]
fn a_proof_of_one_kind_of_store_is_none_of_another() {
    for (spec, iavl) in [(&SIMPLE, true), (&IAVL, false)] {
        let tree = tree(5, iavl);
        let error = verify_existence(spec, &tree.existence(b"k\x05"), &tree.root(), b"k\x05", b"k\x05");
        assert!(matches!(error, Err(Error::Leaf { .. } | Error::Inner { .. })), "{error:?}");
    }
}

#[test]
fn empty_keys_and_values_are_none() {
    let tree = tree(3, true);
    let (root, proof) = (tree.root(), tree.existence(b"k\x03"));
    let empty = ExistenceProof { value: vec![], ..proof.clone() };
    let error = verify_existence(&IAVL, &empty, &root, b"k\x03", b"");
    assert_eq!(error, Err(Error::Empty { what: "value" }));
    let empty = ExistenceProof { key: vec![], ..proof };
    let error = verify_existence(&IAVL, &empty, &root, b"", b"k\x03");
    assert_eq!(error, Err(Error::Empty { what: "key" }));
    let error = verify_non_existence(&IAVL, &tree.absence(b"k\x04"), &root, b"");
    assert_eq!(error, Err(Error::Empty { what: "key" }));
    // A neighbour with an empty value cannot be shown either.
    let mut absence = tree.absence(b"k\x04");
    absence.left.as_mut().unwrap().value.clear();
    let error = verify_non_existence(&IAVL, &absence, &root, b"k\x04");
    assert_eq!(error, Err(Error::Empty { what: "value" }));
}

#[test]
fn batches_and_nothing_are_no_proof_of_a_key() {
    let tree = tree(3, true);
    let ask = |proof: Vec<u8>| read_entry(&IAVL, &tree.root(), b"k\x03", &proof);
    for (proof, found) in [
        (encode(Proof::Batch(BatchProof::default())), "a batch"),
        (encode(Proof::Compressed(CompressedBatchProof::default())), "a compressed batch"),
        (vec![], "empty"),
    ] {
        assert_eq!(ask(proof), Err(Error::Kind { expected: "one key", found }));
    }
    assert!(matches!(ask(vec![0xff; 3]), Err(Error::Encoding { .. })));
}

#[test]
fn bounds_are_checked_before_work() {
    let tree = tree(3, true);
    let root = tree.root();
    let limit = |error: Result<(), Error>| match error {
        Err(Error::Limit { what, .. }) => what,
        other => panic!("{other:?}"),
    };
    let mut deep = tree.existence(b"k\x03");
    deep.path = vec![deep.path[0].clone(); MAX_PROOF_DEPTH + 1];
    assert_eq!(limit(verify_existence(&IAVL, &deep, &root, b"k\x03", b"k\x03")), "steps of a path");
    let mut deep = tree.absence(b"k\x04");
    let right = deep.right.as_mut().unwrap();
    right.path = vec![right.path[0].clone(); MAX_PROOF_DEPTH + 1];
    assert_eq!(limit(verify_non_existence(&IAVL, &deep, &root, b"k\x04")), "steps of a path");
    let long = vec![1; MAX_KEY_BYTES + 1];
    let proof = ExistenceProof { key: long.clone(), ..tree.existence(b"k\x03") };
    assert_eq!(limit(verify_existence(&IAVL, &proof, &root, &long, b"k\x03")), "bytes of a key");
    let long = vec![1; MAX_VALUE_BYTES + 1];
    let proof = ExistenceProof { value: long.clone(), ..tree.existence(b"k\x03") };
    assert_eq!(limit(verify_existence(&IAVL, &proof, &root, b"k\x03", &long)), "bytes of a value");
    let error = read_entry(&IAVL, &root, b"k", &vec![0; 2 * MAX_VALUE_BYTES + 64 * 1024]).map(drop);
    assert_eq!(limit(error), "bytes of a proof");
    let error = read_entry(&IAVL, &root, &[1; MAX_KEY_BYTES + 1], &[]).map(drop);
    assert_eq!(limit(error), "bytes of a key");
}

#[test]
fn operations_are_the_stores_own() {
    let tree = tree(5, true);
    let judge = |change: &dyn Fn(&mut ExistenceProof)| {
        let mut proof = tree.existence(b"k\x05");
        change(&mut proof);
        verify_existence(&IAVL, &proof, &tree.root(), b"k\x05", b"k\x05").unwrap_err()
    };
    let leaf = |what| Error::Leaf { what };
    assert_eq!(judge(&|proof| proof.leaf = None), leaf("there is none"));
    assert_eq!(judge(&|proof| proof.leaf.as_mut().unwrap().hash = 2), leaf("hash"));
    assert_eq!(judge(&|proof| proof.leaf.as_mut().unwrap().prehash_key = 1), leaf("hash of the key"));
    assert_eq!(judge(&|proof| proof.leaf.as_mut().unwrap().prehash_value = 0), leaf("hash of the value"));
    assert_eq!(judge(&|proof| proof.leaf.as_mut().unwrap().length = 0), leaf("length"));
    assert_eq!(judge(&|proof| proof.leaf.as_mut().unwrap().prefix = vec![1, 2, 18]), leaf("prefix"));
    assert_eq!(judge(&|proof| proof.leaf.as_mut().unwrap().prefix = vec![0, 2]), leaf("height or size"));
    assert_eq!(judge(&|proof| proof.leaf.as_mut().unwrap().prefix.push(1)), leaf("the prefix goes on"));
    let step = |what| Error::Inner { layer: 1, what };
    assert_eq!(judge(&|proof| proof.path[0].hash = 0), step("hash"));
    assert_eq!(judge(&|proof| proof.path[0].prefix[0] = 0), step("it has the prefix of a leaf"));
    assert_eq!(judge(&|proof| proof.path[0].prefix.truncate(3)), step("the prefix is too short"));
    assert_eq!(judge(&|proof| proof.path[0].prefix.resize(46, 1)), step("the prefix is too long"));
    assert_eq!(
        judge(&|proof| proof.path[0].suffix = vec![32; 66]),
        step("there is no such pair of siblings")
    );
    // A height of zero, and one below the layer that the step is said to be in.
    assert_eq!(judge(&|proof| proof.path[0].prefix[0] = 1), step("height, size or version"));
    assert_eq!(
        judge(&|proof| proof.path[1].prefix[0] = 2),
        Error::Inner { layer: 2, what: "height, size or version" }
    );
    assert_eq!(
        judge(&|proof| *proof.path[0].prefix.last_mut().unwrap() = 31),
        step("the lengths of its children")
    );
}

#[test]
fn absence_needs_true_neighbours() {
    let tree = tree(8, true);
    let root = tree.root();
    let judge = |left: Option<&[u8]>, right: Option<&[u8]>, key: &[u8]| {
        let mut proof = tree.absence(b"k\x04");
        proof.key = key.to_vec();
        proof.left = left.map(|key| tree.existence(key));
        proof.right = right.map(|key| tree.existence(key));
        verify_non_existence(&IAVL, &proof, &root, key)
    };
    let (one, three, five, last) = (b"k\x01".as_slice(), b"k\x03".as_slice(), b"k\x05".as_slice(), b"k\x0f");
    assert_eq!(judge(Some(three), Some(five), b"k\x04"), Ok(()));
    assert_eq!(judge(None, None, b"k\x04"), Err(Error::NoNeighbour));
    assert_eq!(judge(Some(one), Some(five), b"k\x04"), Err(Error::NotOutermost { side: "right" }));
    assert_eq!(judge(Some(three), None, b"k\x04"), Err(Error::NotOutermost { side: "right" }));
    assert_eq!(judge(None, Some(five), b"k\x04"), Err(Error::NotOutermost { side: "left" }));
    assert_eq!(judge(Some(five), Some(three), b"k\x04"), Err(Error::Order { side: "left" }));
    assert_eq!(judge(Some(three), Some(five), b"k\x06"), Err(Error::Order { side: "right" }));
    // The key itself is no neighbour of its own.
    assert_eq!(judge(Some(three), Some(five), three), Err(Error::Order { side: "left" }));
    assert_eq!(judge(None, Some(one), b"a"), Ok(()));
    assert_eq!(judge(Some(last), None, b"z"), Ok(()));
    assert_eq!(judge(Some(last), Some(last), b"z"), Err(Error::Order { side: "right" }));
}

#[test]
fn a_tree_of_one_key_proves_what_is_beside_it() {
    let tree = tree(1, true);
    assert_eq!(read_entry(&IAVL, &tree.root(), b"a", &tree.prove(b"a")), Ok(Entry::Absent));
    assert_eq!(read_entry(&IAVL, &tree.root(), b"z", &tree.prove(b"z")), Ok(Entry::Absent));
    // The same leaf on both sides: paths that never part.
    let mut twice = tree.absence(b"z");
    twice.right = twice.left.clone();
    assert_eq!(verify_non_existence(&IAVL, &twice, &tree.root(), b"z"), Err(Error::Order { side: "right" }));
}
