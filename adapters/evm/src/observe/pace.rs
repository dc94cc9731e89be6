//! How fast a chain goes, and which operators are quieter than that. Pure: times are given.
//!
//! A push socket that is half open looks like a quiet chain until its bound, many blocks later. While some operators
//! still push, the others are seen to fall behind; when all of them are quiet at once, only the clock can tell. So
//! whoever has brought no new head for a block time and a quarter is asked for it over HTTP, and again after each
//! further quarter: a silence of all sockets costs a fraction of a block.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::limits;

/// Delivered blocks that the pace is measured over: a missed slot or two do not change their median.
const STEPS: usize = 15;
/// So many make a measure; before, the pause between polls stands in.
const STEPS_MIN: usize = 3;

/// See the module.
#[derive(Debug)]
pub(super) struct Pace {
    /// What stands in for the block time while it is not known: the configured pause between polls.
    poll: Duration,
    last: Option<(u64, Instant)>,
    steps: VecDeque<Duration>,
    /// When each operator last brought a head that was new for it.
    heard: Vec<Instant>,
    /// When each operator was last asked because of its silence.
    asked: Vec<Option<Instant>>,
}

impl Pace {
    /// Of a chain with so many operators, from now on.
    pub(super) fn new(operators: usize, poll: Duration, now: Instant) -> Self {
        let (heard, asked) = (vec![now; operators], vec![None; operators]);
        Self { poll, last: None, steps: VecDeque::new(), heard, asked }
    }

    /// The chain is delivered up to a height; the same height again changes nothing.
    pub(super) fn delivered(&mut self, height: u64, now: Instant) {
        if let Some((before, since)) = self.last {
            let Some(blocks @ 1..) = height.checked_sub(before) else {
                // A reorganisation that is not made good yet, or nothing new.
                return;
            };
            let blocks = u32::try_from(blocks).unwrap_or(u32::MAX);
            let step = now.saturating_duration_since(since).checked_div(blocks).unwrap_or_default();
            if self.steps.len() >= STEPS {
                self.steps.pop_front();
            }
            self.steps.push_back(step);
        }
        self.last = Some((height, now));
    }

    /// Ranges are being fetched: what they deliver says nothing about the pace of the chain.
    pub(super) fn interrupted(&mut self) {
        self.last = None;
    }

    /// An operator brought a head that is new for it.
    pub(super) fn heard(&mut self, operator: usize, now: Instant) {
        if let Some(heard) = self.heard.get_mut(operator) {
            *heard = now;
        }
    }

    /// Whether an operator has to be asked now; counts it as asked.
    pub(super) fn asks(&mut self, operator: usize, now: Instant) -> bool {
        let (due, again) = self.patience();
        let Some((heard, asked)) = self.heard.get(operator).zip(self.asked.get_mut(operator)) else {
            return false;
        };
        let overdue = now.saturating_duration_since(*heard) >= due;
        let lately = asked.is_some_and(|asked| now.saturating_duration_since(asked) < again);
        let asks = overdue && !lately;
        if asks {
            *asked = Some(now);
        }
        asks
    }

    /// How long an operator may be quiet, and how long it may take over an answer before it is asked again.
    fn patience(&self) -> (Duration, Duration) {
        let least = Duration::from_millis(limits::NUDGE_AFTER_MS);
        let Some(block) = self.block_time() else { return (self.poll.max(least), self.poll.max(least)) };
        let quarter = block.checked_div(4).unwrap_or_default();
        (block.saturating_add(quarter).max(least), quarter.max(least))
    }

    /// The median of the last steps.
    fn block_time(&self) -> Option<Duration> {
        if self.steps.len() < STEPS_MIN {
            return None;
        }
        let mut sorted: Vec<Duration> = self.steps.iter().copied().collect();
        sorted.sort_unstable();
        sorted.get(sorted.len().checked_div(2)?).copied()
    }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const POLL: Duration = Duration::from_secs(2);

    /// A chain of two operators after so many blocks at one pace, and the moment of the last one.
    fn chain(block: Duration, blocks: u32) -> (Pace, Instant) {
        let began = Instant::now();
        let mut pace = Pace::new(2, POLL, began);
        for height in 0..=blocks {
            pace.delivered(u64::from(height), began + block * height);
        }
        let last = began + block * blocks;
        pace.heard(0, last);
        pace.heard(1, last);
        (pace, last)
    }

    #[test]
    fn on_a_slow_chain_silence_is_noticed_a_quarter_of_a_block_late_and_asked_about_each_quarter() {
        let (mut pace, last) = chain(12 * SECOND, 8);
        assert!(!pace.asks(0, last + 14 * SECOND), "a block may be late");
        assert!(pace.asks(0, last + 15 * SECOND));
        assert!(!pace.asks(0, last + 16 * SECOND), "it was asked a moment ago");
        assert!(pace.asks(0, last + 18 * SECOND));
        assert!(pace.asks(1, last + 18 * SECOND), "each on its own");
        pace.heard(0, last + 19 * SECOND);
        assert!(!pace.asks(0, last + 30 * SECOND), "it speaks again");
    }

    #[test]
    fn on_a_fast_chain_nobody_is_asked_more_often_than_the_bound() {
        let (mut pace, last) = chain(Duration::from_millis(200), 20);
        let bound = Duration::from_millis(limits::NUDGE_AFTER_MS);
        let asked = (0..100).filter(|tenth| pace.asks(0, last + SECOND * *tenth / 10)).count();
        assert!(!pace.asks(1, last + bound / 2) && pace.asks(1, last + bound));
        assert!((15..=20).contains(&asked), "ten seconds at two a second, not {asked}");
    }

    #[test]
    fn a_pace_that_is_not_known_yet_is_that_of_polling() {
        let (mut pace, last) = chain(12 * SECOND, 2);
        assert!(!pace.asks(0, last + SECOND) && pace.asks(0, last + POLL));
    }

    #[test]
    fn missed_slots_catching_up_and_reorganisations_do_not_change_the_pace() {
        let (mut pace, last) = chain(12 * SECOND, 12);
        pace.delivered(13, last + 36 * SECOND);
        pace.interrupted();
        for height in 13..2_000 {
            pace.delivered(height, last + 37 * SECOND);
            pace.interrupted();
        }
        pace.delivered(2_000, last + 40 * SECOND);
        pace.delivered(1_998, last + 41 * SECOND);
        pace.delivered(2_001, last + 52 * SECOND);
        assert_eq!(pace.block_time(), Some(12 * SECOND));
    }
}
