//! Relative links in Markdown lead to a file, and links with an anchor to a heading of it.

use std::path::{Component, Path, PathBuf};

use eyre::Result;

use super::Finding;
use super::tree::Tree;

const FIX: &str = "correct the path; it is read relative to the file that holds the link";

/// Rule `links`.
pub(crate) fn check(tree: &Tree) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for file in tree.with_extension("md") {
        let text = tree.text(file)?;
        for (line, link) in links(&text) {
            if let Some(what) = broken(tree, file, &text, link)? {
                findings.push(Finding::error(file, line, "links", what, FIX));
            }
        }
    }
    Ok(findings)
}

/// Why a link leads nowhere, if it does.
fn broken(tree: &Tree, file: &str, text: &str, link: &str) -> Result<Option<String>> {
    let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
    let target = if path.is_empty() {
        file.to_owned()
    } else {
        let from = Path::new(file).parent().unwrap_or(Path::new(""));
        let Some(target) = resolved(&from.join(path)) else {
            return Ok(Some(format!("`{link}` leads out of the repository")));
        };
        if !tree.exists(&target) {
            return Ok(Some(format!("`{link}`: {} does not exist", target.display())));
        }
        target.to_string_lossy().into_owned()
    };
    if anchor.is_empty() || !target.ends_with(".md") {
        return Ok(None);
    }
    let found =
        if target == file { has_anchor(text, anchor) } else { has_anchor(&tree.text(&target)?, anchor) };
    Ok((!found).then(|| format!("`{link}`: {target} has no heading for #{anchor}")))
}

/// The path without `.` and `..`; nothing when it would leave the root.
fn resolved(path: &Path) -> Option<PathBuf> {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::Normal(name) => out.push(name),
            Component::CurDir => {}
            Component::ParentDir => {
                if !out.pop() {
                    return None;
                }
            }
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(out)
}

/// Whether a heading (or an explicit `<a id>`) of the text has this anchor, as the common renderers make them.
fn has_anchor(text: &str, anchor: &str) -> bool {
    prose(text).any(|(_, line)| {
        let heading = line.trim_start_matches('#');
        (heading.len() < line.len() && slug(heading) == anchor) || line.contains(&format!("id=\"{anchor}\""))
    })
}

fn slug(heading: &str) -> String {
    heading
        .trim()
        .to_lowercase()
        .chars()
        .filter_map(|c| match c {
            ' ' => Some('-'),
            c if c.is_alphanumeric() || c == '-' || c == '_' => Some(c),
            _ => None,
        })
        .collect()
}

/// Lines (from 1) outside code blocks.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut fence = false;
    text.lines().enumerate().filter_map(move |(index, line)| {
        if line.trim_start().starts_with("```") {
            fence = !fence;
            return None;
        }
        (!fence).then_some((index + 1, line))
    })
}

/// Relative targets of `[text](target)` with their lines; code and other schemes are left out.
fn links(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    for (number, line) in prose(text) {
        // Every second piece between back-ticks is code.
        let mut at = 0;
        let mut plain = Vec::new();
        for (index, piece) in line.split('`').enumerate() {
            if index % 2 == 0 {
                plain.push((at, at + piece.len()));
            }
            at += piece.len() + 1;
        }
        for (at, _) in line.match_indices("](") {
            if !plain.iter().any(|(from, to)| (*from..*to).contains(&at)) {
                continue;
            }
            let rest = line.get(at + 2..).unwrap_or_default();
            let Some(target) = rest.split(')').next() else { continue };
            let target = target.split_whitespace().next().unwrap_or_default().trim_matches(['<', '>']);
            if !target.is_empty() && !target.contains("://") && !target.starts_with("mailto:") {
                found.push((number, target));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::tree::planted;
    use super::*;

    fn what(text: &str) -> Vec<String> {
        let (_dir, tree) =
            planted(&[("docs/a.md", text), ("docs/b/c.md", "# The way back!\n"), ("x.rs", "")]);
        check(&tree).unwrap().into_iter().map(|finding| finding.what).collect()
    }

    #[test]
    fn links_that_lead_somewhere_pass() {
        assert!(
            what("[c](b/c.md) [x](../x.rs) [w](https://example.org/a) [h](b/c.md#the-way-back) [b](b)\n")
                .is_empty()
        );
        assert!(what("# Here\n[up](#here) `[no](nowhere.md)`\n```\n[no](nowhere.md)\n```\n").is_empty());
    }

    #[test]
    fn links_that_lead_nowhere_are_found() {
        for link in ["b/d.md", "../../x.rs", "b/c.md#another", "#nowhere", "/x.rs"] {
            assert_eq!(what(&format!("[a]({link})\n")).len(), 1, "{link}");
        }
    }
}
