//! Recorded data sets.

use std::{fs, io::Write, path::Path};

use flate2::{Compression, write::GzEncoder};
use portcullis_core::Body;
use portcullis_replay::{Dataset, DatasetError};

use super::{choice, joined, strings};
use crate::Target;

pub(crate) const TARGET: Target = Target {
    name: "dataset",
    what: "files of a recording: an error with its file and line, or every event of it as an input",
    most_bytes: 16 << 10,
    feed,
    seeds,
};

const FILES: [&str; 6] = [
    "events.jsonl.gz",
    "sibling_corridors.jsonl.gz",
    "tokens.csv",
    "token_mapping.tsv",
    "daily_prices_usd.csv",
    "labels.jsonl",
];

fn feed(bytes: &[u8]) {
    let (which, bytes) = choice(bytes);
    let folder = tempfile::tempdir().expect("a folder");
    let mut contents = strings(bytes);
    contents.resize(FILES.len(), Vec::new());
    for (name, content) in FILES.iter().zip(&contents) {
        // Every fourth input also has what is no archive under an archive's name.
        let packed = name.ends_with(".gz") && which % 4 != 3;
        write(&folder.path().join(name), content, packed);
    }
    match Dataset::load(folder.path()) {
        Err(DatasetError::Line { file, line, what }) => {
            let name = file.strip_prefix(folder.path()).expect("a file of the folder").to_string_lossy();
            assert!(FILES.contains(&name.as_ref()), "{name}");
            assert!(line >= 1 && !what.is_empty());
        }
        Err(DatasetError::Io { file, .. } | DatasetError::TooLong { file, .. }) => {
            assert!(file.starts_with(folder.path()));
        }
        Ok(dataset) => {
            let observed = dataset.inputs.iter().filter(|input| matches!(input.body, Body::Observed(_)));
            assert_eq!(observed.count(), dataset.scored.len(), "an event that is not fed");
            if which % 4 != 3 {
                assert_eq!(
                    dataset.scored.len(),
                    lines(&contents[0]) + lines(&contents[1]),
                    "a line was dropped"
                );
            }
            assert!(dataset.inputs.is_sorted_by_key(|input| input.at_ms));
        }
    }
}

/// Lines as a person counts them: the last one needs no end.
fn lines(content: &[u8]) -> usize {
    let ends = content.iter().filter(|byte| **byte == b'\n').count();
    ends + usize::from(content.last().is_some_and(|byte| *byte != b'\n'))
}

fn write(file: &Path, content: &[u8], packed: bool) {
    if !packed {
        return fs::write(file, content).expect("a file");
    }
    let mut encoder = GzEncoder::new(fs::File::create(file).expect("a file"), Compression::none());
    encoder.write_all(content).expect("a file");
    encoder.finish().expect("a file");
}

const HERE: &str = "0x2260fac5e5542a773aa44fbcfedf7c193bc2c599";
const THERE: &str = "0x1dc78acda13a8bc4408b207c9e48cdbc096d95e0";

fn line(ts: u64, chain: u64, kind: &str, direction: &str, tx: u64, amount: &str) -> String {
    let (token, block) = if chain == 1 { (HERE, ts / 12) } else { (THERE, ts / 13) };
    format!(
        "{{\"ts\":{ts},\"chain\":{chain},\"block\":{block},\"tx\":\"0x{tx:064x}\",\"log_index\":1,\"kind\":\"{kind}\",\
         \"msg_id\":7,\"direction\":\"{direction}\",\"token\":\"{token}\",\"peer_token\":null,\"sender\":null,\
         \"beneficiary\":\"{HERE}\",\"amount\":\"{amount}\"}}\n"
    )
}

fn seeds() -> Vec<Vec<u8>> {
    let start = 1_650_000_000;
    let events = [
        line(start, 1, "deposit", "eth>beam", 1, "900000000"),
        line(start + 2_000, 1_284, "mint", "eth>beam", 2, "900000000"),
        line(start + 6_000, 1, "release", "beam>eth", 5, &portcullis_verifier::U256::MAX.to_string()),
    ]
    .concat();
    let parts = [
        events,
        line(start + 7_000, 1, "release", "evms>eth", 6, "1000"),
        format!("symbol,decimals,home_chain,token_here,token_there\nWBTC,8,1,{HERE},{THERE}\n"),
        format!("6648936\t1\t{HERE}\t{THERE}\t20\n"),
        String::from("symbol,date,usd\nWBTC,2022-04-15,40000.5\n"),
        format!("{{\"chain\":1,\"tx\":\"0x{:064x}\",\"log_index\":1,\"label\":\"attack\"}}\n", 5),
    ];
    let whole = joined(&parts);
    let mut seeds: Vec<Vec<u8>> =
        [0u8, 3].iter().map(|which| [vec![*which], whole.clone()].concat()).collect();
    for missing in 0..parts.len() {
        let mut parts = parts.clone();
        parts[missing].clear();
        seeds.push([vec![0], joined(&parts)].concat());
    }
    seeds
}
