//! What closing a gate may cost.

use serde::Deserialize;

/// What a trip may pay.
///
/// Prices are in micro-lamports per compute unit, as the compute budget program takes them; to them comes the base fee of
/// 5,000 lamports for each signature. The price of step `b` depends on the value at risk, on `b` and on nothing else, so
/// that signing again gives the same bytes: what is added for urgency grows linearly with the value at risk from
/// `urgency_floor` to `urgency_ceiling`, and the whole grows by `bump_bps` with each step, up to `price_cap`.
///
/// What is offered is paid, for the whole limit of compute units, whether or not it was used.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FeeSchedule {
    /// Price of step 0 with nothing at risk.
    pub price: u128,
    /// Highest price that is ever offered.
    pub price_cap: u128,
    /// What is added at step 0 with nothing at risk.
    pub urgency_floor: u128,
    /// What is added at step 0 with `full_value_micro_usd` or more at risk.
    pub urgency_ceiling: u128,
    /// Value at risk from which the ceiling is added, micro-USD.
    pub full_value_micro_usd: u64,
    /// Growth per step, basis points.
    pub bump_bps: u32,
    /// Steps after which the price stays; at most [`crate::limits::BUMPS_MAX`].
    pub bumps: u16,
    /// Compute units that a trip may use; rehearsal checks that it leaves a margin.
    pub unit_limit: u32,
}

impl Default for FeeSchedule {
    // A trip of 100,000 units pays 0.000005 SOL at the first step with nothing at risk, 0.001 SOL with much, and 0.1 SOL at
    // the cap: who write-locks the guard's account to the limit of a block pays more for each of its transactions.
    fn default() -> Self {
        Self {
            price: 50_000,
            price_cap: 1_000_000_000,
            urgency_floor: 0,
            urgency_ceiling: 10_000_000,
            full_value_micro_usd: 10_000_000_000_000,
            bump_bps: 10_000,
            bumps: 16,
            unit_limit: 100_000,
        }
    }
}
