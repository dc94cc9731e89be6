//! What really happened here, read from the node itself, in the words that the other sides use.

use std::sync::Arc;

use alloy::primitives::{Address, B256};
use alloy::sol_types::SolEvent;
use tokio::sync::{mpsc, watch};

use super::keys;
use super::rpc::{Block, Event, Executed, Rpc};
use crate::chain::{Log, Receipt};
use crate::contracts::Guard;
use crate::nodes::{Head, Heads};
use crate::scenario::Domain;
use crate::watch::Seen;

/// The guard of this chain as the play names contracts: the last 20 bytes of its address.
#[must_use]
pub fn short(contract: &str) -> Address {
    let bytes = contract.parse::<cosmrs::AccountId>().map(|id| id.to_bytes()).unwrap_or_default();
    bytes.last_chunk::<20>().map_or(Address::ZERO, Address::from)
}

/// Follows the chain's blocks until nobody listens.
pub async fn follow(
    rpc: Arc<Rpc>,
    guard: String,
    mut heads: watch::Receiver<Option<Head>>,
    send: mpsc::UnboundedSender<Seen>,
) {
    let mut next = None;
    while let Ok(head) = Heads::next(&mut heads).await {
        // Heads that came while results were read were skipped by the channel: they are read now.
        for height in next.unwrap_or(head.height)..=head.height {
            let (Ok(block), Ok(results)) = (rpc.block(height).await, rpc.results(height).await) else {
                return;
            };
            let receipts = receipts(&block, &results, &guard);
            let head = Head { height, hash: block.hash, time: block.time, ..head };
            if send.send(Seen { side: Domain::Cosmos, head, receipts }).is_err() {
                return;
            }
        }
        next = Some(head.height + 1);
    }
}

/// What the transactions of a block did.
#[must_use]
pub fn receipts(block: &Block, results: &[Executed], guard: &str) -> Vec<Receipt> {
    let executed = block.transactions.iter().zip(results).zip(0..);
    executed.map(|((raw, done), index)| receipt(block, keys::hash(raw), index, done, guard)).collect()
}

/// What one transaction did.
#[must_use]
pub fn receipt(block: &Block, hash: B256, index: u64, done: &Executed, guard: &str) -> Receipt {
    let trips = done.events.iter().filter_map(|event| trip(event, guard));
    let logs = trips.zip(0..).map(|(trip, log_index)| {
        let data = trip.encode_log_data();
        Log {
            address: short(guard),
            topics: data.topics().to_vec(),
            data: data.data.clone(),
            block_number: block.height,
            block_hash: block.hash,
            log_index,
            transaction_hash: hash,
        }
    });
    Receipt {
        transaction_hash: hash,
        block_number: block.height,
        transaction_index: index,
        status: u64::from(done.code == 0),
        contract_address: None,
        logs: logs.collect(),
    }
}

/// A trip, told with the same fields as by every guard.
fn trip(event: &Event, guard: &str) -> Option<Guard::Tripped> {
    if event.kind != "wasm-Tripped" || event.get("_contract_address") != Some(guard) {
        return None;
    }
    let word = |name: &str| event.get(name)?.parse::<B256>().ok();
    let number = |name: &str| event.get(name)?.parse::<u64>().ok();
    Some(Guard::Tripped {
        scope: word("scope")?,
        incident: word("incident")?,
        level: u8::try_from(number("level")?).ok()?,
        until: number("until")?,
        untilHeight: number("untilHeight")?,
        record: word("record")?,
        generation: u32::try_from(number("generation")?).ok()?,
        actionId: word("actionId")?,
        tripper: short(event.get("tripper")?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watch::trips;
    use serde_json::json;

    #[test]
    fn a_trip_is_told_in_the_same_words_as_elsewhere() {
        let guard = cosmrs::AccountId::new(keys::PREFIX, &[9; 32]).unwrap().to_string();
        let tripper = keys::shown(Address::repeat_byte(7)).unwrap().to_string();
        let field = |key: &str, value: &str| json!({"key": key, "value": value});
        let event = |kind: &str| {
            json!({"code": 0, "events": [{"type": kind, "attributes": [
                field("_contract_address", &guard), field("scope", &"11".repeat(32)),
                field("incident", &"22".repeat(32)), field("level", "2"), field("until", "1700"),
                field("untilHeight", "9"), field("record", &"33".repeat(32)), field("generation", "4"),
                field("actionId", &"44".repeat(32)), field("tripper", &tripper),
            ]}]})
        };
        let block = Block { height: 5, hash: B256::ZERO, time: 1, transactions: vec![vec![1, 2]] };
        let seen = |kind: &str| {
            let done: Executed = serde_json::from_value(event(kind)).unwrap();
            let head = Head {
                height: 5,
                hash: B256::ZERO,
                time: 1,
                base_fee: 0,
                seen_us: 0,
                seen: std::time::Instant::now(),
            };
            Seen { side: Domain::Cosmos, head, receipts: receipts(&block, &[done], &guard) }
        };
        let told = trips(&seen("wasm-Tripped"), short(&guard));
        assert_eq!(told.len(), 1);
        assert_eq!((told[0].level, told[0].until, told[0].height), (2, 1_700, 5));
        assert_eq!(told[0].incident, B256::repeat_byte(0x22));
        assert!(trips(&seen("wasm-TripIgnored"), short(&guard)).is_empty());
    }
}
