//! Runs every fault, one after the other, and prints what was left after each.

use std::process::ExitCode;

use clap::Parser;
use e2e::chaos::{Case, runner};
use e2e::process::unless_interrupted;
use eyre::{Result, eyre};

/// Faults with real processes: an attack, a fault in the midst of it, and a look at what is left.
#[derive(Debug, Parser)]
#[command(
    name = "chaos",
    after_help = "Examples:\n  chaos --list                      what there is\n  chaos                             everything, once\n  chaos --only kill --only postgres every case whose name begins so\n  chaos --quick --repeat 3 --json   the quick ones three times, one object on the last line"
)]
struct Args {
    /// Only cases whose name begins so; may be given several times.
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// Only the few that run with every test.
    #[arg(long)]
    quick: bool,
    /// Names all cases and ends.
    #[arg(long)]
    list: bool,
    /// Chooses keys, and whatever else is random; each repetition takes the next.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Runs everything so often.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    repeat: u16,
    /// The last line of standard output is one object; the rest goes to standard error.
    #[arg(long)]
    json: bool,
}

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let args = Args::parse();
    let cases = runner::choose(&args.only, args.quick).map_err(|why| eyre!(why))?;
    if args.list {
        list(&cases, args.json);
        return Ok(ExitCode::SUCCESS);
    }
    unless_interrupted(async { Ok(play(&cases, &args).await) }).await
}

fn list(cases: &[Case], json: bool) {
    if json {
        let rows: Vec<_> = cases
            .iter()
            .map(|case| serde_json::json!({"case": case.name, "fault": case.fault, "injected": case.injected, "quick": case.quick}))
            .collect();
        println!("{}", serde_json::json!(rows));
        return;
    }
    for case in cases {
        let quick = if case.quick { "quick" } else { "" };
        println!("{:<28} {quick:<6} {} ({})", case.name, case.fault, case.injected);
    }
}

async fn play(cases: &[Case], args: &Args) -> ExitCode {
    let mut runs = Vec::new();
    let all = cases.len() * usize::from(args.repeat);
    for round in 0..u64::from(args.repeat) {
        for case in cases {
            eprint!("[{}/{all}] {:<28} ", runs.len() + 1, case.name);
            let ran = runner::run(*case, args.seed + round).await;
            eprintln!("{:>4.0} s  {}", ran.elapsed.as_secs_f64(), ran.word());
            let note = ran
                .outcome
                .as_ref()
                .map_or("", |outcome| outcome.skipped.as_deref().unwrap_or(&outcome.note));
            for line in ran.broken().iter().map(String::as_str).chain([note]).filter(|line| !line.is_empty())
            {
                eprintln!("        {line}");
            }
            runs.push(ran);
        }
    }
    let (held, skipped) = (count(&runs, "held"), count(&runs, "skipped"));
    let summary = format!("{held} of {all} held, {skipped} skipped");
    if args.json {
        eprintln!("{}\n{summary}", runner::table(&runs));
        println!("{}", runner::json(&runs));
    } else {
        println!("{}\n{summary}", runner::table(&runs));
    }
    if held + skipped == all { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn count(runs: &[runner::Ran], word: &str) -> usize {
    runs.iter().filter(|ran| ran.word() == word).count()
}
