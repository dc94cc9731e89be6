//! JSON-RPC 2.0 envelopes.

use core::time::Duration;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use crate::{Reply, RpcError, RpcRequest, limits};

#[derive(Serialize)]
struct Outgoing<'a> {
    jsonrpc: &'static str,
    id: u64,
    method: &'static str,
    params: &'a serde_json::Value,
}

/// The bytes of a request.
pub(crate) fn encode(request: &RpcRequest, id: u64) -> Result<String, RpcError> {
    let outgoing = Outgoing { jsonrpc: "2.0", id, method: request.method, params: &request.params };
    serde_json::to_string(&outgoing).map_err(|source| RpcError::Setup(Box::new(source)))
}

/// Anything that a server sends: an answer, or a push (then `method` is there and `id` is not).
#[derive(Debug, Deserialize)]
pub(crate) struct Incoming {
    #[serde(default)]
    id: Option<serde_json::Value>,
    #[serde(default, deserialize_with = "present")]
    result: Option<Box<RawValue>>,
    #[serde(default)]
    error: Option<ErrorObject>,
    #[serde(default)]
    params: Option<PushParams>,
}

/// Parameters of a push.
#[derive(Debug, Deserialize)]
struct PushParams {
    subscription: serde_json::Value,
    result: Box<RawValue>,
}

#[derive(Debug, Deserialize)]
struct ErrorObject {
    code: i64,
    #[serde(default)]
    message: String,
    #[serde(default)]
    data: Option<serde_json::Value>,
}

/// A `result` of null is an answer; an absent one is none.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Box<RawValue>>, D::Error> {
    Box::<RawValue>::deserialize(deserializer).map(Some)
}

/// How an answer came.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Via {
    pub(crate) status: u16,
    pub(crate) retry_after: Option<Duration>,
}

impl Via {
    /// On a socket.
    pub(crate) const SOCKET: Self = Self { status: 200, retry_after: None };
}

impl Incoming {
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, RpcError> {
        serde_json::from_slice(bytes).map_err(|source| RpcError::Garbage {
            expected: "JSON-RPC message",
            source: Some(Box::new(source)),
        })
    }

    /// The id as a number; none when there is none or it is something else.
    pub(crate) fn number(&self) -> Option<u64> {
        self.id.as_ref().and_then(serde_json::Value::as_u64)
    }

    pub(crate) fn has_error(&self) -> bool {
        self.error.is_some()
    }

    /// The push that it is: the subscription that it names, and the result.
    pub(crate) fn push(self) -> Result<(String, Box<RawValue>), RpcError> {
        match self.params {
            Some(params) if self.id.as_ref().and_then(serde_json::Value::as_u64).is_none() => {
                Ok((name_of(&params.subscription), params.result))
            }
            _ => Err(RpcError::garbage("answer or push: neither id nor params is there")),
        }
    }

    /// The answer to request `expected`.
    pub(crate) fn answer(self, expected: u64, via: Via) -> Result<Reply, RpcError> {
        // A server that could not read the request answers with an error and no id (JSON-RPC 2.0, section 5).
        let anonymous_error = self.error.is_some() && matches!(self.id, None | Some(serde_json::Value::Null));
        if self.number() != Some(expected) && !anonymous_error {
            let found = self.id.map_or_else(|| "none".to_owned(), |id| cut(&id.to_string()));
            return Err(RpcError::WrongId { expected, found });
        }
        match (self.result, self.error) {
            (_, Some(error)) => Err(error.into_error(via)),
            (Some(result), None) => Ok(Reply(result)),
            (None, None) => Err(RpcError::garbage("answer: neither result nor error is there")),
        }
    }
}

impl ErrorObject {
    fn into_error(self, via: Via) -> RpcError {
        let backoff = self
            .data
            .as_ref()
            .and_then(|data| data.get("backoff_seconds").or_else(|| data.get("rate")?.get("backoff_seconds")))
            .and_then(serde_json::Value::as_u64)
            .map(Duration::from_secs);
        let data = self.data.as_ref().and_then(|data| {
            // Nodes give revert data as a text, or inside an object under `data`.
            data.as_str().or_else(|| data.get("data")?.as_str()).map(str::to_owned)
        });
        RpcError::Server {
            code: self.code,
            message: cut(&self.message),
            data,
            status: via.status,
            retry_after: via.retry_after.or(backoff),
        }
    }
}

/// A subscription's name, whether the server counts in texts or in numbers.
pub(crate) fn name_of(id: &serde_json::Value) -> String {
    id.as_str().map_or_else(|| id.to_string(), str::to_owned)
}

pub(crate) fn cut(text: &str) -> String {
    let end = text.floor_char_boundary(limits::MESSAGE_BYTES.min(text.len()));
    text.get(..end).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(text: &str) -> Result<Reply, RpcError> {
        Incoming::parse(text.as_bytes()).and_then(|incoming| incoming.answer(7, Via::SOCKET))
    }

    #[test]
    fn null_is_an_answer_and_absence_is_not() {
        assert_eq!(answer(r#"{"jsonrpc":"2.0","id":7,"result":null}"#).unwrap().0.get(), "null");
        assert!(matches!(answer(r#"{"jsonrpc":"2.0","id":7}"#), Err(RpcError::Garbage { .. })));
    }

    #[test]
    fn another_requests_answer_is_refused() {
        assert!(answer(r#"{"id":7,"result":1}"#).is_ok());
        let wrong = answer(r#"{"id":8,"result":1}"#).unwrap_err();
        assert!(matches!(wrong, RpcError::WrongId { expected: 7, .. }));
        assert!(matches!(answer(r#"{"id":"7","result":1}"#), Err(RpcError::WrongId { .. })));
        assert!(matches!(answer(r#"{"result":1}"#), Err(RpcError::WrongId { .. })));
    }

    #[test]
    fn errors_keep_code_data_and_the_asked_wait() {
        let text = r#"{"id":7,"error":{"code":-32005,"message":"slow down","data":{"backoff_seconds":3}}}"#;
        let RpcError::Server { code: -32005, retry_after, .. } = answer(text).unwrap_err() else {
            panic!("a server error")
        };
        assert_eq!(retry_after, Some(Duration::from_secs(3)));
        let revert = r#"{"id":7,"error":{"code":3,"message":"execution reverted","data":"0x01"}}"#;
        assert!(matches!(answer(revert), Err(RpcError::Server { data: Some(data), .. }) if data == "0x01"));
        let unread = r#"{"id":null,"error":{"code":-32700,"message":"parse error"}}"#;
        assert!(matches!(answer(unread), Err(RpcError::Server { code: -32700, .. })));
    }

    #[test]
    fn a_bomb_of_brackets_is_garbage_and_nothing_worse() {
        let deep = format!(r#"{{"id":7,"result":{}{}}}"#, "[".repeat(200_000), "]".repeat(200_000));
        let raw = answer(&deep);
        let decoded = raw.and_then(|reply| reply.decode::<serde_json::Value>("number"));
        assert!(matches!(decoded, Err(RpcError::Garbage { .. })));
    }
}
