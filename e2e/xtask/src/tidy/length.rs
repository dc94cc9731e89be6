//! Files short enough to be read in one go.

use eyre::Result;

use super::tree::Tree;
use super::{Finding, Weight};

/// Lines from which a file is too long, and from which it is about to be.
const TOO_LONG: usize = 450;
const LONG: usize = 400;

const FIX: &str = "split it along what changes together; a file has one subject";

/// Rule `length`.
pub(crate) fn check(tree: &Tree) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for file in tree.with_extension("rs").chain(tree.with_extension("sol")) {
        let lines = tree.text(file)?.lines().count();
        if lines >= LONG {
            let weight = if lines >= TOO_LONG { Weight::Error } else { Weight::Warning };
            let what = format!("{lines} lines, {TOO_LONG} is the bound");
            findings.push(Finding { weight, ..Finding::error(file, lines, "length", what, FIX) });
        }
    }
    Ok(findings)
}

#[cfg(test)]
mod tests {
    use super::super::tree::planted;
    use super::*;

    fn weight(path: &str, lines: usize) -> Option<Weight> {
        let (_dir, tree) = planted(&[(path, &"x\n".repeat(lines))]);
        check(&tree).unwrap().first().map(|finding| finding.weight)
    }

    #[test]
    fn length_warns_first_and_fails_then_in_both_languages() {
        for path in ["a/b.rs", "c.sol"] {
            assert_eq!(weight(path, 399), None);
            assert_eq!(weight(path, 400), Some(Weight::Warning));
            assert_eq!(weight(path, 449), Some(Weight::Warning));
            assert_eq!(weight(path, 450), Some(Weight::Error));
        }
        assert_eq!(weight("data.json", 5000), None);
    }
}
