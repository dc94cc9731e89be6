//! A data set that is broken says where: the smallest whole one, and one thing wrong with it at a time.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use std::{fs, io::Write, path::Path};

use flate2::{Compression, write::GzEncoder};
use portcullis_adapter::{Batch, Class, Cursor, Observe, conformance::ledger::Ledger};
use portcullis_core::input::Body;
use portcullis_replay::{BacktestOptions, Dataset, DatasetError, RecordedChain, backtest};
use portcullis_verifier::{B256, ChainId, Event};
use tokio_util::sync::CancellationToken;

const HERE: &str = "0x2260fac5e5542a773aa44fbcfedf7c193bc2c599";
const THERE: &str = "0x1dc78acda13a8bc4408b207c9e48cdbc096d95e0";
const WHO: &str = "0xa5bd5c661f373256c0ccfbc628fd52de74f9bb55";
const T0: u64 = 1_650_000_000;

/// One line of events; `tx` tells transactions apart.
fn line(ts: u64, chain: u64, kind: &str, direction: &str, tx: u64, amount: &str) -> String {
    let (token, block) = if chain == 1 { (HERE, ts / 12) } else { (THERE, ts / 13) };
    format!(
        "{{\"ts\":{ts},\"chain\":{chain},\"block\":{block},\"tx\":\"0x{tx:064x}\",\"log_index\":1,\"kind\":\"{kind}\",\
         \"msg_id\":7,\"direction\":\"{direction}\",\"token\":\"{token}\",\"peer_token\":null,\"sender\":null,\
         \"beneficiary\":\"{WHO}\",\"amount\":\"{amount}\"}}\n"
    )
}

fn events() -> String {
    [
        line(T0, 1, "deposit", "eth>beam", 1, "900000000"),
        line(T0 + 2_000, 1_284, "mint", "eth>beam", 2, "900000000"),
        line(T0 + 3_000, 1_284, "burn", "beam>eth", 3, "1000000"),
        line(T0 + 5_000, 1, "release", "beam>eth", 4, "1000000"),
        line(T0 + 6_000, 1, "release", "beam>eth", 5, "800000000"),
    ]
    .concat()
}

fn write(folder: &Path, name: &str, text: &str) {
    if !name.ends_with(".gz") {
        return fs::write(folder.join(name), text).unwrap();
    }
    let mut packed = GzEncoder::new(fs::File::create(folder.join(name)).unwrap(), Compression::fast());
    packed.write_all(text.as_bytes()).unwrap();
    packed.finish().unwrap();
}

/// A whole data set, with some of its files replaced.
fn folder(replaced: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let attack = format!("{{\"chain\":1,\"tx\":\"0x{:064x}\",\"log_index\":1,\"label\":\"attack\"}}\n", 5);
    let sibling = line(T0 + 7_000, 1, "release", "evms>eth", 6, "1000");
    let tokens = format!("symbol,decimals,home_chain,token_here,token_there\nWBTC,8,1,{HERE},{THERE}\n");
    let files = [
        ("events.jsonl.gz", events()),
        ("sibling_corridors.jsonl.gz", sibling),
        ("tokens.csv", tokens),
        ("token_mapping.tsv", format!("6648936\t1\t{HERE}\t{THERE}\t20\n")),
        ("daily_prices_usd.csv", String::from("symbol,date,usd\nWBTC,2022-04-15,40000.5\n")),
        ("labels.jsonl", attack),
    ];
    for (name, text) in files {
        let text = replaced.iter().find(|(other, _)| *other == name).map_or(text.as_str(), |(_, text)| text);
        write(folder.path(), name, text);
    }
    folder
}

/// The file, line and words of the error that a folder with these files gives.
fn broken(name: &str, text: &str) -> (u64, String) {
    let folder = folder(&[(name, text)]);
    match Dataset::load(folder.path()) {
        Err(DatasetError::Line { file, line, what }) => {
            assert_eq!(file, folder.path().join(name), "{what}");
            (u64::try_from(line).unwrap(), what)
        }
        other => panic!("{name}: {other:?}"),
    }
}

#[test]
fn the_smallest_year_is_judged() {
    let folder = folder(&[]);
    let dataset = Dataset::load(folder.path()).unwrap();
    let observed = dataset.inputs.iter().filter(|input| matches!(input.body, Body::Observed(_))).count();
    assert_eq!((observed, dataset.scored.len()), (6, 6));
    assert!(dataset.inputs.is_sorted_by_key(|input| input.at_ms));
    let mut heard = Vec::new();
    let report = portcullis_replay::backtest_watched(&dataset, &BacktestOptions::default(), |done, all| {
        heard.push((done, all));
    })
    .unwrap();
    assert_eq!((report.attacks, report.attacks_flagged), (1, 1));
    assert_eq!(report.first_alarm_ts, Some(T0 + 6_000));
    assert_eq!(report.attacks_micro_usd, 8 * 40_000_500_000);
    assert_eq!((report.false_halts, report.false_holds, report.notifications), (0, 0, 0));
    assert_eq!(heard.last(), Some(&(dataset.inputs.len(), dataset.inputs.len())));
    let mut again = backtest(&dataset, &BacktestOptions::default()).unwrap();
    (again.engine_us, again.engine_ms) = (report.engine_us, report.engine_ms);
    assert_eq!(again, report, "the same inputs, the same report");
}

/// What lies between two events is made up: a moment of another century must not fill the memory.
#[test]
fn a_moment_of_another_century_is_an_error_of_its_line() {
    let late = events() + &line(T0 * 5, 1, "release", "beam>eth", 8, "1000");
    let (at, what) = broken("events.jsonl.gz", &late);
    assert_eq!(at, 6);
    assert!(what.contains("ten years"), "{what}");
}

#[test]
fn labels_change_the_score_and_nothing_else() {
    let (with, without) = (folder(&[]), folder(&[("labels.jsonl", "")]));
    let (with, without) = (Dataset::load(with.path()).unwrap(), Dataset::load(without.path()).unwrap());
    assert_eq!(with.inputs, without.inputs);
    assert_eq!(with.config, without.config);
    let report = backtest(&without, &BacktestOptions::default()).unwrap();
    assert_eq!((report.attacks, report.first_alarm_ts), (0, Some(T0 + 6_000)), "it alarms unlabelled");
}

#[test]
fn each_broken_event_is_named_by_its_line() {
    let second = |from: &str, to: &str| {
        let all = events();
        let mut lines: Vec<String> = all.split_inclusive('\n').map(str::to_owned).collect();
        assert!(lines[1].contains(from), "{from}");
        lines[1] = lines[1].replace(from, to);
        let (line, what) = broken("events.jsonl.gz", &lines.concat());
        assert_eq!(line, 2, "{what}");
        what
    };
    assert!(second("\"msg_id\":7", "\"msg_id\":-7").contains("-7"));
    assert!(second("\"ts\"", "\"extra\":1,\"ts\"").contains("extra"));
    assert!(second("mint", "gift").contains("gift"));
    assert!(second("1284", "10").contains("chain 10"));
    assert!(second("eth>beam", "beam>eth").contains("beam>eth"));
    assert!(second("eth>beam", "beam>beam").contains("beam>beam"));
    assert!(second("eth>beam", "eth").contains("from>to"));
    assert!(second("\"amount\":\"9", "\"amount\":\"-9").contains("-9"));
    assert!(second("\"amount\":\"9", "\"amount\":\"_9").contains("_9"));
    assert!(second(THERE, "0x1dc7").contains("0x1dc7"));
    assert!(second(THERE, &THERE.replace("0x1d", "0x+d")).contains("0x+d"));
    assert!(second(WHO, &WHO.replace("0x", "0y")).contains("0y"));
    assert!(second(&format!("\"ts\":{}", T0 + 2_000), &format!("\"ts\":{}", T0 - 1)).contains("time order"));
}

#[test]
fn a_log_that_is_there_twice_is_named() {
    let twice = format!("{}{}", events(), line(T0 + 9_000, 1, "release", "beam>eth", 5, "800000000"));
    let (line, what) = broken("events.jsonl.gz", &twice);
    assert_eq!(line, 6);
    assert!(what.contains("twice"), "{what}");
}

#[test]
fn each_broken_table_is_named_by_its_line() {
    let head = "symbol,decimals,home_chain,token_here,token_there\n";
    let token = |row: String| broken("tokens.csv", &format!("{head}{row}\n"));
    assert_eq!(token(format!("WBTC,39,1,{HERE},{THERE}")).0, 2);
    assert_eq!(token(format!("WBTC,8,10,{HERE},{THERE}")).0, 2);
    assert!(token(format!("WBTC,8,1,{THERE},{HERE}")).1.contains("has no pair"));
    assert!(token(format!("W BTC,8,1,{HERE},{THERE}")).1.contains("W BTC"));
    assert!(token(String::from("WBTC,8,1")).1.contains("5 fields"));
    let pair = format!("6648936\t1\t{HERE}\t{THERE}\t20\n");
    assert_eq!(broken("token_mapping.tsv", &format!("{pair}{pair}")).0, 2);
    let price = |rows: &str| broken("daily_prices_usd.csv", &format!("symbol,date,usd\n{rows}\n"));
    assert!(price("WBTC,2022-02-30,1").1.contains("2022-02-30"));
    assert!(price("WBTC,2022-04-15,a lot").1.contains("a lot"));
    assert_eq!(price("WBTC,2022-04-15,1\nWBTC,2022-04-15,2").0, 3);
}

#[test]
fn each_broken_label_is_named_by_its_line() {
    let label = |tx: u64, word: &str| {
        format!("{{\"chain\":1,\"tx\":\"0x{tx:064x}\",\"log_index\":1,\"label\":\"{word}\"}}\n")
    };
    assert!(broken("labels.jsonl", &label(5, "suspicious")).1.contains("suspicious"));
    let (line, what) = broken("labels.jsonl", &format!("{}{}", label(5, "attack"), label(99, "attack")));
    assert_eq!(line, 2);
    assert!(what.contains("not recorded"), "{what}");
    assert_eq!(broken("labels.jsonl", &format!("{0}{0}", label(5, "attack"))).0, 2);
}

#[test]
fn a_file_that_is_missing_or_cut_off_is_an_error() {
    let gone = folder(&[]);
    fs::remove_file(gone.path().join("sibling_corridors.jsonl.gz")).unwrap();
    assert!(matches!(Dataset::load(gone.path()), Err(DatasetError::Io { .. })));
    let cut = folder(&[]);
    let file = cut.path().join("events.jsonl.gz");
    let bytes = fs::read(&file).unwrap();
    fs::write(&file, &bytes[..bytes.len() / 2]).unwrap();
    assert!(
        matches!(Dataset::load(cut.path()), Err(DatasetError::Io { .. })),
        "half an archive is no archive"
    );
}

/// What an observer delivers from a cursor on, up to so many batches.
async fn observed(chain: &RecordedChain, from: Option<Cursor>, most: usize) -> Vec<Batch> {
    let (feed, mut batches) = tokio::sync::mpsc::channel(1);
    let stop = CancellationToken::new();
    let (watched, stopped) = (chain.clone(), stop.clone());
    let observing = tokio::spawn(async move { watched.observe(from, feed, stopped).await });
    let mut taken = Vec::new();
    while taken.len() < most {
        taken.push(batches.recv().await.unwrap());
    }
    stop.cancel();
    observing.await.unwrap().unwrap();
    taken
}

#[tokio::test]
async fn a_recorded_chain_is_observed_without_loss_across_a_restart() {
    let folder = folder(&[]);
    let dataset = Dataset::load(folder.path()).unwrap();
    let id = ChainId::new("eip155:1").unwrap();
    let chain = RecordedChain::new(&dataset, id).unwrap();
    let recorded: Vec<_> = dataset.scored.iter().filter(|s| s.chain == id).map(|s| s.event).collect();
    let heights = dataset.inputs.iter().filter_map(|input| match &input.body {
        Body::Progress(progress) if progress.chain == id => Some(progress.height),
        _ => None,
    });
    let mut heights: Vec<u64> = heights.collect();
    heights.dedup();
    let all = observed(&chain, None, heights.len()).await;
    for cut in 1..all.len() {
        let mut ledger = Ledger::default();
        all[..cut].iter().for_each(|batch| ledger.take(batch));
        let rest = observed(&chain, all[cut - 1].cursor.clone(), all.len() - cut).await;
        rest.iter().for_each(|batch| ledger.take(batch));
        assert_eq!(ledger.violations(), <[String; 0]>::default());
        let delivered = all[..cut].iter().chain(&rest).flat_map(|batch| &batch.observations);
        assert!(delivered.clone().all(|seen| matches!(seen.event(), Event::Transfer(_))));
        assert_eq!(delivered.map(|seen| seen.id()).collect::<Vec<_>>(), recorded, "cut after {cut}");
    }
    assert!(RecordedChain::new(&dataset, ChainId::new("eip155:10").unwrap()).is_none());
}

#[tokio::test]
async fn a_recorded_chain_refuses_a_cursor_that_is_not_its_own() {
    let folder = folder(&[]);
    let dataset = Dataset::load(folder.path()).unwrap();
    let chain = RecordedChain::new(&dataset, ChainId::new("eip155:1").unwrap()).unwrap();
    let good = observed(&chain, None, 1).await[0].cursor.clone().unwrap();
    let mut elsewhere = good.clone();
    elsewhere.recent[0].hash = B256::ZERO;
    let other = Cursor { chain: ChainId::new("eip155:1284").unwrap(), ..good.clone() };
    for bad in [elsewhere, other, Cursor { recent: Vec::new(), ..good }] {
        let (feed, _batches) = tokio::sync::mpsc::channel(1);
        let error = chain.observe(Some(bad), feed, CancellationToken::new()).await.unwrap_err();
        assert_eq!(error.class, Class::Permanent, "{error}");
    }
}
