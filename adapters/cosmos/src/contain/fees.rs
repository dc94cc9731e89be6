//! What a step of the schedule pays.

use crate::config::FeeSchedule;

/// Billionths in a unit.
const NANO: u128 = 1_000_000_000;

/// The price of step `bump` (from 0) with so much at risk, in billionths of the fee token's base unit per unit of gas.
///
/// Depends on nothing else, so that signing again gives equal bytes.
pub(crate) fn price_nano(schedule: &FeeSchedule, at_risk_micro_usd: u64, bump: u16) -> u128 {
    let full = u128::from(schedule.full_value_micro_usd.max(1));
    let share = u128::from(at_risk_micro_usd).min(full);
    let spread = schedule.urgency_ceiling_nano.saturating_sub(schedule.urgency_floor_nano);
    let scaled = spread.saturating_mul(share).checked_div(full).unwrap_or(0);
    let mut price = schedule.price_nano.saturating_add(schedule.urgency_floor_nano).saturating_add(scaled);
    for _ in 0..bump.min(schedule.bumps) {
        price = raised(price, schedule.bump_bps);
    }
    price.min(schedule.price_cap_nano)
}

/// What a transaction pays at a price, in the token's base units: rounded up, because nodes compare with what they ask for.
pub(crate) fn amount(price_nano: u128, gas_limit: u64) -> u128 {
    price_nano.saturating_mul(u128::from(gas_limit)).div_ceil(NANO)
}

/// The first step from `bump` on that pays `least_nano`, or the last one there is.
pub(crate) fn step(schedule: &FeeSchedule, at_risk_micro_usd: u64, bump: u16, least_nano: u128) -> u16 {
    let last = schedule.bumps.max(bump);
    (bump..=last).find(|step| price_nano(schedule, at_risk_micro_usd, *step) >= least_nano).unwrap_or(last)
}

/// What a node asks for at least in one token, from the list that it tells (`0.025uatom,0.1uosmo`); zero when it asks for
/// nothing, none when it takes no such token or the list is no list.
pub(crate) fn asked_nano(list: &str, denom: &str) -> Option<u128> {
    if list.is_empty() {
        return Some(0);
    }
    list.split(',').find_map(|coin| {
        let split = coin.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, found) = coin.split_at_checked(split)?;
        if found == denom { decimal_nano(number) } else { None }
    })
}

/// A decimal number in billionths, rounded up; none for what is no number or does not fit.
fn decimal_nano(text: &str) -> Option<u128> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let whole: u128 = whole.parse().ok()?;
    let kept = fraction.get(..fraction.len().min(9))?;
    let rest = fraction.get(kept.len()..)?;
    let parsed: u128 = if kept.is_empty() { 0 } else { kept.parse().ok()? };
    let places = u32::try_from(9usize.checked_sub(kept.len())?).ok()?;
    let up = u128::from(rest.bytes().any(|digit| digit != b'0'));
    whole.checked_mul(NANO)?.checked_add(parsed.checked_mul(10u128.checked_pow(places)?)?)?.checked_add(up)
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
        assert_eq!(price_nano(&schedule, 0, 0), schedule.price_nano);
        assert_eq!(price_nano(&schedule, u64::MAX, 0), schedule.price_nano + schedule.urgency_ceiling_nano);
        for bump in 0..schedule.bumps {
            let (now, next) = (price_nano(&schedule, 0, bump), price_nano(&schedule, 0, bump + 1));
            assert!(next <= schedule.price_cap_nano && (next > now || next == schedule.price_cap_nano));
        }
        let last = price_nano(&schedule, 0, schedule.bumps);
        assert_eq!(last, price_nano(&schedule, 0, u16::MAX), "bounded steps");
        assert_eq!(price_nano(&schedule, u64::MAX, u16::MAX), schedule.price_cap_nano);
    }

    #[test]
    fn the_amount_is_rounded_up_to_what_nodes_ask_for() {
        assert_eq!(amount(25_000_000, 400_000), 10_000);
        assert_eq!(amount(25_000_000, 400_001), 10_001);
        assert_eq!(amount(1, 1), 1);
        assert_eq!(amount(0, u64::MAX), 0);
    }

    #[test]
    fn what_nodes_ask_for_is_read_and_followed() {
        assert_eq!(asked_nano("0.025uatom,0.1uosmo", "uosmo"), Some(100_000_000));
        assert_eq!(asked_nano("0.025000000000000000stake", "stake"), Some(25_000_000));
        assert_eq!(asked_nano("0.0000000001stake", "stake"), Some(1), "rounded up");
        assert_eq!(asked_nano("7stake", "stake"), Some(7_000_000_000));
        assert_eq!(asked_nano("", "stake"), Some(0));
        for nonsense in [
            "0.025uatom",
            "stake",
            "x.ystake",
            "1e9stake",
            "1.2.3stake",
            ",",
            "99999999999999999999999999999999999999stake",
        ] {
            assert_eq!(asked_nano(nonsense, "stake"), None, "{nonsense}");
        }
        let schedule = FeeSchedule::default();
        assert_eq!(step(&schedule, 0, 0, 0), 0);
        assert_eq!(step(&schedule, 0, 3, 0), 3, "never below the step asked for");
        let dear = step(&schedule, 0, 0, 1_000_000_000);
        assert!(price_nano(&schedule, 0, dear) >= 1_000_000_000);
        assert!(price_nano(&schedule, 0, dear - 1) < 1_000_000_000, "no dearer than needed");
        assert_eq!(step(&schedule, 0, 0, u128::MAX), schedule.bumps, "the cap stays");
    }
}
