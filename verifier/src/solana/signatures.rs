//! Ed25519 by the rules of this family, which are not those of ZIP-215.

use ed25519_dalek::{Signature, VerifyingKey};

use super::error::SolanaProofError;
use crate::B256;

/// How many signatures and hashes of evidence are looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Scrutiny {
    /// As many as the thresholds need, those with the most stake first, and the one entry that holds the
    /// transaction: what matters while an attack runs.
    #[default]
    Enough,
    /// Every signature of every vote, and every entry that follows another: one that does not verify spoils all.
    Every,
}

/// Verifies one signature strictly: the scalar is canonical, neither key nor commitment is of small order, and the
/// equation holds without the cofactor.
///
/// SECURITY: validators drop what does not verify by these rules. Accepting more would count votes here that no
/// validator counts, and a batch with the cofactor would accept more. Where this check is stricter than theirs (the
/// commitment's encoding must be canonical, as RFC 8032 asks), a vote is not counted, which is never unsafe.
///
/// # Errors
/// [`SolanaProofError::InvalidSignature`].
pub fn verify_strict(key: &[u8; 32], signature: &[u8; 64], message: &[u8]) -> Result<(), SolanaProofError> {
    VerifyingKey::from_bytes(key)
        .and_then(|key| key.verify_strict(message, &Signature::from_bytes(signature)))
        .map_err(|_opaque| SolanaProofError::InvalidSignature { signer: B256::from(*key) })
}
