//! The contracts for CosmWasm: their own workspace, compiled by another compiler for another machine.
//!
//! The toolchain of this repository has no target for them. Debian's compiler for its browsers has the sources of the
//! standard library, which is built along: so no feature of the machine gets in that chains refuse.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use eyre::{Result, WrapErr};

use crate::command;
use crate::manifest::{Contracts, Outcome};
use crate::paths::Paths;
use crate::tools::debian::{Debian, without_paths};
use crate::ui::Step;

/// The workspace, from the root of the checkout.
const FOLDER: &str = "contracts/cosmwasm";
/// Where the built contracts are committed.
const ARTIFACTS: &str = "contracts/artifacts/cosmwasm";
/// Packages that become contracts, and the names of their files.
const CONTRACTS: [(&str, &str); 3] =
    [("portcullis-guard", "guard"), ("portcullis-gate", "gate"), ("portcullis-demo-bridge", "demo_bridge")];
/// Who compiles them.
const COMPILER: Debian = Debian {
    purpose: "CosmWasm contracts",
    part: "the sources of its standard library",
    place: "lib/rustlib/src/rust/library/std/src/lib.rs",
    linker: Some("/usr/bin/rust-lld"),
    packages: &["rustc-web", "cargo-web", "rust-web-src", "rust-web-llvm"],
};

/// A `cargo` of this repository's toolchain for the workspace of the contracts.
pub(crate) fn cargo(paths: &Paths) -> Command {
    let mut cargo = paths.cargo();
    cargo.current_dir(paths.root.join(FOLDER)).env("CARGO_TARGET_DIR", paths.target.join("contracts"));
    cargo
}

/// Builds the contracts and writes them, or compares them byte for byte with what is committed.
///
/// # Errors
/// See [`Contracts::settle`].
pub(crate) fn artifacts(paths: &Paths, check: bool) -> Result<Outcome> {
    let folder = paths.root.join(ARTIFACTS);
    let contracts = Contracts { title: "CosmWasm contracts", place: ARTIFACTS, folder: &folder };
    let names = CONTRACTS.map(|(_, name)| format!("{name}.wasm"));
    contracts.settle(check, &names, || COMPILER.setup(), || build(paths))
}

/// Files of the committed contracts.
pub(crate) fn files(paths: &Paths) -> Vec<PathBuf> {
    CONTRACTS.iter().map(|(_, name)| paths.root.join(ARTIFACTS).join(format!("{name}.wasm"))).collect()
}

/// Every contract by the name of its file.
fn build(paths: &Paths) -> Result<BTreeMap<String, Vec<u8>>> {
    let folder = paths.root.join(FOLDER);
    let target = paths.target.join("wasm");
    // `mvp` with its own standard library keeps out what chains reject.
    let flags =
        format!("-C target-cpu=mvp -C link-arg=-s -C link-arg=--allow-undefined {}", without_paths(&folder)?);
    let step = Step::bar("CosmWasm contracts", u64::try_from(CONTRACTS.len())?);
    let mut built = BTreeMap::new();
    for (at, (package, name)) in (0..).zip(CONTRACTS) {
        step.at(at);
        // One by one: built together, a contract that another one uses as a library would lose its entry points.
        let mut cargo = Debian::cargo(&folder, &target, &flags);
        cargo.args(["build", "--locked", "--release", "--lib", "--target", "wasm32-unknown-unknown"]).args([
            "-Zbuild-std=std,panic_abort",
            "-Zbuild-std-features=",
            "-p",
            package,
        ]);
        command::output(&mut cargo).wrap_err_with(|| format!("{package} for wasm32"))?;
        let file = target.join("wasm32-unknown-unknown/release").join(package.replace('-', "_") + ".wasm");
        let bytes = fs::read(&file).wrap_err_with(|| format!("cannot read {}", file.display()))?;
        built.insert(format!("{name}.wasm"), bytes);
    }
    let total: usize = built.values().map(Vec::len).sum();
    step.done(&format!("{} contracts, {total} bytes", built.len()));
    Ok(built)
}
