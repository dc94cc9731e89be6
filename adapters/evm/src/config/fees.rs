//! What closing a gate may cost.

use serde::Deserialize;

/// What a trip may pay.
///
/// The offer of step `b` depends on the value at risk, on `b` and on nothing else, so that signing again gives
/// the same bytes: the tip grows linearly with the value at risk from `tip_floor_wei` to `tip_ceiling_wei`, and
/// tip and fee both grow by `bump_bps` with each step, up to `fee_cap_wei`. A high fee costs nothing by itself:
/// EIP-1559 charges base fee plus tip, not the offer. Where the offer of a step would not pay twice the base fee of the
/// newest block, the first step that does is signed instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FeeSchedule {
    /// Fee per gas of step 0, wei.
    pub fee_wei: u128,
    /// Highest fee per gas that is ever offered, wei.
    pub fee_cap_wei: u128,
    /// Tip per gas of step 0 with nothing at risk, wei.
    pub tip_floor_wei: u128,
    /// Tip per gas of step 0 with `full_value_micro_usd` or more at risk, wei.
    pub tip_ceiling_wei: u128,
    /// Value at risk from which the ceiling is paid, micro-USD.
    pub full_value_micro_usd: u64,
    /// Growth per step, basis points. At least 1,250: nodes ask for a tenth more before they replace.
    pub bump_bps: u32,
    /// Steps after which the offer stays; at most [`crate::limits::BUMPS_MAX`].
    pub bumps: u16,
    /// Gas limit of a trip; rehearsal checks that it leaves [`crate::limits::GAS_MARGIN_BPS`].
    pub gas_limit: u64,
}

impl Default for FeeSchedule {
    fn default() -> Self {
        const GWEI: u128 = 1_000_000_000;
        Self {
            fee_wei: 60 * GWEI,
            fee_cap_wei: 2_000 * GWEI,
            tip_floor_wei: 2 * GWEI,
            tip_ceiling_wei: 50 * GWEI,
            full_value_micro_usd: 10_000_000_000_000,
            bump_bps: 2_500,
            bumps: 12,
            gas_limit: 400_000,
        }
    }
}
