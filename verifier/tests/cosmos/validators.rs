//! Validator sets that are none, each found by its own check.

use portcullis_verifier::cosmos::{CosmosProofError, ValidatorsError, limits};
use prost::Message;
use tendermint_proto::v0_38::{
    crypto::{PublicKey, public_key::Sum},
    types::ValidatorSet,
};

use crate::{
    client::hex,
    fixture::{Signer, four, read, set_of, signers, steady},
};

fn judged(change: impl FnOnce(&mut ValidatorSet)) -> ValidatorsError {
    let blocks = steady(2);
    let mut update = blocks[1].update_from(&blocks[0]);
    let mut set = set_of(&blocks[1].signers);
    change(&mut set);
    update.validators = set.encode_to_vec();
    match read(&update) {
        Err(CosmosProofError::Validators { source }) => source,
        other => panic!("{other:?}"),
    }
}

#[test]
fn nobody() {
    assert_eq!(judged(|set| set.validators.clear()), ValidatorsError::Empty);
}

#[test]
fn keys_of_another_kind() {
    for key in [
        None,
        Some(PublicKey { sum: None }),
        Some(PublicKey { sum: Some(Sum::Secp256k1(vec![2; 33])) }),
        Some(PublicKey { sum: Some(Sum::Ed25519(vec![2; 31])) }),
    ] {
        assert_eq!(judged(|set| set.validators[1].pub_key = key), ValidatorsError::KeyKind { index: 1 });
    }
}

#[test]
fn addresses_of_other_keys() {
    let own = four();
    let error = judged(|set| set.validators[3].address = own[0].address());
    let (expected, found) = (hex(&own[3].address()), hex(&own[0].address()));
    assert_eq!(error, ValidatorsError::AddressNotBound { index: 3, expected, found });
}

#[test]
fn power_of_zero_or_below() {
    for found in [0, -5, i64::MIN] {
        let error = judged(|set| {
            set.validators[3].voting_power = found;
            set.total_voting_power = 0;
        });
        assert_eq!(error, ValidatorsError::PowerNotPositive { index: 3, found });
    }
}

#[test]
fn another_order() {
    assert_eq!(judged(|set| set.validators.swap(1, 2)), ValidatorsError::Unsorted { index: 2 });
    // Among equals the address decides.
    let mut equals: Vec<Signer> = signers(&[(1, 10), (2, 10)]);
    equals.reverse();
    let error = judged(|set| *set = set_of(&equals));
    assert_eq!(error, ValidatorsError::Unsorted { index: 1 });
}

#[test]
fn one_twice() {
    let address = hex(&four()[0].address());
    let error = judged(|set| set.validators.insert(1, set.validators[0].clone()));
    assert_eq!(error, ValidatorsError::Duplicate { address: address.clone() });
    // With another power they do not even stand beside each other.
    let error = judged(|set| {
        let mut twin = set.validators[0].clone();
        twin.voting_power = 1;
        set.validators.push(twin);
    });
    assert_eq!(error, ValidatorsError::Duplicate { address });
}

#[test]
fn more_power_than_there_can_be() {
    let limit = u64::try_from(i64::MAX / 8).unwrap();
    let most = i64::MAX / 8;
    for power in [most, i64::MAX] {
        let rich = signers(&[(1, power), (2, 1)]);
        let error = judged(|set| {
            *set = ValidatorSet {
                validators: rich.iter().map(Signer::validator).collect(),
                ..ValidatorSet::default()
            };
        });
        assert_eq!(error, ValidatorsError::PowerOverflow { limit });
    }
}

#[test]
fn a_total_that_is_not_the_sum() {
    for given in [99, 101, -100] {
        assert_eq!(judged(|set| set.total_voting_power = given), ValidatorsError::Total { given, sum: 100 });
    }
}

#[test]
fn a_proposer_from_elsewhere() {
    let stranger = Signer::new(9, 40).validator();
    assert_eq!(judged(|set| set.proposer = Some(stranger)), ValidatorsError::Proposer);
    let known = four()[2].validator();
    let blocks = steady(2);
    let mut update = blocks[1].update_from(&blocks[0]);
    let mut set = set_of(&four());
    set.proposer = Some(known);
    update.validators = set.encode_to_vec();
    assert!(read(&update).is_ok());
}

#[test]
fn too_many_and_too_long() {
    let blocks = steady(2);
    let mut update = blocks[1].update_from(&blocks[0]);
    update.validators = vec![0; limits::MAX_VALIDATOR_SET_BYTES + 1];
    let error = read(&update).unwrap_err();
    assert!(matches!(error, CosmosProofError::Limit { what: "bytes of a validator set", .. }), "{error}");
    // An empty validator is two bytes.
    update.validators = [10, 0].repeat(limits::MAX_VALIDATORS + 1);
    let error = read(&update).unwrap_err();
    assert!(matches!(error, CosmosProofError::Limit { what: "validators in a set", .. }), "{error}");
    update.validators = vec![0xff; 9];
    assert!(matches!(read(&update), Err(CosmosProofError::Encoding { what: "validator set", .. })));
}
