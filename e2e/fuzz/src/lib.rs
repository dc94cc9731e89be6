//! Fuzz targets: what the world outside may hand us, and what must hold whatever it hands.
//!
//! *Who is in the play.* A [`Target`] takes bytes and panics when a property does not hold. The program of this crate
//! puts libFuzzer in front of it, which looks for bytes that reach new code (`cargo xtask fuzz`); the tests of this
//! crate feed every seed, every input that ever failed, and a fixed number of mutants of them, without an engine.
//! An input that failed is kept in `regressions/<target>/` for good.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a property that does not hold is said by panicking"
)]

pub mod mutate;
mod targets;

use std::path::PathBuf;

/// One thing that takes bytes from outside.
#[derive(Clone, Copy)]
pub struct Target {
    /// Its name, for the command line and the folder of its regressions.
    pub name: &'static str,
    /// What is fed, and what must hold; one line.
    pub what: &'static str,
    /// Longest useful input in bytes.
    pub most_bytes: usize,
    /// Feeds one input.
    ///
    /// # Panics
    /// When a property does not hold.
    pub feed: fn(&[u8]),
    /// Valid inputs to start from.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

impl core::fmt::Debug for Target {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Target({})", self.name)
    }
}

/// Every target, in the order of the flow.
pub const TARGETS: [Target; 17] = [
    targets::config::TARGET,
    targets::wire::TARGET,
    targets::answers::TARGET,
    targets::logs::TARGET,
    targets::vocabulary::TARGET,
    targets::header::TARGET,
    targets::receipts::TARGET,
    targets::trie::TARGET,
    targets::evidence::TARGET,
    targets::votes::TARGET,
    targets::shreds::TARGET,
    targets::shred_evidence::TARGET,
    targets::engine::TARGET,
    targets::record::TARGET,
    targets::journal::TARGET,
    targets::request::TARGET,
    targets::dataset::TARGET,
];

/// The target of that name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Target> {
    const ALL: &[Target] = &TARGETS;
    ALL.iter().find(|target| target.name == name)
}

impl Target {
    /// Inputs that failed once, with their file names.
    #[must_use]
    pub fn regressions(&self) -> Vec<(String, Vec<u8>)> {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("regressions").join(self.name);
        let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
        let mut found: Vec<(String, Vec<u8>)> = entries
            .filter_map(Result::ok)
            .map(|entry| {
                let bytes = std::fs::read(entry.path()).expect("a regression that can be read");
                (entry.file_name().to_string_lossy().into_owned(), bytes)
            })
            .collect();
        found.sort();
        found
    }
}
