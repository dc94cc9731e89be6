//! Packages from npm, one folder in the cache per lock file: `npm-<first 16 hex digits of its SHA-256>`.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use eyre::{Result, WrapErr, bail, eyre};
use sha2::{Digest, Sha256};

use super::lock::SetupLock;
use super::node;
use crate::command;
use crate::paths::Paths;
use crate::ui::Step;

/// How often the number of unpacked packages is counted for the bar.
const POLL: Duration = Duration::from_millis(150);

/// Folders in the cache that are being filled; moved to their name when they are complete.
const STAGING: &str = ".npm-new-";

/// A folder with `package.json` and `package-lock.json`, and what must exist once it is installed.
#[derive(Debug)]
pub(crate) struct Project<'a> {
    /// For the progress bar.
    pub(crate) what: &'a str,
    /// Where the two files lie in the checkout.
    pub(crate) folder: PathBuf,
    /// Paths below `node_modules` that prove a complete installation.
    pub(crate) expected: Vec<PathBuf>,
}

impl Project<'_> {
    /// Returns the installed `node_modules`, installing it first if it is not complete yet.
    ///
    /// # Errors
    /// When the lock file cannot be read, Node is missing, or npm fails (its last lines are in the message).
    pub(crate) fn install(&self, paths: &Paths) -> Result<PathBuf> {
        let lock_path = self.folder.join("package-lock.json");
        let lock = fs::read(&lock_path).wrap_err_with(|| format!("cannot read {}", lock_path.display()))?;
        let home = paths.cache.join(folder_name(&lock));
        let modules = home.join("node_modules");
        if self.is_complete(&modules) {
            return Ok(modules);
        }
        node::require()?;
        let _lock = SetupLock::take(paths, "npm")?;
        // Another process may have installed it while this one waited.
        if self.is_complete(&modules) {
            return Ok(modules);
        }
        sweep(&paths.cache);
        let staging = paths.cache.join(format!("{STAGING}{}", std::process::id()));
        let result = self.install_into(&staging, &lock, &home);
        if staging.exists() {
            // Only left over after a failure, which is what will be reported.
            let _ = fs::remove_dir_all(&staging);
        }
        result.map(|()| modules)
    }

    fn is_complete(&self, modules: &Path) -> bool {
        modules.is_dir() && self.expected.iter().all(|path| modules.join(path).exists())
    }

    fn install_into(&self, staging: &Path, lock: &[u8], home: &Path) -> Result<()> {
        fs::create_dir_all(staging).wrap_err_with(|| format!("cannot make {}", staging.display()))?;
        fs::write(staging.join("package-lock.json"), lock)?;
        fs::copy(self.folder.join("package.json"), staging.join("package.json"))
            .wrap_err_with(|| format!("cannot copy {}", self.folder.join("package.json").display()))?;
        let packages = package_folders(lock)?;
        let step = Step::bar(self.what, u64::try_from(packages.len())?);
        run_npm(staging, || {
            let there = packages.iter().filter(|folder| staging.join(folder).join("package.json").exists());
            step.at(u64::try_from(there.count()).unwrap_or(u64::MAX));
        })?;
        let modules = staging.join("node_modules");
        if let Some(absent) = self.expected.iter().find(|path| !modules.join(path).exists()) {
            bail!(
                "npm installed {}, but {} is not in it; packages for this machine ({} {}) are perhaps not pinned there",
                self.what,
                absent.display(),
                std::env::consts::OS,
                std::env::consts::ARCH
            );
        }
        if home.exists() {
            fs::remove_dir_all(home).wrap_err_with(|| format!("cannot replace {}", home.display()))?;
        }
        fs::rename(staging, home)
            .wrap_err_with(|| format!("cannot move the packages to {}", home.display()))?;
        step.done(&format!("{} packages", packages.len()));
        Ok(())
    }
}

/// Removes what a set-up left behind that was stopped half-way. Only under the lock, when no other one is at work.
fn sweep(cache: &Path) {
    for entry in fs::read_dir(cache).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(STAGING) {
            // What cannot be removed takes up room, and nothing else.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// Runs `npm ci` in `folder`, calling `tick` while it works.
fn run_npm(folder: &Path, tick: impl Fn()) -> Result<()> {
    let log_path = folder.join("npm.log");
    let log = File::create(&log_path).wrap_err_with(|| format!("cannot write {}", log_path.display()))?;
    let mut npm = Command::new("npm");
    npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--no-progress"])
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log);
    let mut child = npm.spawn().wrap_err("npm could not be started")?;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        tick();
        std::thread::sleep(POLL);
    };
    if status.success() {
        return Ok(());
    }
    let said = fs::read_to_string(&log_path).unwrap_or_default();
    bail!(
        "`npm ci` ended with {status}:\n{}\n\
         The packages come from the npm registry ({}); check the network, a proxy or `npm config get registry`, \
         then run the same command again.",
        command::last_lines(&said),
        command::output(Command::new("npm").args(["config", "get", "registry"]))
            .unwrap_or_else(|_| "unknown".into()),
    )
}

/// Name of the cache folder for the bytes of a lock file.
fn folder_name(lock: &[u8]) -> String {
    let digest = Sha256::digest(lock);
    let hex: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    format!("npm-{hex}")
}

/// Folders (`node_modules/…`) that the lock file will fill on this machine; the root package is not one.
fn package_folders(lock: &[u8]) -> Result<Vec<String>> {
    let lock: serde_json::Value = serde_json::from_slice(lock).wrap_err("package-lock.json is not JSON")?;
    let packages = lock.get("packages").and_then(serde_json::Value::as_object).ok_or_else(|| {
        eyre!("package-lock.json has no `packages`: it must be of lockfileVersion 2 or later")
    })?;
    Ok(packages.keys().filter(|folder| !folder.is_empty()).cloned().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCK: &[u8] =
        br#"{"lockfileVersion":3,"packages":{"":{},"node_modules/a":{},"node_modules/@b/c":{}}}"#;

    #[test]
    fn the_folder_changes_with_every_byte_of_the_lock_file() {
        assert_eq!(folder_name(b""), "npm-e3b0c44298fc1c14");
        assert_ne!(folder_name(b"a"), folder_name(b"b"));
    }

    #[test]
    fn packages_are_read_without_the_root_and_an_old_lock_is_refused() {
        assert_eq!(package_folders(LOCK).unwrap(), ["node_modules/@b/c", "node_modules/a"]);
        assert!(package_folders(br#"{"lockfileVersion":1,"dependencies":{}}"#).is_err());
        assert!(package_folders(b"<html>").is_err());
    }

    #[test]
    fn what_a_stopped_set_up_left_is_swept_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        for name in [".npm-new-123/node_modules", "npm-e3b0c44298fc1c14", "target"] {
            fs::create_dir_all(dir.path().join(name)).unwrap();
        }
        sweep(dir.path());
        let mut left: Vec<_> =
            fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["npm-e3b0c44298fc1c14", "target"]);
    }

    #[test]
    fn a_complete_folder_is_used_without_npm_and_an_incomplete_one_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths {
            root: dir.path().into(),
            cache: dir.path().join("cache"),
            target: dir.path().join("target"),
        };
        fs::write(dir.path().join("package-lock.json"), LOCK).unwrap();
        let modules = paths.cache.join(folder_name(LOCK)).join("node_modules");
        fs::create_dir_all(modules.join("a/bin")).unwrap();
        let project =
            Project { what: "test", folder: dir.path().into(), expected: vec![PathBuf::from("a/bin/tool")] };
        assert!(!project.is_complete(&modules));
        fs::write(modules.join("a/bin/tool"), "").unwrap();
        assert_eq!(project.install(&paths).unwrap(), modules);
    }
}
