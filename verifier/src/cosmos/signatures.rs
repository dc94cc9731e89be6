//! Which votes of a commit count, and whether their signatures verify: together where that is possible.

use std::collections::BTreeMap;

use ed25519_zebra::{Signature, VerificationKey, VerificationKeyBytes, batch};
use rand_core::{CryptoRng, RngCore};
use sha2::{Digest, Sha512};
use tendermint::{
    account,
    block::{Commit, CommitSig, signed_header::SignedHeader},
    chain,
    trust_threshold::{TrustThreshold as _, TrustThresholdFraction},
    validator::{Info, Set},
    vote::{CanonicalVote, Type},
};
use tendermint_light_client_verifier::{
    errors::VerificationError,
    operations::{VotingPowerCalculator, VotingPowerTally},
};
use tendermint_proto::{Protobuf, v0_38::types::CanonicalVote as RawCanonicalVote};

use super::header::is_for_block;

/// How many signatures of a commit are looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Scrutiny {
    /// As many as the thresholds need, the most powerful first: what matters while an attack runs.
    #[default]
    Enough,
    /// Every one, those of votes for nil included: one that does not verify spoils the commit.
    Every,
}

/// Counts power, and verifies what it counts in one batch.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Power {
    pub(super) scrutiny: Scrutiny,
}

impl VotingPowerCalculator for Power {
    fn total_power_of(&self, set: &Set) -> u64 {
        // Summed and bounded when the set was read.
        set.total_voting_power().value()
    }

    fn voting_power_in(
        &self,
        signed: &SignedHeader,
        set: &Set,
        threshold: TrustThresholdFraction,
    ) -> Result<VotingPowerTally, VerificationError> {
        let votes = Votes::of(signed)?;
        let (tally, chosen) = votes.choose(set, threshold, self.scrutiny);
        votes.verify(chosen)?;
        Ok(tally)
    }

    fn voting_power_in_sets(
        &self,
        signed: &SignedHeader,
        (first, first_threshold): (&Set, TrustThresholdFraction),
        (second, second_threshold): (&Set, TrustThresholdFraction),
    ) -> Result<(VotingPowerTally, VotingPowerTally), VerificationError> {
        let votes = Votes::of(signed)?;
        let (first, mut chosen) = votes.choose(first, first_threshold, self.scrutiny);
        let (second, more) = votes.choose(second, second_threshold, self.scrutiny);
        // An address belongs to one key, so a vote that counts in both sets is verified once.
        chosen.extend(more);
        votes.verify(chosen)?;
        Ok((first, second))
    }
}

/// Power that signed a header among its own validators, and their whole power, as far as `scrutiny` looks.
pub(super) fn signed_power(
    signed: &SignedHeader,
    set: &Set,
    scrutiny: Scrutiny,
) -> Result<VotingPowerTally, VerificationError> {
    Ok(Votes::of(signed)?.choose(set, TrustThresholdFraction::TWO_THIRDS, scrutiny).0)
}

/// Votes of one commit by their signers.
struct Votes<'a> {
    commit: &'a Commit,
    chain_id: &'a chain::Id,
    by_signer: BTreeMap<account::Id, &'a CommitSig>,
}

/// Votes to verify, by signer, so that none is verified twice.
type Chosen<'a> = BTreeMap<account::Id, (&'a Info, &'a CommitSig)>;

impl<'a> Votes<'a> {
    fn of(signed: &'a SignedHeader) -> Result<Self, VerificationError> {
        let mut by_signer = BTreeMap::new();
        for vote in &signed.commit.signatures {
            let Some(signer) = vote.validator_address() else { continue };
            if by_signer.insert(signer, vote).is_some() {
                return Err(VerificationError::duplicate_validator(signer));
            }
        }
        Ok(Self { commit: &signed.commit, chain_id: &signed.header.chain_id, by_signer })
    }

    /// The votes of a set's validators that count towards a threshold.
    fn choose<'s>(
        &self,
        set: &'s Set,
        threshold: TrustThresholdFraction,
        scrutiny: Scrutiny,
    ) -> (VotingPowerTally, Chosen<'s>)
    where
        'a: 's,
    {
        let total = set.total_voting_power().value();
        let mut tally = VotingPowerTally { total, tallied: 0, trust_threshold: threshold };
        let mut chosen = Chosen::new();
        for validator in set.validators() {
            let enough = threshold.is_enough_power(tally.tallied, total);
            if enough && scrutiny == Scrutiny::Enough {
                break;
            }
            let Some(vote) = self.by_signer.get(&validator.address).copied() else { continue };
            if is_for_block(vote) {
                tally.tallied = tally.tallied.saturating_add(validator.power());
            } else if scrutiny == Scrutiny::Enough {
                continue;
            }
            chosen.insert(validator.address, (validator, vote));
        }
        (tally, chosen)
    }

    fn verify(&self, chosen: Chosen<'_>) -> Result<(), VerificationError> {
        let mut signed = Vec::with_capacity(chosen.len());
        let mut who = Vec::with_capacity(chosen.len());
        for (validator, vote) in chosen.into_values() {
            let (signature, message) = self.signed_bytes(vote)?;
            signed.push(Signed { key: validator.pub_key.to_bytes(), signature, message });
            who.push(validator);
        }
        match verify_all(&signed) {
            Ok(()) => Ok(()),
            Err(Invalid { index }) => match (who.get(index), signed.into_iter().nth(index)) {
                (Some(validator), Some(bad)) => Err(VerificationError::invalid_signature(
                    bad.signature,
                    Box::new((*validator).clone()),
                    bad.message,
                )),
                _ => Err(VerificationError::missing_signature()),
            },
        }
    }

    /// A vote's signature, and the bytes that it signs.
    fn signed_bytes(&self, vote: &CommitSig) -> Result<(Vec<u8>, Vec<u8>), VerificationError> {
        let (timestamp, signature, block_id) = match vote {
            CommitSig::BlockIdFlagCommit { timestamp, signature, .. } => {
                (*timestamp, signature.as_ref(), Some(self.commit.block_id))
            }
            CommitSig::BlockIdFlagNil { timestamp, signature, .. } => (*timestamp, signature.as_ref(), None),
            CommitSig::BlockIdFlagAbsent => return Err(VerificationError::missing_signature()),
        };
        let signature = signature.ok_or_else(VerificationError::missing_signature)?;
        let vote = CanonicalVote {
            vote_type: Type::Precommit,
            height: self.commit.height,
            round: self.commit.round,
            block_id,
            timestamp: Some(timestamp),
            chain_id: self.chain_id.clone(),
        };
        let message = Protobuf::<RawCanonicalVote>::encode_length_delimited_vec(vote);
        Ok((signature.as_bytes().to_vec(), message))
    }
}

/// A message, and who is said to have signed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// Ed25519 key, 32 bytes.
    pub key: Vec<u8>,
    /// Signature, 64 bytes.
    pub signature: Vec<u8>,
    /// What was signed.
    pub message: Vec<u8>,
}

/// The first signature that does not verify.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("signature {index} does not verify")]
pub struct Invalid {
    /// Its place.
    pub index: usize,
}

/// Verifies Ed25519 signatures by the rules of ZIP-215, which this family's chains agree on: the only ones under
/// which a batch and its parts always have the same answer.
///
/// # Errors
/// [`Invalid`] names the first one that does not verify by itself.
pub fn verify_all(signed: &[Signed]) -> Result<(), Invalid> {
    let mut verifier = batch::Verifier::new();
    let mut coins = Coins::default();
    for (index, one) in signed.iter().enumerate() {
        let (key, signature) = parts(one).ok_or(Invalid { index })?;
        coins.absorb(one);
        verifier.queue((key, signature, one.message.as_slice()));
    }
    if signed.len() > 1 && verifier.verify(coins).is_ok() {
        return Ok(());
    }
    match signed.iter().position(|one| !verifies(one)) {
        Some(index) => Err(Invalid { index }),
        None => Ok(()),
    }
}

/// Verifies one signature by itself.
#[must_use]
pub fn verifies(one: &Signed) -> bool {
    parts(one).is_some_and(|(key, signature)| {
        VerificationKey::try_from(key).is_ok_and(|key| key.verify(&signature, &one.message).is_ok())
    })
}

fn parts(one: &Signed) -> Option<(VerificationKeyBytes, Signature)> {
    let key: [u8; 32] = one.key.as_slice().try_into().ok()?;
    let signature: [u8; 64] = one.signature.as_slice().try_into().ok()?;
    Some((VerificationKeyBytes::from(key), Signature::from(signature)))
}

/// The coefficients of a batch, drawn from everything that is in it.
///
/// SECURITY: a batch is sound only if whoever made the signatures could not know the coefficients. They are a hash
/// of all keys, signatures and messages, so that changing any of them changes all coefficients; this crate has
/// no source of chance, and the same batch has the same answer wherever it is judged.
#[derive(Default)]
struct Coins {
    seen: Sha512,
    drawn: u64,
}

impl Coins {
    fn absorb(&mut self, one: &Signed) {
        // Keys and signatures have fixed lengths here; the message's is written out.
        self.seen.update(&one.key);
        self.seen.update(&one.signature);
        self.seen.update(u64::try_from(one.message.len()).unwrap_or(u64::MAX).to_le_bytes());
        self.seen.update(&one.message);
    }
}

impl RngCore for Coins {
    fn next_u32(&mut self) -> u32 {
        let mut bytes = [0; 4];
        self.fill_bytes(&mut bytes);
        u32::from_le_bytes(bytes)
    }

    fn next_u64(&mut self) -> u64 {
        let mut bytes = [0; 8];
        self.fill_bytes(&mut bytes);
        u64::from_le_bytes(bytes)
    }

    fn fill_bytes(&mut self, place: &mut [u8]) {
        for chunk in place.chunks_mut(64) {
            let block = self.seen.clone().chain_update(self.drawn.to_le_bytes()).finalize();
            self.drawn = self.drawn.wrapping_add(1);
            for (to, from) in chunk.iter_mut().zip(block) {
                *to = from;
            }
        }
    }

    fn try_fill_bytes(&mut self, place: &mut [u8]) -> Result<(), rand_core::Error> {
        self.fill_bytes(place);
        Ok(())
    }
}

impl CryptoRng for Coins {}
