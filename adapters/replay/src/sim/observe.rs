//! The simulated chain as any other chain.

use async_trait::async_trait;
use portcullis_adapter::{AdapterError, Batch, Class, Cursor, Feed, Observe};
use portcullis_verifier::ChainId;
use tokio_util::sync::CancellationToken;

use super::{follow::Follower, net::SimNet};

/// Observes a [`SimNet`]. Wakes when the simulation changes, never by a clock.
#[derive(Debug, Clone)]
pub struct SimObserver {
    net: SimNet,
}

impl SimObserver {
    /// An observer of a simulated chain, as after a restart of the process: what it knows is in its cursor.
    #[must_use]
    pub fn new(net: SimNet) -> Self {
        Self { net }
    }
}

#[async_trait]
impl Observe for SimObserver {
    fn chain(&self) -> ChainId {
        self.net.config().chain
    }

    async fn observe(
        &self,
        from: Option<Cursor>,
        feed: Feed,
        stop: CancellationToken,
    ) -> Result<(), AdapterError> {
        let chain = self.chain();
        let follower = Follower::new(self.net.config().clone(), from.as_ref());
        let mut follower = follower.map_err(|why| AdapterError::new(chain, None, Class::Permanent, why))?;
        let mut changed = self.net.subscribe();
        loop {
            // Marked seen before the round: what changes during it wakes us again.
            changed.borrow_and_update();
            while let Some(delivery) = follower.round(&self.net) {
                let batch = Batch {
                    chain,
                    seen_at: std::time::Instant::now(),
                    observations: delivery.observations,
                    progress: delivery.progress,
                    cursor: delivery.cursor,
                };
                tokio::select! {
                    sent = feed.send(batch) => if sent.is_err() { return Ok(()) },
                    () = stop.cancelled() => return Ok(()),
                }
            }
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = feed.closed() => return Ok(()),
                // This observer holds a handle on the net, so the sender never goes away.
                _ = changed.changed() => {}
            }
        }
    }
}
