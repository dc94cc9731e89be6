use super::*;
use crate::config::ConfigError;

const GOOD: &str = r#"
chain = "cosmos:portcullis-1"
prefix = "wasm"
quorum = 2
start_height = 6
endpoints = [
  { operator = "a", http = "http://127.0.0.1:1", ws = "ws://127.0.0.1:1/websocket" },
  { operator = "b", http = "https://b.example/v3/secret-key" },
]
trust = { height = 5, hash = "0x00000000000000000000000000000000000000000000000000000000000000aa" }
submission = { private = [{ operator = "p", http = "https://p.example/secret-key" }] }
signer = { keystore = { path = "k.json", password_file = "p.txt" } }
fees = { denom = "stake" }

[[contracts]]
bridge = "demo"
address = "wasm14hj2tavq8fpesdwxxcu44rty3hh90vhujrvcmstl4zr3txmfvw9s0phg4d"
domain = "0x6265616d"
ignored = ["wasm(action=approve)"]

[[contracts.mappings]]
kind = "release"
signature = "wasm-released(message_id, amount)"
fields = { remote = { constant = "7" }, asset = "token", message_id = "message_id", amount = "amount", recipient = "recipient as account" }

[[contracts.mappings]]
kind = { admin = "upgrade" }
signature = "wasm-upgraded"
fields = { value = "root as hex" }

[[contracts]]
bridge = "demo"
address = "module:bank"
domain = "0x6265616d"

[[contracts.mappings]]
kind = "mint"
signature = "coinbase(amount.denom=usd)"
fields = { remote = { constant = "7" }, asset = "amount.denom", message_id = "@tx", amount = "amount.amount", recipient = "minter" }

[[channels]]
bridge = "demo"
domain = "1"
remote = "2"
channel = "channel-0"
counterparty_channel = "channel-7"

[[targets]]
id = "guard"
address = "wasm14hj2tavq8fpesdwxxcu44rty3hh90vhujrvcmstl4zr3txmfvw9s0phg4d"
kind = "guard"
"#;

fn parse(text: &str) -> CosmosConfig {
    toml::from_str(text).unwrap()
}

fn mistakes(text: &str) -> Vec<ConfigError> {
    match parse(text).compile() {
        Ok(_) => Vec::new(),
        Err(ConfigErrors(all)) => all,
    }
}

/// The one mistake of the good text with a replacement made.
fn one(from: &str, to: &str) -> ConfigError {
    assert!(GOOD.contains(from), "{from} is part of the good text");
    let mut all = mistakes(&GOOD.replacen(from, to, 1));
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}

#[test]
fn a_good_configuration_compiles() {
    let compiled = parse(GOOD).compile().unwrap();
    assert_eq!(compiled.name(), "portcullis-1");
    assert_eq!(compiled.targets.len(), 1);
    assert_eq!(compiled.decoder().contracts.len(), 2);
}

#[test]
fn keys_in_urls_never_reach_a_log() {
    let shown = format!("{:?}", parse(GOOD));
    assert!(!shown.contains("secret-key"), "{shown}");
    assert!(shown.contains("https://b.example"));
}

#[test]
fn unknown_keys_are_refused() {
    assert!(toml::from_str::<CosmosConfig>(&GOOD.replace("quorum = 2", "quorom = 2")).is_err());
}

#[test]
fn each_mistake_has_its_place_text_and_fix() {
    let problem = |from, to| one(from, to).problem;
    assert_eq!(problem("cosmos:portcullis-1", "eip155:1"), ConfigProblem::NotThisFamily);
    assert_eq!(problem("cosmos:portcullis-1", "cosmos:hashed-00"), ConfigProblem::Name);
    assert_eq!(problem("quorum = 2", "quorum = 3"), ConfigProblem::Range { least: 1, most: 2 });
    assert!(matches!(problem("start_height = 6", "start_height = 5"), ConfigProblem::Range { least: 6, .. }));
    assert_eq!(problem("operator = \"b\"", "operator = \"a\""), ConfigProblem::Duplicate);
    let http = ConfigProblem::Scheme { allowed: "http https" };
    assert_eq!(problem("https://b.example", "ftp://b.example"), http);
    assert!(matches!(problem("phg4d", "phg4e"), ConfigProblem::Address { .. }));
    assert_eq!(problem("\"0x6265616d\"", "\"beam\""), ConfigProblem::Number);
    let missing = ConfigProblem::MissingField { field: "message_id" };
    assert_eq!(problem("message_id = \"message_id\", ", ""), missing);
    assert!(matches!(problem("wasm(action=approve)", "wasm(action"), ConfigProblem::Signature { .. }));
    assert!(matches!(problem("recipient as account", "recipient as colour"), ConfigProblem::Source { .. }));
    assert!(matches!(problem("minter", "@tx"), ConfigProblem::Source { field: "recipient", .. }));
    let useless = ConfigProblem::UselessField { field: "sender" };
    assert_eq!(problem("{ value = \"root as hex\" }", "{ sender = \"root\" }"), useless);
    assert_eq!(problem("channel = \"channel-0\"", "channel = \"\""), ConfigProblem::Empty);
}

#[test]
fn a_hashed_id_wants_the_name_and_the_name_must_fit() {
    let text = GOOD.replace("cosmos:portcullis-1", "cosmos:hashed-0000000000000000");
    let named = format!("name = \"a.b\"\n{text}");
    assert_eq!(mistakes(&named).first().unwrap().problem, ConfigProblem::Name);
    let fix = mistakes(&named).first().unwrap().fix.clone();
    let right = fix.split('"').nth(1).unwrap().to_owned();
    let text = named.replace("cosmos:hashed-0000000000000000", &right);
    assert_eq!(parse(&text).compile().unwrap().name(), "a.b");
}

#[test]
fn what_a_trip_may_pay_is_within_bounds_and_in_a_token() {
    for (from, to, place) in [
        ("fees = { denom = \"stake\" }\n", "", "fees.denom"),
        ("denom = \"stake\" }", "denom = \"stake\", bumps = 41 }", "fees.bumps"),
        ("denom = \"stake\" }", "denom = \"stake\", price_nano = 2, price_cap_nano = 1 }", "fees.price_nano"),
    ] {
        assert_eq!(one(from, to).place, place);
    }
    let watching =
        GOOD.replacen("signer = { keystore = { path = \"k.json\", password_file = \"p.txt\" } }\n", "", 1);
    assert_eq!(
        mistakes(&watching.replacen("fees = { denom = \"stake\" }\n", "", 1)),
        [],
        "who signs nothing pays nothing"
    );
}

#[test]
fn every_mistake_is_told_at_once() {
    let text = GOOD.replace("quorum = 2", "quorum = 9").replace("\"0x6265616d\"", "\"beam\"");
    assert_eq!(mistakes(&text).len(), 3);
}
