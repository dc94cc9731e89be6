//! One chain, watched once for all groups that stand on it.
//!
//! *Who is in the play.* To a group, [`Shared`] is the adapter of its chain. The first group that watches starts the
//! *common run* of the real adapter, from its own cursor; whoever stands on a block that the common run has just passed
//! is a member of it and gets the same batches. Who stands elsewhere (a group that starts later, or that the others would
//! have to wait for) is served by a run of its own, until its newest block is one that the common run has just passed.
//!
//! A batch leads from one newest block to the next. The hash of a block names all of its ancestors: two groups with the
//! same newest block have been delivered the same chain, and what leads on from there is the same for both. So nothing is
//! lost or told twice by changing from one run to another; each group still has its own cursor.

mod hub;
mod standing;

use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use portcullis_adapter::{AdapterError, Class, Cursor, Feed, Observe};
use portcullis_verifier::ChainId;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::budget;
use hub::{Hub, Member, Told};
use portcullis_adapter::error::chain_of;
use standing::Standing;

/// An adapter that several groups share.
pub struct Shared {
    adapter: Arc<dyn Observe>,
    hub: Arc<Hub>,
}

/// Why a run ended for a group.
enum End {
    /// The group ends.
    Stop,
    /// It goes on with the common run.
    Join(Member),
    /// The others would have to wait for it: it goes on alone.
    Left,
    /// The adapter gave up.
    Failed(AdapterError),
}

impl Shared {
    /// Shares an adapter.
    #[must_use]
    pub fn new(adapter: Arc<dyn Observe>) -> Self {
        let hub = Hub::new(Arc::clone(&adapter));
        Self { adapter, hub }
    }

    /// As a member of the common run.
    async fn follow(at: &mut Standing, mut member: Member, feed: &Feed, stop: &CancellationToken) -> End {
        let known = at.adopt(member.faults());
        if !at.deliver(known, feed, stop).await {
            return End::Stop;
        }
        loop {
            let told = tokio::select! {
                () = stop.cancelled() => return End::Stop,
                () = feed.closed() => return End::Stop,
                told = member.next() => told,
            };
            match told {
                None => return End::Left,
                Some(Told::Ended(why)) => {
                    return End::Failed(AdapterError::new(at.chain, None, Class::Permanent, why.to_string()));
                }
                Some(Told::Batch(batch)) => {
                    if !at.deliver(Some(Arc::unwrap_or_clone(batch)), feed, stop).await {
                        return End::Stop;
                    }
                }
            }
        }
    }

    /// By a run of its own, until it stands where the common run has just been; not before `rejoin`.
    async fn alone(
        &self,
        at: &mut Standing,
        rejoin: Option<Instant>,
        feed: &Feed,
        stop: &CancellationToken,
    ) -> End {
        // A run that begins tells from the beginning what is wrong.
        let forgotten = at.adopt(Vec::new());
        if !at.deliver(forgotten, feed, stop).await {
            return End::Stop;
        }
        let (own, mut batches) = mpsc::channel(budget::FEED_QUEUE);
        let child = stop.child_token();
        let (adapter, cursor, adapter_stop) = (Arc::clone(&self.adapter), at.cursor.clone(), child.clone());
        let running = tokio::spawn(async move { adapter.observe(cursor, own, adapter_stop).await });
        let _ends_with_this = child.drop_guard();
        loop {
            // The common run may come to a block a moment after this one did: so it is asked again a little later.
            let batch = tokio::select! {
                () = stop.cancelled() => return End::Stop,
                () = feed.closed() => return End::Stop,
                batch = batches.recv() => batch.map(Some),
                () = tokio::time::sleep(budget::SHARED_ASK) => Some(None),
            };
            let Some(batch) = batch else { break };
            if !at.deliver(batch, feed, stop).await {
                return End::Stop;
            }
            if at.cursor.is_some()
                && rejoin.is_none_or(|until| Instant::now() >= until)
                && let Some(member) = self.hub.join(at.cursor.as_ref())
            {
                return End::Join(member);
            }
        }
        let failed = |what: String| End::Failed(AdapterError::new(at.chain, None, Class::Permanent, what));
        match running.await {
            Ok(Ok(())) if stop.is_cancelled() => End::Stop,
            Ok(Ok(())) => failed("it ended without a reason".to_owned()),
            Ok(Err(error)) => End::Failed(error),
            Err(error) => failed(format!("it broke down: {}", chain_of(&error))),
        }
    }
}

#[async_trait]
impl Observe for Shared {
    fn chain(&self) -> ChainId {
        self.adapter.chain()
    }

    async fn observe(
        &self,
        from: Option<Cursor>,
        feed: Feed,
        stop: CancellationToken,
    ) -> Result<(), AdapterError> {
        let mut at = Standing::new(self.chain(), from);
        let mut member = self.hub.join(at.cursor.as_ref());
        let mut rejoin = None;
        loop {
            let end = match member.take() {
                Some(member) => Self::follow(&mut at, member, &feed, &stop).await,
                None => self.alone(&mut at, rejoin, &feed, &stop).await,
            };
            match end {
                End::Stop => return Ok(()),
                End::Failed(error) => return Err(error),
                End::Join(joined) => member = Some(joined),
                End::Left => {
                    tracing::info!(chain = %at.chain, "a group that takes longer than the others goes on alone");
                    rejoin = Instant::now().checked_add(budget::SHARED_REJOIN);
                }
            }
        }
    }
}

#[cfg(test)]
#[path = "shared/tests.rs"]
mod tests;
