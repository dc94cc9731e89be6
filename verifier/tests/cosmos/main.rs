//! Consensus and state proofs of the Cosmos family, from the outside: every success beside its failure.
//!
//! Some of these tests read vectors that this project did not write; see `vectors.rs` for where they lie.

#![allow(
    unused_crate_dependencies,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::arithmetic_side_effects,
    reason = "tests fail by panicking"
)]

mod bisection;
mod client;
mod commits;
mod fixture;
mod history;
mod misbehaviour;
mod model;
mod mutation;
mod public;
mod recorded;
mod stores;
mod system;
mod tree;
mod validators;
mod vectors;
