//! Amounts that left within an hour, a day, a week. A window is kept in quarters: the current one and the four before it
//! count. So a rolling window of that length never holds more than its limit, and what left is forgotten at most a
//! quarter of the window too late.

use cosmwasm_schema::cw_serde;
use cosmwasm_std::{Uint128, Uint256};

/// A limit that lets everything pass.
pub(crate) const UNLIMITED: Uint128 = Uint128::MAX;

/// Length of a quarter of the hour, day and week, in seconds.
const QUARTERS: [u64; 3] = [15 * 60, 6 * 3_600, 42 * 3_600];

/// One window of one scope.
#[cw_serde]
#[derive(Default)]
pub struct Window {
    /// Whether it has, or had, a limit: only then it is counted.
    pub counted: bool,
    /// Number of the quarter of the latest amount.
    pub quarter: u64,
    /// Amounts by age in quarters; the current one is the first.
    pub amounts: [Uint128; 5],
}

/// The number of the quarter that a time lies in; `index` is 0 hour, 1 day, 2 week.
pub(crate) fn quarter(index: usize, seconds: u64) -> u64 {
    QUARTERS.get(index).and_then(|length| seconds.checked_div(*length)).unwrap_or_default()
}

impl Window {
    /// What counts now.
    pub(crate) fn used(&self, quarter: u64) -> Uint256 {
        sum(&self.aged(quarter))
    }

    /// Counts an amount, unless it would exceed the limit: then what the limit left is returned, and nothing counted.
    pub(crate) fn spend(&mut self, quarter: u64, amount: Uint256, limit: Uint128) -> Result<(), Uint128> {
        let mut amounts = self.aged(quarter);
        let available = Uint256::from(limit).saturating_sub(sum(&amounts));
        if limit != UNLIMITED && amount > available {
            return Err(saturated(available));
        }
        let [current, ..] = &mut amounts;
        // Without a limit a quarter that is full stays full.
        *current = saturated(Uint256::from(*current).saturating_add(amount));
        self.quarter = quarter;
        self.amounts = amounts;
        Ok(())
    }

    /// The amounts by their age at `quarter`.
    fn aged(&self, quarter: u64) -> [Uint128; 5] {
        let passed = usize::try_from(quarter.saturating_sub(self.quarter)).unwrap_or(usize::MAX);
        let mut amounts = [Uint128::zero(); 5];
        for (to, from) in amounts.iter_mut().skip(passed).zip(&self.amounts) {
            *to = *from;
        }
        amounts
    }
}

fn sum(amounts: &[Uint128]) -> Uint256 {
    amounts.iter().fold(Uint256::zero(), |sum, amount| sum.saturating_add(Uint256::from(*amount)))
}

fn saturated(amount: Uint256) -> Uint128 {
    Uint128::try_from(amount).unwrap_or(Uint128::MAX)
}
