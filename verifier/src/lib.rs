//! The vocabulary of Portcullis and the proofs behind it.
//!
//! *Who is in the play.* An adapter reports an [`Observation`]: untrusted. Somebody asks whether it is true, in
//! the form of a [`Claim`]. A family gathers [`Evidence`] for it, and this crate turns claim and evidence into a
//! [`Verdict`]: proven, refuted or undecided, with an [`Assurance`] that says what was checked and by what.
//! Only this crate can build [`Verified`].
//!
//! **Architecture Invariant:** this crate is pure. It knows no runtime, network, clock, randomness or file.

pub mod action;
pub mod assurance;
pub mod claim;
pub mod codec;
pub mod cosmos;
pub mod evm;
pub mod ids;
pub mod observation;
pub mod registry;
pub mod solana;
pub mod verdict;

pub use action::{Action, ActionClass, Level};
pub use alloy_primitives::{B256, U256, keccak256};
pub use assurance::{Assurance, Execution, Header, Inclusion, Quorum};
pub use claim::{BlockRef, Claim, ClaimId, Evidence, Relation, WordTest};
pub use ids::{
    ActionId, BridgeId, ChainId, EventId, GroupId, IdError, IncidentId, MessageKey, ObservationId,
    OperatorId, Slug,
};
pub use observation::{
    AdminChange, AdminKind, EndpointFault, Event, FaultKind, Observation, Position, Progress, Status,
    Transfer, TransferKind,
};
pub use registry::{DuplicateSystem, Registry, System, Trust};
pub use verdict::{Refutation, Undecided, Verdict, Verified};
