//! What a trip may pay.

use serde::Deserialize;

/// What a trip may pay. Prices are in billionths of the denomination's base unit for one gas.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FeeSchedule {
    /// Denomination in which fees are paid.
    pub denom: String,
    /// Gas asked for by a trip.
    pub gas_limit: u64,
    /// Price at the first step.
    pub gas_price_nano: u64,
    /// Price that is never exceeded.
    pub gas_price_cap_nano: u64,
    /// Growth from step to step, basis points.
    pub bump_bps: u32,
    /// How many steps there are after the first.
    pub bumps: u16,
}

impl Default for FeeSchedule {
    fn default() -> Self {
        Self {
            denom: "stake".to_owned(),
            gas_limit: 400_000,
            gas_price_nano: 25_000_000,
            gas_price_cap_nano: 2_500_000_000,
            bump_bps: 2_500,
            bumps: 12,
        }
    }
}
