//! `cosmwasm-check`: tells whether a chain's virtual machine would take a contract. From the crates registry, pinned.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use eyre::{Result, WrapErr};

use super::Tool;
use super::lock::SetupLock;
use crate::command;
use crate::paths::Paths;
use crate::ui::Step;

/// The version; its own lock file pins the rest.
const VERSION: &str = "3.0.10";

/// The installed checker.
#[derive(Debug, Clone)]
pub(crate) struct Checker {
    program: PathBuf,
}

impl Checker {
    /// Takes it from the cache, else builds it: about five minutes of two cores.
    ///
    /// # Errors
    /// When the registry cannot be reached, or it does not compile here.
    pub(crate) fn setup(paths: &Paths) -> Result<Self> {
        let home = paths.cache.join(format!("cosmwasm-check-{VERSION}"));
        let checker = Self { program: home.join("bin/cosmwasm-check") };
        if checker.program.is_file() {
            return Ok(checker);
        }
        let _lock = SetupLock::take(paths, "cosmwasm-check")?;
        // Another process may have built it while this one waited.
        if checker.program.is_file() {
            return Ok(checker);
        }
        let step = Step::spinner("cosmwasm-check (crates registry)");
        let mut install = paths.cargo();
        install
            .current_dir(&paths.cache)
            .args(["install", "cosmwasm-check", "--version", VERSION, "--locked", "--root"])
            .arg(&home)
            // It runs for a second and is built once: what matters is how long that takes.
            .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1")
            .env("CARGO_PROFILE_RELEASE_LTO", "false")
            .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "64")
            .env("CARGO_TARGET_DIR", paths.cache.join(".cosmwasm-check-build"));
        command::output(&mut install).wrap_err("cosmwasm-check could not be installed")?;
        // Half a gigabyte that nobody needs again.
        let _ = fs::remove_dir_all(paths.cache.join(".cosmwasm-check-build"));
        step.done(VERSION);
        Ok(checker)
    }

    /// Name, version and place.
    pub(crate) fn tool(&self) -> Tool {
        Tool {
            name: "cosmwasm",
            version: VERSION.to_owned(),
            path: self.program.clone(),
            source: "crates registry".into(),
        }
    }

    /// Asks about contracts.
    ///
    /// # Errors
    /// With its words, when one would be refused.
    pub(crate) fn check(&self, contracts: &[PathBuf]) -> Result<String> {
        command::output(Command::new(&self.program).args(contracts))
    }
}
