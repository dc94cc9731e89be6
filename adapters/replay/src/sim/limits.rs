//! Bounds of the simulated chain, each with its unit and reason.

/// Blocks that one delivery brings at most: small enough to commit at once, large enough to catch up quickly.
pub(super) const BLOCKS_PER_DELIVERY: usize = 64;

/// Blocks that a follower walks back from the head in one round: a bound on memory, far above any scenario.
pub(super) const WALK_BLOCKS: usize = 1_000_000;

/// Blocks that the others make before an operator that says nothing counts as dark.
pub(super) const SILENCE_BLOCKS: u64 = 2;

/// How often a question is put again when its connection was closed under it: once, as a reconnection would.
pub(super) const RECONNECTS: usize = 1;
