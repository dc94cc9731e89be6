//! Debian's compiler for its browsers: it has targets, and sources of libraries, that this repository's toolchain lacks.
//! Contracts for other machines are made with it.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use eyre::{Result, WrapErr, bail, eyre};

use crate::command;
use crate::ui::Step;
use crate::user;

/// The compiler and its cargo.
pub(crate) const RUSTC: &str = "/usr/bin/rustc";
const CARGO: &str = "/usr/bin/cargo";

/// The compiler with what one kind of contract needs besides it.
pub(crate) struct Debian {
    /// For whom it compiles, for people.
    pub(crate) purpose: &'static str,
    /// What it must have, for people.
    pub(crate) part: &'static str,
    /// Where that lies, from its sysroot.
    pub(crate) place: &'static str,
    /// The packages that bring all of it.
    pub(crate) packages: &'static [&'static str],
}

impl Debian {
    /// What the compiler says of itself; installed first where this is Debian and root.
    ///
    /// # Errors
    /// When it is not there and cannot be installed.
    pub(crate) fn setup(&self) -> Result<String> {
        if let Some(version) = self.present() {
            return Ok(version);
        }
        let packages = self.packages.join(" ");
        if !Path::new("/usr/bin/apt-get").is_file() || !user::is_root()? {
            bail!(
                "{RUSTC} with {} is not there; on Debian, `apt-get install {packages}` brings it",
                self.part
            );
        }
        let step = Step::spinner(&format!("compiler for {} (apt)", self.purpose));
        let apt = |args: &[&str]| {
            command::output(Command::new("apt-get").env("DEBIAN_FRONTEND", "noninteractive").args(args))
        };
        let install = ["install", "-y", "-q", "--no-install-recommends"];
        let installed = apt(&["update", "-q"]).and_then(|_| apt(&[&install, self.packages].concat()));
        installed.wrap_err_with(|| format!("{packages} could not be installed"))?;
        let version =
            self.present().ok_or_else(|| eyre!("the packages are installed, but {RUSTC} cannot be used"))?;
        step.done(&version);
        Ok(version)
    }

    /// The version, where compiler, cargo and what is needed besides are there.
    fn present(&self) -> Option<String> {
        let sysroot = rustc(&["--print", "sysroot"])?;
        let there = Path::new(&sysroot).join(self.place).exists() && Path::new(CARGO).is_file();
        if there { rustc(&["--version"]) } else { None }
    }

    /// Its cargo, for a build that makes the same bytes on every machine: without what is set for the repository's own
    /// builds.
    pub(crate) fn cargo(folder: &Path, target: &Path, flags: &str) -> Command {
        let mut cargo = Command::new(CARGO);
        cargo
            .current_dir(folder)
            .env("RUSTC", RUSTC)
            .env("RUSTC_BOOTSTRAP", "1")
            .env("RUSTFLAGS", flags)
            .env("CARGO_TARGET_DIR", target)
            .env("CARGO_INCREMENTAL", "0")
            // Set by `cargo run` for this toolchain's libraries; the other compiler has its own.
            .env_remove("LD_LIBRARY_PATH");
        for (variable, _) in env::vars_os() {
            if variable.to_string_lossy().starts_with("CARGO_PROFILE_") {
                cargo.env_remove(variable);
            }
        }
        cargo
    }
}

/// What the compiler answers, where it is there.
pub(crate) fn rustc(args: &[&str]) -> Option<String> {
    command::output(Command::new(RUSTC).env_remove("LD_LIBRARY_PATH").args(args)).ok()
}

/// Flags that keep this machine's paths out of what is compiled; `contracts` is where the sources lie.
///
/// # Errors
/// When neither `CARGO_HOME` nor `HOME` is set.
pub(crate) fn without_paths(contracts: &Path) -> Result<String> {
    let cargo_home = match env::var_os("CARGO_HOME").filter(|home| !home.is_empty()) {
        Some(home) => PathBuf::from(home),
        None => PathBuf::from(env::var_os("HOME").ok_or_else(|| eyre!("HOME is not set"))?).join(".cargo"),
    };
    let (cargo_home, contracts) = (cargo_home.display(), contracts.display());
    Ok(format!("--remap-path-prefix={cargo_home}=/cargo --remap-path-prefix={contracts}=/contracts"))
}
