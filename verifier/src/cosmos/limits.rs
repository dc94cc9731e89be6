//! Every bound of this family's proofs, checked before the work that it bounds begins.

/// Bytes of one piece of evidence: a dozen updates of a set of 200 validators (45 kB each), and proofs.
pub const MAX_EVIDENCE_BYTES: usize = 4 * 1024 * 1024;

/// Validators of one set. The largest sets in use have about 200; a set of this size is 75 kB, its commit 115 kB.
pub const MAX_VALIDATORS: usize = 1_024;

/// Bytes of one signed header: a header of at most 1 kB and 115 bytes for each vote.
pub const MAX_SIGNED_HEADER_BYTES: usize = 128 * 1024;

/// Bytes of one validator set: about 75 for each validator.
pub const MAX_VALIDATOR_SET_BYTES: usize = 96 * 1024;

/// Bytes of one header without its commit: fourteen fields, the longest of which is the chain id.
pub const MAX_HEADER_BYTES: usize = 1_024;

/// Updates in one piece of evidence. Bisection over a year of 6 s blocks in which every validator changed needs
/// at most 23 steps down, and few are kept.
pub const MAX_UPDATES: usize = 64;

/// Headers in one chain of ancestors: an hour of 2 s blocks. Older blocks are reached by pinning them.
pub const MAX_HEADERS: usize = 2_048;

/// Headers that one bisection may ask for before it gives up.
pub const MAX_BISECTION_FETCHES: usize = 128;

/// Inner nodes on one path of a store. An IAVL tree of 2^80 keys is not deeper.
pub const MAX_PROOF_DEPTH: usize = 128;

/// Bytes of one encoded proof without its value: 128 steps of at most 100 bytes on two paths, and two keys.
pub const MAX_PROOF_BYTES: usize = 32 * 1024;

/// Bytes of a key in a store.
pub const MAX_KEY_BYTES: usize = 1_024;

/// Bytes of a value in a store that is proven present. Contract code is larger, and nobody asks for it.
pub const MAX_VALUE_BYTES: usize = 256 * 1024;

/// Bytes of the data that a transaction returned, as the results commit to it.
pub const MAX_RESULT_DATA_BYTES: usize = 256 * 1024;

/// Hashes on the path of a transaction in its block: more than 2^32 transactions are in no block.
pub const MAX_AUNTS: usize = 32;

/// Denominator of a trust threshold. Together with the cap on total voting power (2^60) it keeps products in 64 bits.
pub const MAX_THRESHOLD_DENOMINATOR: u8 = 15;

/// Version of the block protocol that this code understands.
pub const BLOCK_PROTOCOL: u64 = 11;

/// Bytes of a detail that goes into a verdict.
pub use crate::verdict::MAX_DETAIL_BYTES;
