//! A copy of the record in a folder, made while services work on it, and brought back into an empty database.
//!
//! *Who is in the play.* [`export`] reads every table in one snapshot; [`check`] reads what was written and follows the
//! chain of hashes of every log through it; [`import`] fills an empty database, all or nothing, and checks it again.
//! Tables and columns are taken from the database's own catalogue, so that none can be forgotten here.
//!
//! A backup holds what is in the database. What a process has in its local journal only is brought in by that process.

pub mod check;
mod copy;
mod export;
mod import;

use std::io;
use std::path::{Path, PathBuf};

use portcullis_verifier::B256;
use serde::{Deserialize, Serialize};

pub use export::export;
pub use import::import;

use crate::store::{LogName, StoreError};

/// The file without which a folder is no backup; written last.
pub const MANIFEST: &str = "manifest.json";

/// Version of the layout of a backup.
const FORMAT: u32 = 1;

/// The table whose rows are chained by hashes.
const INPUT_LOG: &str = "input_log";

/// Tables that say how the schema came about; the schema itself is made by migrations.
const NOT_DATA: [&str; 2] = ["_sqlx_migrations", "schema_history"];

/// Why a backup could not be made, read or brought back.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The database.
    #[error("the record cannot be used")]
    Store(#[from] StoreError),
    /// There is something in the folder already.
    #[error("PC-0254: {} is not empty: name a folder that is empty or does not exist", folder.display())]
    Occupied {
        /// Which folder.
        folder: PathBuf,
    },
    /// A file or folder.
    #[error("PC-0255: {what} {}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// With which file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The backup is not what was written.
    #[error("PC-0256: {} is not a whole backup: {detail}", path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        detail: String,
    },
    /// The database holds something.
    #[error("PC-0257: the database is not empty ({found}): restore into a new one")]
    NotEmpty {
        /// What is there.
        found: String,
    },
    /// The backup was made by a newer program.
    #[error(
        "PC-0258: the backup is of schema version {found}, made by portcullis {program}; this program knows {known}: \
         restore it with that version or a newer one"
    )]
    Newer {
        /// Version of the backup's schema.
        found: i64,
        /// Version of the program that made it.
        program: String,
        /// Newest version that this program knows.
        known: i64,
    },
}

impl BackupError {
    /// The code under which the documentation explains it.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Store(error) => error.code(),
            Self::Occupied { .. } => "PC-0254",
            Self::Io { .. } => "PC-0255",
            Self::Damaged { .. } => "PC-0256",
            Self::NotEmpty { .. } => "PC-0257",
            Self::Newer { .. } => "PC-0258",
        }
    }
}

/// What a backup holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Version of the layout.
    pub format: u32,
    /// Version of the program that made it.
    pub program: String,
    /// Newest migration of the schema.
    pub schema_version: i64,
    /// Moment of the snapshot, milliseconds since 1970.
    pub taken_at_ms: u64,
    /// Every table.
    pub tables: Vec<Table>,
    /// Where each log ends.
    pub logs: Vec<LogMark>,
}

/// One table of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// Its columns, in the order of the file.
    pub columns: Vec<String>,
    /// How many rows the file holds.
    pub rows: u64,
    /// Length of the file.
    pub bytes: u64,
    /// SHA-256 of the file, hexadecimal.
    pub sha256: String,
}

impl Table {
    /// The file that holds the rows, in Postgres's binary `COPY` format.
    #[must_use]
    pub fn file(&self, folder: &Path) -> PathBuf {
        folder.join(format!("{}.copy", self.name))
    }
}

/// Where a log ends in a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogMark {
    /// Linked group.
    pub group: String,
    /// Name of the log.
    pub replica: String,
    /// How many records it has.
    pub records: u64,
    /// Head after the last.
    pub head: B256,
}

impl LogMark {
    fn is_of(&self, log: &LogName) -> bool {
        self.group == log.group.as_str() && self.replica == log.replica.as_str()
    }
}

/// How far long work has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress<'a> {
    /// `writing`, `checking` or `restoring`.
    pub doing: &'static str,
    /// Which table.
    pub table: &'a str,
    /// Bytes so far.
    pub bytes: u64,
    /// True with the last call for the table.
    pub done: bool,
}

fn fail(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> BackupError {
    let path = path.to_path_buf();
    move |source| BackupError::Io { what, path, source }
}

fn damaged(path: &Path, detail: impl Into<String>) -> BackupError {
    BackupError::Damaged { path: path.to_path_buf(), detail: detail.into() }
}

/// Lower-case hexadecimal of a digest.
fn hex(digest: &[u8]) -> String {
    alloy_primitives::hex::encode(digest)
}

/// A name of the catalogue as SQL takes it, whatever stands in it.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn columns(names: &[String]) -> String {
    names.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(", ")
}
