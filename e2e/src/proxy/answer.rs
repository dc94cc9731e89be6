//! What a fault makes of one answer, the same over HTTP and on a socket.

use bytes::Bytes;
use serde_json::{Value, json};

use super::rule::{Fault, Strike};
use super::{Lie, Shared};

/// What the service gets to see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// These bytes, and the connection goes on.
    Text(Bytes),
    /// A page.
    Html,
    /// These bytes of so many that were announced, and then the connection breaks.
    Part(Bytes),
    /// So many bytes of nothing, streamed.
    Huge(usize),
    /// Come back later.
    TooMany { id: Value, retry_after_secs: u64 },
    /// The connection breaks.
    Broken,
    /// Nothing, ever.
    Never,
}

/// What a proxy out of order says.
pub(crate) const PAGE: &str = "<!doctype html><html><body><h1>502 Bad Gateway</h1></body></html>\0{]";

/// An answer that needs no node; none when the node has to be asked.
pub(crate) fn before(strike: &Strike, call: &Value) -> Option<Answer> {
    let id = call.get("id").unwrap_or(&Value::Null);
    Some(match &strike.fault {
        Fault::Invent(lie) => {
            let mut said = json!({"jsonrpc": "2.0", "id": id, "result": null});
            change(call, &mut said, lie);
            Answer::Text(said.to_string().into())
        }
        Fault::Lose(super::Leg::Request) => Answer::Broken,
        Fault::HalfOpen => Answer::Never,
        Fault::Html => Answer::Html,
        Fault::Huge { bytes } => Answer::Huge(*bytes),
        Fault::TooMany { retry_after_secs } => {
            Answer::TooMany { id: id.clone(), retry_after_secs: *retry_after_secs }
        }
        Fault::Refuse { code, message } => {
            let said = json!({"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": message}});
            Answer::Text(said.to_string().into())
        }
        Fault::Deep { levels } => {
            let (open, close) = ("[".repeat(*levels), "]".repeat(*levels));
            Answer::Text(format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{open}{close}}}"#).into())
        }
        _ => return None,
    })
}

/// What becomes of the node's answer.
pub(crate) fn after(shared: &Shared, strike: Option<&Strike>, call: &Value, reply: Bytes) -> Answer {
    let Some(strike) = strike else { return Answer::Text(reply) };
    match &strike.fault {
        Fault::Lose(_) => Answer::Broken,
        Fault::Cut => Answer::Part(reply.slice(..reply.len() / 2)),
        Fault::Lie(lie) => Answer::Text(rewrite(call, reply, lie)),
        Fault::WrongId => Answer::Text(changed(reply, |said| {
            // A push has no id; its subscription takes the part of it.
            if let Some(name) = said.pointer_mut("/params/subscription") {
                *name = json!("0xdeadbeef");
            } else if let Some(id) = said.get_mut("id") {
                *id = json!(id.as_u64().unwrap_or(0) + 1_000_000);
            }
        })),
        Fault::Stale => Answer::Text(changed(reply, |said| {
            let place = if said.get("params").is_some() { "/params/result" } else { "/result" };
            if let Some(result) = said.pointer_mut(place) {
                *result = shared.stale(strike.rule, result);
            }
        })),
        _ => Answer::Text(reply),
    }
}

/// Changes an answer; one that is no JSON passes as it is.
pub(crate) fn changed(reply: Bytes, change: impl FnOnce(&mut Value)) -> Bytes {
    let Ok(mut said) = serde_json::from_slice::<Value>(&reply) else { return reply };
    change(&mut said);
    serde_json::to_vec(&said).map_or(reply, Bytes::from)
}

/// Applies a lie to an answer or to each of a batch.
pub(crate) fn rewrite(asked: &Value, reply: Bytes, lie: &Lie) -> Bytes {
    changed(reply, |said| match (asked.as_array(), said.as_array_mut()) {
        (Some(asked), Some(said)) => {
            for answer in said {
                if let Some(call) = asked.iter().find(|call| call.get("id") == answer.get("id")) {
                    change(call, answer, lie);
                }
            }
        }
        _ => change(asked, said, lie),
    })
}

fn change(call: &Value, answer: &mut Value, lie: &Lie) {
    let method = call.get("method").and_then(Value::as_str).unwrap_or_default();
    let params = call.get("params").unwrap_or(&Value::Null);
    if let Some(result) = answer.get_mut("result") {
        lie(method, params, result);
    }
}

/// A JSON text of about so many bytes, in pieces: a string that goes on and on.
pub(crate) fn pieces(bytes: usize, piece: usize) -> impl Iterator<Item = Bytes> {
    let filler = Bytes::from(vec![b'x'; piece]);
    std::iter::once(Bytes::from_static(br#"{"jsonrpc":"2.0","id":1,"result":""#))
        .chain(std::iter::repeat_n(filler, bytes / piece + 1))
        .chain(std::iter::once(Bytes::from_static(br#""}"#)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    fn liar() -> Lie {
        Arc::new(|method, _params, result| {
            if method == "eth_blockNumber" {
                *result = Value::from("0x7");
            }
        })
    }

    #[test]
    fn a_lie_changes_what_it_is_about_and_nothing_else() {
        let out = rewrite(
            &json!([{"id": 1, "method": "eth_blockNumber"}, {"id": 2, "method": "eth_chainId"}]),
            Bytes::from_static(br#"[{"id":2,"result":"0x1"},{"id":1,"result":"0x2"}]"#),
            &liar(),
        );
        let out: Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(out[0]["result"], "0x1");
        assert_eq!(out[1]["result"], "0x7");
    }

    #[test]
    fn what_is_no_json_passes_unchanged() {
        let reply = Bytes::from_static(b"oops");
        assert_eq!(rewrite(&json!({}), reply.clone(), &liar()), reply);
    }
}
