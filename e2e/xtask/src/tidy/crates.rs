//! Which crate may depend on which: verifier ← adapters/api ← adapters/<family> ← orchestrator ← e2e, and
//! verifier ← orchestrator/core ← orchestrator. Read from the manifests.

use std::collections::BTreeMap;

use eyre::Result;

use super::Finding;
use super::tree::Tree;

/// External crates that would make a pure crate impure.
const IMPURE: [&str; 8] = ["tokio", "sqlx", "reqwest", "rand", "getrandom", "hyper", "axum", "tracing"];

const FIX: &str = "depend on the layer below only; vocabulary that both need belongs to verifier";

/// Place of a crate in the order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layer {
    Verifier,
    Api,
    Rpc,
    Family,
    Replay,
    Core,
    Release,
    Service,
    Whole,
    Tool,
}

impl Layer {
    fn of(folder: &str) -> Option<Self> {
        Some(match folder {
            "verifier" => Self::Verifier,
            "adapters/api" => Self::Api,
            "adapters/rpc" => Self::Rpc,
            "adapters/replay" => Self::Replay,
            "orchestrator/core" => Self::Core,
            "orchestrator/release" => Self::Release,
            "orchestrator" => Self::Service,
            "e2e" | "e2e/fuzz" => Self::Whole,
            "e2e/xtask" => Self::Tool,
            other => match other.strip_prefix("adapters/") {
                Some(family) if !family.contains('/') => Self::Family,
                _ => return None,
            },
        })
    }

    fn may_use(self, other: Self) -> bool {
        use Layer::{Api, Core, Family, Release, Replay, Rpc, Service, Tool, Verifier, Whole};
        match self {
            Verifier | Tool => false,
            Api | Core => matches!(other, Verifier),
            Rpc => matches!(other, Verifier | Api),
            Family => matches!(other, Verifier | Api | Rpc),
            Replay => matches!(other, Verifier | Api | Core),
            // Release has other keys and other people: it shares nothing with the service but the layers below.
            Release => matches!(other, Verifier | Api | Rpc | Family),
            Service => matches!(other, Verifier | Api | Rpc | Family | Replay | Core),
            Whole => !matches!(other, Tool | Whole | Release),
        }
    }
}

/// A dependency as a manifest declares it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Dependency {
    name: String,
    line: usize,
    for_tests: bool,
}

/// Rule `crates`.
pub(crate) fn check(tree: &Tree) -> Result<Vec<Finding>> {
    let mut manifests = BTreeMap::new();
    for file in tree.with_extension("toml") {
        let Some(folder) = file.strip_suffix("/Cargo.toml") else { continue };
        // Contracts are workspaces of their own, for other machines; nothing here is built with them.
        if folder.starts_with("contracts/") {
            continue;
        }
        let text = tree.text(file)?;
        if let Some(name) = package_name(&text) {
            manifests.insert(name, (file, folder, text));
        }
    }
    let mut findings = Vec::new();
    for (file, folder, text) in manifests.values() {
        let Some(layer) = Layer::of(folder) else {
            let what = format!("{folder} has no place in the order of the crates");
            findings.push(Finding::error(
                file,
                0,
                "crates",
                what,
                "give it one in e2e/xtask/src/tidy/crates.rs",
            ));
            continue;
        };
        for dependency in dependencies(text) {
            if let Some(what) = objection(layer, folder, &dependency, &manifests) {
                findings.push(Finding::error(file, dependency.line, "crates", what, FIX));
            }
        }
    }
    Ok(findings)
}

type Manifests<'a> = BTreeMap<String, (&'a str, &'a str, String)>;

fn objection(
    layer: Layer,
    folder: &str,
    dependency: &Dependency,
    manifests: &Manifests<'_>,
) -> Option<String> {
    let name = &dependency.name;
    if let Some((_, other, _)) = manifests.get(name) {
        // Tests may use the simulated chain, and their own crate again with more of its features.
        let for_tests = dependency.for_tests && (*other == "adapters/replay" || *other == folder);
        let allowed = for_tests || Layer::of(other).is_some_and(|other| layer.may_use(other));
        return (!allowed).then(|| format!("{folder} may not depend on {other}"));
    }
    let pure = matches!(layer, Layer::Verifier | Layer::Core);
    let impure = pure && !dependency.for_tests && IMPURE.contains(&name.as_str());
    impure.then(|| format!("{folder} is pure and may not depend on {name}"))
}

/// `name` of the `[package]` table.
fn package_name(manifest: &str) -> Option<String> {
    let (_, package) = manifest.split_once("[package]")?;
    let line = package.lines().find(|line| line.trim_start().starts_with("name"))?;
    Some(line.split_once('=')?.1.trim().trim_matches('"').to_owned())
}

/// What a manifest depends on, whatever the table is called and however the entry is written.
fn dependencies(manifest: &str) -> Vec<Dependency> {
    let mut found = Vec::new();
    let (mut in_table, mut for_tests) = (false, false);
    let mut open = 0usize;
    for (index, line) in manifest.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default().trim();
        if open == 0 && line.starts_with('[') {
            let table = line.trim_matches(['[', ']']);
            for_tests = table.contains("dev-dependencies");
            in_table = table.ends_with("dependencies");
            if let Some((_, name)) = table.rsplit_once("dependencies.") {
                found.push(Dependency {
                    name: name.trim_matches('"').to_owned(),
                    line: index + 1,
                    for_tests,
                });
            }
            continue;
        }
        if in_table
            && open == 0
            && let Some((key, value)) = line.split_once('=')
        {
            let renamed = value.split_once("package").and_then(|(_, rest)| rest.split('"').nth(1));
            let key = key.split('.').next().unwrap_or_default().trim().trim_matches('"');
            found.push(Dependency { name: renamed.unwrap_or(key).to_owned(), line: index + 1, for_tests });
        }
        open += line.matches(['[', '{']).count();
        open = open.saturating_sub(line.matches([']', '}']).count());
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::tree::planted;
    use super::*;

    fn manifest(name: &str, dependencies: &str) -> String {
        format!("[package]\nname = \"{name}\"\n\n{dependencies}\n")
    }

    fn what(folder: &str, dependencies: &str) -> Vec<String> {
        let mut files: BTreeMap<String, String> = [
            ("verifier", "portcullis-verifier"),
            ("adapters/api", "portcullis-adapter"),
            ("adapters/x", "portcullis-x"),
            ("adapters/replay", "portcullis-replay"),
            ("orchestrator", "portcullis"),
            ("orchestrator/core", "portcullis-core"),
            ("orchestrator/release", "portcullis-release"),
        ]
        .iter()
        .map(|(folder, name)| (format!("{folder}/Cargo.toml"), manifest(name, "")))
        .collect();
        let path = format!("{folder}/Cargo.toml");
        let name = files.get(&path).and_then(|text| package_name(text)).unwrap_or("other".into());
        files.insert(path, manifest(&name, dependencies));
        let files: Vec<(&str, &str)> = files.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
        let (_dir, tree) = planted(&files);
        check(&tree).unwrap().into_iter().map(|finding| finding.what).collect()
    }

    #[test]
    fn the_drawn_order_is_accepted() {
        assert!(
            what("adapters/x", "[dependencies]\nportcullis-adapter.workspace = true\ntokio = \"1\"")
                .is_empty()
        );
        assert!(what("orchestrator", "[dependencies]\nportcullis-x.workspace = true").is_empty());
        assert!(what("adapters/api", "[dev-dependencies]\nportcullis-adapter = { path = \".\" }").is_empty());
        assert!(what("verifier", "[dev-dependencies]\ntokio.workspace = true").is_empty());
        assert!(what("adapters/replay", "[dependencies]\nportcullis-core = { path = \"x\" }").is_empty());
    }

    #[test]
    fn a_dependency_against_the_order_is_found_in_every_spelling() {
        for text in [
            "[dependencies]\nportcullis.workspace = true",
            "[dependencies]\nportcullis = { path = \"../..\" }",
            "[dependencies.portcullis]\npath = \"../..\"",
            "[target.'cfg(unix)'.dependencies]\nportcullis = { path = \"../..\" }",
            "[dev-dependencies]\nx = { path = \"../..\", package = \"portcullis\" }",
        ] {
            assert_eq!(what("adapters/x", text), ["adapters/x may not depend on orchestrator"], "{text}");
        }
        assert_eq!(what("orchestrator", "[dependencies]\nportcullis-release.workspace = true").len(), 1);
        assert_eq!(what("adapters/api", "[dev-dependencies]\nportcullis-x.workspace = true").len(), 1);
        assert_eq!(what("verifier", "[dependencies]\nportcullis-core.workspace = true").len(), 1);
    }

    #[test]
    fn a_pure_crate_takes_no_runtime_and_a_new_crate_needs_a_place() {
        let text = "[dependencies]\nserde = { version = \"1\", features = [\n  \"derive\",\n] }\ntokio.workspace = true";
        assert_eq!(
            what("orchestrator/core", text),
            ["orchestrator/core is pure and may not depend on tokio"]
        );
        assert_eq!(what("tools/new", ""), ["tools/new has no place in the order of the crates"]);
    }
}
