//! Bad files: each mistake is found, at its place, with its code, and none hides another.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use portcullis_core::config::Mode;
use portcullis_verifier::{ActionClass, B256, U256, keccak256};

use super::*;

const EXAMPLE: &str = include_str!("../../../docs/examples/portcullis.toml");

fn check(source: &str) -> Result<Loaded, Problems> {
    parse(Path::new("x.toml"), Path::new("."), source.to_owned())
}

/// Problems of the example after one edit, without the example's own warnings.
fn after(from: &str, to: &str) -> Vec<(&'static str, usize)> {
    assert!(EXAMPLE.contains(from), "the example has no {from:?}");
    let source = EXAMPLE.replacen(from, to, 1);
    problems(&source)
}

fn problems(source: &str) -> Vec<(&'static str, usize)> {
    let found = match check(source) {
        Ok(loaded) => loaded.warnings,
        Err(problems) => problems,
    };
    found.list.iter().map(|p| (p.code.as_str(), p.place.as_ref().map_or(0, |place| place.line))).collect()
}

/// Line of the example that holds a text; `@before ` asks for the line above it.
fn line_of(text: &str) -> usize {
    let (text, less) = text.strip_prefix("@before ").map_or((text, 0), |rest| (rest, 1));
    EXAMPLE.lines().position(|line| line.contains(text)).unwrap().saturating_add(1).saturating_sub(less)
}

#[test]
fn the_example_is_accepted_without_a_warning() {
    let loaded = check(EXAMPLE).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(loaded.warnings.list, []);
    let engines = loaded.config.engines();
    assert_eq!(engines.len(), 1);
    let engine = engines.first().unwrap();
    assert_eq!(engine.chains.len(), 2);
    assert_eq!(engine.targets.len(), 2);
    assert!(engine.targets.iter().all(|target| target.mode == Mode::Observe));
    assert_eq!(engine.targets[0].id.as_str(), "example.eip155-1");
    let bridge = engine.bridges.first().unwrap();
    assert_eq!(bridge.sides[0].domain, B256::from(U256::from(6_648_936u64)));
    assert_eq!(bridge.assets[1].micro_usd, Some(23_254_500_000));
    assert_eq!(engine.rules, portcullis_core::config::Rules::default());
    let classes: Vec<_> = engine.playbooks.iter().map(|playbook| playbook.class).collect();
    assert_eq!(classes, [ActionClass::Hold, ActionClass::Halt]);
}

#[test]
fn a_scope_follows_from_the_bridge_key() {
    let key = keccak256("example");
    let chain = "eip155:1".parse().unwrap();
    let loaded = check(EXAMPLE).unwrap();
    let scope = |loaded: &Loaded| loaded.config.engines()[0].targets[0].scope;
    assert_eq!(scope(&loaded), scope::whole_bridge(chain, key, scope::Direction::Out));
    let from = "# bridge_key = \"0x…\"";
    let other = check(&EXAMPLE.replacen(from, "bridge_key = \"0x07\"", 1)).unwrap();
    let seven = B256::with_last_byte(7);
    assert_eq!(scope(&other), scope::whole_bridge(chain, seven, scope::Direction::Out));
}

#[test]
fn drills_canaries_and_budgets_have_defaults_and_can_be_changed() {
    let operate = check(EXAMPLE).unwrap().config.operate();
    let default = crate::operate::Operate::default();
    assert_eq!((operate.drill_every, operate.canary_every), (default.drill_every, default.canary_every));
    assert_eq!((operate.trust_delay, operate.actions_per_hour), (default.trust_delay, 120));
    assert!(operate.canaries.is_empty(), "none unless somebody names one");
    assert!(operate.spending.values().all(|allowance| allowance.per_hour == 5_000_000_000_000_000_000));
    let changed = EXAMPLE
        .replacen("# canary = ", "canary = ", 1)
        .replacen("interval_secs = 3_600", "interval_secs = 0", 1)
        .replacen("# per_hour_gwei = 5_000_000_000 ", "per_hour_gwei = 1.5 ", 1);
    let operate = check(&changed).unwrap().config.operate();
    assert_eq!(operate.drill_every, None);
    let chain = "eip155:1".parse().unwrap();
    let scope = scope::whole_bridge(chain, keccak256("canary"), scope::Direction::Out);
    assert_eq!(operate.canaries.into_values().collect::<Vec<_>>(), [scope]);
    assert_eq!(operate.spending[&chain].per_hour, 1_500_000_000);
}

#[test]
fn each_mistake_has_its_code_and_line() {
    let long = "x".repeat(33);
    let cases: &[(&str, &str, &str, &str)] = &[
        // (what stands in the example, what is written instead, code, text of the line it is found on)
        ("quorum = 2 ", "quorom = 2 ", "PC-0102", "quorum = 2 "),
        ("quorum = 2 ", "quorum = \"2\" ", "PC-0104", "quorum = 2 "),
        ("quorum = 2 ", "quorum = 4 ", "PC-0115", "quorum = 2 "),
        ("quorum = 2 ", "quorum = 1 ", "PC-0115", "quorum = 2 "),
        ("bumps = 12", "bumps = 41", "PC-0105", "bumps = 12"),
        ("# canary = \"canary\" ", "canary = \"example\" ", "PC-0105", "# canary = "),
        ("canary_interval_secs = 86_400", "canary_interval_sec = 86_400", "PC-0102", "canary_interval_secs"),
        ("trust_delay_secs = 3_600", "trust_delay_secs = 0", "PC-0105", "trust_delay_secs"),
        ("# approvers = { ann", "approvers = { \"a b\"", "PC-0106", "# approvers"),
        ("# approvers = {", "approvers = {", "PC-0105", "# approvers"),
        (
            "# approvers = { ann = \"ssh-ed25519 AAAA… ann@laptop\",",
            "approvers = { ann = 7,",
            "PC-0104",
            "# approvers",
        ),
        ("actions_per_hour = 120", "actions_per_hour = -1", "PC-0105", "actions_per_hour"),
        ("tip_gwei = 2 ", "tip_gwei = 3000 ", "PC-0105", "[chain.fees]"),
        ("id = \"eip155:1284\"", "id = \"eip155\"", "PC-0106", "id = \"eip155:1284\""),
        ("id = \"eip155:1284\"", "id = \"eip155:moon\"", "PC-0106", "id = \"eip155:1284\""),
        ("id = \"eip155:1284\"", "id = \"starknet:SN_MAIN\"", "PC-0119", "id = \"eip155:1284\""),
        ("id = \"eip155:1284\"", "id = \"eip155:1\"", "PC-0107", "id = \"eip155:1284\""),
        ("operator = \"gamma\"", "operator = \"alpha\"", "PC-0107", "operator = \"gamma\""),
        ("operator = \"gamma\"", "operator = \"a b\"", "PC-0106", "operator = \"gamma\""),
        ("operator = \"gamma\", ", "", "PC-0103", "operator = \"gamma\""),
        ("http://127.0.0.1:9545", "ftp://127.0.0.1:9545", "PC-0112", "http://127.0.0.1:9545"),
        ("http://127.0.0.1:9545", "nowhere", "PC-0112", "http://127.0.0.1:9545"),
        ("http://127.0.0.1:9545", "http://me:secret@127.0.0.1", "PC-0114", "http://127.0.0.1:9545"),
        ("\"ws://127.0.0.1:9546\"", "{ file = \"no-such\" }", "PC-0113", "ws://127.0.0.1:9546"),
        ("start_height = 1590824", "", "PC-0103", "@before id = \"eip155:1284\""),
        ("finality_secs = 1800", "", "PC-0103", "[[bridge]]"),
        ("id = \"example\"", "id = 7", "PC-0104", "id = \"example\""),
        ("0x5aAeb6053F", "0x5aaeb6053F", "PC-0110", "0x5aAeb6053F"),
        ("0x5aAeb6053F", "0x5aAeb6053", "PC-0109", "0x5aAeb6053F"),
        ("mode = \"observe\"\n", "mode = \"obsrve\"\n", "PC-0105", "mode = \"observe\""),
        ("mode = \"observe\"\n", "mode = \"halt\"\n", "PC-0117", "mode = \"observe\""),
        ("domain = 0x6265616d\nguard", "domain = -1\nguard", "PC-0105", "domain = 0x6265616d"),
        ("domain = 0x6265616d\nguard", "domain = true\nguard", "PC-0104", "domain = 0x6265616d"),
        ("domain = 0x6265616d\nguard", "domain = \"0xzz\"\nguard", "PC-0105", "domain = 0x6265616d"),
        ("domain = 0x6265616d, token = \"0x1DC", "domain = 9, token = \"0x1DC", "PC-0108", "token = \"0x1DC"),
        ("kind = \"upgrade\"", "kind = \"upgrad\"", "PC-0105", "kind = \"upgrade\""),
        ("price_usd = 1.0 ", "price_usd = -1.0 ", "PC-0105", "price_usd = 1.0 "),
        ("name = \"WBTC\"", "name = \"USDC\"", "PC-0107", "name = \"WBTC\""),
        ("name = \"third-chain\"", &format!("name = \"{long}\""), "PC-0106", "name = \"third-chain\""),
        ("quiet_secs = 86_400", "quite_secs = 86_400", "PC-0102", "quiet_secs = 86_400"),
        ("quiet_secs = 86_400", "quiet_secs = 1.5", "PC-0104", "quiet_secs = 86_400"),
        ("unbacked_floor_usd = 1_000 ", "unbacked_floor_usd = 1e3 ", "PC-0105", "unbacked_floor_usd"),
        ("class = \"halt\"", "class = \"stop\"", "PC-0105", "class = \"halt\""),
        ("# targets = [\"example.eip155-1\"]", "targets = [\"example\"]", "PC-0108", "# targets"),
        ("[store]", "[store]\ndatabase_url = \"postgres://a:b@c/d\"", "PC-0114", "data_dir"),
        ("127.0.0.1:7420", "0.0.0.0:7420", "PC-0118", "127.0.0.1:7420"),
        ("127.0.0.1:7420", "here", "PC-0105", "127.0.0.1:7420"),
        ("[api]", "[apy]", "PC-0102", "[api]"),
        ("[store]", "[signers.\"eip155:2\"]\nkeystore=\"a\"\n[store]", "PC-0108", "[store]"),
    ];
    for (from, to, code, line) in cases {
        let found = after(from, to);
        let wanted = (*code, line_of(line));
        assert!(found.contains(&wanted), "{from:?} → {to:?}: wanted {wanted:?}, found {found:?}");
    }
}

#[test]
fn all_mistakes_are_reported_at_once() {
    let source = EXAMPLE
        .replacen("quorum = 2 ", "quorom = 2 ", 1)
        .replacen("0x5aAeb6053F", "0x5aaeb6053F", 1)
        .replacen("class = \"halt\"", "class = \"stop\"", 1)
        .replacen("127.0.0.1:7420", "0.0.0.0:7420", 1);
    let codes: Vec<&str> = problems(&source).into_iter().map(|(code, _)| code).collect();
    assert_eq!(codes, ["PC-0102", "PC-0110", "PC-0105", "PC-0118"]);
}

#[test]
fn what_is_not_toml_is_said_once_with_its_place() {
    let found = after("[[bridge]]\n", "[[bridge]\n");
    assert!(found.iter().all(|(code, _)| *code == "PC-0101") && !found.is_empty(), "{found:?}");
    assert_eq!(problems("").into_iter().map(|(code, _)| code).collect::<Vec<_>>(), ["PC-0103", "PC-0103"]);
}

#[test]
fn a_message_names_file_place_cause_and_fix() {
    let Err(problems) = check(&EXAMPLE.replacen("quorum = 2 ", "quorom = 2 ", 1)) else {
        panic!("a mistyped key must be refused")
    };
    let text = problems.to_string();
    for part in [
        "error[PC-0102]: `quorom` is not a key of [[chain]]",
        "--> x.toml:15:1",
        "^^^^^^",
        "= fix: write `quorum`",
    ] {
        assert!(text.contains(part), "no {part:?} in:\n{text}");
    }
}

/// A folder with a keystore and a password, and the example with both chains signed for.
fn with_signers(mode: u32) -> (tempfile::TempDir, String) {
    let dir = tempfile::tempdir().unwrap();
    for name in ["key.json", "password"] {
        let path = dir.path().join(name);
        fs::write(&path, "x\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }
    let signers = "[signers.default]\nkeystore = \"key.json\"\npassword_file = \"password\"\n\n[store]";
    let source = EXAMPLE.replace("mode = \"observe\"", "mode = \"halt\"").replacen("[store]", signers, 1);
    (dir, source)
}

#[test]
fn a_signer_makes_acting_modes_possible() {
    let (dir, source) = with_signers(0o600);
    let loaded =
        parse(Path::new("x.toml"), dir.path(), source).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(loaded.warnings.list, []);
    assert!(loaded.config.chains.iter().all(|chain| chain.signer.is_some()));
}

#[test]
fn a_carrier_has_another_key_than_the_signer() {
    let (dir, source) = with_signers(0o600);
    let carrier = |keystore: &str| {
        let line = format!(
            "password_file = \"password\"\ncarrier = {{ keystore = \"{keystore}\", password_file = \"password\" }}"
        );
        let source = source.replacen("password_file = \"password\"", &line, 1);
        parse(Path::new("x.toml"), dir.path(), source)
    };
    let other = dir.path().join("other.json");
    fs::write(&other, "x\n").unwrap();
    fs::set_permissions(&other, fs::Permissions::from_mode(0o600)).unwrap();
    let loaded = carrier("other.json").unwrap_or_else(|problems| panic!("{problems}"));
    let carriers = loaded.config.chains.iter().filter_map(|chain| chain.signer.as_ref()?.carrier.as_ref());
    assert!(carriers.clone().count() == 2 && carriers.clone().all(|carrier| carrier.keystore == other));
    let Err(problems) = carrier("key.json") else { panic!("its own key cannot carry for it") };
    assert!(problems.list.iter().any(|p| p.code == Code::NotAllowed), "{problems}");
}

#[test]
fn a_secret_that_others_can_read_is_a_warning_and_one_in_the_file_an_error() {
    let (dir, source) = with_signers(0o644);
    let loaded = parse(Path::new("x.toml"), dir.path(), source.clone()).unwrap();
    assert!(loaded.warnings.list.iter().all(|p| p.code == Code::InlineSecret), "{}", loaded.warnings);
    assert_eq!(loaded.warnings.list.len(), 2);
    let inline = source.replacen("password_file = \"password\"", "password = \"hunter2\"", 1);
    let Err(problems) = parse(Path::new("x.toml"), dir.path(), inline) else {
        panic!("an inline password must be refused")
    };
    assert!(problems.list.iter().any(|p| p.code == Code::InlineSecret && p.severity == Severity::Error));
    assert!(!problems.to_string().contains("is not a key of a signer"), "{problems}");
}

#[test]
fn a_url_with_a_key_can_stand_in_a_file_and_is_never_shown() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("ws"), "wss://node.example/v3/0123456789abcdef\n").unwrap();
    let source = EXAMPLE.replacen("\"ws://127.0.0.1:9546\"", "{ file = \"ws\" }", 1);
    let loaded =
        parse(Path::new("x.toml"), dir.path(), source).unwrap_or_else(|problems| panic!("{problems}"));
    let endpoint = loaded.config.chains[1].endpoints[2].ws.clone().unwrap();
    assert_eq!(endpoint.0.path(), "/v3/0123456789abcdef");
    assert_eq!(format!("{endpoint:?} {endpoint}"), "wss://node.example wss://node.example");
}

#[test]
fn a_missing_file_says_so() {
    let Err(problems) = load(Path::new("no/such/file.toml"), |_| Vec::new()) else {
        panic!("there is no such file")
    };
    assert_eq!(problems.list.iter().map(|p| p.code).collect::<Vec<_>>(), [Code::Unreadable]);
}

/// A device has no size and no end: the bound holds for what is read.
#[test]
fn a_file_without_an_end_is_refused() {
    let endless = Path::new("/dev/zero");
    let Err(problems) = load(endless, |_| Vec::new()) else { panic!("zeros are no configuration") };
    assert_eq!(problems.list.iter().map(|p| p.code).collect::<Vec<_>>(), [Code::Unreadable]);
    assert!(problems.to_string().contains("more than 8388608 bytes"), "{problems}");
    let source = EXAMPLE.replacen("\"ws://127.0.0.1:9546\"", "{ file = \"/dev/zero\" }", 1);
    let Err(problems) = check(&source) else { panic!("zeros are no URL") };
    assert_eq!(problems.list.iter().map(|p| p.code).collect::<Vec<_>>(), [Code::Unreadable], "{problems}");
}
