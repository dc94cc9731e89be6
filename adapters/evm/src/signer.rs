//! Signing keys. The trait is small enough for a key that never leaves a hardware or cloud vault.

use alloy::{
    primitives::{Address, B256, Signature},
    signers::{SignerSync, local::PrivateKeySigner},
};
use async_trait::async_trait;
use portcullis_adapter::signer;
pub use portcullis_adapter::signer::SignerError;

use crate::config::SignerSource;

/// Signs 32-byte digests with one secp256k1 key.
#[async_trait]
pub trait Signer: Send + Sync + core::fmt::Debug {
    /// The account that the key controls.
    fn address(&self) -> Address;

    /// Signs a digest. Deterministic (RFC 6979) where the vault allows, with `s` in the lower half order.
    ///
    /// # Errors
    /// [`SignerError::Refused`] when the key cannot or will not sign.
    async fn sign_hash(&self, hash: B256) -> Result<Signature, SignerError>;
}

/// A key in memory, from an encrypted keystore file.
pub struct LocalSigner(PrivateKeySigner);

impl core::fmt::Debug for LocalSigner {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "LocalSigner({})", self.0.address())
    }
}

impl From<PrivateKeySigner> for LocalSigner {
    fn from(key: PrivateKeySigner) -> Self {
        Self(key)
    }
}

impl LocalSigner {
    /// Opens the configured key. Decrypting takes as long as the keystore's author chose (about a second).
    ///
    /// # Errors
    /// [`SignerError::File`], [`SignerError::Keystore`] or [`SignerError::NotAKey`].
    pub fn open(source: &SignerSource) -> Result<Self, SignerError> {
        let key = |secret: &[u8]| PrivateKeySigner::from_slice(secret).ok().map(Self);
        signer::open(source, key, "one of secp256k1 has 32, of a number below the curve's order")
    }
}

#[async_trait]
impl Signer for LocalSigner {
    fn address(&self) -> Address {
        self.0.address()
    }

    async fn sign_hash(&self, hash: B256) -> Result<Signature, SignerError> {
        self.0.sign_hash_sync(&hash).map_err(|why| SignerError::refused(self.0.address(), why))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[tokio::test]
    async fn a_keystore_opens_with_its_password_and_with_no_other() {
        let dir = std::env::temp_dir().join(format!("portcullis-keystore-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let key = PrivateKeySigner::from_bytes(&B256::repeat_byte(7)).unwrap();
        PrivateKeySigner::encrypt_keystore(
            &dir,
            &mut rand_bytes(),
            key.to_bytes(),
            "right",
            Some("key.json"),
        )
        .unwrap();
        let password_file = dir.join("password");
        fs::write(&password_file, "right\n").unwrap();
        let source =
            SignerSource::Keystore { path: dir.join("key.json"), password_file: password_file.clone() };
        let signer = LocalSigner::open(&source).unwrap();
        assert_eq!(signer.address(), key.address());
        let hash = B256::repeat_byte(9);
        let signature = signer.sign_hash(hash).await.unwrap();
        assert_eq!(signature.recover_address_from_prehash(&hash).unwrap(), key.address());
        assert_eq!(signature, signer.sign_hash(hash).await.unwrap(), "the same bytes each time");

        fs::write(&password_file, "wrong").unwrap();
        assert!(matches!(LocalSigner::open(&source), Err(SignerError::Keystore { .. })));
        let missing = SignerSource::Keystore { path: dir.join("absent"), password_file };
        assert!(matches!(LocalSigner::open(&missing), Err(SignerError::File { .. })));
        fs::remove_dir_all(&dir).unwrap();
    }

    fn rand_bytes() -> impl alloy::signers::k256::elliptic_curve::rand_core::CryptoRngCore {
        alloy::signers::k256::elliptic_curve::rand_core::OsRng
    }
}
