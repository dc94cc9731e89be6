//! What a step of the schedule offers.

use crate::config::FeeSchedule;

/// What a transaction offers, wei per gas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Offer {
    pub(crate) fee_wei: u128,
    pub(crate) tip_wei: u128,
}

/// The offer of step `bump` (from 0) with so much at risk.
///
/// Depends on nothing else, so that signing again gives equal bytes. Every step below the cap offers at least a
/// tenth more than the one before in both fields, which is what nodes want for a replacement.
pub(crate) fn offer(schedule: &FeeSchedule, at_risk_micro_usd: u64, bump: u16) -> Offer {
    let full = u128::from(schedule.full_value_micro_usd.max(1));
    let share = u128::from(at_risk_micro_usd).min(full);
    let spread = schedule.tip_ceiling_wei.saturating_sub(schedule.tip_floor_wei);
    let scaled = spread.saturating_mul(share).checked_div(full).unwrap_or(0);
    let mut tip = schedule.tip_floor_wei.saturating_add(scaled);
    // The fee leaves room for the tip from the first step on.
    let mut fee = schedule.fee_wei.saturating_add(tip);
    for _ in 0..bump.min(schedule.bumps) {
        tip = raised(tip, schedule.bump_bps);
        fee = raised(fee, schedule.bump_bps);
    }
    let fee = fee.min(schedule.fee_cap_wei);
    Offer { fee_wei: fee, tip_wei: tip.min(fee) }
}

/// The first step from `bump` on whose fee still pays the base fee should that double, or the last one there is.
///
/// A base fee grows by an eighth per block at most (EIP-1559): doubled, it leaves six full blocks in which the bytes stay
/// good. Nodes refuse what is below the base fee of their head, so that no number of attempts at a lower step would land.
pub(crate) fn step(schedule: &FeeSchedule, at_risk_micro_usd: u64, bump: u16, base_fee_wei: u64) -> u16 {
    let wanted = u128::from(base_fee_wei).saturating_mul(2);
    let pays = |step: &u16| {
        let offer = offer(schedule, at_risk_micro_usd, *step);
        offer.fee_wei.saturating_sub(offer.tip_wei) >= wanted
    };
    let last = schedule.bumps.max(bump);
    (bump..=last).find(pays).unwrap_or(last)
}

fn raised(wei: u128, bps: u32) -> u128 {
    let factor = u128::from(bps).saturating_add(10_000);
    // Rounded up, so that small numbers grow too.
    wei.saturating_mul(factor).saturating_add(9_999).checked_div(10_000).unwrap_or(u128::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tip_scales_with_the_value_at_risk_and_stays_within_its_bounds() {
        let schedule = FeeSchedule::default();
        assert_eq!(offer(&schedule, 0, 0).tip_wei, schedule.tip_floor_wei);
        assert_eq!(offer(&schedule, u64::MAX, 0).tip_wei, schedule.tip_ceiling_wei);
        let half = offer(&schedule, schedule.full_value_micro_usd / 2, 0).tip_wei;
        assert_eq!(half, (schedule.tip_floor_wei + schedule.tip_ceiling_wei) / 2);
    }

    #[test]
    fn a_base_fee_that_jumps_is_followed_at_once_and_never_below_the_step_asked_for() {
        let schedule = FeeSchedule::default();
        let gwei = |n: u64| n * 1_000_000_000;
        assert_eq!(step(&schedule, 0, 0, 0), 0, "nothing is known");
        assert_eq!(step(&schedule, 0, 0, gwei(30)), 0);
        assert_eq!(step(&schedule, 0, 3, gwei(30)), 3);
        let spike = step(&schedule, 0, 0, gwei(400));
        let paid = |step| {
            let offer = offer(&schedule, 0, step);
            offer.fee_wei - offer.tip_wei
        };
        assert!(
            paid(spike) >= u128::from(gwei(800)) && paid(spike - 1) < u128::from(gwei(800)),
            "step {spike}"
        );
        assert_eq!(step(&schedule, 0, 0, u64::MAX), schedule.bumps, "the cap stays");
        assert_eq!(step(&schedule, 0, u16::MAX, u64::MAX), u16::MAX);
    }

    #[test]
    fn each_step_can_replace_the_one_before_until_the_cap() {
        let schedule = FeeSchedule::default();
        for bump in 0..schedule.bumps {
            let (now, next) = (offer(&schedule, 0, bump), offer(&schedule, 0, bump + 1));
            assert!(next.fee_wei <= schedule.fee_cap_wei && next.tip_wei <= next.fee_wei);
            if next.fee_wei < schedule.fee_cap_wei {
                assert!(next.fee_wei * 10 >= now.fee_wei * 11 && next.tip_wei * 10 >= now.tip_wei * 11);
            }
        }
        assert_eq!(offer(&schedule, 0, schedule.bumps), offer(&schedule, 0, u16::MAX), "bounded steps");
    }
}
