//! The pure crates take time, chance and data as inputs. What could bring them in by itself is not imported.

use eyre::Result;

use super::Finding;
use super::source;
use super::tree::Tree;

/// Source folders of the pure crates.
const CRATES: [&str; 2] = ["verifier/src/", "orchestrator/core/src/"];

/// Names that are not used at all.
const NAMES: [&str; 9] =
    ["tokio", "sqlx", "reqwest", "rand", "getrandom", "SystemTime", "Instant", "HashMap", "HashSet"];

/// Modules of `std` that reach outside the process.
const STD: [&str; 6] = ["net", "fs", "env", "process", "thread", "os"];

const FIX: &str = "take it as a field of the input (time, chance, data), use BTreeMap or BTreeSet, \
                   or do it in the service and hand the result over";

/// Rule `pure`.
pub(crate) fn check(tree: &Tree) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    let files: Vec<&str> = tree
        .with_extension("rs")
        .filter(|file| CRATES.iter().any(|crate_| file.starts_with(crate_)))
        .collect();
    let mut sources = Vec::new();
    let mut test_files = Vec::new();
    for file in files {
        let code = source::code_only(&tree.text(file)?);
        test_files.extend(source::test_modules(&code).iter().flat_map(|name| module_files(file, name)));
        sources.push((file, code));
    }
    for (file, code) in &sources {
        // A test module may have modules of its own below it.
        let in_tests = test_files.iter().any(|test| *file == test || file.starts_with(&folder_of(test)));
        if in_tests || code.contains("#![cfg(test)]") {
            continue;
        }
        let code = source::without_tests(code);
        for (line, name) in forbidden(&code) {
            let what = format!("`{name}` in a pure crate");
            findings.push(Finding::error(file, line, "pure", what, FIX));
        }
    }
    Ok(findings)
}

/// Files that `mod name;` in `file` may mean.
fn module_files(file: &str, name: &str) -> [String; 2] {
    let (dir, last) = file.rsplit_once('/').unwrap_or(("", file));
    let stem = last.trim_end_matches(".rs");
    let base = if matches!(stem, "lib" | "main" | "mod") { dir.to_owned() } else { format!("{dir}/{stem}") };
    [format!("{base}/{name}.rs"), format!("{base}/{name}/mod.rs")]
}

/// The folder that holds the children of a module file.
fn folder_of(file: &str) -> String {
    match file.strip_suffix("/mod.rs") {
        Some(dir) => format!("{dir}/"),
        None => format!("{}/", file.trim_end_matches(".rs")),
    }
}

/// Lines (from 1) and names that are forbidden, in code without comments, literals and tests.
fn forbidden(code: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    // Braces of `use std::{…}` may run over lines: depth counts from the opening one, 0 outside.
    let mut depth = 0usize;
    for (index, line) in code.lines().enumerate() {
        for (before, word) in source::identifiers(line) {
            let direct = before.trim_end().ends_with("std::");
            let grouped = depth_at(before, depth) == 1 && starts_path(before);
            if NAMES.contains(&word) || (STD.contains(&word) && (direct || grouped)) {
                found.push((
                    index + 1,
                    if direct || grouped { format!("std::{word}") } else { word.to_owned() },
                ));
            }
        }
        depth = depth_at(line, depth);
    }
    found
}

/// How deep in the braces of `std::{` the end of `text` lies, given how deep its start is.
fn depth_at(text: &str, start: usize) -> usize {
    let mut depth = start;
    for (at, c) in text.char_indices() {
        match c {
            '{' if depth > 0 || text.get(..at).is_some_and(|before| before.ends_with("std::")) => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    depth
}

/// Whether a word after this text begins a path and is not a part of one (`fmt::env` is not `env`).
fn starts_path(before: &str) -> bool {
    before.trim_end().is_empty() || before.trim_end().ends_with(['{', ','])
}

#[cfg(test)]
mod tests {
    use super::super::tree::planted;
    use super::*;

    fn lines(files: &[(&str, &str)]) -> Vec<String> {
        let (_dir, tree) = planted(files);
        check(&tree).unwrap().iter().map(|f| format!("{}:{} {}", f.path, f.line, f.what)).collect()
    }

    #[test]
    fn each_forbidden_import_is_found_however_it_is_written() {
        for import in [
            "use tokio::sync::Mutex;",
            "use std::time::{Duration, Instant};",
            "let now = std::time::SystemTime::now();",
            "use std::fs;",
            "use std::{collections::BTreeMap, env, fmt};",
            "use std::{\n    fmt,\n    net::IpAddr,\n};",
            "use std::collections::{BTreeMap, HashMap};",
            "let x: u8 = rand::random();",
        ] {
            let text = format!("//! x\n{import}\n");
            assert_eq!(lines(&[("verifier/src/a.rs", &text)]).len(), 1, "{import}");
            assert_eq!(lines(&[("orchestrator/core/src/b/c.rs", &text)]).len(), 1, "{import}");
            assert!(lines(&[("orchestrator/src/store.rs", &text)]).is_empty(), "{import}");
        }
    }

    #[test]
    fn comments_strings_tests_and_look_alikes_are_left_alone() {
        let text = "// no tokio here, no HashMap\nlet s = \"std::fs\";\nuse std::{fmt::{self, Display}, time::Duration};\n\
                    let env = env!(\"CARGO_PKG_VERSION\"); let net = 1; randomize();\n\
                    #[cfg(test)]\nmod tests {\n    use std::collections::HashSet;\n}\n";
        assert!(
            lines(&[("verifier/src/a.rs", text)]).is_empty(),
            "{:?}",
            lines(&[("verifier/src/a.rs", text)])
        );
    }

    #[test]
    fn a_test_module_in_its_own_file_is_left_alone_and_its_neighbour_is_not() {
        let files = [
            ("verifier/src/lib.rs", "mod a;\n#[cfg(test)]\nmod b;\n"),
            ("verifier/src/a.rs", "#[cfg(test)]\nmod c;\nuse std::fs;\n"),
            ("verifier/src/b.rs", "use std::fs;\n"),
            ("verifier/src/b/d.rs", "use std::fs;\n"),
            ("verifier/src/a/c.rs", "use std::fs;\n"),
        ];
        assert_eq!(lines(&files), ["verifier/src/a.rs:3 `std::fs` in a pure crate"]);
    }
}
