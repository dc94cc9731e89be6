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
    /// The linker that the compiler looks for, where it is not named in its flags: a link that one of the packages brings. What
    /// it leads to is of a package of that name, which none of them asks for.
    pub(crate) linker: Option<&'static str>,
    /// The packages that bring the rest.
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
        let install =
            |names: &[&str]| apt(&[&["install", "-y", "-q", "--no-install-recommends"], names].concat());
        let installed = apt(&["update", "-q"]).and_then(|_| install(self.packages));
        installed.wrap_err_with(|| format!("{packages} could not be installed"))?;
        if let Some(package) = self.linker.and_then(|linker| missing_behind(Path::new(linker))) {
            install(&[&package]).wrap_err_with(|| format!("{package} could not be installed"))?;
        }
        let version =
            self.present().ok_or_else(|| eyre!("the packages are installed, but {RUSTC} cannot be used"))?;
        step.done(&version);
        Ok(version)
    }

    /// The version, where compiler, cargo and what is needed besides are there.
    fn present(&self) -> Option<String> {
        let sysroot = rustc(&["--print", "sysroot"])?;
        let there = Path::new(&sysroot).join(self.place).exists() && Path::new(CARGO).is_file();
        let links = self.linker.is_none_or(|linker| Path::new(linker).exists());
        if there && links { rustc(&["--version"]) } else { None }
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

/// The name of what a link leads to and is not there.
fn missing_behind(link: &Path) -> Option<String> {
    let to = link.read_link().ok().filter(|_| !link.exists())?;
    Some(to.file_name()?.to_str()?.to_owned())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_that_leads_nowhere_names_what_is_missing() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("rust-lld");
        assert_eq!(missing_behind(&link), None, "there is no link");
        std::os::unix::fs::symlink("lld-22", &link).unwrap();
        assert_eq!(missing_behind(&link).as_deref(), Some("lld-22"));
        std::fs::write(folder.path().join("lld-22"), "").unwrap();
        assert_eq!(missing_behind(&link), None, "it is there");
    }
}
