//! The configuration file.

use std::path::Path;

use portcullis::{
    config::{Problems, Severity, parse_judged},
    wiring,
};

use crate::Target;

const EXAMPLE: &str = include_str!("../../../../docs/examples/portcullis.toml");

pub(crate) const TARGET: Target = Target {
    name: "config",
    what: "a configuration's text: never a panic, every mistake with its place, cause and fix",
    most_bytes: 32 << 10,
    feed,
    seeds,
};

fn feed(bytes: &[u8]) {
    let Ok(text) = core::str::from_utf8(bytes) else { return };
    // Nothing that a file may name is there: what is fuzzed is the text, not this machine's files.
    let nowhere = Path::new("/nonexistent");
    match parse_judged(Path::new("x.toml"), nowhere, text.to_owned(), |loaded| wiring::check(loaded).list) {
        Err(problems) => {
            assert!(problems.errors() > 0, "refused without an error");
            explained(text, &problems);
        }
        Ok(loaded) => {
            assert_eq!(loaded.warnings.errors(), 0, "accepted with an error");
            explained(text, &loaded.warnings);
            // What is accepted can be given to engines.
            for engine in loaded.config.engines() {
                assert!(!engine.chains.is_empty(), "an engine without a chain");
            }
        }
    }
}

fn explained(text: &str, problems: &Problems) {
    let shown = problems.to_string();
    for problem in &problems.list {
        assert!(!problem.what.is_empty() && !problem.fix.is_empty(), "{problem:?}");
        assert!(shown.contains(problem.code.as_str()));
        if let Some(place) = &problem.place {
            assert!(place.line >= 1 && place.column >= 1 && place.width >= 1, "{problem:?}");
            let line = text.split('\n').nth(place.line - 1);
            let line = line.map(|line| line.strip_suffix('\r').unwrap_or(line));
            assert_eq!(line.unwrap_or_default(), place.excerpt, "{problem:?}");
        } else if problem.severity == Severity::Error {
            assert!(shown.contains("--> x.toml\n"), "an error without a place names the file: {problem:?}");
        }
    }
}

fn seeds() -> Vec<Vec<u8>> {
    let words =
        "quorum = 2\n[[chain]]\nid = \"eip155:1\"\n[[bridge]]\n[[bridge.side]]\n[rules]\n[signers.default]\n";
    let edits = [
        ("quorum = 2 ", "quorom = 2 "),
        ("0x5aAeb6053F", "0x5aaeb6053F"),
        ("messageId", "messageId, uint"),
        (
            "domain = 0x65766d73",
            "domain = \"0xffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff\"",
        ),
        ("price_usd = 1.0 ", "price_usd = 1e309 "),
        ("id = \"example\"", "id = \"\u{1f600}\u{0}\""),
    ];
    let mut seeds = vec![EXAMPLE.as_bytes().to_vec(), words.as_bytes().to_vec()];
    seeds.extend(edits.iter().map(|(from, to)| EXAMPLE.replacen(from, to, 1).into_bytes()));
    // Without its comments the example is a third as long, and every mutation meets something.
    let bare: Vec<&str> = EXAMPLE.lines().map(|line| line.split(" #").next().unwrap_or_default()).collect();
    seeds.push(bare.join("\n").into_bytes());
    seeds
}
