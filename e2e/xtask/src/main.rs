//! `cargo xtask`: set-up, demo, tests, benches and the checks of the tree. See `cargo xtask --help`.

mod command;
mod paths;
mod pg;
mod sqlx;
mod tidy;
mod tools;
mod ui;
mod user;

use std::process::ExitCode;

use eyre::{Result, bail};
use pico_args::Arguments;

use paths::Paths;

const HELP: &str = "\
Work on Portcullis.

Usage: cargo xtask <command> [options]

Commands:
  setup   bring the tools into the cache
  sqlx    regenerate .sqlx and migrations/schema.sql after a change of the SQL
  tidy    check the rules of the repository

`cargo xtask <command> --help` explains each with examples.";

fn main() -> ExitCode {
    match run(Arguments::from_env()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nerror: {error}");
            for cause in error.chain().skip(1) {
                eprintln!("  because: {cause}");
            }
            ExitCode::FAILURE
        }
    }
}

fn run(mut args: Arguments) -> Result<()> {
    let Some(command) = args.subcommand()? else {
        println!("{HELP}");
        return Ok(());
    };
    let help = match command.as_str() {
        "setup" => tools::HELP,
        "sqlx" => sqlx::HELP,
        "tidy" => tidy::HELP,
        other => bail!("there is no command `{other}`\n\n{HELP}"),
    };
    if args.contains(["-h", "--help"]) {
        println!("{help}");
        return Ok(());
    }
    let paths = Paths::discover()?;
    match command.as_str() {
        "setup" => {
            let only = args.opt_value_from_fn("--only", tools::Part::parse)?;
            let as_json = args.contains("--json");
            end(args)?;
            tools::command(&paths, only, as_json)
        }
        "sqlx" => {
            let (schema_only, check) = (args.contains("--schema"), args.contains("--check"));
            end(args)?;
            sqlx::command(&paths, schema_only, check)
        }
        _ => {
            end(args)?;
            tidy::command(&paths)
        }
    }
}

/// Refuses what no option has taken.
fn end(args: Arguments) -> Result<()> {
    let rest = args.finish();
    if rest.is_empty() {
        return Ok(());
    }
    let rest: Vec<String> = rest.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    bail!("not understood: {}; see --help", rest.join(" "))
}
