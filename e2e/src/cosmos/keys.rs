//! Accounts of the play on this chain: made from the same secrets as on the others, with another address.

use std::sync::atomic::{AtomicU64, Ordering};

use alloy::primitives::{Address, B256};
use cosmrs::crypto::secp256k1::SigningKey;
use cosmrs::tx::{BodyBuilder, Fee, SignDoc, SignerInfo};
use cosmrs::{AccountId, Any};
use eyre::{Result, WrapErr, eyre};
use sha2::{Digest, Sha256};

use super::rpc::Rpc;
use crate::keys::Key;

/// What addresses of the chain begin with.
pub const PREFIX: &str = "wasm";

/// An account that signs here.
#[derive(Debug, Clone)]
pub struct Account {
    secret: B256,
    id: AccountId,
}

impl Account {
    /// The account of a key of the play.
    ///
    /// # Errors
    /// Practically never: when the key has no address.
    pub fn of(key: &Key) -> Result<Self> {
        let secret = key.secret();
        let signer = SigningKey::from_slice(secret.as_slice()).map_err(|error| eyre!("{error}"))?;
        let id = signer.public_key().account_id(PREFIX).map_err(|error| eyre!("{error}"))?;
        Ok(Self { secret, id })
    }

    /// Its address.
    #[must_use]
    pub fn id(&self) -> &AccountId {
        &self.id
    }

    /// The same as 20 bytes: how the bridge's messages carry it between the chains.
    #[must_use]
    pub fn bytes(&self) -> Address {
        Address::from_slice(&self.id.to_bytes())
    }
}

/// An account of 20 bytes as people of this chain write it.
///
/// # Errors
/// Practically never.
pub fn shown(account: Address) -> Result<AccountId> {
    AccountId::new(PREFIX, account.as_slice()).map_err(|error| eyre!("{error}"))
}

/// An account with the number of its next transaction.
#[derive(Debug)]
pub struct Wallet {
    account: Account,
    chain_id: String,
    number: u64,
    next: AtomicU64,
}

/// Signed bytes and the hash by which the chain will know them.
#[derive(Debug, Clone)]
pub struct Signed {
    /// What is handed to the node.
    pub raw: Vec<u8>,
    /// SHA-256 of it.
    pub hash: B256,
}

impl Wallet {
    /// Asks the chain where the account stands.
    ///
    /// # Errors
    /// When the node does not answer, or does not know the account.
    pub async fn open(rpc: &Rpc, key: &Key) -> Result<Self> {
        let account = Account::of(key)?;
        let (number, sequence) = rpc.account(account.id()).await?;
        Ok(Self { account, chain_id: rpc.chain_id.clone(), number, next: AtomicU64::new(sequence) })
    }

    /// Its address.
    #[must_use]
    pub fn id(&self) -> &AccountId {
        self.account.id()
    }

    /// Signs messages as the account's next transaction.
    ///
    /// # Errors
    /// When signing fails.
    pub fn sign(&self, messages: impl IntoIterator<Item = Any>, gas: u64) -> Result<Signed> {
        let sequence = self.next.fetch_add(1, Ordering::SeqCst);
        let body = BodyBuilder::new().msgs(messages).finish();
        let key = SigningKey::from_slice(self.account.secret.as_slice()).map_err(|error| eyre!("{error}"))?;
        // Gas costs nothing on this node.
        let fee = Fee { amount: Vec::new(), gas_limit: gas, payer: None, granter: None };
        let auth = SignerInfo::single_direct(Some(key.public_key()), sequence).auth_info(fee);
        let chain = self.chain_id.parse().wrap_err("the chain's name")?;
        let raw = SignDoc::new(&body, &auth, &chain, self.number)
            .and_then(|doc| doc.sign(&key))
            .and_then(|signed| signed.to_bytes())
            .map_err(|error| eyre!("{error}"))?;
        let hash = hash(&raw);
        Ok(Signed { raw, hash })
    }
}

/// The hash by which the chain knows a transaction.
#[must_use]
pub fn hash(raw: &[u8]) -> B256 {
    B256::from_slice(&Sha256::digest(raw))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_secret_has_an_address_on_each_family_and_they_differ() {
        let key = Key::derive(7, "float").unwrap();
        let account = Account::of(&key).unwrap();
        assert!(account.id().as_ref().starts_with("wasm1"));
        assert_ne!(account.bytes(), key.address());
        assert_eq!(&shown(account.bytes()).unwrap(), account.id());
    }
}
