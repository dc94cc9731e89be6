//! Every bound of this family's proofs, checked before the work that it bounds begins.

/// Bytes of one piece of evidence: a full block of 2,048 data shreds is 2.3 MB, 2,000 votes are 0.7 MB; some blocks.
pub const MAX_EVIDENCE_BYTES: usize = 16 * 1024 * 1024;

/// Bytes of one transaction: what fits into one datagram beside its headers (1,280 − 48).
pub const MAX_TRANSACTION_BYTES: usize = 1_232;

/// Signatures of one transaction: what fits into one, with their keys.
pub const MAX_SIGNATURES: usize = 12;

/// Signatures of a plain vote: who pays, and who votes.
pub const MAX_VOTE_SIGNATURES: usize = 2;

/// Slots in one vote: the tower is no higher.
pub const MAX_LOCKOUTS: usize = 31;

/// Vote accounts with stake in one epoch. The largest clusters have some thousand; a table of this size is 1.7 MB.
pub const MAX_VOTERS: usize = 16_384;

/// Votes in one piece of evidence: one for each vote account that counts.
pub const MAX_VOTES: usize = MAX_VOTERS;

/// Keys that a vote account may name for epochs: those that are set for later ones, and the one in force. It holds far fewer.
pub const MAX_AUTHORITIES: usize = 32;

/// Bytes of a pinned table of stakes: 73 for each voter, and its head.
pub const MAX_TABLE_BYTES: usize = 2 * 1024 * 1024;

/// Data shreds in one block: what a leader may make at most.
pub const MAX_SHREDS: usize = 32_768;

/// Blocks in one piece of evidence: from the one that is voted for down to the claim's.
pub const MAX_BLOCKS: usize = 32;

/// Entries in one block: a tick for each of 64, and one for each transaction of the largest blocks seen, twice.
pub const MAX_ENTRIES: usize = 65_536;

/// Hashes of proof of history in one block: 62,500 for each of 64 ticks, for a block after 15 skipped slots.
pub const MAX_BLOCK_HASHES: u64 = 64_000_000;

/// Reports in one piece of evidence: more operators than any chain is configured with.
pub const MAX_REPORTS: usize = 64;

/// Bytes of a bank manifest: with a million delegations in each of its copies it is about 0.5 GB.
pub const MAX_MANIFEST_BYTES: usize = 2 * 1024 * 1024 * 1024;
