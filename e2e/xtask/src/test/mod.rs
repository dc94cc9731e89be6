//! The gate: everything that must hold before a change is taken, in one command.

mod results;

use std::env;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use eyre::{Result, WrapErr, bail, eyre};

use crate::paths::Paths;
use crate::tools::Tools;
use crate::{command, cosmwasm, regen, run, solana, tidy, ui};
use results::{Counts, Results};

pub(crate) const HELP: &str = "\
Check everything: format, rules of the tree, clippy, contracts, generated files, all tests on real nodes and Postgres.

Usage: cargo xtask test [--quick]

Options:
  --quick  only what needs neither tools nor a database: format, tidy, and the tests of the pure crates

Every section runs, also after one that failed; the exit code is 0 only when all hold. Tests start the nodes and
servers they need. PORTCULLIS_REQUIRE_ALL=1 makes tests fail that would otherwise pass without the recorded data
in PORTCULLIS_DATA (../shared/data by default).

Examples:
  cargo xtask test --quick
  cargo xtask test
  PORTCULLIS_REQUIRE_ALL=1 cargo xtask test";

/// The crates that need nothing but a compiler.
const PURE: [&str; 2] = ["portcullis-verifier", "portcullis-core"];

/// How one section ended.
struct Section {
    name: &'static str,
    elapsed: Duration,
    error: Option<String>,
    results: Results,
}

/// The command `test`.
///
/// # Errors
/// When a section failed, a test failed, or no test ran at all.
pub(crate) fn command(paths: &Paths, quick: bool) -> Result<()> {
    let mut gate = Gate { sections: Vec::new(), since: Instant::now() };
    if quick {
        gate.section("format", |_| format(paths));
        gate.section("tidy", |_| tidy::command(paths));
        gate.section("tests of the pure crates", |results| pure_tests(paths, results));
        return gate.close();
    }
    let mut tools = None;
    gate.section("setup", |_| {
        let ready = Tools::setup_all(paths)?;
        ready.print(paths)?;
        tools = Some(ready);
        Ok(())
    });
    gate.section("format", |_| format(paths));
    gate.section("tidy", |_| tidy::command(paths));
    let Some(tools) = tools else {
        // Nothing below can run without the tools; what is missing stands in the setup section.
        return gate.close();
    };
    let beside = BESIDE.map(beside);
    gate.section("clippy", |_| clippy(paths));
    gate.section("contracts", |results| contracts(paths, &tools, results));
    gate.section("tests", |results| all_tests(paths, &tools, results));
    gate.section("contracts (CosmWasm)", |results| cosmwasm_contracts(paths, &tools, results));
    gate.section("contracts (Solana)", |results| solana_programs(paths, &tools, results));
    for child in beside {
        // The sections have waited for what it builds, and said what is wrong with it.
        let _ended = child.and_then(|mut child| child.wait().wrap_err("not waited for"));
    }
    gate.section("generated files", |_| regen::after_build(paths, &tools, true));
    gate.close()
}

/// Tools that only the last sections need, each minutes of compiling where the cache has none: the tests before them wait
/// for nodes half of their time, which leaves enough of the processors.
const BESIDE: [&str; 2] = ["cosmwasm", "sbpf"];

/// Sets up a tool with what the rest leaves of the processors. What fails here is tried again, and told, by the section
/// that needs it.
fn beside(tool: &str) -> Result<Child> {
    let me = env::current_exe().wrap_err("this program does not know where it lies")?;
    let mut setup = Command::new("nice");
    setup.args(["-n", "19"]).arg(me).args(["setup", "--only", tool]);
    setup.stdin(Stdio::null()).stdout(Stdio::null()).spawn().wrap_err("`nice` could not be started")
}

fn format(paths: &Paths) -> Result<()> {
    command::run(paths.cargo().args(["fmt", "--all", "--check"]))
}

fn clippy(paths: &Paths) -> Result<()> {
    command::run(paths.cargo().args(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))
}

fn contracts(paths: &Paths, tools: &Tools, results: &mut Results) -> Result<()> {
    let folder = paths.root.join("contracts/evm");
    let forge = || {
        let mut forge = Command::new(tools.forge());
        forge.current_dir(&folder).envs(tools.environment());
        forge
    };
    let formatted = command::run(forge().args(["fmt", "--check"]));
    let tested = results::run(forge().arg("test"), results);
    let artifacts = regen::artifacts(paths, tools, true);
    formatted.and(tested).and(artifacts)
}

/// Their own workspace: format, clippy, tests in process and on a node, and the committed contracts rebuilt and checked.
fn cosmwasm_contracts(paths: &Paths, tools: &Tools, results: &mut Results) -> Result<()> {
    let cargo = || cosmwasm::cargo(paths);
    let formatted = command::run(cargo().args(["fmt", "--all", "--check"]));
    let linted =
        command::run(cargo().args(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]));
    let artifacts = cosmwasm::artifacts(paths, true);
    let mut tests = cargo();
    tests.args(["test", "--workspace", "--no-fail-fast"]).envs(tools.environment());
    let tested = results::run(&mut tests, results);
    let checked = Tools::checker(paths).and_then(|checker| {
        println!("{}", checker.check(&cosmwasm::files(paths))?);
        Ok(())
    });
    formatted.and(linted).and(artifacts.map(drop)).and(tested).and(checked)
}

/// Their own workspaces: format, clippy, the committed programs rebuilt, and tests in process and on a validator.
fn solana_programs(paths: &Paths, tools: &Tools, results: &mut Results) -> Result<()> {
    let mut outcome = Ok(());
    for cargo in [solana::cargo, solana::cargo_of_tests] {
        let formatted = command::run(cargo(paths).args(["fmt", "--all", "--check"]));
        let mut clippy = cargo(paths);
        let linted = command::run(clippy.args([
            "clippy",
            "--locked",
            "--workspace",
            "--all-targets",
            "--",
            "-D",
            "warnings",
        ]));
        let mut tests = cargo(paths);
        tests.args(["test", "--locked", "--workspace", "--no-fail-fast"]).envs(tools.environment());
        let tested = results::run(&mut tests, results);
        outcome = outcome.and(formatted).and(linted).and(tested);
    }
    outcome.and(solana::artifacts(paths, true).map(drop))
}

fn pure_tests(paths: &Paths, results: &mut Results) -> Result<()> {
    let mut cargo = paths.cargo();
    cargo.args(["test", "--no-fail-fast"]);
    for name in PURE {
        cargo.args(["-p", name]);
    }
    results::run(&mut cargo, results)
}

fn all_tests(paths: &Paths, tools: &Tools, results: &mut Results) -> Result<()> {
    // The tests of the whole start the service as its own process.
    let binaries = run::build_with_tests(paths)?;
    let mut cargo = paths.cargo();
    cargo.args(["test", "--workspace", "--no-fail-fast"]);
    cargo.envs(tools.environment()).envs(binaries);
    results::run(&mut cargo, results)
}

/// Sections that have run so far.
struct Gate {
    sections: Vec<Section>,
    since: Instant,
}

impl Gate {
    fn section(&mut self, name: &'static str, run: impl FnOnce(&mut Results) -> Result<()>) {
        ui::heading(name);
        let since = Instant::now();
        let mut results = Results::default();
        let error = run(&mut results).err().map(|error| format!("{error:#}"));
        let elapsed = since.elapsed();
        match &error {
            None => println!("✓ {name}  {}", ui::elapsed(elapsed)),
            Some(error) => println!("✗ {name}  {}\n{error}", ui::elapsed(elapsed)),
        }
        self.sections.push(Section { name, elapsed, error, results });
    }

    /// Prints the summary.
    fn close(self) -> Result<()> {
        ui::heading("summary");
        let mut sum = Counts::default();
        for section in &self.sections {
            for line in &section.results.lines {
                println!("{line}");
            }
            sum += section.results.counts;
        }
        println!();
        for section in &self.sections {
            let (mark, first) = match &section.error {
                None => ("✓", ""),
                Some(error) => ("✗", error.lines().next().unwrap_or_default()),
            };
            let tests = match section.results.counts {
                Counts { passed: 0, failed: 0, .. } => String::new(),
                Counts { passed, failed, .. } => format!("{passed} passed, {failed} failed"),
            };
            println!("{mark} {:<34} {:>11}  {tests:<24} {first}", section.name, ui::elapsed(section.elapsed));
        }
        println!("  {:<34} {:>11}\n", "all", ui::elapsed(self.since.elapsed()));
        println!("{} passed, {} failed", sum.passed, sum.failed);
        verdict(&self.sections, sum)
    }
}

/// Whether the gate is open.
fn verdict(sections: &[Section], sum: Counts) -> Result<()> {
    let failed: Vec<&str> = sections.iter().filter(|s| s.error.is_some()).map(|s| s.name).collect();
    if !failed.is_empty() {
        bail!("failed: {}", failed.join(", "));
    }
    if sum.failed > 0 {
        bail!("{} tests failed", sum.failed);
    }
    if sum.ignored > 0 {
        bail!("{} tests did not run; a test that is switched off protects nothing", sum.ignored);
    }
    if sum.passed == 0 {
        return Err(eyre!("no test ran"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate() -> Gate {
        Gate { sections: Vec::new(), since: Instant::now() }
    }

    fn ran(passed: u64, failed: u64, ignored: u64) -> impl FnOnce(&mut Results) -> Result<()> {
        move |results| {
            results.counts = Counts { passed, failed, ignored };
            Ok(())
        }
    }

    #[test]
    fn the_gate_opens_when_every_section_holds_and_tests_ran() {
        let mut gate = gate();
        gate.section("format", |_| Ok(()));
        gate.section("tests", ran(3, 0, 0));
        assert!(gate.close().is_ok());
    }

    #[test]
    fn the_gate_stays_closed_after_one_failed_section_and_still_runs_the_next() {
        let mut gate = gate();
        gate.section("format", |_| bail!("no"));
        gate.section("tests", ran(3, 0, 0));
        assert_eq!(gate.sections.len(), 2);
        assert_eq!(gate.close().unwrap_err().to_string(), "failed: format");
    }

    #[test]
    fn failed_ignored_or_no_tests_keep_the_gate_closed() {
        for (passed, failed, ignored) in [(3, 1, 0), (3, 0, 1), (0, 0, 0)] {
            let mut gate = gate();
            gate.section("tests", ran(passed, failed, ignored));
            assert!(gate.close().is_err(), "{passed} {failed} {ignored}");
        }
    }
}
