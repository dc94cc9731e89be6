//! What the model of a chain has only where votes are counted by a table of stakes that a person pinned.

use std::path::PathBuf;

use portcullis_verifier::B256;

/// A table of stakes that a person vouches for, for one epoch.
#[derive(Debug, Clone)]
pub struct StakesConfig {
    /// Where it lies.
    pub file: PathBuf,
    /// SHA-256 of the file.
    pub sha256: B256,
    /// Which epoch.
    pub epoch: u64,
    /// How long evidence waits for votes, in milliseconds.
    pub wait_ms: u64,
    /// Where the configuration names it.
    pub at: std::ops::Range<usize>,
}
