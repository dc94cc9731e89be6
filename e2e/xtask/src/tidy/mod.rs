//! Rules of the repository that no compiler checks, read from the tree. They also run as a test of this crate.

mod crates;
mod errors;
mod families;
mod guides;
mod ignored;
mod invariants;
mod length;
mod links;
mod lockfile;
mod mentions;
mod places;
mod pure;
mod source;
pub(crate) mod tree;

use std::fmt;

use eyre::{Result, bail};

use crate::paths::Paths;
use tree::Tree;

pub(crate) const HELP: &str = "\
Check the rules of the repository that no compiler checks.

Usage: cargo xtask tidy

  family     a chain family is named in its own folders, the configuration and the wiring, nowhere else
  pure       the pure crates import no clock, network, file, environment, randomness or hash map
  crates     crates depend on each other only as docs/ARCHITECTURE.md draws it
  lockfile   no banned crate or version in Cargo.lock
  length     .rs and .sol files stay under 450 lines (a warning from 400)
  errors     every error code has its page in docs/errors, and every page its code
  adr        every decision record is linked from docs/adr/README.md
  links      relative links in Markdown lead somewhere
  mentions   files and `file.rs::name` that the documentation names exist
  invariants docs/ARCHITECTURE.md states every invariant and names the test that holds it
  guides     docs/THREAT-MODEL.md names a test for every answer, docs/runbook.md has every cause of an alarm
  places     no path of one developer's machine in a tracked file
  ignored    no test is switched off

Each finding gives file and line, the rule, and what to do about it.

Example:
  cargo xtask tidy";

/// Whether a finding fails the check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Weight {
    /// Printed only.
    Warning,
    /// Fails the check.
    Error,
}

/// One broken rule at one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    /// Relative to the root of the checkout.
    pub(crate) path: String,
    /// From 1; 0 when the whole file is meant.
    pub(crate) line: usize,
    /// Name of the rule, as in the help text.
    pub(crate) rule: &'static str,
    /// What is wrong.
    pub(crate) what: String,
    /// What to do about it.
    pub(crate) fix: &'static str,
    /// Whether it fails the check.
    pub(crate) weight: Weight,
}

impl Finding {
    fn error(path: &str, line: usize, rule: &'static str, what: String, fix: &'static str) -> Self {
        Self { path: path.to_owned(), line, rule, what, fix, weight: Weight::Error }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let weight = match self.weight {
            Weight::Warning => "warning",
            Weight::Error => "error",
        };
        write!(
            f,
            "{}:{}: {weight} [{}] {}\n    fix: {}",
            self.path, self.line, self.rule, self.what, self.fix
        )
    }
}

/// A rule reads the tree and returns what breaks it.
type Rule = fn(&Tree) -> Result<Vec<Finding>>;

/// All rules, in the order of the help text.
const RULES: [Rule; 12] = [
    families::check,
    pure::check,
    crates::check,
    lockfile::check,
    length::check,
    errors::check,
    links::check,
    mentions::check,
    invariants::check,
    guides::check,
    places::check,
    ignored::check,
];

/// Applies every rule to a tree.
///
/// # Errors
/// When a file of the tree cannot be read.
pub(crate) fn findings(tree: &Tree) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for rule in RULES {
        findings.extend(rule(tree)?);
    }
    Ok(findings)
}

/// The command `tidy`.
///
/// # Errors
/// When a rule is broken, or the tree cannot be read.
pub(crate) fn command(paths: &Paths) -> Result<()> {
    let tree = Tree::read(&paths.root)?;
    let findings = findings(&tree)?;
    for finding in &findings {
        println!("{finding}");
    }
    let errors = findings.iter().filter(|finding| finding.weight == Weight::Error).count();
    let warnings = findings.len() - errors;
    println!("{} files read, {errors} errors, {warnings} warnings", tree.files().len());
    if errors > 0 {
        bail!("the tree is not tidy: {errors} errors");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tree_is_tidy() {
        let tree = Tree::read(&Paths::discover().unwrap().root).unwrap();
        assert!(tree.files().len() > 20, "the tree was not found");
        let errors: Vec<String> = findings(&tree)
            .unwrap()
            .iter()
            .filter(|finding| finding.weight == Weight::Error)
            .map(ToString::to_string)
            .collect();
        assert!(errors.is_empty(), "\n{}", errors.join("\n"));
    }

    #[test]
    fn a_finding_prints_place_rule_and_fix() {
        let finding = Finding::error("a/b.rs", 7, "length", "too long".into(), "split it");
        assert_eq!(finding.to_string(), "a/b.rs:7: error [length] too long\n    fix: split it");
    }
}
