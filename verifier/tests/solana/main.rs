//! Stake and inclusion proofs of the Solana family, from the outside: every success beside its failure.
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

mod bank;
mod entries;
mod fixture;
mod manifest;
mod mutation;
mod readers;
mod shreds;
mod strict;
mod system;
mod testnet;
mod vectors;
mod votes;
