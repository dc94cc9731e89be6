//! The encoding of `evm-quorum-v1` evidence: what an adapter gathers, and what is kept for an auditor.
//!
//! Borsh, because the bytes are stored, hashed and read again years later. Every list is bounded while it is
//! read, not after.

use borsh::{
    BorshDeserialize, BorshSerialize,
    io::{Read, Result},
};

use super::{
    error::{EvmProofError, bounded, cut},
    limits::{
        MAX_ATTESTATIONS, MAX_EVIDENCE_BYTES, MAX_HEADERS, MAX_LEADING_RECEIPTS, MAX_PROOF_NODES,
        MAX_RECEIPTS,
    },
    system_name,
};
use crate::{BlockRef, Evidence, OperatorId, claim::read_list};

/// What one operator reported as the block at a height.
///
/// SECURITY: attestations are not signed. They are the words of the adapter that asked the operators over its
/// own connections; evidence from anybody else is worth nothing, however well its proofs verify.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Attestation {
    /// Who reported.
    pub operator: OperatorId,
    /// What was reported: the height asked for, and the hash that came back.
    pub block: BlockRef,
}

/// A list of byte strings: trie nodes, headers, receipts.
pub type Strings = Vec<Vec<u8>>;

/// Which header the operators attested, and how the claim's block hangs on it.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Anchor {
    /// The claim's own block.
    Itself,
    /// A later block: RLP of every header after the claim's block, ascending; the last one is attested.
    Descendant(#[borsh(deserialize_with = "read_headers")] Strings),
    /// A later block, whose state remembers the claim's block (EIP-2935).
    History {
        /// RLP of the attested header.
        header: Vec<u8>,
        /// Path of the history contract's account.
        account_nodes: Nodes,
        /// Path of the slot of the claim's block.
        storage_nodes: Nodes,
    },
}

/// What is proven under the header of the claim's block.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Payload {
    /// All receipts of the block, EIP-2718 bytes, in order. Decides claims about logs either way.
    Receipts(#[borsh(deserialize_with = "read_receipts")] Strings),
    /// The first receipts of the block up to the one with the log, each by its path in the receipts trie. One
    /// path is enough for the first transaction; for later ones the places of logs need the receipts before.
    LeadingReceipts(#[borsh(deserialize_with = "read_paths")] Vec<Nodes>),
    /// Path of the claim's contract, and of the claim's key in its storage.
    State {
        /// Path of the account; the storage root is taken from it.
        account_nodes: Nodes,
        /// Path of the slot; no node when the account is absent or its storage is empty.
        storage_nodes: Nodes,
    },
}

/// The nodes of one path, from the root down.
#[derive(Debug, Clone, Default, PartialEq, Eq, BorshSerialize)]
pub struct Nodes(pub Strings);

impl AsRef<[Vec<u8>]> for Nodes {
    fn as_ref(&self) -> &[Vec<u8>] {
        &self.0
    }
}

impl<T: AsRef<[u8]>> FromIterator<T> for Nodes {
    fn from_iter<I: IntoIterator<Item = T>>(nodes: I) -> Self {
        Self(nodes.into_iter().map(|node| node.as_ref().to_vec()).collect())
    }
}

impl BorshDeserialize for Nodes {
    fn deserialize_reader<R: Read>(reader: &mut R) -> Result<Self> {
        read_list(reader, "nodes of a path", MAX_PROOF_NODES).map(Self)
    }
}

/// Evidence of the system `evm-quorum-v1`.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct QuorumEvidence {
    /// RLP of the header of the claim's block.
    pub header: Vec<u8>,
    /// What operators reported about the anchor.
    #[borsh(deserialize_with = "read_attestations")]
    pub attestations: Vec<Attestation>,
    /// Which header they reported.
    pub anchor: Anchor,
    /// What is proven.
    pub payload: Payload,
}

impl QuorumEvidence {
    /// The evidence in the form in which it travels and is stored.
    #[must_use]
    pub fn to_evidence(&self) -> Evidence {
        Evidence::of(system_name(), self)
    }

    /// Reads evidence.
    ///
    /// # Errors
    /// [`EvmProofError::Limit`] when there are too many bytes, [`EvmProofError::Encoding`] when they are not
    /// exactly one piece of evidence within every bound.
    pub fn decode(bytes: &[u8]) -> core::result::Result<Self, EvmProofError> {
        bounded("bytes of evidence", bytes.len(), MAX_EVIDENCE_BYTES)?;
        borsh::from_slice(bytes).map_err(|error| EvmProofError::Encoding { detail: cut(error.to_string()) })
    }
}

fn read_headers<R: Read>(reader: &mut R) -> Result<Strings> {
    read_list(reader, "headers in a chain", MAX_HEADERS)
}

fn read_receipts<R: Read>(reader: &mut R) -> Result<Strings> {
    read_list(reader, "receipts", MAX_RECEIPTS)
}

fn read_paths<R: Read>(reader: &mut R) -> Result<Vec<Nodes>> {
    read_list(reader, "receipts with a path each", MAX_LEADING_RECEIPTS)
}

fn read_attestations<R: Read>(reader: &mut R) -> Result<Vec<Attestation>> {
    read_list(reader, "attestations", MAX_ATTESTATIONS)
}
