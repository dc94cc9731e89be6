//! Half an hour under load with attacks hidden in it; the last line is one JSON object.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use e2e::bench::table;
use e2e::process::unless_interrupted;
use e2e::soak::{self, Options, plot};
use e2e::tools::workspace_root;
use eyre::{Result, WrapErr, bail};

/// Runs the real service with a real database under a steady load, with attacks hidden in it at times that only the
/// seed knows, and compares in the end what happened with what is on record.
#[derive(Debug, Parser)]
#[command(
    name = "soak",
    after_help = "Examples:\n  soak                                  half an hour, 2000 observations per second, 20 attacks\n  soak --minutes 5 --attacks 6 --json   a short one, for a look\n  soak --out /tmp                       the plot and all samples go there"
)]
struct Args {
    /// How long, in minutes; at least three.
    #[arg(long, default_value_t = 30.0)]
    minutes: f64,
    /// Observations per second, over all chains.
    #[arg(long, default_value_t = 2_000.0)]
    rate: f64,
    /// Attacks hidden in it.
    #[arg(long, default_value_t = 20)]
    attacks: usize,
    /// Chooses traffic, times and places of the attacks.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// One line of JSON and nothing else on standard output.
    #[arg(long)]
    json: bool,
    /// Folder for `soak.svg` and `soak.json`; default: docs.
    #[arg(long)]
    out: Option<PathBuf>,
    /// Folder to work in, kept afterwards; default: one that goes with the run.
    #[arg(long)]
    dir: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let args = Args::parse();
    if !(3.0..=1_440.0).contains(&args.minutes) || !(1.0..=100_000.0).contains(&args.rate) {
        bail!("--minutes must be between 3 and 1440, --rate between 1 and 100000");
    }
    let options = Options {
        minutes: args.minutes,
        rate: args.rate,
        attacks: args.attacks,
        seed: args.seed,
        dir: args.dir.clone(),
    };
    unless_interrupted(run(&options, &args)).await
}

async fn run(options: &Options, args: &Args) -> Result<ExitCode> {
    let outcome = soak::run(options, |line| eprintln!("{line}")).await?;
    let out = args.out.clone().unwrap_or_else(|| workspace_root().join("docs"));
    let write = |name: &str, text: String| {
        let path = out.join(name);
        std::fs::write(&path, text).wrap_err_with(|| format!("cannot write {}", path.display()))
    };
    write("soak.svg", plot::svg(&outcome)?)?;
    write("soak.json", serde_json::to_string(&outcome)?)?;
    let figures = outcome.figures();
    if !args.json {
        println!("{}", table(&figures));
    }
    println!("{}", serde_json::to_string(&figures)?);
    let broken: Vec<&str> = figures.iter().filter(|(_, figure)| !figure.ok).map(|(name, _)| *name).collect();
    if !broken.is_empty() {
        bail!("not kept: {}", broken.join(", "));
    }
    Ok(ExitCode::SUCCESS)
}
