//! The recorded year, all detectors on, both directions: what the defaults promise.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::path::PathBuf;

use portcullis_core::config::Rules;
use portcullis_replay::{BacktestOptions, Dataset, backtest, dataset::default_root};

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
        eprintln!("SKIPPED: no recorded data; set PORTCULLIS_DATA to the folder that holds nomad/");
    }
    folder.map(|folder| Dataset::load(&folder).unwrap())
}

#[test]
fn the_recorded_year_is_judged_as_promised() {
    let Some(dataset) = recording() else { return };
    let report = backtest(&dataset, &BacktestOptions::default()).unwrap();
    let t0 = 1_659_389_551;
    assert_eq!((report.events, report.releases, report.attacks), (33_799, 4_869, 382));
    assert_eq!(report.attacks_flagged, 382);
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
