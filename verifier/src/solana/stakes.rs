//! Who may vote in an epoch, and with how much: the table that an operator pins.

use borsh::{
    BorshDeserialize, BorshSerialize,
    io::{Error, ErrorKind, Read, Result as IoResult},
};

use super::{
    error::{SolanaProofError, bounded},
    limits::{MAX_TABLE_BYTES, MAX_VOTERS},
    regime::ALPENGLOW,
};
use crate::{B256, ChainId, keccak256};

/// A vote account with stake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Voter {
    /// Its address.
    pub account: B256,
    /// The key that votes for it in this epoch; none when nobody can. Its stake counts all the same.
    pub authority: Option<B256>,
    /// Active stake in lamports; never zero.
    pub stake: u64,
}

/// The stakes of one epoch of one chain.
///
/// SECURITY: nothing on the chain proves such a table to a light client. It is pinned by a person, from a snapshot's
/// manifest that they trust or from what several operators say alike, and is all that a tally rests on.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct StakeTable {
    /// Which chain.
    pub chain: ChainId,
    /// Which epoch.
    pub epoch: u64,
    /// First slot of the epoch.
    pub first_slot: u64,
    /// Last slot of the epoch.
    pub last_slot: u64,
    /// Active stake of all voters in lamports.
    pub total: u64,
    /// First slot in which another regime than votes in a tower was seen to decide. From there on nothing is proven
    /// by this table.
    pub other_regime_from: Option<u64>,
    /// In the order of their addresses.
    #[borsh(deserialize_with = "read_voters")]
    pub voters: Vec<Voter>,
}

/// SECURITY: the count is checked before the first voter is read.
fn read_voters<R: Read>(reader: &mut R) -> IoResult<Vec<Voter>> {
    let count = u32::deserialize_reader(reader)?;
    if usize::try_from(count).is_ok_and(|count| count <= MAX_VOTERS) {
        (0..count).map(|_| Voter::deserialize_reader(reader)).collect()
    } else {
        Err(Error::new(ErrorKind::InvalidData, format!("voters: {count}, at most {MAX_VOTERS} are accepted")))
    }
}

impl StakeTable {
    /// The table in the form in which it is pinned.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        // A Vec never refuses a write; if it did, opening the table would find the rest missing.
        let _infallible = self.serialize(&mut bytes);
        bytes
    }

    /// Reads a pinned table and checks its rules.
    ///
    /// # Errors
    /// [`SolanaProofError::Limit`], [`SolanaProofError::Encoding`], and those of [`open`](Self::open).
    pub fn from_bytes(bytes: &[u8]) -> Result<Stakes, SolanaProofError> {
        bounded("bytes of a table of stakes", bytes.len(), MAX_TABLE_BYTES)?;
        let table: Self = borsh::from_slice(bytes)
            .map_err(|error| SolanaProofError::encoding("table of stakes", error.to_string()))?;
        table.open()
    }

    /// Checks the table's own rules.
    ///
    /// # Errors
    /// [`SolanaProofError::Table`] when the slots are none, a voter has no stake or occurs twice, or the stakes do not
    /// add up to the total.
    pub fn open(self) -> Result<Stakes, SolanaProofError> {
        bounded("voters", self.voters.len(), MAX_VOTERS)?;
        let rising = self.voters.windows(2).all(|pair| match pair {
            [one, next] => one.account < next.account,
            _ => false,
        });
        let sum = self.voters.iter().try_fold(0u64, |sum, voter| sum.checked_add(voter.stake));
        let why = if self.first_slot > self.last_slot {
            "its first slot is after its last"
        } else if self.total == 0 || self.voters.iter().any(|voter| voter.stake == 0) {
            "it lists stake of zero"
        } else if !rising {
            "a voter occurs twice, or they are not in order"
        } else if sum != Some(self.total) {
            "its stakes do not add up to its total"
        } else {
            let digest = keccak256(self.to_bytes());
            return Ok(Stakes { table: self, digest });
        };
        Err(SolanaProofError::Table { why })
    }
}

/// A table whose rules were checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stakes {
    table: StakeTable,
    digest: B256,
}

impl Stakes {
    /// The table.
    #[must_use]
    pub fn table(&self) -> &StakeTable {
        &self.table
    }

    /// keccak256 of the table's encoding: which table something was checked by.
    #[must_use]
    pub fn digest(&self) -> B256 {
        self.digest
    }

    /// The voter, when it has stake.
    ///
    /// # Errors
    /// [`SolanaProofError::NoStake`].
    pub fn voter(&self, account: &B256) -> Result<&Voter, SolanaProofError> {
        self.placed(account).map(|(_place, voter)| voter)
    }

    /// The voter, and its place in the table.
    pub(super) fn placed(&self, account: &B256) -> Result<(usize, &Voter), SolanaProofError> {
        let voters = &self.table.voters;
        let place = voters.binary_search_by(|voter| voter.account.cmp(account)).ok();
        place
            .and_then(|place| Some((place, voters.get(place)?)))
            .ok_or(SolanaProofError::NoStake { account: *account, epoch: self.table.epoch })
    }

    /// The slot, when votes for it count by this table.
    ///
    /// # Errors
    /// [`SolanaProofError::OtherEpoch`], and [`SolanaProofError::RegimeNotImplemented`] from the slot on in which
    /// another regime decides.
    pub fn slot(&self, slot: u64) -> Result<u64, SolanaProofError> {
        let StakeTable { epoch, first_slot: first, last_slot: last, other_regime_from, .. } = self.table;
        if !(first..=last).contains(&slot) {
            return Err(SolanaProofError::OtherEpoch { slot, epoch, first, last });
        }
        if other_regime_from.is_some_and(|from| slot >= from) {
            let sign = "the pinned table says so";
            return Err(SolanaProofError::RegimeNotImplemented { regime: ALPENGLOW, slot, sign });
        }
        Ok(slot)
    }

    /// Whether this is more than two thirds of all stake.
    #[must_use]
    pub fn is_enough(&self, tallied: u64) -> bool {
        u128::from(tallied).saturating_mul(3) > u128::from(self.table.total).saturating_mul(2)
    }

    /// The share of all stake in basis points, rounded down.
    #[must_use]
    pub fn share_bps(&self, tallied: u64) -> u16 {
        let scaled = u128::from(tallied).saturating_mul(10_000);
        let share = scaled.checked_div(u128::from(self.table.total)).unwrap_or(0);
        u16::try_from(share).unwrap_or(0).min(10_000)
    }
}
