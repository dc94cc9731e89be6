//! Observing one cluster through all its operators.
//!
//! *Who is in the play.* One [`push`] watcher per operator brings slots, by websocket or by polling. Every operator is asked for
//! all its confirmed blocks ([`fetch`]) that it did not push ([`pushed`]); the [`chain`] keeps what each of them tells, and says which block comes next: the child
//! of the newest one that a quorum tells alike, records included, because blocks of this family commit to nothing that their
//! transactions did. The [`assembler`] keeps the [`health`] of operators and is the only one that sends batches. All of them
//! speak to the assembler in [`Report`]s over one bounded queue: a slow feed slows the sockets down and nothing is dropped.
//!
//! Heights are slots, and slots may be skipped. What is delivered is confirmed (two thirds of the stake have voted for it) and
//! becomes final through roots; where the chain leaves it all the same, it is retracted.

mod assembler;
pub(crate) mod batch;
mod chain;
mod clocks;
mod fetch;
mod health;
mod preview;
mod push;
mod pushed;
mod words;

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use futures::future::join_all;
use portcullis_adapter::{AdapterError, Class, Cursor, Feed, Observe};
use portcullis_rpc::{Operator, RpcError, Wait, quorum};
use portcullis_verifier::{BlockRef, ChainId, FaultKind, solana::Regime};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::{
    config::Compiled,
    limits,
    transport::{AT_CONFIRMED, Network, Told, blocks_between, genesis, is_of, slot, told},
};

use assembler::Assembler;
use batch::nothing;
use chain::{Ask, Delivered};
use fetch::{Fetched, Missing};
pub(crate) use pushed::subscription;

/// What the watchers tell the assembler.
#[derive(Debug)]
pub(crate) enum Report {
    /// An operator's newest confirmed slot, and its root where that is known (else zero).
    Head { operator: usize, slot: u64, root: u64, at: Instant },
    /// A slot that an operator has worked through.
    Processed { operator: usize, slot: u64 },
    /// An operator's root.
    Root { operator: usize, root: u64 },
    /// What an operator tells of its blocks.
    Blocks { operator: usize, ask: Ask, answer: Result<Fetched, Missing> },
    /// A confirmed block that an operator pushed before it was asked for.
    Pushed { operator: usize, told: Told, at: Instant },
    /// What a transaction logged that one operator has processed.
    Preview(preview::Preview),
    /// An operator's endpoint fails.
    Trouble { operator: usize, kind: FaultKind, what: String },
    /// By which rules a quorum says that validators agree.
    Regime(Regime),
}

/// Watches one cluster.
#[derive(Debug, Clone)]
pub struct SolanaObserver {
    compiled: Arc<Compiled>,
    network: Arc<Network>,
}

impl SolanaObserver {
    pub(crate) fn new(compiled: Arc<Compiled>, network: Arc<Network>) -> Self {
        Self { compiled, network }
    }

    /// Refuses to begin when so many endpoints serve another cluster that no quorum can ever agree. Who does not
    /// answer now may come back: its watcher asks again.
    async fn check_chains(&self) -> Result<(), AdapterError> {
        let asks = self.network.operators.iter().map(|operator| async move {
            tokio::time::timeout(limits::CHAIN_CHECK, genesis(&operator.lanes.prove)).await
        });
        let answers = join_all(asks).await;
        let wrong = |hash: &str| !is_of(hash, self.network.chain);
        let foreign = answers.iter().filter(|answer| matches!(answer, Ok(Ok(hash)) if wrong(hash))).count();
        let left = self.network.operators.len().saturating_sub(foreign);
        if left < self.network.quorum {
            let what = format!(
                "PC-0951: {foreign} of {} endpoints serve another cluster and {} must agree; correct their URLs",
                self.network.operators.len(),
                self.network.quorum
            );
            return Err(AdapterError::new(self.network.chain, None, Class::Permanent, what));
        }
        Ok(())
    }

    /// The block above which watching begins when there is no cursor; waits until a quorum tells it.
    async fn anchor(&self, stop: &CancellationToken) -> Option<Delivered> {
        let start = self.compiled.config.start_height;
        loop {
            let newest = if start == 0 { self.newest().await } else { Some(start.saturating_sub(1)) };
            if let Some(below) = newest {
                let questions = self
                    .network
                    .operators
                    .iter()
                    .map(|operator| (operator.name, last_block(operator, &self.compiled, below)));
                match quorum(questions, self.network.quorum, Wait::Grace(limits::GRACE_MIN)).await {
                    Ok(agreed) => {
                        let (block, time) = agreed.value;
                        return Some(Delivered { block, time, events: nothing() });
                    }
                    Err(split) => {
                        let chain = self.network.chain;
                        tracing::warn!(%chain, below, %split, "the first block is not there yet");
                    }
                }
            }
            let pause = Duration::from_millis(self.compiled.config.poll_ms);
            tokio::select! {
                () = stop.cancelled() => return None,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// The newest slot that a quorum has confirmed.
    async fn newest(&self) -> Option<u64> {
        let asks = self.network.operators.iter().map(|one| slot(&one.lanes.prove, AT_CONFIRMED));
        let mut slots: Vec<u64> = join_all(asks).await.into_iter().flatten().collect();
        slots.sort_unstable_by(|a, b| b.cmp(a));
        slots.get(self.network.quorum.saturating_sub(1)).copied()
    }

    /// Time of a block, seconds since 1970; zero when nobody tells in time. Only for people: it dates faults that
    /// are found before the first new block.
    async fn time_of(&self, block: BlockRef) -> u64 {
        let asks = self.network.operators.iter().map(|operator| async move {
            let asked = told(&operator.lanes.prove, &self.compiled.decoder, block.height);
            tokio::time::timeout(limits::CHAIN_CHECK, asked).await
        });
        let known = join_all(asks)
            .await
            .into_iter()
            .find_map(|answer| answer.ok()?.ok().filter(|told| told.block == block));
        known.map_or(0, |told| told.time)
    }
}

/// The last block that an operator has at or below a slot, with its time.
async fn last_block(
    operator: &Operator,
    compiled: &Compiled,
    below: u64,
) -> Result<(BlockRef, u64), RpcError> {
    let client = &operator.lanes.prove;
    let list = blocks_between(client, below.saturating_sub(limits::LIST_SLOTS), below).await?;
    let last = list.last().copied().ok_or_else(|| RpcError::garbage("slot with a block"))?;
    let told = told(client, &compiled.decoder, last).await?;
    Ok((told.block, told.time))
}

#[async_trait]
impl Observe for SolanaObserver {
    fn chain(&self) -> ChainId {
        self.network.chain
    }

    async fn observe(
        &self,
        from: Option<Cursor>,
        feed: Feed,
        stop: CancellationToken,
    ) -> Result<(), AdapterError> {
        self.check_chains().await?;
        let (window, began_here) = match from {
            Some(cursor) => {
                let mut window = batch::window(self.network.chain, &cursor)?;
                if let Some(tip) = window.back_mut() {
                    tip.time = self.time_of(tip.block).await;
                }
                let began = self.compiled.config.start_height.max(1);
                let below = window.front().is_some_and(|oldest| oldest.block.height < began);
                (window, below)
            }
            None => match self.anchor(&stop).await {
                Some(anchor) => (VecDeque::from([anchor]), true),
                None => return Ok(()),
            },
        };
        // The watchers end with this call, however it ends.
        let watching = stop.child_token();
        let _ends_watchers = watching.clone().drop_guard();
        let (reports, inbox) = mpsc::channel(limits::REPORTS_QUEUE);
        for operator in 0..self.network.operators.len() {
            let watcher = push::Watcher {
                operator,
                compiled: Arc::clone(&self.compiled),
                network: Arc::clone(&self.network),
                reports: reports.clone(),
                stop: watching.clone(),
            };
            let blocks = pushed::BlockWatcher {
                operator,
                compiled: Arc::clone(&self.compiled),
                network: Arc::clone(&self.network),
                reports: reports.clone(),
                stop: watching.clone(),
            };
            tokio::spawn(watcher.run());
            tokio::spawn(blocks.run());
        }
        tokio::spawn(clocks::watch_regime(Arc::clone(&self.network), reports.clone(), watching.clone()));
        let assembler = Assembler::new(
            Arc::clone(&self.compiled),
            Arc::clone(&self.network),
            (window, began_here),
            reports,
            watching,
        );
        assembler.run(inbox, feed).await;
        Ok(())
    }
}
