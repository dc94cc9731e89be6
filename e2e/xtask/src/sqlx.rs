//! `.sqlx` (what each query returns, so that the service compiles without a database) and the golden schema.
//!
//! The query macros of sqlx ask the database in `DATABASE_URL` while they expand, unless `SQLX_OFFLINE` is true; and
//! where `SQLX_OFFLINE_DIR` is set they write each answer to `query-<SHA-256 of the SQL>.json` in that folder
//! (sqlx-macros-core 0.9, `query/mod.rs`: `expand_with` passes the folder on for live data, `expand_with_data` saves).
//! Compiling with those three variables set is therefore all that preparing takes, and the sqlx command line, which
//! takes minutes to build, is not needed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use eyre::{Result, WrapErr, bail, eyre};

use crate::command;
use crate::paths::Paths;
use crate::pg::{Cluster, schema};
use crate::tools::postgres::Postgres;
use crate::ui::Step;

pub(crate) const HELP: &str = "\
Regenerate .sqlx (types of every SQL query) and migrations/schema.sql (the schema that the migrations make).

Usage: cargo xtask sqlx [--schema] [--check]

Options:
  --schema  only the schema: takes a second, and needs no code that compiles
  --check   change nothing; fail and say what differs

A throw-away Postgres is started, the files in migrations/ are run in order, and the crates that hold queries are
checked against it. Run it after every change to a migration or a query and commit what it writes.

Examples:
  cargo xtask sqlx
  cargo xtask sqlx --schema
  cargo xtask sqlx --check";

/// Database that the migrations are run in.
const DATABASE: &str = "portcullis";

/// Macros whose text is sent to the database while compiling.
const MACROS: [&str; 3] = ["query", "query_as", "query_scalar"];

/// The command `sqlx`.
///
/// # Errors
/// When the server, a migration or the compilation fails; with `check`, also when a committed file differs.
pub(crate) fn command(paths: &Paths, programs: &Postgres, schema_only: bool, check: bool) -> Result<()> {
    let step = Step::spinner("migrations on a fresh Postgres");
    let cluster = Cluster::start(programs)?;
    cluster.connect("postgres")?.query(&format!("CREATE DATABASE {DATABASE}"))?;
    let mut connection = cluster.connect(DATABASE)?;
    let migrations = migrations(&paths.root.join("migrations"))?;
    for path in &migrations {
        let sql = fs::read_to_string(path).wrap_err_with(|| format!("cannot read {}", path.display()))?;
        let shown = path.strip_prefix(&paths.root).unwrap_or(path).display();
        connection.query(&sql).wrap_err_with(|| format!("{shown} does not run on an empty database"))?;
    }
    let schema = schema::text(&mut connection)?;
    step.done(&format!("{} files, Postgres {}", migrations.len(), programs.version));

    let mut wanted = BTreeMap::new();
    wanted.insert(PathBuf::from("migrations/schema.sql"), schema);
    if !schema_only {
        wanted.extend(queries(paths, &cluster.url(DATABASE))?);
    }
    let folders: &[&str] = if schema_only { &[] } else { &[".sqlx"] };
    settle(&paths.root, &wanted, folders, check)
}

/// Migration files in the order of their version, the number before the first underscore.
fn migrations(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).wrap_err_with(|| format!("cannot read {}", folder.display()))? {
        let path = entry?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let Some((version, rest)) = name.split_once('_') else { continue };
        let Ok(version) = version.parse::<u64>() else { continue };
        if !rest.ends_with(".sql") || rest.ends_with(".down.sql") {
            continue;
        }
        if let Some(other) = found.insert(version, path.clone()) {
            bail!("{} and {} have the same version", other.display(), path.display());
        }
    }
    if found.is_empty() {
        bail!("{} holds no migration (NNNN_name.sql)", folder.display());
    }
    Ok(found.into_values().collect())
}

/// Compiles everything that holds queries against the database at `url`; returns the files for `.sqlx`.
fn queries(paths: &Paths, url: &str) -> Result<BTreeMap<PathBuf, String>> {
    let sources = sources_with_queries(&paths.root)?;
    if sources.is_empty() {
        return Ok(BTreeMap::new());
    }
    let folder = paths.target.join(format!("sqlx-{}", std::process::id()));
    fs::create_dir_all(&folder).wrap_err_with(|| format!("cannot make {}", folder.display()))?;
    let result = check_against(paths, url, &folder, &sources);
    let files = result.and_then(|()| read_answers(&folder));
    let _ = fs::remove_dir_all(&folder);
    files
}

fn check_against(paths: &Paths, url: &str, folder: &Path, sources: &[PathBuf]) -> Result<()> {
    let mut cargo = paths.cargo();
    cargo.arg("check").arg("--all-targets");
    cargo.env("DATABASE_URL", url).env("SQLX_OFFLINE", "false").env("SQLX_OFFLINE_DIR", folder);
    let mut packages = BTreeSet::new();
    for source in sources {
        packages.insert(package_of(source)?);
        // Cargo does not know that these variables matter; a newer file makes it compile again.
        let file = fs::File::options().append(true).open(source);
        let touched = file.and_then(|file| file.set_modified(SystemTime::now()));
        touched.wrap_err_with(|| format!("cannot touch {}", source.display()))?;
    }
    for package in packages {
        cargo.args(["-p", &package]);
    }
    command::run(&mut cargo).wrap_err("the queries could not be checked against the migrated database")
}

fn read_answers(folder: &Path) -> Result<BTreeMap<PathBuf, String>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        files.insert(Path::new(".sqlx").join(entry.file_name()), fs::read_to_string(entry.path())?);
    }
    if files.is_empty() {
        bail!("the compiler ran, but no query was written; was anything compiled?");
    }
    Ok(files)
}

/// Rust files of the workspace that call a checked query macro.
fn sources_with_queries(root: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for path in crate::tidy::tree::Tree::read(root)?.with_extension("rs") {
        // This crate only talks about the macros.
        if !path.starts_with("e2e/xtask/") && holds_query(&fs::read_to_string(root.join(path))?) {
            found.push(root.join(path));
        }
    }
    Ok(found)
}

fn holds_query(text: &str) -> bool {
    text.match_indices('!').any(|(at, _)| {
        let before = text.get(..at).unwrap_or_default();
        let after = text.get(at + 1..).unwrap_or_default().trim_start();
        let start = before.rfind(|c: char| !c.is_alphanumeric() && c != '_').map_or(0, |at| at + 1);
        let name = before.get(start..).unwrap_or_default();
        let name = name.strip_suffix("_unchecked").unwrap_or(name).replace("_file", "");
        after.starts_with('(') && MACROS.contains(&name.as_str())
    })
}

/// Name of the package that a source file belongs to.
fn package_of(source: &Path) -> Result<String> {
    for dir in source.ancestors().skip(1) {
        let Ok(text) = fs::read_to_string(dir.join("Cargo.toml")) else { continue };
        let name = text.lines().find_map(|line| line.strip_prefix("name = "));
        let name = name.ok_or_else(|| eyre!("{} names no package", dir.join("Cargo.toml").display()))?;
        return Ok(name.trim().trim_matches('"').to_owned());
    }
    bail!("{} belongs to no package", source.display())
}

/// Writes the wanted files, and removes others from `folders`; or, with `check`, says what that would change.
///
/// # Errors
/// When a file cannot be written; with `check`, when anything differs.
pub(crate) fn settle(
    root: &Path,
    wanted: &BTreeMap<PathBuf, String>,
    folders: &[&str],
    check: bool,
) -> Result<()> {
    let mut changes = Vec::new();
    for (path, text) in wanted {
        let old = fs::read_to_string(root.join(path)).ok();
        if old.as_ref() == Some(text) {
            continue;
        }
        let verb = if old.is_some() { "changed" } else { "new    " };
        changes.push(format!("{verb} {}", path.display()));
        if !check {
            let target = root.join(path);
            if let Some(parent) = target.parent() {
                fs::create_dir_all(parent)?;
            }
            fs::write(&target, text).wrap_err_with(|| format!("cannot write {}", target.display()))?;
        }
    }
    for folder in folders {
        for entry in fs::read_dir(root.join(folder)).into_iter().flatten() {
            let path = Path::new(folder).join(entry?.file_name());
            if !wanted.contains_key(&path) {
                changes.push(format!("gone    {}", path.display()));
                if !check {
                    fs::remove_file(root.join(&path))?;
                }
            }
        }
    }
    for change in &changes {
        println!("{change}");
    }
    if check && !changes.is_empty() {
        bail!(
            "{} generated files differ from the sources; run `cargo xtask regen` and commit",
            changes.len()
        );
    }
    println!("{} generated files, {} changes", wanted.len(), changes.len());
    Ok(())
}
