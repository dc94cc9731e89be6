//! The light client: from a header that is trusted to a later one, by the signatures of validators that are.
//!
//! The checks are those of the CometBFT light client specification, made by `tendermint-light-client-verifier`.
//! What that library leaves to its caller is done here and named: that the validators offered as trusted are the
//! ones that the trusted header commits to ([`CosmosProofError::TrustedValidators`]).

use core::time::Duration;

use borsh::{BorshDeserialize, BorshSerialize};
use tendermint::{
    Time,
    block::{Height, signed_header::SignedHeader},
    chain,
    trust_threshold::TrustThresholdFraction,
    validator::Set,
};
use tendermint_light_client_verifier::{
    PredicateVerifier, Verdict, Verifier as _,
    errors::{VerificationError, VerificationErrorDetail as Detail},
    operations::ProdCommitValidator,
    options::Options,
    predicates::VerificationPredicates,
    types::{TrustedBlockState, UntrustedBlockState},
};

use super::{
    error::{CosmosProofError, cut},
    hash::Sha,
    header::{SealedHeader, match_chain, match_commit, read_signed_header},
    limits::MAX_THRESHOLD_DENOMINATOR,
    signatures::{Power, Scrutiny, signed_power},
    validators::{hash_of, read_validators},
};
use crate::{Assurance, B256, BlockRef, ChainId, Header, Verified};

/// By which rules later headers are accepted. Chosen by the operator, never by evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Rules {
    /// How long a header may be started from, in seconds; shorter than the time for which stake stays slashable.
    pub trusting_period_secs: u64,
    /// How far a header's time may lie ahead of the chain time that the asker knows, in seconds.
    pub clock_drift_secs: u64,
    /// Share of the trusted power that must have signed a header further on: numerator.
    pub threshold_numerator: u8,
    /// Its denominator, at most 15. The share is at least a third, so that one honest validator is in it.
    pub threshold_denominator: u8,
}

impl Default for Rules {
    /// Two thirds of the common three weeks of unbonding; ten seconds; one third.
    fn default() -> Self {
        Self {
            trusting_period_secs: 14 * 24 * 60 * 60,
            clock_drift_secs: 10,
            threshold_numerator: 1,
            threshold_denominator: 3,
        }
    }
}

/// A header that is trusted: pinned by the operator at first, then the newest one that was verified from it.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Checkpoint {
    /// The chain as Portcullis names it.
    pub chain: ChainId,
    /// The chain as its headers name it.
    pub name: String,
    /// Height and hash of the header.
    pub block: BlockRef,
    /// Its time, seconds since 1970.
    pub time_secs: u64,
    /// Nanoseconds within that second.
    pub time_nanos: u32,
    /// Hash of the validators that sign the next block.
    pub next_validators: B256,
    /// Share of the power whose signatures were verified, in basis points; none for a header that a person pinned.
    pub signed_bps: Option<u16>,
    /// By which rules later headers are accepted.
    pub rules: Rules,
    /// Height of a proven misbehaviour: from then on nothing is proven.
    pub frozen: Option<u64>,
}

impl Checkpoint {
    /// The checkpoint in the form in which it is pinned.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        // A Vec never refuses a write; if it did, the reader would find the rest missing.
        let _infallible = self.serialize(&mut bytes);
        bytes
    }

    /// Reads a pinned checkpoint.
    ///
    /// # Errors
    /// [`CosmosProofError::Encoding`] for bytes that are none.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CosmosProofError> {
        borsh::from_slice(bytes).map_err(|error| CosmosProofError::Encoding {
            what: "checkpoint",
            detail: cut(error.to_string()),
        })
    }

    /// The same client at a later header.
    #[must_use]
    pub fn advanced(&self, to: &Verified<SealedHeader>) -> Self {
        let header = to.value();
        Self {
            block: header.block(),
            time_secs: header.time(),
            time_nanos: header.nanos(),
            next_validators: header.next_validators_hash(),
            signed_bps: to.assurance().header.signed_bps,
            ..self.clone()
        }
    }

    /// The same client after misbehaviour was proven: it accepts nothing any more.
    #[must_use]
    pub fn frozen_at(&self, height: u64) -> Self {
        Self { frozen: Some(self.frozen.map_or(height, |earlier| earlier.min(height))), ..self.clone() }
    }

    /// Refuses a frozen client.
    pub(super) fn live(&self) -> Result<&Self, CosmosProofError> {
        match self.frozen {
            Some(height) => Err(CosmosProofError::Frozen { height }),
            None => Ok(self),
        }
    }

    /// What the pinned header itself is worth: it was signed before, or a person vouches for it.
    pub(super) fn assurance(&self, header: &SealedHeader, now: u64) -> Assurance {
        assurance(self.signed_bps, self.signed_bps.is_some(), header, now)
    }

    fn options(&self) -> Result<Options, CosmosProofError> {
        let Rules { threshold_numerator, threshold_denominator, .. } = self.rules;
        if threshold_denominator > MAX_THRESHOLD_DENOMINATOR {
            return Err(CosmosProofError::Checkpoint { why: "the threshold's denominator is above 15" });
        }
        let threshold = TrustThresholdFraction::new(threshold_numerator.into(), threshold_denominator.into())
            .map_err(|_out_of_range| CosmosProofError::Checkpoint {
                why: "the threshold is not between a third and the whole",
            })?;
        Ok(Options {
            trust_threshold: threshold,
            trusting_period: Duration::from_secs(self.rules.trusting_period_secs),
            clock_drift: Duration::from_secs(self.rules.clock_drift_secs),
        })
    }
}

/// A later header with what is needed to accept it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Update {
    pub(super) signed: SignedHeader,
    pub(super) validators: Set,
    /// The validators of the block after the trusted one; not needed by the very next block.
    pub(super) trusted: Option<Set>,
}

impl Update {
    /// Reads an update from the encodings that nodes and relayers use: a `tendermint.types.SignedHeader`, the
    /// `ValidatorSet` that signs it, and, unless the step is from one block to the next, the `ValidatorSet` that the
    /// trusted header commits to as the next one.
    ///
    /// # Errors
    /// [`CosmosProofError`] for the first rule that one of them breaks by itself.
    pub fn read(
        signed_header: &[u8],
        validators: &[u8],
        trusted_validators: Option<&[u8]>,
    ) -> Result<Self, CosmosProofError> {
        let update = Self {
            signed: read_signed_header(signed_header)?,
            validators: read_validators(validators)?,
            trusted: trusted_validators.map(read_validators).transpose()?,
        };
        match_commit(&update.signed, &update.validators)?;
        Ok(update)
    }

    /// Height of the header.
    #[must_use]
    pub fn height(&self) -> u64 {
        self.signed.header.height.value()
    }

    pub(super) fn sealed(&self) -> SealedHeader {
        SealedHeader::seal(self.signed.header.clone())
    }
}

/// How far an update reaches.
#[expect(clippy::large_enum_variant, reason = "lives for one match; the large variant is the common one")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// The header is final: more than two thirds of its validators signed, and enough of the trusted ones.
    Accepted(Verified<SealedHeader>),
    /// Valid as far as it goes, but the validators have changed too much since: a header in between is needed.
    NotEnoughTrust {
        /// Trusted power that signed.
        tallied: u64,
        /// Trusted power in all.
        total: u64,
    },
}

/// Verifies one step from a checkpoint to a later header.
///
/// `now` is the chain's time as the asker knows it, seconds since 1970.
///
/// # Errors
/// The first check that the update does not pass.
pub fn verify_update(
    from: &Checkpoint,
    update: &Update,
    now: u64,
    scrutiny: Scrutiny,
) -> Result<Step, CosmosProofError> {
    judge(from, update, now, scrutiny, false)
}

/// As [`verify_update`]; `relaxed` accepts headers from the future, as proofs of misbehaviour may hold them.
pub(super) fn judge(
    from: &Checkpoint,
    update: &Update,
    now: u64,
    scrutiny: Scrutiny,
    relaxed: bool,
) -> Result<Step, CosmosProofError> {
    from.live()?;
    match_chain(from.chain, update.signed.header.chain_id.as_str())?;
    let options = from.options()?;
    let chain_id = chain::Id::try_from(from.name.as_str())
        .map_err(|_not_one| CosmosProofError::Checkpoint { why: "its name is not a chain's" })?;
    let next_validators = trusted_validators(from, update)?;
    let trusted = TrustedBlockState {
        chain_id: &chain_id,
        header_time: time(from.time_secs, from.time_nanos)?,
        height: Height::try_from(from.block.height)
            .ok()
            .filter(|height| i64::from(*height) < i64::MAX)
            .ok_or(CosmosProofError::Checkpoint { why: "its height is not a block's" })?,
        next_validators,
        next_validators_hash: tendermint::Hash::Sha256(from.next_validators.0),
    };
    let untrusted = UntrustedBlockState {
        signed_header: &update.signed,
        validators: &update.validators,
        next_validators: None,
    };
    let verifier = PredicateVerifier::new(Predicates, Power { scrutiny }, ProdCommitValidator);
    let at = time(now, 0)?;
    let verdict = if relaxed {
        verifier.verify_misbehaviour_header(untrusted, trusted, &options, at)
    } else {
        verifier.verify_update_header(untrusted, trusted, &options, at)
    };
    match verdict {
        Verdict::Success => {
            let header = update.sealed();
            let signed = signed_power(&update.signed, &update.validators, scrutiny)
                .map_err(|VerificationError(detail, _)| translate(from, detail))?;
            let assurance = assurance(Some(basis_points(signed.tallied, signed.total)), true, &header, now);
            Ok(Step::Accepted(Verified::new(header, assurance)))
        }
        Verdict::NotEnoughTrust(tally) => {
            Ok(Step::NotEnoughTrust { tallied: tally.tallied, total: tally.total })
        }
        Verdict::Invalid(detail) => Err(translate(from, detail)),
    }
}

/// The validators that the trusted header commits to as the next ones.
///
/// SECURITY: whoever brings the update brings this set too. Without the comparison, anybody could be "trusted".
fn trusted_validators<'a>(from: &Checkpoint, update: &'a Update) -> Result<&'a Set, CosmosProofError> {
    let adjacent = from.block.height.checked_add(1) == Some(update.height());
    match &update.trusted {
        Some(set) => {
            let found = hash_of(set);
            if found == from.next_validators {
                Ok(set)
            } else {
                Err(CosmosProofError::TrustedValidators { expected: from.next_validators, found })
            }
        }
        // The next block is signed by the trusted set itself, which the library compares by hash.
        None if adjacent => Ok(&update.validators),
        None => {
            Err(CosmosProofError::TrustedValidatorsMissing { from: from.block.height, to: update.height() })
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Predicates;

impl VerificationPredicates for Predicates {
    type Sha256 = Sha;
}

fn time(secs: u64, nanos: u32) -> Result<Time, CosmosProofError> {
    let secs = i64::try_from(secs).map_err(|error| CosmosProofError::Date { detail: error.to_string() })?;
    Time::from_unix_timestamp(secs, nanos)
        .map_err(|error| CosmosProofError::Date { detail: cut(error.to_string()) })
}

/// `part` of `whole` in basis points, rounded down.
fn basis_points(part: u64, whole: u64) -> u16 {
    let share = u128::from(part).saturating_mul(10_000).checked_div(u128::from(whole)).unwrap_or(0);
    u16::try_from(share.min(10_000)).unwrap_or(0)
}

fn assurance(signed_bps: Option<u16>, verified: bool, header: &SealedHeader, now: u64) -> Assurance {
    Assurance {
        header: Header { signed_bps, final_by_consensus: verified, ..Header::default() },
        age_secs: Some(now.saturating_sub(header.time())),
        ..Assurance::default()
    }
}

/// The library's reasons in our words.
fn translate(from: &Checkpoint, detail: Detail) -> CosmosProofError {
    match detail {
        Detail::HeaderFromTheFuture(e) => {
            CosmosProofError::FromFuture { found: e.header_time.to_rfc3339(), now: e.now.to_rfc3339() }
        }
        Detail::NotEnoughTrust(e) => {
            CosmosProofError::NotEnoughTrust { tallied: e.tally.tallied, total: e.tally.total }
        }
        Detail::InsufficientSignersOverlap(e) => {
            CosmosProofError::NotEnoughSigned { tallied: e.tally.tallied, total: e.tally.total }
        }
        Detail::DuplicateValidator(e) => CosmosProofError::DuplicateVote { signer: e.address.to_string() },
        Detail::MissingSignature(_) | Detail::NoSignatureForCommit(_) => CosmosProofError::MissingSignature,
        Detail::InvalidSignature(e) => {
            CosmosProofError::InvalidSignature { signer: e.validator.address.to_string() }
        }
        Detail::InvalidCommitValue(e) => CosmosProofError::CommitHash {
            expected: e.header_hash.to_string(),
            found: e.commit_hash.to_string(),
        },
        Detail::InvalidNextValidatorSet(e) => CosmosProofError::ValidatorsHash {
            which: "validators of the next block",
            expected: e.next_validators_hash.to_string(),
            found: e.header_next_validators_hash.to_string(),
        },
        Detail::InvalidValidatorSet(e) => CosmosProofError::ValidatorsHash {
            which: "validators",
            expected: e.header_validators_hash.to_string(),
            found: e.validators_hash.to_string(),
        },
        Detail::NonIncreasingHeight(e) => {
            CosmosProofError::HeightNotLater { trusted: from.block.height, found: e.got.value() }
        }
        Detail::ChainIdMismatch(e) => {
            CosmosProofError::WrongChain { expected: from.chain, found: cut(e.got) }
        }
        Detail::NonMonotonicBftTime(e) => CosmosProofError::TimeNotLater {
            trusted: e.trusted_header_bft_time.to_rfc3339(),
            found: e.header_bft_time.to_rfc3339(),
        },
        Detail::NotWithinTrustPeriod(e) => CosmosProofError::Expired {
            height: from.block.height,
            expired_at: e.expires_at.to_rfc3339(),
            now: e.now.to_rfc3339(),
        },
        Detail::MismatchPreCommitLength(e) => {
            CosmosProofError::SignatureCount { found: e.pre_commit_length, expected: e.validator_length }
        }
        Detail::FaultySigner(e) => CosmosProofError::UnknownSigner { signer: e.signer.to_string() },
        Detail::Tendermint(e) => CosmosProofError::Date { detail: cut(e.to_string()) },
    }
}
