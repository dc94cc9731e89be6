//! Stake and inclusion proofs of the Solana family, in honest words.
//!
//! *Who is in the play.* The operator pins a [`StakeTable`]: who votes in an epoch, and with how much stake; it comes
//! from a snapshot's [`Manifest`], or from what several operators say alike ([`authorized_voter`]). An adapter gathers
//! [`ReportEvidence`], which is what operators say and votes for the block, or [`ShredEvidence`]: votes for a block, the
//! shreds of that block and of those between it and the claim's, and what operators report. [`ShredSystem`] judges it: each
//! vote must be signed by the authorized voter of an account with stake ([`check_vote`]), more than two thirds of the stake must
//! have signed one block ([`Tally`]), every shred must lead to the root of its FEC set, every set to the one before
//! it, and the last one to the block id that was signed ([`Block`], [`verify_block`], [`verify_parent`]); then the
//! block's entries are read ([`read_entries`]), and follow from one another ([`verify_entries`]).
//!
//! What is proven: that two thirds of an epoch's stake signed a block, and that a transaction's bytes are in it, in
//! their order, or are not. What is not: that the transaction succeeded, what the state is, what was logged (blocks
//! commit to none of it; operators report it), and that the block is final (votes are counted, not the depth under
//! them). A tally alone binds no transaction and is never called a proof of one.
//!
//! Trust flows one way. The only source of stake is the pinned table; each function takes a
//! [`Verified`](crate::Verified) input and returns a `Verified` output, and none takes a block id from evidence
//! without comparing it with one that was signed.

mod block;
mod bytes;
mod entries;
mod error;
mod evidence;
pub mod limits;
mod manifest;
mod poh;
mod regime;
mod reported;
mod reports;
mod shred;
mod signatures;
mod stakes;
mod system;
mod tally;
mod transaction;
mod vote;
mod vote_state;

pub use block::{Block, verify_block, verify_parent};
pub use entries::{Entry, read_entries};
pub use error::SolanaProofError;
pub use evidence::{BlockShreds, Report, ShredEvidence};
pub use manifest::{EpochSchedule, Manifest};
pub use poh::{signatures_root, verify_entries, verify_entry, verify_ticks};
pub use regime::{ALPENGLOW, Certificate, GenesisCertificate, Regime};
pub use reported::{REPORTS_NAME, ReportEvidence, ReportSystem, Said, Statement, reports_name};
pub use shred::{CODE_SHRED_BYTES, Content, DATA_SHRED_BYTES, Layout, Shred, authenticated_part};
pub use signatures::{Scrutiny, verify_strict};
pub use stakes::{StakeTable, Stakes, Voter};
pub use system::ShredSystem;
pub use tally::{
    CheckedVote, SignedBlock, Tally, check_bank_vote, check_vote, verify_bank_votes, verify_votes,
};
pub use transaction::{Instruction, Transaction, transaction_id};
pub use vote::{Lockout, TowerSync, VOTE_PROGRAM, VoteTransaction};
pub use vote_state::{STATE_BYTES, authorized_voter};

use crate::Slug;

/// Name of the proof system that this family brings.
pub const SYSTEM_NAME: &str = "solana-shreds-v1";

/// [`SYSTEM_NAME`] as evidence carries it.
#[must_use]
pub fn system_name() -> Slug {
    #[expect(clippy::expect_used, reason = "a constant that keeps the rules of slugs, as a test shows")]
    Slug::new(SYSTEM_NAME).expect("a valid slug")
}
