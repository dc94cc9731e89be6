//! What must be proven, with its value bound in, and what is offered as proof.

use borsh::{BorshDeserialize, BorshSerialize, io::Read};
use serde::{Deserialize, Serialize};

use crate::{B256, ChainId, U256, codec::digest, ids::Slug};

/// A block by both its names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, BorshSerialize, BorshDeserialize)]
pub struct BlockRef {
    /// Number or slot.
    pub height: u64,
    /// Hash.
    pub hash: B256,
}

/// How a proven word must compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, BorshSerialize, BorshDeserialize)]
#[serde(rename_all = "snake_case")]
#[borsh(use_discriminant = false)]
pub enum Relation {
    /// `(word & mask) == value`
    Equal,
    /// `(word & mask) >= value`, unsigned
    AtLeast,
}

/// A statement about a chain that evidence can prove or refute.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, BorshSerialize, BorshDeserialize)]
#[serde(rename_all = "snake_case")]
pub enum Claim {
    /// A block holds, at this place, a log with exactly this content.
    Emitted {
        /// Chain.
        chain: ChainId,
        /// Block.
        block: BlockRef,
        /// Index of the log in the block.
        log_index: u32,
        /// Digest of the raw record, as [`crate::Observation::raw`].
        raw: B256,
    },
    /// A block holds no log of `contract` whose first topics are `topics`.
    NotEmitted {
        /// Chain.
        chain: ChainId,
        /// Block.
        block: BlockRef,
        /// Contract, left padded.
        contract: B256,
        /// Leading topics that would have to match; at most four.
        topics: Vec<B256>,
    },
    /// A word of a contract's state, masked, compares to a value: the way an `until` inside a packed slot is
    /// proven to be late enough.
    State {
        /// Chain.
        chain: ChainId,
        /// Block after which the state holds.
        block: BlockRef,
        /// Contract, left padded.
        contract: B256,
        /// Key in the contract's state as the family counts it.
        key: B256,
        /// Bits that matter. All ones compares the whole word.
        mask: U256,
        /// How to compare.
        relation: Relation,
        /// What to compare with, in place under the mask.
        value: U256,
    },
    /// A key is not in a contract's state (for machines where absent is zero: reads as zero).
    StateAbsent {
        /// Chain.
        chain: ChainId,
        /// Block after which the state holds.
        block: BlockRef,
        /// Contract, left padded.
        contract: B256,
        /// Key in the contract's state.
        key: B256,
    },
    /// A named store of the chain's state holds a value at a key.
    Stored {
        /// Chain.
        chain: ChainId,
        /// Block after which the state holds.
        block: BlockRef,
        /// Name of the store.
        store: Slug,
        /// The key as the store has it.
        key: Vec<u8>,
        /// keccak256 of the value; none where any value will do.
        value: Option<B256>,
    },
    /// A named store of the chain's state holds nothing at a key.
    NotStored {
        /// Chain.
        chain: ChainId,
        /// Block after which the state holds.
        block: BlockRef,
        /// Name of the store.
        store: Slug,
        /// The key as the store has it.
        key: Vec<u8>,
    },
    /// A block holds a transaction, and it ended as said.
    Included {
        /// Chain.
        chain: ChainId,
        /// Block.
        block: BlockRef,
        /// The transaction's hash.
        transaction: B256,
        /// Its result code as the chain counts them; none where only inclusion is claimed.
        code: Option<u32>,
    },
}

/// What a claim asks of a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WordTest {
    /// Bits that matter.
    pub mask: U256,
    /// How to compare.
    pub relation: Relation,
    /// What to compare with, in place under the mask.
    pub value: U256,
}

impl WordTest {
    /// The test itself, when it can tell anything.
    ///
    /// # Errors
    /// The rule that it breaks: a mask of no bits holds of every word, a value outside its mask of none.
    pub fn check(&self) -> Result<&Self, &'static str> {
        if self.mask.is_zero() {
            Err("the mask selects no bit")
        } else if self.value & !self.mask != U256::ZERO {
            Err("the value has bits outside the mask")
        } else {
            Ok(self)
        }
    }

    /// Whether a word is as the test says.
    #[must_use]
    pub fn holds(&self, word: U256) -> bool {
        let masked = word & self.mask;
        match self.relation {
            Relation::Equal => masked == self.value,
            Relation::AtLeast => masked >= self.value,
        }
    }
}

impl core::fmt::Display for WordTest {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let sign = match self.relation {
            Relation::Equal => "=",
            Relation::AtLeast => "≥",
        };
        write!(f, "masked by {:#x}, {sign} {:#x}", self.mask, self.value)
    }
}

/// Id of a claim, by content.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    BorshSerialize,
    BorshDeserialize,
)]
pub struct ClaimId(pub B256);

impl Claim {
    /// Id of the claim: equal claims, equal ids.
    #[must_use]
    pub fn id(&self) -> ClaimId {
        ClaimId(digest("portcullis.claim.v1", self))
    }

    /// The chain that the claim is about.
    #[must_use]
    pub fn chain(&self) -> ChainId {
        match self {
            Self::Emitted { chain, .. }
            | Self::NotEmitted { chain, .. }
            | Self::State { chain, .. }
            | Self::StateAbsent { chain, .. }
            | Self::Stored { chain, .. }
            | Self::NotStored { chain, .. }
            | Self::Included { chain, .. } => *chain,
        }
    }

    /// The block that the claim is about.
    #[must_use]
    pub fn block(&self) -> BlockRef {
        match self {
            Self::Emitted { block, .. }
            | Self::NotEmitted { block, .. }
            | Self::State { block, .. }
            | Self::StateAbsent { block, .. }
            | Self::Stored { block, .. }
            | Self::NotStored { block, .. }
            | Self::Included { block, .. } => *block,
        }
    }
}

/// What is offered as proof: a system's name, which chooses the verifier, and its bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, BorshSerialize, BorshDeserialize)]
pub struct Evidence {
    /// Name of the proof system and its version.
    pub system: Slug,
    /// Encoded evidence; bounded by the system before it is decoded.
    pub bytes: Vec<u8>,
}

impl Evidence {
    /// Evidence of a system, in the form in which it travels and is stored.
    #[must_use]
    pub(crate) fn of(system: Slug, content: &impl BorshSerialize) -> Self {
        let mut bytes = Vec::new();
        // A Vec never refuses a write; if it did, the verifier would find the rest missing.
        let _infallible = content.serialize(&mut bytes);
        Self { system, bytes }
    }
}

/// Reads a list of at most `limit` entries; `what` names them.
///
/// SECURITY: a length is four bytes and an empty string is four more, so a few MB could ask for a hundred MB of
/// empty strings. The count is therefore checked before the first of them is read.
pub(crate) fn read_list<R: Read, T: BorshDeserialize>(
    reader: &mut R,
    what: &'static str,
    limit: usize,
) -> borsh::io::Result<Vec<T>> {
    let count = u32::deserialize_reader(reader)?;
    if usize::try_from(count).is_ok_and(|count| count <= limit) {
        return (0..count).map(|_| T::deserialize_reader(reader)).collect();
    }
    let text = format!("{what}: {count}, at most {limit} are accepted");
    Err(borsh::io::Error::new(borsh::io::ErrorKind::InvalidData, text))
}
