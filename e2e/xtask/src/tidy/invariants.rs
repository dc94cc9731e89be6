//! Each of the architecture's invariants is written down once and names the test that holds it.

use eyre::Result;

use super::Finding;
use super::tree::Tree;

const FILE: &str = "docs/ARCHITECTURE.md";

/// How a paragraph that states an invariant is marked.
const MARK: &str = "**Architecture Invariant";

/// How many there are.
const COUNT: usize = 11;

const FIX: &str =
    "one paragraph per invariant, with the test that holds it as `path/to/file.rs::name_of_the_test`";

/// Rule `invariants`; that the named tests exist is what `mentions` checks.
pub(crate) fn check(tree: &Tree) -> Result<Vec<Finding>> {
    if !tree.files().iter().any(|file| file == FILE) {
        return Ok(vec![Finding::error(FILE, 0, "invariants", "the file is missing".into(), FIX)]);
    }
    let text = tree.text(FILE)?;
    let mut findings = Vec::new();
    let paragraphs = paragraphs(&text);
    for (line, paragraph) in &paragraphs {
        if !names_a_test(paragraph) {
            let what = "an invariant that names no test is a wish".to_owned();
            findings.push(Finding::error(FILE, *line, "invariants", what, FIX));
        }
    }
    if paragraphs.len() != COUNT {
        let what = format!("{} paragraphs say `{MARK}`, there are {COUNT} invariants", paragraphs.len());
        findings.push(Finding::error(FILE, 0, "invariants", what, FIX));
    }
    Ok(findings)
}

/// First lines (from 1) and texts of the paragraphs that state an invariant.
fn paragraphs(text: &str) -> Vec<(usize, String)> {
    let mut found: Vec<(usize, String)> = Vec::new();
    let mut inside = false;
    for (index, line) in text.lines().enumerate() {
        if line.contains(MARK) {
            found.push((index + 1, String::new()));
            inside = true;
        }
        inside = inside && !line.trim().is_empty();
        if inside && let Some((_, paragraph)) = found.last_mut() {
            paragraph.push_str(line);
            paragraph.push('\n');
        }
    }
    found
}

/// Whether the paragraph holds `path/to/file.rs::name` in back-ticks.
fn names_a_test(paragraph: &str) -> bool {
    paragraph.split('`').skip(1).step_by(2).any(|code| {
        code.split_once(".rs::").is_some_and(|(file, name)| file.contains('/') && !name.trim().is_empty())
    })
}

#[cfg(test)]
mod tests {
    use super::super::tree::planted;
    use super::*;

    fn what(paragraphs: &[&str]) -> Vec<String> {
        let text: String =
            paragraphs.iter().map(|text| format!("{MARK} 1: x.** {text}\n\nMore.\n\n")).collect();
        let (_dir, tree) = planted(&[(FILE, &text)]);
        check(&tree).unwrap().into_iter().map(|finding| finding.what).collect()
    }

    #[test]
    fn eleven_paragraphs_that_name_a_test_pass() {
        assert!(what(&["Held by\n`a/b.rs::holds`."; COUNT]).is_empty());
    }

    #[test]
    fn a_paragraph_without_a_test_or_a_missing_one_is_found() {
        let mut paragraphs = ["Held by `a/b.rs::holds`."; COUNT];
        paragraphs[3] = "Held by good will and `a/b.rs`.";
        assert_eq!(what(&paragraphs), ["an invariant that names no test is a wish"]);
        assert_eq!(what(&["`a/b.rs::holds`"; COUNT - 1]).len(), 1);
        assert_eq!(what(&[]).len(), 1);
    }
}
