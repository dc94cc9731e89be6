//! Votes: what a validator says of a slot, and the transaction that carries it.

use super::{
    bytes::Reader,
    error::{SolanaProofError, bounded},
    limits::{MAX_LOCKOUTS, MAX_TRANSACTION_BYTES, MAX_VOTE_SIGNATURES},
    transaction::Transaction,
};
use crate::B256;

/// The vote program, `Vote111111111111111111111111111111111111111`.
pub const VOTE_PROGRAM: [u8; 32] = [
    0x07, 0x61, 0x48, 0x1d, 0x35, 0x74, 0x74, 0xbb, 0x7c, 0x4d, 0x76, 0x24, 0xeb, 0xd3, 0xbd, 0xb3, 0xd8,
    0x35, 0x5e, 0x73, 0xd1, 0x10, 0x43, 0xfc, 0x0d, 0xa3, 0x53, 0x80, 0, 0, 0, 0,
];

/// Instructions of the vote program that carry a tower with a block id; the second names a proof of switching, too.
const TOWER_SYNC: u32 = 14;
const TOWER_SYNC_SWITCH: u32 = 15;

/// What stands for "no root".
const NO_ROOT: u64 = u64::MAX;

/// A slot that was voted for, and how many votes stand on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lockout {
    /// Slot.
    pub slot: u64,
    /// Votes on it and on its descendants, 1 to 31.
    pub confirmations: u8,
}

/// A validator's tower as it states it in one vote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TowerSync {
    /// The slot below which nothing can change any more for this validator.
    pub root: Option<u64>,
    /// Oldest first; the last is the slot that the vote is about.
    pub lockouts: Vec<Lockout>,
    /// Hash of the bank after that slot.
    pub bank_hash: B256,
    /// The validator's clock, seconds since 1970.
    pub timestamp: Option<i64>,
    /// The block of that slot: root of the last FEC set of its shreds. Zero where the validator did not know it.
    pub block_id: B256,
}

impl TowerSync {
    /// Reads the data of an instruction of the vote program.
    ///
    /// # Errors
    /// [`SolanaProofError::NotAVote`] for another instruction, [`SolanaProofError::Tower`] for a tower that the program
    /// would refuse whatever its state, and those of the encoding.
    pub fn read(data: &[u8]) -> Result<Self, SolanaProofError> {
        let mut reader = Reader::new("vote", data);
        let kind = reader.u32()?;
        if !matches!(kind, TOWER_SYNC | TOWER_SYNC_SWITCH) {
            return Err(SolanaProofError::NotAVote { why: "its instruction states no tower" });
        }
        let root = Some(reader.u64()?).filter(|root| *root != NO_ROOT);
        let count = bounded("slots of a vote", reader.short()?, MAX_LOCKOUTS)?;
        let mut lockouts = Vec::with_capacity(count);
        let mut slot = root.unwrap_or(0);
        for _ in 0..count {
            let offset = reader.varint()?;
            let next = slot.checked_add(offset);
            slot = next.ok_or(SolanaProofError::Tower { why: "a slot is out of range" })?;
            lockouts.push(Lockout { slot, confirmations: reader.u8()? });
        }
        let bank_hash = reader.b256()?;
        let timestamp = if reader.flag()? { Some(reader.i64()?) } else { None };
        let block_id = reader.b256()?;
        if kind == TOWER_SYNC_SWITCH {
            reader.b256()?;
        }
        reader.done()?;
        let sync = Self { root, lockouts, bank_hash, timestamp, block_id };
        sync.check()?;
        Ok(sync)
    }

    fn check(&self) -> Result<(), SolanaProofError> {
        let rising = self.lockouts.windows(2).all(|pair| match pair {
            [older, newer] => older.slot < newer.slot && older.confirmations > newer.confirmations,
            _ => false,
        });
        let high = u8::try_from(MAX_LOCKOUTS).unwrap_or(u8::MAX);
        let counted = self.lockouts.iter().all(|lockout| (1..=high).contains(&lockout.confirmations));
        let above = match (self.root, self.lockouts.first()) {
            (Some(root), Some(first)) => first.slot > root,
            _ => true,
        };
        let why = if self.lockouts.is_empty() {
            "it holds no slot"
        } else if !rising {
            "its slots do not rise, or their confirmations do not fall"
        } else if !counted {
            "a slot has no confirmations, or more than a tower is high"
        } else if !above {
            "it begins at or below its root"
        } else {
            return Ok(());
        };
        Err(SolanaProofError::Tower { why })
    }

    /// The slot that the vote is about.
    #[must_use]
    pub fn slot(&self) -> u64 {
        self.lockouts.last().map_or(0, |lockout| lockout.slot)
    }
}

/// A plain vote, taken apart. Its signatures are not verified, its voter is not looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VoteTransaction<'a> {
    /// The transaction.
    pub transaction: Transaction<'a>,
    /// The vote account.
    pub account: B256,
    /// What it says.
    pub sync: TowerSync,
    accounts: &'a [u8],
}

impl<'a> VoteTransaction<'a> {
    /// Reads a plain vote: one instruction, of the vote program, in a message without a version, with one or two
    /// signatures.
    ///
    /// # Errors
    /// [`SolanaProofError::NotAVote`] for any other transaction, and those of the encoding.
    pub fn read(bytes: &'a [u8]) -> Result<Self, SolanaProofError> {
        bounded("bytes of a transaction", bytes.len(), MAX_TRANSACTION_BYTES)?;
        Self::of(Transaction::read(bytes)?)
    }

    /// As [`read`](Self::read), of a transaction that was read already.
    ///
    /// # Errors
    /// As there.
    pub fn of(transaction: Transaction<'a>) -> Result<Self, SolanaProofError> {
        let not = |why| SolanaProofError::NotAVote { why };
        if transaction.version.is_some() || transaction.signatures.len() > MAX_VOTE_SIGNATURES {
            return Err(not("its message has a version, or too many sign it"));
        }
        let [instruction] = *transaction.instructions.as_slice() else {
            return Err(not("it has not exactly one instruction"));
        };
        if transaction.keys.get(usize::from(instruction.program)) != Some(&VOTE_PROGRAM) {
            return Err(not("its instruction is another program's"));
        }
        let sync = TowerSync::read(instruction.data)?;
        let account =
            instruction.accounts.first().and_then(|place| transaction.keys.get(usize::from(*place)));
        let account = B256::from(*account.ok_or_else(|| not("it names no vote account"))?);
        Ok(Self { transaction, account, sync, accounts: instruction.accounts })
    }

    /// Whether `key` is among those who sign the transaction, and the instruction names it.
    #[must_use]
    pub fn names_signer(&self, key: &B256) -> bool {
        let signers = self.transaction.signatures.len();
        self.accounts.iter().map(|place| usize::from(*place)).any(|place| {
            place < signers && self.transaction.keys.get(place).is_some_and(|found| found == &key.0)
        })
    }
}
