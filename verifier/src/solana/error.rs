//! Why a proof does not verify. Every one of these is about untrusted input and is permanent for that input:
//! asking again only helps when somebody else answers, or when the chain has gone on.

pub(super) use crate::verdict::cut;
use crate::{B256, ChainId, Undecided};

/// The check that evidence did not pass.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SolanaProofError {
    /// Larger than the bound; nothing was computed.
    #[error("{what}: {found}, at most {limit} are accepted")]
    Limit {
        /// What is bounded, with its unit.
        what: &'static str,
        /// How much came.
        found: u64,
        /// The bound.
        limit: u64,
    },
    /// The bytes end before what they should hold does.
    #[error("the {what} ends after {found} of {expected} bytes")]
    Truncated {
        /// What was being read.
        what: &'static str,
        /// Bytes that were needed there.
        expected: u64,
        /// Bytes that were left.
        found: u64,
    },
    /// Bytes are left over.
    #[error("the {what} is followed by {found} bytes that belong to nothing")]
    Trailing {
        /// What was read.
        what: &'static str,
        /// How many bytes are left.
        found: u64,
    },
    /// Not the encoding of what it should be, or not the only one.
    #[error("the {what} cannot be decoded: {why}")]
    Encoding {
        /// What was to be decoded.
        what: &'static str,
        /// Which rule it breaks.
        why: String,
    },
    /// A kind of transaction, message or vote that this version does not know.
    #[error("the {what} has the version {found}, which is not known")]
    UnknownVersion {
        /// What has a version.
        what: &'static str,
        /// The version found.
        found: u64,
    },
    /// A transaction that is no plain vote.
    #[error("the transaction is no plain vote: {why}")]
    NotAVote {
        /// Which rule it breaks.
        why: &'static str,
    },
    /// A vote that breaks a rule of the tower.
    #[error("the vote's tower is impossible: {why}")]
    Tower {
        /// Which rule.
        why: &'static str,
    },
    /// A vote that names no block id: it is about a bank whose bytes nothing binds.
    #[error("the vote of {account} for slot {slot} names no block id")]
    NoBlockId {
        /// Whose vote.
        account: B256,
        /// For which slot.
        slot: u64,
    },
    /// The account has no stake in the epoch of the table, or is not there.
    #[error("{account} has no stake in epoch {epoch}")]
    NoStake {
        /// Whose vote.
        account: B256,
        /// Epoch of the table.
        epoch: u64,
    },
    /// Not signed by the key that may vote for the account in this epoch, such as one that was withdrawn.
    #[error("the vote of {account} is not signed by its authorized voter of epoch {epoch}")]
    NotAuthorized {
        /// Whose vote.
        account: B256,
        /// Epoch of the table.
        epoch: u64,
    },
    /// A signature does not verify by the strict rules.
    #[error("the signature of {signer} does not verify")]
    InvalidSignature {
        /// Whose signature.
        signer: B256,
    },
    /// The table of stakes is another epoch's.
    #[error("slot {slot} is not in epoch {epoch}, whose slots are {first} to {last}")]
    OtherEpoch {
        /// Slot of the vote.
        slot: u64,
        /// Epoch of the table.
        epoch: u64,
        /// Its first slot.
        first: u64,
        /// Its last slot.
        last: u64,
    },
    /// Two votes of one account.
    #[error("{account} votes twice")]
    DuplicateVoter {
        /// Whose votes.
        account: B256,
    },
    /// A vote that was checked against another table than it is counted by.
    #[error("the vote of {account} was checked by another table of stakes")]
    OtherTable {
        /// Whose vote.
        account: B256,
    },
    /// A vote for another block than the others.
    #[error("{account} votes for block {found} in slot {found_slot}, the tally is of {expected} in {slot}")]
    OtherVote {
        /// Whose vote.
        account: B256,
        /// Slot of the tally.
        slot: u64,
        /// Its block id.
        expected: B256,
        /// Slot of the vote.
        found_slot: u64,
        /// Block id of the vote.
        found: B256,
    },
    /// Two thirds of the stake did not sign.
    #[error("{tallied} of {total} lamports of stake signed; more than two thirds are needed")]
    NotEnoughSigned {
        /// Stake that signed.
        tallied: u64,
        /// Stake of all.
        total: u64,
    },
    /// What is pinned breaks a rule of its own.
    #[error("the table of stakes is unusable: {why}")]
    Table {
        /// Which rule.
        why: &'static str,
    },
    /// Nothing is pinned for the chain, so nothing can be proven about it.
    #[error("no table of stakes is pinned for {chain}")]
    NotPinned {
        /// Which chain.
        chain: ChainId,
    },
    /// The manifest has no stakes of that epoch.
    #[error("the manifest has no stakes of epoch {epoch}")]
    NoEpoch {
        /// Which epoch.
        epoch: u64,
    },
    /// Consensus works by other rules there, which this version cannot verify. Proofs stop; a person must look.
    #[error("slot {slot} is agreed on by {regime}, which is not implemented: {sign}")]
    RegimeNotImplemented {
        /// The regime.
        regime: &'static str,
        /// From which slot on, or where the sign was seen; 0 where the sign has no slot.
        slot: u64,
        /// How it was noticed.
        sign: &'static str,
    },
    /// A kind of shred that binds nothing to its predecessor, or that is not known.
    #[error("a shred of variant {variant:#04x} cannot be used: {why}")]
    Variant {
        /// The byte that names the kind.
        variant: u8,
        /// Why not.
        why: &'static str,
    },
    /// A place that its own tree does not have.
    #[error("place {position} does not exist in a tree of {depth} levels")]
    Position {
        /// Place among the leaves, from 0.
        position: u32,
        /// Hashes on the path.
        depth: u8,
    },
    /// A shred that does not follow the one before it: left out, doubled, or in the wrong order.
    #[error("shred {found} stands where {expected} belongs")]
    ShredOrder {
        /// Index that comes next.
        expected: u32,
        /// Index that came.
        found: u32,
    },
    /// A shred of something else.
    #[error("the {what} of shred {index} is {found}, not {expected}")]
    ForeignShred {
        /// Slot, version, set, parent.
        what: &'static str,
        /// Its index.
        index: u32,
        /// What the block has.
        expected: u64,
        /// What the shred has.
        found: u64,
    },
    /// Shreds of one set that do not hang on one root.
    #[error("shred {index} leads to {found}, its set {set} to {expected}")]
    SetRoot {
        /// Index of the shred.
        index: u32,
        /// Index of the set.
        set: u32,
        /// Root of the set's first shred.
        expected: B256,
        /// Root of this one.
        found: B256,
    },
    /// Shreds of one set that are not made alike, or name different predecessors.
    #[error("shred {index} disagrees with its set {set} on {what}")]
    SetDisagrees {
        /// Index of the shred.
        index: u32,
        /// Index of the set.
        set: u32,
        /// On what.
        what: &'static str,
    },
    /// A set whose predecessor is not the one that came before it.
    #[error("set {set} follows {expected}, not {found}")]
    BrokenChain {
        /// Index of the set; 0 for the first of a block.
        set: u32,
        /// What it names.
        expected: B256,
        /// What came.
        found: B256,
    },
    /// The block does not end where it says so, or goes on after that.
    #[error("the block of slot {slot} is not whole: {why}")]
    Incomplete {
        /// Which slot.
        slot: u64,
        /// What is missing.
        why: &'static str,
    },
    /// An entry's hash does not follow from the one before.
    #[error("entry {index} hashes to {found}, it says {expected}")]
    EntryHash {
        /// Its place in the block.
        index: usize,
        /// What it says.
        expected: B256,
        /// What it hashes to.
        found: B256,
    },
    /// An entry that cannot be.
    #[error("entry {index} is impossible: {why}")]
    Entry {
        /// Its place in the block.
        index: usize,
        /// Which rule it breaks.
        why: &'static str,
    },
    /// The claim is one that no proof of this system can decide.
    #[error("the claim cannot be judged: {why}")]
    Claim {
        /// Which rule it breaks.
        why: &'static str,
    },
    /// Evidence that lacks a part without which its other parts say nothing.
    #[error("the evidence has no {what}")]
    Missing {
        /// Which part.
        what: &'static str,
    },
    /// The stake signed another block at that slot, or the block ends in another hash.
    #[error("slot {slot} has {found}, not {expected}")]
    OtherBlock {
        /// Slot.
        slot: u64,
        /// What was asked for.
        expected: B256,
        /// What is proven.
        found: B256,
    },
    /// The blocks do not lead to the slot that the claim is about.
    #[error("the evidence leads to slot {found}, the claim is about {expected}")]
    Reach {
        /// Slot of the claim.
        expected: u64,
        /// Slot that was reached.
        found: u64,
    },
}

impl SolanaProofError {
    /// The error with its causes, cut to the bound of a verdict's detail.
    #[must_use]
    pub fn detail(&self) -> String {
        crate::verdict::detail(self)
    }

    pub(super) fn encoding(what: &'static str, why: impl Into<String>) -> Self {
        Self::Encoding { what, why: cut(why.into()) }
    }
}

impl From<SolanaProofError> for Undecided {
    /// SECURITY: an error of a proof says nothing about the claim. A signed block that is another one than the
    /// claim's shows that the claim's is not on the chain, which is no refutation either.
    fn from(error: SolanaProofError) -> Self {
        let detail = error.detail();
        match error {
            SolanaProofError::OtherBlock { .. } => Self::NotCanonical { detail },
            SolanaProofError::NotPinned { .. } | SolanaProofError::Missing { .. } => {
                Self::NoEvidence { detail }
            }
            SolanaProofError::RegimeNotImplemented { .. } => Self::NoVerifier { system: detail },
            _ => Self::BadEvidence { detail },
        }
    }
}

/// A count as errors carry it.
pub(super) fn wide(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

/// `found` items or bytes, when they are within `limit`.
pub(super) fn bounded(what: &'static str, found: usize, limit: usize) -> Result<usize, SolanaProofError> {
    if found > limit {
        Err(SolanaProofError::Limit { what, found: wide(found), limit: wide(limit) })
    } else {
        Ok(found)
    }
}
