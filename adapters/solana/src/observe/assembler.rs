//! Putting together what operators tell: the only one that knows what is delivered, and that sends batches.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

use portcullis_adapter::{Batch, Feed};
use portcullis_rpc::{faults::count_fault, health::Trouble as _};
use portcullis_verifier::{B256, BlockRef, FaultKind, Observation, OperatorId, Progress};
use tokio::{
    sync::mpsc,
    time::{MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;

use super::{
    Report, batch,
    chain::{Chain, Delivered, Step},
    fetch::fetch,
    health::{Health, Trouble, Unproven},
};
use crate::{
    config::Compiled,
    finality::Settled,
    limits,
    transport::{Network, Told},
};

/// One operator, as far as watching goes.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Standing {
    /// The greatest confirmed slot that it told, and when it last told one.
    pub(super) head: Option<(u64, Instant)>,
    /// The slot that it last worked through.
    pub(super) processed: u64,
    /// When it was last asked for its head because it said nothing.
    pub(super) nudged: Option<Instant>,
    /// Whether it is being asked for blocks.
    pub(super) asked: bool,
    /// Failures to tell a block, in a row.
    pub(super) failures: u32,
    /// When it last pushed a block; none where its node does not.
    pub(super) pushed: Option<Instant>,
    /// Not to be asked for any block before this: each answer of who floods us costs as much as a good one.
    pub(super) quiet_until: Option<Instant>,
    /// How often in a row it did not have yet what it was asked for.
    pub(super) not_yet: u32,
}

/// See the module.
pub(super) struct Assembler {
    pub(super) compiled: Arc<Compiled>,
    pub(super) network: Arc<Network>,
    pub(super) reports: mpsc::Sender<Report>,
    stop: CancellationToken,
    pub(super) chain: Chain,
    pub(super) settled: Settled,
    pub(super) standings: Vec<Standing>,
    pub(super) health: Health,
    /// Why nothing more can be proven, as far as it was told.
    pub(super) unproven: BTreeSet<Unproven>,
    /// The greatest slot that the quorum has reached, and when it was first known.
    pub(super) reached: (u64, Instant),
    /// Time of the newest block, seconds since 1970, also after one was undone.
    time: u64,
    /// When a block was last delivered.
    pub(super) delivered_at: Option<Instant>,
    /// Slot and time of the first block that was delivered since watching began.
    began: Option<(u64, u64)>,
    /// Transactions that were previewed, oldest first.
    pub(super) previewed: VecDeque<B256>,
    /// Previews that wait to be sent.
    pub(super) outbox: VecDeque<Batch>,
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
        let chain = Chain::new(window, began_here, bound, network.quorum, operators);
        Self {
            time: chain.tip_time(),
            chain,
            settled: Settled::new(network.quorum, operators),
            standings: vec![Standing::default(); operators],
            health: Health::default(),
            unproven: BTreeSet::new(),
            reached: (0, Instant::now()),
            delivered_at: None,
            began: None,
            previewed: VecDeque::new(),
            outbox: VecDeque::new(),
            compiled,
            network,
            reports,
            stop,
        }
    }

    /// Runs until it is stopped or nobody reads any more.
    pub(super) async fn run(mut self, mut inbox: mpsc::Receiver<Report>, feed: Feed) {
        let mut ticks = interval(Duration::from_millis(limits::TICK_MS));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let stop = self.stop.clone();
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = feed.closed() => return,
                report = inbox.recv() => match report {
                    None => return,
                    Some(report) => self.take(report),
                },
                _ = ticks.tick() => self.tick(),
                () = until(self.awake()) => {}
            }
            loop {
                let batch = self.outbox.pop_front().or_else(|| self.step());
                self.ask();
                let Some(batch) = batch else { break };
                metrics::histogram!("portcullis_observe_seconds", "chain" => self.network.chain.as_str().to_owned())
                    .record(batch.seen_at.elapsed());
                tokio::select! {
                    () = stop.cancelled() => return,
                    sent = feed.send(batch) => if sent.is_err() { return },
                }
            }
        }
    }

    /// When the first operator may be asked again that is not asked now: waiting for the next look at the clocks would cost more
    /// than all the rest of the way.
    fn awake(&self) -> Option<Instant> {
        self.standings.iter().filter(|one| !one.asked).filter_map(|one| one.quiet_until).min()
    }

    pub(super) fn name(&self, operator: usize) -> Option<OperatorId> {
        self.network.operators.get(operator).map(|operator| operator.name)
    }

    pub(super) fn raise(&mut self, operator: usize, trouble: Trouble, what: &str) {
        let Some(name) = self.name(operator) else { return };
        if !self.health.has(Some(name), trouble) {
            tracing::warn!(chain = %self.network.chain, operator = %name, ?trouble, what, "endpoint fault");
        }
        count_fault(name, trouble.kind());
        self.health.raise(Some(name), trouble, what);
    }

    /// As [`Assembler::raise`], for what is seen again at every tick: it is counted once.
    pub(super) fn raise_once(&mut self, operator: usize, trouble: Trouble, what: &str) {
        if !self.health.has(self.name(operator), trouble) {
            self.raise(operator, trouble, what);
        }
    }

    pub(super) fn lower(&mut self, operator: usize, troubles: &[Trouble]) {
        let Some(name) = self.name(operator) else { return };
        troubles.iter().for_each(|trouble| self.health.lower(Some(name), *trouble));
    }

    /// What can be sent now; none when nothing can.
    fn step(&mut self) -> Option<Batch> {
        let mut observations = Vec::new();
        let (mut blocks, mut moved) = (0, false);
        while blocks < limits::BLOCKS_PER_BATCH {
            match self.chain.next() {
                Step::Stay => break,
                Step::Deliver { told, agreeing, dissenting } => {
                    observations.extend(self.deliver(&told, &agreeing, &dissenting));
                    blocks = blocks.saturating_add(1);
                }
                // What is undone stands before what replaces it.
                Step::Retract(_) | Step::Abandon(_) if blocks > 0 => break,
                Step::Retract(at) => observations.extend(batch::undo(&self.chain.retract(at))),
                Step::Abandon(block) => observations.extend(self.abandon(block)),
            }
            moved = true;
        }
        let chain = self.network.chain;
        let tip = self.chain.tip();
        let faults = self.health.drain().into_iter().chain(self.network.faults.drain());
        observations.extend(faults.map(|fault| batch::fault(chain, tip, self.time, fault)));
        if !moved && observations.is_empty() {
            return None;
        }
        Some(Batch {
            chain,
            seen_at: self.reached.1,
            observations,
            progress: moved.then(|| self.progress(tip)),
            cursor: moved.then(|| batch::cursor(chain, self.chain.window())),
        })
    }

    fn progress(&self, tip: BlockRef) -> Progress {
        let time = match self.chain.tip_time() {
            0 => self.time,
            known => known,
        };
        let newest = (tip.height, time);
        let progress = Progress {
            chain: self.network.chain,
            height: tip.height,
            block_hash: tip.hash,
            time,
            safe_height: 0,
            final_height: 0,
            head_time: batch::head_time(self.began.unwrap_or(newest), newest, self.reached.0),
        };
        self.settled.settle(progress)
    }

    fn deliver(&mut self, told: &Told, agreeing: &[usize], dissenting: &[(usize, bool)]) -> Vec<Observation> {
        for operator in agreeing {
            self.lower(*operator, &[Trouble::DissentHead, Trouble::DissentEvents]);
        }
        let slot = told.block.height;
        for (operator, same_block) in dissenting {
            let (trouble, what) = if *same_block {
                (Trouble::DissentEvents, format!("slot {slot}: it tells other records than enough others"))
            } else {
                (Trouble::DissentHead, format!("slot {slot}: it tells another block than enough others"))
            };
            self.raise(*operator, trouble, &what);
        }
        self.health.lower(None, Trouble::DissentHead);
        let observations = batch::decode_block(&self.compiled.decoder, told);
        let events: Arc<[Observation]> = Arc::from(observations.as_slice());
        let delivered = Delivered { block: told.block, time: told.time, events };
        self.chain.deliver(delivered, told.digest);
        self.time = told.time;
        self.delivered_at = Some(Instant::now());
        self.began.get_or_insert((slot, told.time));
        observations
    }

    /// The quorum's chain left ours below the window: everything that can be undone is, and watching goes on from there with
    /// an alarm.
    fn abandon(&mut self, block: BlockRef) -> Vec<Observation> {
        let silent = self.chain.began_here();
        let start = Delivered { block, time: self.time, events: batch::nothing() };
        let old = self.chain.restart(start);
        if !silent {
            let what = format!(
                "the chain was reorganised below slot {}; what was delivered at or below it may be wrong",
                block.height.saturating_add(1)
            );
            self.health.tell(None, FaultKind::DeepReorg, &what);
        }
        batch::undo(&old)
    }

    /// Asks every operator for what it has and was not asked for yet.
    ///
    /// SECURITY: also for what a faster quorum has delivered already. Who serves another branch of the chain, a little behind
    /// the rest, would else never be judged.
    fn ask(&mut self) {
        let at = Instant::now();
        for operator in 0..self.standings.len() {
            let Some(standing) = self.standings.get_mut(operator) else { continue };
            standing.quiet_until = standing.quiet_until.filter(|until| *until > at);
            let quiet = standing.quiet_until.is_some();
            let Some((head, _)) = standing.head.filter(|_| !quiet && !standing.asked) else { continue };
            let failed = standing.failures > 0;
            let Some(ask) = self.chain.asks(operator, head) else { continue };
            if let Some(standing) = self.standings.get_mut(operator) {
                standing.asked = true;
            }
            let (network, compiled) = (Arc::clone(&self.network), Arc::clone(&self.compiled));
            let (reports, stop) = (self.reports.clone(), self.stop.clone());
            tokio::spawn(async move {
                let answer = tokio::select! {
                    () = stop.cancelled() => return,
                    answer = fetch(network, compiled, operator, ask, head, failed) => answer,
                };
                let _observer_gone = reports.send(Report::Blocks { operator, ask, answer }).await;
            });
        }
    }
}

/// Waits for a moment; for ever where there is none.
async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment.into()).await,
        None => core::future::pending().await,
    }
}

#[cfg(test)]
#[path = "assembler_tests.rs"]
mod tests;
