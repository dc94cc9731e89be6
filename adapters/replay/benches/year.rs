//! The recorded year through the whole engine, beside what the same inputs cost at the least.
//!
//! `hash` hashes the bytes that a log would hold of each input: a log that is hash-chained cannot be cheaper.
//! `walk` reads every input once and does nothing.
#![allow(missing_docs, clippy::unwrap_used, reason = "a benchmark; its macros make undocumented items")]

use std::{hint::black_box, path::PathBuf, time::Duration};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use portcullis_core::{input::Body, log::encode_input};
use portcullis_replay::{BacktestOptions, Dataset, backtest, dataset::default_root};
use portcullis_verifier::{B256, keccak256};

fn year(criterion: &mut Criterion) {
    let root = default_root();
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..").join(&root);
    let folder = [root, beside].map(|root| root.join("nomad")).into_iter().find(|folder| folder.is_dir());
    let Some(folder) = folder else {
        assert!(std::env::var_os("PORTCULLIS_REQUIRE_ALL").is_none_or(|v| v != "1"), "no recorded data");
        return eprintln!("SKIPPED: no recorded data; set PORTCULLIS_DATA to the folder that holds nomad/");
    };
    let dataset = Dataset::load(&folder).unwrap();
    let encoded: Vec<Vec<u8>> = dataset.inputs.iter().map(encode_input).collect();
    let options = BacktestOptions::default();
    let inputs = backtest(&dataset, &options).unwrap().inputs;

    let mut group = criterion.benchmark_group("year");
    group.sample_size(20).throughput(Throughput::Elements(inputs));
    group.bench_function("engine", |bencher| {
        bencher.iter_custom(|times| {
            let runs = (0..times).map(|_| backtest(&dataset, &options).unwrap().engine_us);
            Duration::from_micros(runs.sum())
        });
    });
    group.bench_function("hash", |bencher| {
        bencher.iter(|| encoded.iter().fold(B256::ZERO, |sum, bytes| sum ^ keccak256(black_box(bytes))));
    });
    group.bench_function("walk", |bencher| {
        bencher.iter(|| {
            dataset.inputs.iter().fold(0u64, |sum, input| match &black_box(input).body {
                Body::Observed(seen) => sum ^ seen.time(),
                Body::Progress(progress) => sum ^ progress.time,
                _ => sum ^ input.at_ms,
            })
        });
    });
    group.finish();
}

criterion_group!(benches, year);
criterion_main!(benches);
