//! `[rules]`, `[[playbook]]`, `[store]` and `[api]`.

use std::{net::SocketAddr, path::Path};

use portcullis_core::config::Rules;
use portcullis_verifier::{ActionClass, Assurance, Execution, Header, Inclusion, Quorum, Slug};
use secrecy::SecretString;
use serde_json::Value;
use toml::de::DeValue;

use super::{
    model::{ApiConfig, ChainConfig, PlaybookConfig, StoreConfig},
    problem::Code,
    read_signers::read_first_line,
    reader::{Placed, Section, integer_u64, placed_decimal, report_unknown, type_name},
};

/// Ends of rule names that count in micro-USD, and how the configuration writes them: in USD, with decimals.
const MICRO_USD: &str = "_micro_usd";
const USD: &str = "_usd";

/// `[rules]`. The keys are those of [`Rules`], so that a threshold which a detector gains needs no line here.
pub(super) fn read_rules(root: &Section<'_>) -> Rules {
    let rules = Rules::default();
    let Some(section) = root.table("rules") else { return rules };
    let Ok(Value::Object(mut values)) = serde_json::to_value(&rules) else { return rules };
    let known: Vec<String> = values.keys().map(|key| shown_rule(key)).collect();
    for (name, value) in section.entries() {
        let Some(key) = values.keys().find(|key| shown_rule(key) == name.value).cloned() else {
            let names = known.iter().map(String::as_str);
            report_unknown(section.sink(), "[rules]", name.value, &name.at, names);
            continue;
        };
        let number = if key.ends_with(MICRO_USD) {
            placed_decimal(section.sink(), name.value, value, 6).map(|placed| Value::from(placed.value))
        } else {
            match value.get_ref() {
                DeValue::Integer(integer) => integer_u64(integer).map(Value::from).or_else(|| {
                    section.sink().error(
                        Code::NotAllowed,
                        &value.span(),
                        format!("`{}` is {integer}, which is negative or too large", name.value),
                        "write a whole number that is not negative",
                    );
                    None
                }),
                DeValue::Boolean(flag) => Some(Value::from(*flag)),
                other => {
                    section.sink().error(
                        Code::WrongType,
                        &value.span(),
                        format!("`{}` takes a whole number, not {}", name.value, type_name(other)),
                        "write a whole number",
                    );
                    None
                }
            }
        };
        let Some(number) = number else { continue };
        let mut changed = values.clone();
        changed.insert(key, number);
        match serde_json::from_value::<Rules>(Value::Object(changed.clone())) {
            Ok(_) => values = changed,
            Err(error) => section.sink().error(
                Code::NotAllowed,
                &value.span(),
                format!("`{}` cannot be that: {error}", name.value),
                "see the rules in docs/examples",
            ),
        }
    }
    serde_json::from_value(Value::Object(values)).unwrap_or(rules)
}

/// How the configuration calls a rule.
fn shown_rule(key: &str) -> String {
    key.strip_suffix(MICRO_USD).map_or_else(|| key.to_owned(), |stem| format!("{stem}{USD}"))
}

/// `[[playbook]]`, or what follows from the quorums where the file has none.
pub(super) fn read_playbooks(root: &Section<'_>, chains: &[ChainConfig]) -> Vec<PlaybookConfig> {
    let sections = root.tables("playbook", "[[playbook]]");
    if sections.is_empty() {
        return built_in_playbooks(chains);
    }
    sections.into_iter().filter_map(read_playbook).collect()
}

/// A hold needs nothing, because it is short; a halt needs a proof under the weakest quorum of the file.
fn built_in_playbooks(chains: &[ChainConfig]) -> Vec<PlaybookConfig> {
    let quorum = chains.iter().map(|chain| chain.quorum).min().unwrap_or(1);
    let proven = Assurance::proved_under_quorum(quorum, quorum);
    let plain = Assurance::default();
    [
        ("limit", ActionClass::Tighten, plain, 3_600),
        ("hold", ActionClass::Hold, plain, 900),
        ("halt", ActionClass::Halt, proven, 21_600),
    ]
    .into_iter()
    .filter_map(|(id, class, needs, expiry_secs)| {
        let id = Slug::new(id).ok()?;
        Some(PlaybookConfig { id, class, needs, expiry_secs, targets: Vec::new() })
    })
    .collect()
}

fn read_playbook(section: Section<'_>) -> Option<PlaybookConfig> {
    let id = section.required::<Slug>("id", "\"halt\"");
    let class = section.choice(
        "class",
        &[("tighten", ActionClass::Tighten), ("hold", ActionClass::Hold), ("halt", ActionClass::Halt)],
    );
    if class.is_none() && !section.has("class") {
        section.required_text("class", "\"halt\"");
    }
    let expiry_secs = section.required_number("expiry_secs", 1..=31_536_000, "21600");
    let needs = section.table("needs").map_or_else(Assurance::default, read_needs);
    let targets = section.texts("targets");
    let targets = targets.into_iter().filter_map(|text| match Slug::new(&text.value) {
        Ok(value) => Some(Placed { value, at: text.at }),
        Err(error) => {
            section.sink().error(Code::BadName, &text.at, error.to_string(), "name a guard by its id");
            None
        }
    });
    let targets = targets.collect();
    section.finish();
    Some(PlaybookConfig {
        id: id?.value,
        class: class?.value,
        needs,
        expiry_secs: expiry_secs?.value,
        targets,
    })
}

fn read_needs(section: Section<'_>) -> Assurance {
    let quorum = section.optional_number("quorum", 1..=64);
    let attested = section.optional_number("attested", 1..=1_024);
    let voices = |placed: Placed<u64>| {
        let agreeing = u16::try_from(placed.value).unwrap_or(u16::MAX);
        Quorum { agreeing, of: agreeing }
    };
    let inclusion = section.choice(
        "inclusion",
        &[
            ("none", Inclusion::None),
            ("reported", Inclusion::Reported),
            ("merkle_proved", Inclusion::MerkleProved),
        ],
    );
    let execution = section.choice(
        "execution",
        &[("unknown", Execution::Unknown), ("reported", Execution::Reported), ("proved", Execution::Proved)],
    );
    let signed_bps = section.optional_number("signed_bps", 0..=10_000);
    let final_by_consensus = section.flag("final_by_consensus", false);
    let optimistic = section.flag("optimistic", false);
    let age_secs = section.optional_number("max_age_secs", 1..=86_400);
    section.finish();
    Assurance {
        header: Header {
            quorum: quorum.map(voices),
            attested: attested.map(voices),
            signed_bps: signed_bps.and_then(|placed| u16::try_from(placed.value).ok()),
            optimistic,
            final_by_consensus,
        },
        inclusion: inclusion.map_or(Inclusion::None, |placed| placed.value),
        execution: execution.map_or(Execution::Unknown, |placed| placed.value),
        age_secs: age_secs.map(|placed| placed.value),
    }
}

/// `[store]`. Relative paths start at the configuration's folder.
pub(super) fn read_store(root: &Section<'_>, base: &Path) -> StoreConfig {
    let mut store = StoreConfig { data_dir: base.join("portcullis-data"), database_url: None };
    let Some(section) = root.table("store") else { return store };
    if let Some(dir) = section.text("data_dir") {
        store.data_dir = base.join(dir.value);
    }
    if let Some(file) = section.text("database_url_file") {
        let url = read_first_line(section.sink(), &file, base);
        store.database_url = url.map(SecretString::from);
    }
    if let Some(inline) = section.any("database_url") {
        section.sink().error(
            Code::InlineSecret,
            &inline.span(),
            "`database_url` would put a password into the configuration",
            "put the URL into a file and write `database_url_file = \"path\"`, or set DATABASE_URL",
        );
    }
    section.finish();
    store
}

/// `[api]`.
pub(super) fn read_api(root: &Section<'_>) -> ApiConfig {
    let fallback = SocketAddr::from(([127, 0, 0, 1], 7420));
    let Some(section) = root.table("api") else { return ApiConfig { listen: fallback } };
    let listen = section.text("listen");
    let expose = section.flag("expose", false);
    let mut address = fallback;
    if let Some(text) = listen {
        match text.value.parse::<SocketAddr>() {
            Ok(parsed) if parsed.ip().is_loopback() || expose => address = parsed,
            Ok(_) => section.sink().error(
                Code::ExposedApi,
                &text.at,
                format!("{} can be reached by others, and the API asks nobody who they are", text.value),
                "listen on 127.0.0.1, or add `expose = true` behind a proxy that authenticates",
            ),
            Err(_) => section.sink().error(
                Code::NotAllowed,
                &text.at,
                format!("`listen` is \"{}\", which is not an address and a port", text.value),
                "write \"127.0.0.1:7420\"",
            ),
        }
    }
    section.finish();
    ApiConfig { listen: address }
}
