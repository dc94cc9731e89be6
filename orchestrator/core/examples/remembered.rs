//! What a message costs to remember, in bytes and in the time of later inputs.
//!
//! ```text
//! cargo run --release -p portcullis-core --example remembered -- [--most 10000000]
//! ```
//! Prints one JSON object. Messages are sent, and consumed half an hour of chain time later; every hundred of them both
//! chains report progress. `bytes_per_message` is what the process's resident memory grew by per message at a million,
//! `counted_bytes_per_message` what the ledger says of itself. `ns_per_input` is the median over parts of a thousand
//! inputs, after so many messages are remembered; `ratio` is the dearest of them over the cheapest. Beside them stand
//! floors of the same run: hashing one message key, and looking one random key up in a bare table of as many (8 bytes
//! each, nothing else), where the next key depends on what was found.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::float_arithmetic,
    reason = "a measurement, not a decision"
)]

#[path = "../tests/common/mod.rs"]
mod common;

use std::{collections::BTreeMap, hint::black_box, time::Instant};

use common::*;
use portcullis_core::{
    Engine, Input,
    input::Body,
    limits,
    snapshot::{decode_engine, encode_engine, snapshot_hash},
};
use portcullis_verifier::{Event, Observation, TransferKind};

/// Inputs of one part whose time is taken.
const PART: usize = 1_000;

/// Messages that are measured after each size.
const MEASURED: u64 = 50_000;

/// At a million, memory is read.
const MILLION: u64 = 1_000_000;

/// Resident memory of this process, bytes; none where the system does not tell it this way.
fn resident() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/statm").ok()?;
    text.split_whitespace().nth(1)?.parse::<u64>().ok().map(|pages| pages * 4_096)
}

/// A bridge in steady use: message `sent` starts while the one that started half an hour before is consumed.
struct Traffic {
    engine: Engine,
    sent: u64,
    lag: u64,
}

impl Traffic {
    fn new(lag: u64) -> Self {
        Self { engine: Engine::new(config()).unwrap(), sent: 0, lag }
    }

    /// The inputs of the next messages.
    fn next(&mut self, messages: u64) -> Vec<Input> {
        let mut inputs = Vec::new();
        for id in self.sent..self.sent + messages {
            let time = T0 + id / 100 * 12;
            let log = (id % 100) as u32;
            let mut see = |movement: Move| {
                let body = Body::Observed(movement.observation());
                inputs.push(Input { at_ms: time * 1_000, body });
            };
            see(Move::new(TransferKind::Lock, id, USD_HOME, usd(10), time).log(log));
            if let Some(old) = id.checked_sub(self.lag) {
                let ready = time.max(T0 + old / 100 * 12 + FINALITY);
                see(Move::new(TransferKind::Mint, old, USD_AWAY, usd(10), ready).log(log));
            }
            if log == 99 {
                for chain in [home(), away()] {
                    inputs.push(Input { at_ms: time * 1_000, body: Body::Progress(progress(chain, time)) });
                }
            }
        }
        self.sent += messages;
        inputs
    }

    fn fill(&mut self, to: u64) {
        while self.sent < to {
            for input in self.next((to - self.sent).min(5_000)) {
                black_box(self.engine.step(&input));
            }
        }
    }

    /// Nanoseconds per input of each part of the next messages.
    fn measure(&mut self, messages: u64, parts: &mut Vec<f64>) {
        for part in self.next(messages).chunks(PART) {
            let started = Instant::now();
            for batch in part.chunks(limits::FORESEEN) {
                self.engine.foresee(batch.iter().filter_map(observation));
                for input in batch {
                    black_box(self.engine.step(black_box(input)));
                }
            }
            parts.push(started.elapsed().as_nanos() as f64 / part.len() as f64);
        }
    }
}

fn observation(input: &Input) -> Option<&Observation> {
    if let Body::Observed(seen) = &input.body { Some(seen) } else { None }
}

fn median(mut parts: Vec<f64>) -> f64 {
    parts.sort_by(f64::total_cmp);
    parts[parts.len() / 2]
}

/// Hashing one message key, nanoseconds.
fn floor() -> f64 {
    let inputs = Traffic::new(100).next(20_000);
    let parts = inputs.chunks(PART).map(|part| {
        let started = Instant::now();
        for input in part {
            if let Body::Observed(seen) = &input.body
                && let Event::Transfer(transfer) = seen.event()
            {
                black_box(transfer.message_key());
            }
        }
        started.elapsed().as_nanos() as f64 / part.len() as f64
    });
    median(parts.collect())
}

/// One look-up in a bare table of so many random keys, nanoseconds. Half of what is looked up is not there.
fn bare_look_up(keys: u64) -> f64 {
    const LOOK_UPS: u64 = 400_000;
    let mix = |n: u64| {
        let n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (n ^ (n >> 31)) | 1
    };
    let mask = (keys * 2).next_power_of_two() - 1;
    let mut places = vec![0u64; mask as usize + 1];
    let place = |places: &[u64], key: u64| {
        let mut at = (key >> 8) & mask;
        while places[at as usize] != 0 && places[at as usize] != key {
            at = (at + 1) & mask;
        }
        at as usize
    };
    for n in 0..keys {
        let at = place(&places, mix(n));
        places[at] = mix(n);
    }
    let (started, mut found) = (Instant::now(), 0u64);
    for n in 0..LOOK_UPS {
        let key = mix((n * 2_654_435_761 + found) % (2 * keys));
        found = u64::from(places[place(&places, black_box(key))] == key);
    }
    started.elapsed().as_nanos() as f64 / LOOK_UPS as f64
}

/// Writing a snapshot, hashing it, and making an engine of it, milliseconds each; and its bytes.
fn snapshot_ms(engine: &Engine) -> [u128; 4] {
    let started = Instant::now();
    let bytes = encode_engine(engine);
    let written = started.elapsed().as_millis();
    let hash = snapshot_hash(&bytes);
    let hashed = started.elapsed().as_millis();
    let again = decode_engine(&bytes, hash).expect("it was written just now");
    let read = started.elapsed().as_millis();
    assert_eq!(again.snapshot_digest(), engine.snapshot_digest());
    // Reading hashes as well.
    [written, hashed - written, (read - hashed).saturating_sub(hashed - written), bytes.len() as u128]
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let most: u64 = match words.as_slice() {
        [] => 10_000_000,
        [name, value] if name == "--most" => value.parse().expect("--most takes a number"),
        _ => panic!("usage: remembered [--most N]"),
    };
    let floor_ns = floor();
    let mut costs = BTreeMap::new();
    let mut size = 1_000;
    while size <= most.min(MILLION / 10) {
        // Small ones are built often, because what is measured must not outgrow them.
        let (round, mut parts) = (size.min(MEASURED), Vec::new());
        for _ in 0..MEASURED / round {
            let mut traffic = Traffic::new((FINALITY / 12 * 100).min(size / 2));
            traffic.fill(size);
            traffic.measure(round, &mut parts);
        }
        costs.insert(size, median(parts));
        size *= 10;
    }
    let (mut bytes, mut counted, mut snapshot) = (None, None, None);
    let before = resident();
    let mut traffic = Traffic::new(FINALITY / 12 * 100);
    while size <= most {
        traffic.fill(size);
        if size == MILLION {
            bytes = before.zip(resident()).map(|(before, now)| now.saturating_sub(before) / size);
            counted = Some(traffic.engine.ledger().bytes as u64 / size);
            snapshot = Some(snapshot_ms(&traffic.engine));
        }
        let mut parts = Vec::new();
        traffic.measure(MEASURED, &mut parts);
        costs.insert(size, median(parts));
        size *= 10;
    }
    assert!(traffic.engine.signals().next().is_none(), "honest traffic only");
    let (least, dearest) = costs.values().fold((f64::MAX, 0f64), |(l, d), ns| (l.min(*ns), d.max(*ns)));
    let each: Vec<String> = costs.iter().map(|(size, ns)| format!("\"{size}\":{ns:.0}")).collect();
    let number = |value: Option<u64>| value.map_or_else(|| String::from("null"), |v| v.to_string());
    let bare: Vec<String> = costs.keys().map(|n| format!("\"{n}\":{:.0}", bare_look_up(*n))).collect();
    println!(
        "{{\"bytes_per_message\":{},\"counted_bytes_per_message\":{},\"ns_per_input\":{{{}}},\"ratio\":{:.2},\"snapshot_write_hash_read_ms_bytes\":{:?},\"floor_ns_per_key\":{floor_ns:.0},\"floor_ns_per_look_up\":{{{}}}}}",
        number(bytes),
        number(counted),
        each.join(","),
        dearest / least,
        snapshot.unwrap_or_default(),
        bare.join(","),
    );
}
