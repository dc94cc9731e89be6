//! Reads from the output of test runners what really ran.

use std::io::{BufRead, BufReader, Write};
use std::ops::AddAssign;
use std::process::{Command, Stdio};

use eyre::{Result, WrapErr, bail, eyre};

use crate::command;

/// How many tests ended how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Ran and held.
    pub(crate) passed: u64,
    /// Ran and did not.
    pub(crate) failed: u64,
    /// Did not run.
    pub(crate) ignored: u64,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.ignored += other.ignored;
    }
}

/// The closing lines of every test program that ran, as it wrote them, and their sum.
#[derive(Debug, Clone, Default)]
pub(crate) struct Results {
    /// For the summary.
    pub(crate) lines: Vec<String>,
    /// Over all lines.
    pub(crate) counts: Counts,
}

impl Results {
    /// Keeps the line if it closes a test program.
    fn note(&mut self, line: &str) {
        if let Some(counts) = cargo_line(line).or_else(|| forge_line(line)) {
            self.lines.push(line.trim().to_owned());
            self.counts += counts;
        }
    }
}

/// `test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s`
fn cargo_line(line: &str) -> Option<Counts> {
    let line = line.trim().strip_prefix("test result:")?;
    Some(Counts {
        passed: number_before(line, " passed")?,
        failed: number_before(line, " failed")?,
        ignored: number_before(line, " ignored")?,
    })
}

/// `Ran 3 test suites in 1.20s (2.30s CPU time): 31 tests passed, 0 failed, 1 skipped (32 total tests)`
fn forge_line(line: &str) -> Option<Counts> {
    let line = line.trim();
    if !line.starts_with("Ran ") || !line.contains(" test suite") || !line.contains(" total tests)") {
        return None;
    }
    Some(Counts {
        passed: number_before(line, " tests passed")?,
        failed: number_before(line, " failed")?,
        ignored: number_before(line, " skipped")?,
    })
}

fn number_before(line: &str, word: &str) -> Option<u64> {
    let (before, _) = line.split_once(word)?;
    before.rsplit(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// Runs a test program, letting its output through while its closing lines are collected.
///
/// # Errors
/// When it cannot be started or ends with anything but 0; what it reported until then is in `results`.
pub(crate) fn run(test: &mut Command, results: &mut Results) -> Result<()> {
    run_into(test, results, &mut std::io::stdout())
}

/// [`run`] with a place for the output: the tests of this file must not print closing lines that are none.
fn run_into(test: &mut Command, results: &mut Results, out: &mut impl Write) -> Result<()> {
    let shown = command::shown(test);
    let mut child = test
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .wrap_err_with(|| format!("`{shown}` could not be started"))?;
    let stdout = child.stdout.take().ok_or_else(|| eyre!("`{shown}` has no output"))?;
    let mut reader = BufReader::new(stdout);
    let mut bytes = Vec::new();
    while reader.read_until(b'\n', &mut bytes)? > 0 {
        out.write_all(&bytes)?;
        results.note(&String::from_utf8_lossy(&bytes));
        bytes.clear();
    }
    let status = child.wait()?;
    if !status.success() {
        bail!("`{shown}` ended with {status}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closing_lines_of_both_runners_are_counted_and_other_lines_are_not() {
        let mut results = Results::default();
        for line in [
            "running 3 tests",
            "test a ... ok",
            "test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s",
            "test result: FAILED. 2 passed; 3 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s",
            "Suite result: ok. 5 passed; 0 failed; 0 skipped; finished in 1ms",
            "Ran 3 test suites in 1.20s (2.30s CPU time): 31 tests passed, 1 failed, 2 skipped (34 total tests)",
            "Ran 5 tests for test/Guard.t.sol:GuardTest",
        ] {
            results.note(line);
        }
        assert_eq!(results.counts, Counts { passed: 45, failed: 4, ignored: 3 });
        assert_eq!(results.lines.len(), 3);
    }

    #[test]
    fn a_run_collects_what_was_reported_even_when_it_fails() {
        let line = "test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured";
        let mut results = Results::default();
        let script = format!("echo '{line}'; exit 101");
        let mut out = Vec::new();
        assert!(run_into(Command::new("sh").args(["-c", &script]), &mut results, &mut out).is_err());
        assert_eq!(results.counts.failed, 1);
        assert_eq!(String::from_utf8(out).unwrap().trim_end(), line, "the output goes through");
        let mut results = Results::default();
        run_into(Command::new("sh").args(["-c", "echo nothing"]), &mut results, &mut Vec::new()).unwrap();
        assert_eq!(results.counts, Counts::default());
    }
}
