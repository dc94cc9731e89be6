//! The table of stakes that a person pinned: read once, compared with its digest, and handed to the verifier.
//!
//! No light client can derive who votes in an epoch, so that the table is trust, and the file is worth what the comparison was
//! worth that made it. It counts for one epoch; of another epoch nothing is told by it, which is never "no".

use std::{
    fs::File,
    io::{self, Read},
    path::PathBuf,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use portcullis_verifier::{
    B256, ChainId,
    solana::{SolanaProofError, StakeTable, Stakes, limits::MAX_TABLE_BYTES},
};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::limits;

mod pin;

pub use pin::{PinError, Pinnable};

/// Where the table lies, and by what it is known.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StakeSource {
    /// The file.
    pub file: PathBuf,
    /// SHA-256 of it.
    pub sha256: B256,
    /// The epoch that it is for: the same words twice, so that last epoch's file is not pinned by mistake.
    pub epoch: u64,
    /// How long evidence waits for votes that sign its block, in milliseconds. They are in the blocks that follow, so that
    /// a decision whose playbook asks for stake waits about a second longer than one that does not.
    #[serde(default = "default_wait_ms")]
    pub wait_ms: u64,
}

fn default_wait_ms() -> u64 {
    limits::VOTES_WAIT_DEFAULT_MS
}

/// Why the table cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StakesError {
    /// No file, or none that can be read.
    #[error("PC-0980: the table of stakes {file} cannot be read")]
    Unreadable {
        /// Which.
        file: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Another file than the one that was pinned.
    #[error("PC-0980: {file} has the SHA-256 {found}, {expected} is pinned")]
    Digest {
        /// Which.
        file: PathBuf,
        /// What is configured.
        expected: B256,
        /// What the file has.
        found: B256,
    },
    /// The file is what was pinned, and is no table.
    #[error("PC-0980: {file} is no table of stakes")]
    Table {
        /// Which.
        file: PathBuf,
        /// Why not.
        #[source]
        source: SolanaProofError,
    },
    /// A table of something else.
    #[error("PC-0980: {file} is for epoch {epoch} of {chain}, not for epoch {wanted} of {here}")]
    Other {
        /// Which.
        file: PathBuf,
        /// Epoch of the table.
        epoch: u64,
        /// Its chain.
        chain: ChainId,
        /// Epoch that is configured.
        wanted: u64,
        /// The chain that is configured.
        here: ChainId,
    },
}

/// A table that was compared with its digest, and whether votes still decide on its chain.
///
/// SECURITY: only [`PinnedStakes::open`] makes one, from the file whose digest the configuration names.
#[derive(Debug)]
pub struct PinnedStakes {
    stakes: Stakes,
    wait: Duration,
    other_regime: AtomicBool,
}

impl PinnedStakes {
    /// Reads the file and compares it with what is configured.
    ///
    /// # Errors
    /// [`StakesError`].
    pub fn open(source: &StakeSource, chain: ChainId) -> Result<Self, StakesError> {
        let file = || source.file.clone();
        let bytes = read(source).map_err(|source| StakesError::Unreadable { file: file(), source })?;
        let found = B256::from(<[u8; 32]>::from(Sha256::digest(&bytes)));
        if found != source.sha256 {
            return Err(StakesError::Digest { file: file(), expected: source.sha256, found });
        }
        let stakes =
            StakeTable::from_bytes(&bytes).map_err(|source| StakesError::Table { file: file(), source })?;
        let table = stakes.table();
        if table.chain != chain || table.epoch != source.epoch {
            let (epoch, wanted) = (table.epoch, source.epoch);
            return Err(StakesError::Other { file: file(), epoch, chain: table.chain, wanted, here: chain });
        }
        let wait = Duration::from_millis(source.wait_ms);
        Ok(Self { stakes, wait, other_regime: AtomicBool::new(false) })
    }

    /// The table as it was pinned.
    #[must_use]
    pub fn stakes(&self) -> &Stakes {
        &self.stakes
    }

    /// How long votes are waited for.
    pub(crate) fn wait(&self) -> Duration {
        self.wait
    }

    /// Whether a slot is one of the table's epoch.
    pub(crate) fn covers(&self, slot: u64) -> bool {
        let table = self.stakes.table();
        (table.first_slot..=table.last_slot).contains(&slot)
    }

    /// What a quorum of operators says of how validators agree.
    pub(crate) fn regime(&self, is_other: bool) {
        self.other_regime.store(is_other, Ordering::Relaxed);
    }

    /// Whether votes are counted.
    pub(crate) fn counts(&self) -> bool {
        !self.other_regime.load(Ordering::Relaxed)
    }

    /// What the verifier starts from.
    ///
    /// SECURITY: once validators agree by other rules, the table says so itself: whoever still brings votes proves nothing by
    /// them.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let table = self.stakes.table();
        if self.counts() {
            return table.to_bytes();
        }
        StakeTable { other_regime_from: Some(table.first_slot), ..table.clone() }.to_bytes()
    }
}

/// No more of the file than a table may have.
fn read(source: &StakeSource) -> io::Result<Vec<u8>> {
    let most = u64::try_from(MAX_TABLE_BYTES).unwrap_or(u64::MAX).saturating_add(1);
    let mut bytes = Vec::new();
    File::open(&source.file)?.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
#[path = "stakes/stakes_tests.rs"]
mod tests;
