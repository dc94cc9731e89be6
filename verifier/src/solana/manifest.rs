//! The bank manifest of a snapshot: from where an operator takes the table of stakes that is then pinned.
//!
//! SECURITY: a manifest is trusted, not proven. The bank hash covers accounts and votes, not the stakes of an epoch as
//! they stand here; whoever made the snapshot can write any. It is compared over several sources before it is pinned.

use std::collections::BTreeMap;

use super::{
    bytes::Reader,
    error::{SolanaProofError, bounded},
    limits::{MAX_MANIFEST_BYTES, MAX_VOTERS},
    stakes::{StakeTable, Voter},
};
use crate::{B256, ChainId};

/// Slots of the first epoch where epochs grow at first: each is twice as long as the one before.
const LEAST_EPOCH_SLOTS: u64 = 32;

/// When epochs begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EpochSchedule {
    /// Slots of an epoch that is no longer growing.
    pub slots_per_epoch: u64,
    /// First epoch of full length.
    pub first_normal_epoch: u64,
    /// Its first slot.
    pub first_normal_slot: u64,
}

impl EpochSchedule {
    /// First and last slot of an epoch; none when they are out of range.
    #[must_use]
    pub fn slots(&self, epoch: u64) -> Option<(u64, u64)> {
        let (first, length) = match epoch.checked_sub(self.first_normal_epoch) {
            Some(after) => {
                let before = after.checked_mul(self.slots_per_epoch)?;
                (self.first_normal_slot.checked_add(before)?, self.slots_per_epoch)
            }
            None => {
                let times = 1u64.checked_shl(u32::try_from(epoch).ok()?)?;
                let first = times.checked_sub(1)?.checked_mul(LEAST_EPOCH_SLOTS)?;
                (first, times.checked_mul(LEAST_EPOCH_SLOTS)?)
            }
        };
        // An epoch without slots has neither a first nor a last.
        let last = first.checked_add(length)?.checked_sub(1)?;
        (first <= last).then_some((first, last))
    }
}

/// What a manifest says, as far as proofs need it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// Slot of the bank.
    pub slot: u64,
    /// Its hash.
    pub bank_hash: B256,
    /// Slot of its parent.
    pub parent_slot: u64,
    /// Hash of its parent.
    pub parent_hash: B256,
    /// The bank's block, where the manifest says it.
    pub block_id: Option<B256>,
    /// Last hash of proof of history, from which the next block goes on.
    pub last_blockhash: Option<B256>,
    /// Hashes in a tick; none where ticks do not hash.
    pub hashes_per_tick: Option<u64>,
    /// Ticks in a slot.
    pub ticks_per_slot: u64,
    /// When epochs begin.
    pub schedule: EpochSchedule,
    epochs: BTreeMap<u64, Epoch>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Epoch {
    total: u64,
    voters: Vec<Voter>,
}

impl Manifest {
    /// Reads a manifest.
    ///
    /// # Errors
    /// [`SolanaProofError`] when the bytes are not exactly one manifest, or it contradicts itself.
    pub fn read(bytes: &[u8]) -> Result<Self, SolanaProofError> {
        bounded("bytes of a manifest", bytes.len(), MAX_MANIFEST_BYTES)?;
        let mut reader = Reader::new("manifest", bytes);
        let mut manifest = read_bank(&mut reader)?;
        skip_accounts(&mut reader)?;
        manifest.epochs = read_extra(&mut reader)?;
        if !reader.rest().is_empty() {
            manifest.block_id = option(&mut reader, Reader::b256)?;
        }
        reader.done()?;
        Ok(manifest)
    }

    /// The epochs whose stakes it has.
    pub fn epochs(&self) -> impl Iterator<Item = u64> + '_ {
        self.epochs.keys().copied()
    }

    /// The table of an epoch, to be pinned for `chain`. The manifest does not say whose it is.
    ///
    /// # Errors
    /// [`SolanaProofError::NoEpoch`].
    pub fn table(&self, chain: ChainId, epoch: u64) -> Result<StakeTable, SolanaProofError> {
        let stakes = self.epochs.get(&epoch).ok_or(SolanaProofError::NoEpoch { epoch })?;
        let (first_slot, last_slot) =
            self.schedule.slots(epoch).ok_or(SolanaProofError::NoEpoch { epoch })?;
        let (total, voters) = (stakes.total, stakes.voters.clone());
        Ok(StakeTable { chain, epoch, first_slot, last_slot, total, other_regime_from: None, voters })
    }
}

fn option<'a, T>(
    reader: &mut Reader<'a>,
    read: impl FnOnce(&mut Reader<'a>) -> Result<T, SolanaProofError>,
) -> Result<Option<T>, SolanaProofError> {
    if reader.flag()? { read(reader).map(Some) } else { Ok(None) }
}

/// Leaves out a list of items of `bytes` each.
fn skip_list(reader: &mut Reader<'_>, bytes: usize) -> Result<(), SolanaProofError> {
    let count = reader.count(bytes)?;
    reader.skip(count, bytes)
}

/// The bank itself. Comments name what is left out.
fn read_bank(reader: &mut Reader<'_>) -> Result<Manifest, SolanaProofError> {
    reader.u64()?; // index of the last blockhash
    let last_blockhash = option(reader, Reader::b256)?;
    skip_list(reader, 56)?; // recent blockhashes, each with fee, index and time
    reader.u64()?; // how many are kept
    skip_list(reader, 16)?; // ancestors
    let (bank_hash, parent_hash, parent_slot) = (reader.b256()?, reader.b256()?, reader.u64()?);
    skip_list(reader, 16)?; // hard forks
    reader.skip(5, 8)?; // counts of transactions, ticks, signatures; capitalization; last tick
    let hashes_per_tick = option(reader, Reader::u64)?;
    let ticks_per_slot = reader.u64()?;
    reader.skip(1, 16 + 8 + 8 + 8)?; // length of a slot, genesis, slots in a year, bytes of accounts
    let slot = reader.u64()?;
    reader.skip(1, 8 + 8 + 32 + 8)?; // epoch, height, leader, fees
    reader.skip(1, 8 + 4 * 8 + 1)?; // fee rates
    reader.skip(1, 8 + 8 + 33 + 8 + 17)?; // rent
    let slots_per_epoch = reader.u64()?;
    reader.u64()?; // how far ahead leaders are known
    reader.flag()?; // whether epochs grow at first
    let (first_normal_epoch, first_normal_slot) = (reader.u64()?, reader.u64()?);
    reader.skip(6, 8)?; // inflation
    read_stakes(reader, 64)?;
    for bytes in [32, 32, 40] {
        skip_list(reader, bytes)?; // accounts that nothing uses
    }
    if reader.count(8)? != 0 {
        return Err(SolanaProofError::encoding("manifest", "it has stakes in the form of an older version"));
    }
    reader.flag()?; // whether it is a difference
    Ok(Manifest {
        slot,
        bank_hash,
        parent_slot,
        parent_hash,
        block_id: None,
        last_blockhash,
        hashes_per_tick,
        ticks_per_slot,
        schedule: EpochSchedule { slots_per_epoch, first_normal_epoch, first_normal_slot },
        epochs: BTreeMap::new(),
    })
}

/// Vote accounts with their stake; delegations, of `bytes` each behind their address, are left out.
fn read_stakes(reader: &mut Reader<'_>, bytes: usize) -> Result<Vec<(B256, u64)>, SolanaProofError> {
    let count = bounded("vote accounts of an epoch", reader.count(97)?, MAX_VOTERS)?;
    let mut stakes = Vec::with_capacity(count);
    for _ in 0..count {
        stakes.push((reader.b256()?, reader.u64()?));
        reader.u64()?; // lamports
        let length = reader.count(1)?;
        reader.skip(length, 1)?; // data
        reader.skip(1, 32 + 1 + 8)?; // owner, executable, rent
    }
    skip_list(reader, bytes.saturating_add(32))?;
    reader.skip(2, 8)?; // nothing, and the epoch
    skip_list(reader, 32)?; // history
    Ok(stakes)
}

/// Where accounts are stored: nothing that a proof needs.
fn skip_accounts(reader: &mut Reader<'_>) -> Result<(), SolanaProofError> {
    for _ in 0..reader.count(16)? {
        reader.u64()?; // slot
        skip_list(reader, 16)?; // its files
    }
    reader.skip(1, 8 + 8 + 32 + 32 + 5 * 8)?; // version, slot, two hashes, statistics
    skip_list(reader, 8)?;
    skip_list(reader, 40)
}

/// The fields that were added at the end over the years, stakes of epochs among them.
fn read_extra(reader: &mut Reader<'_>) -> Result<BTreeMap<u64, Epoch>, SolanaProofError> {
    reader.u64()?; // fee
    option(reader, |reader| reader.skip(1, 8 + 32 + 8 + 32 + 8))?; // the snapshot that this one is a difference to
    option(reader, Reader::b256)?; // hash of all accounts
    let mut epochs = BTreeMap::new();
    for _ in 0..reader.count(12)? {
        let number = reader.u64()?;
        let kind = reader.u32()?;
        if kind != 0 {
            let (what, found) = ("list of an epoch's stakes", kind.into());
            return Err(SolanaProofError::UnknownVersion { what, found });
        }
        if epochs.insert(number, read_epoch(reader)?).is_some() {
            return Err(SolanaProofError::encoding("manifest", "it has the stakes of an epoch twice"));
        }
    }
    option(reader, |reader| reader.skip(1, 2_048))?; // lattice hash of all accounts
    Ok(epochs)
}

fn read_epoch(reader: &mut Reader<'_>) -> Result<Epoch, SolanaProofError> {
    let stakes = read_stakes(reader, 72)?;
    let total = reader.u64()?;
    for _ in 0..reader.count(48)? {
        reader.b256()?; // validator
        skip_list(reader, 32)?; // its vote accounts
        reader.u64()?; // their stake
    }
    let count = reader.count(64)?;
    let mut authorities = BTreeMap::new();
    for _ in 0..count {
        authorities.insert(reader.b256()?, reader.b256()?);
    }
    let mut voters: Vec<Voter> = stakes
        .into_iter()
        .filter(|(_, stake)| *stake > 0)
        .map(|(account, stake)| Voter { account, authority: authorities.get(&account).copied(), stake })
        .collect();
    voters.sort_by_key(|voter| voter.account);
    let sum = voters.iter().try_fold(0u64, |sum, voter| sum.checked_add(voter.stake));
    let distinct = voters.windows(2).all(|pair| matches!(pair, [one, next] if one.account != next.account));
    if sum != Some(total) || authorities.len() != count || !distinct {
        let why = "the stakes of an epoch do not add up, or a voter occurs twice";
        return Err(SolanaProofError::encoding("manifest", why));
    }
    Ok(Epoch { total, voters })
}
