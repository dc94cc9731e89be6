//! What a Guard and a Gate have in common on Solana: a circuit breaker with scopes, three levels, expiry by time or slot,
//! trips that only extend, a budget for every tripper, and a way back that belongs to other keys.
//!
//! The rules are those of the guards on every other machine; `contracts/vectors` fixes them. Each instruction is a file of
//! [`instructions`], with its accounts in the order in which they are given. The layouts of accounts, the numbers of
//! instructions and the fields of events stand in `contracts/solana/README.md`.
//!
//! SECURITY: an account is trusted for its owner (the program itself), its tag and the breaker that it names, because only the
//! program writes what it owns, and writes those only into accounts at the addresses that the seeds give. Whoever says that an
//! account is *missing* must show the address.

#![no_std]

mod args;
mod create;
mod error;
pub mod instructions;
pub mod layout;
mod machine;
mod names;
mod state;

pub use args::Args;
pub use create::{New, address_of, close, create};
pub use error::Failure;
pub use machine::{emit, keccak256, now, num, returns, same, units};
pub use names::{ANY, DIRECTION_ANY, DIRECTION_IN, DIRECTION_OUT, Trip, action_id, scope_of, trip_message};
pub use state::{Breaker, Scope, is_owned, known, owned, parse_scope, signed, store, writable};

/// A word of 32 bytes: scopes, incidents, records, ids, keys.
pub type Word = [u8; 32];
/// What a check comes to.
pub type Result<T> = core::result::Result<T, pinocchio::error::ProgramError>;
