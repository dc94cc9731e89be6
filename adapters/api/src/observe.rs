//! Observing: from a chain to observations that are in order, gapless, and safe to restart.

use std::sync::Arc;

use async_trait::async_trait;
use portcullis_verifier::{BlockRef, ChainId, Observation, Progress};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::AdapterError;

/// Where a chain was left. Commits in one transaction with the observations before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    /// Which chain.
    pub chain: ChainId,
    /// Blocks last delivered, newest first, contiguous; as many as the reorg bound, so that a restart can find
    /// the fork point of a reorganisation that happened while nobody watched. Never empty.
    pub recent: Vec<BlockRef>,
    /// Events delivered in those blocks, in chain order, so that a restart can retract them. Only blocks with events
    /// are listed, newest first. Shared, because every batch carries them and a busy chain's are megabytes.
    pub undoable: Vec<(BlockRef, Arc<[Observation]>)>,
}

/// What commits together.
#[derive(Debug, Clone)]
pub struct Batch {
    /// Which chain.
    pub chain: ChainId,
    /// When the adapter saw the newest of it on the socket.
    pub seen_at: std::time::Instant,
    /// In chain order; retractions (newest first) before what replaces them.
    pub observations: Vec<Observation>,
    /// How far the chain is delivered with this batch; none for faults of endpoints alone.
    pub progress: Option<Progress>,
    /// Where to go on after this batch; none when nothing moved.
    pub cursor: Option<Cursor>,
}

/// Where batches go. Bounded: a full queue slows the adapter down, it never drops.
pub type Feed = mpsc::Sender<Batch>;

/// Watches one chain.
#[async_trait]
pub trait Observe: Send + Sync {
    /// Which chain.
    fn chain(&self) -> ChainId;

    /// Watches from the cursor (or from the configured start when there is none) until `stop` or until the feed
    /// closes.
    ///
    /// Delivers every event of watched contracts exactly as the canonical chain holds it: no gap, back-filled
    /// after each (re)subscription, retracted above the fork point of a reorganisation. Endpoint trouble is
    /// delivered as observations, not returned: the call returns only when asked to stop, or when nothing it
    /// could do would help.
    ///
    /// # Errors
    /// `Permanent` errors only (wrong chain id on all endpoints, impossible configuration).
    async fn observe(
        &self,
        from: Option<Cursor>,
        feed: Feed,
        stop: CancellationToken,
    ) -> Result<(), AdapterError>;
}
