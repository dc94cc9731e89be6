//! Accounts of the play on this chain: made from the same secrets as on the others, with another address.

use alloy::primitives::{Address, B256, keccak256};
use eyre::{Result, eyre};
use portcullis_solana::signer::{LocalSigner, Signer};

use crate::keys::Key;

/// The account of a key of the play.
///
/// # Errors
/// Practically never: when the secret is none.
pub fn account(key: &Key) -> Result<LocalSigner> {
    LocalSigner::from_secret(key.secret().as_slice()).ok_or_else(|| eyre!("no account for a key"))
}

/// Where the account of a key holds a token, by the token's index in the script.
///
/// # Errors
/// As [`account`].
pub fn holding(key: &Key, token: usize) -> Result<LocalSigner> {
    made(key, "holding", token)
}

/// The token itself, made by its owner.
///
/// # Errors
/// As [`account`].
pub fn mint(owner: &Key, token: usize) -> Result<LocalSigner> {
    made(owner, "mint", token)
}

fn made(key: &Key, what: &str, token: usize) -> Result<LocalSigner> {
    let secret = keccak256([key.secret().as_slice(), what.as_bytes(), &token.to_be_bytes()].concat());
    LocalSigner::from_secret(secret.as_slice()).ok_or_else(|| eyre!("no {what} for a key"))
}

/// The address of the account of a key.
///
/// # Errors
/// As [`account`].
pub fn address(key: &Key) -> Result<B256> {
    Ok(account(key)?.account())
}

/// The last 20 bytes of an address: how the bridge's messages name it on chains whose accounts have no more.
#[must_use]
pub fn short(address: B256) -> Address {
    Address::from_word(address)
}

/// The name of a transaction: the hash of its first signature. Zero for bytes that are none.
#[must_use]
pub fn hash(raw: &[u8]) -> B256 {
    let first = raw.get(1..65).and_then(|bytes| <&[u8; 64]>::try_from(bytes).ok());
    first.map_or(B256::ZERO, portcullis_verifier::solana::transaction_id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_secret_has_an_address_and_a_holding_of_each_token_and_all_differ() {
        let key = Key::derive(7, "float").unwrap();
        let all = [
            address(&key).unwrap(),
            holding(&key, 0).unwrap().account(),
            holding(&key, 1).unwrap().account(),
            mint(&key, 0).unwrap().account(),
        ];
        let distinct: std::collections::BTreeSet<B256> = all.into_iter().collect();
        assert_eq!(distinct.len(), all.len());
        assert_eq!(short(all[0]).as_slice(), &all[0][12..]);
        assert_ne!(short(all[0]), key.address());
    }
}
