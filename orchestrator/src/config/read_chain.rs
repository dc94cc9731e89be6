//! `[[chain]]`.

use std::path::Path;

use portcullis_verifier::ChainId;
use toml::{Spanned, de::DeValue};
use url::Url;

use super::{
    family::Family,
    model::{ChainConfig, EndpointConfig, EndpointUrl, FeeConfig, Finality, PrivateEndpoint, Submission},
    problem::Code,
    read_light,
    read_signers::read_first_line,
    read_stakes, read_units,
    reader::{Placed, Section, Sink, type_name},
};

/// Base units per "gwei", in which people quote fees: 10^9.
const GWEI_PLACES: usize = 9;

pub(super) fn read_chains(root: &Section<'_>, base: &Path) -> Vec<ChainConfig> {
    let sections = root.tables("chain", "[[chain]]");
    if sections.is_empty() {
        root.sink().whole(
            Code::MissingKey,
            "there is no [[chain]]",
            "add a [[chain]] with id, endpoints and quorum for every side of the bridge",
        );
    }
    sections.into_iter().filter_map(|section| read_chain(section, base)).collect()
}

fn read_chain(section: Section<'_>, base: &Path) -> Option<ChainConfig> {
    let id = section.required::<ChainId>("id", "\"eip155:1\"");
    let family = read_family(&section, id.as_ref());
    let endpoints = read_endpoints(&section, base);
    let quorum = read_quorum(&section, endpoints.len());
    let start_height = section.required_number("start_height", 0..=u64::MAX, "15259101");
    // Keys of one family are unknown keys of a chain of another.
    let is_light = family == Some(Family::Cosmos);
    let has_slots = family == Some(Family::Solana);
    let numbers = Numbers::read(&section, is_light, has_slots);
    let finality = if is_light || has_slots { Finality::Tags } else { read_finality(&section) };
    let submission = read_submission(&section, base);
    let (fees, light) = if is_light {
        let (fees, denom) = read_light::read_fees(&section);
        (fees, read_light::read(&section, denom))
    } else if has_slots {
        (read_units::read_fees(&section), None)
    } else {
        (read_fees(&section), None)
    };
    let stakes = if has_slots { read_stakes::read(&section, base) } else { None };
    section.finish();
    Some(ChainConfig {
        id: id?,
        family: family?,
        endpoints,
        quorum,
        // Errors are noted already; a chain that is left out would only cause more of them.
        start_height: start_height.map_or(0, |placed| placed.value),
        reorg_bound_blocks: numbers.reorg_bound_blocks,
        stall_after_secs: numbers.stall_after_secs,
        silence_ms: numbers.silence_ms,
        poll_ms: numbers.poll_ms,
        lag_blocks: numbers.lag_blocks,
        block_secs: numbers.block_secs,
        bloom: numbers.bloom,
        pending: numbers.pending,
        finality,
        submission,
        fees,
        signer: None,
        // As with the height above: a family that lacks it has nothing more to find.
        light,
        stakes,
    })
}

/// What has a default that fits most chains.
struct Numbers {
    reorg_bound_blocks: u64,
    stall_after_secs: u64,
    silence_ms: u64,
    poll_ms: u64,
    lag_blocks: u64,
    block_secs: u64,
    bloom: bool,
    pending: bool,
}

impl Numbers {
    fn read(section: &Section<'_>, is_light: bool, has_slots: bool) -> Self {
        // A slot has 0.4 seconds, and nothing about its chain takes as long as about others.
        let usual = |others: u64, of_slots: u64| if has_slots { of_slots } else { others };
        Self {
            // The bound is also the length of every cursor, which commits with each block. What is signed stays.
            reorg_bound_blocks: if is_light {
                1
            } else {
                section.number("reorg_bound_blocks", 1..=1_024, 64)
            },
            stall_after_secs: section.number("stall_after_secs", 1..=3_600, usual(120, 20)),
            silence_ms: section.number("silence_ms", 10..=3_600_000, usual(30_000, 10_000)),
            poll_ms: section.number("poll_ms", 10..=3_600_000, usual(2_000, 1_000)),
            lag_blocks: section.number("lag_blocks", 1..=10_000, usual(5, 50)),
            block_secs: section.number("block_secs", 1..=3_600, usual(12, 1)),
            bloom: !is_light && !has_slots && section.flag("bloom", true),
            pending: !is_light && section.flag("pending", false),
        }
    }
}

fn read_family(section: &Section<'_>, id: Option<&Placed<ChainId>>) -> Option<Family> {
    let named = section.choice("family", &Family::WORDS);
    let id = id?;
    let by_namespace = Family::of_namespace(id.value.namespace());
    let family = named.as_ref().map(|placed| placed.value).or(by_namespace);
    let Some(family) = family else {
        let known: Vec<&str> = Family::WORDS.iter().map(|(_, family)| family.namespace()).collect();
        section.sink().error(
            Code::UnknownFamily,
            &id.at,
            format!("no adapter for chains of the namespace \"{}\"", id.value.namespace()),
            format!("this build knows {}", known.join(", ")),
        );
        return None;
    };
    if by_namespace != Some(family) {
        let at = named.map_or_else(|| id.at.clone(), |placed| placed.at);
        section.sink().error(
            Code::UnknownFamily,
            &at,
            format!("{} is not a chain of this family", id.value),
            format!("write an id such as {}, or remove `family`", family.example_id()),
        );
    } else if let Some(why) = family.refuse_reference(id.value.reference()) {
        let fix = format!("write an id such as {}", family.example_id());
        section.sink().error(Code::BadName, &id.at, why, fix);
    }
    Some(family)
}

fn read_endpoints(section: &Section<'_>, base: &Path) -> Vec<EndpointConfig> {
    if !section.has("endpoints") {
        section.sink().error(
            Code::MissingKey,
            section.at(),
            "[[chain]] has no `endpoints`",
            "add `endpoints = [{ operator = \"name\", http = \"https://…\", ws = \"wss://…\" }]`, one per operator",
        );
    }
    let mut endpoints = Vec::new();
    for endpoint in section.tables("endpoints", "an endpoint") {
        let operator = endpoint.required("operator", "\"who-runs-it\"");
        let http = endpoint
            .required_any("http", "\"https://…\"")
            .and_then(|value| read_url(section.sink(), "http", value, &["http", "https"], base));
        let ws =
            endpoint.any("ws").and_then(|value| read_url(section.sink(), "ws", value, &["ws", "wss"], base));
        let submit = endpoint.flag("submit", true);
        endpoint.finish();
        if let (Some(operator), Some(http)) = (operator, http) {
            endpoints.push(EndpointConfig { operator, http, ws, submit });
        }
    }
    endpoints
}

fn read_quorum(section: &Section<'_>, operators: usize) -> u16 {
    let operators = u64::try_from(operators).unwrap_or(u64::MAX);
    // More than half: two disjoint groups of operators can then never both be the quorum.
    let majority = operators.checked_div(2).unwrap_or(0).saturating_add(1);
    let given = section.optional_number("quorum", 1..=64);
    let quorum = given.as_ref().map_or(majority, |placed| placed.value);
    let at = given.map_or_else(|| section.at().clone(), |placed| placed.at);
    if operators > 0 && quorum > operators {
        section.sink().error(
            Code::BadQuorum,
            &at,
            format!("a quorum of {quorum} cannot be reached with {operators} operators"),
            format!("write {majority}, or add endpoints of other operators"),
        );
    } else if quorum.saturating_mul(2) <= operators || operators == 1 {
        section.sink().warning(
            Code::BadQuorum,
            &at,
            format!("with a quorum of {quorum} of {operators}, one lying operator can be believed"),
            "use three operators or more, and a quorum of more than half",
        );
    }
    u16::try_from(quorum).unwrap_or(u16::MAX)
}

fn read_finality(section: &Section<'_>) -> Finality {
    #[derive(Clone, Copy)]
    enum Mode {
        Tags,
        Depth,
    }
    let Some(table) = section.table("finality") else { return Finality::Tags };
    let mode = table.choice("mode", &[("tags", Mode::Tags), ("depth", Mode::Depth)]);
    if mode.is_none() && !table.has("mode") {
        table.required_text("mode", "\"tags\"");
    }
    let finality = match mode.map(|placed| placed.value) {
        Some(Mode::Depth) => {
            let final_blocks = table.required_number("final_blocks", 1..=100_000, "12");
            let final_blocks = final_blocks.map_or(1, |placed| placed.value);
            let safe_blocks = table.number("safe_blocks", 0..=final_blocks, final_blocks);
            Finality::Depth { safe_blocks, final_blocks }
        }
        Some(Mode::Tags) | None => Finality::Tags,
    };
    table.finish();
    finality
}

fn read_submission(section: &Section<'_>, base: &Path) -> Submission {
    let private = section.choice("submission", &[("public", false), ("private", true)]);
    let mut endpoints = Vec::new();
    for endpoint in section.tables("private_endpoints", "a private endpoint") {
        let operator = endpoint.required("operator", "\"who-runs-it\"");
        let http = endpoint
            .required_any("http", "\"https://…\"")
            .and_then(|value| read_url(section.sink(), "http", value, &["http", "https"], base));
        endpoint.finish();
        if let (Some(operator), Some(http)) = (operator, http) {
            endpoints.push(PrivateEndpoint { operator: operator.value, http });
        }
    }
    match private {
        Some(Placed { value: true, at }) => {
            if endpoints.is_empty() {
                section.sink().error(
                    Code::MissingKey,
                    &at,
                    "private submission needs `private_endpoints`",
                    "add `private_endpoints = [{ operator = \"name\", http = \"https://…\" }]`",
                );
            }
            Submission::Private(endpoints)
        }
        _ => {
            if !endpoints.is_empty() {
                section.sink().warning(
                    Code::NotAllowed,
                    section.at(),
                    "`private_endpoints` are never used with public submission",
                    "write `submission = \"private\"`, or remove them",
                );
            }
            Submission::Public
        }
    }
}

fn read_fees(section: &Section<'_>) -> FeeConfig {
    let mut fees = FeeConfig::default();
    let Some(table) = section.table("fees") else { return fees };
    let wei = |key, default| {
        table.decimal(key, GWEI_PLACES).map_or(default, |placed: Placed<u64>| u128::from(placed.value))
    };
    fees.fee = wei("fee_gwei", fees.fee);
    fees.max_fee = wei("max_fee_gwei", fees.max_fee);
    fees.tip = wei("tip_gwei", fees.tip);
    fees.max_tip = wei("max_tip_gwei", fees.max_tip);
    fees.per_hour = wei("per_hour_gwei", fees.per_hour);
    if let Some(value) = table.decimal("full_value_usd", 6) {
        fees.full_value_micro_usd = value.value;
    }
    let percent = table.number("bump_percent", 13..=1_000, u64::from(fees.bump_percent));
    fees.bump_percent = u32::try_from(percent).unwrap_or(fees.bump_percent);
    let bumps = table.number("bumps", 0..=40, u64::from(fees.bumps));
    fees.bumps = u16::try_from(bumps).unwrap_or(fees.bumps);
    fees.gas_limit = table.number("gas_limit", 100_000..=16_777_216, fees.gas_limit);
    if fees.tip > fees.max_tip || fees.max_tip > fees.max_fee || fees.fee > fees.max_fee {
        section.sink().error(
            Code::NotAllowed,
            table.at(),
            "the amounts of `fees` contradict each other",
            "keep tip_gwei ≤ max_tip_gwei ≤ max_fee_gwei, and fee_gwei ≤ max_fee_gwei",
        );
    }
    table.finish();
    fees
}

/// A URL in place, or `{ file = "path" }` where the URL holds a key.
pub(super) fn read_url(
    sink: &Sink<'_>,
    key: &str,
    value: &Spanned<DeValue<'_>>,
    schemes: &[&str],
    base: &Path,
) -> Option<EndpointUrl> {
    let at = value.span();
    let (text, from_file) = match value.get_ref() {
        DeValue::String(text) => (text.trim().to_owned(), false),
        DeValue::Table(table) => {
            let section = Section::new(sink, format!("`{key}`"), at.clone(), table);
            let path = section.required_text("file", "\"secrets/url\"");
            section.finish();
            (read_first_line(sink, &path?, base)?, true)
        }
        other => {
            sink.error(
                Code::WrongType,
                &at,
                format!("`{key}` takes a URL, not {}", type_name(other)),
                "write a URL in quotes, or { file = \"path\" } where it holds a key",
            );
            return None;
        }
    };
    let wanted = schemes.join(" or ");
    let shown = if from_file { "the URL in the file" } else { text.as_str() };
    match Url::parse(&text) {
        Ok(url) if schemes.contains(&url.scheme()) && url.has_host() => {
            if !from_file && url.password().is_some() {
                sink.error(
                    Code::InlineSecret,
                    &at,
                    format!("`{key}` holds a password"),
                    format!("put the URL into a file and write `{key} = {{ file = \"path\" }}`"),
                );
            }
            Some(EndpointUrl(url))
        }
        Ok(_) => {
            sink.error(
                Code::BadUrl,
                &at,
                format!("`{key}` does not begin with {wanted}: {shown}"),
                format!("write a URL that begins with {wanted}"),
            );
            None
        }
        Err(error) => {
            sink.error(
                Code::BadUrl,
                &at,
                format!("`{key}` is not a URL ({error}): {shown}"),
                format!("write a URL that begins with {wanted}"),
            );
            None
        }
    }
}
