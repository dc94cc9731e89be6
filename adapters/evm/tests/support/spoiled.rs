//! Answers that no node should give.

use std::sync::Arc;

use portcullis_rpc::testing::{Fault, Rewrite};
use portcullis_verifier::B256;
use serde_json::{Value, json};

pub(crate) fn lie(rewrite: impl Fn(Value) -> Value + Send + Sync + 'static) -> Fault {
    let rewrite: Rewrite = Arc::new(move |_, _, honest| Some(rewrite(honest)));
    Fault::Lie(rewrite)
}

/// A list with one field of its first entry changed.
pub(crate) fn first(field: &'static str, value: Value) -> Fault {
    lie(move |mut honest| {
        if let Some(entry) = honest.get_mut(0).and_then(Value::as_object_mut) {
            match &value {
                Value::Null => drop(entry.remove(field)),
                other => drop(entry.insert(field.to_owned(), other.clone())),
            }
        }
        honest
    })
}

/// What is wrong with any answer, whatever was asked.
pub(crate) fn spoiled() -> Vec<(&'static str, Fault)> {
    let text = |text: &str| Fault::Text(text.to_owned());
    let deep = format!("{{\"id\":$ID,\"result\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    vec![
        ("bytes that are no JSON", text("\u{1}\u{2}{{{")),
        ("a page of HTML", text("<!doctype html><title>502</title>")),
        ("nothing", text("")),
        ("half an answer", text("{\"jsonrpc\":\"2.0\",\"id\":$ID,\"resul")),
        ("another request's id", Fault::WrongId),
        ("no id", text("{\"result\":$RESULT}")),
        ("an id as a text", text("{\"id\":\"$ID\",\"result\":$RESULT}")),
        ("neither result nor error", text("{\"id\":$ID}")),
        ("two results", text("{\"id\":$ID,\"result\":$RESULT,\"result\":[]}")),
        ("two ids", text("{\"id\":$ID,\"id\":0,\"result\":$RESULT}")),
        ("a batch with one id twice", text("[{\"id\":$ID,\"result\":$RESULT},{\"id\":$ID,\"result\":[]}]")),
        ("null", text("{\"id\":$ID,\"result\":null}")),
        ("a number", text("{\"id\":$ID,\"result\":7}")),
        ("100,000 brackets", Fault::Text(deep)),
        ("200 MB, announced", Fault::Flood { bytes: 200 << 20, announced: true }),
        ("200 MB, not announced", Fault::Flood { bytes: 200 << 20, announced: false }),
    ]
}

/// What is wrong with logs in particular.
pub(crate) fn spoiled_logs() -> Vec<(&'static str, Fault)> {
    vec![
        ("a negative number", first("logIndex", json!("-0x1"))),
        ("an odd number of digits", first("data", json!("0x123"))),
        ("a number without a prefix", first("blockNumber", json!("zz"))),
        ("no transaction", first("transactionHash", Value::Null)),
        ("no place", first("logIndex", Value::Null)),
        ("a place beyond counting", first("logIndex", json!("0xffffffffff"))),
        ("another block", first("blockHash", json!(B256::repeat_byte(7)))),
        (
            "a contract that was not asked for",
            first("address", json!("0x0000000000000000000000000000000000000007")),
        ),
        ("a log that was removed", first("removed", json!(true))),
        (
            "the same log twice",
            lie(|mut honest| {
                let log = honest[0].clone();
                honest.as_array_mut().unwrap().push(log);
                honest
            }),
        ),
    ]
}

/// What is wrong with headers in particular.
pub(crate) fn spoiled_headers() -> Vec<(&'static str, Fault)> {
    let with = |field: &'static str, value: Value| {
        lie(move |mut honest| {
            honest[field] = value.clone();
            honest
        })
    };
    vec![
        ("a hash that is not its own", with("hash", json!(B256::repeat_byte(7)))),
        ("a number that is not its own", with("number", json!("0x7"))),
        ("a negative time", with("timestamp", json!("-0x1"))),
        ("a bloom of one byte", with("logsBloom", json!("0x00"))),
    ]
}
