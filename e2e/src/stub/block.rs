//! Blocks: receipts, roots and hashes as on any chain, and their JSON, made once for all who ask.

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use alloy::consensus::proofs::calculate_receipt_root;
use alloy::consensus::{Eip658Value, Header as ConsensusHeader, Receipt, ReceiptEnvelope, ReceiptWithBloom};
use alloy::primitives::{Address, B256, Bloom, Log, LogData, keccak256};
use alloy::rpc::types::Header;
use serde_json::{Value, json};

use super::state::State;

/// Gas that each transaction is said to have used.
const GAS_USED: u64 = 60_000;
/// Base fee of every block, wei.
const BASE_FEE: u64 = 1_000_000_000;

/// A transaction as a block holds it.
#[derive(Debug, Clone)]
pub struct Transaction {
    /// Its hash.
    pub hash: B256,
    /// Who sent it.
    pub from: Address,
    /// Whom it called.
    pub to: Address,
    /// Whether the call succeeded.
    pub success: bool,
    /// What it logged.
    pub logs: Vec<Log>,
}

impl Transaction {
    /// One that logs a single event; its hash follows from what it says.
    #[must_use]
    pub fn of(contract: Address, from: Address, data: LogData) -> Self {
        let mut said = Vec::with_capacity(256);
        said.extend_from_slice(contract.as_slice());
        data.topics().iter().for_each(|topic| said.extend_from_slice(topic.as_slice()));
        said.extend_from_slice(&data.data);
        let logs = vec![Log { address: contract, data }];
        Self { hash: keccak256(said), from, to: contract, success: true, logs }
    }
}

/// A moment on the monotonic clock and on the wall clock, microseconds since 1970; set once.
pub type Pushed = OnceLock<(Instant, i64)>;

/// A log's JSON and whose it is.
#[derive(Debug)]
pub struct LogText {
    /// Contract.
    pub address: Address,
    /// As a node tells it.
    pub json: String,
}

/// A block with everything that is asked about it.
#[derive(Debug)]
pub struct Block {
    /// Height.
    pub height: u64,
    /// Hash.
    pub hash: B256,
    /// Seconds since 1970.
    pub time: u64,
    /// The header's JSON.
    pub header: String,
    /// The block's JSON, with the hashes of its transactions.
    pub block: String,
    /// Logs in order.
    pub logs: Vec<LogText>,
    /// Transactions in order.
    pub transactions: Vec<Transaction>,
    /// The state after it.
    pub state: Arc<State>,
    /// When its head left for the first listener, set once.
    pub pushed: Arc<Pushed>,
    receipts: OnceLock<String>,
}

fn envelope(transaction: &Transaction, cumulative_gas_used: u64) -> ReceiptEnvelope {
    let status = Eip658Value::Eip658(transaction.success);
    let receipt = Receipt { status, cumulative_gas_used, logs: transaction.logs.clone() };
    ReceiptEnvelope::Eip1559(ReceiptWithBloom::from(receipt))
}

impl Block {
    /// Makes the block that follows `parent`.
    #[must_use]
    pub fn build(
        (height, parent, time): (u64, B256, u64),
        transactions: Vec<Transaction>,
        (state, state_root): (Arc<State>, B256),
    ) -> Self {
        let receipts: Vec<ReceiptEnvelope> =
            (1u64..).zip(&transactions).map(|(index, tx)| envelope(tx, index * GAS_USED)).collect();
        let mut bloom = Bloom::ZERO;
        receipts.iter().for_each(|receipt| bloom.accrue_bloom(receipt.logs_bloom()));
        let hashes: Vec<B256> = transactions.iter().map(|tx| tx.hash).collect();
        let transactions_root = if hashes.is_empty() {
            alloy::consensus::EMPTY_ROOT_HASH
        } else {
            // Bodies are never asked for: any commitment that is not the empty one does.
            keccak256(hashes.concat())
        };
        let header = Header::new(ConsensusHeader {
            parent_hash: parent,
            number: height,
            timestamp: time,
            state_root,
            transactions_root,
            receipts_root: calculate_receipt_root(&receipts),
            logs_bloom: bloom,
            gas_limit: 10_000_000_000,
            gas_used: GAS_USED * transactions.len() as u64,
            base_fee_per_gas: Some(BASE_FEE),
            withdrawals_root: Some(alloy::consensus::EMPTY_ROOT_HASH),
            blob_gas_used: Some(0),
            excess_blob_gas: Some(0),
            parent_beacon_block_root: Some(B256::ZERO),
            requests_hash: Some(B256::ZERO),
            ..ConsensusHeader::default()
        });
        let hash = header.hash;
        let mut told = json!(header);
        let header = told.to_string();
        if let Some(fields) = told.as_object_mut() {
            fields.insert("transactions".to_owned(), json!(hashes));
            fields.insert("uncles".to_owned(), json!([]));
        }
        let place = Place { height, hash, time };
        let logs = place.logs(&transactions);
        let (block, receipts) = (told.to_string(), OnceLock::new());
        Self {
            height,
            hash,
            time,
            header,
            block,
            logs,
            transactions,
            state,
            pushed: Arc::default(),
            receipts,
        }
    }

    /// The logs of some contracts, as one JSON list.
    #[must_use]
    pub fn logs_of(&self, addresses: &[Address]) -> String {
        let mut out = String::from("[");
        self.add_logs(addresses, &mut out);
        out.push(']');
        out
    }

    /// Adds the logs of some contracts to an open list.
    pub fn add_logs(&self, addresses: &[Address], out: &mut String) {
        for log in self.logs.iter().filter(|log| addresses.is_empty() || addresses.contains(&log.address)) {
            if !out.ends_with('[') {
                out.push(',');
            }
            out.push_str(&log.json);
        }
    }

    /// All receipts, as one JSON list. Made when first asked for.
    #[must_use]
    pub fn receipts(&self) -> &str {
        self.receipts.get_or_init(|| {
            let all = (0..self.transactions.len()).map(|index| self.receipt(index));
            Value::from_iter(all).to_string()
        })
    }

    /// One receipt; null where there is no such transaction.
    #[must_use]
    pub fn receipt(&self, index: usize) -> Value {
        let Some(transaction) = self.transactions.get(index) else { return Value::Null };
        let gas = GAS_USED * (index as u64 + 1);
        let first: usize = self.transactions.iter().take(index).map(|tx| tx.logs.len()).sum();
        let told = self.logs.iter().skip(first).take(transaction.logs.len());
        let logs: Vec<Value> = told.filter_map(|log| serde_json::from_str(&log.json).ok()).collect();
        json!({
            "type": "0x2",
            "status": if transaction.success { "0x1" } else { "0x0" },
            "cumulativeGasUsed": format!("{gas:#x}"),
            "gasUsed": format!("{GAS_USED:#x}"),
            "effectiveGasPrice": format!("{BASE_FEE:#x}"),
            "logsBloom": envelope(transaction, gas).logs_bloom(),
            "logs": logs,
            "transactionHash": transaction.hash,
            "transactionIndex": format!("{index:#x}"),
            "blockHash": self.hash,
            "blockNumber": format!("{:#x}", self.height),
            "from": transaction.from,
            "to": transaction.to,
            "contractAddress": null,
        })
    }
}

/// Where logs stand.
struct Place {
    height: u64,
    hash: B256,
    time: u64,
}

impl Place {
    fn logs(&self, transactions: &[Transaction]) -> Vec<LogText> {
        let placed =
            transactions.iter().enumerate().flat_map(|(at, tx)| tx.logs.iter().map(move |log| (at, tx, log)));
        placed
            .enumerate()
            .map(|(index, (at, tx, log))| LogText {
                address: log.address,
                json: self.log(index, at, tx, log),
            })
            .collect()
    }

    /// By hand, because it is made for every event of the play.
    fn log(&self, index: usize, at: usize, tx: &Transaction, log: &Log) -> String {
        let topics: Vec<String> = log.topics().iter().map(|topic| format!("\"{topic}\"")).collect();
        format!(
            "{{\"address\":\"{:#x}\",\"topics\":[{}],\"data\":\"{}\",\"blockNumber\":\"{:#x}\",\"blockHash\":\"{}\",\
             \"blockTimestamp\":\"{:#x}\",\"transactionHash\":\"{}\",\"transactionIndex\":\"{at:#x}\",\
             \"logIndex\":\"{index:#x}\",\"removed\":false}}",
            log.address,
            topics.join(","),
            log.data.data,
            self.height,
            self.hash,
            self.time,
            tx.hash,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy::rpc::types::{Log as RpcLog, TransactionReceipt};

    #[test]
    fn what_a_block_tells_adds_up_to_its_header() {
        let contract = Address::repeat_byte(7);
        let data = |n: u8| LogData::new_unchecked(vec![B256::repeat_byte(n)], vec![n; 96].into());
        let transactions: Vec<Transaction> =
            (1..=9).map(|n| Transaction::of(contract, Address::repeat_byte(n), data(n))).collect();
        let state = Arc::new(State::default());
        let root = state.root();
        let block = Block::build((5, B256::repeat_byte(1), 1_700_000_000), transactions, (state, root));
        let header: Header = serde_json::from_str(&block.header).unwrap();
        assert_eq!((header.inner.hash_slow(), header.inner.number), (block.hash, 5));
        let receipts: Vec<TransactionReceipt> = serde_json::from_str(block.receipts()).unwrap();
        let receipts: Vec<ReceiptEnvelope> =
            receipts.into_iter().map(|receipt| receipt.inner.into_primitives_receipt()).collect();
        assert_eq!(calculate_receipt_root(&receipts), header.inner.receipts_root);
        let logs: Vec<RpcLog> = serde_json::from_str(&block.logs_of(&[contract])).unwrap();
        assert_eq!(logs.len(), 9);
        assert_eq!((logs[8].log_index, logs[8].block_hash), (Some(8), Some(block.hash)));
        assert_eq!(block.logs_of(&[Address::ZERO]), "[]");
    }
}
