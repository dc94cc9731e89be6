//! No path of one developer's machine in what everybody gets.

use eyre::Result;

use super::Finding;
use super::tree::Tree;

/// Folders under which people's own files are; put together here so that this file does not hold them.
const PLACES: [&str; 5] = [
    concat!("/wo", "rk/"),
    concat!("/ro", "ot/"),
    concat!("/ho", "me/"),
    concat!("/Us", "ers/"),
    concat!("C:", "\\"),
];

const FIX: &str = "use a path relative to the checkout, or a variable that names the place";

/// Rule `places`.
pub(crate) fn check(tree: &Tree) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for file in tree.files() {
        for (index, line) in tree.text(file)?.lines().enumerate() {
            for place in PLACES.iter().filter(|place| holds(line, place)) {
                let what = format!("`{place}…` is a place on one machine");
                findings.push(Finding::error(file, index + 1, "places", what, FIX));
            }
        }
    }
    Ok(findings)
}

/// Whether the path starts here; `src/home/x` and `https://a.org/home/` are other things.
fn holds(line: &str, place: &str) -> bool {
    line.match_indices(place).any(|(at, _)| {
        let before = line.get(..at).and_then(|before| before.chars().next_back());
        before.is_none_or(|c| !(c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '}' | ')')))
    })
}

#[cfg(test)]
mod tests {
    use super::super::tree::planted;
    use super::*;

    #[test]
    fn a_path_of_one_machine_is_found_with_its_line() {
        for place in PLACES {
            let text = format!("a\ncd \"{place}x\"\n");
            let (_dir, tree) = planted(&[("a.sh", &text)]);
            let found = check(&tree).unwrap();
            assert_eq!(found.len(), 1, "{place}");
            assert_eq!(found[0].line, 2);
        }
    }

    #[test]
    fn other_paths_are_left_alone() {
        let text =
            "./work/a, src/home/b, https://example.org/home/c, $HOME/.cache, /var/lib, root:/root:/bin\n";
        let (_dir, tree) = planted(&[("a.md", text)]);
        assert!(check(&tree).unwrap().is_empty());
    }
}
