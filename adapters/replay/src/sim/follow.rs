//! Following a chain by what its operators say: pure, one round at a time.
//!
//! A round asks every operator for its head, takes the one that a quorum agrees on, walks back from it to a block
//! that was delivered before, and asks for the logs of what is new. A block is delivered when a quorum told the same
//! logs; until then nothing after it is, so a question that was not answered never becomes "no events".

use std::collections::{BTreeMap, VecDeque};

use portcullis_adapter::Cursor;
use portcullis_verifier::{B256, BlockRef, Event, FaultKind, Observation, Position, Progress, Status};

use super::{
    chain::{Header, SimLog},
    limits,
    net::{Answer, Ask, SimConfig},
    tell::{Faults, Mark, fault},
};

/// What one round brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Faults; then retractions, newest first; then new events, in chain order.
    pub observations: Vec<Observation>,
    /// How far the chain is delivered; none when nothing moved.
    pub progress: Option<Progress>,
    /// Where to go on after it; none when nothing moved.
    pub cursor: Option<Cursor>,
}

#[derive(Debug, Clone)]
struct Delivered {
    block: BlockRef,
    events: Vec<Observation>,
}

/// See the module.
#[derive(Debug)]
pub struct Follower {
    config: SimConfig,
    /// Blocks last delivered, newest first.
    tail: VecDeque<Delivered>,
    faults: Faults,
    /// Height of the agreed head when each operator last told one.
    heard: Vec<u64>,
    /// Faults told so far: tells equal ones at one place apart.
    told: u32,
    /// Time of the newest head agreed on, seconds.
    time: u64,
}

/// What is to be delivered next.
struct Path {
    /// Not delivered yet, oldest first.
    new: Vec<Header>,
    /// How many of the blocks last delivered have to be taken back.
    undo: usize,
    /// None of the blocks last delivered is on it.
    deep: bool,
}

impl Follower {
    /// Follows from the start, or from where it was left.
    ///
    /// # Errors
    /// In words, what makes the cursor unusable: another chain's, or empty.
    pub fn new(config: SimConfig, from: Option<&Cursor>) -> Result<Self, String> {
        let mut tail = VecDeque::new();
        if let Some(cursor) = from {
            if cursor.chain != config.chain {
                return Err(format!("the cursor is of chain {}", cursor.chain));
            }
            if cursor.recent.is_empty() {
                return Err(String::from("the cursor names no block"));
            }
            for block in &cursor.recent {
                let held = cursor.undoable.iter().find(|(of, _)| of == block);
                let events = held.map_or_else(Vec::new, |(_, events)| events.to_vec());
                tail.push_back(Delivered { block: *block, events });
            }
        }
        let faults = Faults::new(&config.operators);
        let heard = vec![0; config.operators.len()];
        let time = config.genesis_secs;
        Ok(Self { config, tail, faults, heard, told: 0, time })
    }

    /// One round. None when there is nothing to tell: ask again when something changed.
    pub fn round(&mut self, ask: &impl Ask) -> Option<Delivery> {
        let mut marks = vec![Mark::default(); self.config.operators.len()];
        let head = self.agreed_head(ask, &mut marks);
        let path = head.and_then(|head| self.path(ask, &head, &marks));
        let mut blocks = Vec::new();
        let mut complete = path.is_some();
        for header in path.iter().flat_map(|path| &path.new).take(limits::BLOCKS_PER_DELIVERY) {
            match self.agreed_logs(ask, header, &mut marks) {
                Some(logs) => blocks.push((*header, logs)),
                None => {
                    complete = false;
                    break;
                }
            }
        }
        let mut faults = self.faults.round(&marks, complete);
        if path.as_ref().is_some_and(|path| path.deep) && !blocks.is_empty() {
            let why = "no block that was delivered before is on the chain any more";
            faults.push(fault(None, FaultKind::DeepReorg, why));
        }
        let mut observations: Vec<Observation> =
            faults.into_iter().map(|f| self.observed(Event::Fault(f))).collect();
        let (Some(head), Some(path), Some((last, _))) = (head, path, blocks.last()) else {
            let told = Delivery { observations, progress: None, cursor: None };
            return (!told.observations.is_empty()).then_some(told);
        };
        let last = *last;
        observations.extend(self.undo(path.undo));
        for (header, logs) in blocks {
            let events = self.deliver(&header, logs);
            observations.extend(events);
        }
        let progress = self.progress(&last, &head);
        Some(Delivery { observations, progress: Some(progress), cursor: Some(self.cursor()) })
    }

    /// The head that a quorum agrees on. Marks everybody who told another, or none.
    fn agreed_head(&mut self, ask: &impl Ask, marks: &mut [Mark]) -> Option<Header> {
        let mut heads: BTreeMap<B256, (Header, Vec<usize>)> = BTreeMap::new();
        let mut silent = Vec::new();
        for (operator, mark) in marks.iter_mut().enumerate() {
            match again(|| ask.head(operator)) {
                Answer::Said(head) if head.hash == head.derive_hash(self.config.chain) => {
                    heads.entry(head.hash).or_insert((head, Vec::new())).1.push(operator);
                }
                Answer::Silence => silent.push(operator),
                other => blame(mark, &other),
            }
        }
        let quorum = usize::from(self.config.quorum.max(1));
        let agreed = heads.values().filter(|(_, who)| who.len() >= quorum);
        let (head, who) = agreed.max_by_key(|(head, who)| (who.len(), head.height, head.hash))?.clone();
        for (operator, mark) in marks.iter_mut().enumerate() {
            if who.contains(&operator) {
                mark.head = true;
                if let Some(heard) = self.heard.get_mut(operator) {
                    *heard = head.height;
                }
            } else if silent.contains(&operator) {
                let heard = self.heard.get(operator).copied().unwrap_or(0);
                if head.height >= heard.saturating_add(limits::SILENCE_BLOCKS) {
                    mark.blame(FaultKind::Dark, "says nothing while the others make blocks");
                }
            } else {
                mark.blame(FaultKind::DissentHead, "tells another head than the quorum");
            }
        }
        self.time = head.time;
        Some(head)
    }

    /// From the head back to what was delivered before. None when an ancestor cannot be had now.
    fn path(&self, ask: &impl Ask, head: &Header, marks: &[Mark]) -> Option<Path> {
        let oldest = self.tail.back().map(|delivered| delivered.block.height);
        let mut new = Vec::new();
        let mut at = *head;
        loop {
            // A head below the last one delivered is an operator's delay until a longer branch shows otherwise: then
            // nothing is new, and nothing is taken back yet.
            if let Some(undo) = self.tail.iter().position(|delivered| delivered.block == at.block()) {
                new.reverse();
                return Some(Path { new, undo, deep: false });
            }
            if at.height < self.config.start_height || new.len() >= limits::WALK_BLOCKS {
                break;
            }
            // Below everything that could be taken back there is nothing to compare with.
            if oldest.is_some_and(|oldest| at.height < oldest) {
                break;
            }
            new.push(at);
            if at.height == 0 {
                break;
            }
            at = self.ancestor(ask, at.parent, marks)?;
        }
        new.reverse();
        Some(Path { new, undo: self.tail.len(), deep: !self.tail.is_empty() })
    }

    /// A header by its hash. Whoever tells it: the hash vouches for it.
    fn ancestor(&self, ask: &impl Ask, hash: B256, marks: &[Mark]) -> Option<Header> {
        let agreeing = marks.iter().enumerate().filter(|(_, mark)| mark.head);
        agreeing.map(|(operator, _)| again(|| ask.header(operator, hash))).find_map(|answer| match answer {
            Answer::Said(h) if h.hash == hash && h.derive_hash(self.config.chain) == hash => Some(h),
            _ => None,
        })
    }

    /// The logs of a block that a quorum agrees on. Marks everybody who told others, or none.
    fn agreed_logs(&self, ask: &impl Ask, header: &Header, marks: &mut [Mark]) -> Option<Vec<SimLog>> {
        let mut groups: Vec<(Vec<SimLog>, Vec<usize>)> = Vec::new();
        let asked: Vec<usize> =
            (0..marks.len()).filter(|at| marks.get(*at).is_some_and(|m| m.head)).collect();
        for operator in &asked {
            match (again(|| ask.logs(*operator, header.hash)), marks.get_mut(*operator)) {
                (Answer::Said(mut logs), _) => {
                    logs.sort_by_key(|log| log.index);
                    // Said twice is said once; the same place with other content stays and differs from the rest.
                    logs.dedup();
                    match groups.iter_mut().find(|(known, _)| *known == logs) {
                        Some((_, who)) => who.push(*operator),
                        None => groups.push((logs, vec![*operator])),
                    }
                }
                (other, Some(mark)) => {
                    mark.logs = false;
                    blame(mark, &other);
                }
                (_, None) => {}
            }
        }
        let quorum = usize::from(self.config.quorum.max(1));
        let at = groups.iter().position(|(_, who)| who.len() >= quorum)?;
        let (logs, told) = groups.swap_remove(at);
        for operator in asked {
            let Some(mark) = marks.get_mut(operator) else { continue };
            if told.contains(&operator) {
                mark.logs = mark.fault.is_none();
                mark.some |= mark.logs && !logs.is_empty();
            } else if groups.iter().any(|(_, who)| who.contains(&operator)) {
                mark.logs = false;
                mark.blame(FaultKind::DissentLogs, "tells other logs than the quorum");
            }
        }
        Some(logs)
    }

    /// Takes the newest blocks back: their events, newest first.
    fn undo(&mut self, blocks: usize) -> Vec<Observation> {
        let gone = self.tail.drain(..blocks.min(self.tail.len()));
        let events = gone.flat_map(|delivered| delivered.events.into_iter().rev());
        events.map(|event| event.with_status(Status::Retracted)).collect()
    }

    fn deliver(&mut self, header: &Header, logs: Vec<SimLog>) -> Vec<Observation> {
        let events = logs.into_iter().map(|log| {
            let position = Position {
                height: header.height,
                tx_index: log.index,
                log_index: log.index,
                block_hash: header.hash,
                tx_hash: log.tx_hash,
            };
            Observation::new(self.config.chain, position, header.time, Status::Included, log.raw, log.event)
        });
        let events: Vec<Observation> = events.collect();
        self.tail.push_front(Delivered { block: header.block(), events: events.clone() });
        // One more than the bound: the block under the deepest reorganisation is its fork point.
        let keep = usize::try_from(self.config.reorg_bound_blocks).unwrap_or(usize::MAX).saturating_add(1);
        self.tail.truncate(keep);
        events
    }

    fn progress(&self, last: &Header, head: &Header) -> Progress {
        let settled = |depth: u64| head.height.saturating_sub(depth).min(last.height);
        let safe_height = settled(self.config.safe_depth_blocks);
        Progress {
            chain: self.config.chain,
            height: last.height,
            block_hash: last.hash,
            time: last.time,
            safe_height,
            final_height: settled(self.config.final_depth_blocks).min(safe_height),
            head_time: head.time.max(last.time),
        }
    }

    fn cursor(&self) -> Cursor {
        let with_events = self.tail.iter().filter(|delivered| !delivered.events.is_empty());
        let undoable = with_events.map(|delivered| (delivered.block, delivered.events.clone().into()));
        Cursor {
            chain: self.config.chain,
            recent: self.tail.iter().map(|delivered| delivered.block).collect(),
            undoable: undoable.collect(),
        }
    }

    /// Something that no block holds, at the place where the chain is.
    fn observed(&mut self, event: Event) -> Observation {
        let at = self.tail.front().map(|delivered| delivered.block);
        let at = at.unwrap_or(BlockRef { height: 0, hash: B256::ZERO });
        let position = Position {
            height: at.height,
            tx_index: 0,
            log_index: self.told,
            block_hash: at.hash,
            tx_hash: B256::ZERO,
        };
        self.told = self.told.wrapping_add(1);
        Observation::new(self.config.chain, position, self.time, Status::Included, B256::ZERO, event)
    }
}

/// Puts a question, and puts it again where the connection was closed under it.
fn again<T>(mut put: impl FnMut() -> Answer<T>) -> Answer<T> {
    let mut answer = put();
    for _ in 0..limits::RECONNECTS {
        if matches!(answer, Answer::Closed) {
            answer = put();
        }
    }
    answer
}

/// Marks an operator for what came in place of an answer.
fn blame<T>(mark: &mut Mark, answer: &Answer<T>) {
    match answer {
        // What was said and does not hold together is no answer either.
        Answer::Said(_) | Answer::Garbage => mark.blame(FaultKind::Garbage, "what it says is no answer"),
        Answer::Unreachable | Answer::Closed => mark.blame(FaultKind::Dark, "cannot be reached"),
        Answer::Refused => mark.blame(FaultKind::Dark, "refuses to answer"),
        Answer::Silence => {}
    }
}
