//! A day of two chains with blocks of twelve seconds, made as fast as the service takes them: does memory stay flat?

use std::time::Duration;

use eyre::{Result, bail};

use super::percentile;
use crate::books::Books;
use crate::clock;
use crate::soak::MESSAGE_BYTES;
use crate::stub::world::{Spec, StubWorld};
use crate::vitals;

/// Seconds between two blocks, by the chains' own clocks.
const STEP_SECS: u64 = 12;
/// Blocks of a day.
pub const BLOCKS: u64 = 86_400 / STEP_SECS;
/// Wall time between two blocks.
const PACE: Duration = Duration::from_millis(25);
/// Events per block and chain.
const EVENTS: f64 = 8.0;
/// How far the service may be behind when the day is over, blocks.
const BEHIND: i64 = 5;

/// What came out.
#[derive(Debug, Clone, Default)]
pub struct Day {
    /// Resident memory in the second quarter of the day, median, bytes.
    pub second: f64,
    /// In the last quarter.
    pub last: f64,
    /// Messages that were remembered in between.
    pub messages: f64,
    /// Blocks of each chain.
    pub blocks: u64,
}

impl Day {
    /// Resident memory in the last quarter less what the messages since the second may take, bytes: the service forgets
    /// none of them.
    #[must_use]
    pub fn last_without_messages(&self) -> f64 {
        self.last - self.messages * MESSAGE_BYTES
    }
}

/// Lets `blocks` blocks pass on both chains.
///
/// # Errors
/// When the world cannot be built, the service ends, or it cannot keep up.
pub async fn measure(blocks: u64, mut told: impl FnMut(&str)) -> Result<Day> {
    let spec = Spec {
        chains: 2,
        bridges: vec![(0, 1)],
        pace: PACE,
        step_secs: Some(STEP_SECS),
        // The day ends now: a chain whose clock is ahead of everybody's would be another matter.
        begins: clock::now_secs().saturating_sub((blocks + 60) * STEP_SECS),
        finality_secs: 600,
        halt_secs: 600,
        rate: 2.0 * EVENTS / PACE.as_secs_f64(),
        seed: 12,
    };
    let world = StubWorld::build(spec, None).await?;
    let (service, _attacks) = world.start().await?;
    let first = world.chains[0].head().height;
    let mut samples: Vec<(u64, u64, u64)> = Vec::new();
    loop {
        tokio::time::sleep(Duration::from_millis(250)).await;
        let (passed, emitted) = (world.chains[0].head().height - first, world.traffic().emitted());
        samples.push((passed, vitals::resident(service.pid())?, emitted));
        if samples.len().is_multiple_of(40) {
            told(&format!(
                "block {passed} of {blocks}: {} MB",
                samples.last().map_or(0, |s| s.1 / 1_000_000)
            ));
        }
        if passed >= blocks {
            break;
        }
    }
    let head = world.chains[0].head().height;
    world.rest();
    let seen = "SELECT COALESCE(min(height), 0) FROM cursors";
    let seen = Books::open(service.data()).await?.count(seen).await?;
    if seen + BEHIND < head as i64 {
        bail!("the service had seen block {seen} when the chains stood at {head}: {}", service.told.tail(10));
    }
    let quarter = |from: u64| -> Vec<&(u64, u64, u64)> {
        samples.iter().filter(|s| (from * blocks / 4..(from + 1) * blocks / 4).contains(&s.0)).collect()
    };
    let median = |from: u64| percentile(&quarter(from).iter().map(|s| s.1 as f64).collect::<Vec<_>>(), 0.5);
    let middle = |from: u64| percentile(&quarter(from).iter().map(|s| s.2 as f64).collect::<Vec<_>>(), 0.5);
    Ok(Day { second: median(1), last: median(3), messages: (middle(3) - middle(1)) / 2.0, blocks })
}
