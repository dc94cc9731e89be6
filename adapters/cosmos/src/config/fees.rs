//! What closing a gate may cost.

use serde::Deserialize;

/// What a trip may pay.
///
/// Prices are in billionths of the fee token's base unit per unit of gas, because chains of this family ask for
/// fractions: `25_000_000` is 0.025. The price of step `b` depends on the value at risk, on `b` and on nothing else, so
/// that signing again gives the same bytes: what is added for urgency grows linearly with the value at risk from
/// `urgency_floor_nano` to `urgency_ceiling_nano`, and the whole grows by `bump_bps` with each step, up to
/// `price_cap_nano`.
///
/// Unlike elsewhere, what is offered is paid, for the whole gas limit, whether or not it was used.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FeeSchedule {
    /// Token that fees are paid in, as the chain names it (`uatom`).
    pub denom: String,
    /// Price of step 0 with nothing at risk.
    pub price_nano: u128,
    /// Highest price that is ever offered.
    pub price_cap_nano: u128,
    /// What is added at step 0 with nothing at risk.
    pub urgency_floor_nano: u128,
    /// What is added at step 0 with `full_value_micro_usd` or more at risk.
    pub urgency_ceiling_nano: u128,
    /// Value at risk from which the ceiling is added, micro-USD.
    pub full_value_micro_usd: u64,
    /// Growth per step, basis points.
    pub bump_bps: u32,
    /// Steps after which the price stays; at most [`crate::limits::BUMPS_MAX`].
    pub bumps: u16,
    /// Gas limit of a trip; rehearsal checks that it leaves [`crate::limits::GAS_MARGIN_BPS`].
    pub gas_limit: u64,
}

impl Default for FeeSchedule {
    // A trip costs about 120,000 units of gas. At the first step it pays what most chains ask for at least, at the last
    // one forty times as much as the dearest of them did on its busiest day.
    fn default() -> Self {
        const UNIT: u128 = 1_000_000_000;
        Self {
            denom: String::new(),
            price_nano: UNIT / 40,
            price_cap_nano: 10 * UNIT,
            urgency_floor_nano: 0,
            urgency_ceiling_nano: UNIT,
            full_value_micro_usd: 10_000_000_000_000,
            bump_bps: 5_000,
            bumps: 12,
            gas_limit: 400_000,
        }
    }
}
