//! Invariant 3: the same observations in another order, twice, late, or with a reorganisation undone, end in the
//! same incidents.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    reason = "tests fail by panicking"
)]

mod common;

use std::collections::BTreeSet;

use common::*;
use portcullis_core::{Engine, effect::Cause, input::Body};
use portcullis_verifier::{ActionClass, EventId, Observation, Status, TransferKind, U256};
use proptest::{collection::vec, prelude::*};

/// What happens to one message.
#[derive(Debug, Clone, Copy)]
enum Story {
    Honest,
    Unbacked,
    Replayed(u8),
    OtherAmount,
    OtherRecipient,
    Premature,
    Undeclared,
    Unwatched,
    /// In flight at the end.
    Sent,
    /// A rescaled pair: eighteen decimals in, eight out.
    Scaled,
    /// Given back to its sender, and perhaps consumed over there all the same.
    Refunded(bool),
    /// Given back, and never sent.
    RefundUnbacked,
}

fn story() -> impl Strategy<Value = Story> {
    prop_oneof![
        3 => Just(Story::Honest),
        2 => Just(Story::Unbacked),
        2 => (1u8..4).prop_map(Story::Replayed),
        1 => Just(Story::OtherAmount),
        1 => Just(Story::OtherRecipient),
        1 => Just(Story::Premature),
        1 => Just(Story::Undeclared),
        1 => Just(Story::Unwatched),
        1 => Just(Story::Sent),
        1 => Just(Story::Scaled),
        2 => any::<bool>().prop_map(Story::Refunded),
        1 => Just(Story::RefundUnbacked),
    ]
}

// Blocks are twelve seconds apart and share one time each.
const START: u64 = T0 + 12_000;
const END: u64 = START + 40_000;

/// The moves of one message. `out` releases from the escrow, else it mints.
fn moves(id: u64, story: Story, out: bool, dollars: u64, at: u64) -> Vec<Move> {
    let id = 100 + id;
    let source = |time| if out { Move::burn(id, dollars, time) } else { Move::lock(id, dollars, time) };
    let used = |time| if out { Move::release(id, dollars, time) } else { Move::mint(id, dollars, time) };
    let back = if out { USD_AWAY } else { USD_HOME };
    let refund = |time| Move::new(TransferKind::Refund, id, back, usd(dollars), time).to(0x5e4de5);
    let ready = at + FINALITY + 36;
    match story {
        Story::Honest => vec![source(at), used(ready)],
        Story::Unbacked => vec![used(ready)],
        Story::Replayed(times) => {
            let again = (1..=u64::from(times)).map(|n| used(ready + 60 * n));
            [source(at), used(ready)].into_iter().chain(again).collect()
        }
        Story::OtherAmount => vec![source(at), Move { amount: usd(dollars + 1), ..used(ready) }],
        Story::OtherRecipient => vec![source(at), used(ready).to(0xbad)],
        Story::Premature => vec![source(at), used(at + 60)],
        Story::Undeclared => vec![Move { token: 0x99, ..used(ready) }],
        Story::Unwatched => vec![Move::release(id, dollars, ready).other(ELSEWHERE)],
        Story::Sent => vec![source(at)],
        Story::Refunded(false) => vec![source(at), refund(at + 60)],
        Story::Refunded(true) => vec![source(at), refund(at + 60), used(ready)],
        Story::RefundUnbacked => vec![refund(at)],
        Story::Scaled => {
            let whole = U256::from(10u64).pow(U256::from(18u64));
            let some = U256::from(7u64);
            vec![
                Move::new(TransferKind::Lock, id, ETH_HOME, whole * some + some, at),
                Move::new(TransferKind::Mint, id, ETH_AWAY, U256::from(700_000_000u64), ready),
            ]
        }
    }
}

fn scenario() -> impl Strategy<Value = Vec<Move>> {
    let one = (story(), any::<bool>(), prop_oneof![Just(10u64), Just(5_000), Just(3_000_000)], 0u64..1_700);
    vec(one, 1..10).prop_map(|messages| {
        let mut all = vec![Move::lock(1, 60_000_000, T0), Move::mint(1, 60_000_000, T0 + FINALITY + 36)];
        for (id, (story, out, dollars, at)) in messages.into_iter().enumerate() {
            all.extend(moves(u64::try_from(id).unwrap(), story, out, dollars, START + 12 * at));
        }
        all
    })
}

/// One step of a feed.
#[derive(Debug, Clone)]
enum Step {
    See(Box<Observation>),
    Until(u64),
}

fn see(observation: Observation) -> Step {
    Step::See(Box::new(observation))
}

fn run(steps: &[Step]) -> Engine {
    let mut run = Run::new();
    for step in steps {
        match step {
            Step::See(observation) => {
                run.body(Body::Observed((**observation).clone()));
            }
            Step::Until(time) => {
                // Shell time stands still: arrival must not matter, and deadlines are another test's business.
                run.body(Body::Progress(progress(home(), *time)));
                run.body(Body::Progress(progress(away(), *time)));
            }
        }
    }
    run.engine
}

type Standing = (Cause, Option<EventId>, ActionClass, u64, String);

/// Incidents without their ids: what supports each, and how bad it is.
fn incidents(engine: &Engine, only: impl Fn(Cause) -> bool) -> BTreeSet<(ActionClass, BTreeSet<Standing>)> {
    let views = engine.incidents();
    let shape = views.iter().map(|view| {
        let signals = view.signals.iter().filter(|s| only(s.cause));
        let standing: BTreeSet<Standing> =
            signals.map(|s| (s.cause, s.event, s.class, s.value_micro_usd, s.detail.clone())).collect();
        (standing.iter().map(|s| s.2).max().unwrap_or(ActionClass::Notify), standing)
    });
    shape.filter(|(_, standing)| !standing.is_empty()).collect()
}

fn straight(all: &[Move]) -> Vec<Step> {
    let mut seen: Vec<Observation> = all.iter().map(Move::observation).collect();
    seen.sort_by_key(|o| (o.time(), *o.position()));
    let mut steps = Vec::new();
    for block in seen.chunk_by(|one, next| one.time() == next.time()) {
        steps.extend(block.iter().cloned().map(see));
        steps.push(Step::Until(block[0].time()));
    }
    steps.push(Step::Until(END));
    steps
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn any_order_and_duplicates_end_in_the_same_incidents(
        all in scenario(),
        seed in any::<u64>(),
    ) {
        let expected = run(&straight(&all));
        let mut steps: Vec<Step> = Vec::new();
        for (n, one) in all.iter().enumerate() {
            let copies = 1 + (seed >> (n % 60)) % 3;
            for _ in 0..copies {
                steps.push(see(one.observation()));
            }
        }
        shuffle(&mut steps, seed);
        // Blocks close after everything in them was delivered, whatever the order inside.
        steps.push(Step::Until(END));
        let found = run(&steps);
        prop_assert_eq!(incidents(&found, |_| true), incidents(&expected, |_| true));
        prop_assert_eq!(found.ledger().open, expected.ledger().open);
        prop_assert_eq!(found.tallies(), expected.tallies());
        prop_assert_eq!(found.escrows(), expected.escrows());
    }

    #[test]
    fn late_arrivals_end_in_the_same_verdicts(all in scenario(), seed in any::<u64>(), cut in 0u64..40_000) {
        let expected = run(&straight(&all));
        let mut steps: Vec<Step> = all.iter().map(|one| see(one.observation())).collect();
        shuffle(&mut steps, seed);
        // Somewhere in the middle both chains claim to have been delivered further than they were.
        let at = usize::try_from(seed).unwrap_or(0) % (steps.len() + 1);
        steps.insert(at, Step::Until(START + cut));
        steps.push(Step::Until(END));
        let found = run(&steps);
        prop_assert_eq!(incidents(&found, is_verdict), incidents(&expected, is_verdict));
        prop_assert_eq!(found.tallies(), expected.tallies());
        prop_assert_eq!(found.escrows(), expected.escrows());
        prop_assert_eq!(found.ledger().waiting_micro_usd, 0);
    }

    #[test]
    fn an_undone_reorganisation_leaves_no_trace(
        all in scenario(),
        phantom in scenario(),
        seed in any::<u64>(),
    ) {
        let expected = run(&straight(&all));
        let mut steps = straight(&all);
        let mut bits = seed;
        // Blocks that never stayed: seen, and gone again before or after the truth.
        for (n, ghost) in phantom.iter().enumerate() {
            let seen = ghost.fork(7).observation();
            bits = bits.rotate_left(7) ^ 0x9e37_79b9;
            let from = usize::try_from(bits).unwrap_or(n) % (steps.len() + 1);
            steps.insert(from, see(seen.clone()));
            let to = from + 1 + usize::try_from(bits >> 32).unwrap_or(n) % (steps.len() - from);
            steps.insert(to, see(seen.with_status(Status::Retracted)));
        }
        // Blocks that left and came back.
        for (n, one) in all.iter().enumerate().filter(|(n, _)| (seed >> (n % 60)) & 1 == 1) {
            let seen = one.observation();
            let Some(at) = steps.iter().position(|s| matches!(s, Step::See(o) if o.id() == seen.id())) else {
                continue;
            };
            let to = at + 1 + n % (steps.len() - at);
            steps.insert(to, see(seen.with_status(Status::Retracted)));
            steps.insert(to + 1, see(seen));
        }
        let found = run(&steps);
        prop_assert_eq!(incidents(&found, is_verdict), incidents(&expected, is_verdict));
        prop_assert_eq!(found.tallies(), expected.tallies());
        prop_assert_eq!(found.escrows(), expected.escrows());
        prop_assert_eq!(found.ledger().open, expected.ledger().open);
        prop_assert_eq!(found.ledger().waiting_micro_usd, 0);
    }
}

/// Verdicts on single consumptions: functions of what is live, whatever came when.
fn is_verdict(cause: Cause) -> bool {
    matches!(
        cause,
        Cause::Unbacked | Cause::Replayed | Cause::ValueMismatch | Cause::Premature | Cause::UndeclaredAsset
    )
}

fn shuffle<T>(items: &mut [T], seed: u64) {
    let mut state = seed | 1;
    for last in (1..items.len()).rev() {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        items.swap(last, usize::try_from(state % (last as u64 + 1)).unwrap());
    }
}
