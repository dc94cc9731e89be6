//! Headers and commits that are none, each found by its own check.

use portcullis_verifier::cosmos::{CosmosProofError, limits, open_header};
use prost::Message;
use tendermint_proto::v0_38::types::{CommitSig, SignedHeader};

use crate::{
    client::hex,
    fixture::{Cast, Signer, four, read, steady},
};

type Error = CosmosProofError;

fn judged(change: impl FnOnce(&mut SignedHeader)) -> Error {
    let blocks = steady(3);
    let mut block = blocks[2].clone();
    block.casts[3] = Cast::Absent;
    let mut signed = block.signed();
    change(&mut signed);
    let mut update = block.update_from(&blocks[0]);
    update.signed_header = signed.encode_to_vec();
    read(&update).unwrap_err()
}

fn votes(signed: &mut SignedHeader) -> &mut Vec<CommitSig> {
    &mut signed.commit.as_mut().unwrap().signatures
}

#[test]
fn votes_that_are_missing_or_too_many() {
    let expected = 4;
    let fewer = judged(|signed| drop(votes(signed).pop()));
    assert_eq!(fewer, Error::SignatureCount { found: 3, expected });
    let more = judged(|signed| {
        let absent = votes(signed)[3].clone();
        votes(signed).push(absent);
    });
    assert_eq!(more, Error::SignatureCount { found: 5, expected });
    assert_eq!(judged(|signed| votes(signed).clear()), Error::SignatureCount { found: 0, expected });
}

#[test]
fn signatures_that_are_cut_padded_or_missing() {
    for found in [0, 63, 65, 128] {
        let error = judged(|signed| votes(signed)[1].signature.resize(found, 0));
        assert_eq!(error, Error::SignatureLength { index: 1, found });
    }
}

#[test]
fn one_who_votes_twice() {
    let error = judged(|signed| {
        let twin = votes(signed)[0].clone();
        votes(signed)[1] = twin;
    });
    let signer = hex(&four()[0].address());
    // At another's place; and where places are right, twice.
    assert_eq!(error, Error::DuplicateVote { signer });
}

#[test]
fn votes_at_the_places_of_others() {
    let own = four();
    let error = judged(|signed| votes(signed).swap(0, 2));
    let (expected, found) = (hex(&own[0].address()), hex(&own[2].address()));
    assert_eq!(error, Error::SignerMisplaced { index: 0, expected: expected.clone(), found });
    let stranger = Signer::new(9, 1);
    let error = judged(|signed| votes(signed)[0].validator_address = stranger.address());
    assert_eq!(error, Error::SignerMisplaced { index: 0, expected, found: hex(&stranger.address()) });
}

#[test]
fn absent_votes_that_are_there() {
    let address = four()[3].address();
    assert_eq!(
        judged(|signed| votes(signed)[3].validator_address = address),
        Error::AbsentWithContent { index: 3 }
    );
    assert_eq!(
        judged(|signed| votes(signed)[3].signature = vec![1; 64]),
        Error::AbsentWithContent { index: 3 }
    );
    let error = judged(|signed| votes(signed)[3].block_id_flag = 9);
    assert_eq!(error, Error::SignatureLength { index: 3, found: 0 });
    let error = judged(|signed| votes(signed)[0].block_id_flag = 9);
    assert!(matches!(error, Error::Encoding { what: "signed header", .. }), "{error}");
}

#[test]
fn proposers_from_elsewhere() {
    let stranger = Signer::new(9, 1).address();
    let error = judged(|signed| signed.header.as_mut().unwrap().proposer_address = stranger.clone());
    assert_eq!(error, Error::Proposer { found: hex(&stranger) });
}

#[test]
fn commits_of_other_blocks() {
    let error = judged(|signed| signed.commit.as_mut().unwrap().height = 4);
    assert_eq!(error, Error::CommitHeight { header: 3, commit: 4 });
    let error = judged(|signed| signed.commit.as_mut().unwrap().height = -3);
    assert_eq!(error, Error::CommitHeight { header: 3, commit: -3 });
}

#[test]
fn headers_that_are_none() {
    for found in [0, -1, i64::MAX] {
        let error = judged(|signed| {
            signed.header.as_mut().unwrap().height = found;
            signed.commit.as_mut().unwrap().height = found;
        });
        assert_eq!(error, Error::Height { found });
    }
    let error = judged(|signed| signed.header.as_mut().unwrap().version = None);
    assert_eq!(error, Error::Protocol { found: 0, known: 11 });
    let broken: [fn(&mut SignedHeader); 6] = [
        |signed| signed.header = None,
        |signed| signed.commit = None,
        |signed| signed.header.as_mut().unwrap().time = None,
        |signed| signed.header.as_mut().unwrap().validators_hash = vec![1; 31],
        |signed| signed.header.as_mut().unwrap().chain_id = "no spaces".to_owned(),
        |signed| signed.commit.as_mut().unwrap().block_id = None,
    ];
    for (at, change) in broken.into_iter().enumerate() {
        let error = judged(change);
        assert!(matches!(error, Error::Encoding { .. }), "{at}: {error}");
    }
}

#[test]
fn too_long_before_anything_is_read() {
    let error = open_header(&vec![0; limits::MAX_HEADER_BYTES + 1]).unwrap_err();
    assert!(matches!(error, Error::Limit { what: "bytes of a header", .. }), "{error}");
    let blocks = steady(2);
    let mut update = blocks[1].update_from(&blocks[0]);
    update.signed_header = vec![0; limits::MAX_SIGNED_HEADER_BYTES + 1];
    let error = read(&update).unwrap_err();
    assert!(matches!(error, Error::Limit { what: "bytes of a signed header", .. }), "{error}");
    let mut signed = blocks[1].signed();
    *votes(&mut signed) = vec![CommitSig { block_id_flag: 1, ..CommitSig::default() }; 1_025];
    update.signed_header = signed.encode_to_vec();
    let error = read(&update).unwrap_err();
    assert!(matches!(error, Error::Limit { what: "votes in a commit", .. }), "{error}");
    assert!(matches!(open_header(&[0xff; 5]), Err(Error::Encoding { what: "header", .. })));
}
