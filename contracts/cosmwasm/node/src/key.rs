//! Keys and addresses.

use bech32::{Bech32, Hrp};
use k256::ecdsa::SigningKey;
use ripemd::Ripemd160;
use sha2::{Digest, Sha256};

use crate::Result;

/// Human-readable part of the node's addresses.
pub const PREFIX: &str = "wasm";

/// An account made from a name: the same name is always the same key. Never for value.
#[derive(Debug, Clone)]
pub struct Key {
    key: SigningKey,
}

impl Key {
    /// The key whose secret is the SHA-256 of the name.
    ///
    /// # Errors
    /// When the hash is no secret: it happens to nobody.
    pub fn named(name: &str) -> Result<Self> {
        let secret: [u8; 32] = Sha256::digest(format!("portcullis test key {name}")).into();
        Ok(Self { key: SigningKey::from_slice(&secret)? })
    }

    /// The compressed public key, 33 bytes.
    #[must_use]
    pub fn public(&self) -> Vec<u8> {
        self.key.verifying_key().to_encoded_point(true).as_bytes().to_vec()
    }

    /// The account's address.
    ///
    /// # Errors
    /// Never, but bech32 says so.
    pub fn address(&self) -> Result<String> {
        let bytes: [u8; 20] = Ripemd160::digest(Sha256::digest(self.public())).into();
        text(&bytes)
    }

    /// r and s over the SHA-256 of the bytes, as transactions are signed.
    ///
    /// # Errors
    /// Never for a sound key.
    pub fn sign(&self, bytes: &[u8]) -> Result<Vec<u8>> {
        let digest: [u8; 32] = Sha256::digest(bytes).into();
        let (signature, _) = self.key.sign_prehash_recoverable(&digest)?;
        Ok(signature.to_bytes().to_vec())
    }

    /// r, s and v (27 or 28) over 32 bytes, as trips are signed.
    ///
    /// # Errors
    /// Never for a sound key.
    pub fn sign_digest(&self, digest: &[u8; 32]) -> Result<[u8; 65]> {
        let (signature, parity) = self.key.sign_prehash_recoverable(digest)?;
        let mut out = [0; 65];
        out[..64].copy_from_slice(&signature.to_bytes());
        out[64] = 27 + parity.to_byte();
        Ok(out)
    }
}

/// The address of a contract: `instance` counts all contracts of the chain from 1.
///
/// # Errors
/// Never, but bech32 says so.
pub fn contract_address(code: u64, instance: u64) -> Result<String> {
    let mut hash = Sha256::new();
    hash.update(Sha256::digest("module"));
    hash.update(b"wasm\0");
    hash.update(code.to_be_bytes());
    hash.update(instance.to_be_bytes());
    text(&hash.finalize())
}

/// The bytes of an address.
///
/// # Errors
/// When it is none.
pub fn address_bytes(address: &str) -> Result<Vec<u8>> {
    Ok(bech32::decode(address)?.1)
}

fn text(bytes: &[u8]) -> Result<String> {
    Ok(bech32::encode::<Bech32>(Hrp::parse(PREFIX)?, bytes)?)
}
