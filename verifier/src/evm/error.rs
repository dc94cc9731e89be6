//! Why a proof does not verify. Every one of these is about untrusted input and is permanent for that input:
//! asking again only helps when somebody else answers.

use alloy_primitives::{Address, B256};

use super::trie::TrieError;
use crate::Undecided;
pub(super) use crate::verdict::cut;

/// The check that evidence did not pass.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EvmProofError {
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
    /// Not the encoding of this system's evidence.
    #[error("the evidence cannot be decoded: {detail}")]
    Encoding {
        /// The decoder's words.
        detail: String,
    },
    /// The claim cannot be about a chain of this family.
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
    /// A header that is not RLP of the known shape.
    #[error("the header is not a list of known fields")]
    HeaderRlp {
        /// What the decoder found.
        source: alloy_rlp::Error,
    },
    /// A header with fewer fields than any fork had, or with fields that this version does not know.
    #[error("the header has {found} fields; {least} to {most} are known")]
    HeaderFields {
        /// How many it has.
        found: usize,
        /// Fewest that any fork had.
        least: usize,
        /// Most that are known.
        most: usize,
    },
    /// Decodes, but encodes to other bytes.
    #[error("the {what} is not in canonical encoding")]
    NotCanonical {
        /// What was decoded.
        what: &'static str,
    },
    /// The header is another block's.
    #[error("the header hashes to {found}, expected {expected}")]
    BlockHash {
        /// The hash asked for.
        expected: B256,
        /// keccak256 of the bytes that came.
        found: B256,
    },
    /// The header carries another number than the claim.
    #[error("the header has number {found}, expected {expected}")]
    BlockNumber {
        /// The number asked for.
        expected: u64,
        /// The number in the header.
        found: u64,
    },
    /// A header's parent is not the one before it.
    #[error("block {height} names the parent {expected}, but the header before it is {found}")]
    BrokenChain {
        /// Number of the child.
        height: u64,
        /// Parent hash in the child.
        expected: B256,
        /// Hash of the header that came before it.
        found: B256,
    },
    /// The account's path does not verify.
    #[error("the account proof of {address} does not verify")]
    AccountTrie {
        /// Whose account.
        address: Address,
        /// Which check failed.
        source: TrieError,
    },
    /// The proven account is not RLP of four fields.
    #[error("the account of {address} is not a list of four fields")]
    AccountRlp {
        /// Whose account.
        address: Address,
        /// What the decoder found.
        source: alloy_rlp::Error,
    },
    /// Asked for presence, proven absent.
    #[error("there is no account {address}")]
    AccountAbsent {
        /// Whose account.
        address: Address,
    },
    /// Asked for absence, proven present.
    #[error("there is an account {address}")]
    AccountPresent {
        /// Whose account.
        address: Address,
    },
    /// The slot's path does not verify.
    #[error("the storage proof of key {key} does not verify")]
    StorageTrie {
        /// Key of the slot, before hashing.
        key: B256,
        /// Which check failed.
        source: TrieError,
    },
    /// The proven slot is not RLP of a word.
    #[error("the slot at key {key} is not an integer of at most 32 bytes")]
    SlotRlp {
        /// Key of the slot.
        key: B256,
        /// What the decoder found.
        source: alloy_rlp::Error,
    },
    /// Asked for presence, proven absent.
    #[error("there is no slot at key {key}")]
    SlotAbsent {
        /// Key of the slot.
        key: B256,
    },
    /// Asked for absence, proven present.
    #[error("there is a slot at key {key}")]
    SlotPresent {
        /// Key of the slot.
        key: B256,
    },
    /// The items do not add up to the root in the header: one is missing, too many, changed or misplaced.
    #[error("the {what} hash to {found}, the header has {expected}")]
    ListRoot {
        /// Receipts or transactions.
        what: &'static str,
        /// Root in the header.
        expected: B256,
        /// Root of what came.
        found: B256,
    },
    /// The receipt's path does not verify.
    #[error("the proof of receipt {index} does not verify")]
    ReceiptTrie {
        /// Index of the transaction in the block.
        index: u64,
        /// Which check failed.
        source: TrieError,
    },
    /// The path proves that the block has no such receipt.
    #[error("the block has no receipt {index}")]
    ReceiptAbsent {
        /// Index of the transaction in the block.
        index: u64,
    },
    /// Asked for absence, proven present.
    #[error("the block has a receipt {index}")]
    ReceiptPresent {
        /// Index of the transaction in the block.
        index: u64,
    },
    /// A type of transaction that this version cannot read.
    #[error("{what} {index} is of type {found:#04x}; types 0 to 4 and 0x7e are known")]
    EnvelopeType {
        /// Receipt or transaction.
        what: &'static str,
        /// Index in the block.
        index: u64,
        /// First byte.
        found: u8,
    },
    /// A proven receipt that is not RLP of the known shape.
    #[error("receipt {index} cannot be decoded: {detail}")]
    ReceiptRlp {
        /// Index of the transaction in the block.
        index: u64,
        /// The decoder's words.
        detail: String,
    },
    /// A failed transaction cannot have logs: whoever made this block does not follow the rules that all else
    /// here rests on.
    #[error("receipt {index} failed and has {logs} logs")]
    FailedWithLogs {
        /// Index of the transaction in the block.
        index: u64,
        /// How many logs.
        logs: usize,
    },
    /// The claimed log lies behind the receipts that were given.
    #[error("log {log_index} lies behind the {given} logs of the receipts that were given")]
    LogOutOfReach {
        /// Index of the log in the block.
        log_index: u32,
        /// How many logs the given receipts have.
        given: usize,
    },
    /// The history contract does not remember that block.
    #[error("block {height} is not among the {window} before block {under}")]
    HistoryRange {
        /// Number of the ancestor.
        height: u64,
        /// Number of the block whose state is asked.
        under: u64,
        /// How many blocks are remembered.
        window: u64,
    },
    /// The account at the history contract's address runs other code, so its slots may mean anything.
    #[error("the history contract has code {found}, expected {expected}")]
    HistoryCode {
        /// keccak256 of the code of EIP-2935.
        expected: B256,
        /// Code hash of the account.
        found: B256,
    },
    /// The history contract remembers another block at that height.
    #[error("at height {height} the chain has {found}, not {expected}")]
    HistoryMismatch {
        /// Number of the ancestor.
        height: u64,
        /// The hash asked for.
        expected: B256,
        /// The hash in state.
        found: B256,
    },
}

impl EvmProofError {
    /// The error with its causes, cut to the bound of a verdict's detail.
    #[must_use]
    pub fn detail(&self) -> String {
        crate::verdict::detail(self)
    }
}

impl From<EvmProofError> for Undecided {
    /// SECURITY: an error of a proof says nothing about the claim, with one exception that is no refutation
    /// either: state that names another block at that height shows that the claim's block is not on the chain.
    fn from(error: EvmProofError) -> Self {
        let detail = error.detail();
        match error {
            EvmProofError::HistoryMismatch { .. } => Self::NotCanonical { detail },
            _ => Self::BadEvidence { detail },
        }
    }
}

/// `found` items or bytes, when they are within `limit`.
pub(super) fn bounded(what: &'static str, found: usize, limit: usize) -> Result<usize, EvmProofError> {
    if found > limit { Err(EvmProofError::Limit { what, found, limit }) } else { Ok(found) }
}
