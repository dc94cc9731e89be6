//! Demo, bench and chaos: build what they need, then become the program that does it.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

use eyre::{Result, WrapErr, eyre};

use crate::command;
use crate::paths::Paths;
use crate::tools::Tools;

pub(crate) const DEMO_HELP: &str = "\
Watch a real attack being stopped: real nodes, a bridge between them, Postgres and the service, all on this machine.

Usage: cargo xtask demo [options of the demo]

The tools are set up and everything is built first; then the demo takes over. All options go to it:
  --json            nothing but one JSON object on the last line
  --keep            leave everything running at the end, to explore
  --families NAMES  evm, and of cosmos,solana which take part; without it all whose nodes are there
  --script NAME     nomad, false-release, false-mint or honest
Ctrl-C ends the demo and everything that it started. `cargo xtask demo -- --help` lists all options.

Examples:
  cargo xtask demo
  cargo xtask demo --families evm,cosmos --json
  cargo xtask demo --script false-mint --keep";

pub(crate) const BENCH_HELP: &str = "\
Measure what docs/ARCHITECTURE.md promises: release build, medians, each beside its floor and its budget.

Usage: cargo xtask bench [options of the bench]

All options go to the bench:
  --json        one object on the last line: name → {value, unit, floor, ratio, budget, ok}
  --only NAMES  some of them: engine, year, memory, proofs, latency, mixed, slots,
                catch-up, day, scale
  --quick       fewer rounds: a look, not a measurement
  --profile     where the time of a containment goes; leaves a flame graph beside the program (needs perf)
`cargo xtask bench -- --help` lists all options. docs/performance.md says what the figures mean.

Examples:
  cargo xtask bench
  cargo xtask bench --only engine,proofs --json
  cargo xtask bench --profile";

pub(crate) const SOAK_HELP: &str = "\
Half an hour under load: 2,000 observations per second through the real service, with attacks hidden in them.

Usage: cargo xtask soak [options of the soak]

All options go to the soak:
  --minutes N   how long (default 30)
  --rate N      observations per second (default 2000)
  --attacks N   attacks hidden in it (default 20)
  --seed N      chooses traffic, times and places
  --json        nothing but one JSON object on the last line
It ends with a failure when an attack was missed or an observation lost. The plot goes to docs/soak.svg.
`cargo xtask soak -- --help` lists all options.

Examples:
  cargo xtask soak
  cargo xtask soak --minutes 5 --attacks 6 --json";

pub(crate) const CHAOS_HELP: &str = "\
Put the service under fire: an attack on two real nodes, a fault in the midst of it, and a look at what is left. Each case
tells observations lost, attempts unrecorded, after how many blocks each gate closed, and whether replay is equal.

Usage: cargo xtask chaos [options of chaos]

All options go to it:
  --list       name every case
  --only NAME  only cases whose name begins so; may be given several times
  --quick      only those that run with every test
  --seed N     choose keys, and whatever else is random
  --repeat N   run everything N times
  --json       one object on the last line
The exit code is 0 only when everything held. `cargo xtask chaos -- --help` lists all options.

Examples:
  cargo xtask chaos
  cargo xtask chaos --list
  cargo xtask chaos --only kill --seed 7 --json";

/// Crates whose programs are started, and the variables that say where they are.
const PACKAGES: [&str; 3] = ["portcullis", "portcullis-release", "e2e"];
const PROGRAMS: [(&str, &str); 2] =
    [("PORTCULLIS_BIN", "portcullis"), ("PORTCULLIS_RELEASE_BIN", "portcullis-release")];

/// The command `demo`.
///
/// # Errors
/// When the tools cannot be set up, the build fails, or the program cannot be started; otherwise it does not return.
pub(crate) fn demo(paths: &Paths, args: &[OsString]) -> Result<()> {
    // A node that takes part for sure is built; else it takes part only where it is there.
    let tools = Tools::setup_with(paths, named_nodes(args))?;
    become_program(paths, &tools, "debug", "demo", args)
}

/// Whether the words for the demo ask for the Cosmos node, and whether for the Solana validator: by the names of families; where
/// none is named, a script that goes through another family needs one of them.
fn named_nodes(args: &[OsString]) -> (bool, bool) {
    let words: Vec<_> = args.iter().map(|word| word.to_string_lossy()).collect();
    let of = |option: &str| {
        let assigned = words.iter().find_map(|word| word.strip_prefix(&format!("{option}=")));
        assigned.or_else(|| {
            let at = words.iter().position(|word| word == option)?;
            words.get(at + 1).map(AsRef::as_ref)
        })
    };
    let Some(names) = of("--families") else {
        return (of("--script").is_some_and(|name| name != "nomad"), false);
    };
    let named = |family: &str| names.split(',').any(|name| name == family);
    (named("cosmos"), named("solana"))
}

/// The command `bench`.
///
/// # Errors
/// As [`demo`].
pub(crate) fn bench(paths: &Paths, args: &[OsString]) -> Result<()> {
    become_program(paths, &Tools::setup(paths)?, "release", "bench", args)
}

/// The command `chaos`.
///
/// # Errors
/// As [`demo`].
pub(crate) fn chaos(paths: &Paths, args: &[OsString]) -> Result<()> {
    become_program(paths, &Tools::setup(paths)?, "debug", "chaos", args)
}

/// The command `soak`.
///
/// # Errors
/// As [`demo`].
pub(crate) fn soak(paths: &Paths, args: &[OsString]) -> Result<()> {
    become_program(paths, &Tools::setup(paths)?, "release", "soak", args)
}

/// Builds the programs; `profile` is the folder name, `debug` or `release`. Returns the variables that name them.
///
/// # Errors
/// When the build fails.
pub(crate) fn build(paths: &Paths, profile: &str) -> Result<Vec<(&'static str, PathBuf)>> {
    let mut cargo = paths.cargo();
    cargo.args(["build", "--bins"]);
    for package in PACKAGES {
        cargo.args(["-p", package]);
    }
    if profile == "release" {
        cargo.arg("--release");
    }
    command::run(&mut cargo).wrap_err("the programs could not be built")?;
    Ok(programs(paths, profile))
}

/// Builds the programs together with all tests and returns where the programs lie.
///
/// In one call, because cargo chooses features for all that one call builds: programs built alone would differ from
/// what the tests link in a few, and half of the dependencies would be compiled twice.
///
/// # Errors
/// When something does not compile.
pub(crate) fn build_with_tests(paths: &Paths) -> Result<Vec<(&'static str, PathBuf)>> {
    let mut cargo = paths.cargo();
    cargo.args(["build", "--workspace", "--bins", "--tests"]);
    command::run(&mut cargo).wrap_err("programs and tests could not be built")?;
    Ok(programs(paths, "debug"))
}

fn programs(paths: &Paths, profile: &str) -> Vec<(&'static str, PathBuf)> {
    PROGRAMS.iter().map(|(variable, name)| (*variable, paths.binary(profile, name))).collect()
}

fn become_program(paths: &Paths, tools: &Tools, profile: &str, name: &str, args: &[OsString]) -> Result<()> {
    let binaries = build(paths, profile)?;
    let program = paths.binary(profile, name);
    if !program.is_file() {
        return Err(eyre!("the crate e2e has no program `{name}`: {} was not built", program.display()));
    }
    // Replacing this process leaves nobody between the terminal and the program: Ctrl-C reaches it once, and it
    // ends what it started.
    let error = Command::new(&program)
        .args(args)
        .current_dir(&paths.root)
        .envs(tools.environment())
        .envs(paths.environment())
        .envs(binaries)
        .exec();
    Err(error).wrap_err_with(|| format!("{} could not be started", program.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_or_a_script_that_needs_its_node_asks_for_it() {
        let asks = |text: &str| named_nodes(&text.split_whitespace().map(OsString::from).collect::<Vec<_>>());
        for text in ["--families evm,cosmos --json", "--families=cosmos,evm", "--json --script false-mint"] {
            assert_eq!(asks(text), (true, false), "{text}");
        }
        assert_eq!(asks("--families evm,solana --script false-mint"), (false, true));
        assert_eq!(asks("--families=evm,cosmos,solana --json"), (true, true));
        for text in ["", "--json", "--families evm", "--script nomad", "--script=nomad", "--families"] {
            assert_eq!(asks(text), (false, false), "{text}");
        }
    }
}
