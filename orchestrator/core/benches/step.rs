//! What a step costs, and what a message costs to remember. Each figure has its floor beside it, measured in the
//! same run: walking over the same inputs, and hashing one message key.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::float_arithmetic,
    reason = "a benchmark measures, it does not decide"
)]

#[path = "../tests/common/mod.rs"]
mod common;

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use common::*;
use criterion::{Criterion, criterion_group, criterion_main};
use portcullis_core::{Engine, Input, input::Body};
use portcullis_verifier::{Event, TransferKind};

/// Pairs per round: enough that the index does not fit any cache.
const PAIRS: u64 = 100_000;

fn at(time: u64, body: Body) -> Input {
    Input { at_ms: time * 1_000, body }
}

/// Locks and, a little more than finality later, their mints; and progress of both chains every hundred.
fn transfers(pairs: u64) -> Vec<Input> {
    let mut inputs = Vec::new();
    let mut feed = |kind, token, from: u64, time: u64| {
        for n in 0..pairs {
            let movement =
                Move::new(kind, n, token, usd(10 + n % 100), time + n / 100 * 12).log((n % 100) as u32).to(n);
            let _ = from;
            inputs.push(at(movement.time, Body::Observed(movement.observation())));
            if n % 100 == 99 {
                inputs.push(at(movement.time, Body::Progress(progress(home(), movement.time))));
                inputs.push(at(movement.time, Body::Progress(progress(away(), movement.time))));
            }
        }
    };
    let span = pairs / 100 * 12;
    feed(TransferKind::Lock, USD_HOME, 0, T0);
    feed(TransferKind::Mint, USD_AWAY, 0, T0 + span + FINALITY);
    feed(TransferKind::Burn, USD_AWAY, 0, T0 + 2 * span + 2 * FINALITY);
    feed(TransferKind::Release, USD_HOME, 0, T0 + 3 * span + 3 * FINALITY);
    inputs
}

fn fresh() -> Engine {
    Engine::new(config()).unwrap()
}

/// Time per input over as many rounds as asked for; a round starts with a fresh engine.
fn rounds(inputs: &[Input], iterations: u64, mut each: impl FnMut(&mut Engine, &Input)) -> Duration {
    let (mut spent, mut left) = (Duration::ZERO, iterations);
    while left > 0 {
        let take = usize::try_from(left).unwrap().min(inputs.len());
        let mut engine = fresh();
        let started = Instant::now();
        for input in &inputs[..take] {
            each(&mut engine, black_box(input));
        }
        spent += started.elapsed();
        left -= take as u64;
    }
    spent
}

fn step(c: &mut Criterion) {
    let inputs = transfers(PAIRS);
    let mut group = c.benchmark_group("per input");
    group.bench_function("matched transfers", |b| {
        b.iter_custom(|n| {
            rounds(&inputs, n, |engine, input| {
                let effects = engine.step(input);
                debug_assert!(effects.list.is_empty());
                black_box(effects);
            })
        });
    });
    group.bench_function("floor: reading the same inputs", |b| {
        b.iter_custom(|n| {
            rounds(&inputs, n, |_, input| {
                if let Body::Observed(observation) = &input.body {
                    black_box(observation.id().0[0] ^ observation.position().block_hash[0]);
                }
            })
        });
    });
    group.bench_function("beside: one message key", |b| {
        b.iter_custom(|n| {
            rounds(&inputs, n, |_, input| {
                if let Body::Observed(observation) = &input.body
                    && let Event::Transfer(transfer) = observation.event()
                {
                    black_box(transfer.message_key());
                }
            })
        });
    });
    group.finish();
}

/// Bytes per message at a million of them, and the median of single steps: printed, because neither is a time
/// that criterion takes.
fn memory(_: &mut Criterion) {
    let mut engine = fresh();
    let mut nanos = Vec::new();
    for part in 0..10u64 {
        for n in 0..100_000u64 {
            let id = part * 100_000 + n;
            let time = T0 + id / 100 * 12;
            let lock = Move::new(TransferKind::Lock, id, USD_HOME, usd(10), time).log((id % 100) as u32);
            let mint =
                Move::new(TransferKind::Mint, id, USD_AWAY, usd(10), time + FINALITY).log((id % 100) as u32);
            for movement in [lock, mint] {
                let input = at(movement.time, Body::Observed(movement.observation()));
                let started = Instant::now();
                black_box(engine.step(&input));
                nanos.push(started.elapsed().as_nanos());
            }
            if n % 100 == 99 {
                engine.step(&at(time, Body::Progress(progress(home(), time))));
                engine.step(&at(time, Body::Progress(progress(away(), time + FINALITY))));
            }
        }
    }
    let view = engine.ledger();
    nanos.sort_unstable();
    println!(
        "memory: {} messages, {} bytes each (budget 200); single steps with a clock around each: median {} ns, p99 {} ns, most {} ns",
        view.messages,
        view.bytes / view.messages,
        nanos[nanos.len() / 2],
        nanos[nanos.len() / 100 * 99],
        nanos[nanos.len() - 1],
    );
    assert!(view.bytes / view.messages <= 200, "a message may cost 200 bytes");
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20).measurement_time(Duration::from_secs(5)).without_plots();
    targets = step, memory
}
criterion_main!(benches);
