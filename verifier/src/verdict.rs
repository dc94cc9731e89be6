//! Three-valued truth, and the type that only a proof can make.

use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

use crate::Assurance;

/// Longest detail of a verdict, bytes: it is stored with every verdict and read by people.
pub const MAX_DETAIL_BYTES: usize = 512;

/// Cuts a text to [`MAX_DETAIL_BYTES`] at a character's edge.
pub(crate) fn cut(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(MAX_DETAIL_BYTES));
    text
}

/// An error with its causes, cut to the bound of a verdict's detail.
pub(crate) fn detail(error: &dyn core::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    cut(text)
}

/// Why a claim is false.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, BorshSerialize, BorshDeserialize)]
pub struct Refutation {
    /// What the claim said, for people; at most 512 bytes.
    pub expected: String,
    /// What the proof shows instead; at most 512 bytes.
    pub found: String,
}

/// Why a claim could be neither proven nor refuted. Stored, counted and retried; never taken for "no".
#[derive(
    Debug, Clone, PartialEq, Eq, Serialize, Deserialize, BorshSerialize, BorshDeserialize, thiserror::Error,
)]
#[serde(rename_all = "snake_case", tag = "why")]
pub enum Undecided {
    /// Nobody answered, or not in time.
    #[error("no evidence: {detail}")]
    NoEvidence {
        /// Who was asked and what came back.
        detail: String,
    },
    /// Evidence came, but it does not verify: it shows nothing, neither for nor against.
    #[error("the evidence does not verify: {detail}")]
    BadEvidence {
        /// Which check failed.
        detail: String,
    },
    /// Fewer operators than the quorum agree on the header.
    #[error("only {agreeing} of {needed} operators agree on the header")]
    NoQuorum {
        /// How many agree.
        agreeing: u16,
        /// How many are needed.
        needed: u16,
    },
    /// No verifier for the evidence's system or for this kind of claim.
    #[error("no verifier for {system}")]
    NoVerifier {
        /// The proof system named by the evidence.
        system: String,
    },
    /// The block in question is not, or no longer, on the chain.
    #[error("the block is not on the chain: {detail}")]
    NotCanonical {
        /// Height and hashes.
        detail: String,
    },
}

/// What evidence says of a claim.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, BorshSerialize, BorshDeserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// True, as far as the assurance says.
    Proven(Assurance),
    /// False, as far as the assurance says.
    Refuted(Refutation, Assurance),
    /// Not known.
    Undecided(Undecided),
}

impl Verdict {
    /// The assurance of a decided verdict.
    #[must_use]
    pub fn assurance(&self) -> Option<&Assurance> {
        match self {
            Self::Proven(assurance) | Self::Refuted(_, assurance) => Some(assurance),
            Self::Undecided(_) => None,
        }
    }

    /// True only when proven with at least `floor`.
    #[must_use]
    pub fn proves(&self, floor: &Assurance) -> bool {
        matches!(self, Self::Proven(assurance) if assurance.meets(floor))
    }
}

/// A value that a proof of this crate vouches for.
///
/// SECURITY: the fields are private and the constructor is visible in this crate only. Nothing outside can turn
/// what somebody said into what was proven.
///
/// ```compile_fail
/// let forged = portcullis_verifier::Verified { value: 7u8, assurance: Default::default() };
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified<T> {
    value: T,
    assurance: Assurance,
}

impl<T> Verified<T> {
    pub(crate) fn new(value: T, assurance: Assurance) -> Self {
        Self { value, assurance }
    }

    /// The proven value.
    #[must_use]
    pub fn value(&self) -> &T {
        &self.value
    }

    /// What was checked.
    #[must_use]
    pub fn assurance(&self) -> &Assurance {
        &self.assurance
    }

    /// Gives the proven value up.
    #[must_use]
    pub fn into_value(self) -> T {
        self.value
    }
}
