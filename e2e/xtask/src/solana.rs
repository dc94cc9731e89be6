//! The programs for Solana: their own workspace, compiled by another compiler and linked for another machine.
//!
//! Debian's compiler for its browsers has the core library for BPF; `sbpf-linker` makes of it what validators load. So no
//! toolchain of Solana's own is needed, and the bytes are the same on every machine with the same two versions.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use eyre::{Result, WrapErr, eyre};

use crate::command;
use crate::manifest::{Contracts, Outcome};
use crate::paths::Paths;
use crate::tools::Linker;
use crate::tools::debian::{Debian, RUSTC, rustc, without_paths};
use crate::ui::Step;

/// The workspace of the programs, from the root of the checkout.
const FOLDER: &str = "contracts/solana";
/// The workspace of their tests: it wants other versions of the same crates.
const TESTS: &str = "contracts/solana/tests";
/// Where the built programs are committed.
const ARTIFACTS: &str = "contracts/artifacts/solana";
/// Packages that become programs, and the names of their files.
const PROGRAMS: [(&str, &str); 3] = [
    ("portcullis-solana-guard", "guard"),
    ("portcullis-solana-gate", "gate"),
    ("portcullis-solana-demo-bridge", "demo_bridge"),
];
/// Who compiles them.
const COMPILER: Debian = Debian {
    purpose: "Solana programs",
    part: "the core library for BPF",
    place: "lib/rustlib/bpfel-unknown-none/lib",
    linker: None,
    packages: &["rustc-web", "cargo-web", "libstd-rust-web-dev-bpf"],
};
const TARGET: &str = "bpfel-unknown-none";

/// A `cargo` of this repository's toolchain for the workspace of the programs.
pub(crate) fn cargo(paths: &Paths) -> Command {
    let mut cargo = paths.cargo();
    cargo.current_dir(paths.root.join(FOLDER)).env("CARGO_TARGET_DIR", paths.target.join("contracts"));
    cargo
}

/// The same for the workspace of their tests.
pub(crate) fn cargo_of_tests(paths: &Paths) -> Command {
    let mut cargo = cargo(paths);
    cargo.current_dir(paths.root.join(TESTS));
    cargo
}

/// Builds the programs and writes them, or compares them byte for byte with what is committed.
///
/// # Errors
/// See [`Contracts::settle`].
pub(crate) fn artifacts(paths: &Paths, check: bool) -> Result<Outcome> {
    let folder = paths.root.join(ARTIFACTS);
    let contracts = Contracts { title: "Solana programs", place: ARTIFACTS, folder: &folder };
    let names = PROGRAMS.map(|(_, name)| format!("{name}.so"));
    contracts.settle(
        check,
        &names,
        || Ok(format!("{}, sbpf-linker {}", COMPILER.setup()?, Linker::VERSION)),
        || build(paths, &Linker::setup(paths)?),
    )
}

/// Every program by the name of its file.
fn build(paths: &Paths, linker: &Linker) -> Result<BTreeMap<String, Vec<u8>>> {
    let folder = paths.root.join(FOLDER);
    let target = paths.target.join("sbpf");
    let llvm = llvm(&target)?;
    let flags = flags(&folder, linker)?;
    let step = Step::bar("Solana programs", u64::try_from(PROGRAMS.len())?);
    let mut built = BTreeMap::new();
    for (at, (package, name)) in (0..).zip(PROGRAMS) {
        step.at(at);
        // One by one: built together, a program that another one uses as a library would lose its entry point.
        let mut cargo = Debian::cargo(&folder, &target, &flags);
        cargo
            .args(["rustc", "--locked", "--release", "--lib", "--crate-type", "cdylib"])
            .args(["--target", TARGET, "-p", package])
            .env("LD_LIBRARY_PATH", &llvm);
        command::output(&mut cargo).wrap_err_with(|| format!("{package} for Solana"))?;
        let file = format!("lib{}.so", package.replace('-', "_"));
        let file = target.join(TARGET).join("release").join(file);
        let bytes = fs::read(&file).wrap_err_with(|| format!("cannot read {}", file.display()))?;
        built.insert(format!("{name}.so"), bytes);
    }
    let total: usize = built.values().map(Vec::len).sum();
    step.done(&format!("{} programs, {total} bytes", built.len()));
    Ok(built)
}

/// Static, with the frames and the version of the machine that validators load, which reads words wherever they lie. The
/// linker would export what the compiler calls for copies and wide numbers; the machine has none of it, and the programs
/// need none.
fn flags(folder: &Path, linker: &Linker) -> Result<String> {
    let contracts = folder.parent().ok_or_else(|| eyre!("{} has no parent", folder.display()))?;
    Ok(format!(
        "-C linker={} -C panic=abort -C relocation-model=static -C link-arg=--llvm-args=--bpf-stack-size=4096 \
         -C link-arg=--arch=v0 -C link-arg=--disable-memory-builtins -C link-arg=--disable-math-builtins \
         -C link-arg=--cpu-features=+allows-misaligned-mem-access {}",
        linker.program.display(),
        without_paths(contracts)?
    ))
}

/// A folder in which the linker finds the compiler's own LLVM, under the name that it looks for.
fn llvm(target: &Path) -> Result<PathBuf> {
    let said = rustc(&["-vV"]).ok_or_else(|| eyre!("{RUSTC} does not run"))?;
    let version = said.lines().find_map(|line| line.strip_prefix("LLVM version: "));
    let version = version.ok_or_else(|| eyre!("{RUSTC} does not say which LLVM it has"))?;
    let short: Vec<&str> = version.split('.').take(2).collect();
    let name = format!("libLLVM.so.{}", short.join("."));
    let machine = env::consts::ARCH;
    let places = [format!("/usr/lib/{machine}-linux-gnu"), "/usr/lib64".to_owned(), "/usr/lib".to_owned()];
    let library = places.iter().map(|place| Path::new(place).join(&name)).find(|path| path.is_file());
    let library =
        library.ok_or_else(|| eyre!("{name}, which {RUSTC} uses, is not in {}", places.join(", ")))?;
    let folder = target.join("llvm");
    fs::create_dir_all(&folder).wrap_err_with(|| format!("cannot make {}", folder.display()))?;
    let link = folder.join("libLLVM.so");
    if fs::read_link(&link).ok().as_ref() != Some(&library) {
        let _old = fs::remove_file(&link);
        #[cfg(unix)]
        std::os::unix::fs::symlink(&library, &link)
            .wrap_err_with(|| format!("cannot link {}", link.display()))?;
    }
    Ok(folder)
}
