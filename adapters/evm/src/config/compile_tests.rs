use super::*;
use crate::config::ConfigError;

const GOOD: &str = r#"
chain = "eip155:5"
quorum = 2
endpoints = [
  { operator = "a", http = "http://127.0.0.1:1", ws = "ws://127.0.0.1:1" },
  { operator = "b", http = "https://b.example/v3/secret-key" },
]
finality = { depth = { safe_blocks = 1, final_blocks = 2 } }
submission = { private = [{ operator = "p", http = "https://p.example/secret-key" }] }
signer = { keystore = { path = "k.json", password_file = "p.txt" } }

[[contracts]]
bridge = "demo"
address = "0xd8dA6BF26964aF9D7eEd9e03E53415D37aA96045"
domain = "0x6265616d"
ignored = ["event Approval(address indexed a, address indexed b, uint256 c)"]

[[contracts.mappings]]
kind = "release"
signature = "Released(uint256 indexed messageId, address recipient, uint256 amount)"
fields = { remote = { constant = "7" }, asset = { constant = "0xAA" }, message_id = "messageId", amount = "amount", recipient = "recipient" }

[[contracts.mappings]]
kind = { admin = "upgrade" }
signature = "Upgraded(bytes32 root)"
fields = { value = "root" }

[[targets]]
id = "guard"
address = "0xd8da6bf26964af9d7eed9e03e53415d37aa96045"
kind = "guard"
"#;

fn parse(text: &str) -> EvmConfig {
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
    let mut all = mistakes(&GOOD.replace(from, to));
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}

#[test]
fn a_configuration_in_code_has_the_defaults_of_one_in_a_file() {
    let text = "chain = \"eip155:5\"\nendpoints = [{ operator = \"a\", http = \"http://127.0.0.1:1\" }]";
    let file = parse(text);
    assert_eq!(EvmConfig::new(file.chain, file.endpoints.clone()), file);
}

#[test]
fn a_good_configuration_compiles() {
    let compiled = parse(GOOD).compile().unwrap();
    assert_eq!(compiled.chain_number(), 5);
    assert_eq!(compiled.decoder().addresses().count(), 1);
    assert!(compiled.target(portcullis_verifier::Slug::new("guard").unwrap()).is_some());
}

#[test]
fn keys_in_urls_never_reach_a_log() {
    let shown = format!("{:?}", parse(GOOD));
    assert!(!shown.contains("secret-key"), "{shown}");
    assert!(shown.contains("https://b.example"));
}

#[test]
fn unknown_keys_are_refused() {
    assert!(toml::from_str::<EvmConfig>(&GOOD.replace("quorum = 2", "quorom = 2")).is_err());
}

#[test]
fn each_mistake_has_its_place_text_and_fix() {
    let problem = |from, to| one(from, to).problem;
    assert_eq!(problem("eip155:5", "cosmos:hub"), ConfigProblem::NotThisFamily);
    assert_eq!(problem("quorum = 2", "quorum = 3"), ConfigProblem::Range { least: 1, most: 2 });
    assert_eq!(problem("operator = \"b\"", "operator = \"a\""), ConfigProblem::Duplicate);
    assert_eq!(
        problem("https://b.example", "ftp://b.example"),
        ConfigProblem::Scheme { allowed: "http https" }
    );
    assert_eq!(problem("0xd8dA6BF", "0xd8da6BF"), ConfigProblem::Checksum);
    assert!(matches!(problem("0xd8dA6BF", "0xd8d"), ConfigProblem::Address { .. }));
    assert_eq!(problem("\"0x6265616d\"", "\"beam\""), ConfigProblem::Number);
    assert_eq!(
        problem("message_id = \"messageId\", ", ""),
        ConfigProblem::MissingField { field: "message_id" }
    );
    assert_eq!(problem("amount = \"amount\"", "amount = \"amont\""), ConfigProblem::UnknownParameter);
    assert_eq!(
        problem("{ value = \"root\" }", "{ sender = \"root\" }"),
        ConfigProblem::UselessField { field: "sender" }
    );
    assert_eq!(
        problem("safe_blocks = 1, final_blocks = 2", "safe_blocks = 3, final_blocks = 2"),
        ConfigProblem::Range { least: 3, most: u64::MAX }
    );
    let wrong_type = problem("amount = \"amount\"", "amount = \"recipient\"");
    assert_eq!(wrong_type, ConfigProblem::ParameterType { field: "amount", found: "address".to_owned() });
    let constant = problem("amount = \"amount\"", "amount = { constant = \"1\" }");
    assert_eq!(constant, ConfigProblem::ConstantField { field: "amount" });
    let broken = one("Upgraded(bytes32 root)", "Upgraded(bytes33 root");
    assert!(matches!(broken.problem, ConfigProblem::Signature { .. }));
    assert_eq!(broken.place, "contracts[0].mappings[1].signature");
    assert!(broken.to_string().contains("Upgraded(bytes33 root"));
}

#[test]
fn a_gate_without_the_gas_to_tell_its_targets_is_refused() {
    let error = one("kind = \"guard\"", "kind = \"gate\"");
    let most = crate::limits::GAS_LIMIT_MAX;
    assert_eq!(error.problem, ConfigProblem::Range { least: 2_500_000, most });
    assert_eq!((error.place.as_str(), error.text.as_str()), ("targets[0].gas_limit", "400000"));
    let gate = GOOD.replace("kind = \"guard\"", "kind = \"gate\"");
    assert_eq!(mistakes(&format!("{gate}\n[fees]\ngas_limit = 2_500_000\n")), []);
}

#[test]
fn all_mistakes_come_at_once() {
    let text = GOOD
        .replace("eip155:5", "eip155:x")
        .replace("quorum = 2", "quorum = 0")
        .replace("0xd8dA6BF", "0xd8da6BF");
    assert_eq!(mistakes(&text).len(), 3);
}

#[test]
fn one_event_means_one_thing() {
    let twice = GOOD
        .replace("Upgraded(bytes32 root)", "Released(uint256 messageId, address recipient, uint256 root)");
    let all = mistakes(&twice);
    assert_eq!(all.first().map(|mistake| &mistake.problem), Some(&ConfigProblem::SameEvent));
}

#[test]
fn nobody_to_send_to_is_a_mistake_only_where_something_is_to_be_sent() {
    let silent = |endpoint: Endpoint| Endpoint { submit: false, ..endpoint };
    let mut config = parse(GOOD);
    config.endpoints = config.endpoints.into_iter().map(silent).collect();
    config.submission = Submission::Public;
    assert!(config.clone().compile().is_err());
    config.targets.clear();
    assert!(config.compile().is_ok());
}
