//! What a schedule is made of: one choice after the other, each of which makes sense wherever it stands.
//!
//! Every choice means something after any others, so a schedule shrinks by leaving choices out, and whatever is left
//! is a schedule again.

use std::{fmt, str::FromStr};

/// One kind of choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Op {
    /// A message starts at home: amount, token.
    Lock,
    /// A message starts on the other side: amount, token.
    Burn,
    /// A message is consumed: which one, and what differs from its source.
    Use,
    /// A consumption of a message that nobody sent: amount, side.
    Steal,
    /// An event at the edge of what can be said: which edge, side.
    Extreme,
    /// Blocks are closed: which chains, how many.
    Block,
    /// A reorganisation: which chain and how deep, what comes back.
    Reorg,
    /// The next observations are held back: how many.
    Hold,
    /// What was held back arrives: in which order.
    Deliver,
    /// Something is told again: which event, in which state.
    Again,
    /// Something that nobody saw is retracted: which.
    Undo,
    /// A source goes dark: which chain, the whole of it or one operator.
    Dark,
    /// A source tells again: which chain.
    Recover,
    /// An operator's fault is told: which chain, which fault.
    Fault,
    /// A claim is answered: which one, how.
    Answer,
    /// What became of an action: which one, what.
    Outcome,
    /// A gate is read: which one, what it says.
    Gate,
    /// Time passes: how much.
    Tick,
    /// The shell's clock is set by an hour: forward or back.
    Clock,
    /// The service is started again from its log: how long it was down.
    Restart,
    /// The configuration changes: to which.
    Config,
    /// A person closes gates: which, how tight.
    Contain,
    /// A person judges an incident to be nothing: which.
    FalseAlarm,
    /// A person stops an action: which.
    Stop,
    /// A person changes a mode: of which gate, to which.
    Mode,
    /// A price: of what, how much.
    Price,
    /// A stranger's flood: of what, how much.
    Flood,
    /// Something other than a transfer: what, side.
    Told,
}

/// Every kind with its name and how often it is chosen, relative to the others. What is zero is a fault: each schedule
/// switches some of them on.
pub const OPS: [(Op, &str, u32); 28] = [
    (Op::Lock, "lock", 10),
    (Op::Burn, "burn", 10),
    (Op::Use, "use", 22),
    (Op::Steal, "steal", 6),
    (Op::Block, "block", 22),
    (Op::Tick, "tick", 4),
    (Op::Answer, "answer", 8),
    (Op::Extreme, "extreme", 0),
    (Op::Reorg, "reorg", 0),
    (Op::Hold, "hold", 0),
    (Op::Deliver, "deliver", 0),
    (Op::Again, "again", 0),
    (Op::Undo, "undo", 0),
    (Op::Dark, "dark", 0),
    (Op::Recover, "recover", 0),
    (Op::Fault, "fault", 0),
    (Op::Outcome, "outcome", 0),
    (Op::Gate, "gate", 0),
    (Op::Clock, "clock", 0),
    (Op::Restart, "restart", 0),
    (Op::Config, "config", 0),
    (Op::Contain, "contain", 0),
    (Op::FalseAlarm, "false-alarm", 0),
    (Op::Stop, "stop", 0),
    (Op::Mode, "mode", 0),
    (Op::Price, "price", 0),
    (Op::Flood, "flood", 0),
    (Op::Told, "told", 0),
];

/// How often a fault that is switched on is chosen.
const FAULT_WEIGHT: u32 = 6;

/// Choices of the longest schedule.
const LONGEST: u64 = 44;

/// A kind with two numbers that say which and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Choice {
    pub op: Op,
    pub a: u8,
    pub b: u8,
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = OPS.iter().find(|(op, ..)| *op == self.op).map_or("", |(_, name, _)| name);
        write!(f, "{name}.{}.{}", self.a, self.b)
    }
}

impl FromStr for Choice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts = text.split('.');
        let name = parts.next().unwrap_or("");
        let (op, ..) =
            OPS.iter().find(|(_, known, _)| *known == name).ok_or(format!("no choice is called {name}"))?;
        let mut number = || parts.next().unwrap_or("0").parse().map_err(|e| format!("{text}: {e}"));
        Ok(Self { op: *op, a: number()?, b: number()? })
    }
}

/// SplitMix64: small, and the same everywhere.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64, number: u64) -> Self {
        let mut dice = Self(seed);
        let seed = dice.roll() ^ number.wrapping_mul(0xd134_2543_de82_ef95);
        Self(seed)
    }

    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.roll() % bound
    }
}

/// The schedule of a seed and a number. Each schedule switches a few faults on: all at once would hide each other.
pub fn schedule(seed: u64, number: u64) -> Vec<Choice> {
    let mut dice = Dice::new(seed, number);
    let faults: Vec<Op> = OPS.iter().filter(|(.., weight)| *weight == 0).map(|(op, ..)| *op).collect();
    let mut weights: Vec<(Op, u32)> = OPS.iter().map(|(op, _, weight)| (*op, *weight)).collect();
    for _ in 0..dice.below(8) {
        let on = faults[dice.below(faults.len() as u64) as usize];
        // What is held back should arrive, and what went dark should tell again, some time.
        let pair = match on {
            Op::Hold => Op::Deliver,
            Op::Dark => Op::Recover,
            other => other,
        };
        for (op, weight) in &mut weights {
            if *op == on || *op == pair {
                *weight = FAULT_WEIGHT;
            }
        }
    }
    let total: u32 = weights.iter().map(|(_, weight)| weight).sum();
    let length = 4 + dice.below(LONGEST - 3);
    let one = |dice: &mut Dice| {
        let mut at = dice.below(u64::from(total)) as u32;
        let (op, _) = weights
            .iter()
            .find(|(_, weight)| {
                let here = at < *weight;
                at = at.saturating_sub(*weight);
                here
            })
            .expect("the weights sum to their total");
        let numbers = dice.roll();
        Choice { op: *op, a: numbers as u8, b: (numbers >> 8) as u8 }
    };
    (0..length).map(|_| one(&mut dice)).collect()
}
