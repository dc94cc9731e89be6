//! Kill switches: people's way to forbid signing at once, everywhere, for a chain, or for a playbook.
//!
//! A switch is a file in `<data directory>/kill/` (`all`, `chain-<CAIP-2 with _ for :>`, `playbook-<name>`; its text
//! says why) or a row in the table of the same names. Both are read each time before something is signed. Files work
//! without a database; when the table does not answer in time, what it said last stands in.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use portcullis_verifier::{ChainId, Slug};

use crate::budget::KILL_SWITCH_READ;
use crate::store::Store;
use crate::store::people::KillSwitchRow;

/// Longest reason that is read from a file, bytes: it goes into the log.
const REASON_BYTES: usize = 256;

/// A switch that forbids what was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forbidden {
    /// `all`, `chain/<CAIP-2>` or `playbook/<name>`.
    pub scope: String,
    /// Who and why, as far as it says.
    pub reason: String,
}

/// Reads the switches.
#[derive(Debug)]
pub struct KillSwitches {
    folder: PathBuf,
    store: Store,
    known: Mutex<Vec<KillSwitchRow>>,
}

impl KillSwitches {
    /// Switches below a data directory and in a store.
    #[must_use]
    pub fn new(data_dir: &Path, store: Store) -> Self {
        Self { folder: data_dir.join("kill"), store, known: Mutex::new(Vec::new()) }
    }

    /// The switch that forbids signing for a chain and a playbook, if one does.
    pub async fn forbids(&self, chain: ChainId, playbook: Slug) -> Option<Forbidden> {
        let scopes = ["all".to_owned(), format!("chain/{chain}"), format!("playbook/{playbook}")];
        if let Some(found) = scopes.iter().find_map(|scope| self.file(scope)) {
            return Some(found);
        }
        let rows = self.rows().await;
        let set = scopes.iter().find_map(|scope| rows.iter().find(|row| row.scope == *scope))?;
        Some(Forbidden { scope: set.scope.clone(), reason: format!("{}: {}", set.set_by, set.reason) })
    }

    fn file(&self, scope: &str) -> Option<Forbidden> {
        let name: String = scope.chars().map(|c| if c == '/' { '-' } else { c }).collect();
        let path = self.folder.join(name.replace(':', "_"));
        // SECURITY: a switch that is there but cannot be read is set. Only "there is none" is no.
        match fs::read(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => Some(Forbidden { scope: scope.to_owned(), reason: error.to_string() }),
            Ok(bytes) => {
                let text = bytes.get(..REASON_BYTES).unwrap_or(&bytes);
                let reason = String::from_utf8_lossy(text).trim().to_owned();
                Some(Forbidden { scope: scope.to_owned(), reason })
            }
        }
    }

    async fn rows(&self) -> Vec<KillSwitchRow> {
        let answer = tokio::time::timeout(KILL_SWITCH_READ, self.store.kill_switches()).await;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Ok(Ok(rows)) = answer {
            *known = rows;
        }
        known.clone()
    }
}
