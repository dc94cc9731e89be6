//! What users and attackers of the bridges do, from a seed.
//!
//! Each bridge locks and burns, and delivers what was sent once it is old enough, as an honest bridge does. An attack
//! is a release of something that nobody sent; in the chain it looks like any other. A bridge whose gate is closed on
//! either side does nothing: its users wait.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use alloy::primitives::{Address, B256, LogData, U256, keccak256};
use alloy::sol_types::SolEvent;

use super::Rng;
use super::block::{Block, Pushed, Transaction};
use crate::contracts::Bridge;

/// Added to a message's age before it is delivered, seconds: blocks of two chains do not come at the same moment.
const DELIVERY_MARGIN_SECS: u64 = 3;
/// A side that has waited delivers at most so many times its usual rate.
const BACKLOG_FACTOR: usize = 3;
/// What each escrow begins with: far more than a run moves, so that shares of it stay small. Base units.
const TREASURY: u64 = 1_000_000_000_000_000;
/// What an attack takes, base units: a thousandth of the escrow.
const LOOT: u64 = TREASURY / 1_000;
/// Most that a user sends, base units: a hundred dollars.
const USERS_MOST: u64 = 100_000_000;

/// One side of a bridge.
#[derive(Debug, Clone)]
pub struct SideSpec {
    /// Place of its chain.
    pub chain: usize,
    /// The bridge's number of that chain.
    pub domain: u32,
    /// The bridge's contract.
    pub bridge: Address,
    /// The token there.
    pub token: Address,
    /// The guard.
    pub guard: Address,
    /// What the guard closes.
    pub scope: B256,
}

/// A bridge: the first side is where its token is at home.
#[derive(Debug, Clone)]
pub struct BridgeSpec {
    /// Name.
    pub name: String,
    /// Both sides.
    pub sides: [SideSpec; 2],
}

/// A message on its way.
#[derive(Debug, Clone, Copy)]
struct Message {
    id: U256,
    amount: U256,
    recipient: Address,
    sent: u64,
}

/// One side at work.
#[derive(Debug, Default)]
struct Side {
    /// Parts of a deposit that are owed since the last block.
    owed: f64,
    /// Sent on the other side, not delivered here.
    coming: VecDeque<Message>,
    /// Attacks that go into the next block.
    forged: Vec<usize>,
}

/// What a block really held, to be compared afterwards with what was recorded.
#[derive(Debug, Clone)]
pub struct Known {
    /// Events of bridges.
    pub events: u64,
    /// Sum of their places in the block.
    pub places: u64,
    /// When the block's head left, on the wall clock, microseconds since 1970; none while nobody listens.
    pub pushed: Arc<Pushed>,
}

/// By the hash of the block.
pub type Truth = BTreeMap<B256, Known>;

/// Everything that happens on the bridges.
#[derive(Debug)]
pub struct Traffic {
    bridges: Vec<BridgeSpec>,
    sides: Vec<[Side; 2]>,
    finality_secs: u64,
    /// Observations per second, all chains together.
    rate: f64,
    /// When each chain made its last block.
    last: BTreeMap<usize, Instant>,
    rng: Rng,
    next_id: u64,
    /// By chain.
    truth: BTreeMap<usize, Truth>,
    emitted: u64,
}

impl Traffic {
    /// Traffic at `rate` observations per second: half of them deposits, half deliveries.
    #[must_use]
    pub fn new(bridges: Vec<BridgeSpec>, finality_secs: u64, rate: f64, seed: u64) -> Self {
        let sides = bridges.iter().map(|_| <[Side; 2]>::default()).collect();
        let (last, truth) = (BTreeMap::new(), BTreeMap::new());
        Self { bridges, sides, finality_secs, rate, last, rng: Rng::new(seed), next_id: 1, truth, emitted: 0 }
    }

    /// Changes the rate; zero lets only deliveries run out.
    pub fn set_rate(&mut self, rate: f64) {
        self.rate = rate;
    }

    /// Events of bridges so far, all chains.
    #[must_use]
    pub fn emitted(&self) -> u64 {
        self.emitted
    }

    /// What was emitted, by chain and block.
    #[must_use]
    pub fn truth(&self) -> &BTreeMap<usize, Truth> {
        &self.truth
    }

    /// Lets an attack happen in the next block of one side of a bridge.
    pub fn attack(&mut self, attack: usize, bridge: usize, side: usize) {
        self.sides[bridge][side].forged.push(attack);
    }

    /// The deposits that fill the escrows on a chain, before anything else.
    #[must_use]
    pub fn treasury(&mut self, chain: usize, time: u64) -> Vec<Transaction> {
        let mut out = Vec::new();
        for bridge in 0..self.bridges.len() {
            if self.bridges[bridge].sides[0].chain == chain {
                out.push(self.deposit(bridge, 0, U256::from(TREASURY), time, false));
            }
        }
        out
    }

    /// What goes into a chain's next block, and which attacks are among it. `closed` says of each bridge whether its
    /// users wait.
    pub fn block(
        &mut self,
        chain: usize,
        (time, now): (u64, Instant),
        closed: impl Fn(&BridgeSpec) -> bool,
    ) -> (Vec<Transaction>, Vec<usize>) {
        let since = self.last.insert(chain, now).map_or(0.0, |last| now.duration_since(last).as_secs_f64());
        let waits: Vec<bool> = self.bridges.iter().map(closed).collect();
        let open = waits.iter().filter(|waits| !**waits).count().max(1);
        // Who cannot use one bridge uses another: the rate stays.
        let due = self.rate / (4.0 * open as f64) * since;
        let (mut out, mut attacks) = (Vec::new(), Vec::new());
        for (bridge, waits) in waits.iter().enumerate() {
            for side in 0..2 {
                if self.bridges[bridge].sides[side].chain != chain || *waits {
                    continue;
                }
                self.users(bridge, side, time, due, &mut out);
                for attack in std::mem::take(&mut self.sides[bridge][side].forged) {
                    out.push(self.forge(bridge, side, attack));
                    attacks.push(attack);
                }
            }
        }
        (out, attacks)
    }

    fn users(&mut self, bridge: usize, side: usize, time: u64, due: f64, out: &mut Vec<Transaction>) {
        let ready = |message: &Message| message.sent + self.finality_secs + DELIVERY_MARGIN_SECS <= time;
        let most = BACKLOG_FACTOR * (due.ceil() as usize + 1);
        let here = &mut self.sides[bridge][side];
        let count = here.coming.iter().take(most).take_while(|message| ready(message)).count();
        let arrived: Vec<Message> = here.coming.drain(..count).collect();
        here.owed += due;
        let deposits = here.owed.floor();
        here.owed -= deposits;
        for message in arrived {
            out.push(self.deliver(bridge, side, message));
        }
        for _ in 0..deposits as u64 {
            let amount = U256::from(1_000_000 + self.rng.below(USERS_MOST));
            out.push(self.deposit(bridge, side, amount, time, true));
        }
    }

    fn user(&mut self) -> Address {
        Address::from_word(B256::from(U256::from(self.rng.below(1 << 20) + 1)))
    }

    fn deposit(
        &mut self,
        bridge: usize,
        side: usize,
        amount: U256,
        sent: u64,
        delivered: bool,
    ) -> Transaction {
        let (sender, recipient) = (self.user(), self.user());
        let id = U256::from(self.next_id);
        self.next_id += 1;
        let spec = &self.bridges[bridge];
        let (here, there) = (&spec.sides[side], &spec.sides[1 - side]);
        let (destination, token) = (there.domain, here.token);
        let data = if side == 0 {
            Bridge::Deposited { destination, messageId: id, token, sender, recipient, amount }
                .encode_log_data()
        } else {
            Bridge::Burned { destination, messageId: id, token, sender, recipient, amount }.encode_log_data()
        };
        let transaction = Transaction::of(here.bridge, sender, data);
        if delivered {
            self.sides[bridge][1 - side].coming.push_back(Message { id, amount, recipient, sent });
        }
        transaction
    }

    fn deliver(&self, bridge: usize, side: usize, message: Message) -> Transaction {
        let spec = &self.bridges[bridge];
        let (here, there) = (&spec.sides[side], &spec.sides[1 - side]);
        Transaction::of(here.bridge, message.recipient, release(side, here, there, message))
    }

    /// A release of a message that nobody sent.
    fn forge(&mut self, bridge: usize, side: usize, attack: usize) -> Transaction {
        let recipient = self.user();
        let id = U256::from_be_bytes(keccak256(format!("nobody sent this: {attack}")).0);
        let message = Message { id, amount: U256::from(LOOT), recipient, sent: 0 };
        self.deliver(bridge, side, message)
    }

    /// Notes what a block really holds.
    pub fn note(&mut self, chain: usize, block: &Block) {
        let watched = |address: &Address| {
            self.bridges.iter().any(|b| b.sides.iter().any(|s| s.chain == chain && s.bridge == *address))
        };
        let places: Vec<u64> = (0u64..)
            .zip(&block.logs)
            .filter(|(_, log)| watched(&log.address))
            .map(|(index, _)| index)
            .collect();
        if !places.is_empty() {
            self.emitted += places.len() as u64;
            let (events, pushed) = (places.len() as u64, Arc::clone(&block.pushed));
            let known = Known { events, places: places.iter().sum(), pushed };
            self.truth.entry(chain).or_default().insert(block.hash, known);
        }
    }
}

fn release(side: usize, here: &SideSpec, there: &SideSpec, message: Message) -> LogData {
    let (origin, token) = (there.domain, here.token);
    let Message { id: message_id, amount, recipient, .. } = message;
    if side == 0 {
        Bridge::Released { origin, messageId: message_id, token, recipient, amount }.encode_log_data()
    } else {
        Bridge::Minted { origin, messageId: message_id, token, recipient, amount }.encode_log_data()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn bridge() -> BridgeSpec {
        let side = |chain: usize| SideSpec {
            chain,
            domain: chain as u32 + 1,
            bridge: Address::repeat_byte(chain as u8 + 1),
            token: Address::repeat_byte(chain as u8 + 11),
            guard: Address::repeat_byte(chain as u8 + 21),
            scope: B256::repeat_byte(chain as u8),
        };
        BridgeSpec { name: "one".to_owned(), sides: [side(0), side(1)] }
    }

    #[test]
    fn the_rate_is_kept_and_every_delivery_is_old_enough() {
        let mut traffic = Traffic::new(vec![bridge()], 30, 200.0, 7);
        let begun = Instant::now();
        let (mut total, mut last) = (0, 0);
        for second in 0..120u64 {
            for chain in 0..2 {
                let now = begun + Duration::from_secs(second);
                let (made, attacks) = traffic.block(chain, (second, now), |_| false);
                assert!(attacks.is_empty());
                assert!(second > 33 || made.len() <= 51, "nothing is delivered before it is old enough");
                total += made.len();
                last = made.len();
            }
        }
        assert_eq!(last, 100, "50 deposits and 50 deliveries per side and second");
        assert!(total > 15_000, "{total}");
    }

    #[test]
    fn a_closed_bridge_rests_and_an_attack_waits_until_it_opens() {
        let mut traffic = Traffic::new(vec![bridge()], 30, 200.0, 7);
        let begun = Instant::now();
        traffic.attack(3, 0, 0);
        for second in 0..5u64 {
            let (made, attacks) = traffic.block(0, (second, begun + Duration::from_secs(second)), |_| true);
            assert!(made.is_empty() && attacks.is_empty());
        }
        let (made, attacks) = traffic.block(0, (9, begun + Duration::from_secs(5)), |_| false);
        assert_eq!((attacks, made.len()), (vec![3], 51), "the attack looks like any other release");
    }
}
