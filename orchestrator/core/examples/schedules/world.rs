//! Two chains, their gates and a service in between, driven by choices.
//!
//! *Who is in the play.* The world keeps the truth: which events are on the chains now, what was delivered, what was
//! held back, what gates were really told. It turns each choice into inputs, as an honest or a troubled shell would,
//! and hands them to the [`Watched`] engine, which checks each step.

use std::collections::BTreeSet;

use portcullis_core::{input::Body, limits};
use portcullis_verifier::{
    ActionClass, B256, ChainId, ClaimId, EventId, Observation, TransferKind, U256, Verdict, keccak256,
};

use crate::{
    choice::{Choice, Op},
    common::{
        ETH_AWAY, ETH_HOME, EXPIRY, FINALITY, Move, ODD_AWAY, ODD_HOME, T0, USD_AWAY, USD_HOME, away, home,
        needs, usd,
    },
    faults::HOUR_MS,
    watch::{Violation, Watched},
};

/// Seconds between blocks.
pub(crate) const BLOCK: u64 = 12;

/// An event that the shell has, or had, to deliver.
#[derive(Clone)]
pub struct Told {
    pub seen: Observation,
    /// What it moved; none where it moved nothing.
    pub moved: Option<Move>,
    /// On the chain now.
    pub live: bool,
    /// Delivered once.
    pub delivered: bool,
}

/// One chain.
pub(crate) struct Chain {
    /// Time of the block that is being filled.
    pub(crate) time: u64,
    pub(crate) fork: u64,
    log: u32,
}

/// See the module.
pub struct World {
    pub watched: Watched,
    pub told: Vec<Told>,
    pub(crate) chains: [Chain; 2],
    /// Events that are held back, and how many more will be.
    pub(crate) held: Vec<usize>,
    pub(crate) holding: u8,
    next_id: u64,
    pub(crate) hours_forward: u64,
    /// Until when each gate is really closed, and how often people released it.
    pub(crate) gates: [(u64, u32); 2],
}

pub(crate) fn chain_id(chain: usize) -> ChainId {
    if chain == 0 { home() } else { away() }
}

pub(crate) fn hash(chain: usize, time: u64, fork: u64) -> B256 {
    keccak256([&[chain as u8][..], &time.to_be_bytes(), &fork.to_be_bytes()].concat())
}

impl World {
    /// Both chains run, and the escrow holds enough.
    pub fn new(watched: Watched) -> Result<Self, Violation> {
        let chain = || Chain { time: T0, fork: 0, log: 0 };
        let mut world = Self {
            watched,
            told: Vec::new(),
            chains: [chain(), chain()],
            held: Vec::new(),
            holding: 0,
            next_id: 100,
            hours_forward: 0,
            gates: [(0, 0); 2],
        };
        world.emit(Move::lock(1, 60_000_000, 0))?;
        world.close(0, 160)?;
        world.close(1, 160)?;
        world.emit(Move::mint(1, 60_000_000, 0))?;
        world.close(0, 1)?;
        world.close(1, 1)?;
        Ok(world)
    }

    /// Does what a choice says.
    pub fn choose(&mut self, choice: Choice) -> Result<(), Violation> {
        let Choice { op, a, b } = choice;
        let (at, to) = (usize::from(a), usize::from(b));
        match op {
            Op::Lock | Op::Burn => self.send(op == Op::Lock, a, b),
            Op::Use => self.consume(at, b),
            Op::Steal => self.steal(a, b.is_multiple_of(2)),
            Op::Extreme => self.extreme(a, b),
            Op::Block => self.blocks(a, b),
            Op::Reorg => self.reorg(at, b),
            Op::Hold => {
                self.holding = 1 + a % 6;
                Ok(())
            }
            Op::Deliver => self.deliver_held(at),
            Op::Again => self.again(at, b),
            Op::Undo => self.undo_unknown(a),
            Op::Dark => self.dark(at, b),
            Op::Recover => self.watched.input(Body::SourceRecovered { chain: chain_id(at % 2) }),
            Op::Fault => self.fault(at % 2, b),
            Op::Answer => self.answer(at, b),
            Op::Outcome => self.outcome(at, b),
            Op::Gate => self.gate(at % 2, b),
            Op::Tick => self.tick([1, 2_000, 60_000, 600_000][at % 4]),
            Op::Clock => self.clock(a),
            Op::Restart => self.restart([0, 3_000, 400_000, 2 * HOUR_MS][at % 4]),
            Op::Config => self.watched.configure(a),
            Op::Contain => self.contain(a, b),
            Op::FalseAlarm => self.false_alarm(at),
            Op::Stop => self.stop(at),
            Op::Mode => self.watched.set_mode(at % 2, to),
            Op::Price => self.watched.price(a, b),
            Op::Flood => self.flood(a, b),
            Op::Told => self.tell(at % 2, b),
        }
    }

    pub(crate) fn fresh_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    /// Puts an event into the block that its chain is filling, and delivers it unless it is held back.
    pub(crate) fn emit(&mut self, movement: Move) -> Result<(), Violation> {
        let chain = usize::from(movement.chain() == away());
        let Chain { time, fork, log } = &mut self.chains[chain];
        *log += 1;
        let moved = Move { time: *time, fork: *fork, log: *log, ..movement };
        self.put(moved.observation(), Some(moved))
    }

    pub(crate) fn put(&mut self, seen: Observation, moved: Option<Move>) -> Result<(), Violation> {
        let at = self.told.len();
        let held = self.holding > 0;
        self.told.push(Told { seen: seen.clone(), moved, live: true, delivered: !held });
        if held {
            self.holding -= 1;
            self.held.push(at);
            return Ok(());
        }
        self.watched.input(Body::Observed(seen))
    }

    fn send(&mut self, lock: bool, a: u8, b: u8) -> Result<(), Violation> {
        let dollars = [10, 5_000, 50_000, 3_000_000][usize::from(a % 4)];
        let id = self.fresh_id();
        let whole = U256::from(10u64).pow(U256::from(18u64));
        let movement = match (lock, b % 6) {
            (true, 4) => Move::new(TransferKind::Lock, id, ETH_HOME, whole * U256::from(dollars), 0),
            (true, 5) => Move::new(TransferKind::Lock, id, ODD_HOME, usd(dollars), 0),
            (true, _) => Move::lock(id, dollars, 0),
            (false, 5) => Move::new(TransferKind::Burn, id, ODD_AWAY, usd(dollars), 0),
            (false, _) => Move::burn(id, dollars, 0),
        };
        self.emit(movement)
    }

    /// Consumes a message that was sent, on the other chain, exactly or with a difference.
    fn consume(&mut self, at: usize, how: u8) -> Result<(), Violation> {
        let sent = self.told.iter().filter_map(|told| told.moved);
        let sources: Vec<Move> =
            sent.filter(|m| matches!(m.kind, TransferKind::Lock | TransferKind::Burn)).collect();
        // The newest ones are the likeliest to be consumed.
        let Some(source) = sources.len().checked_sub(1 + at % sources.len().max(1)).map(|n| sources[n])
        else {
            return Ok(());
        };
        let kind = if source.kind == TransferKind::Lock { TransferKind::Mint } else { TransferKind::Release };
        let (token, amount) = match source.token {
            USD_HOME => (USD_AWAY, source.amount),
            USD_AWAY => (USD_HOME, source.amount),
            ODD_HOME => (ODD_AWAY, source.amount),
            ODD_AWAY => (ODD_HOME, source.amount),
            ETH_HOME => (ETH_AWAY, source.amount / U256::from(10_000_000_000u64)),
            other => (other, source.amount),
        };
        let used = Move::new(kind, source.id, token, amount, 0).to(source.to);
        self.emit(match how % 10 {
            7 => Move { amount: amount.wrapping_add(U256::from(1u64)), ..used },
            8 => used.to(0xbad),
            9 => Move { token: 0x99, ..used },
            _ => used,
        })
    }

    fn steal(&mut self, a: u8, out: bool) -> Result<(), Violation> {
        let dollars = [20, 50_000, 700_000, 2_000_000][usize::from(a % 4)];
        let id = self.fresh_id();
        self.emit(if out { Move::release(id, dollars, 0) } else { Move::mint(id, dollars, 0) })
    }

    fn blocks(&mut self, a: u8, b: u8) -> Result<(), Violation> {
        let count = [1, 1, 2, 5, 60, 160][usize::from(b % 6)];
        for chain in 0..2 {
            if a % 4 >= 2 || usize::from(a % 4) == chain {
                self.close(chain, count)?;
            }
        }
        Ok(())
    }

    /// Closes the block that a chain is filling, and starts one so many later.
    fn close(&mut self, chain: usize, count: u64) -> Result<(), Violation> {
        let Chain { time, fork, log } = &mut self.chains[chain];
        let (closed, branch) = (*time, *fork);
        *time += BLOCK * count;
        *log = 0;
        self.watched.progress(chain, closed, hash(chain, closed, branch))?;
        self.watched.wait_until(self.chains[chain].time * 1_000)
    }

    /// Everything is delivered, every source tells again, and both chains go on until nothing can be late any more.
    pub fn settle(&mut self) -> Result<u64, Violation> {
        self.deliver_held(0)?;
        for chain in 0..2 {
            self.watched.input(Body::SourceRecovered { chain: chain_id(chain) })?;
        }
        let latest = self.chains.iter().map(|chain| chain.time).max().unwrap_or(T0);
        let end = latest.max(self.watched.now_ms / 1_000) + 2 * FINALITY + EXPIRY / 4;
        for chain in 0..2 {
            let fork = self.chains[chain].fork;
            self.chains[chain].time = end;
            self.watched.progress(chain, end, hash(chain, end, fork))?;
        }
        self.watched.wait_until(end * 1_000)?;
        // What could not be decided is asked for again within the longest pause, as long as somebody needs it.
        self.watched.asked.clear();
        let from_ms = self.watched.now_ms;
        self.watched.wait_until(from_ms + 1_000)?;
        self.watched.tick_after(limits::RETRY_LAST_MS + 1_000)?;
        self.watched.is_asked_again()?;
        Ok(end)
    }

    /// After all that, an attack that nobody could doubt: is it contained?
    pub fn strike(&mut self) -> Result<(), Violation> {
        let id = self.fresh_id();
        self.emit(Move::release(id, 9_000_000, 0))?;
        self.close(0, 1)?;
        self.close(1, 200)?;
        // Operators answer again, and tell the truth.
        let refuted: BTreeSet<EventId> = self.watched.refuted.clone();
        let open: Vec<(ClaimId, EventId)> =
            self.watched.claims.iter().filter(|(_, event)| !refuted.contains(event)).copied().collect();
        for (claim, event) in open {
            self.watched.proved(claim, event, Verdict::Proven(needs()))?;
        }
        self.watched.is_contained(ActionClass::Halt)
    }
}
