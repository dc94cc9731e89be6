//! By which rules validators agree. Votes in a tower are implemented; what comes after them is recognised and refused.

use borsh::{
    BorshDeserialize, BorshSerialize,
    io::{Read, Result as IoResult},
};

use super::{
    error::SolanaProofError,
    limits::MAX_VOTES,
    signatures::Scrutiny,
    stakes::Stakes,
    tally::{SignedBlock, verify_bank_votes, verify_votes},
};
use crate::{Verified, claim::read_list};

/// The regime of aggregated BLS certificates.
pub const ALPENGLOW: &str = "Alpenglow";

/// By which rules a chain's validators agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Regime {
    /// Each validator signs transactions that state its tower.
    Tower,
    /// Certificates with aggregated signatures over (slot, block id); not implemented.
    Alpenglow,
}

/// What a validator answers when it is asked for its genesis certificate of the new regime
/// (`getAgGenesisCert`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GenesisCertificate {
    /// It has one: the chain has migrated.
    Object,
    /// It knows the question and has none: the chain has not.
    Null,
    /// It does not know the question: a validator from before.
    NoSuchMethod,
    /// Anything else.
    Unreadable,
}

impl Regime {
    /// The regime that an answer tells of; none when it tells nothing, which is not "no".
    #[must_use]
    pub fn told_by(answer: GenesisCertificate) -> Option<Self> {
        match answer {
            GenesisCertificate::Object => Some(Self::Alpenglow),
            GenesisCertificate::Null | GenesisCertificate::NoSuchMethod => Some(Self::Tower),
            GenesisCertificate::Unreadable => None,
        }
    }
}

/// Who says that a block is agreed on. Each regime has its own kind; all of them end in a [`SignedBlock`].
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Certificate {
    /// Vote transactions, all for one block, each of another voter.
    Tower {
        /// As they were sent.
        #[borsh(deserialize_with = "read_votes")]
        votes: Vec<Vec<u8>>,
    },
    /// An aggregated certificate, which is kept for an auditor and never verified by this version.
    Alpenglow {
        /// As it was answered.
        certificate: Vec<u8>,
    },
}

fn read_votes<R: Read>(reader: &mut R) -> IoResult<Vec<Vec<u8>>> {
    read_list(reader, "votes", MAX_VOTES)
}

impl Certificate {
    /// The block that it proves to be agreed on.
    ///
    /// # Errors
    /// Those of [`verify_votes`]; [`SolanaProofError::RegimeNotImplemented`] for a regime that is recognised only.
    pub fn verify(
        &self,
        stakes: &Stakes,
        scrutiny: Scrutiny,
    ) -> Result<Verified<SignedBlock>, SolanaProofError> {
        match self {
            Self::Tower { votes } => verify_votes(stakes, votes, scrutiny),
            Self::Alpenglow { .. } => Err(not_implemented()),
        }
    }

    /// Whose stake stands behind a slot and its bank's hash, where nothing has to hang on the block's id.
    ///
    /// # Errors
    /// Those of [`verify_bank_votes`], and as [`Certificate::verify`].
    pub fn verify_bank(
        &self,
        stakes: &Stakes,
        scrutiny: Scrutiny,
    ) -> Result<Verified<SignedBlock>, SolanaProofError> {
        match self {
            Self::Tower { votes } => verify_bank_votes(stakes, votes, scrutiny),
            Self::Alpenglow { .. } => Err(not_implemented()),
        }
    }
}

fn not_implemented() -> SolanaProofError {
    let sign = "the evidence carries its certificate";
    SolanaProofError::RegimeNotImplemented { regime: ALPENGLOW, slot: 0, sign }
}
