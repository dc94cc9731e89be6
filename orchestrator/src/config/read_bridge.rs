//! `[[bridge]]` with its sides, unwatched domains and assets.

use portcullis_core::config::Mode;
use portcullis_verifier::{AdminKind, B256, ChainId, Slug, TransferKind, U256, keccak256};
use toml::{Spanned, de::DeValue};

use super::{
    family::{AccountError, Family},
    model::{
        AssetConfig, BridgeConfig, ChainConfig, ContractConfig, EventConfig, EventKind, FieldSource,
        FormConfig, GuardConfig, GuardKind, SideConfig,
    },
    problem::Code,
    read_light,
    reader::{Placed, Section, Sink, integer_u64, report_unknown, type_name},
    scope,
};

/// Words for what an event means.
pub(super) const KINDS: [(&str, EventKind); 10] = [
    ("lock", EventKind::Transfer(TransferKind::Lock)),
    ("burn", EventKind::Transfer(TransferKind::Burn)),
    ("mint", EventKind::Transfer(TransferKind::Mint)),
    ("release", EventKind::Transfer(TransferKind::Release)),
    ("refund", EventKind::Transfer(TransferKind::Refund)),
    ("owner", EventKind::Admin(AdminKind::Owner)),
    ("upgrade", EventKind::Admin(AdminKind::Upgrade)),
    ("signer_set", EventKind::Admin(AdminKind::SignerSet)),
    ("route", EventKind::Admin(AdminKind::Route)),
    ("parameter", EventKind::Admin(AdminKind::Parameter)),
];

/// Parts of an event's meaning.
const FIELDS: [&str; 7] = ["remote", "message_id", "asset", "amount", "recipient", "sender", "value"];

const MODES: [(&str, Mode); 6] = [
    ("observe", Mode::Observe),
    ("shadow", Mode::Shadow),
    ("advise", Mode::Advise),
    ("limit", Mode::Limit),
    ("hold", Mode::Hold),
    ("halt", Mode::Halt),
];

/// What the bridge's sections need to know of the rest of the file.
pub(super) struct Context<'c> {
    pub(super) chains: &'c [ChainConfig],
}

impl Context<'_> {
    fn family(&self, chain: &ChainId) -> Option<Family> {
        self.chains.iter().find(|known| known.id.value == *chain).map(|known| known.family)
    }
}

pub(super) fn read_bridges(root: &Section<'_>, context: &Context<'_>) -> Vec<BridgeConfig> {
    let sections = root.tables("bridge", "[[bridge]]");
    if sections.is_empty() {
        root.sink().whole(
            Code::MissingKey,
            "there is no [[bridge]]",
            "add a [[bridge]] with an id and a [[bridge.side]] per chain",
        );
    }
    sections.into_iter().filter_map(|section| read_bridge(section, context)).collect()
}

fn read_bridge(section: Section<'_>, context: &Context<'_>) -> Option<BridgeConfig> {
    let id = section.required::<Slug>("id", "\"my-bridge\"");
    let group = section.parsed::<Slug>("group");
    let finality_secs = section.required_number("finality_secs", 0..=2_592_000, "1800");
    let skew_secs = section.number("skew_secs", 0..=86_400, 60);
    let sides = section
        .tables("side", "[[bridge.side]]")
        .into_iter()
        .filter_map(|side| read_side(side, id.as_ref().map(|id| id.value), context))
        .collect::<Vec<_>>();
    let unwatched =
        section.tables("unwatched", "[[bridge.unwatched]]").into_iter().filter_map(read_unwatched);
    let unwatched = unwatched.collect();
    let assets = section.tables("asset", "[[bridge.asset]]");
    let assets = assets.into_iter().filter_map(|asset| read_asset(asset, &sides, context)).collect();
    section.finish();
    let id = id?;
    Some(BridgeConfig {
        group: group.map_or(id.value, |group| group.value),
        id,
        finality_secs: finality_secs.map_or(0, |placed| placed.value),
        skew_secs,
        sides,
        unwatched,
        assets,
    })
}

fn read_side(section: Section<'_>, bridge: Option<Slug>, context: &Context<'_>) -> Option<SideConfig> {
    let chain = section.required::<ChainId>("chain", "\"eip155:1\"");
    let domain =
        section.required_any("domain", "1").and_then(|value| read_word(section.sink(), "domain", value));
    let family = chain.as_ref().and_then(|chain| context.family(&chain.value));
    let contracts = section.tables("contracts", "a watched contract");
    let watches_nothing = contracts.is_empty();
    let contracts = contracts.into_iter().filter_map(|contract| read_contract(contract, family)).collect();
    let channels =
        if family == Some(Family::Cosmos) { read_light::read_channels(&section) } else { Vec::new() };
    let watches_nothing = watches_nothing && channels.is_empty();
    let guard = section.table("guard").and_then(|guard| read_guard(guard, bridge, chain.as_ref(), family));
    if watches_nothing {
        section.sink().error(
            Code::IncompleteBridge,
            section.at(),
            "this side watches no contract",
            "add `contracts = [{ address = \"…\", events = [...] }]`",
        );
    }
    if guard.is_none() && !section.has("guard") {
        section.sink().warning(
            Code::IncompleteBridge,
            section.at(),
            "this side has no `guard`: nothing can be closed here",
            "deploy a Guard or a Gate and add `guard = { address = \"…\", max_secs = 86400 }`",
        );
    }
    section.finish();
    Some(SideConfig { chain: chain?, domain: domain?, contracts, guard, channels })
}

fn read_contract(section: Section<'_>, family: Option<Family>) -> Option<ContractConfig> {
    let written = section.required_text("address", "\"0x…\"");
    let address = written.clone().and_then(|text| read_account(section.sink(), family, text));
    let events = section.tables("events", "an event");
    let events: Vec<_> = events.into_iter().filter_map(|event| read_event(event, family)).collect();
    if !section.has("events") {
        section.sink().error(
            Code::MissingKey,
            section.at(),
            "a watched contract has no `events`",
            "add `events = [{ kind = \"release\", signature = \"…\", fields = { … } }]`",
        );
    }
    let ignored = section.texts("ignored");
    section.finish();
    Some(ContractConfig { address: address?, written: written?.value, events, ignored })
}

fn read_event(section: Section<'_>, family: Option<Family>) -> Option<EventConfig> {
    let kind = section.choice("kind", &KINDS);
    if kind.is_none() && !section.has("kind") {
        section.required_text("kind", "\"release\"");
    }
    let signature = section.required_text("signature", "\"Released(uint32 indexed origin, …)\"");
    let mut fields = std::collections::BTreeMap::new();
    if let Some(table) = section.table("fields") {
        for (name, value) in table.entries() {
            if !FIELDS.contains(&name.value) {
                report_unknown(section.sink(), "`fields`", name.value, &name.at, FIELDS.into_iter());
            } else if let Some(source) = read_field(section.sink(), name.value, value) {
                fields.insert(name.value.to_owned(), Placed { value: source, at: value.span() });
            }
        }
    }
    let recorded = family == Some(Family::Cosmos) && section.flag("recorded", false);
    section.finish();
    Some(EventConfig { kind: kind?.value, signature: signature?, fields, recorded })
}

/// The name of a parameter, or a constant: a number, or a text that begins with 0x.
fn read_field(sink: &Sink<'_>, name: &str, value: &Spanned<DeValue<'_>>) -> Option<FieldSource> {
    match value.get_ref() {
        DeValue::String(text) if !text.starts_with("0x") => Some(FieldSource::Parameter(text.to_string())),
        _ => read_word(sink, name, value).map(|word| FieldSource::Constant(word.value)),
    }
}

fn read_guard(
    section: Section<'_>,
    bridge: Option<Slug>,
    chain: Option<&Placed<ChainId>>,
    family: Option<Family>,
) -> Option<GuardConfig> {
    let sink = section.sink();
    let id = section.parsed::<Slug>("id").or_else(|| default_guard_id(&section, bridge?, chain?));
    let written = section.required_text("address", "\"0x…\"");
    let address = written.clone().and_then(|text| read_account(section.sink(), family, text));
    let kind = section.choice("kind", &[("guard", GuardKind::Guard), ("gate", GuardKind::Gate)]);
    let mode = section.choice("mode", &MODES);
    let mode = mode.unwrap_or_else(|| Placed { value: Mode::default(), at: section.at().clone() });
    let max_secs = section.required_number("max_secs", 1..=31_536_000, "86400");
    let direction =
        section.choice("direction", &[("out", scope::Direction::Out), ("any", scope::Direction::Any)]);
    let direction = direction.map_or(scope::Direction::Out, |placed| placed.value);
    let key = section.any("bridge_key").and_then(|value| read_word(section.sink(), "bridge_key", value));
    let given = section.any("scope").and_then(|value| read_word(section.sink(), "scope", value));
    if let (Some(_), Some(given)) = (&key, &given) {
        section.sink().error(
            Code::NotAllowed,
            &given.at,
            "`scope` and `bridge_key` cannot both be given: the scope derives from the key",
            "remove one of them",
        );
    }
    let canary = section.text("canary");
    section.finish();
    let key = key.map(|key| key.value).or_else(|| bridge.map(|id| keccak256(id.as_str())));
    let scope = match given {
        Some(given) => given.value,
        None => scope::whole_bridge(chain?.value, key?, direction),
    };
    let canary = canary.and_then(|name| {
        let canary = scope::whole_bridge(chain?.value, keccak256(&name.value), scope::Direction::Out);
        if canary == scope {
            canary_error(sink, &name);
            return None;
        }
        Some(canary)
    });
    Some(GuardConfig {
        id: id?,
        address: address?,
        written: written?.value,
        kind: kind.map_or(GuardKind::Guard, |placed| placed.value),
        scope,
        mode,
        max_secs: max_secs?.value,
        canary,
    })
}

/// A canary must close nothing.
fn canary_error(sink: &Sink<'_>, name: &Placed<String>) {
    sink.error(
        Code::NotAllowed,
        &name.at,
        "the canary is the bridge itself: tripping it would close the bridge",
        "name a bridge that does not exist, such as \"canary\", and register its scope at the guard",
    );
}

/// `bridge.chain`, with what a name cannot hold replaced.
fn default_guard_id(section: &Section<'_>, bridge: Slug, chain: &Placed<ChainId>) -> Option<Placed<Slug>> {
    if section.has("id") {
        return None;
    }
    let text = format!("{bridge}.{}", chain.value.as_str().replace(':', "-"));
    match Slug::new(&text) {
        Ok(value) => Some(Placed { value, at: section.at().clone() }),
        Err(_) => {
            section.sink().error(
                Code::BadName,
                section.at(),
                format!("the guard's own name would be {text}, which is too long"),
                "add `id = \"short-name\"`",
            );
            None
        }
    }
}

fn read_unwatched(section: Section<'_>) -> Option<(Placed<B256>, Slug)> {
    let domain =
        section.required_any("domain", "3").and_then(|value| read_word(section.sink(), "domain", value));
    let name = section.required::<Slug>("name", "\"third-chain\"");
    section.finish();
    Some((domain?, name?.value))
}

fn read_asset(section: Section<'_>, sides: &[SideConfig], context: &Context<'_>) -> Option<AssetConfig> {
    let name = section.required::<Slug>("name", "\"USDC\"");
    // Micro-USD: six places.
    let price = section.decimal("price_usd", 6);
    if !section.has("price_usd") {
        section.sink().warning(
            Code::IncompleteBridge,
            section.at(),
            "this asset has no price: rules that count in USD cannot see it",
            "add `price_usd = 1.0`",
        );
    }
    let forms = section.tables("forms", "a form");
    if forms.len() < 2 {
        section.sink().warning(
            Code::IncompleteBridge,
            section.at(),
            "an asset with fewer than two forms cannot be matched across the bridge",
            "add `forms = [{ domain = 1, token = \"…\", decimals = 18, home = true }, …]`",
        );
    }
    let forms = forms.into_iter().filter_map(|form| read_form(form, sides, context)).collect();
    section.finish();
    Some(AssetConfig { name: name?, micro_usd: price.map(|placed| placed.value), forms })
}

fn read_form(section: Section<'_>, sides: &[SideConfig], context: &Context<'_>) -> Option<FormConfig> {
    let domain =
        section.required_any("domain", "1").and_then(|value| read_word(section.sink(), "domain", value));
    let chain = domain
        .as_ref()
        .and_then(|domain| sides.iter().find(|side| side.domain.value == domain.value))
        .map(|side| side.chain.value);
    let token = section.required_text("token", "\"0x…\"").and_then(|text| {
        match chain.and_then(|chain| context.family(&chain)) {
            Some(family) => placed_account(section.sink(), |text| family.parse_token(text), text),
            None => word_text(section.sink(), "token", &text),
        }
    });
    let decimals = section.required_number("decimals", 0..=77, "18");
    let home = section.flag("home", false);
    section.finish();
    Some(FormConfig {
        domain: domain?,
        token: token?,
        decimals: u8::try_from(decimals?.value).unwrap_or(u8::MAX),
        home,
    })
}

/// An address, checked as its chain's family writes it. Without a family (the chain is unknown, which is reported
/// elsewhere) nothing can be said.
fn read_account(sink: &Sink<'_>, family: Option<Family>, text: Placed<String>) -> Option<Placed<B256>> {
    let family = family?;
    placed_account(sink, |text| family.parse_account(text), text)
}

fn placed_account(
    sink: &Sink<'_>,
    read: impl Fn(&str) -> Result<B256, AccountError>,
    text: Placed<String>,
) -> Option<Placed<B256>> {
    let at = text.at;
    match read(&text.value) {
        Ok(value) => Some(Placed { value, at }),
        Err(error @ AccountError::Malformed { .. }) => {
            sink.error(Code::BadAddress, &at, error.to_string(), "copy the address from a block explorer");
            None
        }
        Err(AccountError::Checksum { text: given, expected }) => {
            sink.error(
                Code::WrongChecksum,
                &at,
                format!("the capitals of {given} do not fit its digits: one of them may be mistyped"),
                format!("compare with the source; if the digits are right, write {expected}"),
            );
            // The file is refused. Its digits are read all the same, so that mistakes beside this one are told with it.
            read(&expected).ok().map(|value| Placed { value, at })
        }
    }
}

/// Up to 32 bytes: a number, a decimal text, or a text that begins with 0x.
pub(super) fn read_word(sink: &Sink<'_>, key: &str, value: &Spanned<DeValue<'_>>) -> Option<Placed<B256>> {
    let at = value.span();
    match value.get_ref() {
        DeValue::Integer(integer) => match integer_u64(integer) {
            Some(number) => Some(Placed { value: B256::from(U256::from(number)), at }),
            None => {
                sink.error(
                    Code::NotAllowed,
                    &at,
                    format!("`{key}` is {integer}, which is negative or too large for a number"),
                    "write it as a text, such as \"0x657468\"",
                );
                None
            }
        },
        DeValue::String(text) => word_text(sink, key, &Placed { value: text.to_string(), at }),
        other => {
            sink.error(
                Code::WrongType,
                &at,
                format!("`{key}` takes a number or a 0x text, not {}", type_name(other)),
                "write a number such as 1, or a text such as \"0x657468\"",
            );
            None
        }
    }
}

fn word_text(sink: &Sink<'_>, key: &str, text: &Placed<String>) -> Option<Placed<B256>> {
    match text.value.parse::<U256>() {
        Ok(number) if !text.value.is_empty() => {
            Some(Placed { value: B256::from(number), at: text.at.clone() })
        }
        _ => {
            sink.error(
                Code::NotAllowed,
                &text.at,
                format!("`{key}` is \"{}\", which is not a number of up to 32 bytes", text.value),
                "write a decimal number, or 0x and up to 64 hexadecimal digits",
            );
            None
        }
    }
}
