//! What happened on 1 August 2022, as a script that two nodes can play.
//!
//! A [`Scenario`] comes from the recorded events of the day ([`recorded`]) or, where those are not at hand, from a
//! compact description of the public facts ([`compact`]). Both give the same thing: tokens, what the escrow held, the
//! honest traffic that is laid down before anybody watches, and the live part, second by second.

pub mod compact;
pub mod corridor;
pub mod model;
pub mod recorded;

use std::path::{Path, PathBuf};

use eyre::Result;

pub use model::{Actor, Domain, Kind, Opening, Scenario, Token, Transfer};

/// Where the recorded data lies: `PORTCULLIS_DATA`, else `../shared/data` beside the checkout.
#[must_use]
pub fn data_dir() -> PathBuf {
    std::env::var_os("PORTCULLIS_DATA")
        .filter(|value| !value.is_empty())
        .map_or_else(|| crate::tools::workspace_root().join("..").join("shared").join("data"), PathBuf::from)
}

/// Loads the recorded scenario where the data is, else the compact one.
///
/// # Errors
/// When a file is there but does not parse; the error names file and line.
pub fn load(compact_only: bool, lead_secs: i64, history_secs: i64) -> Result<Scenario> {
    let folder = data_dir().join("nomad");
    if !compact_only && folder.join("events.jsonl.gz").is_file() {
        return recorded::load(&folder, lead_secs, history_secs);
    }
    compact::load(&compact_path(), lead_secs)
}

/// The compact scenario of this repository.
#[must_use]
pub fn compact_path() -> PathBuf {
    crate::tools::workspace_root().join(Path::new("e2e/scenarios/nomad-2022-08-01.json"))
}
