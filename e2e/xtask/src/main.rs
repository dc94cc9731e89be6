//! `cargo xtask`: set-up, demo, tests, benches and the checks of the tree. See `cargo xtask --help`.

mod command;
mod cosmwasm;
mod fuzz;
mod manifest;
mod paths;
mod pg;
mod regen;
mod run;
mod solana;
mod sqlx;
mod test;
mod tidy;
mod tools;
mod ui;
mod user;

use std::ffi::OsString;
use std::process::ExitCode;

use eyre::{Result, bail};
use pico_args::Arguments;

use paths::Paths;
use tools::postgres::Postgres;

const HELP: &str = "\
Work on Portcullis.

Usage: cargo xtask <command> [options]

Commands:
  demo    watch a real attack being stopped, on this machine
  test    check everything, as it is checked before a change is taken
  bench   measure the figures that are promised
  soak    half an hour under load, with attacks hidden in it
  chaos   every fault with real processes, and what is left after it
  fuzz    look for input that breaks a decoder, the configuration or a reader of answers
  setup   bring the tools into the cache (the other commands do it by themselves)
  tidy    check the rules of the repository
  sqlx    regenerate .sqlx and migrations/schema.sql after a change of the SQL
  regen   regenerate everything that is made from something else

`cargo xtask <command> --help` explains each with examples.";

/// What `cargo xtask` was asked to do.
struct Command {
    name: &'static str,
    help: &'static str,
    run: fn(&Paths, Arguments) -> Result<()>,
}

const COMMANDS: [Command; 10] = [
    Command { name: "demo", help: run::DEMO_HELP, run: |paths, args| run::demo(paths, &passed_on(args)) },
    Command { name: "bench", help: run::BENCH_HELP, run: |paths, args| run::bench(paths, &passed_on(args)) },
    Command { name: "soak", help: run::SOAK_HELP, run: |paths, args| run::soak(paths, &passed_on(args)) },
    Command { name: "chaos", help: run::CHAOS_HELP, run: |paths, args| run::chaos(paths, &passed_on(args)) },
    Command {
        name: "fuzz",
        help: fuzz::HELP,
        run: |paths, mut args| {
            let options = fuzz::Options::parse(&mut args)?;
            end(args)?;
            fuzz::command(paths, &options)
        },
    },
    Command {
        name: "test",
        help: test::HELP,
        run: |paths, mut args| {
            let quick = args.contains("--quick");
            end(args)?;
            test::command(paths, quick)
        },
    },
    Command {
        name: "setup",
        help: tools::HELP,
        run: |paths, mut args| {
            let only = args.opt_value_from_fn("--only", tools::Part::parse)?;
            let as_json = args.contains("--json");
            end(args)?;
            tools::command(paths, only, as_json)
        },
    },
    Command {
        name: "tidy",
        help: tidy::HELP,
        run: |paths, args| {
            end(args)?;
            tidy::command(paths)
        },
    },
    Command {
        name: "sqlx",
        help: sqlx::HELP,
        run: |paths, mut args| {
            let (schema_only, check) = (args.contains("--schema"), args.contains("--check"));
            end(args)?;
            sqlx::command(paths, &Postgres::setup(paths)?, schema_only, check)
        },
    },
    Command {
        name: "regen",
        help: regen::HELP,
        run: |paths, mut args| {
            let only = args.opt_value_from_fn("--only", regen::Part::parse)?;
            let check = args.contains("--check");
            end(args)?;
            regen::command(paths, only, check)
        },
    },
];

fn main() -> ExitCode {
    match fuzz::wrap_compiler().and_then(|()| run(std::env::args_os().skip(1).collect())) {
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

fn run(mut words: Vec<OsString>) -> Result<()> {
    let name = if words.is_empty() { String::new() } else { words.remove(0).to_string_lossy().into_owned() };
    if matches!(name.as_str(), "" | "help" | "-h" | "--help") {
        println!("{HELP}");
        return Ok(());
    }
    let Some(command) = COMMANDS.iter().find(|command| command.name == name) else {
        bail!("there is no command `{name}`\n\n{HELP}");
    };
    // Behind `--`, help is asked of the program that is started.
    let own = words.iter().take_while(|word| *word != "--");
    if own.into_iter().any(|word| word == "-h" || word == "--help") {
        println!("{}", command.help);
        return Ok(());
    }
    (command.run)(&Paths::discover()?, Arguments::from_vec(words))
}

/// Words for the program that is started; a first `--` only separates.
fn passed_on(args: Arguments) -> Vec<OsString> {
    let mut words = args.finish();
    if let Some(at) = words.iter().position(|word| word == "--") {
        words.remove(at);
    }
    words
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

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<OsString> {
        text.split_whitespace().map(OsString::from).collect()
    }

    #[test]
    fn every_command_is_listed_and_explains_itself_with_an_example() {
        for command in &COMMANDS {
            assert!(HELP.contains(&format!("\n  {} ", command.name)), "{}", command.name);
            assert!(
                command.help.contains(&format!("Usage: cargo xtask {}", command.name)),
                "{}",
                command.name
            );
            assert!(command.help.contains(&format!("\n  cargo xtask {}", command.name)), "{}", command.name);
            assert!(run(words(&format!("{} --help", command.name))).is_ok());
        }
    }

    #[test]
    fn an_unknown_command_or_option_is_refused() {
        assert!(run(words("deploy")).unwrap_err().to_string().contains("there is no command `deploy`"));
        assert!(run(words("tidy --fast")).unwrap_err().to_string().contains("--fast"));
    }

    #[test]
    fn words_for_the_demo_are_passed_on_without_the_separator() {
        assert_eq!(passed_on(Arguments::from_vec(words("--json -- --help"))), words("--json --help"));
    }
}
