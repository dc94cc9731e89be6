use super::*;
use crate::decode::{First, Form};
use portcullis_adapter::config::ConfigError;

const PROGRAM: &str = "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA";
const OTHER: &str = "TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb";

fn good() -> String {
    format!(
        r#"
chain = "solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp"
quorum = 2
endpoints = [
  {{ operator = "a", http = "http://127.0.0.1:1", ws = "ws://127.0.0.1:2" }},
  {{ operator = "b", http = "https://b.example/v3/secret-key" }},
]
submission = {{ private = [{{ operator = "p", http = "https://p.example/secret-key" }}] }}
signer = {{ keystore = {{ path = "k.json", password_file = "p.txt" }} }}

[[contracts]]
bridge = "demo"
address = "{PROGRAM}"
domain = "0x736f6c"
ignored = ["data Said"]

[[contracts.mappings]]
kind = "release"
signature = "data Released(demo: key = {OTHER}, origin: u64, message_id: bytes32, token: key, recipient: key, amount: u64)"
fields = {{ remote = "origin", message_id = "message_id", asset = "token", amount = "amount", recipient = "recipient" }}

[[contracts.mappings]]
kind = {{ admin = "upgrade" }}
signature = "call global:upgrade(root: bytes32) accounts(_, buffer)"
fields = {{ value = "buffer" }}

[[contracts]]
bridge = "demo"
address = "mint:{OTHER}"
domain = "0x736f6c"

[[contracts.mappings]]
kind = "lock"
signature = "transfer(to = {PROGRAM})"
fields = {{ remote = {{ constant = "7" }}, message_id = "@tx", asset = "mint", amount = "amount", recipient = "destination" }}

[[targets]]
id = "guard"
address = "{OTHER}@{PROGRAM}"
kind = "guard"
"#
    )
}

fn parse(text: &str) -> SolanaConfig {
    toml::from_str(text).unwrap()
}

fn mistakes(text: &str) -> Vec<ConfigError> {
    parse(text).compile().map_or_else(|errors| errors.0, |_| Vec::new())
}

/// The only mistake of a configuration in which a text is exchanged.
fn one(from: &str, to: &str) -> ConfigError {
    let good = good();
    assert!(good.contains(from), "{from}");
    let found = mistakes(&good.replacen(from, to, 1));
    let [mistake] = <[ConfigError; 1]>::try_from(found).unwrap_or_else(|all| panic!("one: {all:#?}"));
    mistake
}

#[test]
fn a_good_configuration_compiles_and_hides_its_keys() {
    let config = parse(&good());
    let shown = format!("{config:?}");
    assert!(!shown.contains("secret-key"), "{shown}");
    let compiled = config.compile().unwrap();
    assert_eq!(compiled.decoder().contracts.len(), 2);
    let [target] = compiled.targets.as_slice() else { panic!("one target") };
    assert_eq!(
        (address::shown(target.address), address::shown(target.program)),
        (OTHER.into(), PROGRAM.into())
    );
    let Pattern::Data(layout) = &compiled.decoder().contracts[0].events[0].pattern else { panic!("data") };
    assert_eq!(layout.first, First::Name("Released".to_owned()));
    assert_eq!(layout.values[0], ("demo".to_owned(), Form::Key, address::read(OTHER)));
    let Pattern::Call(layout) = &compiled.decoder().contracts[0].events[1].pattern else { panic!("call") };
    assert!(matches!(&layout.first, First::Bytes(bytes) if bytes.len() == 8), "as Anchor derives it");
}

#[test]
fn each_mistake_has_its_place_and_a_fix() {
    let outside = |least, most| ConfigProblem::Range { least, most };
    for (from, to, place, problem) in [
        ("solana:5eykt4", "solana:0OIl4", "chain", ConfigProblem::NotThisFamily),
        ("solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp", "cosmos:hub", "chain", ConfigProblem::NotThisFamily),
        ("quorum = 2", "quorum = 3", "quorum", outside(1, 2)),
        ("quorum = 2", "quorum = 2\nlag_blocks = 0", "lag_blocks", outside(1, limits::LAG_MAX_SLOTS)),
        ("operator = \"b\"", "operator = \"a\"", "endpoints[1].operator", ConfigProblem::Duplicate),
        ("ws://127", "http://127", "endpoints[0].ws", ConfigProblem::Scheme { allowed: "ws wss" }),
        (
            "https://p.example",
            "ftp://p.example",
            "submission.private[0].http",
            ConfigProblem::Scheme { allowed: "http https" },
        ),
        ("domain = \"0x736f6c\"", "domain = \"sol\"", "contracts[0].domain", ConfigProblem::Number),
        ("mint:Token", "mint:0oken", "contracts[1].address", no_address()),
        ("EuEb@", "EuEb@0", "targets[0].address", no_address()),
        (
            "asset = \"token\", ",
            "",
            "contracts[0].mappings[0].fields.asset",
            ConfigProblem::MissingField { field: "asset" },
        ),
        (
            "{ value = \"buffer\" }",
            "{ sender = \"buffer\" }",
            "contracts[0].mappings[1].fields.sender",
            ConfigProblem::UselessField { field: "sender" },
        ),
        (
            "message_id = \"message_id\"",
            "message_id = { constant = \"1\" }",
            "contracts[0].mappings[0].fields.message_id",
            ConfigProblem::ConstantField { field: "message_id" },
        ),
        ("signer =", "nonce = \"1\"\nsigner =", "nonce", no_address()),
        ("signer =", &two_lanes(OTHER, OTHER), "carrier_nonce", ConfigProblem::Shared),
    ] {
        let from = if from == "EuEb@" { "PxuEb@" } else { from };
        let to = if to == "EuEb@0" { "PxuEb@0" } else { to };
        let found = one(from, to);
        assert_eq!((found.place.as_str(), &found.problem), (place, &problem), "{from} → {to}");
        assert!(!found.fix.is_empty());
    }
}

fn two_lanes(own: &str, carrier: &str) -> String {
    format!("nonce = \"{own}\"\ncarrier_nonce = \"{carrier}\"\nsigner =")
}

#[test]
fn each_lane_may_have_a_nonce_account_of_its_own() {
    let nonces = |to: &str| parse(&good().replacen("signer =", to, 1)).compile().unwrap().nonces;
    let (own, carrier) = (address::read(PROGRAM), address::read(OTHER));
    assert_eq!(nonces(&two_lanes(PROGRAM, OTHER)), [own, carrier]);
    assert_eq!(nonces(&format!("nonce = \"{PROGRAM}\"\nsigner =")), [own, None]);
    assert_eq!(nonces("signer ="), [None, None]);
}

#[test]
fn layouts_that_do_not_parse_are_told_with_what_is_wrong() {
    for (text, wanted) in [
        ("Released", "no kind in front"),
        ("dat 0x01", "data or call"),
        ("data 0x", "0x and 1 to 32 bytes"),
        ("data 0x012", "0x and 1 to 32 bytes"),
        ("data 0x01(amount)", "a name and a type"),
        ("data 0x01(amount: u65)", "no such type"),
        ("data 0x01(amount: u64", "bracket"),
        ("data 0x01(a: u64, a: u64)", "one name"),
        ("data 0x01(a-b: u64)", "letters"),
        ("data 0x01 accounts(a)", "no accounts"),
        ("call Released(a: u64)", "of data also a name"),
        ("data 0x01(a: key = nobody)", "no number and no address"),
    ] {
        let mut found = Mistakes::default();
        assert!(super::super::layout::pattern("here", text, false, &mut found).is_none(), "{text}");
        let Err(ConfigErrors(found)) = found.finish(()) else { panic!("a mistake: {text}") };
        let [mistake] = found.as_slice() else { panic!("one mistake: {text}") };
        let ConfigProblem::Signature { detail } = &mistake.problem else { panic!("{mistake}") };
        assert!(detail.contains(wanted), "{text}: {detail}");
    }
    for text in ["mint(x)", "transfer", "transfer(by = x)", "transfer(to = x)", "data 0x01"] {
        assert!(
            super::super::layout::pattern("here", text, true, &mut Mistakes::default()).is_none(),
            "{text}"
        );
    }
}

#[test]
fn values_that_are_not_there_or_no_amounts_are_told() {
    for (from, to) in [
        ("amount = \"amount\", recipient = \"recipient\"", "amount = \"token\", recipient = \"recipient\""),
        ("amount = \"amount\", recipient = \"recipient\"", "amount = \"amount\", recipient = \"nobody\""),
        ("recipient = \"recipient\"", "recipient = \"@tx\""),
        (
            "amount = \"amount\", recipient = \"destination\"",
            "amount = \"mint\", recipient = \"destination\"",
        ),
        ("value = \"buffer\"", "value = \"_\""),
    ] {
        assert!(matches!(one(from, to).problem, ConfigProblem::Source { .. }), "{from} → {to}");
    }
    let twice = good().replace(
        "kind = { admin = \"upgrade\" }\nsignature = \"call global:upgrade(root: bytes32) accounts(_, buffer)\"",
        "kind = { admin = \"upgrade\" }\nsignature = \"call 0x01\"\nfields = {}\n\n[[contracts.mappings]]\n\
         kind = { admin = \"upgrade\" }\nsignature = \"call 0x01 accounts(_, buffer)\"",
    );
    assert_eq!(mistakes(&twice), [], "one of them names an account, the other does not");
    let same =
        twice.replace("call 0x01 accounts(_, buffer)", "call 0x01").replace("{ value = \"buffer\" }", "{}");
    assert_eq!(mistakes(&same).len(), 1, "a record means one thing");
}

#[test]
fn every_mistake_is_told_at_once() {
    let text = good().replace("quorum = 2", "quorum = 9").replace("\"0x736f6c\"", "\"sol\"");
    assert_eq!(mistakes(&text).len(), 3);
}
