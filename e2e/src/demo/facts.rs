//! What can be said about a play from outside: from the nodes, and from what passed the operators' endpoints. Only what
//! the service alone can know (what it proved, and when) is asked of it.

use std::collections::BTreeSet;

use alloy::primitives::B256;
use eyre::Result;
use serde_json::Value;

use crate::actors::Sent;
use crate::lab::{Outcome, Place, World};
use crate::nodes::Head;
use crate::report::{After, Contained, Summary};
use crate::scenario::{Actor, Domain, Kind};
use crate::service::Service;
use crate::timeline::Step;
use crate::watch::{Chronicle, Tripped};

use super::{Duration, What};

/// Closed, on the wire.
const CLOSED: u8 = 2;
/// How long the service may take to write down what it did, after the play is over. Where a trip counts as landed only when its
/// block is final, that is 32 slots later.
const BOOKS_PATIENCE: Duration = Duration::from_secs(10);
const FINAL_PATIENCE: Duration = Duration::from_secs(45);

/// What was seen.
#[derive(Debug, Default)]
pub struct Facts {
    /// When the first false release was due, microseconds since 1970.
    pub zero_us: i64,
    /// Every transaction of the play.
    pub sent: Vec<Sent>,
    /// Every block of every chain.
    pub chronicle: Chronicle,
}

/// The first false release or mint that landed.
#[derive(Debug, Clone, Copy)]
pub struct First {
    /// On which chain.
    pub side: Domain,
    /// Its block, and when it was seen.
    pub head: Head,
    /// When the first endpoint pushed that block's head to the service, microseconds since 1970.
    pub pushed_us: i64,
    /// When a false release that landed was first handed to a node, microseconds since 1970.
    pub sent_us: i64,
}

impl Facts {
    /// The first false release or mint, if any landed.
    #[must_use]
    pub fn first(&self, world: &World, outcomes: &[Outcome]) -> Option<First> {
        let landed: Vec<&Outcome> = outcomes
            .iter()
            .filter(|o| o.landed() && o.sent.actor != Actor::Honest)
            .filter(|o| o.sent.transfers.iter().any(|t| is_consumption(world, *t)))
            .collect();
        let sent_us = landed.iter().map(|o| o.sent.at_us).min()?;
        let (side, head) = landed
            .iter()
            .filter_map(|o| Some((o.sent.side, o.receipt.as_ref()?.block_number)))
            .filter_map(|(side, height)| Some((side, self.chronicle.head(side, height)?)))
            .min_by_key(|(_, head)| head.seen_us)?;
        let pushed = |note: &crate::proxy::Note| match note.what {
            What::Head { height: at, .. } if at == head.height => Some(note.at_us),
            _ => None,
        };
        let pushed_us = world
            .places()
            .into_iter()
            .filter(|place| place.domain() == side)
            .flat_map(|place| place.operators())
            .flat_map(|proxy| proxy.notes().iter().filter_map(pushed).collect::<Vec<_>>())
            .min()
            .unwrap_or(head.seen_us);
        Some(First { side, head, pushed_us, sent_us })
    }

    /// The first trip of a side that closed its gate, from a height on.
    #[must_use]
    pub fn closing(&self, side: &Place<'_>, from: u64) -> Option<Tripped> {
        let mut from = from;
        loop {
            let trip = self.chronicle.first_trip(side.domain(), side.guard(), from)?;
            if trip.level == CLOSED {
                return Some(trip);
            }
            from = trip.height + 1;
        }
    }

    /// Everything that is told at the end.
    ///
    /// # Errors
    /// When a node or the service does not answer.
    pub async fn summary(&self, world: &World, service: &Service) -> Result<Summary> {
        let outcomes = world.outcomes(&self.sent).await?;
        let first = self.first(world, &outcomes);
        let usd = |micro: u128| micro as f64 / 1e6;
        let mut summary = Summary {
            families: families(world),
            first_false_release_ts: first.map(|first| first.head.time),
            lost_usd: usd(world.taken(&outcomes, Actor::Attacker)),
            lost_without_us_usd: usd(world.scenario.lost_without_us),
            siblings_lost_usd: usd(world.taken(&outcomes, Actor::Sibling)),
            siblings_without_us_usd: usd(world.scenario.siblings_without_us),
            false_halts: self.false_halts(world, first),
            delayed: delayed(world, &outcomes),
            attacks: attacks(world, &outcomes),
            unaligned: first.is_some_and(|first| first.side.joins() || world.cluster.is_some()),
            ..Summary::default()
        };
        let places = world.places();
        let trips: Vec<Option<Tripped>> = places.iter().map(|place| self.closing(place, 0)).collect();
        let incident = trips.iter().flatten().map(|trip| trip.incident).next();
        summary.incident = incident.map(|id| format!("{id}"));
        let books = match incident {
            Some(id) => Some(read_books(world, service, id).await?),
            None => None,
        };
        for (place, trip) in places.iter().zip(trips) {
            summary.contain.push(self.contained(place, first, trip, books.as_ref(), service).await?);
        }
        summary.steps = self.steps(first, service);
        if let Some(id) = incident {
            summary.replay_equal = replay(service, id).await?;
        }
        Ok(summary)
    }

    async fn contained(
        &self,
        place: &Place<'_>,
        first: Option<First>,
        trip: Option<Tripped>,
        books: Option<&Value>,
        service: &Service,
    ) -> Result<Contained> {
        let domain = place.domain();
        let mut out = Contained {
            chain: place.caip2(),
            name: domain.name().to_owned(),
            provable: place.provable(),
            effect: "none".to_owned(),
            ..Contained::default()
        };
        out.closed = place.closed().await?;
        let (Some(first), Some(trip)) = (first, trip) else { return Ok(out) };
        let base = self.chronicle.height_at(domain, first.head.seen_us).unwrap_or(trip.height);
        let after = |at_us: i64, blocks: i64| After { ms: (at_us - first.head.seen_us) as f64 / 1e3, blocks };
        let blocks_at = |at_us: i64| distance(base, self.chronicle.height_at(domain, at_us).unwrap_or(base));
        out.landed_blocks_after = Some(distance(base, trip.height));
        if let Some(at_us) = everywhere(place, first.pushed_us) {
            out.observed_to_broadcast_ms = Some((at_us - first.pushed_us) as f64 / 1e3);
            out.broadcast = Some(after(at_us, blocks_at(at_us)));
        }
        if let Some(head) = self.chronicle.head(domain, trip.height) {
            out.landed = Some(after(head.seen_us, distance(base, trip.height)));
        }
        let confirmed = service.told.steps().into_iter().find(|line| {
            line.step == Some(Step::Confirm) && line.field("chain") == out.chain && is_effect(&line.detail())
        });
        out.confirmed = confirmed.map(|line| after(line.at_us, blocks_at(line.at_us)));
        out.effect = books.map_or_else(|| out.effect.clone(), |books| effect(books, &out.chain));
        let later = self.sent.iter().filter(|sent| sent.actor != Actor::Honest && sent.side == domain);
        let receipts = self.chronicle.receipts(domain, trip.height);
        let later = later
            .filter(|sent| {
                receipts.iter().any(|r| r.transaction_hash == sent.hash && r.transaction_index > trip.index)
            })
            .count();
        out.ahead_of = Some((trip.index + 1, later));
        Ok(out)
    }

    /// When the service saw, proved and decided: the first line of each verb from the first false release on.
    fn steps(&self, first: Option<First>, service: &Service) -> Vec<(&'static str, Option<After>)> {
        let Some(first) = first else { return Vec::new() };
        let told = service.told.steps();
        let find = |step: Step| {
            let line =
                told.iter().find(|line| line.step == Some(step) && line.at_us >= first.pushed_us - 1_500)?;
            let height = self.chronicle.height_at(first.side, line.at_us).unwrap_or(first.head.height);
            let ms = (line.at_us - first.head.seen_us) as f64 / 1e3;
            Some(After { ms, blocks: distance(first.head.height, height) })
        };
        vec![
            ("observed", find(Step::Observe)),
            ("verified", find(Step::Verify)),
            ("decided", find(Step::Decide)),
        ]
    }

    /// Closings before anything false had happened.
    fn false_halts(&self, world: &World, first: Option<First>) -> u64 {
        let early = |place: &Place<'_>| {
            let trip = self.closing(place, 0)?;
            self.chronicle.head(place.domain(), trip.height).filter(|head| is_early(head, first))
        };
        world.places().iter().filter_map(early).count() as u64
    }
}

/// Whether a gate that closed in this block closed for nothing: before anybody had handed in a false release. Not before
/// the false release's block was *seen*: each chain is watched by a task of its own, and on a crowded machine the one that
/// watches the robbed chain may well be the last to hear of it.
fn is_early(closing: &Head, first: Option<First>) -> bool {
    first.is_none_or(|first| closing.seen_us < first.sent_us)
}

/// When the bytes of a first trip were at every endpoint of a chain: the latest of the endpoints' first arrivals.
#[must_use]
pub fn everywhere(place: &Place<'_>, from_us: i64) -> Option<i64> {
    let first = |proxy: &crate::proxy::Proxy| {
        let notes = proxy.notes();
        let arrivals = notes.iter().filter(|note| matches!(note.what, What::Submitted { .. }));
        arrivals.map(|note| note.at_us).find(|at_us| *at_us >= from_us)
    };
    place.operators().iter().map(first).collect::<Option<Vec<_>>>()?.into_iter().max()
}

/// Families of the chains in a play, in order and each once.
fn families(world: &World) -> Vec<String> {
    let names: BTreeSet<&str> = world.places().iter().map(Place::family).collect();
    names.into_iter().map(str::to_owned).collect()
}

fn is_consumption(world: &World, index: usize) -> bool {
    world.scenario.live.get(index).is_some_and(|transfer| transfer.kind == Kind::Process)
}

fn distance(from: u64, to: u64) -> i64 {
    i64::try_from(i128::from(to) - i128::from(from)).unwrap_or(0)
}

/// Honest deliveries that found the gate closed, and their value.
fn delayed(world: &World, outcomes: &[Outcome]) -> (usize, u128) {
    let refused = outcomes.iter().filter(|o| o.sent.actor == Actor::Honest && !o.landed());
    let transfers =
        refused.flat_map(|o| &o.sent.transfers).filter_map(|index| world.scenario.live.get(*index));
    transfers
        .filter(|transfer| transfer.kind == Kind::Process)
        .fold((0, 0), |(count, value), transfer| (count + 1, value + world.scenario.value(transfer)))
}

/// False releases that landed and that were refused.
fn attacks(world: &World, outcomes: &[Outcome]) -> (usize, usize) {
    outcomes.iter().filter(|o| o.sent.actor != Actor::Honest).fold((0, 0), |(landed, refused), outcome| {
        let releases = outcome.sent.transfers.iter().filter(|t| is_consumption(world, **t)).count();
        if outcome.landed() { (landed + releases, refused) } else { (landed, refused + releases) }
    })
}

/// A line of the timeline that says that a gate is as tight as asked, not only that the trip is in a block.
#[must_use]
pub fn is_effect(detail: &str) -> bool {
    detail.contains("as tight as asked")
}

/// The service's own record of an incident, once all its gates are settled or it had its time.
async fn read_books(world: &World, service: &Service, incident: B256) -> Result<Value> {
    let patience = if world.cluster.is_some() { FINAL_PATIENCE } else { BOOKS_PATIENCE };
    let deadline = std::time::Instant::now() + patience;
    loop {
        match service.incident(incident).await {
            Ok(books) if settled(&books) || std::time::Instant::now() > deadline => return Ok(books),
            Err(error) if std::time::Instant::now() > deadline => return Err(error),
            _not_yet => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}

fn actions(books: &Value) -> impl Iterator<Item = &Value> {
    books.get("actions").and_then(Value::as_array).into_iter().flatten()
}

/// Whether every action that an incident asked for is effective.
#[must_use]
pub fn settled(books: &Value) -> bool {
    let mut any = false;
    actions(books).all(|action| {
        any = true;
        action.get("state").and_then(Value::as_str) == Some("effective")
    }) && any
}

/// `proven`, `reported k/n`, or how far the action got.
fn effect(books: &Value, chain: &str) -> String {
    let text = |value: &Value, pointer: &str| {
        value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let Some(action) = actions(books).find(|action| text(action, "/chain") == chain) else {
        return "none".to_owned();
    };
    let state = text(action, "/state");
    if state != "effective" {
        return state;
    }
    // What the gate's own state word was shown to be, the best of it.
    let mut reported = None;
    for evidence in books.get("evidence").and_then(Value::as_array).into_iter().flatten() {
        let claim = evidence.pointer("/claim/state").or_else(|| evidence.pointer("/claim/State"));
        let about = claim.is_some_and(|claim| text(claim, "/chain") == chain);
        if !about || text(evidence, "/outcome") != "proven" {
            continue;
        }
        if text(evidence, "/assurance/inclusion") == "merkle_proved" {
            return "proven".to_owned();
        }
        let voices = |name: &str| {
            evidence.pointer(&format!("/assurance/header/quorum/{name}")).and_then(Value::as_u64)
        };
        reported = Some((voices("agreeing").unwrap_or(0), voices("of").unwrap_or(0)));
    }
    reported.map_or(state, |(agreeing, of)| format!("reported {agreeing}/{of}"))
}

/// Asks the service's own command whether a fresh engine decides the same from the logged inputs.
///
/// # Errors
/// When the command does not answer.
pub async fn replay(service: &Service, incident: B256) -> Result<bool> {
    let (code, text) = service.cli(&["replay", "--incident", &incident.to_string(), "--json"]).await?;
    let said = text.lines().last().and_then(|line| serde_json::from_str::<Value>(line).ok());
    let equal = said.as_ref().and_then(|value| value.get("equal")).and_then(Value::as_bool);
    Ok(code == 0 && equal.unwrap_or(false))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn books(state: &str, inclusion: &str) -> Value {
        json!({
            "actions": [{"chain": "eip155:7", "state": state}],
            "evidence": [
                {"claim": {"emitted": {"chain": "eip155:7"}}, "outcome": "proven", "assurance": {"inclusion": "merkle_proved"}},
                {"claim": {"state": {"chain": "eip155:7"}}, "outcome": "proven",
                 "assurance": {"inclusion": inclusion, "header": {"quorum": {"agreeing": 2, "of": 3}}}},
            ],
        })
    }

    #[test]
    fn an_effect_is_what_the_state_claim_rests_on() {
        assert_eq!(effect(&books("effective", "merkle_proved"), "eip155:7"), "proven");
        assert_eq!(effect(&books("effective", "reported"), "eip155:7"), "reported 2/3");
        assert_eq!(effect(&books("landed", "merkle_proved"), "eip155:7"), "landed");
        assert_eq!(effect(&books("effective", "merkle_proved"), "eip155:8"), "none");
    }

    fn head(seen_us: i64) -> Head {
        let seen = std::time::Instant::now();
        Head { height: 1, hash: B256::ZERO, time: 0, base_fee: 0, seen_us, seen }
    }

    /// On a crowded machine the block of the false release was heard of 200 ms after the service had pushed its answer
    /// through on another chain; that closing was counted as a false halt.
    #[test]
    fn a_gate_that_closed_after_the_theft_was_sent_did_not_close_for_nothing() {
        let robbed =
            First { side: Domain::Solana, head: head(1_000_200), pushed_us: 1_000_200, sent_us: 1_000_000 };
        assert!(!is_early(&head(1_000_050), Some(robbed)));
        assert!(is_early(&head(999_999), Some(robbed)));
        assert!(is_early(&head(999_999), None), "where nothing was stolen, every closing is for nothing");
    }

    #[test]
    fn books_are_settled_when_every_action_is() {
        assert!(settled(&books("effective", "reported")));
        assert!(!settled(&books("sent", "reported")));
        assert!(!settled(&json!({"actions": []})), "nothing is not everything");
    }
}
