//! Where things are: the checkout, the tool cache, and the build directory that every started cargo shares.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use eyre::{Result, WrapErr, bail, eyre};

/// The folders that every command works with. All are absolute.
#[derive(Debug, Clone)]
pub(crate) struct Paths {
    /// The checkout: the folder whose `Cargo.toml` holds `[workspace]`.
    pub(crate) root: PathBuf,
    /// `${PORTCULLIS_CACHE:-${XDG_CACHE_HOME:-~/.cache}/portcullis}`: tools, shared by all checkouts.
    pub(crate) cache: PathBuf,
    /// `CARGO_TARGET_DIR` if set, else `<cache>/target`.
    pub(crate) target: PathBuf,
}

impl Paths {
    /// Finds the checkout from the working directory (or the manifest that cargo runs) and reads the environment.
    ///
    /// # Errors
    /// When no workspace is found upwards, or neither `PORTCULLIS_CACHE`, `XDG_CACHE_HOME` nor `HOME` is set.
    pub(crate) fn discover() -> Result<Self> {
        let start = match env::var_os("CARGO_MANIFEST_DIR") {
            Some(dir) => PathBuf::from(dir),
            None => env::current_dir().wrap_err("the working directory cannot be read")?,
        };
        let root = workspace_root(&start)?;
        let cache = cache_dir(|name| env::var_os(name).filter(|value| !value.is_empty()))?;
        let cache = if cache.is_absolute() { cache } else { root.join(cache) };
        let target = match env::var_os("CARGO_TARGET_DIR").filter(|value| !value.is_empty()) {
            Some(dir) => root.join(dir),
            None => cache.join("target"),
        };
        Ok(Self { root, cache, target })
    }

    /// A `cargo` that builds into the shared build directory and reads the committed query descriptions.
    pub(crate) fn cargo(&self) -> Command {
        let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")));
        command
            .current_dir(&self.root)
            .env("CARGO_TARGET_DIR", &self.target)
            .env("SQLX_OFFLINE", "true")
            .envs(self.environment())
            // Set for us by `cargo run`; a build script that looks at them would see this crate's values.
            .env_remove("CARGO_MANIFEST_DIR")
            .env_remove("CARGO_MANIFEST_PATH");
        command
    }

    /// Where recorded data and shared vectors are, for programs whose working directory is not the checkout:
    /// what the environment says, else the folders beside the checkout if they are there.
    pub(crate) fn environment(&self) -> Vec<(&'static str, PathBuf)> {
        [("PORTCULLIS_DATA", "../shared/data"), ("PORTCULLIS_VECTORS", "../shared/vectors")]
            .into_iter()
            .filter_map(|(variable, folder)| match env::var_os(variable).filter(|value| !value.is_empty()) {
                Some(dir) => Some((variable, self.root.join(dir))),
                None => self.root.join(folder).canonicalize().ok().map(|dir| (variable, dir)),
            })
            .collect()
    }

    /// A binary that cargo built: `profile` is the folder name, `debug` or `release`.
    pub(crate) fn binary(&self, profile: &str, name: &str) -> PathBuf {
        self.target.join(profile).join(name)
    }
}

/// The nearest folder at or above `start` whose manifest declares a workspace.
fn workspace_root(start: &Path) -> Result<PathBuf> {
    for dir in start.ancestors() {
        let manifest = dir.join("Cargo.toml");
        if let Ok(text) = std::fs::read_to_string(&manifest)
            && text.lines().any(|line| line.trim() == "[workspace]")
        {
            return Ok(dir.to_path_buf());
        }
    }
    Err(eyre!("no Cargo workspace at or above {}; run this inside a checkout", start.display()))
}

/// The cache folder for a given environment.
fn cache_dir(var: impl Fn(&str) -> Option<OsString>) -> Result<PathBuf> {
    if let Some(dir) = var("PORTCULLIS_CACHE") {
        return Ok(PathBuf::from(dir));
    }
    if let Some(dir) = var("XDG_CACHE_HOME") {
        return Ok(PathBuf::from(dir).join("portcullis"));
    }
    if let Some(home) = var("HOME") {
        return Ok(PathBuf::from(home).join(".cache").join("portcullis"));
    }
    bail!("no place for the tool cache: set PORTCULLIS_CACHE to a folder that can be written")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cache_prefers_its_own_variable_then_xdg_then_home() {
        let all = |name: &str| match name {
            "PORTCULLIS_CACHE" => Some(OsString::from("/a")),
            "XDG_CACHE_HOME" => Some(OsString::from("/b")),
            "HOME" => Some(OsString::from("/c")),
            _ => None,
        };
        assert_eq!(cache_dir(all).unwrap(), PathBuf::from("/a"));
        let xdg = |name: &str| if name == "PORTCULLIS_CACHE" { None } else { all(name) };
        assert_eq!(cache_dir(xdg).unwrap(), PathBuf::from("/b/portcullis"));
        let home = |name: &str| if name == "HOME" { all(name) } else { None };
        assert_eq!(cache_dir(home).unwrap(), PathBuf::from("/c/.cache/portcullis"));
    }

    #[test]
    fn cache_without_any_variable_is_an_error_that_says_what_to_set() {
        let error = cache_dir(|_| None).unwrap_err();
        assert!(error.to_string().contains("PORTCULLIS_CACHE"));
    }

    #[test]
    fn root_is_the_workspace_and_not_the_nearest_crate() {
        let dir = tempfile::tempdir().unwrap();
        let inner = dir.path().join("a/b");
        std::fs::create_dir_all(&inner).unwrap();
        std::fs::write(inner.join("Cargo.toml"), "[package]\nname = \"b\"\n").unwrap();
        assert!(workspace_root(&inner).is_err() || workspace_root(&inner).unwrap() != inner);
        std::fs::write(dir.path().join("Cargo.toml"), "[workspace]\nmembers = []\n").unwrap();
        assert_eq!(workspace_root(&inner).unwrap(), dir.path());
    }
}
