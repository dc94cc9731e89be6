//! Transactions in what is asked of a node, of whichever family.

use alloy::primitives::{B256, Bytes, keccak256};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::Value;

/// Reads the bytes out of the parameters.
type Read = fn(&Value) -> Option<Bytes>;
/// How a chain names a transaction by its bytes.
type Name = fn(&[u8]) -> B256;

/// Methods that hand a transaction to a node.
const METHODS: [(&str, Read, Name); 4] = [
    ("eth_sendRawTransaction", hexadecimal, |raw| keccak256(raw)),
    ("broadcast_tx_sync", encoded, crate::cosmos::keys::hash),
    ("broadcast_tx_async", encoded, crate::cosmos::keys::hash),
    ("sendTransaction", encoded, crate::solana::keys::hash),
];

/// What a request submits: hash and bytes, in order.
pub(super) fn found(body: &[u8]) -> Vec<(B256, Bytes)> {
    let holds = |name: &str| body.windows(name.len()).any(|window| window == name.as_bytes());
    if !METHODS.iter().any(|(method, ..)| holds(method)) {
        return Vec::new();
    }
    let Ok(value) = serde_json::from_slice::<Value>(body) else { return Vec::new() };
    let single = std::slice::from_ref(&value);
    value.as_array().map_or(single, Vec::as_slice).iter().filter_map(submitted).collect()
}

fn submitted(call: &Value) -> Option<(B256, Bytes)> {
    let method = call.get("method")?.as_str()?;
    let (_, read, name) = METHODS.iter().find(|(known, ..)| method.starts_with(known))?;
    let raw = read(call.get("params")?)?;
    Some((name(&raw), raw))
}

fn hexadecimal(params: &Value) -> Option<Bytes> {
    params.get(0)?.as_str()?.parse().ok()
}

fn encoded(params: &Value) -> Option<Bytes> {
    let text = params.get("tx").or_else(|| params.get(0))?.as_str()?;
    BASE64.decode(text).ok().map(Bytes::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_family_s_submission_is_found_with_the_name_that_its_chain_gives_it() {
        let one = json!({"method": "eth_sendRawTransaction", "params": ["0x0102"]}).to_string();
        assert_eq!(found(one.as_bytes()), [(keccak256([1, 2]), Bytes::from_static(&[1, 2]))]);
        let other = json!([{"method": "broadcast_tx_sync", "params": {"tx": "AQI="}}]).to_string();
        let sha256 = "a12871fee210fb8619291eaea194581cbd2531e4b23759d225f6806923f63222";
        assert_eq!(found(other.as_bytes()), [(sha256.parse().unwrap(), Bytes::from_static(&[1, 2]))]);
        let signed = BASE64.encode([&[1_u8][..], &[7; 64], &[1, 2]].concat());
        let third =
            json!({"method": "sendTransaction", "params": [signed, {"encoding": "base64"}]}).to_string();
        let named = portcullis_verifier::solana::transaction_id(&[7; 64]);
        assert_eq!(found(third.as_bytes()).first().map(|(hash, _)| *hash), Some(named));
        let read = json!({"method": "status", "params": {}}).to_string();
        assert!(found(read.as_bytes()).is_empty() && found(b"broadcast_tx_sync").is_empty());
    }
}
