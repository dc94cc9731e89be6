//! Logs as nodes write them.
//!
//! The library's own type is read by way of flattened parts, which hold every field of every log in a tree before they
//! know what it is. A busy chain's logs are most of what is read at all, from each operator: they are read directly here,
//! with the same fields, the same forms of numbers and the same refusals.

use alloy::{
    primitives::{Address, B256, Bytes, Log as RawLog, LogData},
    rpc::types::Log,
};
use serde::Deserialize;

/// Most topics of a log; more are no log.
const TOPICS_MAX: usize = 4;

/// A log of an answer.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", try_from = "Fields")]
pub(crate) struct WireLog(pub(crate) Log);

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Fields {
    address: Address,
    topics: Vec<B256>,
    data: Bytes,
    block_hash: Option<B256>,
    #[serde(with = "alloy::serde::quantity::opt")]
    block_number: Option<u64>,
    #[serde(default, with = "alloy::serde::quantity::opt")]
    block_timestamp: Option<u64>,
    transaction_hash: Option<B256>,
    #[serde(with = "alloy::serde::quantity::opt")]
    transaction_index: Option<u64>,
    #[serde(with = "alloy::serde::quantity::opt")]
    log_index: Option<u64>,
    #[serde(default)]
    removed: bool,
}

impl TryFrom<Fields> for WireLog {
    type Error = &'static str;

    fn try_from(fields: Fields) -> Result<Self, Self::Error> {
        if fields.topics.len() > TOPICS_MAX {
            return Err("a log with more than four topics");
        }
        let data = LogData::new_unchecked(fields.topics, fields.data);
        Ok(Self(Log {
            inner: RawLog { address: fields.address, data },
            block_hash: fields.block_hash,
            block_number: fields.block_number,
            block_timestamp: fields.block_timestamp,
            transaction_hash: fields.transaction_hash,
            transaction_index: fields.transaction_index,
            log_index: fields.log_index,
            removed: fields.removed,
        }))
    }
}

/// The logs of an answer.
pub(crate) fn logs_of(answer: Vec<WireLog>) -> Vec<Log> {
    answer.into_iter().map(|log| log.0).collect()
}

/// Of a pushed log, what matters: which block holds it. The block's logs are asked for.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PushedLog {
    pub(crate) address: Address,
    pub(crate) block_hash: Option<B256>,
    #[serde(with = "alloy::serde::quantity::opt")]
    pub(crate) block_number: Option<u64>,
    #[serde(default)]
    pub(crate) removed: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn log() -> Value {
        json!({
            "address": "0x1111111111111111111111111111111111111111",
            "topics": [B256::repeat_byte(1), B256::repeat_byte(2)],
            "data": "0x0102",
            "blockHash": B256::repeat_byte(3),
            "blockNumber": "0x10",
            "blockTimestamp": "0x65",
            "transactionHash": B256::repeat_byte(4),
            "transactionIndex": "0x0",
            "logIndex": "0x7",
            "removed": false,
            "somethingNew": {"nobody": ["knows"]},
        })
    }

    /// As the library reads it.
    fn both(value: &Value) -> (Option<Log>, Option<Log>) {
        let text = value.to_string();
        let ours = serde_json::from_str::<WireLog>(&text).ok().map(|log| log.0);
        (ours, serde_json::from_str::<Log>(&text).ok())
    }

    #[test]
    fn it_is_read_as_the_library_reads_it_whatever_is_missing_or_wrong() {
        let (ours, theirs) = both(&log());
        assert!(ours.is_some() && ours == theirs);
        let names: Vec<String> = log().as_object().unwrap().keys().cloned().collect();
        let wrong = [
            Value::Null,
            json!("0x"),
            json!("10"),
            json!("0x10"),
            json!("0xzz"),
            json!(16),
            json!(-1),
            json!([]),
            json!({}),
            json!(true),
            json!(B256::ZERO),
        ];
        for name in &names {
            let mut without = log();
            without.as_object_mut().unwrap().remove(name);
            let (ours, theirs) = both(&without);
            assert_eq!(ours, theirs, "without {name}");
            for value in &wrong {
                let mut other = log();
                other[name] = value.clone();
                let (ours, theirs) = both(&other);
                assert_eq!(ours, theirs, "{name} is {value}");
            }
        }
    }

    #[test]
    fn five_topics_are_no_log() {
        let mut many = log();
        many["topics"] = json!([B256::ZERO, B256::ZERO, B256::ZERO, B256::ZERO, B256::ZERO]);
        assert!(serde_json::from_str::<WireLog>(&many.to_string()).is_err());
    }
}
