//! For tests: validators with stake, the votes that they cast, and nodes that tell blocks.
#![allow(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, Mutex},
};

use base64::{Engine, prelude::BASE64_STANDARD};
use ed25519_dalek::{Signer, SigningKey};
use portcullis_rpc::testing::Stub;
use portcullis_verifier::{
    B256, ChainId, keccak256,
    solana::{StakeTable, VOTE_PROGRAM, Voter},
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::{SolanaConfig, address, stakes::StakeSource};

/// The slot that votes are for.
pub(crate) const SLOT: u64 = 1_000;
/// The cluster's genesis hash.
const GENESIS: &str = "5eykt4UsFv8P8NJdTREpY1vzqKqZKvdpKuc147dw2N9d";

pub(crate) fn chain() -> ChainId {
    ChainId::new("solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp").unwrap()
}

/// Somebody with a vote account.
pub(crate) struct Validator {
    pub(crate) account: B256,
    pub(crate) key: SigningKey,
    pub(crate) stake: u64,
}

/// Four, of whom any three have more than two thirds but for those without the first.
pub(crate) fn validators() -> Vec<Validator> {
    let made = |(stake, seed): (u64, u8)| {
        let key = SigningKey::from_bytes(&[seed; 32]);
        Validator { account: keccak256([seed]), key, stake }
    };
    [40, 25, 20, 15].into_iter().zip(1..).map(made).collect()
}

pub(crate) fn table() -> StakeTable {
    let voter = |one: &Validator| {
        let authority = Some(B256::from(one.key.verifying_key().to_bytes()));
        Voter { account: one.account, authority, stake: one.stake }
    };
    let mut voters: Vec<Voter> = validators().iter().map(voter).collect();
    voters.sort_by_key(|voter| voter.account);
    let total = voters.iter().map(|voter| voter.stake).sum();
    StakeTable {
        chain: chain(),
        epoch: 7,
        first_slot: SLOT - 100,
        last_slot: SLOT + 99,
        total,
        other_regime_from: None,
        voters,
    }
}

/// A vote by `key` for the block of a slot.
pub(crate) fn vote_by(key: &SigningKey, account: B256, slot: u64, block_id: B256) -> Vec<u8> {
    let mut data = 14u32.to_le_bytes().to_vec();
    data.extend((slot - 31).to_le_bytes());
    data.push(31);
    (1..=31u8).rev().for_each(|confirmations| data.extend([1, confirmations]));
    data.extend(keccak256(block_id));
    data.push(0);
    data.extend(block_id);
    let key_bytes = key.verifying_key().to_bytes();
    let length = u8::try_from(data.len() & 0x7f).unwrap() | 0x80;
    let length = [length, u8::try_from(data.len() >> 7).unwrap()];
    let head = [&[1, 0, 1, 3][..], &key_bytes, account.as_slice(), &VOTE_PROGRAM, &[9; 32], &[1, 2, 2, 1, 0]];
    let message = [head.concat(), length.to_vec(), data].concat();
    [&[1][..], &key.sign(&message).to_bytes(), &message].concat()
}

pub(crate) fn vote(one: &Validator, slot: u64) -> Vec<u8> {
    vote_by(&one.key, one.account, slot, B256::repeat_byte(8))
}

/// The table as a file in a folder, and what pins it.
pub(crate) fn pinned_in(folder: &Path) -> StakeSource {
    let (file, bytes) = (folder.join("stakes.bin"), table().to_bytes());
    std::fs::write(&file, &bytes).unwrap();
    let sha256 = B256::from(<[u8; 32]>::from(Sha256::digest(&bytes)));
    StakeSource { file, sha256, epoch: 7, wait_ms: 1_500 }
}

/// A node that tells blocks: the transactions of each, and nothing in them that concerns anybody.
pub(crate) struct Node {
    pub(crate) blocks: Arc<Mutex<BTreeMap<u64, Vec<Vec<u8>>>>>,
    /// Methods that were asked, with their parameters.
    pub(crate) asked: Arc<Mutex<Vec<(String, Value)>>>,
    pub(crate) stub: Stub,
}

impl Node {
    pub(crate) async fn start(blocks: impl IntoIterator<Item = (u64, Vec<Vec<u8>>)>) -> Self {
        Self::with(blocks, |_, _| None).await
    }

    /// A node that answers some questions its own way.
    pub(crate) async fn with(
        blocks: impl IntoIterator<Item = (u64, Vec<Vec<u8>>)>,
        own: impl Fn(&str, &Value) -> Option<Value> + Send + Sync + 'static,
    ) -> Self {
        let blocks: Arc<Mutex<BTreeMap<_, _>>> = Arc::new(Mutex::new(blocks.into_iter().collect()));
        let asked: Arc<Mutex<Vec<(String, Value)>>> = Arc::default();
        let (told, heard) = (Arc::clone(&blocks), Arc::clone(&asked));
        let answer = move |method: &str, params: &Value| {
            heard.lock().unwrap().push((method.to_owned(), params.clone()));
            let told = told.lock().unwrap();
            own(method, params).unwrap_or_else(|| match method {
                "getGenesisHash" => json!(GENESIS),
                "getSlot" => json!(told.keys().next_back()),
                "getBlocks" => {
                    let (from, to) = (params[0].as_u64().unwrap(), params[1].as_u64().unwrap());
                    json!(told.range(from..=to).map(|(slot, _)| *slot).collect::<Vec<_>>())
                }
                "getBlock" => {
                    let slot = params[0].as_u64().unwrap();
                    told.get(&slot).map_or(Value::Null, |transactions| block(slot, params, transactions))
                }
                _ => Value::Null,
            })
        };
        Self { blocks, asked, stub: Stub::start(Arc::new(answer)).await.unwrap() }
    }

    pub(crate) fn asked_for(&self, method: &str) -> Vec<Value> {
        let asked = self.asked.lock().unwrap();
        asked.iter().filter(|(name, _)| name == method).map(|(_, params)| params.clone()).collect()
    }
}

pub(crate) fn blockhash(slot: u64) -> B256 {
    keccak256(slot.to_be_bytes())
}

/// A block without transactions, as it is told and pushed.
pub(crate) fn block_of(slot: u64) -> Value {
    block(slot, &json!([slot, { "encoding": "json" }]), &[])
}

fn block(slot: u64, params: &Value, transactions: &[Vec<u8>]) -> Value {
    // Where records are asked for there are none.
    let encoded = |bytes: &Vec<u8>| json!({ "transaction": [BASE64_STANDARD.encode(bytes), "base64"], "meta": { "err": null } });
    let transactions: Vec<Value> = match params[1]["encoding"].as_str() {
        Some("base64") => transactions.iter().map(encoded).collect(),
        _ => Vec::new(),
    };
    json!({
        "blockhash": address::shown(blockhash(slot)), "previousBlockhash": address::shown(blockhash(slot - 1)),
        "parentSlot": slot - 1, "blockTime": 1_700_000_000, "transactions": transactions,
    })
}

/// A chain of which these nodes tell, `quorum` alike.
pub(crate) fn config(nodes: &[&Node], quorum: u16, stakes: Option<StakeSource>) -> SolanaConfig {
    let endpoints: Vec<Value> = nodes
        .iter()
        .zip(["ada", "ben", "cleo"])
        .map(|(node, name)| json!({ "operator": name, "http": node.stub.http_url() }))
        .collect();
    let config = json!({ "chain": chain(), "endpoints": endpoints, "quorum": quorum });
    let config: SolanaConfig = serde_json::from_value(config).unwrap();
    SolanaConfig { stakes, ..config }
}
