use std::path::Path;

use portcullis_verifier::{
    B256, ChainId,
    solana::{StakeTable, Voter, system_name},
};
use sha2::{Digest, Sha256};

use super::super::{check as check_all, wire as wire_all};
use crate::config::{Loaded, Problems, parse, parse_judged};

/// The commented line of the example that pins a table.
const STAKES: &str = "# stakes = {";

const EXAMPLE: &str = include_str!("../../../../docs/examples/solana.toml");

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

#[test]
fn a_bridge_to_a_chain_of_slots_is_accepted_without_a_warning() {
    let loaded = loaded(EXAMPLE);
    assert_eq!(loaded.warnings.list, []);
    assert_eq!(check_all(&loaded).list, []);
    let wired = wire_all(&loaded).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!((wired.groups.len(), wired.chains.len()), (1, 2));
    assert!(wired.chains.values().all(|chain| chain.contain.is_none() && chain.quorum == 2));
    let chain = &loaded.config.chains[1];
    assert_eq!((chain.silence_ms, chain.lag_blocks, chain.block_secs), (10_000, 50, 1), "slots are short");
    assert_eq!((chain.fees.fee, chain.fees.max_fee, chain.fees.gas_limit), (50_000, 1_000_000_000, 100_000));
}

#[test]
fn each_mistake_has_its_code_and_line() {
    let cases: &[(&str, &str, &str, &str)] = &[
        (
            "id = \"solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp\" ",
            "id = \"solana:mainnet\" ",
            "PC-0106",
            "id = \"solana:",
        ),
        ("6CVfeR@CktRuQ", "6CVfeR@0ktRuQ", "PC-0109", "address = \"8qbHbw"),
        ("address = \"GgBaCs", "address = \"0gBaCs", "PC-0109", "address = \"GgBaCs"),
        ("data Burned(", "dat Burned(", "PC-0111", "data Burned("),
        ("sender: key, recipient: bytes32", "sender: key, recipient: bytes33", "PC-0111", "data Burned("),
        (
            "remote = \"origin\", message_id = \"message_id\", asset",
            "remote = \"orgin\", message_id = \"message_id\", asset",
            "PC-0111",
            "data Minted(",
        ),
        ("max_unit_price = 1_000_000_000", "max_unit_price = 10_000", "PC-0105", "[chain.fees]"),
        (STAKES, "stakes = { file = \"x\", sha256 = \"ab\", epoch = 812 }", "PC-0105", STAKES),
        (STAKES, "stakes = { file = \"x\", epoch = 812 }", "PC-0103", STAKES),
        (
            STAKES,
            "stakes = { file = \"x\", sha256 = \"4646464646464646464646464646464646464646464646464646464646464646\", epoch = 8, wait_ms = 60_000 }",
            "PC-0105",
            STAKES,
        ),
        ("unit_price = 50_000 ", "fee_gwei = 60 ", "PC-0102", "unit_price = 50_000"),
        (
            "quorum = 2                            # operators that must tell a block",
            "bloom = true\nquorum = 2 # operators that must tell a block",
            "PC-0102",
            "quorum = 2      ",
        ),
    ];
    for (from, to, code, place) in cases {
        assert!(EXAMPLE.contains(from), "{from}");
        let problems = refused(&changed(from, to));
        let line = EXAMPLE.lines().position(|line| line.contains(place)).unwrap() + 1;
        let found: Vec<_> = problems
            .list
            .iter()
            .map(|p| (p.code.as_str(), p.place.as_ref().map_or(0, |place| place.line)))
            .collect();
        assert!(found.contains(&(code, line)), "{from} → {to}: wanted {code} on {line}, found {problems}");
    }
}

/// The program that works for a guard must be named: its owner on the chain is what is compared with it.
#[test]
fn a_guard_without_its_program_is_refused() {
    let problems = refused(&EXAMPLE.replacen("@CktRuQ2mttgRGkXJtyksdKHjUdc2C4TgDzyB98oEzy8", "", 1));
    assert!(problems.to_string().contains("<program>"), "{problems}");
}

/// The example with a text replaced; of the commented line, all of it.
fn changed(from: &str, to: &str) -> String {
    let line = EXAMPLE.lines().find(|line| line.starts_with(STAKES)).unwrap();
    EXAMPLE.replacen(if from == STAKES { line } else { from }, to, 1)
}

/// Votes are counted by the very file that was pinned, and by no other.
#[test]
fn a_pinned_table_is_what_proofs_start_from_and_another_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let chain = ChainId::new("solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp").unwrap();
    let voters = vec![Voter { account: B256::repeat_byte(1), authority: None, stake: 5 }];
    let (first_slot, last_slot) = (350_784_000, 351_215_999);
    let table =
        StakeTable { chain, epoch: 812, first_slot, last_slot, total: 5, other_regime_from: None, voters };
    let bytes = table.to_bytes();
    let file = folder.path().join("stakes-812.bin");
    std::fs::write(&file, &bytes).unwrap();
    let sha256 = B256::from(<[u8; 32]>::from(Sha256::digest(&bytes)));
    let pinned = format!("stakes = {{ file = {file:?}, sha256 = \"{sha256}\", epoch = 812 }}");
    let wired = wire_all(&loaded(&changed(STAKES, &pinned))).unwrap_or_else(|problems| panic!("{problems}"));
    let roots = (wired.chains.get(&chain).unwrap().pinned)();
    assert_eq!(roots.get(&system_name()), Some(&bytes));
    let other = wired.chains.iter().filter(|(id, _)| **id != chain);
    assert!(other.into_iter().all(|(_, chain)| (chain.pinned)().is_empty()));

    std::fs::write(&file, b"another").unwrap();
    let problems = wire_all(&loaded(&changed(STAKES, &pinned))).err().unwrap();
    assert!(problems.to_string().contains("PC-0980"), "{problems}");
    let without = wire_all(&loaded(EXAMPLE)).unwrap_or_else(|problems| panic!("{problems}"));
    assert!(without.chains.values().all(|chain| (chain.pinned)().is_empty()));
}

/// Nonces are a matter of a chain's own lanes: each has its account, and chains of other families have none.
#[test]
fn each_lane_of_a_chain_of_slots_may_name_its_nonce_account() {
    const OWN: &str = "GgBaCs3NCBuZN12kCJgAW63ydqohFkHEdfdEXBPzLHq";
    const OTHER: &str = "LbUiWL3xVV8hTFYBVdbTNrpDo41NKS6o3LHHuDzjfcY";
    let folder = tempfile::tempdir().unwrap();
    for name in ["a.json", "b.json", "password"] {
        let path = folder.path().join(name);
        std::fs::write(&path, "x\n").unwrap();
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    }
    let judged = |chain: &str, nonce: &str, of_carrier: &str| {
        let signer = format!(
            "[signers.\"{chain}\"]\nkeystore = \"a.json\"\npassword_file = \"password\"\nnonce = \"{nonce}\"\n\
             carrier = {{ keystore = \"b.json\", password_file = \"password\", nonce = \"{of_carrier}\" }}\n\n[store]"
        );
        let source = EXAMPLE.replacen("[store]", &signer, 1);
        let loaded =
            parse_judged(Path::new("x.toml"), folder.path(), source.clone(), |loaded| check_all(loaded).list);
        loaded.map_err(|problems| {
            let line = source.lines().position(|line| line.starts_with("carrier = {")).unwrap() + 1;
            let here = |place: &crate::config::Place| place.line == line || place.line + 1 == line;
            let found = problems.list.iter().filter(|problem| problem.place.as_ref().is_some_and(here));
            found.map(|problem| (problem.code.as_str(), problem.fix.clone())).collect::<Vec<_>>()
        })
    };
    let slots = "solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp";
    let loaded = judged(slots, OWN, OTHER).unwrap();
    let nonces = super::super::part::Part::new(&loaded, &loaded.config.chains[1]).nonces();
    assert_eq!(nonces, [Some(OWN.to_owned()), Some(OTHER.to_owned())]);
    let shared = judged(slots, OWN, OWN).err().unwrap();
    assert!(
        matches!(shared.as_slice(), [("PC-0107", fix)] if fix.contains("another nonce account")),
        "{shared:?}"
    );
    let none = judged(slots, OWN, "0").err().unwrap();
    assert!(matches!(none.as_slice(), [("PC-0109", _)]), "{none:?}");
    for elsewhere in ["eip155:1", "default"] {
        let unknown = judged(elsewhere, OWN, OTHER).err().unwrap();
        assert!(unknown.len() == 2 && unknown.iter().all(|(code, _)| *code == "PC-0102"), "{unknown:?}");
    }
}
