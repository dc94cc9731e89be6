//! Who counts as a voice, and when enough of them say the same.

use portcullis_verifier::{
    B256, BlockRef, OperatorId, Quorum, Trust, Undecided,
    evm::{Attestation, attested_header},
};

use crate::fixture::{self, NOW, claimed, operator};

fn ask(names: &[(&str, BlockRef)], configured: &[&str], quorum: u16) -> Result<Quorum, Undecided> {
    let attestations: Vec<Attestation> =
        names.iter().map(|(name, block)| Attestation { operator: operator(name), block: *block }).collect();
    let operators: Vec<OperatorId> = configured.iter().map(|name| operator(name)).collect();
    let trust = Trust { operators, quorum, now: NOW, pinned: std::collections::BTreeMap::new() };
    attested_header(&claimed().rlp(), &attestations, &trust)
        .map(|header| header.assurance().header.quorum.unwrap())
}

const THREE: [&str; 3] = ["alpha", "bravo", "charlie"];

fn here() -> BlockRef {
    claimed().block_ref()
}

fn elsewhere(byte: u8) -> BlockRef {
    BlockRef { hash: B256::repeat_byte(byte), ..here() }
}

#[test]
fn distinct_configured_operators_count() {
    let three = THREE.map(|name| (name, here()));
    assert_eq!(ask(&three, &THREE, 2), Ok(Quorum { agreeing: 3, of: 3 }));
    assert_eq!(ask(&three[..2], &THREE, 2), Ok(Quorum { agreeing: 2, of: 3 }));
    assert_eq!(ask(&three[..1], &THREE, 2), Err(Undecided::NoQuorum { agreeing: 1, needed: 2 }));
    assert_eq!(ask(&[], &THREE, 2), Err(Undecided::NoQuorum { agreeing: 0, needed: 2 }));
    let reversed: Vec<_> = three.iter().rev().copied().collect();
    assert_eq!(ask(&reversed, &THREE, 2), ask(&three, &THREE, 2), "order does not matter");
}

#[test]
fn strangers_and_repetitions_count_nothing() {
    let again = [("alpha", here()), ("alpha", here()), ("alpha", here())];
    assert_eq!(ask(&again, &THREE, 2), Err(Undecided::NoQuorum { agreeing: 1, needed: 2 }));
    let strangers = [("alpha", here()), ("mallory", here()), ("trudy", here())];
    assert_eq!(ask(&strangers, &THREE, 2), Err(Undecided::NoQuorum { agreeing: 1, needed: 2 }));
    let listed_twice = ["alpha", "alpha", "bravo"];
    assert_eq!(ask(&again, &listed_twice, 2), Err(Undecided::NoQuorum { agreeing: 1, needed: 2 }));
    let both = [("alpha", here()), ("bravo", here())];
    assert_eq!(ask(&both, &listed_twice, 2), Ok(Quorum { agreeing: 2, of: 2 }));
}

#[test]
fn whoever_says_two_things_says_nothing() {
    let double = [("alpha", here()), ("bravo", here()), ("bravo", elsewhere(1))];
    assert_eq!(ask(&double, &THREE, 2), Err(Undecided::NoQuorum { agreeing: 1, needed: 2 }));
    let and_back = [("alpha", here()), ("bravo", here()), ("bravo", elsewhere(1)), ("bravo", here())];
    assert_eq!(ask(&and_back, &THREE, 2), Err(Undecided::NoQuorum { agreeing: 1, needed: 2 }));
}

#[test]
fn a_word_about_another_height_is_no_word_about_this_one() {
    let later = BlockRef { height: here().height + 1, ..here() };
    assert_eq!(
        ask(&[("alpha", here()), ("bravo", later)], &THREE, 2),
        Err(Undecided::NoQuorum { agreeing: 1, needed: 2 })
    );
}

#[test]
fn a_block_that_is_outvoted_is_not_on_the_chain() {
    let outvoted = [("alpha", here()), ("bravo", elsewhere(1)), ("charlie", elsewhere(1))];
    assert!(matches!(ask(&outvoted, &THREE, 2), Err(Undecided::NotCanonical { .. })));
    // Also where one voice would be enough: the liar is not asked alone.
    assert!(matches!(ask(&outvoted, &THREE, 1), Err(Undecided::NotCanonical { .. })));
    let tied = [("alpha", here()), ("bravo", elsewhere(1))];
    assert!(matches!(ask(&tied, &THREE, 1), Err(Undecided::NotCanonical { .. })));
    // Others that each say something else do not outvote anybody.
    let scattered = [("alpha", here()), ("bravo", here()), ("charlie", elsewhere(1))];
    assert_eq!(ask(&scattered, &THREE, 2), Ok(Quorum { agreeing: 2, of: 3 }));
}

#[test]
fn a_quorum_of_nobody_is_not_offered() {
    assert_eq!(ask(&[], &THREE, 0), Err(Undecided::NoQuorum { agreeing: 0, needed: 1 }));
    assert_eq!(ask(&[("alpha", here())], &THREE, 0), Ok(Quorum { agreeing: 1, of: 3 }));
    let all = THREE.map(|name| (name, here()));
    assert_eq!(ask(&all, &THREE, 4), Err(Undecided::NoQuorum { agreeing: 3, needed: 4 }));
    assert_eq!(ask(&all, &[], 1), Err(Undecided::NoQuorum { agreeing: 0, needed: 1 }));
}

#[test]
fn age_counts_from_the_chain_and_a_header_from_the_future_has_none() {
    let age = |time: u64| {
        let block = fixture::block(5, B256::ZERO, time);
        *fixture::trusted(&block).assurance()
    };
    assert_eq!(age(NOW - 100).age_secs, Some(100));
    assert_eq!(age(NOW + 15).age_secs, Some(0), "clocks may differ a little");
    assert_eq!(age(NOW + 16).age_secs, None);
    let fresh = portcullis_verifier::Assurance { age_secs: Some(3_600), ..Default::default() };
    assert!(age(NOW - 100).meets(&fresh));
    assert!(!age(NOW + 16).meets(&fresh), "what has no age is not fresh");
}
