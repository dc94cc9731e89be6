//! Putting together what operators tell: the only one that knows what is delivered, and that sends batches.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

use portcullis_adapter::{AdapterError, Batch, Class, Feed};
use portcullis_rpc::{faults::count_fault, health::Trouble as _};
use portcullis_verifier::{
    BlockRef, Observation, OperatorId, Verified,
    cosmos::{Checkpoint, SealedHeader},
};
use serde_json::value::RawValue;
use tokio::{
    sync::mpsc,
    time::{MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;

use super::{
    Report, batch,
    book::{Agreed, Entry, Found, Voice},
    fetch::{Answer, answer},
    health::{Health, Trouble},
    validators::Watch,
    words::other_events,
};
use crate::{
    config::Compiled,
    finality::{Tip, now},
    limits,
    transport::Network,
};

/// A height that was delivered: who tells it late or differently is judged by it.
pub(super) struct Settled {
    pub(super) before: Checkpoint,
    pub(super) answer: Box<Answer>,
    /// Who has still to be asked, by operator.
    pub(super) voices: Vec<Voice>,
}

/// One operator, as far as watching goes.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Standing {
    /// The height that it told last, and when.
    pub(super) head: Option<(u64, Instant)>,
    /// When it was last asked for its head because it said nothing.
    pub(super) nudged: Option<Instant>,
    /// Failures to tell a block, in a row.
    pub(super) failures: u32,
    /// Not to be asked for any block before this: each answer of who floods us costs as much as a good one.
    pub(super) quiet_until: Option<Instant>,
}

impl Standing {
    /// Whether it is said to have a block.
    fn has(&self, height: u64) -> bool {
        self.head.is_some_and(|(head, _)| head >= height)
    }
}

/// See the module.
pub(super) struct Assembler {
    pub(super) compiled: Arc<Compiled>,
    pub(super) network: Arc<Network>,
    pub(super) reports: mpsc::Sender<Report>,
    stop: CancellationToken,
    /// The light client; none until it has been brought to where watching begins.
    pub(super) tip: Option<Tip>,
    /// A header that the chain's root is to move on to.
    deep: Option<Verified<SealedHeader>>,
    /// The height that is delivered next.
    next: u64,
    /// Blocks delivered last, the newest at the end.
    pub(super) recent: VecDeque<BlockRef>,
    /// Time of the newest, seconds since 1970; zero before the first.
    time: u64,
    /// Whether a block was delivered since watching began.
    moved: bool,
    /// Height and time of the first of them.
    began: Option<(u64, u64)>,
    pub(super) book: BTreeMap<u64, Entry>,
    pub(super) settled: BTreeMap<u64, Settled>,
    pub(super) standings: Vec<Standing>,
    pub(super) health: Health,
    validators: Watch,
    /// The greatest height that the quorum has reached, and when it was first known.
    pub(super) reached: (u64, Instant),
    /// The newest blocks that each operator has pushed.
    pub(super) pushed: Vec<BTreeMap<u64, Arc<RawValue>>>,
    /// What is to be told beside blocks and faults.
    pub(super) extra: Vec<Observation>,
    pub(super) frozen: bool,
}

impl Assembler {
    pub(super) fn new(
        compiled: Arc<Compiled>,
        network: Arc<Network>,
        (recent, next): (VecDeque<BlockRef>, u64),
        validators: Watch,
        reports: mpsc::Sender<Report>,
        stop: CancellationToken,
    ) -> Self {
        let standings = vec![Standing::default(); network.operators.len()];
        let pushed = vec![BTreeMap::new(); network.operators.len()];
        Self {
            compiled,
            network,
            reports,
            stop,
            tip: None,
            deep: None,
            next,
            recent,
            time: 0,
            moved: false,
            began: None,
            book: BTreeMap::new(),
            settled: BTreeMap::new(),
            standings,
            health: Health::default(),
            validators,
            reached: (0, Instant::now()),
            pushed,
            extra: Vec::new(),
            frozen: false,
        }
    }

    /// Runs until it is stopped or nobody reads any more.
    ///
    /// # Errors
    /// When the cursor names a block that is not on the verified chain.
    pub(super) async fn run(
        mut self,
        mut inbox: mpsc::Receiver<Report>,
        feed: Feed,
    ) -> Result<(), AdapterError> {
        let mut ticks = interval(Duration::from_millis(limits::TICK_MS));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let stop = self.stop.clone();
        loop {
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                report = inbox.recv() => match report {
                    None => return Ok(()),
                    Some(report) => self.take(report),
                },
                _ = ticks.tick() => self.tick(),
            }
            loop {
                let batch = self.step()?;
                self.ask();
                let Some(batch) = batch else { break };
                metrics::histogram!("portcullis_observe_seconds", "chain" => self.network.chain.as_str().to_owned())
                    .record(batch.seen_at.elapsed());
                tokio::select! {
                    () = stop.cancelled() => return Ok(()),
                    sent = feed.send(batch) => if sent.is_err() { return Ok(()) },
                }
                self.move_root();
            }
        }
    }

    /// Moves the chain's root on, behind the back of what is delivered: it is written to the disk, and no block waits
    /// for that.
    fn move_root(&mut self) {
        if let Some(header) = self.deep.take() {
            let root = self.network.root.clone();
            tokio::task::spawn_blocking(move || root.advance(&header));
        }
    }

    fn name(&self, operator: usize) -> Option<OperatorId> {
        self.network.operators.get(operator).map(|operator| operator.name)
    }

    pub(super) fn raise(&mut self, operator: usize, trouble: Trouble, what: &str) {
        let Some(name) = self.name(operator) else { return };
        count_fault(name, trouble.kind());
        self.health.raise(Some(name), trouble, what);
    }

    pub(super) fn lower(&mut self, operator: usize, troubles: &[Trouble]) {
        let Some(name) = self.name(operator) else { return };
        troubles.iter().for_each(|trouble| self.health.lower(Some(name), *trouble));
    }

    /// What can be sent now; none when nothing can.
    fn step(&mut self) -> Result<Option<Batch>, AdapterError> {
        let mut observations = Vec::new();
        let mut blocks = 0;
        while blocks < limits::BLOCKS_PER_BATCH {
            let Some(more) = self.settle()? else { break };
            observations.extend(more);
            blocks = blocks.saturating_add(1);
        }
        observations.append(&mut self.extra);
        let chain = self.network.chain;
        let tip = self.recent.back().copied();
        // Before the first block, what goes wrong stands at the root.
        let at = tip.unwrap_or(self.network.pinned);
        let faults = self.health.drain().into_iter().chain(self.network.faults.drain());
        observations.extend(faults.map(|fault| batch::fault(chain, at, self.time, fault)));
        if blocks == 0 && observations.is_empty() {
            return Ok(None);
        }
        let delivered = tip.filter(|_| blocks > 0);
        Ok(Some(Batch {
            chain,
            seen_at: self.reached.1,
            observations,
            progress: delivered.map(|block| {
                let newest = (block.height, self.time);
                let head_time = batch::head_time(self.began.unwrap_or(newest), newest, self.reached.0);
                batch::progress(chain, block, self.time, head_time)
            }),
            cursor: delivered.map(|_| batch::cursor(chain, &self.recent)),
        }))
    }

    /// The next block's observations, once it is verified and enough operators tell its events alike.
    fn settle(&mut self) -> Result<Option<Vec<Observation>>, AdapterError> {
        let height = self.next;
        let (false, Some(tip), Some(entry)) = (self.frozen, &self.tip, self.book.get_mut(&height)) else {
            return Ok(None);
        };
        let at = Instant::now();
        let found = entry.judge(tip, self.recent.back().copied(), now(), at);
        let agreed = entry.agreed(self.network.quorum);
        if agreed.is_none() {
            entry.ask_again(at);
        }
        for found in found {
            self.refuse_cursor(&found)?;
            self.found(height, found);
        }
        // Two truths were found in this very block: nothing of it is delivered.
        let Some(agreed) = agreed.filter(|_| !self.frozen) else { return Ok(None) };
        Ok(Some(self.deliver(height, agreed)))
    }

    /// A cursor whose block is not on the chain cannot be gone on from: something that was delivered is not true here.
    fn refuse_cursor(&self, found: &Found) -> Result<(), AdapterError> {
        match found {
            Found::OtherParent(_, expected) if !self.moved => {
                let what = format!(
                    "PC-0908: the cursor names block {} of height {}, and the verified chain has another there; it is \
                     of another chain, or of one that was started anew",
                    expected.hash, expected.height
                );
                Err(AdapterError::new(self.network.chain, None, Class::Permanent, what))
            }
            _ => Ok(()),
        }
    }

    fn deliver(&mut self, height: u64, agreed: Agreed) -> Vec<Observation> {
        let Agreed { accepted, answer, agreeing, dissenting } = agreed;
        for operator in agreeing {
            self.lower(operator, &[Trouble::DissentHead, Trouble::DissentEvents]);
        }
        for operator in dissenting {
            self.raise(operator, Trouble::DissentEvents, &other_events(height));
        }
        self.health.lower(None, Trouble::Unproven);
        let (chain, block, time) = (self.network.chain, accepted.block(), answer.told.header.time());
        let decoder = &self.compiled.decoder;
        let mut observations = batch::decode_block(decoder, &answer, block, time);
        let hash = answer.told.validators_hash;
        let set = &answer.told.fetched.validators;
        if matches!(accepted, crate::finality::Accepted::Signed(_)) {
            self.network.sets.keep(hash, set);
            if let Some(moved) = self.validators.take(height, hash, set, limits::VALIDATORS_MOVED_BPS) {
                observations.extend(batch::signer_change(decoder, block, time, (hash, moved)));
            }
        }
        let found = answer.double_signs.iter();
        observations.extend(found.filter_map(|found| batch::double_sign(chain, block, time, found)));
        let voices = self.book.remove(&height).map(Entry::owed).unwrap_or_default();
        if let Some(tip) = &mut self.tip {
            self.settled.insert(height, Settled { before: tip.client().clone(), answer, voices });
            self.deep = tip.accept(&accepted).or_else(|| self.deep.take());
        }
        self.settled.retain(|old, _| old.saturating_add(limits::SETTLED_KEPT) > height);
        self.recent.push_back(block);
        if self.recent.len() > limits::RECENT_BLOCKS {
            self.recent.pop_front();
        }
        (self.time, self.moved, self.next) = (time, true, height.saturating_add(1));
        self.began.get_or_insert((height, time));
        observations
    }

    /// Asks every operator for every block of the window that it is said to have.
    ///
    /// SECURITY: also for what a faster quorum has settled already. Who serves another branch of the chain, a little behind
    /// the rest, would else never be judged.
    fn ask(&mut self) {
        if self.tip.is_none() || self.frozen {
            return;
        }
        let at = Instant::now();
        let window = u64::try_from(limits::BLOCKS_IN_FLIGHT).unwrap_or(1);
        let operators = self.standings.len();
        for height in self.next..self.next.saturating_add(window) {
            if self.standings.iter().any(|standing| standing.has(height)) {
                self.book.entry(height).or_insert_with(|| Entry::new(operators));
            }
        }
        let settled = self.settled.iter_mut().map(|(height, settled)| (*height, &mut settled.voices));
        let open = self.book.iter_mut().map(|(height, entry)| (*height, &mut entry.voices));
        let mut asked = Vec::new();
        for (height, voices) in settled.chain(open) {
            for (operator, (standing, voice)) in self.standings.iter().zip(voices).enumerate() {
                let quiet = standing.quiet_until.is_some_and(|until| until > at);
                if !quiet && standing.has(height) && voice.wants(at) {
                    let pushed = self.pushed.get(operator).is_some_and(|kept| kept.contains_key(&height));
                    *voice = Voice::Asked { pushed };
                    asked.push((operator, height));
                }
            }
        }
        for (operator, height) in asked {
            self.fetch(operator, height);
        }
    }

    /// Has one operator asked for one block, beside everything else.
    fn fetch(&self, operator: usize, height: u64) {
        let (network, compiled) = (Arc::clone(&self.network), Arc::clone(&self.compiled));
        let (reports, stop) = (self.reports.clone(), self.stop.clone());
        let pushed = self.pushed.get(operator).and_then(|kept| kept.get(&height)).cloned();
        tokio::spawn(async move {
            let answer = tokio::select! {
                () = stop.cancelled() => return,
                answer = answer(network, compiled, (operator, height), pushed) => answer.map(Box::new),
            };
            let _observer_gone = reports.send(Report::Block { operator, height, answer }).await;
        });
    }
}

#[cfg(test)]
#[path = "assembler_tests.rs"]
mod tests;
