//! One step of the light client, and every check that it can fail.

use portcullis_verifier::{
    B256,
    cosmos::{CosmosProofError, Scrutiny, Step, verify_update},
};
use tendermint_proto::google::protobuf::Timestamp;

use crate::fixture::{Block, Cast, accept, at_height, four, just_after, read, set_of, signers, steady, step};
use prost::Message;

type Error = CosmosProofError;

#[test]
fn the_next_block_and_one_far_on_are_final_with_the_share_that_signed() {
    let blocks = steady(9);
    for to in [1, 8] {
        let header = accept(&blocks[0], &blocks[to]).unwrap();
        assert_eq!(header.value().block(), blocks[to].block_ref());
        let assurance = header.assurance();
        assert!(assurance.header.final_by_consensus);
        assert_eq!(assurance.header.signed_bps, Some(10_000));
        assert_eq!(assurance.age_secs, Some(1));
    }
    // Early stop: the two most powerful have 70 of 100, and no more is looked at.
    let Ok(Step::Accepted(header)) = step(&blocks[0], &blocks[8], Scrutiny::Enough) else { panic!() };
    assert_eq!(header.assurance().header.signed_bps, Some(7_000));
}

#[test]
fn votes_that_are_absent_or_for_nil_do_not_count() {
    let blocks = steady(3);
    for cast in [Cast::Absent, Cast::Nil] {
        let mut block = blocks[2].clone();
        block.casts = vec![Cast::Block, Cast::Block, cast, cast];
        let header = accept(&blocks[0], &block).unwrap();
        assert_eq!(header.assurance().header.signed_bps, Some(7_000));
        block.casts = vec![Cast::Block, cast, Cast::Block, cast];
        let adjacent = accept(&blocks[1], &block);
        assert_eq!(adjacent.unwrap_err(), Error::NotEnoughSigned { tallied: 60, total: 100 });
    }
    let mut nobody = blocks[1].clone();
    nobody.casts = vec![Cast::Absent; 4];
    assert_eq!(accept(&blocks[0], &nobody).unwrap_err(), Error::MissingSignature);
}

#[test]
fn exactly_two_thirds_are_not_more_than_two_thirds() {
    let third = signers(&[(1, 10), (2, 10), (3, 10)]);
    let first = Block::new(1, &third, &third, None);
    let mut second = Block::new(2, &third, &third, Some(&first));
    second.casts[2] = Cast::Absent;
    assert_eq!(accept(&first, &second).unwrap_err(), Error::NotEnoughSigned { tallied: 20, total: 30 });
}

#[test]
fn a_changed_set_is_reached_by_a_third_of_the_old_one() {
    let old = signers(&[(1, 40), (2, 30), (3, 30)]);
    let trusted = Block::new(1, &old, &old, None);
    // 40 of 100 of the trusted power still signs.
    let kept = signers(&[(1, 40), (5, 40), (6, 40)]);
    let far = Block::new(9, &kept, &kept, Some(&Block::new(8, &kept, &kept, None)));
    assert!(matches!(step(&trusted, &far, Scrutiny::Every), Ok(Step::Accepted(_))));
    // 30 of 100 is less than a third.
    let fewer = signers(&[(2, 30), (5, 40), (6, 40)]);
    let far = Block::new(9, &fewer, &fewer, Some(&Block::new(8, &fewer, &fewer, None)));
    let expected = Step::NotEnoughTrust { tallied: 30, total: 100 };
    assert_eq!(step(&trusted, &far, Scrutiny::Every), Ok(expected));
}

#[test]
fn the_next_block_must_be_signed_by_the_set_that_was_announced() {
    let blocks = steady(1);
    let other = signers(&[(1, 40), (2, 30), (3, 20), (5, 10)]);
    let next = Block::new(2, &other, &other, Some(&blocks[0]));
    let error = accept(&blocks[0], &next).unwrap_err();
    assert!(matches!(error, Error::ValidatorsHash { which: "validators of the next block", .. }), "{error}");
}

#[test]
fn a_step_needs_the_trusted_set_and_no_other() {
    let blocks = steady(5);
    let mut update = blocks[4].update_from(&blocks[0]);
    update.trusted_validators = None;
    let verdict = verify_update(
        &blocks[0].checkpoint(),
        &read(&update).unwrap(),
        just_after(&blocks[4]),
        Scrutiny::Every,
    );
    assert_eq!(verdict, Err(Error::TrustedValidatorsMissing { from: 1, to: 5 }));
}

#[test]
fn a_header_must_be_later_in_height_and_time() {
    let blocks = steady(9);
    let back = accept(&blocks[8], &blocks[4]).unwrap_err();
    assert!(matches!(back, Error::TimeNotLater { .. }), "{back}");
    let mut lower = blocks[4].clone();
    lower.header.time = Some(at_height(30));
    let back = accept(&blocks[8], &lower).unwrap_err();
    assert_eq!(back, Error::HeightNotLater { trusted: 9, found: 5 });
    let mut early = blocks[8].clone();
    early.header.time = blocks[0].header.time;
    let back = accept(&blocks[0], &early).unwrap_err();
    assert!(matches!(back, Error::TimeNotLater { .. }), "{back}");
}

#[test]
fn trust_runs_out_and_the_future_is_not_yet() {
    let blocks = steady(3);
    let update = read(&blocks[2].update_from(&blocks[0])).unwrap();
    let at = |now| verify_update(&blocks[0].checkpoint(), &update, now, Scrutiny::Every);
    let start = blocks[0].checkpoint().time_secs;
    assert!(matches!(at(start + 9_999), Ok(Step::Accepted(_))));
    assert!(matches!(at(start + 10_001), Err(Error::Expired { height: 1, .. })));
    // Block 3 is ten seconds after block 1, and clocks may differ by ten.
    assert!(matches!(at(start + 1), Ok(Step::Accepted(_))));
    assert!(matches!(at(start), Err(Error::FromFuture { .. })));
    assert!(matches!(at(u64::MAX), Err(Error::Date { .. })));
}

#[test]
fn another_chain_and_another_revision_are_told_apart() {
    let blocks = steady(3);
    for (name, revision) in [("fixture-8", true), ("other-7", false), ("fixture", false)] {
        let mut foreign = blocks[2].clone();
        foreign.header.chain_id = name.to_owned();
        let error = accept(&blocks[0], &foreign).unwrap_err();
        let told = matches!(error, Error::Revision { expected: 7, found: 8, .. });
        assert_eq!(told, revision, "{error}");
        assert!(told || matches!(error, Error::WrongChain { .. }), "{error}");
    }
}

#[test]
fn the_commit_must_sign_this_header() {
    let blocks = steady(3);
    let mut signed = blocks[2].signed();
    signed.header.as_mut().unwrap().app_hash = vec![9; 32];
    let mut update = blocks[2].update_from(&blocks[0]);
    update.signed_header = signed.encode_to_vec();
    let now = just_after(&blocks[2]);
    let verdict = verify_update(&blocks[0].checkpoint(), &read(&update).unwrap(), now, Scrutiny::Every);
    assert!(matches!(verdict, Err(Error::CommitHash { .. })), "{verdict:?}");
    let mut update = blocks[2].update_from(&blocks[0]);
    update.validators = set_of(&signers(&[(1, 40), (2, 30), (3, 20), (4, 11)])).encode_to_vec();
    let verdict = verify_update(&blocks[0].checkpoint(), &read(&update).unwrap(), now, Scrutiny::Every);
    assert!(matches!(verdict, Err(Error::ValidatorsHash { which: "validators", .. })), "{verdict:?}");
}

#[test]
fn a_bad_signature_is_found_among_those_that_count_and_with_scrutiny_among_all() {
    let blocks = steady(3);
    for (index, found_early) in [(0, true), (1, true), (2, false), (3, false)] {
        let mut signed = blocks[2].signed();
        signed.commit.as_mut().unwrap().signatures[index].signature[7] ^= 1;
        let mut update = blocks[2].update_from(&blocks[0]);
        update.signed_header = signed.encode_to_vec();
        let update = read(&update).unwrap();
        let judge =
            |scrutiny| verify_update(&blocks[0].checkpoint(), &update, just_after(&blocks[2]), scrutiny);
        let signer = hex(&four()[index].address());
        assert_eq!(judge(Scrutiny::Every), Err(Error::InvalidSignature { signer: signer.clone() }));
        match judge(Scrutiny::Enough) {
            Err(error) => assert_eq!(error, Error::InvalidSignature { signer }),
            Ok(_) => assert!(!found_early, "signature {index}"),
        }
    }
}

/// A signature of one block at another height, round, time or chain is none.
#[test]
fn a_signature_is_of_its_own_vote_only() {
    let blocks = steady(3);
    let forge = |change: &dyn Fn(&mut tendermint_proto::v0_38::types::Commit)| {
        let mut signed = blocks[2].signed();
        change(signed.commit.as_mut().unwrap());
        let mut update = blocks[2].update_from(&blocks[0]);
        update.signed_header = signed.encode_to_vec();
        let update = read(&update).unwrap();
        verify_update(&blocks[0].checkpoint(), &update, just_after(&blocks[2]), Scrutiny::Every)
    };
    let invalid = |verdict: Result<Step, Error>| matches!(verdict, Err(Error::InvalidSignature { .. }));
    assert!(invalid(forge(&|commit| commit.round = 2)));
    assert!(invalid(forge(&|commit| {
        commit.signatures[0].timestamp = Some(Timestamp { seconds: 1, nanos: 1 });
    })));
    assert!(invalid(forge(&|commit| {
        commit.block_id.as_mut().unwrap().part_set_header.as_mut().unwrap().hash = vec![5; 32];
    })));
    assert!(invalid(forge(&|commit| commit.signatures[0].block_id_flag = 3)));
}

#[test]
fn rules_that_are_none_are_refused() {
    let blocks = steady(3);
    let update = read(&blocks[2].update_from(&blocks[0])).unwrap();
    for (numerator, denominator) in [(1, 4), (4, 3), (1, 0), (16, 16)] {
        let mut client = blocks[0].checkpoint();
        client.rules.threshold_numerator = numerator;
        client.rules.threshold_denominator = denominator;
        let verdict = verify_update(&client, &update, just_after(&blocks[2]), Scrutiny::Every);
        assert!(matches!(verdict, Err(Error::Checkpoint { .. })), "{numerator}/{denominator}: {verdict:?}");
    }
    for height in [u64::MAX, i64::MAX as u64] {
        let mut client = blocks[0].checkpoint();
        client.block.height = height;
        let verdict = verify_update(&client, &update, just_after(&blocks[2]), Scrutiny::Every);
        assert!(matches!(verdict, Err(Error::Checkpoint { .. })), "{verdict:?}");
    }
    let mut client = blocks[0].checkpoint();
    client.next_validators = B256::ZERO;
    let verdict = verify_update(&client, &update, just_after(&blocks[2]), Scrutiny::Every);
    assert!(matches!(verdict, Err(Error::TrustedValidators { .. })), "{verdict:?}");
}

#[test]
fn a_checkpoint_survives_its_encoding_and_garbage_is_none() {
    use portcullis_verifier::cosmos::Checkpoint;
    let client = steady(1)[0].checkpoint();
    assert_eq!(Checkpoint::from_bytes(&client.to_bytes()), Ok(client.clone()));
    let bytes = client.to_bytes();
    assert!(Checkpoint::from_bytes(&bytes[1..]).is_err());
    assert!(Checkpoint::from_bytes(&[bytes.as_slice(), &[0]].concat()).is_err());
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}
