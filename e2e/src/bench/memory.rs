//! What the engine needs for a message that it may never forget: bytes, and time as the ledger grows.
//!
//! Measured in a process of its own, from outside: resident memory with a million messages less that before the
//! first one. Everything counts, the allocator's own loss too.

use std::hint::black_box;
use std::path::Path;
use std::process::Stdio;
use std::time::Instant;

use eyre::{Result, WrapErr, bail, eyre};
use portcullis_core::Engine;
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
    Ok(out)
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
            for input in &inputs {
                black_box(self.engine.step(black_box(input)));
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
        assert!(growth.cost.iter().all(|(_, cost)| *cost > 0.0));
    }
}
