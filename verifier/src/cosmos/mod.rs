//! Consensus and state proofs of the Cosmos family.
//!
//! *Who is in the play.* The operator pins a [`Checkpoint`]: a header that is trusted, and the rules by which later
//! ones are. An adapter gathers [`LightEvidence`]: updates that lead from there to a later header, headers that
//! lead from that one down to the claim's, and paths in stores or lists. [`LightSystem`] judges it: each update must
//! carry the signatures of more than two thirds of its own validators and of enough of the trusted ones
//! ([`verify_update`]), each header must be the parent of the one before it ([`verify_parent`]), and the key, the
//! transaction or the result must hang on the header by Merkle proof ([`read_state`], [`verify_transaction`],
//! [`verify_outcome`]). A [`Bisection`] finds the updates; [`verify_misbehaviour`] proves that a chain has signed two
//! truths, after which its client is frozen.
//!
//! Trust flows one way. The only source of a trusted header is the checkpoint; each function takes a
//! [`Verified`](crate::Verified) input and returns a `Verified` output, and none takes a root or a set of validators
//! from evidence without comparing it with what a verified header commits to.
//!
//! Blocks of this family are final when they are signed, and commit to state, transactions and result codes. They
//! do not commit to events: what matters of those is proven from state, where the contract wrote it down
//! ([`recorded_digest`]).

mod bisection;
mod block;
mod client;
mod error;
mod evidence;
mod hash;
mod header;
pub mod ics23;
pub mod limits;
mod misbehaviour;
mod recorded;
mod signatures;
mod spec;
mod state;
mod system;
mod validators;

pub use bisection::{Bisection, Fetched, Need};
pub use block::{Included, transactions_root, verify_outcome, verify_transaction};
pub use client::{Checkpoint, Rules, Step, Update, verify_update};
pub use error::CosmosProofError;
pub use evidence::{LightEvidence, Outcome, Payload, TransactionPath, UpdateBytes};
pub use header::{SealedHeader, open_header, verify_parent};
pub use misbehaviour::{Contradiction, Misbehaviour, verify_misbehaviour};
pub use recorded::{is_added_by_chain, recorded_digest, recorded_key, recorded_raw};
pub use signatures::{Invalid, Scrutiny, Signed, verifies, verify_all};
pub use spec::{IAVL, SIMPLE, StoreProofError, StoreSpec, check_leaf_op, check_shape};
pub use state::{Entry, read_entry, read_state};
pub use system::{CONTRACT_STORE, LightSystem, contract_key};
pub use validators::ValidatorsError;

use crate::Slug;

/// Name of the proof system that this family brings.
pub const SYSTEM_NAME: &str = "cometbft-ics23-v1";

/// [`SYSTEM_NAME`] as evidence carries it.
#[must_use]
pub fn system_name() -> Slug {
    #[expect(clippy::expect_used, reason = "a constant that keeps the rules of slugs, as a test shows")]
    Slug::new(SYSTEM_NAME).expect("a valid slug")
}
