//! The encoding of `solana-shreds-v1` evidence: what an adapter gathers, and what is kept for an auditor.
//!
//! Borsh around the chain's own encodings, because the bytes are stored, hashed and read again years later. Every
//! list is bounded while it is read, not after.

use borsh::{
    BorshDeserialize, BorshSerialize,
    io::{Read, Result},
};

use super::{
    error::{SolanaProofError, bounded},
    limits::{MAX_BLOCKS, MAX_EVIDENCE_BYTES, MAX_REPORTS, MAX_SHREDS},
    regime::Certificate,
    system_name,
};
use crate::{B256, BlockRef, Evidence, OperatorId, claim::read_list};

/// What one operator says of a transaction.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Report {
    /// Who says it.
    pub operator: OperatorId,
    /// Slot and blockhash of its block.
    pub block: BlockRef,
    /// The transaction, as [`transaction_id`](super::transaction_id) names it.
    pub transaction: B256,
    /// How it ended; 0 is success, what else there is the adapter numbers.
    pub code: u32,
}

/// All shreds with data of one block, each as [`authenticated_part`](super::authenticated_part) leaves it.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct BlockShreds {
    /// In order.
    #[borsh(deserialize_with = "read_shreds")]
    pub shreds: Vec<Vec<u8>>,
}

/// Evidence of the system `solana-shreds-v1`. Each part may be missing; the assurance says what was there.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct ShredEvidence {
    /// What operators say.
    #[borsh(deserialize_with = "read_reports")]
    pub reports: Vec<Report>,
    /// Whose stake signed the first of the blocks, or the claim's block where there are none.
    pub certificate: Option<Certificate>,
    /// The block that is signed, and from there each the parent of the one before it, down to the claim's.
    #[borsh(deserialize_with = "read_blocks")]
    pub blocks: Vec<BlockShreds>,
}

impl ShredEvidence {
    /// The evidence in the form in which it travels and is stored.
    #[must_use]
    pub fn to_evidence(&self) -> Evidence {
        Evidence::of(system_name(), self)
    }

    /// Reads evidence.
    ///
    /// # Errors
    /// [`SolanaProofError::Limit`] when there are too many bytes, [`SolanaProofError::Encoding`] when they are not
    /// exactly one piece of evidence within every bound.
    pub fn decode(bytes: &[u8]) -> core::result::Result<Self, SolanaProofError> {
        bounded("bytes of evidence", bytes.len(), MAX_EVIDENCE_BYTES)?;
        borsh::from_slice(bytes).map_err(|error| SolanaProofError::encoding("evidence", error.to_string()))
    }
}

fn read_reports<R: Read>(reader: &mut R) -> Result<Vec<Report>> {
    read_list(reader, "reports", MAX_REPORTS)
}

fn read_blocks<R: Read>(reader: &mut R) -> Result<Vec<BlockShreds>> {
    read_list(reader, "blocks", MAX_BLOCKS)
}

fn read_shreds<R: Read>(reader: &mut R) -> Result<Vec<Vec<u8>>> {
    read_list(reader, "shreds", MAX_SHREDS)
}
