//! Validator sets: read strictly, because the hash that a header carries covers keys and powers and nothing else.

use std::collections::BTreeSet;

use prost::Message;
use tendermint::{
    PublicKey, account,
    validator::{Info, Set},
    vote::Power,
};
use tendermint_proto::v0_38::{
    crypto::{PublicKey as RawKey, public_key::Sum},
    types::{Validator as RawValidator, ValidatorSet as RawSet},
};

use super::{
    error::{CosmosProofError, bounded},
    hash::{Sha, sha256},
    limits::{MAX_VALIDATOR_SET_BYTES, MAX_VALIDATORS},
};
use crate::B256;

/// Why a list of validators is no validator set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ValidatorsError {
    /// Nobody can sign for an empty set.
    #[error("the set has no validators")]
    Empty,
    /// A key of a kind that this version cannot verify.
    #[error("the key of validator {index} is not an Ed25519 key")]
    KeyKind {
        /// Place in the set.
        index: usize,
    },
    /// The address is another key's: its owner's votes would be counted for somebody else's power.
    #[error("validator {index} is named {found}, but its key belongs to {expected}")]
    AddressNotBound {
        /// Place in the set.
        index: usize,
        /// The address of the key.
        expected: String,
        /// The address that was given.
        found: String,
    },
    /// No or negative power.
    #[error("validator {index} has power {found}")]
    PowerNotPositive {
        /// Place in the set.
        index: usize,
        /// The power that was given.
        found: i64,
    },
    /// Power descends, and among equals the address ascends: any other order has another hash.
    #[error("validator {index} stands behind one that it should stand before")]
    Unsorted {
        /// Place in the set.
        index: usize,
    },
    /// One validator twice.
    #[error("validator {address} is there twice")]
    Duplicate {
        /// Whose address.
        address: String,
    },
    /// More power than the protocol allows, which keeps sums and products within 64 bits.
    #[error("the total power is above {limit}")]
    PowerOverflow {
        /// The most that is allowed.
        limit: u64,
    },
    /// The total that was given is not the sum.
    #[error("the total power is given as {given}, the sum is {sum}")]
    Total {
        /// The total that was given.
        given: i64,
        /// The sum.
        sum: u64,
    },
    /// The proposer that was given is none of the set.
    #[error("the proposer is not in the set")]
    Proposer,
}

/// Reads a `tendermint.types.ValidatorSet`.
///
/// SECURITY: the library that does the rest sorts silently, takes the address that it is given and keeps
/// duplicates; each of these has been used to count one signature for another's power. They are refused here.
///
/// # Errors
/// [`CosmosProofError::Limit`] and [`CosmosProofError::Encoding`] for the bytes,
/// [`CosmosProofError::Validators`] for the first rule that the set breaks.
pub(super) fn read_validators(bytes: &[u8]) -> Result<Set, CosmosProofError> {
    bounded("bytes of a validator set", bytes.len(), MAX_VALIDATOR_SET_BYTES)?;
    let raw = RawSet::decode(bytes)
        .map_err(|error| CosmosProofError::Encoding { what: "validator set", detail: error.to_string() })?;
    bounded("validators in a set", raw.validators.len(), MAX_VALIDATORS)?;
    set_of(&raw).map_err(|source| CosmosProofError::Validators { source })
}

fn set_of(raw: &RawSet) -> Result<Set, ValidatorsError> {
    let validators: Vec<Info> = raw
        .validators
        .iter()
        .enumerate()
        .map(|(index, validator)| info_of(index, validator))
        .collect::<Result<_, _>>()?;
    if validators.is_empty() {
        return Err(ValidatorsError::Empty);
    }
    let mut seen = BTreeSet::new();
    if let Some(twice) = validators.iter().find(|validator| !seen.insert(validator.address)) {
        return Err(ValidatorsError::Duplicate { address: twice.address.to_string() });
    }
    let rank = |validator: &Info| (core::cmp::Reverse(validator.power), validator.address);
    let pairs = validators.iter().zip(validators.iter().skip(1));
    if let Some(before) = pairs.into_iter().position(|(one, next)| rank(one) > rank(next)) {
        return Err(ValidatorsError::Unsorted { index: before.saturating_add(1) });
    }
    let sum = validators
        .iter()
        .try_fold(0u64, |sum, validator| sum.checked_add(validator.power.value()))
        .filter(|sum| *sum <= Set::MAX_TOTAL_VOTING_POWER);
    let Some(sum) = sum else {
        return Err(ValidatorsError::PowerOverflow { limit: Set::MAX_TOTAL_VOTING_POWER });
    };
    let given = raw.total_voting_power;
    if given != 0 && u64::try_from(given) != Ok(sum) {
        return Err(ValidatorsError::Total { given, sum });
    }
    if let Some(proposer) = &raw.proposer {
        let proposer = info_of(0, proposer)?;
        let known =
            validators.iter().any(|one| one.address == proposer.address && one.power == proposer.power);
        if !known {
            return Err(ValidatorsError::Proposer);
        }
    }
    // The constructor panics above the cap on total power, which was checked.
    Ok(Set::without_proposer(validators))
}

fn info_of(index: usize, raw: &RawValidator) -> Result<Info, ValidatorsError> {
    let key = match &raw.pub_key {
        Some(RawKey { sum: Some(Sum::Ed25519(bytes)) }) => PublicKey::from_raw_ed25519(bytes),
        _ => None,
    };
    let Some(key) = key else { return Err(ValidatorsError::KeyKind { index }) };
    let address = address_of(&key);
    if raw.address != address.as_bytes() {
        return Err(ValidatorsError::AddressNotBound {
            index,
            expected: address.to_string(),
            found: hex(&raw.address),
        });
    }
    let power = u64::try_from(raw.voting_power)
        .ok()
        .filter(|power| *power > 0)
        .and_then(|power| Power::try_from(power).ok())
        .ok_or(ValidatorsError::PowerNotPositive { index, found: raw.voting_power })?;
    // Name and priority are covered by no hash: they are dropped, so that nothing can come to rest on them.
    Ok(Info { address, pub_key: key, power, name: None, proposer_priority: 0.into() })
}

/// The address of a key: the first 20 bytes of its SHA-256.
fn address_of(key: &PublicKey) -> account::Id {
    let digest = sha256(&[&key.to_bytes()]);
    let mut address = [0; account::LENGTH];
    for (to, from) in address.iter_mut().zip(digest) {
        *to = from;
    }
    account::Id::new(address)
}

/// The hash of a set, as headers carry it.
pub(super) fn hash_of(set: &Set) -> B256 {
    B256::from_slice_or_zero(set.hash_with::<Sha>().as_bytes())
}

/// A 32-byte word from a library's hash, which is empty where the chain left it out.
pub(super) trait FromHash {
    /// The word, or zero when the hash is empty or of another length.
    fn from_slice_or_zero(bytes: &[u8]) -> Self;
}

impl FromHash for B256 {
    fn from_slice_or_zero(bytes: &[u8]) -> Self {
        Self::try_from(bytes).unwrap_or_default()
    }
}

/// Upper-case hexadecimal, as this family writes addresses; cut to 32 bytes.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().take(32).map(|byte| format!("{byte:02X}")).collect()
}
