//! What a step of the schedule pays.

use crate::config::FeeSchedule;

/// Lamports that each signature of a transaction costs.
const SIGNATURE: u128 = 5_000;

/// Micro-lamports in a lamport.
const MICRO: u128 = 1_000_000;

/// The price of step `bump` (from 0) with so much at risk, in micro-lamports per compute unit.
///
/// Depends on nothing else, so that signing again gives equal bytes.
pub(crate) fn price(schedule: &FeeSchedule, at_risk_micro_usd: u64, bump: u16) -> u128 {
    let full = u128::from(schedule.full_value_micro_usd.max(1));
    let share = u128::from(at_risk_micro_usd).min(full);
    let spread = schedule.urgency_ceiling.saturating_sub(schedule.urgency_floor);
    let scaled = spread.saturating_mul(share).checked_div(full).unwrap_or(0);
    let mut offer = schedule.price.saturating_add(schedule.urgency_floor).saturating_add(scaled);
    for _ in 0..bump.min(schedule.bumps) {
        offer = raised(offer, schedule.bump_bps);
    }
    offer.min(schedule.price_cap)
}

/// What a transaction pays at a price, in lamports, with so many signatures.
pub(crate) fn lamports(price: u128, unit_limit: u32, signatures: u64) -> u128 {
    let priority = price.saturating_mul(u128::from(unit_limit)).div_ceil(MICRO);
    priority.saturating_add(SIGNATURE.saturating_mul(u128::from(signatures)))
}

/// The first step from `bump` on that pays `least`, or the last one there is.
pub(crate) fn step(schedule: &FeeSchedule, at_risk_micro_usd: u64, bump: u16, least: u128) -> u16 {
    let last = schedule.bumps.max(bump);
    (bump..=last).find(|step| price(schedule, at_risk_micro_usd, *step) >= least).unwrap_or(last)
}

fn raised(price: u128, bps: u32) -> u128 {
    let factor = u128::from(bps).saturating_add(10_000);
    // Rounded up, so that small numbers grow too.
    price.saturating_mul(factor).div_ceil(10_000)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::arithmetic_side_effects)]
    use super::*;

    #[test]
    fn the_price_scales_with_the_value_at_risk_and_stays_within_its_bounds() {
        let schedule = FeeSchedule::default();
        assert_eq!(price(&schedule, 0, 0), schedule.price);
        assert_eq!(price(&schedule, u64::MAX, 0), schedule.price + schedule.urgency_ceiling);
        for bump in 0..schedule.bumps {
            let (now, next) = (price(&schedule, 0, bump), price(&schedule, 0, bump + 1));
            assert!(next <= schedule.price_cap && (next > now || next == schedule.price_cap));
        }
        let last = price(&schedule, 0, schedule.bumps);
        assert_eq!(last, price(&schedule, 0, u16::MAX), "bounded steps");
        assert_eq!(price(&schedule, u64::MAX, u16::MAX), schedule.price_cap);
    }

    #[test]
    fn what_is_paid_is_rounded_up_and_the_price_follows_what_others_pay() {
        assert_eq!(lamports(50_000, 100_000, 1), 10_000);
        assert_eq!(lamports(1, 1, 2), 10_001);
        let schedule = FeeSchedule::default();
        assert_eq!(step(&schedule, 0, 0, 0), 0);
        assert_eq!(step(&schedule, 0, 3, 0), 3, "never below the step asked for");
        let dear = step(&schedule, 0, 0, 1_000_000);
        assert!(price(&schedule, 0, dear) >= 1_000_000);
        assert!(price(&schedule, 0, dear - 1) < 1_000_000, "no dearer than needed");
        assert_eq!(step(&schedule, 0, 0, u128::MAX), schedule.bumps, "the cap stays");
    }
}
