#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects)]

use cosmrs::crypto::secp256k1::SigningKey;

use super::*;

const NUMBERS: Numbers = Numbers { account: 11, sequence: 300 };

fn key() -> SigningKey {
    SigningKey::from_slice(&[7; 32]).unwrap()
}

fn draft() -> Draft {
    Draft {
        chain_name: "test-1".to_owned(),
        message: execute("wasm1sender", "wasm1gate", b"{}".to_vec()),
        gas_limit: 400_000,
        fee: 10_000,
        denom: "stake".to_owned(),
    }
}

/// A field with bytes in it, written by hand: number and wire type, length, content.
fn field(number: u8, content: &[u8]) -> Vec<u8> {
    let length = u8::try_from(content.len()).unwrap();
    assert!(length < 128);
    [&[number << 3 | 2, length], content].concat()
}

/// A field with a number in it.
fn number(number: u8, mut value: u64) -> Vec<u8> {
    let mut out = vec![number << 3];
    while value >= 128 {
        out.push(u8::try_from(value & 0x7f).unwrap() | 0x80);
        value >>= 7;
    }
    out.push(u8::try_from(value).unwrap());
    out
}

/// Body, signer and fee as the SDK's documentation of transactions lays them out, encoded without the library.
fn parts() -> (Vec<u8>, Vec<u8>) {
    let message = [field(1, b"wasm1sender"), field(2, b"wasm1gate"), field(3, b"{}")].concat();
    let any = [field(1, b"/cosmwasm.wasm.v1.MsgExecuteContract"), field(2, &message)].concat();
    let body = field(1, &any);
    let public = field(1, &key().public_key().to_bytes());
    let public = [field(1, b"/cosmos.crypto.secp256k1.PubKey"), field(2, &public)].concat();
    let mode = field(1, &number(1, 1));
    let signer = [field(1, &public), field(2, &mode), number(3, 300)].concat();
    let coin = [field(1, b"stake"), field(2, b"10000")].concat();
    let fee = [field(1, &coin), number(2, 400_000)].concat();
    (body, [field(1, &signer), field(2, &fee)].concat())
}

#[test]
fn the_signed_document_has_known_bytes() {
    let (body, auth) = parts();
    let expected = [field(1, &body), field(2, &auth), field(3, b"test-1"), number(4, 11)].concat();
    let unsigned = draft().numbered(&key().public_key(), NUMBERS);
    assert_eq!(unsigned.document(), expected);
}

#[test]
fn the_sent_bytes_carry_a_signature_that_verifies_and_are_equal_each_time() {
    let make = || {
        let unsigned = draft().numbered(&key().public_key(), NUMBERS);
        let signature = key().sign(&unsigned.document()).unwrap().to_bytes().to_vec();
        (unsigned.document(), unsigned.signed(signature))
    };
    let (document, bytes) = make();
    assert_eq!(make().1, bytes);
    let raw = TxRaw::decode(bytes.as_slice()).unwrap();
    let (body, auth) = parts();
    assert_eq!((raw.body_bytes, raw.auth_info_bytes), (body, auth));
    let signature = cosmrs::crypto::secp256k1::Signature::from_slice(&raw.signatures.concat()).unwrap();
    assert!(signature.normalize_s().is_none(), "the lower of the two that would verify");
    let public =
        cosmrs::crypto::secp256k1::VerifyingKey::from_sec1_bytes(&key().public_key().to_bytes()).unwrap();
    assert!(signature_verifies(&public, &document, &signature));
    let other = draft().numbered(&key().public_key(), Numbers { account: 12, ..NUMBERS });
    assert!(!signature_verifies(&public, &other.document(), &signature), "it holds for one account");
    assert_eq!(hash(b"").to_string(), "0xe3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

fn signature_verifies(
    key: &cosmrs::crypto::secp256k1::VerifyingKey,
    document: &[u8],
    signature: &cosmrs::crypto::secp256k1::Signature,
) -> bool {
    use k256::ecdsa::signature::Verifier;
    key.verify(document, signature).is_ok()
}

#[test]
fn nothing_is_paid_where_nothing_is_asked() {
    let unsigned = Draft { fee: 0, ..draft() }.numbered(&key().public_key(), NUMBERS);
    let auth = AuthInfo::decode(unsigned.auth.as_slice()).unwrap();
    assert!(auth.fee.unwrap().amount.is_empty());
}
