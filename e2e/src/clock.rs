//! The one factor between recorded time and the time of the play.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Microseconds since 1970.
#[must_use]
pub fn now_us() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

/// Seconds since 1970.
#[must_use]
pub fn now_secs() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// Divides gaps, finality windows, expiries and block times alike.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Factor(f64);

impl Factor {
    /// At least one: nothing is played slower than it was.
    #[must_use]
    pub fn new(factor: f64) -> Self {
        Self(factor.max(1.0))
    }

    /// The bare number.
    #[must_use]
    pub fn get(self) -> f64 {
        self.0
    }

    /// A recorded distance in played seconds.
    #[must_use]
    pub fn secs(self, recorded: i64) -> f64 {
        recorded as f64 / self.0
    }

    /// A recorded window in whole played seconds, at least one.
    #[must_use]
    pub fn window(self, recorded: u64) -> u64 {
        ((recorded as f64 / self.0).floor() as u64).max(1)
    }

    /// Block time: twelve recorded seconds.
    #[must_use]
    pub fn block_time(self) -> Duration {
        Duration::from_secs_f64((12.0 / self.0).max(0.05))
    }

    /// A played distance in recorded seconds.
    #[must_use]
    pub fn recorded(self, played: Duration) -> f64 {
        played.as_secs_f64() * self.0
    }
}

/// When the first false release is due, on the wall and on the monotonic clock.
#[derive(Debug, Clone, Copy)]
pub struct Zero {
    /// Monotonic.
    pub instant: Instant,
    /// The same moment, microseconds since 1970.
    pub unix_us: i64,
    /// The factor of the play.
    pub factor: Factor,
}

impl Zero {
    /// Puts the first false release `played` from now.
    #[must_use]
    pub fn after(played: Duration, factor: Factor) -> Self {
        let us = i64::try_from(played.as_micros()).unwrap_or(0);
        Self { instant: Instant::now() + played, unix_us: now_us() + us, factor }
    }

    /// When a recorded moment is due. Moments before this process began are due at once.
    #[must_use]
    pub fn due(&self, at: i64) -> Instant {
        let offset = Duration::from_secs_f64(self.factor.secs(at).abs());
        let due = if at < 0 { self.instant.checked_sub(offset) } else { self.instant.checked_add(offset) };
        due.unwrap_or(self.instant)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_factor_divides_everything() {
        let factor = Factor::new(60.0);
        assert_eq!(factor.window(1_800), 30);
        assert_eq!(factor.block_time(), Duration::from_millis(200));
        assert!((factor.secs(-1_200) + 20.0).abs() < 1e-9);
        assert_eq!(Factor::new(0.0).get(), 1.0);
        assert_eq!(Factor::new(5_000.0).window(1_800), 1, "a window is never empty");
    }
}
