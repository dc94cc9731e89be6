//! One chain, and what each operator says of it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use portcullis_verifier::{B256, BlockRef, ChainId, Event, OperatorId, Slug, Transfer, TransferKind, U256};
use tokio::sync::watch;

use super::chain::{Chain, Header, SimLog};

/// What a simulated chain is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SimConfig {
    /// CAIP-2 id.
    pub chain: ChainId,
    /// Who runs the endpoints.
    pub operators: Vec<OperatorId>,
    /// How many of them must agree.
    pub quorum: u16,
    /// Time of block 0, seconds since 1970.
    pub genesis_secs: u64,
    /// Seconds between blocks.
    pub block_secs: u64,
    /// First block that an observer without a cursor delivers.
    pub start_height: u64,
    /// Deepest reorganisation that is followed without an alarm, blocks.
    pub reorg_bound_blocks: u64,
    /// Blocks below the head that count as safe.
    pub safe_depth_blocks: u64,
    /// Blocks below the head that count as final; at least the safe depth.
    pub final_depth_blocks: u64,
}

/// How an operator behaves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Behaviour {
    /// Tells what is.
    #[default]
    Honest,
    /// Reports another block as the head.
    LieAboutHeads,
    /// Leaves the events out of blocks.
    LieAboutEvents,
    /// Keeps its connection open and says nothing about new heads.
    HalfOpen,
    /// Answers questions for events with too much.
    Oversize,
    /// Answers questions for events with an error.
    Refuse,
    /// Answers with something that is not an answer.
    Garbage,
    /// Cannot be reached.
    Dark,
    /// Says everything twice.
    Twice,
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer<T> {
    /// An answer.
    Said(T),
    /// Nothing, on an open connection.
    Silence,
    /// The connection was closed under the question.
    Closed,
    /// No connection could be made.
    Unreachable,
    /// An error in place of an answer.
    Refused,
    /// Not an answer at all, or one beyond its bound.
    Garbage,
}

/// Putting questions to operators, by their number in the configuration.
pub trait Ask {
    /// The newest block that it knows of.
    fn head(&self, operator: usize) -> Answer<Header>;
    /// A block's header; refused when it knows no such block.
    fn header(&self, operator: usize, hash: B256) -> Answer<Header>;
    /// A block's logs; refused when it knows no such block.
    fn logs(&self, operator: usize, hash: B256) -> Answer<Vec<SimLog>>;
}

#[derive(Debug)]
struct State {
    chain: Chain,
    behaviour: Vec<Behaviour>,
    /// Connections that were closed and not used since.
    closed: Vec<bool>,
    /// Transfers made so far by [`SimNet::produce`].
    made: u64,
}

/// A simulated chain and its operators. Cloning gives another handle on the same.
#[derive(Debug, Clone)]
pub struct SimNet {
    config: Arc<SimConfig>,
    state: Arc<Mutex<State>>,
    changed: watch::Sender<u64>,
}

impl SimNet {
    /// A chain with its first block, and operators that all behave.
    #[must_use]
    pub fn new(config: SimConfig) -> Self {
        let operators = config.operators.len();
        let state = State {
            chain: Chain::new(config.chain, config.genesis_secs, config.block_secs),
            behaviour: vec![Behaviour::Honest; operators],
            closed: vec![false; operators],
            made: 0,
        };
        let (changed, _) = watch::channel(0);
        Self { config: Arc::new(config), state: Arc::new(Mutex::new(state)), changed }
    }

    /// What it is.
    #[must_use]
    pub fn config(&self) -> &SimConfig {
        &self.config
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change below is whole before anything can panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self) {
        self.changed.send_modify(|version| *version = version.wrapping_add(1));
    }

    /// Hears of every change of the chain or of an operator.
    pub(super) fn subscribe(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Adds a block with these events on the head.
    pub fn block(&self, events: Vec<Event>) -> Header {
        let header = self.lock().chain.extend(events);
        self.tell();
        header
    }

    /// Adds blocks with so many transfers each. Every transfer is a new message.
    pub fn produce(&self, blocks: u64, transfers_each: u32) {
        {
            let mut state = self.lock();
            for _ in 0..blocks {
                let events = (0..transfers_each).filter_map(|_| transfer(&mut state.made)).collect();
                state.chain.extend(events);
            }
        }
        self.tell();
    }

    /// Replaces the newest `depth` blocks by as many and one more, with so many new transfers in the last. False,
    /// and nothing is done, when the chain has not so many blocks above its first.
    pub fn reorg(&self, depth: u64, transfers: u32) -> bool {
        let cut = {
            let mut state = self.lock();
            let cut = state.chain.cut(depth);
            if cut {
                for _ in 0..depth {
                    state.chain.extend(Vec::new());
                }
                let events = (0..transfers).filter_map(|_| transfer(&mut state.made)).collect();
                state.chain.extend(events);
            }
            cut
        };
        self.tell();
        cut
    }

    /// Replaces the newest `depth` blocks by blocks with these events. False as for [`Self::reorg`].
    pub fn replace(&self, depth: u64, blocks: Vec<Vec<Event>>) -> bool {
        let cut = {
            let mut state = self.lock();
            let cut = state.chain.cut(depth);
            if cut {
                for events in blocks {
                    state.chain.extend(events);
                }
            }
            cut
        };
        self.tell();
        cut
    }

    /// Makes an operator behave so from now on. False when there is no such operator.
    pub fn behave(&self, operator: OperatorId, how: Behaviour) -> bool {
        let at = self.config.operators.iter().position(|known| *known == operator);
        let known = {
            let mut state = self.lock();
            at.and_then(|at| state.behaviour.get_mut(at)).map(|place| *place = how).is_some()
        };
        self.tell();
        known
    }

    /// Makes every operator behave.
    pub fn heal(&self) {
        self.lock().behaviour.fill(Behaviour::Honest);
        self.tell();
    }

    /// Closes every connection; new ones are accepted.
    pub fn hang_up(&self) {
        self.lock().closed.fill(true);
        self.tell();
    }

    /// The head, whatever operators say of it.
    #[must_use]
    pub fn head(&self) -> Header {
        self.lock().chain.head()
    }

    /// Every log that counts from the start height on, with its block, whatever operators say of it.
    #[must_use]
    pub fn truth(&self) -> Vec<(BlockRef, SimLog)> {
        let state = self.lock();
        let watched = state.chain.canonical().filter(|b| b.header.height >= self.config.start_height);
        watched.flat_map(|b| b.logs.iter().map(|log| (b.header.block(), log.clone()))).collect()
    }

    /// How an operator meets a question now.
    fn meet<T>(&self, operator: usize, tell: impl FnOnce(&State, Behaviour) -> Answer<T>) -> Answer<T> {
        let mut state = self.lock();
        if state.closed.get_mut(operator).is_some_and(core::mem::take) {
            return Answer::Closed;
        }
        match state.behaviour.get(operator).copied() {
            None | Some(Behaviour::Dark) => Answer::Unreachable,
            Some(Behaviour::Garbage) => Answer::Garbage,
            Some(behaviour) => tell(&state, behaviour),
        }
    }
}

impl Ask for SimNet {
    fn head(&self, operator: usize) -> Answer<Header> {
        self.meet(operator, |state, behaviour| {
            let head = state.chain.head();
            match behaviour {
                Behaviour::HalfOpen => Answer::Silence,
                Behaviour::LieAboutHeads => {
                    let branch = head.branch.wrapping_add(u64::MAX / 2);
                    Answer::Said(Header { branch, ..head }.sealed(self.config.chain))
                }
                _ => Answer::Said(head),
            }
        })
    }

    fn header(&self, operator: usize, hash: B256) -> Answer<Header> {
        self.meet(operator, |state, _| match state.chain.block(&hash) {
            Some(block) => Answer::Said(block.header),
            None => Answer::Refused,
        })
    }

    fn logs(&self, operator: usize, hash: B256) -> Answer<Vec<SimLog>> {
        self.meet(operator, |state, behaviour| {
            let Some(block) = state.chain.block(&hash) else { return Answer::Refused };
            match behaviour {
                Behaviour::LieAboutEvents => Answer::Said(Vec::new()),
                Behaviour::Refuse => Answer::Refused,
                Behaviour::Oversize => Answer::Garbage,
                Behaviour::Twice => {
                    let twice = block.logs.iter().flat_map(|log| [log.clone(), log.clone()]);
                    Answer::Said(twice.collect())
                }
                _ => Answer::Said(block.logs.clone()),
            }
        })
    }
}

/// A transfer of a made-up bridge; none only if its name could not be one.
fn transfer(made: &mut u64) -> Option<Event> {
    *made = made.saturating_add(1);
    let word = |number: u64| B256::from(U256::from(number));
    Some(Event::Transfer(Transfer {
        kind: TransferKind::Lock,
        bridge: Slug::new("sim").ok()?,
        local: word(1),
        remote: word(2),
        message_id: word(*made),
        asset: word(0x11),
        amount: U256::from(1_000_000u64).saturating_mul(U256::from(*made)),
        sender: None,
        recipient: word(0xbeef),
    }))
}
