//! Signing keys. The trait is small enough for a key that never leaves a hardware or cloud vault.

use async_trait::async_trait;
use ed25519_dalek::{Signer as _, SigningKey};
use portcullis_adapter::signer;
pub use portcullis_adapter::signer::SignerError;
use portcullis_verifier::B256;

use crate::{address::shown, config::SignerSource};

/// Signs with one ed25519 key.
#[async_trait]
pub trait Signer: Send + Sync + core::fmt::Debug {
    /// The key's public half, which is its account.
    fn account(&self) -> B256;

    /// Signs a message: 64 bytes, always the same for the same message.
    ///
    /// # Errors
    /// [`SignerError::Refused`] when the key cannot or will not sign.
    async fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignerError>;
}

/// A key in memory, from an encrypted keystore file.
pub struct LocalSigner(SigningKey);

impl core::fmt::Debug for LocalSigner {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "LocalSigner({})", shown(self.account()))
    }
}

impl LocalSigner {
    /// A key from its secret: 32 bytes, or 64 with its public half behind it, as the chain's own tools keep keys; none for
    /// anything else, also where the two halves do not belong together.
    #[must_use]
    pub fn from_secret(secret: &[u8]) -> Option<Self> {
        match secret.len() {
            32 => Some(Self(SigningKey::from_bytes(secret.try_into().ok()?))),
            // SECURITY: a signature under another public half would give the key away.
            64 => SigningKey::from_keypair_bytes(secret.try_into().ok()?).ok().map(Self),
            _ => None,
        }
    }

    /// Opens the configured key. Decrypting takes as long as the keystore's author chose (about a second).
    ///
    /// # Errors
    /// [`SignerError::File`], [`SignerError::Keystore`] or [`SignerError::NotAKey`].
    pub fn open(source: &SignerSource) -> Result<Self, SignerError> {
        signer::open(source, Self::from_secret, "one has 32, or 64 with its public half behind it")
    }
}

#[async_trait]
impl Signer for LocalSigner {
    fn account(&self) -> B256 {
        B256::new(self.0.verifying_key().to_bytes())
    }

    async fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignerError> {
        let signed = self.0.try_sign(message);
        signed
            .map(|signature| signature.to_bytes())
            .map_err(|why| SignerError::refused(shown(self.account()), why))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// The first test of RFC 8032, section 7.1.
    #[tokio::test]
    async fn a_key_signs_as_the_standard_says_and_halves_must_belong_together() {
        let seed: [u8; 32] =
            "0x9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60".parse::<B256>().unwrap().0;
        let signer = LocalSigner::from_secret(&seed).unwrap();
        let account = signer.account();
        assert_eq!(
            format!("{account:x}"),
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
        );
        let signature = signer.sign(b"").await.unwrap();
        assert_eq!(signature.first_chunk::<4>(), Some(&[0xe5, 0x56, 0x43, 0x00]));
        assert_eq!(signer.sign(b"").await.unwrap(), signature, "always the same");
        let both = [seed.as_slice(), account.as_slice()].concat();
        assert_eq!(LocalSigner::from_secret(&both).unwrap().account(), account);
        let torn = [seed.as_slice(), [7; 32].as_slice()].concat();
        assert!(LocalSigner::from_secret(&torn).is_none());
        assert!(LocalSigner::from_secret(&seed[..31]).is_none());
    }
}
