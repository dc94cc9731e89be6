//! The play as a story: who sent what, what landed, what was refused, and what the service does about it.

use std::collections::BTreeMap;
use std::time::Duration;

use alloy::primitives::B256;

use crate::actors::Sent;
use crate::lab::World;
use crate::scenario::{Actor, Domain, Kind, Transfer};
use crate::screen::{Screen, Tone, dollars};
use crate::timeline::{Line, Step};
use crate::watch::{Seen, amount, trips};

/// Refusals are told together for so long, microseconds.
const CROWD_US: i64 = 3_000_000;
/// Longest detail of the service that is shown in a line.
const DETAIL: usize = 150;

/// The opening of the story.
pub(super) fn world(screen: &Screen, world: &World, took: Duration) {
    for place in world.places() {
        let name = place.domain().name();
        let ports: Vec<String> =
            place.operators().iter().map(|proxy| format!("{} {}", proxy.operator, proxy.http())).collect();
        screen.say(Tone::Plain, format!("{name:<9} {} · {}", place.caip2(), ports.join(" · ")));
    }
    let openings = &world.scenario.openings;
    let tokens = &world.scenario.tokens;
    let held: u128 = openings.iter().filter_map(|o| Some(tokens.get(o.token)?.value(o.amount))).sum();
    screen.say(
        Tone::Plain,
        format!(
            "{} transfers of the past were laid down in {:.1} s; the bridge holds {}.",
            world.scenario.history.len(),
            took.as_secs_f64(),
            dollars(held)
        ),
    );
}

/// Remembers what was told, so that a crowd is one line and not a hundred.
pub(super) struct Teller {
    names: BTreeMap<String, Domain>,
    first_loss: bool,
    /// Refusals that were not told yet, since when, and up to which block.
    crowd: Option<(i64, u64, Tally)>,
}

impl Teller {
    pub(super) fn new(world: &World) -> Self {
        let names = world.places().iter().map(|place| (place.caip2(), place.domain())).collect();
        Self { names, first_loss: false, crowd: None }
    }

    /// What somebody sent.
    pub(super) fn sent(&mut self, screen: &Screen, world: &World, sent: &Sent) {
        let transfers: Vec<&Transfer> =
            sent.transfers.iter().filter_map(|i| world.scenario.live.get(*i)).collect();
        if let Some(why) = &sent.refused {
            screen.event(
                sent.at_us,
                Some(sent.side),
                "refused",
                Tone::Bad,
                format!("by the node itself: {why}"),
            );
        }
        let Some(first) = transfers.first() else {
            let text = "the bridge's owner re-initialises it with a root of zero: every message now counts as proven";
            screen.event(sent.at_us, Some(sent.side), "upgrade", Tone::Bad, text);
            return;
        };
        if sent.actor != Actor::Honest {
            return;
        }
        let what = sum(world, &transfers);
        let text = match first.kind {
            Kind::Send => format!("message {} sends {what} to {}", first.message_id, first.remote.name()),
            Kind::Process => format!("the relayer delivers message {}: {what}", first.message_id),
        };
        screen.event(sent.at_us, Some(sent.side), "honest", Tone::Quiet, text);
    }

    /// What a block did.
    pub(super) fn block(&mut self, screen: &mut Screen, world: &World, seen: &Seen, sent: &[Sent]) {
        let mine = |hash: B256| sent.iter().rev().find(|sent| sent.hash == hash);
        let at_us = seen.head.seen_us;
        let place = world.places().into_iter().find(|place| place.domain() == seen.side);
        for trip in place.map(|place| trips(seen, place.guard())).unwrap_or_default() {
            let level = if trip.level == 2 { "closed" } else { "limited" };
            let text = format!(
                "block {}, place {}: the gate is {level} for {} s",
                trip.height,
                trip.index + 1,
                trip.until.saturating_sub(seen.head.time)
            );
            screen.event(at_us, Some(seen.side), "GATE", Tone::Good, text);
        }
        let (mut taken, mut refused, mut waits) = (Tally::default(), Tally::default(), 0);
        for receipt in &seen.receipts {
            let Some(sent) = mine(receipt.transaction_hash) else { continue };
            let tally = match (sent.actor, receipt.status) {
                (Actor::Honest, 1) => continue,
                (Actor::Honest, _) => {
                    waits += 1;
                    continue;
                }
                (_, 1) => &mut taken,
                _ => &mut refused,
            };
            for transfer in sent.transfers.iter().filter_map(|i| world.scenario.live.get(*i)) {
                if transfer.kind == Kind::Process {
                    tally.add(world, transfer);
                }
            }
        }
        if taken.count > 0 {
            if !self.first_loss {
                self.first_loss = true;
                screen.set_zero(at_us);
                screen.say(Tone::Quiet, "              time now counts from the first false release");
            }
            let what = if seen.side.joins() { "false mints make" } else { "false releases take" };
            let text = format!("block {}: {}", seen.head.height, taken.text(what));
            screen.event(at_us, Some(seen.side), "ATTACK", Tone::Bad, text);
        }
        self.refused(screen, seen, refused);
        if waits > 0 {
            let text = format!(
                "block {}: {waits} honest calls find the gate closed and have to wait",
                seen.head.height
            );
            screen.event(at_us, Some(seen.side), "waits", Tone::Quiet, text);
        }
    }

    /// A crowd that is refused is told once in a while, the first of it at once.
    fn refused(&mut self, screen: &Screen, seen: &Seen, refused: Tally) {
        if seen.side.joins() && refused.count > 0 {
            let text = format!("block {}: {}", seen.head.height, refused.text("false mints refused, worth"));
            screen.event(seen.head.seen_us, Some(seen.side), "refused", Tone::Good, text);
        }
        if seen.side != Domain::Ethereum {
            return;
        }
        let at_us = seen.head.seen_us;
        let tell = |since: u64, tally: &Tally| {
            let blocks = if since == seen.head.height {
                format!("block {since}")
            } else {
                format!("blocks {since}–{}", seen.head.height)
            };
            let text = format!("{blocks}: {}", tally.text("false releases refused, worth"));
            screen.event(at_us, Some(seen.side), "refused", Tone::Good, text);
        };
        match &mut self.crowd {
            None if refused.count == 0 => {}
            None => {
                tell(seen.head.height, &refused);
                self.crowd = Some((at_us, seen.head.height + 1, Tally::default()));
            }
            Some((since_us, since, tally)) => {
                tally.merge(refused);
                if at_us - *since_us >= CROWD_US {
                    if tally.count > 0 {
                        tell(*since, tally);
                        (*since_us, *since, *tally) = (at_us, seen.head.height + 1, Tally::default());
                    } else {
                        self.crowd = None;
                    }
                }
            }
        }
    }

    /// What the service says.
    pub(super) fn line(&self, screen: &Screen, line: &Line) {
        let Some(step) = line.step else { return };
        let chain = line.field("chain");
        let mut detail = line.detail();
        if detail.chars().count() > DETAIL {
            detail = detail.chars().take(DETAIL).collect::<String>() + "…";
        }
        let tone = if matches!(step, Step::Observe | Step::Correlate) { Tone::Plain } else { Tone::Work };
        screen.event(line.at_us, self.names.get(&chain).copied(), step.verb(), tone, detail);
    }
}

#[derive(Default)]
struct Tally {
    count: usize,
    value: u128,
    what: BTreeMap<String, usize>,
}

impl Tally {
    fn add(&mut self, world: &World, transfer: &Transfer) {
        self.count += 1;
        self.value += world.scenario.value(transfer);
        let from = if transfer.actor == Actor::Sibling {
            format!(" from {}", transfer.remote.name())
        } else {
            String::new()
        };
        let what = format!("{}{from}", sum(world, &[transfer]));
        *self.what.entry(what).or_default() += 1;
    }

    fn merge(&mut self, other: Self) {
        self.count += other.count;
        self.value += other.value;
        for (what, times) in other.what {
            *self.what.entry(what).or_default() += times;
        }
    }

    fn text(&self, what: &str) -> String {
        let mut parts: Vec<String> =
            self.what.iter().map(|(what, times)| format!("{times} × {what}")).collect();
        let more = parts.len().saturating_sub(3);
        parts.truncate(3);
        if more > 0 {
            parts.push(format!("{more} more kinds"));
        }
        // Most of what the siblings lost is in tokens that nobody quoted.
        let worth = if self.value == 0 { "nothing that has a price".to_owned() } else { dollars(self.value) };
        format!("{} {what} {worth} ({})", self.count, parts.join(", "))
    }
}

/// `100 WBTC`, or how many transfers of how much.
fn sum(world: &World, transfers: &[&Transfer]) -> String {
    let one = |transfer: &Transfer| {
        world.scenario.tokens.get(transfer.token).map_or_else(String::new, |token| {
            format!("{} {}", amount(transfer.amount, token.decimals), token.symbol)
        })
    };
    match transfers {
        [only] => one(only),
        many => format!(
            "{} transfers worth {}",
            many.len(),
            dollars(many.iter().map(|t| world.scenario.value(t)).sum())
        ),
    }
}
