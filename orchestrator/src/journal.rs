//! The local journal: where a decision and its signed attempts become durable when Postgres does not answer in time.
//!
//! One file per log: a header, then records of `length ‖ checksum ‖ payload`, each on disk before [`Journal::append`]
//! returns. A process that died while writing leaves a torn tail, which was never acknowledged and is cut off. Damage
//! *before* the end is something else: the file is kept aside for people, and what precedes the damage is used.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use portcullis_verifier::keccak256;

use crate::budget::JOURNAL_RECORD_BYTES;

/// First bytes of the file; the last one is the version of the format.
const MAGIC: &[u8; 8] = b"pcjrnl\x00\x01";
/// Bytes of a checksum: the first of keccak256 of the payload. Sixteen leave no room for chance.
const CHECKSUM_BYTES: usize = 16;
const LENGTH_BYTES: usize = 4;
/// Bytes of a record beside its payload.
pub const FRAME_BYTES: usize = LENGTH_BYTES + CHECKSUM_BYTES;

/// Why the journal could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The file system.
    #[error("PC-0221: {what} {}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// With which file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A record above the bound.
    #[error("PC-0222: a journal record of {bytes} bytes is above the bound of {JOURNAL_RECORD_BYTES}")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// The file is not a journal of this version.
    #[error("PC-0223: {} is not a journal of this version; move it away to go on without it", path.display())]
    Foreign {
        /// Which file.
        path: PathBuf,
    },
}

impl JournalError {
    /// The code under which the documentation explains it.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Io { .. } => "PC-0221",
            Self::TooLarge { .. } => "PC-0222",
            Self::Foreign { .. } => "PC-0223",
        }
    }
}

/// Where a record lies in the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slot {
    offset: u64,
    bytes: u64,
}

/// What opening a journal found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovered {
    /// Payloads in the order of writing.
    pub records: Vec<Vec<u8>>,
    /// Bytes of a record that was being written when the process died; cut off.
    pub torn_bytes: u64,
    /// Where the file was copied to when there was damage before its end; none otherwise.
    pub damaged: Option<PathBuf>,
}

/// An open journal.
#[derive(Debug)]
pub struct Journal {
    file: File,
    path: PathBuf,
    bytes: u64,
}

/// How reading a file's records ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tail {
    /// With the last record.
    Clean,
    /// Within a record that was being written.
    Torn,
    /// At bytes that no append has written, with more behind them.
    Damaged,
}

impl Journal {
    /// Opens the journal, makes it when it is not there, and reads what it holds.
    ///
    /// # Errors
    /// When the file system refuses, or the file is something else.
    pub fn open(path: &Path) -> Result<(Self, Recovered), JournalError> {
        let fail = |what| move |source| JournalError::Io { what, path: path.to_path_buf(), source };
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(fail("cannot make the folder of"))?;
        }
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(fail("cannot open"))?;
        let mut content = Vec::new();
        file.read_to_end(&mut content).map_err(fail("cannot read"))?;
        // A process that died while making the file left less than a header: nothing was acknowledged.
        if content.len() < MAGIC.len() && MAGIC.starts_with(&content) {
            file.set_len(0).map_err(fail("cannot write"))?;
            file.seek(SeekFrom::Start(0)).map_err(fail("cannot write"))?;
            file.write_all(MAGIC).map_err(fail("cannot write"))?;
            file.sync_all().map_err(fail("cannot write"))?;
            sync_folder(path).map_err(fail("cannot write the folder of"))?;
            let recovered = Recovered { records: Vec::new(), torn_bytes: 0, damaged: None };
            return Ok((Self { file, path: path.to_path_buf(), bytes: as_u64(MAGIC.len()) }, recovered));
        }
        let body =
            content.strip_prefix(MAGIC).ok_or_else(|| JournalError::Foreign { path: path.to_path_buf() })?;
        let (records, good, tail) = read_records(body);
        let good = as_u64(MAGIC.len()).saturating_add(as_u64(good));
        let lost = as_u64(content.len()).saturating_sub(good);
        let damaged = match tail {
            Tail::Damaged => Some(keep_aside(path).map_err(fail("cannot copy"))?),
            Tail::Clean | Tail::Torn => None,
        };
        if lost > 0 {
            file.set_len(good).map_err(fail("cannot cut"))?;
            file.sync_all().map_err(fail("cannot cut"))?;
        }
        file.seek(SeekFrom::Start(good)).map_err(fail("cannot read"))?;
        let recovered = Recovered { records, torn_bytes: if damaged.is_some() { 0 } else { lost }, damaged };
        Ok((Self { file, path: path.to_path_buf(), bytes: good }, recovered))
    }

    /// Puts a record at the end, and says where. When this returns, it is on disk.
    ///
    /// # Errors
    /// When the disk refuses; then the record counts as not written, and is cut off again.
    pub fn append(&mut self, payload: &[u8]) -> Result<Slot, JournalError> {
        let frame = frame(payload)?;
        let written = self.file.write_all(&frame).and_then(|()| self.file.sync_data());
        if let Err(source) = written {
            // Half a record must not stand before a later whole one.
            let _cut = self.file.set_len(self.bytes);
            let _back = self.file.seek(SeekFrom::Start(self.bytes));
            return Err(JournalError::Io { what: "cannot append to", path: self.path.clone(), source });
        }
        let slot = Slot { offset: self.bytes, bytes: as_u64(frame.len()) };
        self.bytes = self.bytes.saturating_add(slot.bytes);
        Ok(slot)
    }

    /// Reads a record back.
    ///
    /// # Errors
    /// When the disk refuses, or gives back something else than was written.
    pub fn read(&self, slot: Slot) -> Result<Vec<u8>, JournalError> {
        let fail = |source| JournalError::Io { what: "cannot read back", path: self.path.clone(), source };
        let damage =
            || fail(io::Error::new(io::ErrorKind::InvalidData, "the record is not what was written"));
        let mut frame = vec![0; usize::try_from(slot.bytes).map_err(|_too_long| damage())?];
        // Not through the file's own position, which is where the next record goes.
        self.file.read_exact_at(&mut frame, slot.offset).map_err(fail)?;
        let (mut records, good, _) = read_records(&frame);
        match (records.pop(), records.is_empty() && good == frame.len()) {
            (Some(record), true) => Ok(record),
            _ => Err(damage()),
        }
    }

    /// Forgets everything: all of it is in Postgres now.
    ///
    /// # Errors
    /// When the disk refuses; then the records stay, and bringing them in again changes nothing.
    pub fn clear(&mut self) -> Result<(), JournalError> {
        let start = as_u64(MAGIC.len());
        let cleared = self
            .file
            .set_len(start)
            .and_then(|()| self.file.seek(SeekFrom::Start(start)))
            .and_then(|_| self.file.sync_data());
        cleared.map_err(|source| JournalError::Io {
            what: "cannot clear",
            path: self.path.clone(),
            source,
        })?;
        self.bytes = start;
        Ok(())
    }

    /// Size of the file, bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

/// A record as it lies in the file.
///
/// # Errors
/// [`JournalError::TooLarge`] when the payload is above the bound.
pub fn frame(payload: &[u8]) -> Result<Vec<u8>, JournalError> {
    let length = u32::try_from(payload.len())
        .ok()
        .filter(|length| *length <= JOURNAL_RECORD_BYTES)
        .ok_or(JournalError::TooLarge { bytes: payload.len() })?;
    let mut frame = Vec::with_capacity(payload.len().saturating_add(FRAME_BYTES));
    frame.extend_from_slice(&length.to_le_bytes());
    frame.extend_from_slice(&checksum(payload));
    frame.extend_from_slice(payload);
    Ok(frame)
}

/// Reads records from the start of what follows the header; gives them, the length of what was good in bytes, and how
/// it ended.
#[must_use]
pub fn read_records(body: &[u8]) -> (Vec<Vec<u8>>, usize, Tail) {
    let mut records = Vec::new();
    let mut rest = body;
    loop {
        let good = body.len().saturating_sub(rest.len());
        if rest.is_empty() {
            return (records, good, Tail::Clean);
        }
        let Some((length, after)) = rest.split_first_chunk::<LENGTH_BYTES>() else {
            return (records, good, Tail::Torn);
        };
        let length = u32::from_le_bytes(*length);
        // Appending bounds every length: another one was not written by an append that got this far.
        let Some(length) = usize::try_from(length).ok().filter(|_| length <= JOURNAL_RECORD_BYTES) else {
            return (records, good, Tail::Damaged);
        };
        let Some((sum, after)) = after.split_at_checked(CHECKSUM_BYTES) else {
            return (records, good, Tail::Torn);
        };
        let Some((payload, after)) = after.split_at_checked(length) else {
            return (records, good, Tail::Torn);
        };
        if checksum(payload) != sum {
            // The file system may have grown the file before the content arrived: only the last record can be torn.
            let tail = if after.is_empty() { Tail::Torn } else { Tail::Damaged };
            return (records, good, tail);
        }
        records.push(payload.to_vec());
        rest = after;
    }
}

fn checksum(payload: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let digest = keccak256(payload);
    let mut sum = [0; CHECKSUM_BYTES];
    for (to, from) in sum.iter_mut().zip(digest) {
        *to = from;
    }
    sum
}

/// Copies a damaged file beside itself under the first free name.
fn keep_aside(path: &Path) -> io::Result<PathBuf> {
    let mut number = 0u32;
    loop {
        let copy = path.with_extension(format!("damaged-{number}"));
        if !copy.exists() {
            fs::copy(path, &copy)?;
            return Ok(copy);
        }
        number = number.checked_add(1).ok_or(io::ErrorKind::AlreadyExists)?;
    }
}

/// The entry of a new file is durable only when its folder is.
fn sync_folder(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

fn as_u64(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn journal_with(records: &[&[u8]]) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sub/g.r.journal");
        let (mut journal, recovered) = Journal::open(&path).unwrap();
        assert!(recovered.records.is_empty());
        for record in records {
            journal.append(record).unwrap();
        }
        (folder, path)
    }

    #[test]
    fn what_was_appended_is_read_back_in_order_and_clearing_forgets_it() {
        let (_folder, path) = journal_with(&[b"one", b"", b"three"]);
        let (mut journal, recovered) = Journal::open(&path).unwrap();
        assert_eq!(recovered.records, [b"one".to_vec(), b"".to_vec(), b"three".to_vec()]);
        assert_eq!((recovered.torn_bytes, recovered.damaged), (0, None));
        journal.append(b"four").unwrap();
        assert_eq!(Journal::open(&path).unwrap().1.records.len(), 4);
        journal.clear().unwrap();
        journal.append(b"five").unwrap();
        assert_eq!(Journal::open(&path).unwrap().1.records, [b"five".to_vec()]);
    }

    #[test]
    fn each_record_is_read_back_from_its_place_and_damage_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("g.r.journal");
        let mut journal = Journal::open(&path).unwrap().0;
        let slots = [&b"one"[..], b"", b"three"].map(|record| journal.append(record).unwrap());
        assert_eq!(
            slots.map(|slot| journal.read(slot).unwrap()),
            [b"one".to_vec(), b"".to_vec(), b"three".to_vec()]
        );
        journal.append(b"four").unwrap();
        assert_eq!(journal.read(slots[0]).unwrap(), b"one");
        let mut bytes = fs::read(&path).unwrap();
        let inside = MAGIC.len() + LENGTH_BYTES + CHECKSUM_BYTES + 1;
        bytes[inside] ^= 1;
        fs::write(&path, &bytes).unwrap();
        assert!(matches!(journal.read(slots[0]), Err(JournalError::Io { .. })));
    }

    #[test]
    fn a_tail_torn_at_any_byte_is_cut_and_everything_before_it_is_kept() {
        let (_folder, path) = journal_with(&[b"first", b"second"]);
        let whole = fs::read(&path).unwrap();
        let second = LENGTH_BYTES + CHECKSUM_BYTES + 6;
        for missing in 1..=second {
            fs::write(&path, &whole[..whole.len() - missing]).unwrap();
            let (mut journal, recovered) = Journal::open(&path).unwrap();
            assert_eq!(recovered.records, [b"first".to_vec()], "{missing} bytes missing");
            assert_eq!(recovered.torn_bytes, as_u64(second - missing));
            assert_eq!(recovered.damaged, None);
            journal.append(b"again").unwrap();
            assert_eq!(Journal::open(&path).unwrap().1.records, [b"first".to_vec(), b"again".to_vec()]);
        }
    }

    #[test]
    fn a_tail_whose_content_never_arrived_is_torn() {
        let (_folder, path) = journal_with(&[b"first", b"second"]);
        let mut whole = fs::read(&path).unwrap();
        let from = whole.len() - 6;
        whole[from..].fill(0);
        fs::write(&path, &whole).unwrap();
        let recovered = Journal::open(&path).unwrap().1;
        assert_eq!((recovered.records.len(), recovered.damaged), (1, None));
        assert!(recovered.torn_bytes > 0);
    }

    #[test]
    fn damage_before_the_end_keeps_the_file_aside() {
        let (_folder, path) = journal_with(&[b"first", b"second", b"third"]);
        let mut whole = fs::read(&path).unwrap();
        let inside_second = MAGIC.len() + (LENGTH_BYTES + CHECKSUM_BYTES) * 2 + 5 + 2;
        whole[inside_second] ^= 1;
        fs::write(&path, &whole).unwrap();
        let recovered = Journal::open(&path).unwrap().1;
        assert_eq!(recovered.records, [b"first".to_vec()]);
        assert_eq!(fs::read(recovered.damaged.unwrap()).unwrap(), whole);
    }

    #[test]
    fn another_file_is_refused_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("g.r.journal");
        fs::write(&path, b"something else entirely").unwrap();
        assert!(matches!(Journal::open(&path), Err(JournalError::Foreign { .. })));
        assert_eq!(fs::read(&path).unwrap(), b"something else entirely");
    }

    #[test]
    fn half_a_header_is_a_new_journal() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("g.r.journal");
        fs::write(&path, &MAGIC[..3]).unwrap();
        let (mut journal, recovered) = Journal::open(&path).unwrap();
        assert!(recovered.records.is_empty());
        journal.append(b"one").unwrap();
        assert_eq!(Journal::open(&path).unwrap().1.records, [b"one".to_vec()]);
    }
}
