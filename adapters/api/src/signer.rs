//! Keys that sign trips: how a secret comes out of its keystore, and why there is no signature. What a key signs with, and
//! what, is each family's own.

use std::{error::Error, fs, io, path::PathBuf};

use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use crate::config::SignerSource;

/// Why there is no signature.
#[derive(Debug, thiserror::Error)]
pub enum SignerError {
    /// A file could not be read.
    #[error("cannot read {path}")]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The keystore does not open.
    #[error("the keystore {path} does not open with this password")]
    Keystore {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// What was in the keystore is no key of the family's kind.
    #[error("the keystore {path} holds {found} bytes that are no key; {wanted}")]
    NotAKey {
        /// Which file.
        path: PathBuf,
        /// How many bytes it holds.
        found: usize,
        /// What a key is.
        wanted: &'static str,
    },
    /// The key did not sign.
    #[error("the key of {account} did not sign")]
    Refused {
        /// Whose key, as its family writes accounts.
        account: String,
        /// Why.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
}

impl SignerError {
    /// The key of `account` did not sign.
    pub fn refused(account: impl ToString, why: impl Error + Send + Sync + 'static) -> Self {
        Self::Refused { account: account.to_string(), source: Box::new(why) }
    }
}

/// Opens the configured key. Decrypting takes as long as the keystore's author chose (about a second).
///
/// `key` makes the key from its secret, or nothing from bytes that are none; `wanted` says for people what would be one.
///
/// # Errors
/// [`SignerError::File`], [`SignerError::Keystore`] or [`SignerError::NotAKey`].
pub fn open<K>(
    source: &SignerSource,
    key: impl FnOnce(&[u8]) -> Option<K>,
    wanted: &'static str,
) -> Result<K, SignerError> {
    let SignerSource::Keystore { path, password_file } = source;
    let file = |path: &PathBuf| {
        let path = path.clone();
        move |source| SignerError::File { path, source }
    };
    let password = SecretString::from(fs::read_to_string(password_file).map_err(file(password_file))?);
    fs::metadata(path).map_err(file(path))?;
    let trimmed = password.expose_secret().trim_end_matches(['\r', '\n']);
    let secret = eth_keystore::decrypt_key(path, trimmed)
        .map_err(|source| SignerError::Keystore { path: path.clone(), source: Box::new(source) })?;
    // SECURITY: overwritten when it is let go; and the error tells the shape of what was found, never its bytes.
    let secret = Zeroizing::new(secret);
    key(&secret).ok_or_else(|| SignerError::NotAKey { path: path.clone(), found: secret.len(), wanted })
}
