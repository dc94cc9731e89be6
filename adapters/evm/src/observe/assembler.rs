//! The one place that decides what is delivered, what is retracted, and who is named.
//!
//! It runs alone over one queue of reports, so that no order of arrival needs a lock. Everything that waits
//! (fetching an ancestor, asking for logs) is a task that reports back.

mod deliver;
mod fetch;
mod watchful;

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

use alloy::primitives::Address;
use portcullis_adapter::{Batch, Class, Feed};
use portcullis_rpc::{RpcError, faults::count_fault, health::Trouble as _};
use portcullis_verifier::{B256, BlockRef, FaultKind, OperatorId};
use tokio::{sync::mpsc, time};
use tokio_util::sync::CancellationToken;

use super::{
    Report,
    health::{Health, Trouble},
    logs::{Compared, LogBook},
    pace::Pace,
    tree::{Delivered, Target, Tree},
};
use crate::{
    config::Compiled,
    error::chain_of,
    finality::Settled,
    limits,
    transport::{Head, LogSet, Network},
};

/// See the module.
pub(super) struct Assembler {
    compiled: Arc<Compiled>,
    network: Arc<Network>,
    addresses: Vec<Address>,
    tree: Tree,
    book: LogBook,
    health: Health,
    settled: Settled,
    reports: mpsc::Sender<Report>,
    stop: CancellationToken,
    /// Whether blooms are believed when they exclude a block.
    bloom: bool,
    /// Blocks that a pushed log named.
    hinted: BTreeMap<B256, u64>,
    /// Waiting transactions that were told, oldest first.
    previewed: VecDeque<B256>,
    /// Ancestors under way, since when.
    fetching: BTreeMap<B256, Instant>,
    /// The last block of the ranges under way.
    ranging: Option<u64>,
    /// No ranges before then.
    range_pause: Option<Instant>,
    /// Time of the newest block that a quorum had reached when it was last asked, seconds since 1970.
    head_time: u64,
    started: Instant,
    /// When any operator last brought a block that was new.
    moved: Instant,
    /// When operators in trouble were last given a chance.
    probed: Instant,
    /// How fast the chain goes, and who is quieter than that.
    pace: Pace,
    /// Since when each operator is behind the newest head without a word, or when it was last asked about that.
    behind_since: Vec<Option<Instant>>,
    /// Since when each operator's head contradicts or hangs.
    off_since: Vec<Option<Instant>>,
    /// Since when a quorum is ahead without a block that it agrees on.
    torn_since: Option<Instant>,
    /// Failures in a row to tell logs.
    log_failures: Vec<u32>,
    outbox: VecDeque<Batch>,
}

impl Assembler {
    pub(super) fn new(
        compiled: Arc<Compiled>,
        network: Arc<Network>,
        (window, began_here): (VecDeque<Delivered>, bool),
        reports: mpsc::Sender<Report>,
        stop: CancellationToken,
    ) -> Self {
        let operators = network.operators.len();
        let bound = usize::try_from(compiled.config.reorg_bound_blocks).unwrap_or(usize::MAX);
        Self {
            addresses: compiled.decoder.addresses().collect(),
            tree: Tree::new(window, began_here, bound, network.quorum, operators),
            book: LogBook::default(),
            health: Health::default(),
            settled: Settled::new(compiled.config.finality, network.quorum, operators),
            bloom: compiled.config.bloom,
            hinted: BTreeMap::new(),
            previewed: VecDeque::new(),
            fetching: BTreeMap::new(),
            ranging: None,
            range_pause: None,
            head_time: 0,
            started: Instant::now(),
            moved: Instant::now(),
            probed: Instant::now(),
            pace: Pace::new(operators, Duration::from_millis(compiled.config.poll_ms), Instant::now()),
            behind_since: vec![None; operators],
            off_since: vec![None; operators],
            torn_since: None,
            log_failures: vec![0; operators],
            outbox: VecDeque::new(),
            compiled,
            network,
            reports,
            stop,
        }
    }

    /// Runs until asked to stop or until the feed closes.
    pub(super) async fn run(mut self, mut inbox: mpsc::Receiver<Report>, feed: Feed) {
        let stop = self.stop.clone();
        let mut ticks = time::interval(Duration::from_millis(limits::TICK_MS));
        ticks.set_missed_tick_behavior(time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = feed.closed() => return,
                report = inbox.recv() => match report {
                    None => return,
                    Some(report) => self.take(report),
                },
                _ = ticks.tick() => self.look_around(),
            }
            self.advance();
            self.keep_pace();
            self.tell_faults();
            while let Some(batch) = self.outbox.pop_front() {
                metrics::histogram!("portcullis_observe_seconds", "chain" => self.network.chain.as_str().to_owned())
                    .record(batch.seen_at.elapsed());
                tokio::select! {
                    () = stop.cancelled() => return,
                    sent = feed.send(batch) => if sent.is_err() { return },
                }
            }
        }
    }

    fn name(&self, operator: usize) -> Option<OperatorId> {
        self.network.operators.get(operator).map(|operator| operator.name)
    }

    fn raise(&mut self, operator: usize, trouble: Trouble, what: &str) {
        let name = self.name(operator);
        let new = !self.health.has(name, trouble);
        if new {
            tracing::warn!(chain = %self.network.chain, operator = ?name, ?trouble, what, "endpoint fault");
        }
        if let Some(name) = name.filter(|_| new || !trouble.by_the_clock()) {
            count_fault(name, trouble.kind());
        }
        self.health.raise(name, trouble, what);
    }

    fn lower(&mut self, operator: usize, trouble: Trouble) {
        let name = self.name(operator);
        self.health.lower(name, trouble);
    }

    fn take(&mut self, report: Report) {
        match report {
            Report::Head { operator, head, at, asked } => self.take_head(operator, head, at, asked),
            Report::Ancestor { operator, head } => {
                self.fetching.remove(&head.block.hash);
                self.add(head, Instant::now(), operator);
            }
            Report::NoAncestor { operator, block, error } => {
                if let Some(error) = error.filter(|error| error.class() == Class::Untrusted) {
                    self.raise(operator, Trouble::GarbageHead, &chain_of(&error));
                }
                tracing::debug!(operator, height = block.height, "an ancestor could not be had");
            }
            Report::Logs { operator, block, answer } => self.take_logs(operator, block, answer),
            Report::Hint { operator, block } => self.take_hint(operator, block),
            Report::Preview(preview) => self.take_preview(&preview),
            Report::Trouble { operator, kind, what } => {
                let trouble = match kind {
                    FaultKind::Garbage => Trouble::GarbageHead,
                    _ => Trouble::Dark,
                };
                self.raise(operator, trouble, &what);
                self.tree.unpoint(operator);
            }
            Report::Settled { operator, safe, last } => {
                self.lower(operator, Trouble::GarbageTags);
                self.settled.report(operator, safe, last);
            }
            Report::Unsettled { operator, error } => {
                let what = format!("its safe or final block: {}", chain_of(&error));
                self.raise(operator, Trouble::GarbageTags, &what);
            }
            Report::Fork(fork) => self.take_fork(fork),
            Report::Range(range) => self.take_range(range),
            Report::RangesFailed { what } => {
                self.ranging = None;
                self.range_pause = Instant::now().checked_add(Duration::from_millis(limits::RANGE_PAUSE_MS));
                tracing::warn!(chain = %self.network.chain, what, "catching up failed; it is tried again");
            }
        }
    }

    fn add(&mut self, head: Head, seen: Instant, operator: usize) -> bool {
        let kept = self.tree.add(head, seen, operator);
        if !kept {
            self.raise(operator, Trouble::GarbageHead, "too many headers that lead nowhere");
        }
        kept
    }

    fn take_head(&mut self, operator: usize, head: Head, at: Instant, asked: bool) {
        let block = head.block;
        let concerns =
            !self.addresses.is_empty() && (!self.bloom || head.may_concern(&self.compiled.decoder));
        if self.tree.known(&block.hash).is_none() {
            self.moved = Instant::now();
            self.health.lower(None, Trouble::Stalled);
        }
        if !self.add(head, at, operator) {
            return;
        }
        let retry = Duration::from_millis(limits::LOGS_RETRY_MS);
        if asked {
            self.book.asked(operator, block, at);
        } else if concerns && self.book.wants(operator, block, at, retry) {
            // Even where the block is delivered already: what a slow operator says is compared like the rest.
            self.book.asked(operator, block, at);
            self.ask_one(operator, block);
        }
        if self.tree.head_of(operator).map(|head| head.block) != Some(block) {
            self.pace.heard(operator, Instant::now());
        }
        self.tree.point(operator, block);
        if let Some(since) = self.behind_since.get_mut(operator) {
            *since = None;
        }
        self.lower(operator, Trouble::Dark);
        self.lower(operator, Trouble::GarbageHead);
    }

    fn take_logs(&mut self, operator: usize, block: BlockRef, answer: Result<LogSet, RpcError>) {
        let now = Instant::now();
        match answer {
            Ok(logs) => {
                if let Some(failures) = self.log_failures.get_mut(operator) {
                    *failures = 0;
                }
                self.lower(operator, Trouble::NoLogs);
                self.lower(operator, Trouble::GarbageLogs);
                match self.book.said(operator, block, logs, now) {
                    Compared::Open => {}
                    Compared::Same => self.lower(operator, Trouble::DissentLogs),
                    Compared::Other => self.logs_differ(operator, block.height),
                }
            }
            Err(error) => {
                self.book.failed(operator, block, now);
                if error.class() == Class::Untrusted {
                    let what = format!("logs of block {}: {}", block.height, chain_of(&error));
                    self.raise(operator, Trouble::GarbageLogs, &what);
                    return;
                }
                let failures = self.log_failures.get_mut(operator).map_or(0, |failures| {
                    *failures = failures.saturating_add(1);
                    *failures
                });
                // Once may be a node that has not indexed the block yet.
                if failures >= limits::LOG_FAILURES {
                    let what =
                        format!("it does not tell the logs of block {}: {}", block.height, chain_of(&error));
                    self.raise(operator, Trouble::NoLogs, &what);
                }
            }
        }
    }

    fn logs_differ(&mut self, operator: usize, height: u64) {
        let what = format!("its logs of block {height} are not those of the quorum");
        self.raise(operator, Trouble::DissentLogs, &what);
    }

    /// A log of a watched contract was pushed for a block. Where the block's bloom says that there can be none,
    /// the chain leaves blooms empty (or the operator lies: then all that is lost is a shortcut).
    fn take_hint(&mut self, operator: usize, block: BlockRef) {
        while self.hinted.len() >= limits::HINTS_MAX {
            self.hinted.pop_first();
        }
        self.hinted.insert(block.hash, block.height);
        let denied = |head: &Head| !head.may_concern(&self.compiled.decoder);
        if !self.bloom || !self.tree.known(&block.hash).is_some_and(denied) {
            return;
        }
        self.bloom = false;
        let name = self.name(operator);
        let what =
            format!("a log of block {} is not in its bloom; blooms are no longer believed", block.height);
        tracing::warn!(chain = %self.network.chain, what);
        self.health.tell(name, FaultKind::Garbage, &what);
        // What was delivered on the word of a bloom is delivered again on the word of its logs.
        let position = self.tree.window().iter().position(|delivered| delivered.block == block);
        if let Some(before) = position.and_then(|at| at.checked_sub(1)) {
            self.retract_only(before);
        }
    }

    /// Takes every step that what is known allows.
    fn advance(&mut self) {
        if self.ranging.is_some() || self.start_ranges() {
            return;
        }
        loop {
            match self.tree.target() {
                Target::Stay => break,
                Target::Abandon(block) => self.abandon(block),
                Target::Move { fork, blocks } => {
                    if !self.deliver(fork, &blocks) {
                        break;
                    }
                }
            }
        }
        self.fetch_missing();
    }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects)]
#[path = "assembler_tests.rs"]
mod tests;
