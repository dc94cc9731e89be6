//! The encoding of `cometbft-ics23-v1` evidence: what an adapter gathers, and what is kept for an auditor.
//!
//! Borsh around the chain's own encodings, because the bytes are stored, hashed and read again years later. Every
//! list is bounded while it is read, not after.

use borsh::{
    BorshDeserialize, BorshSerialize,
    io::{Read, Result},
};

use super::{
    error::{CosmosProofError, bounded, cut},
    limits::{MAX_AUNTS, MAX_EVIDENCE_BYTES, MAX_HEADERS, MAX_UPDATES},
    system_name,
};
use crate::{B256, Evidence, Slug, claim::read_list};

/// One step of the light client, in the chain's own encoding.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct UpdateBytes {
    /// A `tendermint.types.SignedHeader`.
    pub signed_header: Vec<u8>,
    /// The `tendermint.types.ValidatorSet` that signs it.
    pub validators: Vec<u8>,
    /// The `ValidatorSet` that the header before it commits to; not needed from one block to the next.
    pub trusted_validators: Option<Vec<u8>>,
}

/// Where a transaction stands in its block.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct TransactionPath {
    /// Index in the block, from 0.
    pub index: u64,
    /// How many transactions the block has.
    pub total: u64,
    /// Hashes beside the path, from the bottom up.
    #[borsh(deserialize_with = "read_aunts")]
    pub aunts: Vec<B256>,
}

/// What became of a transaction, as far as the next header commits to it.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Outcome {
    /// Result code; 0 is success.
    pub code: u32,
    /// What it returned.
    pub data: Vec<u8>,
    /// Gas that was asked for.
    pub gas_wanted: i64,
    /// Gas that was used.
    pub gas_used: i64,
    /// Hashes beside the path in the list of results, from the bottom up; the place is the transaction's.
    #[borsh(deserialize_with = "read_aunts")]
    pub aunts: Vec<B256>,
}

/// What is proven under the headers.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Payload {
    /// A key of a store, there or not.
    State {
        /// Name of the store.
        store: Slug,
        /// The key as the store has it.
        key: Vec<u8>,
        /// A `cosmos.ics23.v1.CommitmentProof` of the key.
        key_proof: Vec<u8>,
        /// A `cosmos.ics23.v1.CommitmentProof` of the store.
        store_proof: Vec<u8>,
    },
    /// A transaction of the claim's block, and what became of it where that is claimed.
    Transaction {
        /// Its place.
        path: TransactionPath,
        /// Its result.
        outcome: Option<Outcome>,
    },
}

/// Evidence of the system `cometbft-ics23-v1`.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct LightEvidence {
    /// Steps from the pinned checkpoint up; none where the checkpoint's own header is enough.
    #[borsh(deserialize_with = "read_updates")]
    pub updates: Vec<UpdateBytes>,
    /// Headers (`tendermint.types.Header`) from there down, each the parent of the one before it. The first is the
    /// parent of the last update's, or without updates the checkpoint's own.
    ///
    /// The last one is the lowest that is needed: the claim's block for a transaction, the one after it for
    /// state, because a header commits to the state before its block.
    #[borsh(deserialize_with = "read_headers")]
    pub headers: Vec<Vec<u8>>,
    /// What is proven.
    pub payload: Payload,
}

impl LightEvidence {
    /// The evidence in the form in which it travels and is stored.
    #[must_use]
    pub fn to_evidence(&self) -> Evidence {
        Evidence::of(system_name(), self)
    }

    /// Reads evidence.
    ///
    /// # Errors
    /// [`CosmosProofError::Limit`] when there are too many bytes, [`CosmosProofError::Encoding`] when they are not
    /// exactly one piece of evidence within every bound.
    pub fn decode(bytes: &[u8]) -> core::result::Result<Self, CosmosProofError> {
        bounded("bytes of evidence", bytes.len(), MAX_EVIDENCE_BYTES)?;
        borsh::from_slice(bytes)
            .map_err(|error| CosmosProofError::Encoding { what: "evidence", detail: cut(error.to_string()) })
    }
}

fn read_updates<R: Read>(reader: &mut R) -> Result<Vec<UpdateBytes>> {
    read_list(reader, "updates", MAX_UPDATES)
}

fn read_headers<R: Read>(reader: &mut R) -> Result<Vec<Vec<u8>>> {
    read_list(reader, "headers in a chain", MAX_HEADERS)
}

fn read_aunts<R: Read>(reader: &mut R) -> Result<Vec<B256>> {
    read_list(reader, "hashes on a path", MAX_AUNTS)
}
