//! The files that the rules read: what git tracks or would track, or everything where there is no git.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use eyre::{Result, WrapErr};

use crate::command;

/// Folders that hold nothing of ours, skipped where git does not say what is ignored.
const SKIPPED: [&str; 5] = [".git", "target", "node_modules", "out", "cache"];

/// A list of files below one folder.
#[derive(Debug)]
pub(crate) struct Tree {
    root: PathBuf,
    files: Vec<String>,
}

impl Tree {
    /// Lists the files of a checkout.
    ///
    /// # Errors
    /// When a folder cannot be read.
    pub(crate) fn read(root: &Path) -> Result<Self> {
        let mut files = match from_git(root) {
            Some(files) => files,
            None => {
                let mut files = Vec::new();
                walk(root, root, &mut files)?;
                files
            }
        };
        // A file that was deleted but not committed yet is still listed.
        files.retain(|file| root.join(file).is_file());
        files.sort();
        files.dedup();
        Ok(Self { root: root.to_path_buf(), files })
    }

    /// Paths relative to the root, with `/`, sorted.
    pub(crate) fn files(&self) -> &[String] {
        &self.files
    }

    /// Those with this extension.
    pub(crate) fn with_extension<'a>(&'a self, extension: &'a str) -> impl Iterator<Item = &'a str> {
        self.files
            .iter()
            .map(String::as_str)
            .filter(move |file| Path::new(file).extension().is_some_and(|found| found == extension))
    }

    /// Text of a file; empty when it is not text.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(crate) fn text(&self, file: &str) -> Result<String> {
        let bytes = fs::read(self.root.join(file)).wrap_err_with(|| format!("cannot read {file}"))?;
        Ok(String::from_utf8(bytes).unwrap_or_default())
    }

    /// Whether a path relative to the root is a file or folder.
    pub(crate) fn exists(&self, path: &Path) -> bool {
        self.root.join(path).exists()
    }
}

fn from_git(root: &Path) -> Option<Vec<String>> {
    if !root.join(".git").exists() {
        return None;
    }
    let mut git = Command::new("git");
    git.current_dir(root).args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
    let listed = command::output(&mut git).ok()?;
    Some(listed.split('\0').filter(|file| !file.is_empty()).map(str::to_owned).collect())
}

fn walk(root: &Path, dir: &Path, files: &mut Vec<String>) -> Result<()> {
    for entry in fs::read_dir(dir).wrap_err_with(|| format!("cannot read {}", dir.display()))? {
        let entry = entry?;
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            if !SKIPPED.iter().any(|skipped| entry.file_name() == *skipped) {
                walk(root, &path, files)?;
            }
        } else if let Ok(relative) = path.strip_prefix(root) {
            files.push(relative.to_string_lossy().into_owned());
        }
    }
    Ok(())
}

/// A temporary tree with the given files, for the tests of the rules.
#[cfg(test)]
pub(crate) fn planted(files: &[(&str, &str)]) -> (tempfile::TempDir, Tree) {
    let dir = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let tree = Tree::read(dir.path()).unwrap();
    (dir, tree)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_git_the_tree_is_walked_and_build_folders_are_left_out() {
        let (_dir, tree) =
            planted(&[("b/x.rs", ""), ("a.md", ""), ("target/y.rs", ""), ("c/node_modules/z.rs", "")]);
        assert_eq!(tree.files(), ["a.md", "b/x.rs"]);
        assert_eq!(tree.with_extension("rs").collect::<Vec<_>>(), ["b/x.rs"]);
    }

    #[test]
    fn with_git_ignored_files_are_left_out_and_new_ones_are_read() {
        let (dir, _) = planted(&[(".gitignore", "*.log\n"), ("new.rs", ""), ("x.log", "")]);
        command::output(Command::new("git").current_dir(dir.path()).args(["init", "-q"])).unwrap();
        assert_eq!(Tree::read(dir.path()).unwrap().files(), [".gitignore", "new.rs"]);
    }
}
