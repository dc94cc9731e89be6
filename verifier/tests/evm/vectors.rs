//! Where the public vectors lie, and how they are read.
//!
//! `../shared/vectors` beside the checkout, or wherever `PORTCULLIS_VECTORS` points. They are not part of the
//! repository; without them the tests that need them say so on standard error and pass, unless
//! `PORTCULLIS_REQUIRE_ALL=1` asks for everything.

use std::{
    env, fs,
    io::Write,
    path::{Path, PathBuf},
};

use alloy_consensus::ReceiptEnvelope;
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{Address, B256, Bytes, U256};
use serde_json::Value;

/// The vector at `path`, or none (said loudly) where it is missing and not required.
pub(crate) fn find(path: &str) -> Option<PathBuf> {
    let root = env::var_os("PORTCULLIS_VECTORS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/vectors"), PathBuf::from);
    let full = root.join(path);
    if full.exists() {
        return Some(full);
    }
    let message = format!(
        "the vectors '{path}' are missing under {}. They are published in {}; put them there, or set \
         PORTCULLIS_VECTORS to the folder that holds 'ethereum/'.",
        root.display(),
        source_of(path)
    );
    assert!(env::var("PORTCULLIS_REQUIRE_ALL").as_deref() != Ok("1"), "{message}");
    // Written past the test harness's capture and in one piece, so that a skipped check is seen when all is green.
    let _unread = std::io::stderr().write_all(format!("\nSKIPPED: {message}\n").as_bytes());
    None
}

fn source_of(path: &str) -> &'static str {
    if path.starts_with("ethereum/mainnet-21925176") {
        "github.com/a16z/helios, tests/testdata/rpc"
    } else if path.starts_with("ethereum/helios-mainnet-capella") {
        "github.com/a16z/helios, ethereum/testdata"
    } else {
        "github.com/ethereum/execution-apis, tests"
    }
}

/// A JSON file.
pub(crate) fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// A hex string of a JSON object.
pub(crate) fn bytes(value: &Value) -> Vec<u8> {
    value.as_str().unwrap().parse::<Bytes>().unwrap().to_vec()
}

/// A list of hex strings.
pub(crate) fn list(value: &Value) -> Vec<Vec<u8>> {
    value.as_array().unwrap().iter().map(bytes).collect()
}

/// An EIP-1186 answer.
pub(crate) struct Proof {
    pub(crate) address: Address,
    pub(crate) nonce: u64,
    pub(crate) balance: U256,
    pub(crate) code_hash: B256,
    pub(crate) storage_hash: B256,
    pub(crate) account_nodes: Vec<Vec<u8>>,
    /// Key, word and path of each slot.
    pub(crate) slots: Vec<(B256, U256, Vec<Vec<u8>>)>,
}

fn word(text: &Value) -> U256 {
    text.as_str().unwrap().parse().unwrap()
}

impl Proof {
    pub(crate) fn read(value: &Value) -> Self {
        let slot =
            |slot: &Value| (B256::from(word(&slot["key"])), word(&slot["value"]), list(&slot["proof"]));
        Self {
            address: value["address"].as_str().unwrap().parse().unwrap(),
            nonce: word(&value["nonce"]).to(),
            balance: word(&value["balance"]),
            code_hash: value["codeHash"].as_str().unwrap().parse().unwrap(),
            storage_hash: value["storageHash"].as_str().unwrap().parse().unwrap(),
            account_nodes: list(&value["accountProof"]),
            slots: value["storageProof"].as_array().unwrap().iter().map(slot).collect(),
        }
    }
}

/// A mainnet block of February 2025 (Cancun): header, 202 receipts with 463 logs, state proofs.
pub(crate) struct Mainnet {
    /// Hash as the node reported it.
    pub(crate) hash: B256,
    pub(crate) header: alloy_consensus::Header,
    pub(crate) header_rlp: Vec<u8>,
    /// EIP-2718 bytes.
    pub(crate) receipts: Vec<Vec<u8>>,
    /// Every log: index in the block as the node counts it, address, topics, data.
    pub(crate) logs: Vec<(u32, Address, Vec<B256>, Vec<u8>)>,
    /// The deposit contract, with slot 1.
    pub(crate) deposit: Proof,
    /// The builder's account, which has no code.
    pub(crate) builder: Proof,
}

impl Mainnet {
    pub(crate) fn load() -> Option<Self> {
        let folder = find("ethereum/mainnet-21925176")?;
        let block = json(&folder.join("block.json"));
        let header: alloy_consensus::Header = serde_json::from_value(block.clone()).unwrap();
        let receipts = json(&folder.join("receipts.json"));
        Some(Self {
            hash: block["hash"].as_str().unwrap().parse().unwrap(),
            header_rlp: alloy_rlp::encode(&header),
            header,
            receipts: receipts.as_array().unwrap().iter().map(encode_receipt).collect(),
            logs: receipts.as_array().unwrap().iter().flat_map(logs).collect(),
            deposit: Proof::read(&json(&folder.join("proof.json"))),
            builder: Proof::read(&json(&folder.join("block_miner_proof.json"))),
        })
    }
}

/// EIP-2718 bytes of a receipt in a node's JSON.
pub(crate) fn encode_receipt(receipt: &Value) -> Vec<u8> {
    serde_json::from_value::<ReceiptEnvelope>(receipt.clone()).unwrap().encoded_2718()
}

fn logs(receipt: &Value) -> Vec<(u32, Address, Vec<B256>, Vec<u8>)> {
    let log = |log: &Value| {
        let topics = log["topics"].as_array().unwrap().iter().map(|t| t.as_str().unwrap().parse().unwrap());
        (
            word(&log["logIndex"]).to(),
            log["address"].as_str().unwrap().parse().unwrap(),
            topics.collect(),
            bytes(&log["data"]),
        )
    };
    receipt["logs"].as_array().unwrap().iter().map(log).collect()
}
