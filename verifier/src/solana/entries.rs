//! Entries: what the batches of a block hold, and in which order.

use super::{
    block::Block,
    bytes::Reader,
    error::{SolanaProofError, bounded},
    limits::MAX_ENTRIES,
    regime::ALPENGLOW,
    transaction::Transaction,
};
use crate::B256;

/// Least bytes of an entry: two counts and a hash.
const LEAST_ENTRY_BYTES: usize = 48;
/// Least bytes of a transaction: one signature, one key, a blockhash, and its counts.
const LEAST_TRANSACTION_BYTES: usize = 134;

/// Transactions between two hashes of proof of history, or none: then it is a tick.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Hashes from the entry before, this one's included.
    pub hashes: u64,
    /// The hash in the end.
    pub hash: B256,
    /// What is mixed into it.
    pub transactions: Vec<Transaction<'a>>,
}

impl Entry<'_> {
    /// Whether it only counts time.
    #[must_use]
    pub fn is_tick(&self) -> bool {
        self.transactions.is_empty()
    }
}

/// All entries of a block, in order.
///
/// # Errors
/// [`SolanaProofError::RegimeNotImplemented`] for a batch that is no list of entries but a mark of another regime;
/// otherwise those of the encoding, and [`SolanaProofError::Entry`] for one that cannot be.
pub fn read_entries(block: &Block) -> Result<Vec<Entry<'_>>, SolanaProofError> {
    let mut entries = Vec::new();
    for batch in &block.batches {
        read_batch(block.slot, batch, &mut entries)?;
    }
    Ok(entries)
}

fn read_batch<'a>(slot: u64, batch: &'a [u8], entries: &mut Vec<Entry<'a>>) -> Result<(), SolanaProofError> {
    let mut reader = Reader::new("batch of entries", batch);
    let count = reader.count(LEAST_ENTRY_BYTES)?;
    if count == 0 {
        return Err(if reader.rest().is_empty() {
            SolanaProofError::encoding("batch of entries", "it holds none")
        } else {
            // A count of zero with something behind it is how the new regime marks its blocks.
            let sign = "a batch that is a mark, not a list of entries";
            SolanaProofError::RegimeNotImplemented { regime: ALPENGLOW, slot, sign }
        });
    }
    bounded("entries of a block", entries.len().saturating_add(count), MAX_ENTRIES)?;
    for _ in 0..count {
        let entry = read_entry(&mut reader)?;
        check(entries.len(), &entry)?;
        entries.push(entry);
    }
    reader.done()
}

fn read_entry<'a>(reader: &mut Reader<'a>) -> Result<Entry<'a>, SolanaProofError> {
    let (hashes, hash) = (reader.u64()?, reader.b256()?);
    let count = reader.count(LEAST_TRANSACTION_BYTES)?;
    let transactions = (0..count).map(|_| Transaction::read_next(reader)).collect::<Result<_, _>>()?;
    Ok(Entry { hashes, hash, transactions })
}

fn check(index: usize, entry: &Entry<'_>) -> Result<(), SolanaProofError> {
    let mut names: Vec<&[u8; 64]> = entry.transactions.iter().flat_map(|one| one.signatures).collect();
    let all = names.len();
    names.sort_unstable();
    names.dedup();
    let why = if entry.hashes == 0 {
        "it follows the one before without a hash"
    } else if names.len() != all {
        // SECURITY: the tree over signatures doubles an odd last one, so that a list and the same list with its end
        // repeated have one root. No block holds a signature twice.
        "it holds a signature twice"
    } else {
        return Ok(());
    };
    Err(SolanaProofError::Entry { index, why })
}
