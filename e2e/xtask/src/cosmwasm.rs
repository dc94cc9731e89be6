//! The contracts for CosmWasm: their own workspace, compiled by another compiler for another machine.
//!
//! The toolchain of this repository has no target for them. Debian's compiler for its browsers has the sources of the
//! standard library, which is built along: so no feature of the machine gets in that chains refuse.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use eyre::{Result, WrapErr, bail, eyre};

use crate::command;
use crate::manifest::{Contracts, Outcome};
use crate::paths::Paths;
use crate::ui::Step;
use crate::user;

/// The workspace, from the root of the checkout.
const FOLDER: &str = "contracts/cosmwasm";
/// Where the built contracts are committed.
const ARTIFACTS: &str = "contracts/artifacts/cosmwasm";
/// Packages that become contracts, and the names of their files.
const CONTRACTS: [(&str, &str); 3] =
    [("portcullis-guard", "guard"), ("portcullis-gate", "gate"), ("portcullis-demo-bridge", "demo_bridge")];
/// The compiler and its cargo, and the packages that bring them on Debian.
const RUSTC: &str = "/usr/bin/rustc";
const CARGO: &str = "/usr/bin/cargo";
const PACKAGES: [&str; 3] = ["rustc-web", "cargo-web", "rust-web-src"];

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
    contracts.settle(check, &names, compiler, || build(paths))
}

/// Files of the committed contracts.
pub(crate) fn files(paths: &Paths) -> Vec<PathBuf> {
    CONTRACTS.iter().map(|(_, name)| paths.root.join(ARTIFACTS).join(format!("{name}.wasm"))).collect()
}

/// What the compiler says of itself; installed first where this is Debian and root.
fn compiler() -> Result<String> {
    if let Some(version) = present() {
        return Ok(version);
    }
    let apt = Path::new("/usr/bin/apt-get").is_file();
    if !apt || !user::is_root()? {
        bail!(
            "{RUSTC} with the sources of its standard library is not there; on Debian, `apt-get install {}` brings it",
            PACKAGES.join(" ")
        );
    }
    let step = Step::spinner("compiler for CosmWasm contracts (apt)");
    let apt = |args: &[&str]| {
        command::output(Command::new("apt-get").env("DEBIAN_FRONTEND", "noninteractive").args(args))
    };
    let installed = apt(&["update", "-q"])
        .and_then(|_| apt(&[&["install", "-y", "-q", "--no-install-recommends"], &PACKAGES[..]].concat()));
    installed.wrap_err_with(|| format!("{} could not be installed", PACKAGES.join(" ")))?;
    let version = present().ok_or_else(|| eyre!("the packages are installed, but {RUSTC} cannot be used"))?;
    step.done(&version);
    Ok(version)
}

/// The version, where compiler, cargo and the library's sources are there.
fn present() -> Option<String> {
    let rustc =
        |args: &[&str]| command::output(Command::new(RUSTC).env_remove("LD_LIBRARY_PATH").args(args)).ok();
    let sysroot = rustc(&["--print", "sysroot"])?;
    let sources = Path::new(&sysroot).join("lib/rustlib/src/rust/library/std/src/lib.rs");
    (sources.is_file() && Path::new(CARGO).is_file()).then_some(())?;
    rustc(&["--version"])
}

/// Every contract by the name of its file.
fn build(paths: &Paths) -> Result<BTreeMap<String, Vec<u8>>> {
    let folder = paths.root.join(FOLDER);
    let target = paths.target.join("wasm");
    let step = Step::bar("CosmWasm contracts", u64::try_from(CONTRACTS.len())?);
    let mut built = BTreeMap::new();
    for (at, (package, name)) in (0..).zip(CONTRACTS) {
        step.at(at);
        // One by one: built together, a contract that another one uses as a library would lose its entry points.
        let mut cargo = Command::new(CARGO);
        cargo
            .current_dir(&folder)
            .args(["build", "--locked", "--release", "--lib", "--target", "wasm32-unknown-unknown"])
            .args(["-Zbuild-std=std,panic_abort", "-Zbuild-std-features=", "-p", package])
            .env("RUSTC", RUSTC)
            .env("RUSTC_BOOTSTRAP", "1")
            .env("RUSTFLAGS", flags(&folder)?)
            .env("CARGO_TARGET_DIR", &target)
            .env("CARGO_INCREMENTAL", "0")
            // Set by `cargo run` for this toolchain's libraries; the other compiler has its own.
            .env_remove("LD_LIBRARY_PATH");
        for (variable, _) in env::vars_os() {
            // What is set for the repository's own builds would make other bytes.
            if variable.to_string_lossy().starts_with("CARGO_PROFILE_") {
                cargo.env_remove(variable);
            }
        }
        command::output(&mut cargo).wrap_err_with(|| format!("{package} for wasm32"))?;
        let file = target.join("wasm32-unknown-unknown/release").join(package.replace('-', "_") + ".wasm");
        let bytes = fs::read(&file).wrap_err_with(|| format!("cannot read {}", file.display()))?;
        built.insert(format!("{name}.wasm"), bytes);
    }
    let total: usize = built.values().map(Vec::len).sum();
    step.done(&format!("{} contracts, {total} bytes", built.len()));
    Ok(built)
}

/// `mvp` with its own standard library keeps out what chains reject; paths of this machine are kept out too, so that
/// another machine makes the same bytes.
fn flags(folder: &Path) -> Result<String> {
    let cargo_home = match env::var_os("CARGO_HOME").filter(|home| !home.is_empty()) {
        Some(home) => PathBuf::from(home),
        None => PathBuf::from(env::var_os("HOME").ok_or_else(|| eyre!("HOME is not set"))?).join(".cargo"),
    };
    Ok(format!(
        "-C target-cpu=mvp -C link-arg=-s -C link-arg=--allow-undefined --remap-path-prefix={}=/cargo \
         --remap-path-prefix={}=/contracts",
        cargo_home.display(),
        folder.display()
    ))
}
