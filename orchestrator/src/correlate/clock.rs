//! The clock of a log: it never runs backwards, never stands still, and knows when it was set forward.
//!
//! A machine's clock is set now and then, by a second or by an hour. Set back, a log that only clamped would stand
//! still until the clock had caught up, and with it every deadline of the engine; so it goes on, a little slower, until
//! the two agree again. Set forward, or after the machine slept, the log follows at once, and the engine is told that
//! nobody listened meanwhile.

use std::time::{Duration, Instant};

/// Ahead of the machine's clock, the log's runs slower by this part: an hour is made up for within eight, and
/// what should take two seconds takes a quarter of a second more.
const SLOWER: u32 = 8;

/// A clock that moved so much more than time passed was set forward, or the machine slept. Clocks that are kept in
/// step move by less.
const SET_FORWARD: Duration = Duration::from_secs(2);

/// The clock of one log.
#[derive(Debug, Clone, Copy)]
pub struct LogClock {
    read: Instant,
    /// Time since 1970 at that reading.
    at: Duration,
}

/// A reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// Milliseconds since 1970.
    pub at_ms: u64,
    /// The clock was set forward since the reading before: that time was not spent listening.
    pub skipped: bool,
}

impl LogClock {
    /// A clock that goes on where the log ends, or at the machine's time where that is later; both in milliseconds
    /// since 1970.
    #[must_use]
    pub fn new(last_at_ms: u64, wall_ms: u64, now: Instant) -> Self {
        Self { read: now, at: Duration::from_millis(last_at_ms.max(wall_ms)) }
    }

    /// Reads it and goes on from there; `wall_ms` is the machine's time in milliseconds since 1970.
    pub fn advance(&mut self, now: Instant, wall_ms: u64) -> Moment {
        let passed = now.saturating_duration_since(self.read);
        let even = self.at.saturating_add(passed);
        let wall = Duration::from_millis(wall_ms);
        let skipped = wall > even.saturating_add(SET_FORWARD);
        self.at = if wall >= even {
            wall
        } else {
            even.saturating_sub(passed.checked_div(SLOWER).unwrap_or_default()).max(wall)
        };
        self.read = self.read.max(now);
        Moment { at_ms: crate::telemetry::millis(self.at), skipped }
    }

    /// What a reading would say, in milliseconds since 1970.
    #[must_use]
    pub fn peek(mut self, now: Instant, wall_ms: u64) -> u64 {
        self.advance(now, wall_ms).at_ms
    }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "tests fail by panicking")]
mod tests {
    use super::*;

    const START: u64 = 1_700_000_000_000;
    const HOUR: u64 = 3_600_000;
    const HOUR_OFF: i64 = 3_600_000;

    /// Reads every `step_ms` for `for_ms`, the machine's clock off by `off_ms`; gives the readings.
    fn readings(clock: &mut LogClock, from: Instant, off_ms: i64, step_ms: u64, for_ms: u64) -> Vec<Moment> {
        let at = |passed| from + Duration::from_millis(passed);
        let steps = (1..=for_ms / step_ms).map(|n| n * step_ms);
        steps
            .map(|passed| clock.advance(at(passed), (START + passed).saturating_add_signed(off_ms)))
            .collect()
    }

    #[test]
    fn in_step_it_says_what_the_machine_says() {
        let now = Instant::now();
        let mut clock = LogClock::new(0, START, now);
        let all = readings(&mut clock, now, 0, 250, 60_000);
        assert!(all.iter().zip(1..).all(|(m, n)| m.at_ms == START + n * 250 && !m.skipped));
    }

    #[test]
    fn set_back_it_goes_on_and_the_two_meet_again() {
        let now = Instant::now();
        let mut clock = LogClock::new(0, START, now);
        // However often it is read, less than a millisecond apart included.
        for n in 1..=4_000u32 {
            clock.advance(now + Duration::from_micros(500) * n, START - HOUR);
        }
        let two_secs = clock.peek(now + Duration::from_secs(2), START - HOUR);
        assert!((START + 1_749..=START + 1_751).contains(&two_secs), "{two_secs}");
        let all = readings(&mut clock, now, -HOUR_OFF, 60_000, 9 * HOUR);
        assert!(all.windows(2).all(|pair| pair[0].at_ms < pair[1].at_ms), "never stands still");
        assert!(all.iter().all(|m| !m.skipped));
        assert_eq!(all.last().unwrap().at_ms, START + 8 * HOUR, "nine hours later, an hour set back");
    }

    #[test]
    fn set_forward_it_follows_at_once_and_says_so_once() {
        let now = Instant::now();
        let mut clock = LogClock::new(0, START, now);
        let all = readings(&mut clock, now, HOUR_OFF, 1_000, 10_000);
        assert_eq!(all[0], Moment { at_ms: START + HOUR + 1_000, skipped: true });
        assert!(all[1..].iter().all(|m| !m.skipped));
        let small = readings(&mut LogClock::new(0, START, now), now, 1_500, 1_000, 3_000);
        assert!(small.iter().all(|m| !m.skipped), "a clock that is kept in step");
    }

    #[test]
    fn a_log_that_ends_in_the_future_goes_on_from_there() {
        let now = Instant::now();
        let mut clock = LogClock::new(START + HOUR, START, now);
        let later = clock.advance(now + Duration::from_secs(8), START + 8_000);
        assert_eq!(later, Moment { at_ms: START + HOUR + 7_000, skipped: false });
    }
}
