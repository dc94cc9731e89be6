//! `portcullis backtest`: what this engine, with these rules, would have done in a recorded year.

use std::{fmt::Write, path::PathBuf, process::ExitCode};

use clap::Args;
use portcullis_replay::{BacktestOptions, Dataset, Report, backtest as run_backtest};

use super::{
    CliError, EXIT_GOOD,
    format::{chain_time, grouped, usd},
    open, print, print_json,
};

/// Folder of recorded data, and the variable that names another.
const DATA: (&str, &str) = ("PORTCULLIS_DATA", "../shared/data");

/// Arguments of `portcullis backtest`.
#[derive(Debug, Args)]
pub(super) struct BacktestArgs {
    /// Folder of the recording. Without it, the folder nomad below PORTCULLIS_DATA.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Take the thresholds from the [rules] of this configuration instead of the defaults.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

pub(super) async fn backtest(args: &BacktestArgs, json: bool) -> Result<ExitCode, CliError> {
    let rules = match &args.config {
        Some(file) => Some(open::config(file).map_err(CliError::Config)?.config.rules),
        None => None,
    };
    let folder = args.data.clone().unwrap_or_else(|| {
        let (variable, fallback) = DATA;
        std::env::var_os(variable).map_or_else(|| PathBuf::from(fallback), PathBuf::from).join("nomad")
    });
    // Reading and deciding take no other part of the program's time.
    let work = tokio::task::spawn_blocking(move || -> Result<Report, CliError> {
        let dataset = Dataset::load(&folder)?;
        Ok(run_backtest(&dataset, &BacktestOptions { rules })?)
    });
    let report = work.await.map_err(CliError::Task)??;
    if json {
        print_json(&report)?;
    } else {
        print(&describe(&report))?;
    }
    Ok(ExitCode::from(EXIT_GOOD))
}

fn number(value: u64) -> String {
    grouped(i64::try_from(value).unwrap_or(i64::MAX))
}

fn money(micro: u64) -> String {
    usd(i64::try_from(micro).unwrap_or(i64::MAX))
}

fn moment(at_s: Option<u64>) -> String {
    at_s.and_then(|at| i64::try_from(at).ok()).map_or_else(|| "never".to_owned(), chain_time)
}

/// Hundredths of a percent as a percentage with one place, rounded.
fn percent(bps: u64) -> String {
    let tenths = bps.saturating_add(5).div_euclid(10);
    format!("{}.{} %", tenths.div_euclid(10), tenths.rem_euclid(10))
}

fn describe(report: &Report) -> String {
    let mut out = String::new();
    let mut line = |name: &str, value: String| {
        // Writing into a text cannot fail.
        let _infallible = writeln!(out, "  {name:<44} {value}");
    };
    line("events", number(report.events));
    line("releases on the watched corridor", number(report.releases));
    line(
        "attacks that were recorded",
        format!("{}, {}", number(report.attacks), money(report.attacks_micro_usd)),
    );
    line("  of these flagged", number(report.attacks_flagged));
    line("first attack", moment(report.first_attack_ts));
    line("first alarm", moment(report.first_alarm_ts));
    line("before the attack: halts", number(report.false_halts));
    line("before the attack: holds", number(report.false_holds));
    line("before the attack: notifications", number(report.notifications));
    for (at, text) in &report.notices {
        line(&format!("    {}", moment(Some(*at))), text.clone());
    }
    for saved in &report.saved_usd {
        let name = match saved.after_secs {
            0 => "saved by closing after the same block".to_owned(),
            secs => format!("saved by closing after {secs} s"),
        };
        line(&name, format!("{}, {}", money(saved.micro_usd), percent(saved.bps)));
    }
    let siblings = &report.siblings;
    let closed =
        siblings.closed_after_secs.map_or_else(|| "never".to_owned(), |secs| format!("after {secs} s"));
    line(
        "sibling corridors: closed",
        format!("{closed}; the first release came after {} s", siblings.first_after_secs),
    );
    line(
        "sibling corridors: lost",
        format!("{} of {}", money(siblings.lost_micro_usd), money(siblings.priced_micro_usd)),
    );
    line(
        "cost of the halt: honest releases delayed",
        format!("{}, {}", number(report.cost.honest_releases), money(report.cost.micro_usd)),
    );
    line("evidence", report.evidence.clone());
    let millis = report.engine_us.div_euclid(1_000);
    let rest = report.engine_us.rem_euclid(1_000).div_euclid(100);
    line("time in the engine", format!("{millis}.{rest} ms for {} inputs", number(report.inputs)));
    format!("Backtest\n{out}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentages_are_rounded_to_one_place() {
        assert_eq!(percent(9_424), "94.2 %");
        assert_eq!(percent(9_425), "94.3 %");
        assert_eq!(percent(0), "0.0 %");
        assert_eq!(moment(None), "never");
    }
}
