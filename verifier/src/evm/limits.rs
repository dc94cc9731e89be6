//! Every bound of this family's proofs, checked before the work that it bounds begins.

/// Bytes of one piece of evidence. A block of 60 M gas can carry 7.5 MB of log data (8 gas a byte); twice that
/// leaves room for paths and headers, and for chains with larger blocks.
pub const MAX_EVIDENCE_BYTES: usize = 16 * 1024 * 1024;

/// Bytes of one header. Ethereum's are 600 to 700; some chains keep a validator set of a few kB in `extraData`.
pub const MAX_HEADER_BYTES: usize = 8 * 1024;

/// Headers in one chain of ancestors: an hour and more of 2 s blocks. Older blocks are reached through the
/// history contract.
pub const MAX_HEADERS: usize = 2_048;

/// Nodes on one path of a trie: a 32-byte key has 64 nibbles, so 64 branches and a leaf.
pub const MAX_PROOF_NODES: usize = 65;

/// Bytes of a node in a state or storage trie. A branch of 16 hashes has 532; a leaf holds an account (at most
/// 110 bytes) or a word (33) and its path (33).
pub const MAX_STATE_NODE_BYTES: usize = 1_024;

/// Bytes of one receipt, and of a node in a receipts trie, whose leaves hold whole receipts. 60 M gas in one
/// transaction buy 7.5 MB of log data.
pub const MAX_RECEIPT_BYTES: usize = 8 * 1024 * 1024;

/// Receipts of one block: 300 M gas at 21,000 gas for the smallest transaction are 14,285.
pub const MAX_RECEIPTS: usize = 16_384;

/// Receipts proven by their own paths, where not all of the block's are given. Beyond this, all are shorter.
pub const MAX_LEADING_RECEIPTS: usize = 256;

/// Logs of one receipt: 60 M gas at 375 gas for the smallest log are 160,000.
pub const MAX_LOGS_PER_RECEIPT: usize = 200_000;

/// Topics of one log, by the instruction set (LOG0 to LOG4).
pub const MAX_TOPICS: usize = 4;

/// Attestations of one header. More operators than this are not configured for one chain.
pub const MAX_ATTESTATIONS: usize = 64;

/// Seconds that a header may be ahead of the chain time that the asker knows. Beyond that its age is unknown,
/// so that a header from the future never looks fresh. Ethereum's own clients used the same 15 s.
pub const MAX_AHEAD_SECS: u64 = 15;

/// Blocks that the history contract remembers (EIP-2935, `HISTORY_SERVE_WINDOW`).
pub const HISTORY_WINDOW_BLOCKS: u64 = 8_191;

/// Bytes of a detail that goes into a verdict.
pub use crate::verdict::MAX_DETAIL_BYTES;
