//! Files that the documentation names in back-ticks exist, and so does the test or function behind `file.rs::name`
//! or `file.sol::name`.

use std::collections::BTreeSet;
use std::path::Path;

use eyre::Result;

use super::Finding;
use super::tree::Tree;

/// Texts that describe the tree as it is. Decision records tell what was true when they were written.
const TEXTS: [&str; 3] = ["docs/", "README.md", "CONTRIBUTING.md"];
const RECORDS: &str = "docs/adr/";

const FIX: &str = "name the file (or `file.rs::name`) as it is called now, or take the sentence out";

/// Rule `mentions`.
pub(crate) fn check(tree: &Tree) -> Result<Vec<Finding>> {
    // Only what starts with a folder of this repository is taken for a path in it.
    let folders: BTreeSet<&str> =
        tree.files().iter().filter_map(|file| file.split_once('/').map(|(folder, _)| folder)).collect();
    let mut findings = Vec::new();
    for file in tree.with_extension("md") {
        if !TEXTS.iter().any(|text| file.starts_with(text)) || file.starts_with(RECORDS) {
            continue;
        }
        let text = tree.text(file)?;
        let mut fence = false;
        for (index, line) in text.lines().enumerate() {
            if line.trim_start().starts_with("```") {
                fence = !fence;
            }
            // Every second piece between back-ticks is code.
            for mention in line.split('`').skip(1).step_by(2).filter(|_| !fence) {
                if let Some(what) = broken(tree, &folders, mention)? {
                    findings.push(Finding::error(file, index + 1, "mentions", what, FIX));
                }
            }
        }
    }
    Ok(findings)
}

/// Why a piece of code in a text names nothing, if it is the name of a file.
fn broken(tree: &Tree, folders: &BTreeSet<&str>, mention: &str) -> Result<Option<String>> {
    let (path, item) = mention.split_once("::").unwrap_or((mention, ""));
    let path = path.trim_end_matches(['/', '*']);
    let Some((folder, _)) = path.split_once('/') else { return Ok(None) };
    let plain = path.chars().all(|c| c.is_alphanumeric() || matches!(c, '/' | '.' | '_' | '-'));
    if !plain || !folders.contains(folder) {
        return Ok(None);
    }
    if !tree.exists(Path::new(path)) {
        return Ok(Some(format!("`{path}` does not exist")));
    }
    let item = item.rsplit("::").next().unwrap_or_default();
    let word = item.chars().all(|c| c.is_alphanumeric() || c == '_');
    let source = path.ends_with(".rs") || path.ends_with(".sol");
    if item.is_empty() || !word || !source {
        return Ok(None);
    }
    let text = tree.text(path)?;
    let kinds = ["fn", "struct", "enum", "trait", "mod", "const", "type", "function", "contract"];
    let declared = kinds.iter().any(|keyword| {
        text.match_indices(&format!("{keyword} {item}")).any(|(at, found)| ends(&text, at, found))
    });
    Ok((!declared).then(|| format!("`{path}` has no `{item}`")))
}

/// Whether the word that was found ends there: `fn run` is not found in `fn runs`.
fn ends(text: &str, at: usize, found: &str) -> bool {
    let next = text.get(at + found.len()..).and_then(|rest| rest.chars().next());
    next.is_none_or(|c| !(c.is_alphanumeric() || c == '_'))
}

#[cfg(test)]
mod tests {
    use super::super::tree::planted;
    use super::*;

    fn what(file: &str, text: &str) -> Vec<String> {
        let (_dir, tree) = planted(&[
            (file, text),
            ("core/src/a.rs", "fn holds_up() {}\n"),
            ("core/a.sol", "function up() {"),
            ("migrations/0001.sql", ""),
        ]);
        check(&tree).unwrap().into_iter().map(|finding| finding.what).collect()
    }

    #[test]
    fn what_exists_may_be_named_and_other_code_is_not_taken_for_a_path() {
        let text = "`core/src/a.rs` `core/src` `core/src/a.rs::holds_up` `core/a.sol::up` `migrations/*.sql` `and/or` `tokio::spawn`\n\
                    `adapters/<family>/x.rs`\n```\ncore/gone.rs `core/gone.rs`\n```\n";
        assert!(what("README.md", text).is_empty(), "{:?}", what("README.md", text));
        assert!(what("docs/adr/0001.md", "`core/gone.rs`\n").is_empty());
    }

    #[test]
    fn a_file_or_a_test_that_is_gone_is_found() {
        assert_eq!(what("docs/a.md", "see `core/src/gone.rs`\n"), ["`core/src/gone.rs` does not exist"]);
        assert_eq!(what("docs/a.md", "see `core/src/a.rs::holds`\n"), ["`core/src/a.rs` has no `holds`"]);
        assert_eq!(what("docs/a.md", "see `core/a.sol::u`\n"), ["`core/a.sol` has no `u`"]);
        assert_eq!(
            what("README.md", "see `core/src/a.rs::tests::falls`\n"),
            ["`core/src/a.rs` has no `falls`"]
        );
    }
}
