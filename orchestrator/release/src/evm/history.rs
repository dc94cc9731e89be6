//! Who closed a scope, as the gate's events say. For people: nothing is decided by it.

use alloy::{
    primitives::{Bytes, Log, LogData, U64},
    sol_types::SolEvent,
};
use portcullis_rpc::{ReplySize, RpcRequest};
use portcullis_verifier::B256;
use serde::Deserialize;
use serde_json::json;

use super::{Gate, Trip, abi::IGate, level_name};

/// Events that are shown, newest first.
const SHOWN: usize = 10;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawLog {
    topics: Vec<B256>,
    data: Bytes,
    block_number: U64,
    transaction_hash: B256,
}

impl Gate {
    /// Trips and holds of the scope in the last blocks, newest first, as the first endpoint tells. An endpoint that
    /// refuses leaves it unknown, which is another thing than nobody.
    pub(super) async fn history(&self, height: u64, look_back: u64) -> Result<Vec<Trip>, String> {
        let Some((_, client)) = self.endpoints.first() else {
            return Err("there is no endpoint to ask".into());
        };
        let filter = json!([{
            "address": self.guard,
            "fromBlock": U64::from(height.saturating_sub(look_back)),
            "toBlock": U64::from(height),
            "topics": [[IGate::Tripped::SIGNATURE_HASH, IGate::Held::SIGNATURE_HASH], self.scope],
        }]);
        let request = RpcRequest::read("eth_getLogs", filter, ReplySize::Bulk);
        let logs: Vec<RawLog> = client.ask(request, "logs").await.map_err(|error| error.to_string())?;
        Ok(logs.iter().rev().take(SHOWN).filter_map(|log| self.trip(log)).collect())
    }

    fn trip(&self, raw: &RawLog) -> Option<Trip> {
        let data = LogData::new(raw.topics.clone(), raw.data.clone())?;
        let log = Log { address: self.guard, data };
        let (height, transaction) = (raw.block_number.to(), raw.transaction_hash.to_string());
        if let Ok(tripped) = IGate::Tripped::decode_log(&log) {
            return Some(Trip {
                by: tripped.tripper.to_string(),
                what: format!("{} until chain time {}", level_name(tripped.level), tripped.until),
                incident: tripped.incident.to_string(),
                record: Some(tripped.record.to_string()),
                height,
                transaction,
            });
        }
        let held = IGate::Held::decode_log(&log).ok()?;
        Some(Trip {
            by: held.guardian.to_string(),
            what: format!("held {} by people, without expiry", level_name(held.level)),
            incident: "none".to_owned(),
            record: None,
            height,
            transaction,
        })
    }
}
