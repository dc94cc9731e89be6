//! What an endpoint does wrong, how, and when.
//!
//! A [`Rule`] says at which operator, for which method, at which of its occurrences, and what happens. Everything that
//! looks like chance follows from a seed, from the rule's place and from how often it was asked: never from the clock
//! and never from what other methods do.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use alloy::primitives::keccak256;
use serde_json::Value;

/// Rewrites an answer of the node: method (`eth_subscription` for a push), parameters, and the result to change.
pub type Lie = Arc<dyn Fn(&str, &Value, &mut Value) + Send + Sync>;

/// Rewrites the parameters of a question before the node hears it.
pub type Twist = Arc<dyn Fn(&mut Value) + Send + Sync>;

/// Which way something goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leg {
    /// To the node: it never hears of it.
    Request,
    /// To the service: the node has done it. Pushes go this way.
    Reply,
}

/// What an endpoint does wrong once.
#[derive(Clone)]
pub enum Fault {
    /// Another result than the node's.
    Lie(Lie),
    /// An answer that is made up, from null, without asking the node.
    Invent(Lie),
    /// The answer to another question: another account, another block.
    Ask(Twist),
    /// The answer to the first question of this method, again and again, under the right id.
    Stale,
    /// The right answer, so much later; a time between both bounds, by seed. Others overtake it.
    Delay {
        /// Shortest.
        least: Duration,
        /// Longest.
        most: Duration,
    },
    /// Lost on the way. The connection of a lost request or answer breaks; a push is simply not there.
    Lose(Leg),
    /// Never an answer; on a socket nothing passes any more, in either direction, pongs included.
    HalfOpen,
    /// Half of the answer.
    Cut,
    /// The right answer under another id; a push under another subscription.
    WrongId,
    /// The same twice; over HTTP, where nobody listens any more, once.
    Twice,
    /// Changes places with the next one. Pushes only.
    Swap,
    /// An answer of so many bytes, streamed.
    Huge {
        /// How many.
        bytes: usize,
    },
    /// The page of a proxy that is out of order.
    Html,
    /// Brackets in brackets.
    Deep {
        /// How many.
        levels: usize,
    },
    /// Too many requests; come back later.
    TooMany {
        /// When, seconds.
        retry_after_secs: u64,
    },
    /// An error of JSON-RPC; the node never hears of the request.
    Refuse {
        /// Its code.
        code: i64,
        /// Its text.
        message: &'static str,
    },
}

impl Fault {
    /// Its name, for tables.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Lie(_) => "lie",
            Self::Invent(_) => "invention",
            Self::Ask(_) => "other question",
            Self::Stale => "stale answer",
            Self::Delay { .. } => "delay",
            Self::Lose(Leg::Request) => "lost request",
            Self::Lose(Leg::Reply) => "lost reply",
            Self::HalfOpen => "half open",
            Self::Cut => "cut short",
            Self::WrongId => "wrong id",
            Self::Twice => "twice",
            Self::Swap => "swapped",
            Self::Huge { .. } => "oversize",
            Self::Html => "html",
            Self::Deep { .. } => "deep json",
            Self::TooMany { .. } => "429",
            Self::Refuse { .. } => "refused",
        }
    }
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// At which occurrences of its method a rule holds; the first is number one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nth {
    /// At all.
    Every,
    /// Up to this one.
    First(u32),
    /// From this one on.
    From(u32),
    /// At so many in a hundred, chosen by the seed.
    Percent(u8),
}

/// One rule.
#[derive(Debug, Clone)]
pub struct Rule {
    /// At which operator; none is at each.
    pub operator: Option<&'static str>,
    /// Which method: `*` for all requests and pushes, `eth_subscription` for all pushes, `newHeads` and `logs` for these.
    pub method: &'static str,
    /// When.
    pub nth: Nth,
    /// What.
    pub fault: Fault,
}

impl Rule {
    /// A rule for every occurrence at one operator.
    #[must_use]
    pub fn at(operator: &'static str, method: &'static str, fault: Fault) -> Self {
        Self { operator: Some(operator), method, nth: Nth::Every, fault }
    }

    /// A rule for every occurrence at all operators.
    #[must_use]
    pub fn everywhere(method: &'static str, fault: Fault) -> Self {
        Self { operator: None, method, nth: Nth::Every, fault }
    }

    /// The same, at some occurrences only.
    #[must_use]
    pub fn when(mut self, nth: Nth) -> Self {
        self.nth = nth;
        self
    }

    fn concerns(&self, method: &str) -> bool {
        let push = matches!(method, "newHeads" | "logs");
        self.method == "*" || self.method == method || (self.method == "eth_subscription" && push)
    }
}

/// A fault that happens now.
#[derive(Debug, Clone)]
pub(crate) struct Strike {
    pub(crate) fault: Fault,
    /// Chosen between the bounds of a delay; zero for other faults.
    pub(crate) wait: Duration,
    /// Which rule, for what it remembers.
    pub(crate) rule: usize,
}

#[derive(Debug)]
struct Entry {
    rule: Rule,
    asked: u32,
    struck: u64,
    /// What a stale answer repeats.
    kept: Option<Value>,
}

/// The rules in force at one endpoint.
#[derive(Debug, Default)]
pub(crate) struct Rulebook {
    seed: u64,
    entries: Vec<Entry>,
}

impl Rulebook {
    /// The rules that concern an operator.
    pub(crate) fn new(operator: &str, seed: u64, rules: &[Rule]) -> Self {
        // Every operator throws its own dice.
        let own = keccak256([&seed.to_be_bytes()[..], operator.as_bytes()].concat());
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&own[..8]);
        let here = rules.iter().filter(|rule| rule.operator.is_none_or(|name| name == operator));
        let entry = |rule: &Rule| Entry { rule: rule.clone(), asked: 0, struck: 0, kept: None };
        Self { seed: u64::from_be_bytes(bytes), entries: here.map(entry).collect() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// What happens to this occurrence of a method: the first rule that holds decides. All rules count it.
    pub(crate) fn strike(&mut self, method: &str) -> Option<Strike> {
        let mut out = None;
        for (at, entry) in self.entries.iter_mut().enumerate() {
            if !entry.rule.concerns(method) {
                continue;
            }
            entry.asked = entry.asked.saturating_add(1);
            let draw = draw(self.seed, at as u64, u64::from(entry.asked));
            let holds = match entry.rule.nth {
                Nth::Every => true,
                Nth::First(last) => entry.asked <= last,
                Nth::From(first) => entry.asked >= first,
                Nth::Percent(percent) => draw % 100 < u64::from(percent),
            };
            if holds && out.is_none() {
                entry.struck += 1;
                let wait = match entry.rule.fault {
                    Fault::Delay { least, most } => between(least, most, draw / 100),
                    _ => Duration::ZERO,
                };
                out = Some(Strike { fault: entry.rule.fault.clone(), wait, rule: at });
            }
        }
        out
    }

    /// What a stale answer says: the first result that came by.
    pub(crate) fn stale(&mut self, rule: usize, now: &Value) -> Value {
        let Some(entry) = self.entries.get_mut(rule) else { return now.clone() };
        entry.kept.get_or_insert_with(|| now.clone()).clone()
    }

    /// How often faults happened.
    pub(crate) fn struck(&self) -> u64 {
        self.entries.iter().map(|entry| entry.struck).sum()
    }
}

/// A number that follows from a seed and two places, well mixed (SplitMix64's finalizer).
fn draw(seed: u64, place: u64, occurrence: u64) -> u64 {
    let mut x = seed
        .wrapping_add(place.wrapping_mul(0xd1b5_4a32_d192_ed03))
        .wrapping_add(occurrence.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

fn between(least: Duration, most: Duration, draw: u64) -> Duration {
    let span = most.saturating_sub(least).as_micros() as u64;
    least + Duration::from_micros(draw % (span + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(book: &mut Rulebook, method: &str, times: usize) -> Vec<&'static str> {
        (0..times).map(|_| book.strike(method).map_or("-", |strike| strike.fault.name())).collect()
    }

    #[test]
    fn a_rule_holds_at_its_operator_its_method_and_its_occurrences() {
        let rules = [
            Rule::at("alpha", "eth_getLogs", Fault::Html).when(Nth::First(2)),
            Rule::at("beta", "eth_getLogs", Fault::Cut),
            Rule::everywhere("eth_chainId", Fault::WrongId).when(Nth::From(3)),
        ];
        let mut alpha = Rulebook::new("alpha", 1, &rules);
        assert_eq!(names(&mut alpha, "eth_getLogs", 3), ["html", "html", "-"]);
        assert_eq!(names(&mut alpha, "eth_chainId", 4), ["-", "-", "wrong id", "wrong id"]);
        assert_eq!(names(&mut alpha, "eth_call", 1), ["-"]);
        assert_eq!(alpha.struck(), 4);
        let mut gamma = Rulebook::new("gamma", 1, &rules);
        assert_eq!(names(&mut gamma, "eth_getLogs", 1), ["-"]);
    }

    #[test]
    fn chance_follows_from_the_seed_and_from_nothing_else() {
        let rules = [Rule::everywhere("newHeads", Fault::Twice).when(Nth::Percent(30))];
        let run = |seed, operator, noise| {
            let mut book = Rulebook::new(operator, seed, &rules);
            let mut out = Vec::new();
            for _ in 0..200 {
                if noise {
                    assert!(book.strike("eth_call").is_none());
                }
                out.push(book.strike("newHeads").is_some());
            }
            out
        };
        assert_eq!(run(7, "alpha", false), run(7, "alpha", true));
        assert_ne!(run(7, "alpha", false), run(8, "alpha", false));
        assert_ne!(run(7, "alpha", false), run(7, "beta", false));
        let hits = run(7, "alpha", false).iter().filter(|hit| **hit).count();
        assert!((40..80).contains(&hits), "{hits} of 200 at 30 %");
    }

    #[test]
    fn pushes_have_a_name_of_their_own_and_a_common_one() {
        let rules = [Rule::everywhere("eth_subscription", Fault::Swap)];
        let mut book = Rulebook::new("alpha", 1, &rules);
        assert!(book.strike("newHeads").is_some() && book.strike("logs").is_some());
        assert!(book.strike("eth_getLogs").is_none());
    }

    #[test]
    fn a_delay_lies_between_its_bounds() {
        let (least, most) = (Duration::from_millis(10), Duration::from_millis(90));
        let rules = [Rule::everywhere("*", Fault::Delay { least, most })];
        let mut book = Rulebook::new("alpha", 3, &rules);
        let waits: Vec<Duration> = (0..50).filter_map(|_| Some(book.strike("logs")?.wait)).collect();
        assert!(waits.len() == 50 && waits.iter().all(|wait| (least..=most).contains(wait)), "{waits:?}");
        assert!(waits.windows(2).any(|pair| pair[0] != pair[1]), "jitter");
    }

    #[test]
    fn a_stale_answer_is_the_first_one() {
        let rules = [Rule::everywhere("eth_getProof", Fault::Stale)];
        let mut book = Rulebook::new("alpha", 3, &rules);
        assert_eq!(book.stale(0, &Value::from(1)), Value::from(1));
        assert_eq!(book.stale(0, &Value::from(2)), Value::from(1));
    }
}
