//! Which signatures count: the strict rules, and none of those that other families add.

use ed25519_dalek::{Signer, SigningKey};
use ed25519_zebra::{Signature, VerificationKey};
use portcullis_verifier::solana::{SolanaProofError, verify_strict};

/// Encodings of the points of small order. In the order of their classes: eight canonical ones, and six that reduce to
/// one of these.
fn of_small_order() -> Vec<[u8; 32]> {
    let full = |first: u8, last: u8| {
        let mut bytes = [0xff; 32];
        (bytes[0], bytes[31]) = (first, last);
        bytes
    };
    let empty = |first: u8, last: u8| {
        let mut bytes = [0; 32];
        (bytes[0], bytes[31]) = (first, last);
        bytes
    };
    let hex = |text: &str, last: u8| {
        let mut bytes = [0; 32];
        for (at, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap();
        }
        bytes[31] = last;
        bytes
    };
    let one = "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a";
    let two = "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05";
    vec![
        empty(1, 0),
        hex(one, 0x7a),
        empty(0, 0x80),
        hex(two, 0x05),
        full(0xec, 0x7f),
        hex(two, 0x85),
        empty(0, 0),
        hex(one, 0xfa),
        empty(1, 0x80),
        full(0xec, 0xff),
        full(0xee, 0x7f),
        full(0xee, 0xff),
        full(0xed, 0xff),
        full(0xed, 0x7f),
    ]
}

fn loosely(key: &[u8; 32], signature: &[u8; 64], message: &[u8]) -> bool {
    VerificationKey::try_from(*key).is_ok_and(|key| key.verify(&Signature::from(*signature), message).is_ok())
}

#[test]
fn keys_and_commitments_of_small_order_sign_nothing() {
    let mut refused = 0;
    for key in of_small_order() {
        for commitment in of_small_order() {
            let signature: [u8; 64] = [commitment, [0; 32]].concat().try_into().unwrap();
            // By the rules of ZIP-215 each of these signs every message.
            assert!(loosely(&key, &signature, b"any message"), "{key:?} {commitment:?}");
            let found = verify_strict(&key, &signature, b"any message");
            assert!(matches!(found, Err(SolanaProofError::InvalidSignature { .. })));
            refused += 1;
        }
    }
    assert_eq!(refused, 196);
}

#[test]
fn a_scalar_has_one_encoding() {
    let key = SigningKey::from_bytes(&[3; 32]);
    let (public, message) = (key.verifying_key().to_bytes(), b"a vote");
    let good = key.sign(message).to_bytes();
    assert!(verify_strict(&public, &good, message).is_ok());
    // The order of the group, little-endian, added to the scalar: the same scalar, and the equation holds.
    let order: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let (mut again, mut carry) = (good, 0u16);
    for (at, byte) in order.iter().enumerate() {
        let sum = u16::from(good[32 + at]) + u16::from(*byte) + carry;
        (again[32 + at], carry) = (sum as u8, sum >> 8);
    }
    assert_eq!(carry, 0);
    assert!(verify_strict(&public, &again, message).is_err());
}

#[test]
fn another_message_key_or_signature_does_not_verify() {
    let (one, other) = (SigningKey::from_bytes(&[3; 32]), SigningKey::from_bytes(&[4; 32]));
    let signature = one.sign(b"a vote").to_bytes();
    let public = one.verifying_key().to_bytes();
    assert!(verify_strict(&public, &signature, b"a vote").is_ok());
    assert!(verify_strict(&public, &signature, b"a votf").is_err());
    assert!(verify_strict(&other.verifying_key().to_bytes(), &signature, b"a vote").is_err());
    assert!(verify_strict(&public, &other.sign(b"a vote").to_bytes(), b"a vote").is_err());
    // Half of all strings are no points: no key, whatever is signed.
    let mut none = 0;
    for byte in 0..=255 {
        none += usize::from(ed25519_dalek::VerifyingKey::from_bytes(&[byte; 32]).is_err());
        assert!(verify_strict(&[byte; 32], &signature, b"a vote").is_err());
    }
    assert!(none > 64, "{none}");
}
