//! Why a proof does not verify. Every one of these is about untrusted input and is permanent for that input:
//! asking again only helps when somebody else answers, or when the chain has gone on.

use super::{spec::StoreProofError, validators::ValidatorsError};
pub(super) use crate::verdict::cut;
use crate::{B256, ChainId, Undecided};

/// The check that evidence did not pass.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CosmosProofError {
    /// Larger than the bound; nothing was computed.
    #[error("{what}: {found}, at most {limit} are accepted")]
    Limit {
        /// What is bounded, with its unit.
        what: &'static str,
        /// How much came.
        found: usize,
        /// The bound.
        limit: usize,
    },
    /// Not the encoding of what it should be.
    #[error("the {what} cannot be decoded: {detail}")]
    Encoding {
        /// What was to be decoded.
        what: &'static str,
        /// The decoder's words.
        detail: String,
    },
    /// The claim cannot be about a chain of this family, or is one that no proof of this system can decide.
    #[error("the claim cannot be judged: {why}")]
    Claim {
        /// Which rule it breaks.
        why: &'static str,
    },
    /// Well-formed evidence that speaks of something else than the claim.
    #[error("evidence of {payload} cannot decide a claim that {claim}")]
    Payload {
        /// Kind of claim.
        claim: &'static str,
        /// Kind of evidence.
        payload: &'static str,
    },
    /// Nothing is pinned for the chain, so nothing can be proven about it.
    #[error("no checkpoint is pinned for {chain}")]
    NotPinned {
        /// Which chain.
        chain: ChainId,
    },
    /// What is pinned breaks a rule of its own.
    #[error("the pinned checkpoint is unusable: {why}")]
    Checkpoint {
        /// Which rule.
        why: &'static str,
    },
    /// The chain has signed two truths: no header of it proves anything until a person has looked.
    #[error("the light client is frozen since height {height}")]
    Frozen {
        /// Height of the misbehaviour.
        height: u64,
    },
    /// The header is another chain's.
    #[error("the header is of '{found}', not of {expected}")]
    WrongChain {
        /// The chain of the claim.
        expected: ChainId,
        /// The name in the header.
        found: String,
    },
    /// The header is from before or after an upgrade that gave the chain another revision.
    #[error("the header is of revision {found} of '{name}', not of {expected}")]
    Revision {
        /// The chain's name without its revision.
        name: String,
        /// The revision of the claim.
        expected: u64,
        /// The revision in the header.
        found: u64,
    },
    /// A block protocol that this version does not know.
    #[error("the header is of block protocol {found}; {known} is known")]
    Protocol {
        /// Version in the header.
        found: u64,
        /// Version that is known.
        known: u64,
    },
    /// No block has this height.
    #[error("the header has height {found}")]
    Height {
        /// Height in the header.
        found: i64,
    },
    /// The commit is another block's.
    #[error("the header is of height {header}, its commit of {commit}")]
    CommitHeight {
        /// Height of the header.
        header: u64,
        /// Height of the commit.
        commit: i64,
    },
    /// A vote whose signature is missing, cut or padded.
    #[error("the signature of vote {index} has {found} bytes; 64 are expected")]
    SignatureLength {
        /// Place in the commit.
        index: usize,
        /// Its length in bytes.
        found: usize,
    },
    /// A vote that is said to be absent, and is there.
    #[error("vote {index} is absent and carries a signer or a signature")]
    AbsentWithContent {
        /// Place in the commit.
        index: usize,
    },
    /// The commit has not one place for each validator.
    #[error("the commit has {found} votes for {expected} validators")]
    SignatureCount {
        /// How many votes.
        found: usize,
        /// How many validators.
        expected: usize,
    },
    /// A vote at another validator's place.
    #[error("vote {index} is signed by {found} at the place of {expected}")]
    SignerMisplaced {
        /// Place in the commit.
        index: usize,
        /// Whose place it is.
        expected: String,
        /// Who signed.
        found: String,
    },
    /// Two votes of one validator.
    #[error("{signer} votes twice in one commit")]
    DuplicateVote {
        /// Whose votes.
        signer: String,
    },
    /// Proposed by somebody who is no validator.
    #[error("the proposer {found} is not in the validator set")]
    Proposer {
        /// The proposer in the header.
        found: String,
    },
    /// The set is none.
    #[error("the validator set cannot be used")]
    Validators {
        /// Which rule it breaks.
        source: ValidatorsError,
    },
    /// The set that is offered as the trusted one is not the one that the trusted header commits to.
    #[error("the trusted validators hash to {found}, the trusted header commits to {expected}")]
    TrustedValidators {
        /// What the trusted header commits to.
        expected: B256,
        /// What came.
        found: B256,
    },
    /// A step over several blocks needs the set that was trusted, and it is not there.
    #[error("a step from height {from} to {to} needs the trusted validators")]
    TrustedValidatorsMissing {
        /// Trusted height.
        from: u64,
        /// Height of the header.
        to: u64,
    },
    /// The set is not the one that the header commits to.
    #[error("the {which} hash to {found}, the header has {expected}")]
    ValidatorsHash {
        /// Validators of this block or of the next.
        which: &'static str,
        /// Hash in the header.
        expected: String,
        /// Hash of what came.
        found: String,
    },
    /// The commit signs another header.
    #[error("the commit signs {found}, the header hashes to {expected}")]
    CommitHash {
        /// Hash of the header.
        expected: String,
        /// Hash in the commit.
        found: String,
    },
    /// The trusted header is older than the trusting period.
    #[error("the trust in height {height} ran out at {expired_at}, it is {now}")]
    Expired {
        /// Trusted height.
        height: u64,
        /// When it ran out.
        expired_at: String,
        /// Chain time as the asker knows it.
        now: String,
    },
    /// The header's time is not later than the trusted one's.
    #[error("the header's time {found} is not after {trusted}")]
    TimeNotLater {
        /// Time of the trusted header.
        trusted: String,
        /// Time of the header.
        found: String,
    },
    /// The header's height is not above the trusted one's.
    #[error("height {found} is not above the trusted {trusted}")]
    HeightNotLater {
        /// Trusted height.
        trusted: u64,
        /// Height of the header.
        found: u64,
    },
    /// The header's time lies further ahead than clocks may differ.
    #[error("the header's time {found} lies ahead of {now}")]
    FromFuture {
        /// Time of the header.
        found: String,
        /// Chain time as the asker knows it.
        now: String,
    },
    /// Too few of the trusted validators signed: a header in between is needed.
    #[error("{tallied} of {total} of the trusted power signed; a header in between is needed")]
    NotEnoughTrust {
        /// Power that signed.
        tallied: u64,
        /// Power of all.
        total: u64,
    },
    /// Two thirds of the header's own validators did not sign.
    #[error("{tallied} of {total} of the power signed; more than two thirds are needed")]
    NotEnoughSigned {
        /// Power that signed.
        tallied: u64,
        /// Power of all.
        total: u64,
    },
    /// A signature does not verify.
    #[error("the signature of {signer} does not verify")]
    InvalidSignature {
        /// Whose signature.
        signer: String,
    },
    /// A vote without a signature, or a commit without a vote.
    #[error("the commit has no signature where one is needed")]
    MissingSignature,
    /// A vote of somebody outside the set.
    #[error("{signer} is not in the validator set")]
    UnknownSigner {
        /// Who signed.
        signer: String,
    },
    /// A date that cannot be computed with.
    #[error("a date is out of range: {detail}")]
    Date {
        /// The library's words.
        detail: String,
    },
    /// A header's parent is not the one that came.
    #[error("block {height} names the parent {expected}, not {found}")]
    BrokenChain {
        /// Height of the child.
        height: u64,
        /// Hash in the child; zero when it names none.
        expected: B256,
        /// Hash of the header that came.
        found: B256,
    },
    /// The headers do not reach down to, or reach below, the block that the claim is about.
    #[error("the headers end at height {found}, the claim needs {expected}")]
    Reach {
        /// Height that is needed.
        expected: u64,
        /// Height of the last header.
        found: u64,
    },
    /// The verified chain has another block at that height.
    #[error("at height {height} the chain has {found}, not {expected}")]
    OtherBlock {
        /// Height.
        height: u64,
        /// The hash asked for.
        expected: B256,
        /// The hash that is proven.
        found: B256,
    },
    /// The header does not carry what the proof hangs on.
    #[error("the header has no {what}")]
    NoRoot {
        /// Which field.
        what: &'static str,
    },
    /// No list has such a place.
    #[error("there is no place {index} in a list of {total}")]
    Place {
        /// Index, from 0.
        index: u64,
        /// Length of the list.
        total: u64,
    },
    /// The path is longer or shorter than the place asks for.
    #[error("the path has {found} hashes, its place asks for {expected}")]
    PathLength {
        /// How many are needed.
        expected: usize,
        /// How many came.
        found: usize,
    },
    /// The path leads to another root.
    #[error("the {what} leads to {found}, the header has {expected}")]
    ListRoot {
        /// Transaction or result.
        what: &'static str,
        /// Root in the header.
        expected: B256,
        /// Root of the path.
        found: B256,
    },
    /// A proof of one of the two stores does not verify.
    #[error("the proof in {store} does not verify")]
    Store {
        /// The store, or the root of all stores.
        store: String,
        /// Which check failed.
        source: StoreProofError,
    },
    /// The evidence's key is not the one that the claim names.
    #[error("the evidence is about another key than the claim")]
    OtherKey,
    /// Two headers that do not contradict each other.
    #[error("the two headers do not contradict each other")]
    NoMisbehaviour,
    /// A bisection that leads nowhere.
    #[error("bisection from {from} to {to} gave up after {fetches} headers")]
    Bisection {
        /// Trusted height.
        from: u64,
        /// Target.
        to: u64,
        /// How many headers were asked for.
        fetches: usize,
    },
}

impl CosmosProofError {
    /// The error with its causes, cut to the bound of a verdict's detail.
    #[must_use]
    pub fn detail(&self) -> String {
        crate::verdict::detail(self)
    }
}

impl From<CosmosProofError> for Undecided {
    /// SECURITY: an error of a proof says nothing about the claim. A verified chain that has another block at that
    /// height shows that the claim's block is not on it, which is no refutation either.
    fn from(error: CosmosProofError) -> Self {
        let detail = error.detail();
        match error {
            CosmosProofError::OtherBlock { .. } => Self::NotCanonical { detail },
            CosmosProofError::NotPinned { .. } => Self::NoEvidence { detail },
            _ => Self::BadEvidence { detail },
        }
    }
}

/// `found` items or bytes, when they are within `limit`.
pub(super) fn bounded(what: &'static str, found: usize, limit: usize) -> Result<usize, CosmosProofError> {
    if found > limit { Err(CosmosProofError::Limit { what, found, limit }) } else { Ok(found) }
}
