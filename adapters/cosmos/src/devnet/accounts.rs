//! Keys of a development node's accounts. Everybody knows them.

use cosmrs::{AccountId, crypto::secp256k1::SigningKey};

use super::DevnetError;

/// What the node's addresses begin with.
pub const PREFIX: &str = "wasm";

/// An account with its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its address.
    pub address: String,
    /// Its key, 32 bytes.
    pub key: [u8; 32],
}

/// One of the accounts whose keys everybody knows: 0 is funded at genesis, others where they are named there.
///
/// # Errors
/// [`DevnetError::Input`] when the key is none.
pub fn account(index: u8) -> Result<Account, DevnetError> {
    let mut key = [0x5a; 32];
    if let Some(last) = key.last_mut() {
        *last = index;
    }
    Ok(Account { address: address_of(&key)?, key })
}

/// The account of the node's only validator, which holds all votes.
///
/// # Errors
/// [`DevnetError::Input`] when the key is none.
pub fn validator() -> Result<Account, DevnetError> {
    let key = [7; 32];
    Ok(Account { address: address_of(&key)?, key })
}

/// The address of a key.
///
/// # Errors
/// [`DevnetError::Input`] when it is none.
pub fn address_of(key: &[u8; 32]) -> Result<String, DevnetError> {
    let account: AccountId = signing(key)?
        .public_key()
        .account_id(PREFIX)
        .map_err(|error| DevnetError::Input(error.to_string()))?;
    Ok(account.to_string())
}

/// The key as the library takes it.
pub(super) fn signing(key: &[u8; 32]) -> Result<SigningKey, DevnetError> {
    SigningKey::from_slice(key).map_err(|error| DevnetError::Input(error.to_string()))
}
