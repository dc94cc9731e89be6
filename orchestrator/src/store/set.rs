//! What commits together.

use borsh::{BorshDeserialize, BorshSerialize};
use portcullis_adapter::{Attempt, Cursor};
use portcullis_core::{Effects, Input};
use portcullis_verifier::{ActionId, B256, BlockRef, ChainId, GroupId, Slug};

use super::{StoreError, codec, convert::unreadable};

/// Which log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize)]
pub struct LogName {
    /// Linked group.
    pub group: GroupId,
    /// Name of this log among those of the group.
    pub replica: Slug,
}

impl std::fmt::Display for LogName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.group, self.replica)
    }
}

/// Where a log ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct LogEnd {
    /// Sequence number that the next record takes.
    pub next_seq: u64,
    /// Head after the last record; zero before the first.
    pub head: B256,
}

impl LogEnd {
    /// The end of an empty log.
    pub const EMPTY: Self = Self { next_seq: 0, head: B256::ZERO };
}

/// One record as it lies in the log.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct LogRecord {
    /// Position, from 0, without gaps.
    pub seq: u64,
    /// Moment of the input, milliseconds since 1970.
    pub at_ms: u64,
    /// The input in the encoding of the log.
    pub encoded: Vec<u8>,
    /// Head after this record.
    pub head: B256,
    /// Version of the engine that consumed it.
    pub engine_version: u32,
    /// What it caused, encoded.
    pub effects: Vec<u8>,
}

/// A record with what it holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// As it lies in the log.
    pub record: LogRecord,
    /// What the engine consumed.
    pub input: Input,
    /// What it asked for.
    pub effects: Effects,
}

/// Signed bytes with the moment of signing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// The bytes and where they belong.
    pub attempt: Attempt,
    /// When they were signed, milliseconds since 1970.
    pub at_ms: u64,
}

/// What commits in one transaction, or lies in one journal record.
#[derive(Debug, Clone, PartialEq)]
pub struct WriteSet {
    /// Which log.
    pub log: LogName,
    /// End of the log before the first step.
    pub base: LogEnd,
    /// New records, in order. May be empty: attempts of a later step of the fee schedule come alone.
    pub steps: Vec<Step>,
    /// Where chains are left after the last step; at most one for each chain. What their blocks held is not written with
    /// them: it stands in the log.
    pub cursors: Vec<Cursor>,
    /// What was signed because of these steps.
    pub attempts: Vec<Signed>,
}

impl WriteSet {
    /// A set that changes nothing yet.
    #[must_use]
    pub fn new(log: LogName, base: LogEnd) -> Self {
        Self { log, base, steps: Vec::new(), cursors: Vec::new(), attempts: Vec::new() }
    }

    /// End of the log after the last step.
    #[must_use]
    pub fn end(&self) -> LogEnd {
        self.steps.last().map_or(self.base, |step| LogEnd {
            next_seq: step.record.seq.saturating_add(1),
            head: step.record.head,
        })
    }

    /// True when nothing would be written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty() && self.cursors.is_empty() && self.attempts.is_empty()
    }

    /// Puts a later set of the same log behind this one. Cursors of the later one replace those of the earlier.
    pub fn append(&mut self, later: Self) {
        self.steps.extend(later.steps);
        self.attempts.extend(later.attempts);
        for cursor in later.cursors {
            self.put_cursor(cursor);
        }
    }

    /// Leaves a chain at a cursor.
    pub fn put_cursor(&mut self, cursor: Cursor) {
        self.cursors.retain(|old| old.chain != cursor.chain);
        self.cursors.push(cursor);
    }

    /// The set for the journal.
    ///
    /// # Errors
    /// When the encoder refuses a value; the types of this crate never do.
    pub fn encode(&self) -> Result<Vec<u8>, StoreError> {
        let records: Vec<&LogRecord> = self.steps.iter().map(|step| &step.record).collect();
        let cursors: Vec<EncodedCursor> = self.cursors.iter().map(EncodedCursor::from).collect();
        let attempts: Vec<EncodedAttempt> = self.attempts.iter().map(EncodedAttempt::from).collect();
        borsh::to_vec(&(VERSION, self.log, self.base, records, cursors, attempts))
            .map_err(|error| unreadable("a write set", error.to_string()))
    }

    /// Reads a set back from the journal.
    ///
    /// # Errors
    /// When the bytes are not a set of a version that is known.
    pub fn decode(bytes: &[u8]) -> Result<Self, StoreError> {
        match versioned("a write set of the journal", bytes)? {
            (FAT_CURSORS, rest) => Self::parts::<FatCursor>(rest),
            (_, rest) => Self::parts::<EncodedCursor>(rest),
        }
    }

    fn parts<C: BorshDeserialize + Into<Cursor>>(bytes: &[u8]) -> Result<Self, StoreError> {
        type Parts<C> = (LogName, LogEnd, Vec<LogRecord>, Vec<C>, Vec<EncodedAttempt>);
        let (log, base, records, cursors, attempts): Parts<C> = borsh::from_slice(bytes)
            .map_err(|error| unreadable("a write set of the journal", error.to_string()))?;
        let steps = records.into_iter().map(codec::step_of).collect::<Result<_, _>>()?;
        Ok(Self {
            log,
            base,
            steps,
            cursors: cursors.into_iter().map(C::into).collect(),
            attempts: attempts.into_iter().map(Signed::from).collect(),
        })
    }
}

/// Version of the encoding of a set in the journal and of a cursor in its row.
const VERSION: u8 = 2;

/// Version in which cursors carried what their blocks held. It is read, for who upgrades; an older program refuses the
/// newer version, because it would not look into the log for what has to be undone.
const FAT_CURSORS: u8 = 1;

/// What follows the version of an encoding, and the version, if it is one that is known.
fn versioned<'a>(what: &'static str, bytes: &'a [u8]) -> Result<(u8, &'a [u8]), StoreError> {
    match bytes.split_first() {
        Some((&version, rest)) if matches!(version, FAT_CURSORS | VERSION) => Ok((version, rest)),
        Some((version, _)) => Err(unreadable(what, format!("version {version}"))),
        None => Err(unreadable(what, "it is empty")),
    }
}

#[derive(BorshSerialize, BorshDeserialize)]
struct EncodedCursor {
    chain: ChainId,
    recent: Vec<BlockRef>,
}

/// As version 1 wrote it: the encoded events of its blocks stood in the log as well.
#[derive(BorshDeserialize)]
struct FatCursor {
    chain: ChainId,
    recent: Vec<BlockRef>,
    _undoable: Vec<(BlockRef, Vec<Vec<u8>>)>,
}

impl From<&Cursor> for EncodedCursor {
    fn from(cursor: &Cursor) -> Self {
        // Written again with every block, what can be undone would be most of what is written at all.
        Self { chain: cursor.chain, recent: cursor.recent.clone() }
    }
}

impl From<EncodedCursor> for Cursor {
    fn from(encoded: EncodedCursor) -> Self {
        Self { chain: encoded.chain, recent: encoded.recent, undoable: Vec::new() }
    }
}

impl From<FatCursor> for Cursor {
    fn from(encoded: FatCursor) -> Self {
        Self { chain: encoded.chain, recent: encoded.recent, undoable: Vec::new() }
    }
}

/// The bytes that a cursor's row holds.
///
/// # Errors
/// When the encoder refuses a value; the types of a cursor never do.
pub(crate) fn encode_cursor(cursor: &Cursor) -> Result<Vec<u8>, StoreError> {
    borsh::to_vec(&(VERSION, EncodedCursor::from(cursor)))
        .map_err(|error| unreadable("a cursor", error.to_string()))
}

/// Reads the bytes of a cursor's row. What its blocks held is not among them.
///
/// # Errors
/// When they are not a cursor of a version that is known.
pub(crate) fn decode_cursor(bytes: &[u8]) -> Result<Cursor, StoreError> {
    let decoded = match versioned("a cursor", bytes)? {
        (FAT_CURSORS, rest) => borsh::from_slice::<FatCursor>(rest).map(Cursor::from),
        (_, rest) => borsh::from_slice::<EncodedCursor>(rest).map(Cursor::from),
    };
    decoded.map_err(|error| unreadable("a cursor", error.to_string()))
}

#[derive(BorshSerialize, BorshDeserialize)]
struct EncodedAttempt {
    action: ActionId,
    chain: ChainId,
    hash: B256,
    bytes: Vec<u8>,
    sender: B256,
    nonce: u64,
    bump: u16,
    fee: u128,
    at_ms: u64,
}

impl From<&Signed> for EncodedAttempt {
    fn from(signed: &Signed) -> Self {
        let Attempt { action, chain, hash, bytes, sender, nonce, bump, fee } = signed.attempt.clone();
        Self { action, chain, hash, bytes, sender, nonce, bump, fee, at_ms: signed.at_ms }
    }
}

impl From<EncodedAttempt> for Signed {
    fn from(encoded: EncodedAttempt) -> Self {
        let EncodedAttempt { action, chain, hash, bytes, sender, nonce, bump, fee, at_ms } = encoded;
        Self { attempt: Attempt { action, chain, hash, bytes, sender, nonce, bump, fee }, at_ms }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cursor() -> Cursor {
        let block = BlockRef { height: 7, hash: B256::repeat_byte(7) };
        Cursor { chain: ChainId::new("test:1").unwrap(), recent: vec![block], undoable: Vec::new() }
    }

    #[test]
    fn cursors_of_the_version_before_are_read_and_unknown_ones_are_not() {
        let Cursor { chain, recent, .. } = cursor();
        let undoable = vec![(recent[0], vec![vec![1u8, 2, 3]])];
        let before = borsh::to_vec(&(FAT_CURSORS, chain, &recent, &undoable)).unwrap();
        assert_eq!(decode_cursor(&before).unwrap(), cursor());
        let now = encode_cursor(&cursor()).unwrap();
        assert_eq!(decode_cursor(&now).unwrap(), cursor());
        assert_eq!(now[0], VERSION, "a program of the version before refuses it");
        for broken in [&now[..now.len() - 1], &[], &[3, 0]] {
            assert!(matches!(decode_cursor(broken), Err(StoreError::Unreadable { .. })));
        }
    }

    #[test]
    fn a_set_that_the_version_before_left_in_the_journal_is_read() {
        let name = Slug::new("one").unwrap();
        let log = LogName { group: name, replica: name };
        let Cursor { chain, recent, .. } = cursor();
        let fat = vec![(chain, recent.clone(), vec![(recent[0], vec![vec![1u8]])])];
        let none: (Vec<LogRecord>, Vec<EncodedAttempt>) = (Vec::new(), Vec::new());
        let before = borsh::to_vec(&(FAT_CURSORS, log, LogEnd::EMPTY, none.0, fat, none.1)).unwrap();
        let read = WriteSet::decode(&before).unwrap();
        assert_eq!((read.log, read.cursors), (log, vec![cursor()]));
    }
}
