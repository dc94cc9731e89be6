//! A recording as a chain that can be observed: one side of a data set, block by block, as fast as it is taken.

use async_trait::async_trait;
use portcullis_adapter::{AdapterError, Batch, Class, Cursor, Feed, Observe};
use portcullis_core::input::Body;
use portcullis_verifier::{BlockRef, ChainId, Observation, Progress};
use tokio_util::sync::CancellationToken;

use crate::dataset::Dataset;

#[derive(Debug, Clone)]
struct Step {
    observations: Vec<Observation>,
    progress: Progress,
}

/// One chain of a recording. It never reorganises: what was recorded was final long ago.
#[derive(Debug, Clone)]
pub struct RecordedChain {
    chain: ChainId,
    steps: Vec<Step>,
}

impl RecordedChain {
    /// One chain of a data set; none when the data set has no head of it.
    #[must_use]
    pub fn new(dataset: &Dataset, chain: ChainId) -> Option<Self> {
        let mut steps: Vec<Step> = Vec::new();
        let mut observations = Vec::new();
        for input in &dataset.inputs {
            match &input.body {
                Body::Observed(seen) if seen.chain() == chain => observations.push(seen.clone()),
                Body::Progress(progress) if progress.chain == chain => {
                    // A head that is told again moves nothing.
                    let known = steps.last().is_some_and(|last| last.progress.height >= progress.height);
                    if !known || !observations.is_empty() {
                        let observations = core::mem::take(&mut observations);
                        steps.push(Step { observations, progress: *progress });
                    }
                }
                _ => {}
            }
        }
        (!steps.is_empty()).then_some(Self { chain, steps })
    }

    /// Where to go on after what the cursor says was delivered.
    fn resume(&self, from: Option<&Cursor>) -> Result<&[Step], String> {
        let Some(cursor) = from else { return Ok(&self.steps) };
        if cursor.chain != self.chain {
            return Err(format!("the cursor is of chain {}", cursor.chain));
        }
        let Some(tip) = cursor.recent.first() else { return Err(String::from("the cursor names no block")) };
        let left = self.steps.partition_point(|step| step.progress.height < tip.height);
        let at = self.steps.get(left).map(|step| &step.progress);
        if at.is_none_or(|at| (at.height, at.block_hash) != (tip.height, tip.hash)) {
            return Err(format!("block {} at height {} is not of this recording", tip.hash, tip.height));
        }
        Ok(self.steps.get(left.saturating_add(1)..).unwrap_or_default())
    }
}

#[async_trait]
impl Observe for RecordedChain {
    fn chain(&self) -> ChainId {
        self.chain
    }

    /// Delivers what was recorded after the cursor; then waits to be stopped, as any chain that makes no block.
    async fn observe(
        &self,
        from: Option<Cursor>,
        feed: Feed,
        stop: CancellationToken,
    ) -> Result<(), AdapterError> {
        let steps = self.resume(from.as_ref());
        let steps = steps.map_err(|why| AdapterError::new(self.chain, None, Class::Permanent, why))?;
        for step in steps {
            let block = BlockRef { height: step.progress.height, hash: step.progress.block_hash };
            let batch = Batch {
                chain: self.chain,
                seen_at: std::time::Instant::now(),
                observations: step.observations.clone(),
                progress: Some(step.progress),
                // No reorganisation, so nothing to take back: the last block is all that a restart needs.
                cursor: Some(Cursor { chain: self.chain, recent: vec![block], undoable: Vec::new() }),
            };
            tokio::select! {
                sent = feed.send(batch) => if sent.is_err() { return Ok(()) },
                () = stop.cancelled() => return Ok(()),
            }
        }
        tokio::select! {
            () = stop.cancelled() => Ok(()),
            () = feed.closed() => Ok(()),
        }
    }
}
