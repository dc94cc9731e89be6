//! What stands in a `[[chain]]` and in a `[[bridge.side]]` only where headers are verified by the signatures of the chain's
//! own validators: prefix, root of trust, prices in a named token, channels of tokens.

use portcullis_verifier::{B256, cosmos::Rules};

use super::{
    model::{ChannelConfig, FeeConfig, LightConfig, RootConfig},
    problem::Code,
    read_bridge::read_word,
    reader::{Placed, Section},
};

/// Prices are written in the token's base unit and kept in billionths of it.
const NANO_PLACES: usize = 9;

/// A price of one base unit per unit of gas.
const UNIT: u128 = 1_000_000_000;

/// Names by which the chain's own software knows its channels of tokens.
const TOKEN_PORT: &str = "transfer";

/// Prefix, name and root of trust; none when one of them is missing or wrong, which is noted.
pub(super) fn read(section: &Section<'_>, denom: Placed<String>) -> Option<LightConfig> {
    let prefix = section.required_text("prefix", "\"cosmos\"");
    let name = section.text("name");
    if !section.has("trust") {
        section.sink().error(
            Code::MissingKey,
            section.at(),
            "[[chain]] has no `trust`: without a header to start from nothing can be verified",
            "add `trust = { height = 1000, hash = \"…\" }`, from a source that is none of the endpoints",
        );
    }
    let root = section.table("trust").and_then(read_root);
    Some(LightConfig { prefix: prefix?, name, root: root?, denom })
}

fn read_root(section: Section<'_>) -> Option<RootConfig> {
    let defaults = Rules::default();
    let height = section.required_number("height", 1..=u64::MAX >> 1, "1000");
    let hash = section.required_text("hash", "\"64 hexadecimal digits\"");
    let hash = hash.and_then(|text| match text.value.parse::<B256>() {
        Ok(hash) => Some(hash),
        Err(_) => {
            section.sink().error(
                Code::NotAllowed,
                &text.at,
                format!("`hash` is \"{}\", which is no hash of 32 bytes", text.value),
                "copy the hash of the block at `height`: 64 hexadecimal digits",
            );
            None
        }
    });
    let trusting_period_secs =
        section.number("trusting_period_secs", 3_600..=5_184_000, defaults.trusting_period_secs);
    let clock_drift_secs = section.number("clock_drift_secs", 0..=300, defaults.clock_drift_secs);
    let at = section.at().clone();
    section.finish();
    Some(RootConfig { height: height?.value, hash: hash?, trusting_period_secs, clock_drift_secs, at })
}

/// `[chain.fees]`, and the token in which they are paid.
///
/// Unlike elsewhere, what is offered is paid. So the first price is what most chains ask for at least, and the highest is
/// far above the dearest day that was seen, for the hour in which it matters.
pub(super) fn read_fees(section: &Section<'_>) -> (FeeConfig, Placed<String>) {
    let mut fees = FeeConfig {
        fee: UNIT / 40,
        max_fee: UNIT.saturating_mul(10),
        tip: 0,
        max_tip: UNIT,
        full_value_micro_usd: FeeConfig::default().full_value_micro_usd,
        bump_percent: 50,
        bumps: 12,
        gas_limit: 400_000,
        // Twelve trips at the very highest price.
        per_hour: UNIT.saturating_mul(50_000_000),
    };
    let nothing = || Placed { value: String::new(), at: section.at().clone() };
    let Some(table) = section.table("fees") else { return (fees, nothing()) };
    let price = |key, default| {
        table.decimal(key, NANO_PLACES).map_or(default, |placed: Placed<u64>| u128::from(placed.value))
    };
    fees.fee = price("gas_price", fees.fee);
    fees.max_fee = price("max_gas_price", fees.max_fee);
    fees.tip = price("urgency_price", fees.tip);
    fees.max_tip = price("max_urgency_price", fees.max_tip);
    fees.per_hour = price("per_hour", fees.per_hour);
    if let Some(value) = table.decimal("full_value_usd", 6) {
        fees.full_value_micro_usd = value.value;
    }
    let percent = table.number("bump_percent", 1..=1_000, u64::from(fees.bump_percent));
    fees.bump_percent = u32::try_from(percent).unwrap_or(fees.bump_percent);
    fees.bumps = u16::try_from(table.number("bumps", 0..=40, u64::from(fees.bumps))).unwrap_or(fees.bumps);
    fees.gas_limit = table.number("gas_limit", 100_000..=50_000_000, fees.gas_limit);
    if fees.tip > fees.max_tip || fees.max_tip > fees.max_fee || fees.fee > fees.max_fee {
        section.sink().error(
            Code::NotAllowed,
            table.at(),
            "the prices of `fees` contradict each other",
            "keep urgency_price ≤ max_urgency_price ≤ max_gas_price, and gas_price ≤ max_gas_price",
        );
    }
    let denom = table.text("denom").unwrap_or_else(nothing);
    table.finish();
    (fees, denom)
}

/// Channels of tokens that work for the bridge.
pub(super) fn read_channels(side: &Section<'_>) -> Vec<ChannelConfig> {
    side.tables("channels", "a channel of tokens").into_iter().filter_map(read_channel).collect()
}

fn read_channel(section: Section<'_>) -> Option<ChannelConfig> {
    let remote =
        section.required_any("remote", "2").and_then(|value| read_word(section.sink(), "remote", value));
    let channel = section.required_text("channel", "\"channel-0\"");
    let far = section.required_text("counterparty_channel", "\"channel-0\"");
    let port = |key| section.text(key).map_or_else(|| TOKEN_PORT.to_owned(), |text| text.value);
    let (port, counterparty_port) = (port("port"), port("counterparty_port"));
    section.finish();
    let counterparty_channel = far?.value;
    Some(ChannelConfig { remote: remote?, port, channel: channel?, counterparty_port, counterparty_channel })
}
