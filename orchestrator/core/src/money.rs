//! Amounts and values: U256 base units, integer micro-USD, no floats.

use borsh::{BorshDeserialize, BorshSerialize};
use portcullis_verifier::U256;

/// Ten to the power of 0 to 38.
const POWERS: [u128; 39] = {
    let mut powers = [1u128; 39];
    let mut at = 1;
    while at < 39 {
        #[expect(
            clippy::indexing_slicing,
            reason = "evaluated by the compiler, which refuses what is out of bounds"
        )]
        {
            powers[at] = powers[at - 1] * 10;
        }
        at += 1;
    }
    powers
};

/// Ten to the power of `exponent`; none above 38.
fn power_of_ten(exponent: u8) -> Option<u128> {
    POWERS.get(usize::from(exponent)).copied()
}

/// Value of `amount` base units of a token with `decimals`, at `micro_usd` per whole token, in micro-USD,
/// rounded down; saturates at the largest `u64` (18 trillion USD).
#[must_use]
pub fn value_micro_usd(amount: U256, decimals: u8, micro_usd: u64) -> u64 {
    let Some(unit) = power_of_ten(decimals) else { return 0 };
    let small = u128::try_from(amount).ok().and_then(|a| a.checked_mul(u128::from(micro_usd)));
    match small {
        Some(product) => {
            // Most values fit 64 bits, where division is many times faster.
            match (u64::try_from(product), u64::try_from(unit)) {
                (Ok(product), Ok(unit)) => product.checked_div(unit).unwrap_or(0),
                _ => u64::try_from(product.checked_div(unit).unwrap_or(0)).unwrap_or(u64::MAX),
            }
        }
        None => {
            let product = amount.saturating_mul(U256::from(micro_usd));
            let value = product.checked_div(U256::from(unit)).unwrap_or(U256::MAX);
            u64::try_from(value).unwrap_or(u64::MAX)
        }
    }
}

/// `amount` base units at `from` decimals in base units at `to` decimals, rounded down as bridges do; none when
/// it does not fit.
#[must_use]
pub fn rescale(amount: U256, from: u8, to: u8) -> Option<U256> {
    if from == to {
        return Some(amount);
    }
    match to.checked_sub(from) {
        Some(more) => amount.checked_mul(U256::from(power_of_ten(more)?)),
        None => amount.checked_div(U256::from(power_of_ten(from.checked_sub(to)?)?)),
    }
}

/// `part` of `whole` is at least `bps` basis points. Zero of zero is not.
#[must_use]
pub fn at_least_bps(part: u64, whole: u64, bps: u64) -> bool {
    let left = u128::from(part).saturating_mul(10_000);
    let right = u128::from(whole).saturating_mul(u128::from(bps));
    part > 0 && left >= right
}

/// `part` of `whole` in basis points, rounded down; saturates.
#[must_use]
pub fn bps_of(part: u64, whole: u64) -> u64 {
    let share = u128::from(part).saturating_mul(10_000).checked_div(u128::from(whole));
    share.map_or(u64::MAX, |bps| u64::try_from(bps).unwrap_or(u64::MAX))
}

/// Micro-USD as people read it: `$1,234.56`.
#[must_use]
pub fn usd(micro: u64) -> String {
    let cents = micro.checked_div(10_000).unwrap_or(0);
    let (dollars, cents) = (cents.checked_div(100).unwrap_or(0), cents.checked_rem(100).unwrap_or(0));
    let digits = dollars.to_string();
    let mut text = String::with_capacity(digits.len().saturating_mul(2));
    for (at, digit) in digits.chars().enumerate() {
        let left = digits.len().saturating_sub(at);
        if at > 0 && left.checked_rem(3) == Some(0) {
            text.push(',');
        }
        text.push(digit);
    }
    format!("${text}.{cents:02}")
}

/// A sum that can pass the largest U256 and be undone exactly: hostile amounts of `U256::MAX` are kept, not
/// clipped.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize)]
pub struct Sum {
    carries: i64,
    low: U256,
}

impl Sum {
    /// Adds.
    pub fn add(&mut self, amount: U256) {
        let (low, carry) = self.low.overflowing_add(amount);
        self.low = low;
        self.carries = self.carries.saturating_add(i64::from(carry));
    }

    /// Takes away what was added before.
    pub fn sub(&mut self, amount: U256) {
        let (low, borrow) = self.low.overflowing_sub(amount);
        self.low = low;
        self.carries = self.carries.saturating_sub(i64::from(borrow));
    }

    /// The sum, or the largest U256 when it is more.
    #[must_use]
    pub fn saturated(&self) -> U256 {
        if self.carries > 0 { U256::MAX } else { self.low }
    }

    /// `self - other` when that is not negative, else none; saturates upwards.
    #[must_use]
    pub fn less(&self, other: &Self) -> Option<U256> {
        if self < other {
            return None;
        }
        let mut rest = *self;
        rest.sub(other.low);
        rest.carries = rest.carries.saturating_sub(other.carries);
        Some(rest.saturated())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_agree_on_both_paths_and_saturate() {
        let wbtc = U256::from(100u64).saturating_mul(U256::from(100_000_000u64));
        assert_eq!(value_micro_usd(wbtc, 8, 22_800_000_000), 2_280_000_000_000);
        let ether = U256::from(10u64).pow(U256::from(18));
        assert_eq!(value_micro_usd(ether, 18, 1_600_000_000), 1_600_000_000);
        let many = ether.saturating_mul(U256::from(10u64).pow(U256::from(15)));
        assert_eq!(value_micro_usd(many, 18, 1_600), 1_600_000_000_000_000_000);
        assert_eq!(value_micro_usd(U256::MAX, 18, 1_000_000), u64::MAX);
        assert_eq!(value_micro_usd(U256::MAX, 18, 0), 0);
    }

    #[test]
    fn scales_round_down_and_refuse_what_does_not_fit() {
        assert_eq!(rescale(U256::from(1_999u64), 9, 6), Some(U256::from(1u64)));
        assert_eq!(rescale(U256::from(2u64), 6, 9), Some(U256::from(2_000u64)));
        assert_eq!(rescale(U256::MAX, 6, 9), None);
        assert_eq!(rescale(U256::MAX, 6, 6), Some(U256::MAX));
    }

    #[test]
    fn sums_survive_overflow_and_undo() {
        let mut sum = Sum::default();
        sum.add(U256::MAX);
        sum.add(U256::from(5u64));
        assert_eq!(sum.saturated(), U256::MAX);
        sum.sub(U256::MAX);
        assert_eq!(sum.saturated(), U256::from(5u64));
        let mut more = sum;
        more.add(U256::from(2u64));
        assert_eq!(more.less(&sum), Some(U256::from(2u64)));
        assert_eq!(sum.less(&more), None);
    }

    #[test]
    fn money_reads_well() {
        assert_eq!(usd(159_580_000_000_000), "$159,580,000.00");
        assert_eq!(usd(1_000_412), "$1.00");
        assert_eq!(usd(999_990_000), "$999.99");
    }

    #[test]
    fn shares() {
        assert!(at_least_bps(25, 100, 2_500) && !at_least_bps(24, 100, 2_500));
        assert!(!at_least_bps(0, 0, 0));
        assert_eq!(bps_of(1, 0), u64::MAX);
    }
}
