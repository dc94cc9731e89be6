//! What only a family can judge is found at its place in the file.

use std::path::Path;

use super::*;
use crate::config::{Code, parse, parse_judged};

const EXAMPLE: &str = include_str!("../../../docs/examples/portcullis.toml");

fn found(source: &str) -> Vec<(&'static str, usize)> {
    let loaded = parse(Path::new("x.toml"), Path::new("."), source.to_owned()).unwrap();
    let problems = check(&loaded).list;
    problems.iter().map(|p| (p.code.as_str(), p.place.as_ref().map_or(0, |place| place.line))).collect()
}

#[test]
fn the_example_passes_its_family() {
    assert_eq!(found(EXAMPLE), []);
    assert_eq!(registry().names().count(), 4);
}

#[test]
fn a_mapping_that_does_not_work_is_found_on_its_line() {
    let line = EXAMPLE.lines().position(|line| line.contains("kind = \"release\"")).unwrap() + 1;
    for (from, to) in [
        ("signature = \"Released(uint32 indexed", "signature = \"Released(uint33 indexed"),
        ("signature = \"Released(uint32 indexed", "signature = \"Released(uint32 indxed"),
        ("remote = \"origin\", message_id", "remote = \"destination\", message_id"),
        ("{ remote = \"origin\", message_id", "{ message_id"),
        (
            "amount = \"amount\", recipient = \"recipient\" } },\n    { kind = \"mint\"",
            "amount = \"token\", recipient = \"recipient\" } },\n    { kind = \"mint\"",
        ),
    ] {
        assert!(EXAMPLE.contains(from), "{from}");
        assert_eq!(found(&EXAMPLE.replacen(from, to, 1)), [("PC-0111", line)], "{from} → {to}");
    }
}

#[test]
fn a_gate_with_the_gas_of_a_guard_is_found_where_it_is_declared() {
    let line = EXAMPLE.lines().position(|line| line.contains("# kind = \"guard\"")).unwrap() + 1;
    let gate = EXAMPLE.replacen("# kind = \"guard\"", "kind = \"gate\"", 1);
    assert_eq!(found(&gate), [("PC-0105", line - 1)], "the line of its address");
    let gas = gate.replacen("gas_limit = 400_000", "gas_limit = 2_500_000", 1);
    assert_eq!(found(&gas), []);
}

#[test]
fn mistakes_of_both_chains_are_found_at_once() {
    let source = EXAMPLE.replace("Minted(uint32 indexed origin,", "Minted(uint32 indexed origin");
    assert_eq!(found(&source).len(), 2);
}

/// SECURITY: who has to correct a file six times, once for each mistake, starts the service with the last one in it.
#[test]
fn mistakes_of_the_file_and_of_its_families_are_told_together_with_place_cause_and_fix() {
    let source = include_str!("mistakes.toml").to_owned();
    let Err(problems) =
        parse_judged(Path::new("x.toml"), Path::new("."), source, |loaded| check(loaded).list)
    else {
        panic!("six mistakes must be refused")
    };
    assert_eq!(format!("{problems}\n"), include_str!("mistakes.txt"), "\n{problems}");
}

#[test]
fn a_line_with_a_mistake_of_its_own_is_not_told_twice() {
    let line = EXAMPLE.lines().position(|line| line.contains("kind = \"release\"")).unwrap() + 1;
    let source = EXAMPLE.replacen("kind = \"release\", signature", "kind = \"release\", signatur", 1);
    let Err(problems) =
        parse_judged(Path::new("x.toml"), Path::new("."), source, |loaded| check(loaded).list)
    else {
        panic!("a mistyped key must be refused")
    };
    let told: Vec<_> = problems.list.iter().map(|p| (p.code, p.place.as_ref().unwrap().line)).collect();
    assert_eq!(told, [(Code::MissingKey, line), (Code::UnknownKey, line)], "{problems}");
}

#[test]
fn wiring_holds_every_chain_and_no_container_without_a_key() {
    let loaded = parse(Path::new("x.toml"), Path::new("."), EXAMPLE.to_owned()).unwrap();
    let wired = wire(&loaded).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!((wired.groups.len(), wired.chains.len()), (1, 2));
    assert!(wired.chains.values().all(|chain| chain.contain.is_none() && chain.quorum == 2));
}

#[test]
fn a_keystore_that_does_not_open_is_a_problem_of_its_line() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["key.json", "password"] {
        std::fs::write(dir.path().join(name), "{}\n").unwrap();
    }
    let signers = "[signers.default]\nkeystore = \"key.json\"\npassword_file = \"password\"\n\n[store]";
    let source = EXAMPLE.replacen("[store]", signers, 1);
    let line = source.lines().position(|line| line.starts_with("keystore =")).unwrap() + 1;
    let loaded = parse(Path::new("x.toml"), dir.path(), source).unwrap();
    let Err(problems) = wire(&loaded) else { panic!("no key can come of this") };
    assert!(!problems.list.is_empty());
    for problem in problems.list {
        assert_eq!((problem.code, problem.place.unwrap().line), (Code::BadSigner, line));
    }
}
