//! A whole schedule: run, checked, and, should it fail, made as short as it can be.

use std::{
    collections::{BTreeMap, BTreeSet},
    panic::{AssertUnwindSafe, catch_unwind},
};

use portcullis_core::{Engine, Input, effect::Cause, input::Body};
use portcullis_verifier::{ActionClass, EventId, Observation, Progress};

use crate::{
    choice::{Choice, OPS},
    common::{away, height, home, word},
    subject::Defect,
    watch::{Turns, Violation, Watched, wrong},
    world::World,
};

/// What schedules did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    pub inputs: u64,
    pub observations: u64,
    pub claims: u64,
    pub actions: u64,
    /// Choices of each kind, in the order of [`OPS`].
    pub choices: [u64; OPS.len()],
}

impl Tally {
    /// Adds another.
    pub fn add(&mut self, other: &Self) {
        self.inputs += other.inputs;
        self.observations += other.observations;
        self.claims += other.claims;
        self.actions += other.actions;
        for (sum, more) in self.choices.iter_mut().zip(other.choices) {
            *sum += more;
        }
    }
}

/// Runs a schedule and checks everything; a panic is a violation like any other.
pub fn examine(schedule: &[Choice], defect: Defect) -> Result<Tally, Violation> {
    catch_unwind(AssertUnwindSafe(|| run(schedule, defect))).unwrap_or_else(|panic| {
        let words = panic.downcast_ref::<String>().cloned();
        let words = words.or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned()));
        wrong(0, words.unwrap_or_else(|| String::from("it panicked")))
    })
}

fn run(schedule: &[Choice], defect: Defect) -> Result<Tally, Violation> {
    let mut tally = Tally::default();
    let mut world = World::new(Watched::new(defect))?;
    for choice in schedule {
        world.choose(*choice)?;
        if let Some(at) = OPS.iter().position(|(op, ..)| *op == choice.op) {
            tally.choices[at] += 1;
        }
    }
    let end = world.settle()?;
    accounted(&world)?;
    order_free(&world, end)?;
    world.strike()?;
    world.watched.replayed()?;
    let watched = &world.watched;
    tally.inputs = watched.log.len() as u64;
    tally.observations = watched.observed;
    (tally.claims, tally.actions) = (watched.claims.len() as u64, watched.actions.len() as u64);
    Ok(tally)
}

/// Transfers that are on the chains now, were delivered, and that no proof showed to be false; in chain order.
fn standing(world: &World) -> Vec<&Observation> {
    let engine = &world.watched.subject.engine;
    let live = world.told.iter().filter(|told| told.live && told.delivered && told.moved.is_some());
    let mut all: Vec<&Observation> =
        live.map(|told| &told.seen).filter(|seen| !engine.is_refuted(seen.id())).collect();
    all.sort_by_key(|seen| (seen.time(), *seen.position()));
    all
}

/// Transfers that a stranger's chain told: they are in the ledger too, beside those on ours.
fn beside(world: &World) -> BTreeMap<EventId, &Observation> {
    let engine = &world.watched.subject.engine;
    let seen = world.watched.log.iter().filter_map(|(input, _)| match &input.body {
        Body::Observed(seen) if seen.chain() != home() && seen.chain() != away() => Some((seen.id(), seen)),
        _ => None,
    });
    seen.filter(|(event, _)| !engine.is_refuted(*event)).collect()
}

/// Invariant 4: what the ledger counts is what was delivered and not taken back.
fn accounted(world: &World) -> Result<(), Violation> {
    let strangers = |t: &&portcullis_core::view::TallyView| t.bridge == crate::common::slug("b");
    let tallies = world.watched.subject.engine.tallies();
    let counted: u64 = tallies.iter().filter(strangers).map(|tally| tally.events).sum();
    let expected = standing(world).len() + beside(world).len();
    if counted != expected as u64 {
        return wrong(4, format!("{expected} transfers stand, the ledger counts {counted}"));
    }
    Ok(())
}

/// Causes that say what a single consumption is: functions of what stands, whatever came when.
fn is_verdict(cause: Cause) -> bool {
    matches!(
        cause,
        Cause::Unbacked | Cause::Replayed | Cause::ValueMismatch | Cause::Premature | Cause::UndeclaredAsset
    )
}

type Standing = (Cause, Option<EventId>, ActionClass, u64, String);

/// What is said of single consumptions. Prices and rules that changed on the way change values and classes, not causes.
fn verdicts(engine: &Engine, turns: Turns) -> BTreeSet<Standing> {
    let changed = turns.priced || turns.reconfigured;
    let all = engine.signals().filter(|signal| is_verdict(signal.cause));
    all.map(|s| {
        if changed {
            (s.cause, s.event, ActionClass::Notify, 0, String::new())
        } else {
            (s.cause, s.event, s.class, s.value_micro_usd, s.detail.clone())
        }
    })
    .collect()
}

type Shape = (ActionClass, BTreeSet<(Cause, Option<EventId>)>);

/// Which signals are one incident.
fn incidents(engine: &Engine) -> BTreeSet<Shape> {
    let views = engine.incidents();
    let shape =
        views.iter().map(|view| (view.class, view.signals.iter().map(|s| (s.cause, s.event)).collect()));
    shape.collect()
}

/// Invariant 3: whatever came in whichever order, it ends as if it had come once, in the order of the chains.
fn order_free(world: &World, end: u64) -> Result<(), Violation> {
    let watched = &world.watched;
    let found = &watched.subject.engine;
    let mut straight = Engine::new(found.config().clone()).expect("it is in force");
    let mut input = |body| straight.step(&Input { at_ms: watched.now_ms, body });
    for seen in beside(world).into_values().chain(standing(world)) {
        input(Body::Observed(seen.clone()));
    }
    for chain in [home(), away()] {
        let (height, block_hash) = (height(end), word(1));
        let (safe_height, final_height) = (height - 32, height - 64);
        input(Body::Progress(Progress {
            chain,
            height,
            block_hash,
            time: end,
            safe_height,
            final_height,
            head_time: end,
        }));
    }
    let (one, other) = (verdicts(found, watched.turns), verdicts(&straight, watched.turns));
    if one != other {
        let only: Vec<_> = one.symmetric_difference(&other).collect();
        return wrong(3, format!("verdicts differ: {only:?}"));
    }
    // A stranger's token has no form in the routes of another, and prices do not touch amounts.
    if found.tallies() != straight.tallies().as_slice() && !watched.turns.reconfigured {
        let (one, other) = (found.tallies(), straight.tallies());
        let same = one.iter().all(|tally| other.contains(tally)) && one.len() == other.len();
        if !same {
            return wrong(3, format!("tallies differ: {one:?} and {other:?}"));
        }
    }
    if found.escrows() != straight.escrows() {
        return wrong(3, format!("escrows differ: {:?} and {:?}", found.escrows(), straight.escrows()));
    }
    let (one, other) = (found.ledger(), straight.ledger());
    if (one.open, one.waiting_micro_usd) != (other.open, 0) {
        return wrong(3, format!("what is open or waits differs: {one:?} and {other:?}"));
    }
    let comparable = |engine: &Engine| engine.signals().all(|signal| is_verdict(signal.cause));
    let Turns { priced, reconfigured, people } = watched.turns;
    let plain = !(priced || reconfigured || people) && comparable(found) && comparable(&straight);
    if plain && incidents(found) != incidents(&straight) {
        return wrong(3, format!("incidents differ: {:?} and {:?}", incidents(found), incidents(&straight)));
    }
    Ok(())
}

/// Leaves out choices as long as the rest still breaks the same invariant.
pub fn shrink(schedule: &[Choice], defect: Defect, invariant: u8) -> Vec<Choice> {
    let fails = |schedule: &[Choice]| examine(schedule, defect).is_err_and(|v| v.invariant == invariant);
    let mut short = schedule.to_vec();
    let mut part = short.len().div_ceil(2);
    while part > 0 {
        let mut at = 0;
        while at < short.len() {
            let mut fewer = short.clone();
            fewer.drain(at..(at + part).min(short.len()));
            if fails(&fewer) { short = fewer } else { at += part }
        }
        part /= 2;
    }
    // And small numbers where they do as well.
    for at in 0..short.len() {
        for (a, b) in [(0, 0), (0, short[at].b), (short[at].a, 0)] {
            let mut simpler = short.clone();
            simpler[at] = Choice { a, b, ..short[at] };
            if fails(&simpler) {
                short = simpler;
                break;
            }
        }
    }
    short
}

/// A schedule on one line, as `--choices` reads it.
pub fn on_one_line(schedule: &[Choice]) -> String {
    schedule.iter().map(Choice::to_string).collect::<Vec<_>>().join(" ")
}
