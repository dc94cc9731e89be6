//! Counting stake: which share of an epoch's stake signed one block.

use super::{
    error::{SolanaProofError, bounded},
    limits::MAX_VOTES,
    signatures::Scrutiny,
    stakes::Stakes,
    transaction::Signed,
    vote::VoteTransaction,
};
use crate::{Assurance, B256, Header, Verified};

/// A block that more than two thirds of the stake signed: where every regime's proof ends, and all that what hangs on
/// it may use.
///
/// SECURITY: this says that a block is agreed on. It says nothing of any transaction: its id binds the block's bytes
/// only once these are shown to lead to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignedBlock {
    /// Its slot.
    pub slot: u64,
    /// Root of its last FEC set; zero where votes were counted that name none ([`check_bank_vote`]), and then nothing can hang
    /// on it.
    pub block_id: B256,
    /// Hash of the bank after it, where the regime signs that too.
    pub bank_hash: Option<B256>,
}

/// A vote whose signatures were verified, whose voter has stake, and which the authorized voter signed.
///
/// SECURITY: only [`check_vote`] makes one. It does so without any state, so that votes can be checked on as many
/// threads as the caller has and counted on one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckedVote {
    account: B256,
    /// Its place in the table.
    place: usize,
    stake: u64,
    slot: u64,
    bank_hash: B256,
    block_id: B256,
    table: B256,
}

impl CheckedVote {
    /// Whose vote.
    #[must_use]
    pub fn account(&self) -> B256 {
        self.account
    }

    /// Its stake in lamports.
    #[must_use]
    pub fn stake(&self) -> u64 {
        self.stake
    }

    /// What it is for.
    #[must_use]
    pub fn block(&self) -> SignedBlock {
        SignedBlock { slot: self.slot, block_id: self.block_id, bank_hash: Some(self.bank_hash) }
    }
}

/// A vote that is about a slot of the table, of a voter with stake, and names the authorized voter as a signer.
struct Candidate<'a> {
    signed: Signed<'a>,
    checked: CheckedVote,
}

impl<'a> Candidate<'a> {
    /// A leader's vote for its own block names no block id: `named` refuses it.
    fn read(stakes: &Stakes, bytes: &'a [u8], named: bool) -> Result<Self, SolanaProofError> {
        let vote = VoteTransaction::read(bytes)?;
        let slot = stakes.slot(vote.sync.slot())?;
        let (place, voter) = stakes.placed(&vote.account)?;
        let account = voter.account;
        if !voter.authority.is_some_and(|authority| vote.names_signer(&authority)) {
            return Err(SolanaProofError::NotAuthorized { account, epoch: stakes.table().epoch });
        }
        if named && vote.sync.block_id.is_zero() {
            return Err(SolanaProofError::NoBlockId { account, slot });
        }
        let checked = CheckedVote {
            account,
            place,
            stake: voter.stake,
            slot,
            bank_hash: vote.sync.bank_hash,
            block_id: vote.sync.block_id,
            table: stakes.digest(),
        };
        Ok(Self { signed: vote.transaction.signed(), checked })
    }

    /// All signatures of the transaction, because no validator takes one of which any does not verify.
    fn verify(self) -> Result<CheckedVote, SolanaProofError> {
        self.signed.verify()?;
        Ok(self.checked)
    }
}

/// Checks one vote transaction by itself.
///
/// # Errors
/// [`SolanaProofError`]: no plain vote, another epoch, no stake, not by the authorized voter, no block id, or a
/// signature that does not verify.
pub fn check_vote(stakes: &Stakes, bytes: &[u8]) -> Result<CheckedVote, SolanaProofError> {
    Candidate::read(stakes, bytes, true)?.verify()
}

/// As [`check_vote`], also of a vote that names no block id: it signs the slot and its bank's hash, as a leader's vote for its
/// own block does. Such votes say whose stake stands behind a slot; what has to hang on a block needs its id.
///
/// # Errors
/// As there, but for the block id.
pub fn check_bank_vote(stakes: &Stakes, bytes: &[u8]) -> Result<CheckedVote, SolanaProofError> {
    Candidate::read(stakes, bytes, false)?.verify()
}

/// Adds checked votes up, each vote account once.
#[derive(Debug, Clone)]
pub struct Tally<'s> {
    stakes: &'s Stakes,
    block: Option<SignedBlock>,
    /// Who was counted, by their places in the table.
    counted: Vec<bool>,
    voters: usize,
    tallied: u64,
}

impl<'s> Tally<'s> {
    /// Nothing counted yet; the first vote says which block is tallied.
    #[must_use]
    pub fn new(stakes: &'s Stakes) -> Self {
        let counted = vec![false; stakes.table().voters.len()];
        Self { stakes, block: None, counted, voters: 0, tallied: 0 }
    }

    /// Counts a vote.
    ///
    /// # Errors
    /// [`SolanaProofError::OtherTable`], [`SolanaProofError::OtherVote`] when it is for another block, and
    /// [`SolanaProofError::DuplicateVoter`]. The tally is as it was before.
    pub fn add(&mut self, vote: &CheckedVote) -> Result<(), SolanaProofError> {
        let account = vote.account;
        if vote.table != self.stakes.digest() {
            return Err(SolanaProofError::OtherTable { account });
        }
        let block = *self.block.get_or_insert(vote.block());
        if block != vote.block() {
            return Err(SolanaProofError::OtherVote {
                account,
                slot: block.slot,
                expected: block.block_id,
                found_slot: vote.slot,
                found: vote.block_id,
            });
        }
        // A vote that was checked by this table has a place in it.
        match self.counted.get_mut(vote.place) {
            Some(counted) if !*counted => *counted = true,
            _ => return Err(SolanaProofError::DuplicateVoter { account }),
        }
        self.voters = self.voters.saturating_add(1);
        self.tallied = self.tallied.saturating_add(vote.stake);
        Ok(())
    }

    /// Stake that was counted, in lamports.
    #[must_use]
    pub fn tallied(&self) -> u64 {
        self.tallied
    }

    /// How many voters were counted.
    #[must_use]
    pub fn voters(&self) -> usize {
        self.voters
    }

    /// Whether more than two thirds of the stake are counted.
    #[must_use]
    pub fn is_enough(&self) -> bool {
        self.stakes.is_enough(self.tallied)
    }

    /// The block, when enough stake signed it.
    ///
    /// Two thirds of the votes make a block confirmed, not final: that takes 32 levels of votes above it. The
    /// assurance says what share signed, and no more.
    ///
    /// # Errors
    /// [`SolanaProofError::NotEnoughSigned`].
    pub fn finish(&self) -> Result<Verified<SignedBlock>, SolanaProofError> {
        let (tallied, total) = (self.tallied, self.stakes.table().total);
        match self.block {
            Some(block) if self.is_enough() => {
                let signed_bps = Some(self.stakes.share_bps(tallied));
                let header = Header { signed_bps, ..Header::default() };
                Ok(Verified::new(block, Assurance { header, ..Assurance::default() }))
            }
            _ => Err(SolanaProofError::NotEnoughSigned { tallied, total }),
        }
    }
}

/// Tallies the votes of one piece of evidence: all must be for one block, each of another voter.
///
/// With [`Scrutiny::Enough`], signatures are verified from the most stake down until more than two thirds are there;
/// the rest of each vote is checked whatever the scrutiny.
///
/// # Errors
/// The first check that a vote does not pass, or [`SolanaProofError::NotEnoughSigned`].
pub fn verify_votes<V: AsRef<[u8]>>(
    stakes: &Stakes,
    votes: &[V],
    scrutiny: Scrutiny,
) -> Result<Verified<SignedBlock>, SolanaProofError> {
    tallied(stakes, votes, scrutiny, true)
}

/// As [`verify_votes`], of votes of which all name the same block id, or none.
///
/// # Errors
/// As there, but for the block id.
pub fn verify_bank_votes<V: AsRef<[u8]>>(
    stakes: &Stakes,
    votes: &[V],
    scrutiny: Scrutiny,
) -> Result<Verified<SignedBlock>, SolanaProofError> {
    tallied(stakes, votes, scrutiny, false)
}

fn tallied<V: AsRef<[u8]>>(
    stakes: &Stakes,
    votes: &[V],
    scrutiny: Scrutiny,
    named: bool,
) -> Result<Verified<SignedBlock>, SolanaProofError> {
    bounded("votes", votes.len(), MAX_VOTES)?;
    let mut candidates = Vec::with_capacity(votes.len());
    let mut all = Tally::new(stakes);
    for vote in votes {
        let candidate = Candidate::read(stakes, vote.as_ref(), named)?;
        all.add(&candidate.checked)?;
        candidates.push(candidate);
    }
    // What cannot be enough even if every signature verifies needs no signature verified.
    all.finish()?;
    candidates.sort_by_key(|candidate| core::cmp::Reverse(candidate.checked.stake));
    let mut tally = Tally::new(stakes);
    for candidate in candidates {
        if scrutiny == Scrutiny::Enough && tally.is_enough() {
            break;
        }
        tally.add(&candidate.verify()?)?;
    }
    tally.finish()
}
