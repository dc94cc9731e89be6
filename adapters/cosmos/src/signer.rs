//! Keys that sign trips.

use serde::Deserialize;

/// Where the signing key comes from.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum SignerSource {
    /// An encrypted keystore file (Web3 Secret Storage) and a file with its password.
    Keystore {
        /// The encrypted key.
        path: std::path::PathBuf,
        /// The password; a trailing line break is ignored.
        password_file: std::path::PathBuf,
    },
}
