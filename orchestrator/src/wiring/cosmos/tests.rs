use std::path::Path;

use super::super::{check as check_all, wire as wire_all};
use crate::config::{Loaded, Problems, parse, parse_judged};

const EXAMPLE: &str = include_str!("../../../../docs/examples/cosmos.toml");

fn loaded(source: &str) -> Loaded {
    parse(Path::new("x.toml"), Path::new("."), source.to_owned())
        .unwrap_or_else(|problems| panic!("{problems}"))
}

fn refused(source: &str) -> Problems {
    let judged =
        parse_judged(Path::new("x.toml"), Path::new("."), source.to_owned(), |loaded| check_all(loaded).list);
    match judged {
        Ok(loaded) => loaded.warnings,
        Err(problems) => problems,
    }
}

/// Line of the example that holds a text.
fn line_of(text: &str) -> usize {
    EXAMPLE
        .lines()
        .position(|line| line.contains(text))
        .unwrap_or_else(|| panic!("no {text:?}"))
        .saturating_add(1)
}

#[test]
fn a_bridge_between_two_families_is_accepted_without_a_warning() {
    let loaded = loaded(EXAMPLE);
    assert_eq!(loaded.warnings.list, []);
    assert_eq!(check_all(&loaded).list, []);
    let wired = wire_all(&loaded).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!((wired.groups.len(), wired.chains.len()), (1, 2));
    assert!(wired.chains.values().all(|chain| chain.contain.is_none() && chain.quorum == 2));
    assert!(wired.chains.values().all(|chain| (chain.pinned)().is_empty()), "no header was seen yet");
}

#[test]
fn prices_are_read_exactly_and_the_hours_money_with_them() {
    let loaded = loaded(EXAMPLE);
    let chain = &loaded.config.chains[1];
    assert_eq!((chain.fees.fee, chain.fees.max_fee), (25_000_000, 10_000_000_000));
    let spending = loaded.config.operate().spending[&chain.id.value];
    assert_eq!((spending.per_hour, spending.gas_limit), (50_000_000_000_000_000, 400_000));
}

#[test]
fn each_mistake_has_its_code_and_line() {
    let cases: &[(&str, &str, &str, &str)] = &[
        ("prefix = \"wasm\" ", "", "PC-0103", "[[chain]]"),
        ("prefix = \"wasm\" ", "prefix = \"Wasm\" ", "PC-0109", "prefix = "),
        ("hash = \"7B4C", "hash = \"7Z4C", "PC-0105", "hash = "),
        ("height = 1_000_000\n", "height = 0\n", "PC-0105", "height = 1_000_000"),
        ("start_height = 1_000_001", "start_height = 1_000_000", "PC-0105", "id = \"cosmos:"),
        ("max_gas_price = 10 ", "max_gas_price = 0.02 ", "PC-0105", "[chain.fees]"),
        ("gas_price = 0.025", "fee_gwei = 60", "PC-0102", "gas_price = 0.025"),
        ("block_secs = 5\n", "block_secs = 5\nbloom = true\n", "PC-0102", "@after block_secs = 5"),
        ("signature = \"wasm-Burned\"", "signature = \"\"", "PC-0111", "wasm-Burned"),
        ("channel = \"channel-0\"", "channel = \"\"", "PC-0103", "channel = \"channel-0\""),
    ];
    for (from, to, code, place) in cases {
        assert!(EXAMPLE.contains(from), "{from}");
        let problems = refused(&EXAMPLE.replacen(from, to, 1));
        let found: Vec<_> = problems
            .list
            .iter()
            .map(|p| (p.code.as_str(), p.place.as_ref().map_or(0, |place| place.line)))
            .collect();
        let line = match (*place, place.strip_prefix("@after ")) {
            (_, Some(place)) => line_of(place) + 1,
            ("[[chain]]", None) => {
                EXAMPLE.rfind("[[chain]]").map_or(0, |at| EXAMPLE[..at].lines().count() + 1)
            }
            (place, None) => line_of(place),
        };
        assert!(found.contains(&(code, line)), "{from} → {to}: wanted {code} on {line}, found {problems}");
    }
}

#[test]
fn what_a_chain_lacks_is_told_alone() {
    let problems = refused(&EXAMPLE.replacen("prefix = \"wasm\" ", "", 1));
    let told: Vec<_> = problems.list.iter().map(|p| p.code.as_str()).collect();
    assert_eq!(told, ["PC-0103"], "{problems}");
}

#[test]
fn an_address_of_another_chain_or_of_a_person_is_no_gate() {
    let guard = EXAMPLE.lines().find(|line| line.starts_with("address = \"wasm1")).unwrap();
    let person = "address = \"wasm1zjx7n3d853x3netvmxhp542t7euy0taspc04ek\"";
    let problems = refused(&EXAMPLE.replacen(guard, person, 1));
    assert!(problems.to_string().contains("32 bytes"), "{problems}");
    let problems = refused(&EXAMPLE.replacen("prefix = \"wasm\" ", "prefix = \"osmo\" ", 1));
    assert!(problems.list.iter().filter(|p| p.code.as_str() == "PC-0109").count() >= 2, "{problems}");
}

#[test]
fn a_signer_needs_a_token_to_pay_with() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["key.json", "password"] {
        std::fs::write(dir.path().join(name), "{}\n").unwrap();
    }
    let key = "keystore = \"key.json\"\npassword_file = \"password\"\n";
    let signers = format!("[signers.\"cosmos:wasmchain-1\"]\n{key}\n[store]");
    let source = EXAMPLE.replacen("[store]", &signers, 1).replacen("denom = \"uwasm\" ", "", 1);
    let judged = parse_judged(Path::new("x.toml"), dir.path(), source, |loaded| check_all(loaded).list);
    let Err(problems) = judged else { panic!("it cannot pay") };
    assert!(problems.to_string().contains("denom"), "{problems}");
}
