//! The recorded year, all detectors on, both directions: what the defaults promise.
#![expect(clippy::unwrap_used, clippy::arithmetic_side_effects, reason = "tests fail by panicking")]

use std::{io::Write, path::PathBuf};

use portcullis_core::{config::Rules, effect::Cause, input::Body};
use portcullis_replay::{
    BacktestOptions, Dataset, backtest,
    dataset::{Label, default_root},
};

/// The recording, when it is there. It is not part of the repository; `PORTCULLIS_DATA` names its folder.
fn recording() -> Option<Dataset> {
    let root = default_root();
    let beside_workspace = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..").join(&root);
    let folder = [root, beside_workspace].map(|root| root.join("nomad")).into_iter().find(|f| f.is_dir());
    if folder.is_none() {
        assert!(
            std::env::var_os("PORTCULLIS_REQUIRE_ALL").is_none_or(|v| v != "1"),
            "the recorded data is required and not there: set PORTCULLIS_DATA"
        );
        // Written past the test harness, which would keep a passing test's words to itself.
        let what = b"SKIPPED: no recorded data; set PORTCULLIS_DATA to the folder that holds nomad/\n";
        std::io::stderr().write_all(what).unwrap();
    }
    folder.map(|folder| Dataset::load(&folder).unwrap())
}

#[test]
fn the_recording_is_whole() {
    let Some(dataset) = recording() else { return };
    let siblings = dataset.scored.iter().filter(|scored| scored.is_sibling).count();
    assert_eq!((dataset.scored.len() - siblings, siblings), (33_006, 793));
    let labelled = |label| dataset.scored.iter().filter(|scored| scored.label == Some(label)).count();
    let labels = [Label::Attack, Label::AttackerProbe, Label::BenignUnmatched].map(labelled);
    assert_eq!((labels, labels.iter().sum()), ([382, 10, 5], 397));
    assert!(dataset.inputs.is_sorted_by_key(|input| input.at_ms), "shell time never runs backwards");
    // Eleven declared assets; two of them in no table of tokens, so without a price.
    let assets = &dataset.config.bridges[0].assets;
    assert_eq!(assets.len(), 11);
    assert_eq!(assets.iter().filter(|asset| asset.name.as_str().starts_with("0x")).count(), 2);
    let at_home_on_the_other_side = assets.iter().filter(|asset| asset.forms[1].home);
    assert_eq!(at_home_on_the_other_side.map(|asset| asset.name.as_str()).collect::<Vec<_>>(), ["GLMR"]);
}

#[test]
fn the_recorded_year_is_judged_as_promised() {
    let Some(dataset) = recording() else { return };
    let report = backtest(&dataset, &BacktestOptions::default()).unwrap();
    let t0 = 1_659_389_551;
    assert_eq!((report.events, report.releases, report.attacks), (33_799, 4_869, 382));
    assert_eq!(report.attacks_flagged, 382);
    let by: Vec<_> = report.flagged_by.iter().map(|(cause, count)| (*cause, *count)).collect();
    assert_eq!(by, [(Cause::Replayed, 341), (Cause::ValueMismatch, 41)]);
    assert_eq!((report.first_attack_ts, report.first_alarm_ts), (Some(t0), Some(t0)));
    assert_eq!((report.false_halts, report.false_holds), (0, 0));
    assert!(report.notifications <= 5, "{:#?}", report.notices);
    let bps: Vec<u64> = report.saved_usd.iter().map(|saved| saved.bps).collect();
    assert_eq!(bps, [9_424, 9_136, 8_992, 8_273]);
    assert_eq!(report.attacks_micro_usd / 1_000_000, 159_577_644);
    assert_eq!(report.siblings.releases, 793);
    assert_eq!((report.siblings.closed_after_secs, report.siblings.lost_micro_usd), (Some(0), 0));
    assert_eq!(report.cost.honest_releases, 13);
    assert_eq!(report.cost.micro_usd / 1_000_000_000, 206);

    let again = backtest(&dataset, &BacktestOptions::default()).unwrap();
    assert_eq!(again.notices, report.notices, "the same inputs, the same words");
}

#[test]
fn rules_without_floors_would_have_cried_wolf() {
    // The failure twin: the quiet of the year is the floors' doing, not blindness.
    let Some(dataset) = recording() else { return };
    let rules = Rules { unbacked_floor_micro_usd: 0, large_floor_micro_usd: 0, ..Rules::default() };
    let report = backtest(&dataset, &BacktestOptions { rules: Some(rules) }).unwrap();
    assert!(report.false_halts > 0, "dust without a source halts");
    assert!(report.false_holds > 0, "a young escrow holds");
    assert!(report.notifications > 5);
    assert_eq!(report.attacks_flagged, 382);
}

/// The same year, heard otherwise: one chain so many seconds late, and every event so many times.
fn heard(dataset: &mut Dataset, late: &str, by_secs: u64, times: usize) {
    let inputs = std::mem::take(&mut dataset.inputs);
    let repeated = inputs.into_iter().flat_map(|input| {
        let times = if matches!(input.body, Body::Observed(_)) { times } else { 1 };
        std::iter::repeat_n(input, times)
    });
    dataset.inputs = repeated.collect();
    for input in &mut dataset.inputs {
        let chain = match &input.body {
            Body::Observed(seen) => Some(seen.chain()),
            Body::Progress(progress) => Some(progress.chain),
            _ => None,
        };
        if chain.is_some_and(|chain| chain.as_str() == late) {
            input.at_ms += by_secs * 1_000;
        }
    }
    // Stable: each chain's own order stays.
    dataset.inputs.sort_by_key(|input| input.at_ms);
}

#[test]
fn the_verdicts_do_not_depend_on_which_chain_is_heard_first() {
    let Some(dataset) = recording() else { return };
    let plain = backtest(&dataset, &BacktestOptions::default()).unwrap();
    for (late, by_secs, times) in [("eip155:1", 1_200, 1), ("eip155:1284", 1_200, 1), ("eip155:1", 0, 2)] {
        let mut dataset = dataset.clone();
        heard(&mut dataset, late, by_secs, times);
        let report = backtest(&dataset, &BacktestOptions::default()).unwrap();
        let what = format!("{late} {by_secs} s late, {times} times");
        assert_eq!(report.flagged_by, plain.flagged_by, "{what}");
        assert_eq!(report.flagged_without_label, plain.flagged_without_label, "{what}");
        assert_eq!((report.false_halts, report.false_holds), (0, 0), "{what}");
        assert!(report.notifications <= 5, "{what}: {:#?}", report.notices);
        let heard_at = if late == "eip155:1" { by_secs } else { 0 };
        assert_eq!(report.first_alarm_ts, plain.first_attack_ts.map(|t0| t0 + heard_at), "{what}");
    }
}
