//! Seconds that a tripper was charged, by hour, in a ring that holds the current hour and as many before it as the window
//! has: a rolling window never holds more than the budget.

const SECONDS_PER_HOUR: u64 = 3_600;

/// The ring of one tripper: little-endian numbers of four bytes, hour h at h modulo the ring's length.
#[derive(Debug)]
pub struct Hours<'a> {
    /// The latest hour (Unix time / 3,600) that something was written for; what lies between it and now counts as zero.
    pub latest: u64,
    /// As many as the window has hours, and one.
    pub ring: &'a mut [[u8; 4]],
}

impl Hours<'_> {
    /// Seconds that count at `time` (Unix seconds).
    #[must_use]
    pub fn spent(&self, time: u64) -> u64 {
        let now = hour(time);
        // A clock that went back counts everything.
        let passed = now.saturating_sub(self.latest);
        let length = u64::try_from(self.ring.len()).unwrap_or(u64::MAX);
        if passed >= length {
            return 0;
        }
        let all = self.ring.iter().fold(0_u64, |sum, entry| sum.saturating_add(read(*entry)));
        let gone = (1..=passed).fold(0_u64, |sum, step| {
            sum.saturating_add(self.slot(self.latest.saturating_add(step)).map_or(0, |entry| read(*entry)))
        });
        all.saturating_sub(gone)
    }

    /// Adds seconds to the hour of `time`, and forgets what left the window.
    pub fn charge(&mut self, time: u64, seconds: u64) {
        let now = hour(time).max(self.latest);
        let length = u64::try_from(self.ring.len()).unwrap_or(u64::MAX);
        // After a long time each place once. Not `fill`: one of the machines has no call that fills memory.
        for step in 0..now.saturating_sub(self.latest).min(length) {
            if let Some(entry) = self.slot_mut(now.saturating_sub(step)) {
                *entry = [0; 4];
            }
        }
        self.latest = now;
        if let Some(entry) = self.slot_mut(now) {
            let sum = read(*entry).saturating_add(seconds);
            *entry = u32::try_from(sum).unwrap_or(u32::MAX).to_le_bytes();
        }
    }

    fn slot(&self, hour: u64) -> Option<&[u8; 4]> {
        self.ring.get(place(hour, self.ring.len()))
    }

    fn slot_mut(&mut self, hour: u64) -> Option<&mut [u8; 4]> {
        let place = place(hour, self.ring.len());
        self.ring.get_mut(place)
    }
}

fn hour(time: u64) -> u64 {
    time.checked_div(SECONDS_PER_HOUR).unwrap_or_default()
}

fn place(hour: u64, length: usize) -> usize {
    let length = u64::try_from(length).unwrap_or(u64::MAX);
    hour.checked_rem(length).and_then(|place| usize::try_from(place).ok()).unwrap_or(usize::MAX)
}

fn read(entry: [u8; 4]) -> u64 {
    u64::from(u32::from_le_bytes(entry))
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: u64 = 1_700_092_800;

    #[test]
    fn an_hour_counts_as_long_as_the_window_and_the_current_hour_last() {
        let mut ring = [[0; 4]; 3];
        let mut hours = Hours { latest: 0, ring: &mut ring };
        hours.charge(START, 10);
        hours.charge(START + 3_600, 20);
        assert_eq!(hours.spent(START + 3_600), 30);
        assert_eq!(hours.spent(START + 2 * 3_600 + 3_599), 30);
        assert_eq!(hours.spent(START + 3 * 3_600), 20);
        assert_eq!(hours.spent(START + 4 * 3_600), 0);
        // The ring's place of the first hour is that of the fourth.
        hours.charge(START + 3 * 3_600, 5);
        assert_eq!(hours.spent(START + 3 * 3_600), 25);
        hours.charge(START + 100 * 3_600, 7);
        assert_eq!(hours.spent(START + 100 * 3_600), 7);
    }

    #[test]
    fn a_clock_that_goes_back_refills_nothing() {
        let mut ring = [[0; 4]; 3];
        let mut hours = Hours { latest: 0, ring: &mut ring };
        hours.charge(START + 7_200, 10);
        assert_eq!(hours.spent(START), 10);
        hours.charge(START, 5);
        assert_eq!((hours.spent(START), hours.spent(START + 7_200)), (15, 15));
    }

    #[test]
    fn an_hour_that_is_full_stays_full() {
        let mut ring = [[0; 4]; 2];
        let mut hours = Hours { latest: 0, ring: &mut ring };
        hours.charge(START, u64::MAX);
        hours.charge(START, 1);
        assert_eq!(hours.spent(START), u64::from(u32::MAX));
    }
}
