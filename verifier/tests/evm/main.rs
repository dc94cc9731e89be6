//! Execution proofs of the EVM family, from the outside: every success beside its failure.
//!
//! Some of these tests read vectors that this project did not write; see `vectors.rs` for where they lie.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::arithmetic_side_effects,
    reason = "tests fail by panicking"
)]

mod bounds;
mod fixture;
mod goldens;
mod headers;
mod mainnet;
mod mutation;
mod osaka;
mod quorum;
mod receipts;
mod state;
mod system;
mod trie;
mod vectors;
