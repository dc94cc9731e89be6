//! Amounts that left within an hour, a day, a week. A window is kept in quarters: the current one and the four before it
//! count. So a rolling window of that length never holds more than its limit, and what left is forgotten at most a
//! quarter of the window too late.

/// A limit that lets everything pass.
pub const UNLIMITED: u128 = u128::MAX;

/// Length of a quarter of the hour, day and week, in seconds.
const QUARTERS: [u64; 3] = [900, 21_600, 151_200];

/// Base units; [`UNLIMITED`] means no limit, zero lets nothing pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Of one transfer.
    pub per_transaction: u128,
    /// Of any 60 minutes, any 24 hours, any 7 days.
    pub per_window: [u128; 3],
}

impl Limits {
    /// No limit at all.
    pub const NONE: Self = Self { per_transaction: UNLIMITED, per_window: [UNLIMITED; 3] };

    /// The smaller of each.
    #[must_use]
    pub fn tighter(self, other: Self) -> Self {
        let [a, b, c] = self.per_window;
        let [d, e, f] = other.per_window;
        Self {
            per_transaction: self.per_transaction.min(other.per_transaction),
            per_window: [a.min(d), b.min(e), c.min(f)],
        }
    }
}

/// One window of one scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Window {
    /// Whether it has, or had, a limit: only then it is counted.
    pub counted: bool,
    /// Number of the quarter of the latest amount.
    pub quarter: u64,
    /// Amounts by age in quarters; the current one is the first.
    pub amounts: [u128; 5],
}

/// The number of the quarter that a time lies in; `index` is 0 hour, 1 day, 2 week.
#[must_use]
pub fn quarter(index: usize, seconds: u64) -> u64 {
    QUARTERS.get(index).and_then(|length| seconds.checked_div(*length)).unwrap_or_default()
}

impl Window {
    /// What counts now; at most the greatest value.
    #[must_use]
    pub fn used(&self, quarter: u64) -> u128 {
        sum(&self.aged(quarter))
    }

    /// Counts an amount.
    ///
    /// # Errors
    /// What the limit left, when the amount exceeds it; then nothing is counted.
    #[inline(always)]
    pub fn spend(&mut self, quarter: u64, amount: u128, limit: u128) -> Result<(), u128> {
        let mut amounts = self.aged(quarter);
        let available = limit.saturating_sub(sum(&amounts));
        if limit != UNLIMITED && amount > available {
            return Err(available);
        }
        let [current, ..] = &mut amounts;
        // Without a limit a quarter that is full stays full.
        *current = current.saturating_add(amount);
        self.quarter = quarter;
        self.amounts = amounts;
        Ok(())
    }

    /// The amounts by their age at `quarter`.
    fn aged(&self, quarter: u64) -> [u128; 5] {
        let passed = usize::try_from(quarter.saturating_sub(self.quarter)).unwrap_or(usize::MAX);
        // One by one: one of the machines has no call that copies memory.
        core::array::from_fn(|age| {
            age.checked_sub(passed).and_then(|then| self.amounts.get(then)).copied().unwrap_or_default()
        })
    }
}

fn sum(amounts: &[u128]) -> u128 {
    amounts.iter().fold(0, |sum, amount| sum.saturating_add(*amount))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quarter_counts_while_it_is_one_of_five() {
        let mut window = Window::default();
        assert_eq!(window.spend(10, 60, 100), Ok(()));
        assert_eq!(window.spend(13, 60, 100), Err(40));
        assert_eq!((window.used(14), window.used(15)), (60, 0));
        assert_eq!(window.spend(15, 100, 100), Ok(()));
        assert_eq!(window.used(15), 100);
    }

    #[test]
    fn without_a_limit_what_is_full_stays_full() {
        let mut window = Window::default();
        assert_eq!(window.spend(1, u128::MAX, UNLIMITED), Ok(()));
        assert_eq!(window.spend(1, 1, UNLIMITED), Ok(()));
        assert_eq!(window.spend(1, 1, 5), Err(0));
    }

    #[test]
    fn quarters_are_those_of_hour_day_and_week() {
        assert_eq!([quarter(0, 900), quarter(1, 21_599), quarter(2, 302_400)], [1, 0, 2]);
    }
}
