//! `[chain.fees]` where compute units are priced beside a fixed fee for each signature.

use super::{model::FeeConfig, problem::Code, reader::Section};

/// What a trip may pay, in micro-lamports per compute unit.
///
/// What is offered is paid, for the whole limit. The first price is what an ordinary day asks for; the highest outbids who
/// write-locks the guard's account to the limit of a block, for as long as that is worth it.
pub(super) fn read_fees(section: &Section<'_>) -> FeeConfig {
    let mut fees = FeeConfig {
        fee: 50_000,
        max_fee: 1_000_000_000,
        tip: 0,
        max_tip: 10_000_000,
        full_value_micro_usd: FeeConfig::default().full_value_micro_usd,
        bump_percent: 100,
        bumps: 16,
        gas_limit: 100_000,
        // Twenty trips at the very highest price.
        per_hour: 2_000_000_000_000_000,
    };
    let Some(table) = section.table("fees") else { return fees };
    let price = |key: &'static str, default: u128| {
        u128::from(table.number(key, 0..=100_000_000_000, u64::try_from(default).unwrap_or(u64::MAX)))
    };
    fees.fee = price("unit_price", fees.fee);
    fees.max_fee = price("max_unit_price", fees.max_fee);
    fees.tip = price("urgency_price", fees.tip);
    fees.max_tip = price("max_urgency_price", fees.max_tip);
    let per_hour = u64::try_from(fees.per_hour).unwrap_or(u64::MAX);
    fees.per_hour = u128::from(table.number("per_hour", 0..=u64::MAX >> 1, per_hour));
    if let Some(value) = table.decimal("full_value_usd", 6) {
        fees.full_value_micro_usd = value.value;
    }
    let percent = table.number("bump_percent", 1..=1_000, u64::from(fees.bump_percent));
    fees.bump_percent = u32::try_from(percent).unwrap_or(fees.bump_percent);
    fees.bumps = u16::try_from(table.number("bumps", 0..=40, u64::from(fees.bumps))).unwrap_or(fees.bumps);
    fees.gas_limit = table.number("unit_limit", 10_000..=1_400_000, fees.gas_limit);
    if fees.tip > fees.max_tip || fees.max_tip > fees.max_fee || fees.fee > fees.max_fee {
        section.sink().error(
            Code::NotAllowed,
            table.at(),
            "the prices of `fees` contradict each other",
            "keep urgency_price ≤ max_urgency_price ≤ max_unit_price, and unit_price ≤ max_unit_price",
        );
    }
    table.finish();
    fees
}
