//! Execution proofs of the EVM family.
//!
//! *Who is in the play.* An adapter gathers [`QuorumEvidence`]: a header, what each operator said its hash is,
//! and receipts or trie paths. [`QuorumSystem`] judges it: enough operators must agree on the header
//! ([`attested_header`]), the claim's block must be that header's or an ancestor of it ([`verify_ancestors`],
//! [`verify_ancestry`]), and the log or the state must hang on the header by Merkle proof ([`verify_receipts`],
//! [`verify_account`], [`verify_storage`]).
//!
//! Trust flows one way. The only source of a trusted header is a quorum; each function takes a
//! [`Verified`](crate::Verified) input and returns a `Verified` output, and none takes a root from evidence.
//!
//! What a quorum of RPC operators is worth is what those operators are worth: the assurance says `quorum` and
//! says nothing about consensus.

mod account;
mod deposit;
mod error;
mod evidence;
mod header;
mod history;
pub mod limits;
mod quorum;
mod receipts;
mod system;
mod trie;

pub use account::{
    Account, ProvenAccount, Slot, read_account, read_storage, verify_account, verify_account_absent,
    verify_storage, verify_storage_absent,
};
pub use deposit::{DEPOSIT_TYPE, DepositReceipt};
pub use error::EvmProofError;
pub use evidence::{Anchor, Attestation, Nodes, Payload, QuorumEvidence, Strings};
pub use header::{SealedHeader, block_ref, open_header, open_header_of, verify_ancestors, verify_parent};
pub use history::{history_slot, verify_ancestry};
pub use quorum::attested_header;
pub use receipts::{
    Receipt, TransactionRef, verify_leading_receipts, verify_receipt, verify_receipt_absent, verify_receipts,
    verify_transactions,
};
pub use system::QuorumSystem;
pub use trie::{TrieError, walk};

use alloy_primitives::Address;

use crate::{B256, Slug, codec::digest};

/// Name of the proof system that this family brings.
pub const SYSTEM_NAME: &str = "evm-quorum-v1";

/// [`SYSTEM_NAME`] as evidence carries it.
#[must_use]
pub fn system_name() -> Slug {
    #[expect(clippy::expect_used, reason = "a constant that keeps the rules of slugs, as a test shows")]
    Slug::new(SYSTEM_NAME).expect("a valid slug")
}

/// Digest of a log: what an observation carries as `raw`, and what a claim binds to.
///
/// `keccak256("portcullis.evm.log.v1" ‖ 0x00 ‖ borsh(address left padded to 32 bytes, topics, data))`.
#[must_use]
pub fn log_digest(address: Address, topics: &[B256], data: &[u8]) -> B256 {
    digest("portcullis.evm.log.v1", &(address.into_word(), topics, data))
}
