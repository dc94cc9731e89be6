//! Proving: gathering evidence. Judging it is the verifier's.

use async_trait::async_trait;
use portcullis_verifier::{BlockRef, ChainId, Claim, Evidence};

use crate::AdapterError;

/// Gathers evidence on one chain.
#[async_trait]
pub trait Prove: Send + Sync {
    /// Which chain.
    fn chain(&self) -> ChainId;

    /// Gathers evidence for a claim. Asks several operators and compares; never fails over in silence.
    ///
    /// # Errors
    /// When no evidence could be had; the caller keeps the claim undecided and asks again.
    async fn evidence(&self, claim: &Claim) -> Result<Evidence, AdapterError>;

    /// The newest block that the quorum agrees on.
    ///
    /// # Errors
    /// When there is no quorum.
    async fn head(&self) -> Result<BlockRef, AdapterError>;
}
