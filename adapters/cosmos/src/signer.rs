//! Signing keys. The trait is small enough for a key that never leaves a hardware or cloud vault.

use async_trait::async_trait;
use cosmrs::crypto::PublicKey;
use k256::ecdsa::{Signature, SigningKey, signature::Signer as _};
use portcullis_adapter::signer;
pub use portcullis_adapter::signer::SignerError;
use portcullis_verifier::B256;

use crate::config::SignerSource;

/// Signs with one secp256k1 key.
#[async_trait]
pub trait Signer: Send + Sync + core::fmt::Debug {
    /// The key's public half; the account derives from it.
    fn public_key(&self) -> PublicKey;

    /// Signs the SHA-256 digest of `document`: 64 bytes, `s` in the lower half order. Deterministic (RFC 6979) where the
    /// vault allows.
    ///
    /// # Errors
    /// [`SignerError::Refused`] when the key cannot or will not sign.
    async fn sign(&self, document: &[u8]) -> Result<Vec<u8>, SignerError>;

    /// Signs a digest so that the key can be told from the signature: 65 bytes r, s and v, with v 27 or 28 and `s` in the
    /// lower half order.
    ///
    /// # Errors
    /// As [`Signer::sign`].
    async fn sign_digest(&self, digest: B256) -> Result<Vec<u8>, SignerError>;
}

/// A key in memory, from an encrypted keystore file.
pub struct LocalSigner(SigningKey);

impl core::fmt::Debug for LocalSigner {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "LocalSigner({})", self.public_key().to_json())
    }
}

impl LocalSigner {
    /// A key from its secret; none for bytes that are no scalar of the curve.
    #[must_use]
    pub fn from_secret(secret: &[u8]) -> Option<Self> {
        SigningKey::from_slice(secret).ok().map(Self)
    }

    /// The key's account on a chain with this prefix; none for a prefix that is none.
    #[must_use]
    pub fn account(&self, prefix: &str) -> Option<String> {
        self.public_key().account_id(prefix).ok().map(|account| account.to_string())
    }

    /// Opens the configured key. Decrypting takes as long as the keystore's author chose (about a second).
    ///
    /// # Errors
    /// [`SignerError::File`], [`SignerError::Keystore`] or [`SignerError::NotAKey`].
    pub fn open(source: &SignerSource) -> Result<Self, SignerError> {
        signer::open(
            source,
            Self::from_secret,
            "one of secp256k1 has 32, of a number below the curve's order",
        )
    }

    fn refused(&self, why: k256::ecdsa::Error) -> SignerError {
        SignerError::refused(self.public_key().to_json(), why)
    }
}

#[async_trait]
impl Signer for LocalSigner {
    fn public_key(&self) -> PublicKey {
        (*self.0.verifying_key()).into()
    }

    async fn sign(&self, document: &[u8]) -> Result<Vec<u8>, SignerError> {
        let signature: Signature = self.0.try_sign(document).map_err(|why| self.refused(why))?;
        Ok(signature.to_bytes().to_vec())
    }

    async fn sign_digest(&self, digest: B256) -> Result<Vec<u8>, SignerError> {
        let (signature, parity) =
            self.0.sign_prehash_recoverable(digest.as_slice()).map_err(|why| self.refused(why))?;
        let mut bytes = signature.to_bytes().to_vec();
        bytes.push(parity.to_byte().saturating_add(27));
        Ok(bytes)
    }
}

#[cfg(test)]
#[path = "signer_tests.rs"]
mod tests;
