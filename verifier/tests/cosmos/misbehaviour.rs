//! Two truths, signed: the client freezes, and says so in an observation.

use portcullis_verifier::{
    B256, Event, FaultKind, Status,
    cosmos::{Bisection, Contradiction, CosmosProofError, Scrutiny, verify_misbehaviour, verify_update},
};
use prost::Message;

use crate::fixture::{Block, at_height, just_after, read, set_of, steady};

type Error = CosmosProofError;

fn twin(block: &Block) -> Block {
    let mut twin = block.clone();
    twin.header.app_hash = vec![9; 32];
    twin
}

#[test]
fn two_blocks_of_one_height_freeze_the_client() {
    let blocks = steady(9);
    let (client, now) = (blocks[0].checkpoint(), just_after(&blocks[8]));
    let one = read(&blocks[4].update_from(&blocks[0])).unwrap();
    let other = read(&twin(&blocks[4]).update_from(&blocks[0])).unwrap();
    let proven = verify_misbehaviour(&client, &one, &other, now).unwrap();
    assert_eq!(proven.value().kind(), Contradiction::Equivocation);
    assert_eq!(proven.assurance().header.signed_bps, Some(10_000));
    // The order in which they are told makes no difference.
    assert_eq!(verify_misbehaviour(&client, &other, &one, now).unwrap(), proven);

    let told = proven.value().observation(&client);
    assert_eq!((told.status(), told.position().height), (Status::Final, 5));
    assert_ne!(told.raw(), B256::ZERO);
    let Event::Fault(fault) = told.event() else { panic!() };
    assert_eq!((fault.kind, fault.operator), (FaultKind::Equivocation, None));

    let frozen = client.frozen_at(5);
    let later = read(&blocks[8].update_from(&blocks[0])).unwrap();
    assert_eq!(verify_update(&frozen, &later, now, Scrutiny::Every), Err(Error::Frozen { height: 5 }));
    let next = set_of(&blocks[0].next).encode_to_vec();
    assert!(matches!(Bisection::new(frozen.clone(), &next, 9), Err(Error::Frozen { height: 5 })));
    assert_eq!(frozen.frozen_at(7).frozen, Some(5), "the earliest stays");
}

#[test]
fn time_that_runs_backwards_freezes_the_client() {
    let blocks = steady(9);
    let mut late = blocks[4].clone();
    late.header.time = Some(at_height(20));
    let one = read(&late.update_from(&blocks[0])).unwrap();
    let other = read(&blocks[8].update_from(&blocks[0])).unwrap();
    let proven = verify_misbehaviour(&blocks[0].checkpoint(), &one, &other, just_after(&blocks[8])).unwrap();
    assert_eq!(proven.value().kind(), Contradiction::TimeBackwards);
    // A header from the future is misbehaviour as soon as it is signed, not only when its time has come.
    assert_eq!(proven.value().blocks(), [late.block_ref(), blocks[8].block_ref()]);
}

#[test]
fn what_may_both_be_true_freezes_nothing() {
    let blocks = steady(9);
    let (client, now) = (blocks[0].checkpoint(), just_after(&blocks[8]));
    let one = read(&blocks[4].update_from(&blocks[0])).unwrap();
    let same = verify_misbehaviour(&client, &one, &one, now).unwrap_err();
    assert_eq!(same, Error::NoMisbehaviour);
    let later = read(&blocks[8].update_from(&blocks[0])).unwrap();
    assert_eq!(verify_misbehaviour(&client, &one, &later, now).unwrap_err(), Error::NoMisbehaviour);
}

/// Freezing a client stops all proofs of its chain: it must not be cheaper than forging one.
#[test]
fn a_forged_contradiction_freezes_nothing() {
    let blocks = steady(9);
    let (client, now) = (blocks[0].checkpoint(), just_after(&blocks[8]));
    let one = read(&blocks[4].update_from(&blocks[0])).unwrap();
    let mut signed = twin(&blocks[4]).signed();
    signed.commit.as_mut().unwrap().signatures[3].signature[0] ^= 1;
    let mut forged = twin(&blocks[4]).update_from(&blocks[0]);
    forged.signed_header = signed.encode_to_vec();
    let forged = read(&forged).unwrap();
    let error = verify_misbehaviour(&client, &one, &forged, now).unwrap_err();
    assert!(matches!(error, Error::InvalidSignature { .. }), "{error}");
}
