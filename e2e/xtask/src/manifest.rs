//! Contracts that are built for other machines and committed: with them lies a manifest that says which compiler built them,
//! and their digests.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::Path;

use eyre::{Result, WrapErr, bail, eyre};
use serde_json::json;
use sha2::{Digest, Sha256};

/// What says which compiler built them, and their digests.
const MANIFEST: &str = "manifest.json";

/// What came of building the contracts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// They are what is committed.
    Same,
    /// They were written.
    Written,
    /// They compile, but by another version of the compiler, which makes other bytes: only the digests of what is
    /// committed were compared, with the manifest.
    OtherCompiler(String),
    /// They could not be built here: only the digests were compared.
    NotBuilt(String),
}

/// Contracts of one machine: what they are called in messages, and where they are committed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Contracts<'a> {
    /// For people.
    pub(crate) title: &'a str,
    /// The folder, from the root of the checkout.
    pub(crate) place: &'a str,
    /// Its path.
    pub(crate) folder: &'a Path,
}

impl Contracts<'_> {
    /// Builds, and writes or compares byte for byte with what is committed.
    ///
    /// # Errors
    /// When they do not compile; with `check`, when a committed file differs. Where there is no compiler for them: without
    /// `check`, and with PORTCULLIS_REQUIRE_ALL=1.
    pub(crate) fn settle(
        &self,
        check: bool,
        names: &[String],
        compiler: impl FnOnce() -> Result<String>,
        build: impl FnOnce() -> Result<BTreeMap<String, Vec<u8>>>,
    ) -> Result<Outcome> {
        let Self { title, place, folder } = self;
        if check {
            unchanged(folder, place, names)?;
        }
        let compiler = match compiler() {
            Ok(compiler) => compiler,
            Err(reason) if check && !everything_required() => {
                println!("NOT REBUILT: the {title}: {reason:#}");
                return Ok(Outcome::NotBuilt(format!("{reason:#}")));
            }
            Err(reason) => return Err(reason.wrap_err(format!("the {title} were not rebuilt"))),
        };
        let built = build()?;
        if !check {
            write(folder, &compiler, &built)?;
            return Ok(Outcome::Written);
        }
        let recorded = recorded_compiler(folder)?;
        if recorded != compiler {
            println!(
                "NOT COMPARED: the {title} compile, but were built by {recorded}, and here is {compiler}"
            );
            return Ok(Outcome::OtherCompiler(compiler));
        }
        compare(folder, place, &built)?;
        Ok(Outcome::Same)
    }
}

fn everything_required() -> bool {
    env::var_os("PORTCULLIS_REQUIRE_ALL").is_some_and(|all| all == "1")
}

fn write(folder: &Path, compiler: &str, built: &BTreeMap<String, Vec<u8>>) -> Result<()> {
    fs::create_dir_all(folder).wrap_err_with(|| format!("cannot make {}", folder.display()))?;
    let files: BTreeMap<&String, _> = built
        .iter()
        .map(|(name, bytes)| (name, json!({"bytes": bytes.len(), "sha256": digest(bytes)})))
        .collect();
    for (name, bytes) in built {
        fs::write(folder.join(name), bytes).wrap_err_with(|| format!("cannot write {name}"))?;
    }
    let manifest = json!({"compiler": compiler, "files": files});
    fs::write(folder.join(MANIFEST), format!("{manifest:#}\n")).wrap_err("cannot write the manifest")
}

fn compare(folder: &Path, place: &str, built: &BTreeMap<String, Vec<u8>>) -> Result<()> {
    let differs =
        |(name, bytes): &(&String, &Vec<u8>)| fs::read(folder.join(name)).ok().as_ref() != Some(bytes);
    let stale: Vec<String> = built.iter().filter(differs).map(|(name, _)| name.clone()).collect();
    if !stale.is_empty() {
        bail!("{place}: {} differ from their sources; run `cargo xtask regen`", stale.join(", "));
    }
    Ok(())
}

/// That the committed contracts are those which the manifest speaks of. Needs no compiler.
fn unchanged(folder: &Path, place: &str, names: &[String]) -> Result<()> {
    let manifest = manifest(folder)?;
    let files = manifest.get("files").and_then(serde_json::Value::as_object);
    let files = files.ok_or_else(|| eyre!("{MANIFEST} names no files"))?;
    for name in names {
        let bytes = fs::read(folder.join(name)).wrap_err_with(|| format!("cannot read {place}/{name}"))?;
        let recorded = files.get(name).and_then(|file| file.get("sha256")?.as_str());
        if recorded != Some(digest(&bytes).as_str()) {
            bail!("{place}/{name} is not the one that {MANIFEST} names; run `cargo xtask regen`");
        }
    }
    Ok(())
}

fn recorded_compiler(folder: &Path) -> Result<String> {
    let manifest = manifest(folder)?;
    let compiler = manifest.get("compiler").and_then(serde_json::Value::as_str);
    Ok(compiler.ok_or_else(|| eyre!("{MANIFEST} names no compiler"))?.to_owned())
}

fn manifest(folder: &Path) -> Result<serde_json::Value> {
    let path = folder.join(MANIFEST);
    let text = fs::read_to_string(&path).wrap_err_with(|| format!("cannot read {}", path.display()))?;
    serde_json::from_str(&text).wrap_err_with(|| format!("{} is not JSON", path.display()))
}

fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&str; 2] = ["gate.wasm", "guard.wasm"];

    fn built() -> BTreeMap<String, Vec<u8>> {
        NAMES.iter().map(|name| ((*name).to_owned(), name.as_bytes().to_vec())).collect()
    }

    fn whole(folder: &Path) -> Result<()> {
        unchanged(folder, "there", &NAMES.map(str::to_owned))
    }

    #[test]
    fn what_is_written_is_unchanged_until_a_byte_of_it_is() {
        let dir = tempfile::tempdir().unwrap();
        assert!(whole(dir.path()).is_err(), "nothing is there");
        write(dir.path(), "rustc 1.2.3", &built()).unwrap();
        whole(dir.path()).unwrap();
        compare(dir.path(), "there", &built()).unwrap();
        assert_eq!(recorded_compiler(dir.path()).unwrap(), "rustc 1.2.3");
        fs::write(dir.path().join("gate.wasm"), "other").unwrap();
        assert!(whole(dir.path()).unwrap_err().to_string().contains("gate.wasm"));
        assert!(compare(dir.path(), "there", &built()).unwrap_err().to_string().contains("gate.wasm"));
        fs::remove_file(dir.path().join("gate.wasm")).unwrap();
        assert!(whole(dir.path()).is_err());
    }

    #[test]
    fn another_compiler_is_said_and_not_compared() {
        let dir = tempfile::tempdir().unwrap();
        let contracts = Contracts { title: "contracts", place: "there", folder: dir.path() };
        let names = NAMES.map(str::to_owned);
        let settle = |check, compiler: &str| {
            contracts.settle(check, &names, || Ok(compiler.to_owned()), || Ok(built()))
        };
        assert_eq!(settle(false, "old").unwrap(), Outcome::Written);
        assert_eq!(settle(true, "old").unwrap(), Outcome::Same);
        assert_eq!(settle(true, "new").unwrap(), Outcome::OtherCompiler("new".to_owned()));
    }
}
