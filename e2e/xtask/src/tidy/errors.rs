//! Error codes and their pages belong together; decision records and their index too.

use std::collections::{BTreeMap, BTreeSet};

use eyre::Result;

use super::Finding;
use super::tree::Tree;

/// Where the pages are.
const PAGES: &str = "docs/errors/";
const RECORDS: &str = "docs/adr/";

/// Tests of the rules themselves speak of codes that do not exist.
const OWN: &str = "e2e/xtask/";

/// Rules `errors` and `adr`.
pub(crate) fn check(tree: &Tree) -> Result<Vec<Finding>> {
    let mut findings = codes(tree)?;
    findings.extend(records(tree)?);
    Ok(findings)
}

fn codes(tree: &Tree) -> Result<Vec<Finding>> {
    let mut used: BTreeMap<String, (String, usize)> = BTreeMap::new();
    for file in tree.with_extension("rs").filter(|file| !file.starts_with(OWN)) {
        for (index, line) in tree.text(file)?.lines().enumerate() {
            for code in codes_in(line) {
                used.entry(code.to_owned()).or_insert((file.to_owned(), index + 1));
            }
        }
    }
    let pages: BTreeSet<&str> = tree
        .with_extension("md")
        .filter_map(|file| file.strip_prefix(PAGES)?.strip_suffix(".md"))
        .filter(|page| codes_in(page).next() == Some(page))
        .collect();
    let mut findings = Vec::new();
    for (code, (file, line)) in &used {
        if !pages.contains(code.as_str()) {
            let what = format!("{code} has no page {PAGES}{code}.md");
            findings.push(Finding::error(
                file,
                *line,
                "errors",
                what,
                "write it: what happened, why, what to do",
            ));
        }
    }
    for page in pages.iter().filter(|page| !used.contains_key(**page)) {
        let what = format!("{page} is used nowhere in the source");
        let path = format!("{PAGES}{page}.md");
        findings.push(Finding::error(
            &path,
            0,
            "errors",
            what,
            "remove the page, or use the code where it belongs",
        ));
    }
    Ok(findings)
}

/// Words of the form `PC-0000` in a line.
fn codes_in(line: &str) -> impl Iterator<Item = &str> {
    line.match_indices("PC-").filter_map(|(at, _)| {
        let before = line.get(..at)?.chars().next_back();
        let code = line.get(at..at + 7)?;
        let after = line.get(at + 7..)?.chars().next();
        let digits = code.chars().skip(3).all(|c| c.is_ascii_digit());
        let alone = |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric());
        (digits && alone(before) && alone(after)).then_some(code)
    })
}

fn records(tree: &Tree) -> Result<Vec<Finding>> {
    let index_path = format!("{RECORDS}README.md");
    let index = if tree.files().contains(&index_path) { tree.text(&index_path)? } else { String::new() };
    let mut findings = Vec::new();
    for file in tree.with_extension("md") {
        let Some(name) = file.strip_prefix(RECORDS) else { continue };
        if name != "README.md"
            && !index.contains(&format!("({name})"))
            && !index.contains(&format!("(./{name})"))
        {
            let what = format!("{name} is not linked from {index_path}");
            findings.push(Finding::error(file, 0, "adr", what, "add a line with its title to the index"));
        }
    }
    Ok(findings)
}

#[cfg(test)]
mod tests {
    use super::super::tree::planted;
    use super::*;

    fn what(files: &[(&str, &str)]) -> Vec<String> {
        let (_dir, tree) = planted(files);
        check(&tree).unwrap().into_iter().map(|finding| finding.what).collect()
    }

    #[test]
    fn a_code_with_its_page_passes_and_either_one_alone_does_not() {
        let source = ("orchestrator/src/a.rs", "code = \"PC-0012\"");
        let page = ("docs/errors/PC-0012.md", "# PC-0012\n");
        assert!(what(&[source, page]).is_empty());
        assert_eq!(what(&[source]), ["PC-0012 has no page docs/errors/PC-0012.md"]);
        assert_eq!(what(&[page]), ["PC-0012 is used nowhere in the source"]);
    }

    #[test]
    fn only_whole_codes_count() {
        assert_eq!(codes_in("PC-0001, (PC-0002) XPC-0003 PC-00045 PC-12 `PC-0006`").count(), 3);
    }

    #[test]
    fn a_record_that_the_index_forgets_is_found() {
        let record = ("docs/adr/0001-x.md", "# x\n");
        assert!(what(&[record, ("docs/adr/README.md", "- [x](0001-x.md)\n")]).is_empty());
        assert_eq!(what(&[record, ("docs/adr/README.md", "- 0001-x\n")]).len(), 1);
        assert_eq!(what(&[record]).len(), 1);
    }
}
