//! What the contracts are built and run with: one npm project, linked to where the compiler looks for libraries.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use eyre::{Result, WrapErr, bail};

use super::Tool;
use super::npm::Project;
use crate::command;
use crate::paths::Paths;

/// Folder of the npm project, from the root of the checkout.
const FOLDER: &str = "contracts/evm";

/// The installed packages and the programs among them.
#[derive(Debug, Clone)]
pub(crate) struct Contracts {
    /// All packages, libraries for the contracts included.
    pub(crate) node_modules: PathBuf,
    /// The development node.
    pub(crate) anvil: PathBuf,
    /// Builds and tests contracts.
    pub(crate) forge: PathBuf,
    /// Talks to a node from a shell.
    pub(crate) cast: PathBuf,
}

impl Contracts {
    /// Installs the packages if needed and points `contracts/evm/node_modules` at them.
    ///
    /// # Errors
    /// As [`Project::install`], or when the link cannot be made.
    pub(crate) fn setup(paths: &Paths) -> Result<Self> {
        let [anvil, forge, cast] = ["anvil", "forge", "cast"].map(program);
        let solc = PathBuf::from("solc").join("package.json");
        let project = Project {
            what: "contract tools (npm)",
            folder: paths.root.join(FOLDER),
            expected: vec![anvil.clone(), forge.clone(), cast.clone(), solc],
        };
        let node_modules = project.install(paths)?;
        link(&node_modules, &paths.root.join(FOLDER).join("node_modules"))?;
        Ok(Self {
            anvil: node_modules.join(anvil),
            forge: node_modules.join(forge),
            cast: node_modules.join(cast),
            node_modules,
        })
    }

    /// Name, version and place of each, asking the programs themselves.
    ///
    /// # Errors
    /// When one of them does not start on this machine.
    pub(crate) fn tools(&self) -> Result<Vec<Tool>> {
        let mut tools = Vec::new();
        for (name, path) in [("anvil", &self.anvil), ("forge", &self.forge), ("cast", &self.cast)] {
            let said = command::output(Command::new(path).arg("--version"))
                .wrap_err_with(|| format!("{name} was installed but does not run here"))?;
            tools.push(Tool { name, version: version_in(&said), path: path.clone(), source: "npm".into() });
        }
        let solc = self.node_modules.join("solc");
        let manifest = fs::read_to_string(solc.join("package.json"))?;
        let manifest: serde_json::Value = serde_json::from_str(&manifest)?;
        let version = manifest.get("version").and_then(serde_json::Value::as_str).unwrap_or("unknown");
        tools.push(Tool { name: "solc", version: version.to_owned(), path: solc, source: "npm".into() });
        Ok(tools)
    }
}

/// Where a program of the tool set lies below `node_modules` on this machine.
fn program(name: &str) -> PathBuf {
    let os = match std::env::consts::OS {
        "macos" => "darwin",
        other => other,
    };
    let arch = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    PathBuf::from(format!("@foundry-rs/{name}-{os}-{arch}/bin/{name}"))
}

/// The first word of a version text that starts with a digit: "anvil Version: 1.7.1-stable" gives "1.7.1-stable".
fn version_in(text: &str) -> String {
    text.split_whitespace()
        .map(|word| word.trim_start_matches('v'))
        .find(|word| word.starts_with(|c: char| c.is_ascii_digit()))
        .unwrap_or("unknown")
        .to_owned()
}

/// Makes `link` a symbolic link to `target`, replacing an older link.
fn link(target: &Path, link: &Path) -> Result<()> {
    match fs::symlink_metadata(link) {
        Ok(meta) if meta.is_symlink() => {
            if fs::read_link(link)? == target {
                return Ok(());
            }
            fs::remove_file(link).wrap_err_with(|| format!("cannot replace {}", link.display()))?;
        }
        Ok(_) => bail!(
            "{} is a folder of its own, made by `npm install`; the packages are kept in the cache at {}. \
             Remove that folder, then run the same command again.",
            link.display(),
            target.display()
        ),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error).wrap_err_with(|| format!("cannot look at {}", link.display())),
    }
    match std::os::unix::fs::symlink(target, link) {
        Ok(()) => Ok(()),
        // Two commands may start together; the other one's link points to the same lock file's folder.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error).wrap_err_with(|| format!("cannot link {}", link.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found_in_what_the_tools_say() {
        assert_eq!(version_in("anvil Version: 1.7.1-stable\nCommit SHA: 40"), "1.7.1-stable");
        assert_eq!(version_in("nothing here"), "unknown");
    }

    #[test]
    fn an_old_link_is_replaced_and_a_real_folder_is_refused_and_kept() {
        let dir = tempfile::tempdir().unwrap();
        let (a, b, at) = (dir.path().join("a"), dir.path().join("b"), dir.path().join("node_modules"));
        fs::create_dir_all(&a).unwrap();
        fs::create_dir_all(&b).unwrap();
        link(&a, &at).unwrap();
        link(&b, &at).unwrap();
        assert_eq!(fs::read_link(&at).unwrap(), b);
        fs::remove_file(&at).unwrap();
        fs::create_dir_all(at.join("inside")).unwrap();
        assert!(link(&a, &at).unwrap_err().to_string().contains("Remove that folder"));
        assert!(at.join("inside").exists());
    }
}
