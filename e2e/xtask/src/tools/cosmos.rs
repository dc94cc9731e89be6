//! The Cosmos node, wasmd: built by Go from the modules that `e2e/cosmos-node/go.sum` pins, once per pin, into the cache.

use std::env;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use eyre::{Result, WrapErr, bail, eyre};
use sha2::{Digest, Sha256};

use super::Tool;
use super::lock::SetupLock;
use crate::command;
use crate::paths::Paths;
use crate::ui::Step;

/// Folder of `go.mod` and `go.sum`, from the root of the checkout.
const FOLDER: &str = "e2e/cosmos-node";
/// The package that becomes the program.
const PACKAGE: &str = "github.com/CosmWasm/wasmd/cmd/wasmd";
/// The module that brings the virtual machine as a shared library, and where in it that lies.
const LIBRARY_MODULE: &str = "github.com/CosmWasm/wasmvm/v3";
const LIBRARY_FOLDER: &str = "internal/api";
/// The oldest Go that the modules are written for: major and minor number.
const GO: (u32, u32) = (1, 24);
/// Names another program instead.
const VARIABLE: &str = "PORTCULLIS_WASMD";

/// A node that can be started.
#[derive(Debug, Clone)]
pub(crate) struct CosmosNode {
    /// The program.
    pub(crate) wasmd: PathBuf,
    version: String,
    source: String,
}

impl CosmosNode {
    /// What is there without building anything: `PORTCULLIS_WASMD`, else what is in the cache.
    ///
    /// # Errors
    /// When the named program does not run: a wish is not quietly passed over.
    pub(crate) fn present(paths: &Paths) -> Result<Option<Self>> {
        if let Some(named) = env::var_os(VARIABLE).filter(|path| !path.is_empty()) {
            return Self::at(PathBuf::from(named), format!("named by {VARIABLE}"))
                .map(Some)
                .wrap_err_with(|| format!("the program that {VARIABLE} names cannot be used"));
        }
        let home = paths.cache.join(folder_name(&paths.root.join(FOLDER))?);
        Ok(Self::at(home.join("wasmd"), format!("built from {FOLDER}")).ok())
    }

    /// The same, else it is built: about eight minutes of one core.
    ///
    /// # Errors
    /// As [`CosmosNode::present`]; when Go is missing or too old, or the build fails (its last lines are in the message).
    pub(crate) fn setup(paths: &Paths) -> Result<Self> {
        if let Some(node) = Self::present(paths)? {
            return Ok(node);
        }
        require_go()?;
        let _lock = SetupLock::take(paths, "wasmd")?;
        // Another process may have built it while this one waited.
        if let Some(node) = Self::present(paths)? {
            return Ok(node);
        }
        let folder = paths.root.join(FOLDER);
        let home = paths.cache.join(folder_name(&folder)?);
        let staging = paths.cache.join(format!(".wasmd-new-{}", std::process::id()));
        let result = build(&folder, &staging, &home);
        if staging.exists() {
            // Only left over after a failure, which is what will be reported.
            let _ = fs::remove_dir_all(&staging);
        }
        result?;
        let node = Self::present(paths)?;
        node.ok_or_else(|| eyre!("the node was built at {}, but does not run here", home.display()))
    }

    /// Name, version and place.
    pub(crate) fn tool(&self) -> Tool {
        Tool {
            name: "wasmd",
            version: self.version.clone(),
            path: self.wasmd.clone(),
            source: self.source.clone(),
        }
    }

    /// Asks the program itself, which shows that its library is found too.
    fn at(wasmd: PathBuf, source: String) -> Result<Self> {
        if !wasmd.is_file() {
            bail!("{} is not there", wasmd.display());
        }
        let said = command::output(Command::new(&wasmd).arg("version"))?;
        let version = if said.is_empty() { pinned_version().to_owned() } else { said };
        Ok(Self { wasmd, version, source })
    }
}

/// What a build of our own says of itself is empty: the version stands in `go.mod`.
fn pinned_version() -> &'static str {
    let pins = include_str!("../../../cosmos-node/go.mod");
    let line = pins.lines().find_map(|line| line.split_once("github.com/CosmWasm/wasmd v"));
    line.and_then(|(_, rest)| rest.split_whitespace().next()).unwrap_or("unknown")
}

/// Name of the cache folder for the pins.
fn folder_name(folder: &Path) -> Result<String> {
    let mut hash = Sha256::new();
    for name in ["go.mod", "go.sum"] {
        let path = folder.join(name);
        hash.update(fs::read(&path).wrap_err_with(|| format!("cannot read {}", path.display()))?);
    }
    let hex: String = hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    Ok(format!("wasmd-{hex}"))
}

fn build(folder: &Path, staging: &Path, home: &Path) -> Result<()> {
    fs::create_dir_all(staging).wrap_err_with(|| format!("cannot make {}", staging.display()))?;
    let go = || {
        let mut go = Command::new("go");
        // The pins are taken as they are, and no other compiler is fetched.
        go.current_dir(folder).env("GOFLAGS", "-mod=readonly").env("GOTOOLCHAIN", "local");
        go
    };
    let step = Step::spinner("modules of the Cosmos node (Go)");
    command::output(go().args(["mod", "download"])).wrap_err(
        "the modules come from the Go module proxy; check the network, a proxy or `go env GOPROXY`, \
         then run the same command again",
    )?;
    step.done("downloaded");
    let packages = command::output(go().args(["list", "-deps", PACKAGE]))?.lines().count();
    let step = Step::bar("Cosmos node (Go)", u64::try_from(packages)?);
    let mut build = go();
    // The library lies beside the program: the folder of modules may be cleaned.
    build.args(["build", "-v", "-ldflags", "-s -w -extldflags=-Wl,-rpath,$ORIGIN", "-o"]);
    build.arg(staging.join("wasmd")).arg(PACKAGE);
    watched(&mut build, &staging.join("build.log"), |lines| step.at(lines))?;
    let module = command::output(go().args(["list", "-m", "-f", "{{.Dir}}", LIBRARY_MODULE]))?;
    let library = format!("libwasmvm.{}", if cfg!(target_os = "macos") { "dylib" } else { library_suffix() });
    let from = Path::new(&module).join(LIBRARY_FOLDER).join(&library);
    fs::copy(&from, staging.join(&library)).wrap_err_with(|| format!("cannot copy {}", from.display()))?;
    if home.exists() {
        fs::remove_dir_all(home).wrap_err_with(|| format!("cannot replace {}", home.display()))?;
    }
    fs::rename(staging, home).wrap_err_with(|| format!("cannot move the node to {}", home.display()))?;
    step.done(&format!("{packages} packages"));
    Ok(())
}

fn library_suffix() -> &'static str {
    if cfg!(target_arch = "aarch64") { "aarch64.so" } else { "x86_64.so" }
}

/// Runs to the end; `tick` is told how many lines (one per package) it has written.
pub(super) fn watched(command: &mut Command, log: &Path, tick: impl Fn(u64)) -> Result<()> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .wrap_err_with(|| format!("`{}` could not be started", command::shown(command)))?;
    let output = child.stderr.take().ok_or_else(|| eyre!("no output to watch"))?;
    let mut kept = Vec::new();
    for (index, line) in BufReader::new(output).lines().enumerate() {
        tick(u64::try_from(index).unwrap_or(u64::MAX));
        kept.push(line?);
    }
    let status = child.wait()?;
    let text = kept.join("\n");
    std::io::Write::write_all(&mut File::create(log)?, text.as_bytes())?;
    if !status.success() {
        bail!("`{}` ended with {status}:\n{}", command::shown(command), command::last_lines(&text));
    }
    Ok(())
}

/// Checks that Go and a C compiler are there.
fn require_go() -> Result<()> {
    let go = command::output(Command::new("go").arg("version")).ok();
    let gcc = command::output(Command::new("cc").arg("--version")).ok();
    let missing = missing(go.as_deref(), gcc.is_some());
    if missing.is_empty() {
        return Ok(());
    }
    let (major, minor) = GO;
    bail!(
        "this machine lacks what builds the Cosmos node:\n{}\n\
         Get Go {major}.{minor} or later from https://go.dev/dl/ and a C compiler from your package manager, \
         or name a wasmd in {VARIABLE}; then run the same command again.",
        missing.iter().map(|line| format!("  - {line}")).collect::<Vec<_>>().join("\n")
    )
}

/// What is missing, given what `go version` said.
fn missing(go: Option<&str>, cc: bool) -> Vec<String> {
    let mut missing = Vec::new();
    match go.and_then(go_version) {
        None => missing.push("go is not on PATH".to_owned()),
        Some(version) if version < GO => {
            missing.push(format!("go is {}.{}, {}.{} or later is needed", version.0, version.1, GO.0, GO.1));
        }
        Some(_) => {}
    }
    if !cc {
        missing.push("cc is not on PATH".to_owned());
    }
    missing
}

/// "go version go1.26.8 linux/amd64" gives (1, 26).
fn go_version(said: &str) -> Option<(u32, u32)> {
    let word = said.split_whitespace().find_map(|word| word.strip_prefix("go1"))?;
    let minor = word.trim_start_matches('.').split(|c: char| !c.is_ascii_digit()).next()?;
    Some((1, minor.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_go_or_none_is_named() {
        assert!(missing(Some("go version go1.26.8 linux/amd64"), true).is_empty());
        assert!(missing(Some("go version go1.24 linux/amd64"), true).is_empty());
        assert_eq!(missing(Some("go version go1.19.8 linux/amd64"), true).len(), 1);
        assert_eq!(missing(Some("nonsense"), true).len(), 1);
        assert_eq!(missing(None, false).len(), 2);
    }

    #[test]
    fn the_version_is_the_pinned_one() {
        assert!(pinned_version().starts_with("0."), "{}", pinned_version());
    }

    #[test]
    fn the_folder_changes_with_the_pins() {
        let dir = tempfile::tempdir().unwrap();
        assert!(folder_name(dir.path()).is_err());
        fs::write(dir.path().join("go.mod"), "module a").unwrap();
        fs::write(dir.path().join("go.sum"), "").unwrap();
        let before = folder_name(dir.path()).unwrap();
        fs::write(dir.path().join("go.sum"), "x").unwrap();
        assert_ne!(folder_name(dir.path()).unwrap(), before);
    }

    #[test]
    fn a_build_is_watched_and_its_failure_shows_its_last_lines() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("log");
        let seen = std::cell::Cell::new(0);
        let mut good = Command::new("sh");
        good.args(["-c", "echo a >&2; echo b >&2"]);
        watched(&mut good, &log, |lines| seen.set(lines)).unwrap();
        assert_eq!((seen.get(), fs::read_to_string(&log).unwrap()), (1, "a\nb".to_owned()));
        let mut bad = Command::new("sh");
        bad.args(["-c", "echo the reason >&2; exit 1"]);
        assert!(watched(&mut bad, &log, |_| {}).unwrap_err().to_string().contains("the reason"));
    }
}
