//! Observing one chain through all its operators.
//!
//! *Who is in the play.* One [`push`] watcher per operator brings heads and logs, by websocket or by polling. The
//! [`assembler`] holds the [`tree`] of headers, the [`logs`] book and the [`health`] of operators, decides what is
//! delivered and what is retracted, and is the only one that sends batches. [`backfill`] fetches ranges while far
//! behind. All of them speak to the assembler in [`Report`]s over one bounded queue: a slow feed slows the
//! sockets down and nothing is dropped.
//!
//! A block is delivered when a quorum of operators stands on it *and* a quorum says the same about its logs (or
//! its bloom excludes every watched contract). `docs/adr/0007-delivery-by-quorum.md` says why.

mod assembler;
mod backfill;
mod batch;
mod health;
mod logs;
mod pace;
mod pending;
mod push;
mod tree;

use std::{collections::VecDeque, sync::Arc, time::Instant};

use async_trait::async_trait;
use futures::future::join_all;
use portcullis_adapter::{AdapterError, Class, Cursor, Feed, Observe};
use portcullis_rpc::{RpcError, Wait, quorum};
use portcullis_verifier::{B256, BlockRef, ChainId, FaultKind, Observation};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::{
    config::{Compiled, Finality},
    finality, limits,
    transport::{At, Head, LogSet, Network, chain_number, head},
};

#[cfg(feature = "testing")]
pub(crate) use batch::decode_block;
#[cfg(feature = "testing")]
pub(crate) use pending::{Simulated, read_waiting};

use assembler::Assembler;
use tree::Delivered;

/// What the watchers tell the assembler.
#[derive(Debug)]
pub(crate) enum Report {
    /// An operator's new head. `asked`: its logs have been asked for already.
    Head { operator: usize, head: Head, at: Instant, asked: bool },
    /// An ancestor that was asked for.
    Ancestor { operator: usize, head: Head },
    /// An ancestor could not be had from that operator.
    NoAncestor { operator: usize, block: BlockRef, error: Option<RpcError> },
    /// What an operator says about a block's logs.
    Logs { operator: usize, block: BlockRef, answer: Result<LogSet, RpcError> },
    /// A log of a watched contract was pushed: its block cannot be without logs.
    Hint { operator: usize, block: BlockRef },
    /// A waiting transaction would emit something.
    Preview(pending::Preview),
    /// An operator's endpoint fails.
    Trouble { operator: usize, kind: FaultKind, what: String },
    /// What an operator calls safe and final.
    Settled { operator: usize, safe: u64, last: u64 },
    /// What an operator calls safe or final is no block.
    Unsettled { operator: usize, error: RpcError },
    /// Before ranges are fetched: where the window meets the chain.
    Fork(backfill::Fork),
    /// A range was fetched; ranges come in order.
    Range(backfill::Range),
    /// Ranges cannot be had for now.
    RangesFailed { what: String },
}

/// Watches one chain.
#[derive(Debug, Clone)]
pub struct EvmObserver {
    compiled: Arc<Compiled>,
    network: Arc<Network>,
}

impl EvmObserver {
    pub(crate) fn new(compiled: Arc<Compiled>, network: Arc<Network>) -> Self {
        Self { compiled, network }
    }

    /// Refuses to begin when so many endpoints serve another chain that no quorum can ever agree. Who does not
    /// answer now may come back: its watcher asks again.
    async fn check_chains(&self) -> Result<(), AdapterError> {
        let asks = self.network.operators.iter().map(|operator| async move {
            let asked = chain_number(&operator.lanes.prove);
            tokio::time::timeout(limits::CHAIN_CHECK, asked).await
        });
        let wrong = |number: u64| number != self.compiled.chain_number;
        let answers = join_all(asks).await;
        let foreign =
            answers.iter().filter(|answer| matches!(answer, Ok(Ok(number)) if wrong(*number))).count();
        let left = self.network.operators.len().saturating_sub(foreign);
        if left < self.network.quorum {
            let what = format!(
                "{foreign} of {} endpoints serve another chain and {} must agree; correct their URLs",
                self.network.operators.len(),
                self.network.quorum
            );
            return Err(AdapterError::new(self.network.chain, None, Class::Permanent, what));
        }
        Ok(())
    }

    /// Time of a block, seconds since 1970; zero when nobody tells in time. Only for people: it dates faults that
    /// are found before the first new block.
    async fn time_of(&self, block: BlockRef) -> u64 {
        let asks = self.network.operators.iter().map(|operator| async move {
            tokio::time::timeout(limits::CHAIN_CHECK, head(&operator.lanes.prove, At::Hash(block.hash))).await
        });
        let known = join_all(asks).await.into_iter().find_map(|answer| answer.ok()?.ok().flatten());
        known.map_or(0, |head| head.time)
    }

    /// The block above which watching begins when there is no cursor; waits until a quorum tells it.
    async fn anchor(&self, stop: &CancellationToken) -> Option<Delivered> {
        let height = self.compiled.config.start_height.saturating_sub(1);
        loop {
            let questions = self.network.operators.iter().map(|operator| {
                let client = operator.lanes.prove.clone();
                (operator.name, async move {
                    head(&client, At::Number(height))
                        .await?
                        .ok_or_else(|| RpcError::garbage("block to begin at"))
                })
            });
            match quorum(questions, self.network.quorum, Wait::Grace(limits::GRACE_MAX)).await {
                Ok(agreed) => {
                    let head = agreed.value;
                    return Some(Delivered { block: head.block, time: head.time, events: nothing() });
                }
                Err(split) => {
                    tracing::warn!(chain = %self.network.chain, height, %split, "the first block is not there yet");
                }
            }
            let pause = core::time::Duration::from_millis(self.compiled.config.poll_ms);
            tokio::select! {
                () = stop.cancelled() => return None,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }
}

/// The window that a cursor describes, oldest first.
///
/// # Errors
/// `Permanent` when the cursor is empty, not contiguous, or of another chain: a cursor that cannot be trusted must not
/// decide what is skipped.
fn window(chain: ChainId, cursor: &Cursor) -> Result<VecDeque<Delivered>, AdapterError> {
    let broken =
        |what: String| AdapterError::new(chain, None, Class::Permanent, format!("the cursor {what}"));
    if cursor.chain != chain {
        return Err(broken(format!("is of chain {}", cursor.chain)));
    }
    let mut out: VecDeque<Delivered> = VecDeque::new();
    for block in &cursor.recent {
        if let Some(newer) = out.front()
            && block.height.checked_add(1) != Some(newer.block.height)
        {
            return Err(broken(format!("has a gap at height {}", block.height)));
        }
        let held = cursor.undoable.iter().find(|(at, _)| at == block);
        let events = held.map_or_else(nothing, |(_, events)| Arc::clone(events));
        let time = events.first().map_or(0, Observation::time);
        out.push_front(Delivered { block: *block, time, events });
    }
    if out.is_empty() { Err(broken("names no block".to_owned())) } else { Ok(out) }
}

#[async_trait]
impl Observe for EvmObserver {
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
        let start = self.compiled.config.start_height;
        let (window, began_here) = match from {
            Some(cursor) => {
                let mut window = window(self.network.chain, &cursor)?;
                if let Some(tip) = window.back_mut() {
                    tip.time = self.time_of(tip.block).await;
                }
                let began = window.front().is_some_and(|oldest| oldest.block.height < start.max(1));
                (window, began)
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
        for at in 0..self.network.operators.len() {
            let watcher = push::Watcher {
                operator: at,
                compiled: Arc::clone(&self.compiled),
                network: Arc::clone(&self.network),
                reports: reports.clone(),
                stop: watching.clone(),
            };
            tokio::spawn(watcher.run());
        }
        if self.compiled.config.finality == Finality::Tags {
            tokio::spawn(finality::watch(Arc::clone(&self.network), reports.clone(), watching.clone()));
        }
        let assembler = Assembler::new(
            Arc::clone(&self.compiled),
            Arc::clone(&self.network),
            (window, began_here),
            reports,
            watching.clone(),
        );
        assembler.run(inbox, feed).await;
        Ok(())
    }
}

/// The events of a block that has none.
fn nothing() -> Arc<[Observation]> {
    Arc::from([])
}

/// The digest of no logs: what a bloom that excludes every watched contract stands for.
fn no_logs() -> B256 {
    LogSet::check(Vec::new(), &[], crate::transport::Span::Range(0, 0)).map_or(B256::ZERO, |set| set.digest)
}
