//! Attacks and advisories that were real, each as it was made: the forgery adds up, and is refused.

use ics23::{CommitmentProof, ExistenceProof};
use portcullis_verifier::cosmos::{
    CosmosProofError, IAVL, SIMPLE, Scrutiny, StoreProofError, ValidatorsError,
    ics23::{existence_root, verify_existence},
    verify_update,
};
use prost::Message;

use crate::{
    fixture::{Block, Cast, Signer, four, just_after, read, set_of, signers, steady},
    tree::{OnlySha256, Tree, encode},
};

/// BNB Chain, 7 October 2022: inner nodes of the IAVL proof could have a left *and* a right sibling, and one of the two
/// was left out of the hash; two million BNB were minted on a proof with a sibling of the attacker's own.
#[test]
fn bnb_october_2022_an_inner_node_with_siblings_on_both_sides() {
    let tree = Tree::iavl(&[(b"a", b"1"), (b"b", b"2"), (b"c", b"3"), (b"d", b"4")]);
    let honest = tree.existence(b"d");
    for at in 0..honest.path.len() {
        let mut forged = honest.clone();
        assert!(forged.path[at].suffix.is_empty(), "the last key is on the right of every node");
        forged.path[at].suffix = [&[32], [0xbb; 32].as_slice()].concat();
        // Whatever root the forger brings along with it.
        let root = existence_root(&forged).unwrap();
        let error = verify_existence(&IAVL, &forged, &root, b"d", b"4").unwrap_err();
        let what = "there is no such pair of siblings";
        assert_eq!(error, StoreProofError::Inner { layer: at + 1, what });
    }
}

fn swallowed(honest: &ExistenceProof, own: &[u8]) -> ExistenceProof {
    let mut forged = honest.clone();
    let kept = honest.key.len() - own.len() - 1;
    assert_eq!(usize::from(honest.key[kept]), own.len(), "the key carries what looks like a length");
    let prefix = &mut forged.leaf.as_mut().unwrap().prefix;
    prefix.push(u8::try_from(honest.key.len()).unwrap());
    prefix.extend_from_slice(&honest.key[..kept]);
    forged.key = own.to_vec();
    forged
}

/// Dragonberry, October 2022: prefixes of leaves and inner nodes were checked for how they begin and not for how they
/// end, so that a part of one's own key could pass for prefix, and the rest for a key of somebody else.
#[test]
fn dragonberry_a_key_that_is_the_end_of_another() {
    let mine = b"mine\x05admin";
    let tree = Tree::iavl(&[(b"a", b"1"), (mine, b"me"), (b"z", b"3")]);
    let forged = swallowed(&tree.existence(mine), b"admin");
    assert_eq!(existence_root(&forged), Ok(tree.root()), "the forgery adds up");
    let error = verify_existence(&IAVL, &forged, &tree.root(), b"admin", b"me");
    assert_eq!(error, Err(StoreProofError::Leaf { what: "the prefix goes on" }));
}

/// The same in the tree of all stores, where the specification's own library still accepts it.
#[test]
fn a_store_whose_name_is_the_end_of_another() {
    let mine = b"mine\x04bank";
    let tree = Tree::simple(vec![(b"a".to_vec(), vec![1; 32]), (mine.to_vec(), vec![2; 32])]);
    let forged = swallowed(&tree.existence(mine), b"bank");
    let library = ics23::verify_membership::<OnlySha256>(
        &CommitmentProof { proof: Some(ics23::commitment_proof::Proof::Exist(forged.clone())) },
        &ics23::tendermint_spec(),
        &tree.root().to_vec(),
        b"bank",
        &[2; 32],
    );
    assert!(library, "the forgery adds up");
    let error = verify_existence(&SIMPLE, &forged, &tree.root(), b"bank", &[2; 32]);
    assert_eq!(error, Err(StoreProofError::Leaf { what: "prefix" }));
}

/// ISA-2025-003 (tendermint-rs up to 0.40.2): votes were counted by the addresses in the set, and a signature that was
/// verified once was not verified again. One validator signs; the others' entries carry its address.
#[test]
fn isa_2025_003_one_vote_for_everybodys_power() {
    let blocks = steady(3);
    let attacker = four()[3].clone();
    let mut block = blocks[2].clone();
    block.casts = vec![Cast::Absent, Cast::Absent, Cast::Absent, Cast::Block];
    let mut update = block.update_from(&blocks[0]);
    let mut set = set_of(&block.signers);
    for validator in &mut set.validators {
        validator.address = attacker.address();
    }
    // The hash of the set covers keys and powers only: it still is what the header commits to.
    update.validators = set.encode_to_vec();
    let error = read(&update).unwrap_err();
    let CosmosProofError::Validators { source } = error else { panic!("{error}") };
    assert!(matches!(source, ValidatorsError::AddressNotBound { index: 0, .. }), "{source}");
}

/// The trusted set of the same update, which the next check rests on, is read by the same rules.
#[test]
fn an_address_that_is_not_bound_to_its_key_is_refused_in_every_set() {
    let blocks = steady(5);
    let mut update = blocks[4].update_from(&blocks[0]);
    let mut set = set_of(&blocks[0].next);
    set.validators[1].address = Signer::new(9, 1).address();
    update.trusted_validators = Some(set.encode_to_vec());
    let error = read(&update).unwrap_err();
    let CosmosProofError::Validators { source } = error else { panic!("{error}") };
    assert!(matches!(source, ValidatorsError::AddressNotBound { index: 1, .. }), "{source}");
}

/// ibc-rs #583: the trusted validators come with the update, and were not compared with what the trusted header
/// commits to. The attacker brings a set of its own for both, and signs with all of it.
#[test]
fn ibc_rs_583_trusted_validators_of_the_attackers_own() {
    let blocks = steady(1);
    let own = signers(&[(66, 10), (67, 10)]);
    let forged = Block::new(9, &own, &own, Some(&Block::new(8, &own, &own, None)));
    let mut update = forged.update_from(&blocks[0]);
    update.trusted_validators = Some(set_of(&own).encode_to_vec());
    let verdict =
        verify_update(&blocks[0].checkpoint(), &read(&update).unwrap(), just_after(&forged), Scrutiny::Every);
    assert!(matches!(verdict, Err(CosmosProofError::TrustedValidators { .. })), "{verdict:?}");
}

/// The library that is not used for the walk is right about every proof that is honest, and about absence.
#[test]
fn the_specifications_library_is_of_the_same_opinion() {
    let entries: Vec<([u8; 2], [u8; 1])> = (0..9u8).map(|at| ([b'k', 2 * at + 1], [at + 1])).collect();
    let borrowed: Vec<(&[u8], &[u8])> =
        entries.iter().map(|(key, value)| (key.as_slice(), value.as_slice())).collect();
    let tree = Tree::iavl(&borrowed);
    let (spec, root) = (ics23::iavl_spec(), tree.root().to_vec());
    for (key, value) in &borrowed {
        let proof = CommitmentProof::decode(tree.prove(key).as_slice()).unwrap();
        assert!(ics23::verify_membership::<OnlySha256>(&proof, &spec, &root, key, value));
    }
    for at in 0..=9u8 {
        let key = [b'k', 2 * at];
        let proof = encode(ics23::commitment_proof::Proof::Nonexist(tree.absence(&key)));
        let proof = CommitmentProof::decode(proof.as_slice()).unwrap();
        assert!(ics23::verify_non_membership::<OnlySha256>(&proof, &spec, &root, &key));
    }
}
