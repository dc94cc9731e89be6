#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::{fs, path::PathBuf};

use super::*;

fn store(name: &str, secret: &[u8]) -> (PathBuf, SignerSource) {
    let dir = std::env::temp_dir().join(format!("portcullis-{name}-{}", std::process::id()));
    fs::create_dir_all(&dir).unwrap();
    eth_keystore::encrypt_key(&dir, &mut rand::rngs::OsRng, secret, "right", Some("key.json")).unwrap();
    let password_file = dir.join("password");
    fs::write(&password_file, "right\n").unwrap();
    let source = SignerSource::Keystore { path: dir.join("key.json"), password_file };
    (dir, source)
}

#[tokio::test]
async fn a_keystore_opens_with_its_password_and_with_no_other() {
    let (dir, source) = store("cosmos-keystore", &[7; 32]);
    let signer = LocalSigner::open(&source).unwrap();
    assert_eq!(signer.public_key(), LocalSigner::from_secret(&[7; 32]).unwrap().public_key());
    let signature = signer.sign(b"document").await.unwrap();
    assert_eq!(signature.len(), 64);
    assert_eq!(signature, signer.sign(b"document").await.unwrap(), "the same bytes each time");
    assert_ne!(signature, signer.sign(b"documemt").await.unwrap());

    fs::write(dir.join("password"), "wrong").unwrap();
    assert!(matches!(LocalSigner::open(&source), Err(SignerError::Keystore { .. })));
    let SignerSource::Keystore { password_file, .. } = source;
    let missing = SignerSource::Keystore { path: dir.join("absent"), password_file };
    assert!(matches!(LocalSigner::open(&missing), Err(SignerError::File { .. })));
    fs::remove_dir_all(&dir).unwrap();
}

#[test]
fn what_is_no_key_is_refused_and_never_shown() {
    let (dir, source) = store("cosmos-no-key", &[0; 32]);
    let error = LocalSigner::open(&source).unwrap_err();
    assert!(matches!(error, SignerError::NotAKey { .. }), "{error}");
    assert!(error.to_string().contains("32 bytes"), "{error}");
    fs::remove_dir_all(&dir).unwrap();
}

#[tokio::test]
async fn the_key_can_be_told_from_a_signed_digest() {
    use k256::ecdsa::{RecoveryId, VerifyingKey};
    let signer = LocalSigner::from_secret(&[7; 32]).unwrap();
    for byte in 0..16 {
        let digest = B256::repeat_byte(byte);
        let bytes = signer.sign_digest(digest).await.unwrap();
        let signature = Signature::from_slice(&bytes[..64]).unwrap();
        assert!(bytes.len() == 65 && signature.normalize_s().is_none(), "s is in the lower half");
        let parity = RecoveryId::from_byte(bytes[64] - 27).unwrap();
        let found = VerifyingKey::recover_from_prehash(digest.as_slice(), &signature, parity).unwrap();
        assert_eq!(PublicKey::from(found), signer.public_key());
    }
}
