//! What Solana needs: the linker of its programs, and a validator for tests. Both from the crates registry, pinned.

use std::env;
use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use eyre::{Result, WrapErr, bail, eyre};

use super::Tool;
use super::cosmos::watched;
use super::lock::SetupLock;
use crate::command;
use crate::paths::Paths;
use crate::ui::Step;

/// Names another validator instead.
const VARIABLE: &str = "PORTCULLIS_SOLANA_VALIDATOR";
/// The program.
const VALIDATOR: &str = "solana-test-validator";
/// Its version, and that of the crate which brings it.
const VALIDATOR_VERSION: &str = "3.1.12";
/// About as many crates are compiled for it.
const VALIDATOR_CRATES: u64 = 820;
/// A packed build that may lie beside the checkout.
const PACKED: &str = "../shared/bin";

/// The linker of Solana's programs.
#[derive(Debug, Clone)]
pub(crate) struct Linker {
    /// The program.
    pub(crate) program: PathBuf,
}

impl Linker {
    /// Stands in the manifest of the programs: another version makes other bytes.
    pub(crate) const VERSION: &str = "0.2.6";

    /// Takes it from the cache, else builds it: about two minutes of two cores.
    ///
    /// # Errors
    /// When the registry cannot be reached, or it does not compile here.
    pub(crate) fn setup(paths: &Paths) -> Result<Self> {
        let home = paths.cache.join(format!("sbpf-linker-{}", Self::VERSION));
        let linker = Self { program: home.join("bin/sbpf-linker") };
        if linker.program.is_file() {
            return Ok(linker);
        }
        let _lock = SetupLock::take(paths, "sbpf-linker")?;
        // Another process may have built it while this one waited.
        if linker.program.is_file() {
            return Ok(linker);
        }
        let step = Step::spinner("sbpf-linker (crates registry)");
        let build = paths.cache.join(".sbpf-linker-build");
        let mut install = paths.cargo();
        install
            .current_dir(&paths.cache)
            .args(["install", "sbpf-linker", "--version", Self::VERSION, "--locked", "--root"])
            .arg(&home)
            .env("CARGO_TARGET_DIR", &build);
        command::output(&mut install).wrap_err("sbpf-linker could not be installed")?;
        let _ = fs::remove_dir_all(build);
        step.done(Self::VERSION);
        Ok(linker)
    }

    /// Name, version and place.
    pub(crate) fn tool(&self) -> Tool {
        Tool {
            name: "sbpf",
            version: Self::VERSION.to_owned(),
            path: self.program.clone(),
            source: "crates registry".into(),
        }
    }
}

/// A validator that can be started.
#[derive(Debug, Clone)]
pub(crate) struct Validator {
    /// The program.
    pub(crate) program: PathBuf,
    version: String,
    source: String,
}

impl Validator {
    /// What is there without building anything: `PORTCULLIS_SOLANA_VALIDATOR`, else the cache, else a packed build beside the checkout
    /// (unpacked into the cache), else PATH.
    ///
    /// # Errors
    /// When the named program does not run: a wish is not quietly passed over.
    pub(crate) fn present(paths: &Paths) -> Result<Option<Self>> {
        if let Some(named) = env::var_os(VARIABLE).filter(|path| !path.is_empty()) {
            return Self::at(PathBuf::from(named), format!("named by {VARIABLE}"))
                .map(Some)
                .wrap_err_with(|| format!("the program that {VARIABLE} names cannot be used"));
        }
        let cached = home(paths).join("bin").join(VALIDATOR);
        if let Ok(validator) = Self::at(cached.clone(), "cache".to_owned()) {
            return Ok(Some(validator));
        }
        if unpack(paths, &cached)? {
            return Self::at(cached, format!("unpacked from {PACKED}")).map(Some);
        }
        let path = env::var_os("PATH").unwrap_or_default();
        let found = env::split_paths(&path).map(|folder| folder.join(VALIDATOR)).find(|path| path.is_file());
        Ok(found.and_then(|program| Self::at(program, "on PATH".to_owned()).ok()))
    }

    /// The same, else it is built: about half an hour of two cores, once.
    ///
    /// # Errors
    /// As [`Validator::present`]; when it does not compile here (the last lines are in the message).
    pub(crate) fn setup(paths: &Paths) -> Result<Self> {
        if let Some(validator) = Self::present(paths)? {
            return Ok(validator);
        }
        let _lock = SetupLock::take(paths, VALIDATOR)?;
        // Another process may have built it while this one waited.
        if let Some(validator) = Self::present(paths)? {
            return Ok(validator);
        }
        let step = Step::bar("Solana validator (crates registry; half an hour, once)", VALIDATOR_CRATES);
        let build = paths.cache.join(".solana-validator-build");
        let mut install = paths.cargo();
        install
            .current_dir(&paths.cache)
            .args(["install", "agave-validator", "--version", VALIDATOR_VERSION, "--locked"])
            .args(["--bin", VALIDATOR, "--root"])
            .arg(home(paths))
            // Fast enough for tests; built once, so what matters is how long that takes.
            .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1")
            .env("CARGO_PROFILE_RELEASE_LTO", "false")
            .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "64")
            .env("CARGO_TARGET_DIR", &build);
        watched(&mut install, &paths.cache.join("solana-validator-build.log"), |lines| step.at(lines))
            .wrap_err(
                "the validator needs libclang-dev, clang, libudev-dev, protobuf-compiler, libssl-dev, pkg-config and \
                 cmake of Debian, or name one that is there in PORTCULLIS_SOLANA_VALIDATOR",
            )?;
        let _ = fs::remove_dir_all(build);
        let validator =
            Self::present(paths)?.ok_or_else(|| eyre!("the validator was built, but does not run"))?;
        step.done(&validator.version);
        Ok(validator)
    }

    /// Name, version and place.
    pub(crate) fn tool(&self) -> Tool {
        Tool {
            name: "solana",
            version: self.version.clone(),
            path: self.program.clone(),
            source: self.source.clone(),
        }
    }

    /// Asks the program itself.
    fn at(program: PathBuf, source: String) -> Result<Self> {
        if !program.is_file() {
            bail!("{} is not there", program.display());
        }
        let said = command::output(Command::new(&program).arg("--version"))?;
        let version = said.split_whitespace().nth(1).unwrap_or("unknown").to_owned();
        Ok(Self { program, version, source })
    }
}

fn home(paths: &Paths) -> PathBuf {
    paths.cache.join(format!("{VALIDATOR}-{VALIDATOR_VERSION}"))
}

/// Unpacks a build for this machine, where one lies beside the checkout.
fn unpack(paths: &Paths, to: &std::path::Path) -> Result<bool> {
    let name = format!("{VALIDATOR}-{VALIDATOR_VERSION}-{}-{}.xz", env::consts::ARCH, env::consts::OS);
    let packed = paths.root.join(PACKED).join(name);
    if !packed.is_file() {
        return Ok(false);
    }
    let step = Step::spinner("Solana validator (packed)");
    let folder = to.parent().ok_or_else(|| eyre!("{} has no parent", to.display()))?;
    fs::create_dir_all(folder).wrap_err_with(|| format!("cannot make {}", folder.display()))?;
    // Under another name until it is whole: a set-up that was interrupted leaves nothing that looks finished.
    let staging = folder.join(format!(".{VALIDATOR}-{}", std::process::id()));
    let file = File::create(&staging).wrap_err_with(|| format!("cannot make {}", staging.display()))?;
    let status =
        Command::new("xz").args(["--decompress", "--stdout"]).arg(&packed).stdout(Stdio::from(file)).status();
    if !status.is_ok_and(|status| status.success()) {
        let _ = fs::remove_file(&staging);
        println!("{} could not be unpacked: is xz there?", packed.display());
        return Ok(false);
    }
    #[cfg(unix)]
    fs::set_permissions(&staging, std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .wrap_err("cannot make the validator executable")?;
    fs::rename(&staging, to).wrap_err_with(|| format!("cannot move the validator to {}", to.display()))?;
    step.done(VALIDATOR_VERSION);
    Ok(true)
}
