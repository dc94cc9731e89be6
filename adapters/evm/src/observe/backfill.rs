//! Catching up in ranges while far behind: adaptive, several in flight, committed in order.
//!
//! Every range is asked of as many operators as must agree, and their answers are compared like everything else.
//! An error is never "no match": the range is halved and asked again, or catching up fails and is tried later.
//!
//! What is left to the assembler is to put ranges behind one another. Reading a long answer, hashing its logs and decoding
//! them takes about as long as a node next door needs to give it, so each range does that in a task of its own.

use core::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use alloy::{primitives::Address, rpc::types::Log};
use futures::{
    FutureExt, StreamExt, TryStreamExt,
    future::{BoxFuture, ready, select_all},
    stream,
};
use portcullis_rpc::{Agreement, Operator, RpcError, Split, Wait, quorum};
use portcullis_verifier::{B256, BlockRef, FaultKind, Observation, OperatorId};
use tokio::{
    sync::mpsc,
    time::{sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

use super::Report;
use crate::{
    config::Compiled,
    limits,
    transport::{At, Head, LogSet, Network, Span, head, range_logs_request},
    wire::{WireLog, logs_of},
};

/// A range of blocks with everything that must be known of it.
#[derive(Debug)]
pub(crate) struct Range {
    /// First block.
    pub(crate) from: u64,
    /// Last block.
    pub(crate) to: Head,
    /// Blocks that hold logs of watched contracts, in order.
    pub(crate) blocks: Vec<Decoded>,
}

/// What happened in one block of a range.
#[derive(Debug)]
pub(crate) struct Decoded {
    pub(crate) block: BlockRef,
    /// Seconds since 1970.
    pub(crate) time: u64,
    /// In order.
    pub(crate) events: Vec<Observation>,
}

/// Where a window of delivered blocks meets the chain.
#[derive(Debug, Clone)]
pub(crate) enum Fork {
    /// At its newest block that is still on the chain.
    At(Head),
    /// Nowhere; this block lies just below its oldest.
    Below(Head),
}

/// Fetches ranges.
pub(super) struct Backfill {
    compiled: Arc<Compiled>,
    network: Arc<Network>,
    addresses: Vec<Address>,
    /// Operators to ask first; the others are asked when these do not agree.
    usable: Vec<usize>,
    reports: mpsc::Sender<Report>,
    stop: CancellationToken,
    /// Blocks that a range may have, as the ones before taught.
    size: AtomicU64,
    /// Questions asked so far: each begins at another operator.
    turn: AtomicU64,
}

/// Why a range could not be had.
#[derive(Debug)]
struct Failure {
    what: String,
    /// Operators answered, each something else.
    differ: bool,
}

impl core::fmt::Display for Failure {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(&self.what)
    }
}

/// Who was asked, and the answer that is on its way.
type Asked<'a, T> = (OperatorId, BoxFuture<'a, Result<T, RpcError>>);
/// Who answered, and what.
type Said<T> = (OperatorId, Result<T, RpcError>);

/// Moves answers from `open` to `said` as they come, until none is open. May be dropped at any time.
async fn collect<T>(open: &mut Vec<Asked<'_, T>>, said: &mut Vec<Said<T>>) {
    while !open.is_empty() {
        let (answer, at, _) = select_all(open.iter_mut().map(|(_, answer)| answer)).await;
        let (name, _) = open.swap_remove(at);
        said.push((name, answer));
    }
}

/// The answer that all gave; all of them otherwise.
fn unanimous<T: PartialEq>(mut said: Vec<Said<T>>) -> Result<T, Vec<Said<T>>> {
    let same = said.iter().all(|(_, one)| {
        said.first().is_some_and(|(_, first)| matches!((one, first), (Ok(one), Ok(first)) if one == first))
    });
    match said.pop() {
        Some((_, Ok(value))) if same => Ok(value),
        Some(last) => {
            said.push(last);
            Err(said)
        }
        None => Err(said),
    }
}

impl Backfill {
    pub(super) fn new(
        compiled: Arc<Compiled>,
        network: Arc<Network>,
        usable: Vec<usize>,
        reports: mpsc::Sender<Report>,
        stop: CancellationToken,
    ) -> Self {
        let addresses = compiled.decoder.addresses().collect();
        let (size, turn) = (AtomicU64::new(limits::RANGE_START_BLOCKS), AtomicU64::new(0));
        Self { compiled, network, addresses, usable, reports, stop, size, turn }
    }

    /// Finds the newest block of `window` (newest first) that is still on the chain, then fetches everything
    /// above it up to `to` and reports every range in order. Ends after the last range or the first failure.
    pub(super) async fn run(self, window: Vec<BlockRef>, to: u64) {
        let stop = self.stop.clone();
        let this = Arc::new(self);
        tokio::select! {
            () = stop.cancelled() => {}
            () = this.catch_up(&window, to) => {}
        }
    }

    async fn catch_up(self: &Arc<Self>, window: &[BlockRef], to: u64) {
        let fork = match self.fork(window).await {
            Ok(fork) => fork,
            Err(failure) => {
                let _observer_gone = self.reports.send(Report::RangesFailed { what: failure.what }).await;
                return;
            }
        };
        // Without a fork point the assembler starts again elsewhere and asks anew.
        let from = match &fork {
            Fork::At(head) => Some(head.block.height.saturating_add(1)),
            Fork::Below(_) => None,
        };
        if self.reports.send(Report::Fork(fork)).await.is_err() {
            return;
        }
        if let Some(from) = from {
            self.fetch(from, to).await;
        }
    }

    /// SECURITY: what happened while nobody watched may have replaced delivered blocks. Ranges are only added on
    /// top of a block that the quorum still has.
    async fn fork(&self, window: &[BlockRef]) -> Result<Fork, Failure> {
        for block in window {
            let now = self.agree(0, |operator| head(&operator.lanes.read, At::Number(block.height)));
            if let Some(head) = now.await?.filter(|head| head.block == *block) {
                return Ok(Fork::At(head));
            }
        }
        let below = window.last().map_or(0, |oldest| oldest.height.saturating_sub(1));
        let known = self.agree(0, |operator| async move {
            let head = head(&operator.lanes.read, At::Number(below)).await?;
            head.ok_or_else(|| RpcError::garbage("block of a reached height"))
        });
        known.await.map(Fork::Below)
    }

    async fn fetch(self: &Arc<Self>, from: u64, to: u64) {
        // Cut lazily, so that each range has the size that the ones before it taught.
        let mut next = from;
        let cuts = core::iter::from_fn(|| {
            if next > to {
                return None;
            }
            let first = next;
            let blocks = self.size.load(Ordering::Relaxed).max(1);
            let last = first.saturating_add(blocks.saturating_sub(1)).min(to);
            next = last.saturating_add(1);
            Some((first, last))
        });
        let mut ranges = Box::pin(
            stream::iter(cuts)
                .map(|(first, last)| {
                    let this = Arc::clone(self);
                    AbortOnDropHandle::new(tokio::spawn(async move { this.range(first, last).await }))
                })
                .buffered(limits::RANGES_IN_FLIGHT),
        );
        while let Some(result) = ranges.next().await {
            let broken = |why| Failure { what: format!("reading a range broke down: {why}"), differ: false };
            match result.map_err(broken).flatten() {
                Ok(parts) => {
                    for part in parts {
                        if self.reports.send(Report::Range(part)).await.is_err() {
                            return;
                        }
                    }
                }
                Err(failure) => {
                    let _observer_gone = self.reports.send(Report::RangesFailed { what: failure.what }).await;
                    return;
                }
            }
        }
    }

    /// One range, in parts where it had to be halved.
    fn range(&self, first: u64, last: u64) -> BoxFuture<'_, Result<Vec<Range>, Failure>> {
        Box::pin(async move {
            let mut attempt = 0u32;
            loop {
                let blocks = last.saturating_sub(first).saturating_add(1);
                match self.once(first, last, self.turn.fetch_add(1, Ordering::Relaxed)).await {
                    Ok(range) => {
                        if blocks >= self.size.load(Ordering::Relaxed) {
                            let grown = blocks.saturating_add(blocks / 4).saturating_add(1);
                            self.size.fetch_max(grown.min(limits::RANGE_MAX_BLOCKS), Ordering::Relaxed);
                        }
                        return Ok(vec![range]);
                    }
                    Err(what) => {
                        tracing::debug!(chain = %self.network.chain, first, last, %what, "range failed");
                        if blocks > 1 {
                            let half = blocks / 2;
                            self.size.fetch_min(half.max(1), Ordering::Relaxed);
                            let middle = first.saturating_add(half.saturating_sub(1));
                            let mut parts = self.range(first, middle).await?;
                            parts.extend(self.range(middle.saturating_add(1), last).await?);
                            return Ok(parts);
                        }
                        attempt = attempt.saturating_add(1);
                        if attempt >= limits::RANGE_ATTEMPTS {
                            return Err(what);
                        }
                        sleep(Duration::from_millis(limits::LOGS_RETRY_MS).saturating_mul(attempt)).await;
                    }
                }
            }
        })
    }

    /// Asks for one range and its last header, in agreement.
    async fn once(&self, first: u64, last: u64, turn: u64) -> Result<Range, Failure> {
        let header = self.agree(turn, |operator| async move {
            head(&operator.lanes.read, At::Number(last))
                .await?
                .ok_or_else(|| RpcError::garbage("block of a range"))
        });
        let (logs, to) = tokio::join!(self.logs(first, last, turn, true), header);
        let logs = match logs {
            // Some nodes tell times and some do not, or somebody lies about them: what is left to agree on is the logs.
            Err(failure) if failure.differ => self.logs(first, last, turn, false).await?,
            logs => logs?,
        };
        let blocks = self.decoded(&self.timed(logs.logs).await?)?;
        Ok(Range { from: first, to: to?, blocks })
    }

    /// What the logs of a range mean, block by block.
    fn decoded(&self, logs: &[(Log, u64)]) -> Result<Vec<Decoded>, Failure> {
        let mut blocks: Vec<Decoded> = Vec::new();
        for (log, time) in logs {
            let height = log.block_number.unwrap_or_default();
            if blocks.last().is_none_or(|newest| newest.block.height != height) {
                let block = BlockRef { height, hash: log.block_hash.unwrap_or_default() };
                blocks.push(Decoded { block, time: *time, events: Vec::new() });
            }
            let Some(newest) = blocks.last_mut() else { continue };
            let event = self.compiled.decoder.observation(log, newest.time).map_err(|error| {
                // Checked when the answer came; were it missed there, standing still beats skipping.
                tracing::error!(chain = %self.network.chain, %error, "agreed logs do not decode");
                Failure { what: error.to_string(), differ: false }
            })?;
            newest.events.extend(event);
        }
        Ok(blocks)
    }

    async fn logs(&self, first: u64, last: u64, turn: u64, dated: bool) -> Result<LogSet, Failure> {
        let addresses = &self.addresses;
        let asked = self.agree(turn, |operator| async move {
            if addresses.is_empty() {
                return LogSet::check(Vec::new(), addresses, Span::Range(first, last));
            }
            let request = range_logs_request(addresses, first, last);
            let logs: Vec<WireLog> = operator.lanes.read.ask(request, "list of logs").await?;
            let set = LogSet::check(logs_of(logs), addresses, Span::Range(first, last))?;
            Ok(if dated { set } else { set.undated() })
        });
        asked.await
    }

    /// Asks as many operators as must agree; the others too when those do not, or keep us waiting. Who was asked first
    /// is not asked again: an answer that takes long is still on its way.
    async fn agree<'a, T, F, Fut>(&'a self, turn: u64, question: F) -> Result<T, Failure>
    where
        T: PartialEq + Send + 'a,
        F: Fn(&'a Operator) -> Fut,
        Fut: Future<Output = Result<T, RpcError>> + Send + 'a,
    {
        let needed = self.network.quorum;
        let all: Vec<&Operator> =
            self.usable.iter().filter_map(|at| self.network.operators.get(*at)).collect();
        let skip = usize::try_from(turn).unwrap_or(0).checked_rem(all.len().max(1)).unwrap_or(0);
        let some = all.iter().cycle().skip(skip).take(needed.min(all.len()));
        let mut open: Vec<Asked<'a, T>> = some.map(|o| (o.name, question(o).boxed())).collect();
        let asked: Vec<OperatorId> = open.iter().map(|(name, _)| *name).collect();
        // One that hangs must not hold the others up for the length of its time-out, range after range.
        let mut said = Vec::with_capacity(open.len());
        let _some_are_late = timeout(limits::RANGE_HANG, collect(&mut open, &mut said)).await;
        if open.is_empty() && said.len() >= needed {
            match unanimous(said) {
                Ok(value) => return Ok(value),
                Err(several) => said = several,
            }
        }
        let told = said.into_iter().map(|(name, answer)| (name, ready(answer).boxed()));
        let rest = self.network.operators.iter().filter(|o| !asked.contains(&o.name));
        let everybody = told.chain(open).chain(rest.map(|o| (o.name, question(o).boxed())));
        let grace = Wait::Grace(limits::GRACE_MAX);
        let result: Result<Agreement<T>, Split<T>> = quorum(everybody, needed, grace).await;
        match result {
            Ok(agreed) => {
                self.name(agreed.dissenting.iter().flat_map(|(_, who)| who), &agreed.failed);
                Ok(agreed.value)
            }
            Err(split) => {
                self.name([].iter(), &split.failed);
                Err(Failure { what: split.to_string(), differ: split.groups.len() > 1 })
            }
        }
    }

    fn name<'a>(&self, dissenting: impl Iterator<Item = &'a OperatorId>, failed: &[(OperatorId, RpcError)]) {
        for operator in dissenting {
            let what = "another answer about a range of old blocks than the quorum";
            self.network.faults.bad(*operator, FaultKind::DissentLogs, what);
        }
        for (operator, error) in failed {
            // A refused range is the node's right; nonsense is not.
            if error.class() == portcullis_adapter::Class::Untrusted {
                self.network.faults.failed(*operator, "range of old blocks", error);
            }
        }
    }

    /// Adds the time of each log's block; asks for headers only where the node left the time out, several at a time.
    async fn timed(&self, logs: Vec<Log>) -> Result<Vec<(Log, u64)>, Failure> {
        let untimed = logs.iter().filter(|log| log.block_timestamp.is_none());
        let untimed: BTreeSet<B256> = untimed.filter_map(|log| log.block_hash).collect();
        let known: BTreeMap<B256, u64> = stream::iter(untimed)
            .map(|block| async move { Ok::<_, Failure>((block, self.time_of(block).await?)) })
            .buffer_unordered(limits::TIMES_IN_FLIGHT)
            .try_collect()
            .await?;
        let time = |log: &Log| log.block_timestamp.or_else(|| known.get(&log.block_hash?).copied());
        logs.into_iter()
            .map(|log| match time(&log) {
                Some(time) => Ok((log, time)),
                None => Err(Failure { what: "a log without its block".to_owned(), differ: false }),
            })
            .collect()
    }

    /// The time of a block. One operator is enough: the hash, which a quorum named with the logs, binds it.
    async fn time_of(&self, block: B256) -> Result<u64, Failure> {
        let usable = self.usable.iter().filter_map(|at| self.network.operators.get(*at));
        for operator in usable.chain(&self.network.operators) {
            match head(&operator.lanes.read, At::Hash(block)).await {
                Ok(Some(head)) => return Ok(head.time),
                Ok(None) => {}
                Err(error) => self.name([].iter(), &[(operator.name, error)]),
            }
        }
        Err(Failure { what: format!("nobody tells the time of block {block}"), differ: false })
    }
}
