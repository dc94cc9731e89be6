//! Reads a backup and says whether it is whole: every file by its digest, every log by its chain of hashes.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use portcullis_core::log::chain_head;
use portcullis_verifier::B256;
use sha2::{Digest, Sha256};

use super::copy::Rows;
use super::{
    BackupError, FORMAT, INPUT_LOG, LogMark, MANIFEST, Manifest, Progress, Table, damaged, fail, hex,
};

/// Largest manifest, bytes: a few hundred for each table and log.
const MANIFEST_BYTES: u64 = 16 * 1024 * 1024;

/// What stands in a backup that is whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// What it says of itself.
    pub manifest: Manifest,
    /// First and last moment of the logs, milliseconds since 1970; none when they are empty.
    pub span_ms: Option<(u64, u64)>,
}

/// Reads the manifest of a backup.
///
/// # Errors
/// When there is none, or it is of another version.
pub fn manifest(folder: &Path) -> Result<Manifest, BackupError> {
    let path = folder.join(MANIFEST);
    let file = File::open(&path).map_err(fail("cannot open", &path))?;
    let mut text = String::new();
    file.take(MANIFEST_BYTES).read_to_string(&mut text).map_err(fail("cannot read", &path))?;
    let manifest: Manifest =
        serde_json::from_str(&text).map_err(|error| damaged(&path, error.to_string()))?;
    if manifest.format != FORMAT {
        let detail = format!("it has layout {}, this program reads {FORMAT}", manifest.format);
        return Err(damaged(&path, detail));
    }
    // SECURITY: names become paths and SQL; only those that a catalogue of ours can have are taken.
    let plain = |name: &String| {
        !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
    };
    let bad = {
        let mut names = manifest.tables.iter().flat_map(|table| table.columns.iter().chain([&table.name]));
        names.find(|name| !plain(name)).cloned()
    };
    if let Some(name) = bad {
        return Err(damaged(&path, format!("`{name}` is not a name of a table or column")));
    }
    Ok(manifest)
}

/// Checks a backup as a whole. Takes as long as reading it.
///
/// # Errors
/// [`BackupError::Damaged`] says what is wrong first.
pub fn check(folder: &Path, progress: &mut (dyn FnMut(Progress<'_>) + Send)) -> Result<Checked, BackupError> {
    let manifest = manifest(folder)?;
    let mut chains = Chains::default();
    for table in &manifest.tables {
        check_table(folder, table, &mut chains, progress)?;
    }
    let path = folder.join(MANIFEST);
    for mark in &manifest.logs {
        let key = (mark.group.clone(), mark.replica.clone());
        let (records, head) = chains.ends.remove(&key).unwrap_or_default();
        if (records, head) != (mark.records, mark.head) {
            let LogMark { group, replica, records: expected, .. } = mark;
            let detail = format!(
                "the log {group}/{replica} ends after {records} records with {head}, and should end after {expected} \
                 with {}",
                mark.head
            );
            return Err(damaged(&path, detail));
        }
    }
    match chains.ends.first_key_value() {
        Some(((group, replica), _)) => Err(damaged(&path, format!("the log {group}/{replica} is not in it"))),
        None => Ok(Checked { manifest, span_ms: chains.span_ms }),
    }
}

fn check_table(
    folder: &Path,
    table: &Table,
    chains: &mut Chains,
    progress: &mut (dyn FnMut(Progress<'_>) + Send),
) -> Result<(), BackupError> {
    let path = table.file(folder);
    let file = File::open(&path).map_err(fail("cannot open", &path))?;
    let mut tell = |bytes, done| progress(Progress { doing: "checking", table: &table.name, bytes, done });
    let mut source = Hashed { source: BufReader::new(file), hash: Sha256::new(), bytes: 0, tell: &mut tell };
    let unreadable = |error: std::io::Error| damaged(&path, error.to_string());
    let places = if table.name == INPUT_LOG { Some(Places::of(table, &path)?) } else { None };
    let (mut count, mut row) = (0u64, Vec::new());
    let mut rows = Rows::new(&mut source).map_err(unreadable)?;
    while rows.next(&mut row).map_err(unreadable)? {
        count = count.saturating_add(1);
        if let Some(places) = &places {
            chains.follow(places, &row).map_err(|detail| damaged(&path, detail))?;
        }
    }
    let (bytes, digest) = (source.bytes, hex(&source.hash.finalize()));
    tell(bytes, true);
    if (count, bytes) != (table.rows, table.bytes) || digest != table.sha256 {
        return Err(damaged(
            &path,
            format!("{count} rows in {bytes} bytes with SHA-256 {digest} are not what was written"),
        ));
    }
    Ok(())
}

/// Reads, and hashes what it reads.
struct Hashed<'a, R> {
    source: R,
    hash: Sha256,
    bytes: u64,
    tell: &'a mut dyn FnMut(u64, bool),
}

impl<R: Read> Read for Hashed<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.source.read(buffer)?;
        self.hash.update(buffer.get(..read).unwrap_or_default());
        self.bytes = self.bytes.saturating_add(u64::try_from(read).unwrap_or_default());
        (self.tell)(self.bytes, false);
        Ok(read)
    }
}

/// Where the columns of the log stand in its file.
struct Places {
    group: usize,
    replica: usize,
    seq: usize,
    at_ms: usize,
    encoded: usize,
    head: usize,
}

impl Places {
    fn of(table: &Table, path: &Path) -> Result<Self, BackupError> {
        let place = |name: &str| {
            let found = table.columns.iter().position(|column| column == name);
            found.ok_or_else(|| damaged(path, format!("the column {name} is missing")))
        };
        Ok(Self {
            group: place("group_id")?,
            replica: place("replica")?,
            seq: place("seq")?,
            at_ms: place("at_ms")?,
            encoded: place("encoded")?,
            head: place("head")?,
        })
    }
}

/// The chains of hashes of all logs, as far as they were followed.
#[derive(Default)]
struct Chains {
    ends: BTreeMap<(String, String), (u64, B256)>,
    span_ms: Option<(u64, u64)>,
}

impl Chains {
    fn follow(&mut self, places: &Places, row: &[Option<Vec<u8>>]) -> Result<(), String> {
        let field = |place: usize| row.get(place).and_then(Option::as_deref).unwrap_or_default();
        let text = |place| String::from_utf8_lossy(field(place)).into_owned();
        let number = |place| {
            let number = <[u8; 8]>::try_from(field(place)).ok().map(i64::from_be_bytes);
            number.and_then(|number| u64::try_from(number).ok()).ok_or("a number of the log is none")
        };
        let (seq, at_ms) = (number(places.seq)?, number(places.at_ms)?);
        let key = (text(places.group), text(places.replica));
        let (records, head) = self.ends.entry(key.clone()).or_default();
        let expected = chain_head(*head, *records, field(places.encoded));
        if seq != *records || field(places.head) != expected.as_slice() {
            return Err(format!("the log {}/{} is broken at record {records}: found {seq}", key.0, key.1));
        }
        (*records, *head) = (records.saturating_add(1), expected);
        let (first, last) = self.span_ms.unwrap_or((at_ms, at_ms));
        self.span_ms = Some((first.min(at_ms), last.max(at_ms)));
        Ok(())
    }
}
