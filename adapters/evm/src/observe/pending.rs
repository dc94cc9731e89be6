//! Previews of waiting transactions that call a watched contract: what they would emit if they ran now.
//!
//! Best effort, and said so: one operator's mempool, one operator's simulation (`eth_simulateV1`), direct calls only,
//! a bounded number at one time. What does not fit is skipped and counted, because a preview must never delay a
//! block. Nothing here can prove anything: the observations carry the status `Pending`, and no block.

use std::{collections::BTreeSet, sync::Arc, time::Instant};

use alloy::{
    primitives::{Address, B256, Bytes, Log as RawLog, LogData, U256},
    rpc::types::Log,
};
use portcullis_rpc::{ReplySize, RpcError, RpcRequest, ws::WsClient};
use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};
use tokio::sync::{Semaphore, mpsc};

use super::Report;
use crate::limits;

/// What a waiting transaction would emit at watched contracts.
#[derive(Debug)]
pub(crate) struct Preview {
    /// Its hash.
    pub(crate) transaction: B256,
    /// When it was seen on the socket.
    pub(crate) at: Instant,
    /// Logs of watched contracts, each with its index in the transaction.
    pub(crate) logs: Vec<(u64, RawLog)>,
}

/// A waiting transaction as far as a preview needs it.
#[derive(Debug, Deserialize)]
pub(crate) struct Waiting {
    hash: B256,
    from: Address,
    to: Option<Address>,
    #[serde(default)]
    input: Bytes,
    #[serde(default)]
    value: U256,
    gas: U256,
}

/// What a simulation answers: blocks, their calls, their logs.
pub(crate) type Simulated = Vec<SimulatedBlock>;

#[derive(Debug, Deserialize)]
pub(crate) struct SimulatedBlock {
    calls: Vec<SimulatedCall>,
}

#[derive(Debug, Deserialize)]
struct SimulatedCall {
    #[serde(default)]
    logs: Vec<SimulatedLog>,
}

#[derive(Debug, Deserialize)]
struct SimulatedLog {
    address: Address,
    topics: Vec<B256>,
    #[serde(default)]
    data: Bytes,
}

/// Previews for one socket.
#[derive(Debug)]
pub(super) struct Previews {
    places: Arc<Semaphore>,
    watched: BTreeSet<Address>,
}

impl Previews {
    pub(super) fn new(watched: impl IntoIterator<Item = Address>) -> Self {
        let places = Arc::new(Semaphore::new(limits::PREVIEWS_IN_FLIGHT));
        Self { places, watched: watched.into_iter().collect() }
    }

    /// Starts a preview of what was pushed: a whole transaction, or its hash.
    pub(super) fn start(
        &self,
        client: WsClient,
        pushed: Box<RawValue>,
        at: Instant,
        reports: mpsc::Sender<Report>,
    ) {
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            metrics::counter!("portcullis_previews_skipped_total").increment(1);
            return;
        };
        let watched = self.watched.clone();
        tokio::spawn(async move {
            match preview(&client, &pushed, &watched, at).await {
                Ok(Some(preview)) => {
                    let _observer_gone = reports.send(Report::Preview(preview)).await;
                }
                Ok(None) => {}
                Err(error) => {
                    metrics::counter!("portcullis_previews_failed_total", "why" => error.label())
                        .increment(1);
                    tracing::debug!(%error, "no preview");
                }
            }
            drop((client, place));
        });
    }
}

async fn preview(
    client: &WsClient,
    pushed: &RawValue,
    watched: &BTreeSet<Address>,
    at: Instant,
) -> Result<Option<Preview>, RpcError> {
    let Some(waiting) = waiting(client, pushed).await? else { return Ok(None) };
    let Some(to) = waiting.to.filter(|to| watched.contains(to)) else { return Ok(None) };
    let call = json!({
        "from": waiting.from, "to": to, "input": waiting.input, "value": waiting.value, "gas": waiting.gas,
    });
    let params = json!([{ "blockStateCalls": [{ "calls": [call] }] }, "latest"]);
    let request = RpcRequest::read("eth_simulateV1", params, ReplySize::Block);
    let blocks: Simulated = client.call(request).await?.decode("simulated blocks")?;
    let logs = blocks.into_iter().flat_map(|block| block.calls).flat_map(|call| call.logs);
    let logs: Vec<(u64, RawLog)> = (0u64..)
        .zip(logs)
        .filter(|(_, log)| watched.contains(&log.address))
        .take(limits::PREVIEW_LOGS_MAX)
        .map(|(index, log)| (index, raw(log)))
        .collect();
    let transaction = waiting.hash;
    Ok((!logs.is_empty()).then_some(Preview { transaction, at, logs }))
}

fn raw(log: SimulatedLog) -> RawLog {
    RawLog { address: log.address, data: LogData::new_unchecked(log.topics, log.data) }
}

/// Servers push whole transactions where they can, else hashes.
async fn waiting(client: &WsClient, pushed: &RawValue) -> Result<Option<Waiting>, RpcError> {
    match read_waiting(pushed)? {
        Pushed::Whole(waiting) => Ok(Some(waiting)),
        Pushed::Hash(hash) => {
            let request = RpcRequest::read("eth_getTransactionByHash", json!([hash]), ReplySize::Block);
            client.call(request).await?.decode("waiting transaction")
        }
    }
}

/// What was pushed.
#[derive(Debug)]
pub(crate) enum Pushed {
    Whole(Waiting),
    Hash(B256),
}

pub(crate) fn read_waiting(pushed: &RawValue) -> Result<Pushed, RpcError> {
    let broken = |source: serde_json::Error| RpcError::Garbage {
        expected: "waiting transaction",
        source: Some(Box::new(source)),
    };
    let value: Value = serde_json::from_str(pushed.get()).map_err(broken)?;
    if value.is_string() {
        return serde_json::from_value(value).map(Pushed::Hash).map_err(broken);
    }
    serde_json::from_value(value).map(Pushed::Whole).map_err(broken)
}

impl Preview {
    /// Its logs at the place where they would stand at the earliest: the block after `height`, which has no hash yet.
    pub(super) fn logs_after(&self, height: u64) -> Vec<Log> {
        let place = |(index, raw): &(u64, RawLog)| Log {
            inner: raw.clone(),
            block_hash: Some(B256::ZERO),
            block_number: Some(height.saturating_add(1)),
            block_timestamp: None,
            transaction_hash: Some(self.transaction),
            transaction_index: Some(0),
            log_index: Some(*index),
            removed: false,
        };
        self.logs.iter().map(place).collect()
    }
}
