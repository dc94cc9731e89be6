//! A test that is switched off protects nothing and looks as if it did.

use eyre::Result;

use super::Finding;
use super::source;
use super::tree::Tree;

const FIX: &str = "make it run, or remove it; what needs a tool gets it from `cargo xtask setup`";

/// Rule `ignored`.
pub(crate) fn check(tree: &Tree) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for file in tree.with_extension("rs") {
        let code = source::code_only(&tree.text(file)?);
        for (index, line) in code.lines().enumerate() {
            let line = line.replace(' ', "");
            if line.contains("#[ignore]") || line.contains("#[ignore=") || line.contains(",ignore)]") {
                findings.push(Finding::error(file, index + 1, "ignored", "a test is ignored".into(), FIX));
            }
        }
    }
    Ok(findings)
}

#[cfg(test)]
mod tests {
    use super::super::tree::planted;
    use super::*;

    #[test]
    fn an_ignored_test_is_found_and_talk_about_one_is_not() {
        let text = "#[test]\n#[ignore = \"slow\"]\nfn a() {}\n// #[ignore]\nlet s = \"#[ignore]\";\n#[test]\n#[ignore]\nfn b() {}\n";
        let (_dir, tree) = planted(&[("a.rs", text)]);
        let lines: Vec<usize> = check(&tree).unwrap().iter().map(|finding| finding.line).collect();
        assert_eq!(lines, [2, 7]);
    }
}
