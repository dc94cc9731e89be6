//! What servers send as JSON-RPC: answers, errors, batches that nobody asked for, pushes.

use portcullis_rpc::{
    RpcError,
    testing::{read_answer, read_push},
};
use serde_json::Value;

use crate::Target;

/// The request's id in every case.
const ID: u64 = 7;

pub(crate) const TARGET: Target = Target {
    name: "wire",
    what: "JSON-RPC messages: only this request's result is an answer, everything else a typed error",
    most_bytes: 16 << 10,
    feed,
    seeds,
};

fn feed(bytes: &[u8]) {
    match read_answer(bytes, ID) {
        Ok(reply) => {
            let text = reply.0.get().to_owned();
            assert!(contains(bytes, text.as_bytes()), "a result that the server did not send");
            // An answer is an object with this id, a result and no error, by any reader of JSON that can read it.
            if let Ok(whole) = serde_json::from_slice::<Value>(bytes) {
                assert_eq!(whole.get("id").and_then(Value::as_u64), Some(ID));
                assert!(whole.get("result").is_some() && whole.get("error").is_none_or(Value::is_null));
            }
            assert!(reply.decode::<Value>("anything").is_ok() || text.contains('[') || text.contains('{'));
        }
        Err(error) => {
            assert!(
                matches!(
                    error,
                    RpcError::Garbage { .. } | RpcError::WrongId { .. } | RpcError::Server { .. }
                ),
                "{error}"
            );
            if let RpcError::Server { message, .. } = &error {
                assert!(message.len() <= portcullis_rpc::limits::MESSAGE_BYTES);
            }
            assert!(error.to_string().len() < 2_048, "an error that the server makes as long as it likes");
            let _class = error.class();
        }
    }
    // A push names its subscription and carries a result; nothing else is one.
    if let Ok((subscription, result)) = read_push(bytes) {
        assert!(!subscription.is_empty());
        assert!(contains(bytes, result.get().as_bytes()));
    }
}

fn contains(whole: &[u8], part: &[u8]) -> bool {
    part.is_empty() || whole.windows(part.len()).any(|window| window == part)
}

fn seeds() -> Vec<Vec<u8>> {
    let texts = [
        r#"{"jsonrpc":"2.0","id":7,"result":"0x1"}"#,
        r#"{"jsonrpc":"2.0","id":7,"result":null}"#,
        r#"{"jsonrpc":"2.0","id":7,"result":[{"a":[1,2,{"b":-0.0}]}]}"#,
        r#"{"jsonrpc":"2.0","id":7,"error":{"code":-32005,"message":"slow","data":{"backoff_seconds":3}}}"#,
        r#"{"jsonrpc":"2.0","id":7,"error":{"code":3,"message":"execution reverted","data":"0x01"}}"#,
        r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"parse error"}}"#,
        r#"{"jsonrpc":"2.0","id":8,"result":1}"#,
        r#"{"jsonrpc":"2.0","id":"7","result":1}"#,
        r#"{"jsonrpc":"2.0","id":7.0,"result":1}"#,
        r#"{"id":7,"id":8,"result":1,"result":2}"#,
        r#"[{"jsonrpc":"2.0","id":7,"result":1},{"jsonrpc":"2.0","id":7,"result":2}]"#,
        r#"{"jsonrpc":"2.0","method":"eth_subscription","params":{"subscription":"0x1","result":{"number":"0x1"}}}"#,
        r#"{"method":"x","params":{"subscription":7,"result":null}}"#,
        "<html><body>502 Bad Gateway</body></html>",
        r#"{"id":7,"result":[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]}"#,
    ];
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}
