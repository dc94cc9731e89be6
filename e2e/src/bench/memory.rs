//! What the engine needs for a message that it may never forget: bytes, and time as the ledger grows.
//!
//! Measured in a process of its own, from outside: resident memory with a million messages less that before the
//! first one. Everything counts, the allocator's own loss too.

use std::hint::black_box;
use std::path::Path;
use std::process::Stdio;
use std::time::Instant;

use eyre::{Result, WrapErr, bail, eyre};
use portcullis_core::{Body, Engine, Input, limits};
use portcullis_verifier::Observation;
use serde::{Deserialize, Serialize};
use tokio::process::Command;

use super::engine;
use crate::vitals;

/// Messages between two looks at the clock: their inputs are made before and not counted.
const STRETCH: u64 = 1_000;
/// Messages around each size over which a cost is averaged.
const AROUND: u64 = 20_000;

/// What the probe found.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Growth {
    /// Bytes per message at a million.
    pub bytes: f64,
    /// Messages remembered, and nanoseconds per input around that size.
    pub cost: Vec<(u64, f64)>,
    /// Nanoseconds of one look-up in a bare table of as many random keys as messages at most.
    pub look_up: f64,
}

/// Feeds an engine with matched messages up to `most`, and looks at it on the way.
///
/// # Errors
/// When honest traffic raises an alarm.
pub fn probe(most: u64) -> Result<Growth> {
    let mut out = Growth::default();
    let mut sizes: Vec<u64> = (3..=9).map(|power| 10u64.pow(power)).filter(|size| *size <= most).collect();
    sizes.reverse();
    // Small ledgers are passed in a moment: they are measured with several of them, so that a cold start shows less.
    let small = sizes.pop().unwrap_or(1_000);
    let rounds = AROUND / small;
    let small_cost = (0..rounds).map(|_| Run::new()?.feed(small)).collect::<Result<Vec<f64>>>()?;
    out.cost.push((small, super::percentile(&small_cost, 0.5)));
    let me = std::process::id();
    let before = vitals::resident(me)?;
    let mut run = Run::new()?;
    while let Some(size) = sizes.pop() {
        let around = AROUND.min(size / 2);
        run.feed(size - around - run.messages)?;
        let cost = run.feed(around)?;
        if size == 1_000_000 {
            out.bytes = vitals::resident(me)?.saturating_sub(before) as f64 / size as f64;
        }
        out.cost.push((size, cost));
    }
    drop(run);
    out.look_up = bare_look_up(most);
    Ok(out)
}

/// What the machine needs to look a random key up among so many, nanoseconds: eight bytes each in a bare table, half of
/// what is looked up is not there, and each key depends on what was found before, so that none is looked up ahead.
fn bare_look_up(keys: u64) -> f64 {
    const LOOK_UPS: u64 = 400_000;
    // SplitMix64; never zero, which marks an empty place.
    let key = |n: u64| {
        let n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (n ^ (n >> 31)) | 1
    };
    let mut places = vec![0u64; (keys * 2).next_power_of_two() as usize];
    let mask = places.len() - 1;
    let place = |places: &[u64], key: u64| {
        let mut at = (key >> 8) as usize & mask;
        while places[at] != 0 && places[at] != key {
            at = (at + 1) & mask;
        }
        at
    };
    for n in 0..keys {
        let at = place(&places, key(n));
        places[at] = key(n);
    }
    let (begun, mut found) = (Instant::now(), 0u64);
    for n in 0..LOOK_UPS {
        let wanted = black_box(key((n * 2_654_435_761 + found) % (2 * keys)));
        found = u64::from(places[place(&places, wanted)] == wanted);
    }
    begun.elapsed().as_secs_f64() * 1e9 / LOOK_UPS as f64
}

struct Run {
    engine: Engine,
    messages: u64,
}

impl Run {
    fn new() -> Result<Self> {
        Ok(Self { engine: Engine::new(engine::config()?).map_err(|error| eyre!("{error}"))?, messages: 0 })
    }

    /// So many more messages, sent and delivered; nanoseconds per input, the best of its stretches' median.
    fn feed(&mut self, messages: u64) -> Result<f64> {
        let mut costs = Vec::new();
        let mut left = messages;
        while left > 0 {
            let count = left.min(STRETCH);
            let inputs = engine::round(self.messages / STRETCH, self.messages, count)?;
            let begun = Instant::now();
            // As the service does with what an observer hands it: looked ahead for, then consumed.
            for batch in inputs.chunks(limits::FORESEEN) {
                self.engine.foresee(batch.iter().filter_map(observation));
                for input in batch {
                    black_box(self.engine.step(black_box(input)));
                }
            }
            costs.push(begun.elapsed().as_secs_f64() * 1e9 / inputs.len() as f64);
            self.messages += count;
            left -= count;
        }
        if let Some(signal) = self.engine.signals().next() {
            bail!("honest traffic raised an alarm: {signal:?}");
        }
        Ok(super::percentile(&costs, 0.5))
    }
}

fn observation(input: &Input) -> Option<&Observation> {
    if let Body::Observed(seen) = &input.body { Some(seen) } else { None }
}

/// Runs [`probe`] in a process of its own, which is `program --probe-memory`.
///
/// # Errors
/// When it does not end well.
pub async fn measure(program: &Path, most: u64) -> Result<Growth> {
    let output = Command::new(program)
        .args(["--probe-memory", &most.to_string()])
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .kill_on_drop(true)
        .output()
        .await
        .wrap_err("the probe does not start")?;
    if !output.status.success() {
        bail!("the probe ended with {}", output.status);
    }
    serde_json::from_slice(&output.stdout).wrap_err("the probe's answer cannot be read")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_size_up_to_the_greatest_is_looked_at() {
        let growth = probe(10_000).unwrap();
        let sizes: Vec<u64> = growth.cost.iter().map(|(size, _)| *size).collect();
        assert_eq!(sizes, [1_000, 10_000]);
        assert!(growth.cost.iter().all(|(_, cost)| *cost > 0.0) && growth.look_up > 0.0);
    }
}
