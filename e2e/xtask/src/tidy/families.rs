//! A chain family is named in its own folders, in the configuration and where parts are wired together.
//! Anywhere else a name would be the first line of a special case.

use std::path::{Component, Path};

use eyre::Result;

use super::Finding;
use super::tree::Tree;

/// A family: the names of its folders and files, and the words that speak of it.
struct Family {
    folders: &'static [&'static str],
    words: &'static [&'static str],
}

const FAMILIES: [Family; 3] = [
    Family { folders: &["evm"], words: &["evm", "ethereum", "anvil", "geth", "reth"] },
    Family {
        folders: &["cosmos", "cosmwasm"],
        words: &["cosmos", "cosmwasm", "tendermint", "cometbft", "wasmd", "ibc"],
    },
    Family { folders: &["solana"], words: &["solana", "agave"] },
];

/// Where every family may be named: the list of what exists, and what is not part of the product.
const ALLOWED: [&str; 5] =
    ["orchestrator/src/wiring.rs", "orchestrator/src/config.rs", "orchestrator/src/config/", "e2e/", "docs/"];

const FIX: &str = "say it without the name (chain, family, node), or move the code to the family's folder";

/// Rule `family`.
pub(crate) fn check(tree: &Tree) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for file in tree.with_extension("rs").chain(tree.with_extension("sql")) {
        if ALLOWED.iter().any(|allowed| file.starts_with(allowed)) {
            continue;
        }
        let text = tree.text(file)?;
        for family in FAMILIES.iter().filter(|family| !belongs(file, family)) {
            let declares = text.lines().any(|line| declares_module(line, family));
            for (index, line) in text.lines().enumerate() {
                let line = if declares { without_module(line, family) } else { line.to_owned() };
                if let Some(word) = named(&line, family) {
                    let what = format!("`{word}` is named outside {}", family.folders.join(", "));
                    findings.push(Finding::error(file, index + 1, "family", what, FIX));
                }
            }
        }
    }
    Ok(findings)
}

/// Whether the path runs through a folder of the family, or is its single file.
fn belongs(file: &str, family: &Family) -> bool {
    let path = Path::new(file);
    path.with_extension("").components().any(|part| match part {
        Component::Normal(name) => family.folders.iter().any(|folder| name == *folder),
        _ => false,
    })
}

/// `pub mod evm;`: the line without which the family's folder would not be compiled.
fn declares_module(line: &str, family: &Family) -> bool {
    let line = line.trim().trim_start_matches("pub ").trim_start_matches("pub(crate) ");
    line.strip_prefix("mod ")
        .and_then(|name| name.strip_suffix(';'))
        .is_some_and(|name| family.folders.contains(&name))
}

/// The line without the declaration and without paths into the module: the file that declares a module may use it.
fn without_module(line: &str, family: &Family) -> String {
    if declares_module(line, family) {
        return String::new();
    }
    family.folders.iter().fold(line.to_owned(), |line, folder| {
        let path = format!("{folder}::");
        let mut parts = line.split(path.as_str());
        let mut kept = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            // `portcullis_evm::` is the path of another crate, not of this file's module.
            if kept.ends_with(|c: char| c.is_alphanumeric() || c == '_') {
                kept.push_str(&path);
            }
            kept.push_str(part);
        }
        kept
    })
}

/// The first word of the line that names the family; `EvmNode`, `evm_node` and `evm` all do.
/// A whole chain id after CAIP-2, such as `cosmos:cosmoshub-4`, is an example of an id and speaks of no family.
fn named<'a>(line: &'a str, family: &Family) -> Option<&'a str> {
    let mut at = 0;
    for part in line.split(|c: char| !c.is_alphanumeric()) {
        at += part.len();
        let mut after = line.get(at..).unwrap_or_default().chars();
        let chain_id = after.next() == Some(':') && after.next().is_some_and(char::is_alphanumeric);
        at += line.get(at..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8);
        if chain_id {
            continue;
        }
        let word =
            humps(part).into_iter().find(|word| family.words.contains(&word.to_ascii_lowercase().as_str()));
        if word.is_some() {
            return word;
        }
    }
    None
}

/// Splits a word where a lower-case letter is followed by an upper-case one, and before the last capital of a run.
fn humps(word: &str) -> Vec<&str> {
    let chars: Vec<(usize, char)> = word.char_indices().collect();
    let mut cuts = vec![0];
    for window in chars.windows(2) {
        if let [(_, a), (at, b)] = window
            && a.is_lowercase()
            && b.is_uppercase()
        {
            cuts.push(*at);
        }
    }
    for window in chars.windows(3) {
        if let [(_, a), (at, b), (_, c)] = window
            && a.is_uppercase()
            && b.is_uppercase()
            && c.is_lowercase()
        {
            cuts.push(*at);
        }
    }
    cuts.sort_unstable();
    cuts.push(word.len());
    cuts.windows(2)
        .filter_map(|cut| match cut {
            [from, to] => word.get(*from..*to).filter(|part| !part.is_empty()),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::tree::planted;
    use super::*;

    fn lines(files: &[(&str, &str)]) -> Vec<String> {
        let (_dir, tree) = planted(files);
        check(&tree).unwrap().iter().map(|f| format!("{}:{}", f.path, f.line)).collect()
    }

    #[test]
    fn a_name_is_found_in_code_comment_and_compound_words() {
        let text = "fn a() {}\n// as Ethereum does\nstruct EvmNode;\nuse portcullis_solana::X;\nlet x = \"cometbft\";\n";
        assert_eq!(lines(&[("orchestrator/core/src/a.rs", text)]).len(), 4);
        assert_eq!(lines(&[("migrations/0001_a.sql", "-- evm\n")]), ["migrations/0001_a.sql:1"]);
    }

    #[test]
    fn a_name_is_allowed_at_home_in_configuration_in_wiring_and_in_tests_of_the_whole() {
        let text = "use portcullis_evm::Evm;\n";
        for file in [
            "adapters/evm/src/lib.rs",
            "verifier/src/evm/mod.rs",
            "verifier/src/evm.rs",
            "contracts/evm/x.rs",
            "orchestrator/src/wiring.rs",
            "orchestrator/src/config/chain.rs",
            "e2e/src/lib.rs",
        ] {
            assert!(lines(&[(file, text)]).is_empty(), "{file}");
        }
        assert!(lines(&[("verifier/src/lib.rs", "pub mod evm;\nlet x = evm::System;\n")]).is_empty());
    }

    #[test]
    fn a_path_is_allowed_only_where_its_module_is_declared() {
        assert_eq!(lines(&[("verifier/src/a.rs", "let x = crate::evm::System;\n")]).len(), 1);
        assert_eq!(lines(&[("verifier/src/lib.rs", "mod evm;\nuse portcullis_evm::X;\n")]).len(), 1);
    }

    #[test]
    fn one_family_is_a_stranger_in_the_folder_of_another() {
        assert_eq!(lines(&[("adapters/evm/src/lib.rs", "// like Solana\n")]).len(), 1);
        assert_eq!(lines(&[("verifier/src/lib.rs", "pub mod evm; // Ethereum\n")]).len(), 1);
    }

    #[test]
    fn a_whole_chain_id_is_an_example_and_a_bare_prefix_is_a_special_case() {
        assert!(
            lines(&[("verifier/src/a.rs", "// such as `cosmos:cosmoshub-4` or solana:5eykt4\n")]).is_empty()
        );
        let text = "id.starts_with(\"cosmos:\");\nsolana::run();\nlet evm: u8 = 1;\n";
        assert_eq!(lines(&[("verifier/src/a.rs", text)]).len(), 3);
    }

    #[test]
    fn words_that_only_contain_a_name_are_left_alone() {
        assert!(
            lines(&[("verifier/src/a.rs", "let evmost = cosmossdk; // devm, Solanaceae, microcosmos\n")])
                .is_empty()
        );
    }
}
