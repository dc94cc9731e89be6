//! What no single validator does by itself: forks, skipped slots, operators that fall far behind. Operators are scripted.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::arithmetic_side_effects, clippy::indexing_slicing)]

mod support;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use portcullis_rpc::testing::Stub;
use portcullis_solana::{SolanaConfig, address};
use portcullis_verifier::{B256, Event, FaultKind, Observation, Status};
use serde_json::{Value, json};
use support::{TOKEN, Watched, endpoints, names};

const GENESIS: &str = "5eykt4UsFv8P8NJdTREpY1vzqKqZKvdpKuc147dw2N9d";

fn mint() -> B256 {
    B256::repeat_byte(0x22)
}

/// The hash of a slot's block on a branch.
fn hash(slot: u64, branch: u8) -> B256 {
    let mut bytes = [branch; 32];
    bytes[..8].copy_from_slice(&slot.to_be_bytes());
    bytes[31] = 1;
    B256::new(bytes)
}

/// A block with one mint of `amount`, none where it is zero.
fn block(slot: u64, parent: u64, branch: u8, parent_branch: u8, amount: u64) -> Value {
    let shown = |byte: u8| address::shown(B256::repeat_byte(byte));
    let data = [&[7][..], &amount.to_le_bytes()].concat();
    let one = json!({
        "transaction": {
            "signatures": [bs58::encode([u8::try_from(amount % 250).unwrap() + 1; 64]).into_string()],
            "message": {
                "accountKeys": [shown(1), shown(2), address::shown(mint()), TOKEN],
                "instructions": [{ "programIdIndex": 3, "accounts": [2, 1, 0],
                    "data": bs58::encode(data).into_string() }],
            },
        },
        "meta": { "err": null, "innerInstructions": [], "logMessages": [], "preTokenBalances": [],
            "postTokenBalances": [{ "accountIndex": 1, "mint": address::shown(mint()), "owner": shown(1) }] },
    });
    json!({
        "blockhash": address::shown(hash(slot, branch)),
        "previousBlockhash": address::shown(hash(parent, parent_branch)),
        "parentSlot": parent, "blockTime": 1_700_000_000 + slot, "blockHeight": slot,
        "transactions": if amount == 0 { json!([]) } else { json!([one]) },
    })
}

/// What one operator has confirmed, and its root.
#[derive(Default)]
struct Script {
    blocks: BTreeMap<u64, Value>,
    root: u64,
}

impl Script {
    fn answer(&self, method: &str, params: &Value) -> Value {
        let newest = self.blocks.keys().next_back().copied().unwrap_or(0);
        let number = |at: usize| params[at].as_u64().unwrap_or(0);
        match method {
            "getGenesisHash" => json!(GENESIS),
            "getSlot" if params[0]["commitment"] == "finalized" => json!(self.root),
            "getSlot" => json!(newest),
            "getBlocks" => {
                let slots: Vec<u64> =
                    self.blocks.range(number(0)..=number(1)).map(|(slot, _)| *slot).collect();
                json!(slots)
            }
            "getBlock" => self.blocks.get(&number(0)).cloned().unwrap_or(Value::Null),
            // Subscriptions are taken, and nothing is ever pushed: what servers drop in silence is found all the same.
            "slotSubscribe" => json!(1),
            "rootSubscribe" => json!(2),
            "slotsUpdatesSubscribe" => json!(3),
            _ => Value::Null,
        }
    }
}

struct Operators {
    scripts: Vec<Arc<Mutex<Script>>>,
    stubs: Vec<Stub>,
}

impl Operators {
    async fn start() -> Self {
        let mut operators = Self { scripts: Vec::new(), stubs: Vec::new() };
        for _ in names() {
            let script = Arc::new(Mutex::new(Script::default()));
            let told = Arc::clone(&script);
            let stub =
                Stub::start(Arc::new(move |method, params| told.lock().unwrap().answer(method, params)));
            operators.stubs.push(stub.await.unwrap());
            operators.scripts.push(script);
        }
        operators
    }

    /// These operators confirm a block; what they had from its parent on is gone.
    fn confirm(&self, who: &[usize], slot: u64, block: &Value) {
        let parent = block["parentSlot"].as_u64().unwrap();
        for at in who {
            let mut script = self.scripts[*at].lock().unwrap();
            script.blocks.retain(|slot, _| *slot <= parent);
            script.blocks.insert(slot, block.clone());
        }
    }

    fn root(&self, slot: u64) {
        self.scripts.iter().for_each(|script| script.lock().unwrap().root = slot);
    }

    fn config(&self) -> SolanaConfig {
        serde_json::from_value(json!({
            "chain": format!("solana:{}", &GENESIS[..32]),
            "endpoints": endpoints(&self.stubs, |stub| [stub.http_url(), stub.ws_url()]),
            "quorum": 2,
            "start_height": 11,
            "reorg_bound_blocks": 8,
            "silence_ms": 60_000,
            "poll_ms": 50,
            "lag_blocks": 150,
            "contracts": [{
                "bridge": "demo",
                "address": format!("mint:{}", address::shown(mint())),
                "domain": "7",
                "mappings": [{
                    "kind": "mint",
                    "signature": "mint",
                    "fields": { "remote": { "constant": "8" }, "message_id": "@tx", "asset": "mint",
                        "amount": "amount", "recipient": "destination_owner" },
                }],
            }],
        }))
        .unwrap()
    }
}

const ALL: [usize; 3] = [0, 1, 2];

/// Amounts with how they were told, in order.
fn told(events: &[Observation]) -> Vec<(u64, Status)> {
    let amounts = events.iter().filter_map(|one| match one.event() {
        Event::Transfer(transfer) => Some((transfer.amount.to::<u64>(), one.status())),
        _ => None,
    });
    amounts.collect()
}

fn at(watched: &Watched, slot: u64, branch: u8) -> bool {
    watched
        .progress
        .is_some_and(|progress| progress.height == slot && progress.block_hash == hash(slot, branch))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_fork_took_back_is_retracted_before_what_replaces_it() {
    let operators = Operators::start().await;
    operators.confirm(&ALL, 10, &block(10, 9, 0, 0, 0));
    let mut watched = Watched::start(operators.config(), None);
    // Slots 12 and 13 have no block.
    operators.confirm(&ALL, 11, &block(11, 10, 0, 0, 1));
    operators.confirm(&ALL, 14, &block(14, 11, 0, 0, 2));
    operators.confirm(&ALL, 15, &block(15, 14, 0, 0, 3));
    watched.until("slot 15", |watched| at(watched, 15, 0)).await;
    assert_eq!(told(&watched.events), [(1, Status::Included), (2, Status::Included), (3, Status::Included)]);
    // One operator alone undoes nothing; with a second one the branch is the quorum's.
    let (sixteen, seventeen) = (block(16, 11, 7, 0, 4), block(17, 16, 7, 7, 5));
    operators.confirm(&[1], 16, &sixteen);
    operators.confirm(&[2], 16, &sixteen);
    operators.confirm(&[1, 2], 17, &seventeen);
    watched.until("slot 17 of the other branch", |watched| at(watched, 17, 7)).await;
    assert_eq!(
        told(&watched.events)[3..],
        [(3, Status::Retracted), (2, Status::Retracted), (4, Status::Included), (5, Status::Included),]
    );
    watched.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_finds_the_fork_that_happened_while_nobody_watched() {
    let operators = Operators::start().await;
    operators.confirm(&ALL, 10, &block(10, 9, 0, 0, 0));
    operators.confirm(&ALL, 11, &block(11, 10, 0, 0, 1));
    operators.confirm(&ALL, 12, &block(12, 11, 0, 0, 2));
    let mut watched = Watched::start(operators.config(), None);
    watched.until("slot 12", |watched| at(watched, 12, 0)).await;
    let cursor = watched.cursor.clone();
    watched.end().await;
    operators.confirm(&ALL, 13, &block(13, 11, 7, 0, 9));
    let mut watched = Watched::start(operators.config(), cursor);
    watched.until("slot 13 of the other branch", |watched| at(watched, 13, 7)).await;
    assert_eq!(told(&watched.events), [(2, Status::Retracted), (9, Status::Included)]);
    watched.end().await;
}

/// A node that is 200 slots behind is named, and its old head makes nobody wait.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_two_hundred_slots_behind_is_named_and_not_waited_for() {
    let operators = Operators::start().await;
    for slot in 10..=30 {
        operators.confirm(&ALL, slot, &block(slot, slot - 1, 0, 0, 0));
    }
    for slot in 31..=240 {
        operators.confirm(&[0, 1], slot, &block(slot, slot - 1, 0, 0, u64::from(slot == 235)));
    }
    let mut watched = Watched::start(operators.config(), None);
    watched.until("slot 240", |watched| at(watched, 240, 0)).await;
    let late = Some(names()[2]);
    watched
        .until("the late one is named", |watched| {
            watched.faults.iter().any(|(who, kind, _)| *who == late && *kind == FaultKind::Lagging)
        })
        .await;
    assert_eq!(told(&watched.events), [(1, Status::Included)]);
    assert!(watched.faults.iter().all(|(who, _, _)| *who == late), "nobody else: {:?}", watched.faults);
    watched.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn confirmed_blocks_become_final_by_the_roots_of_a_quorum() {
    let operators = Operators::start().await;
    for slot in 10..=20 {
        operators.confirm(&ALL, slot, &block(slot, slot - 1, 0, 0, 0));
    }
    operators.scripts[0].lock().unwrap().root = 1_000;
    let mut watched = Watched::start(operators.config(), None);
    watched.until("slot 20", |watched| at(watched, 20, 0)).await;
    let progress = watched.progress.unwrap();
    assert_eq!((progress.safe_height, progress.final_height), (20, 0), "one operator's root is nobody's");
    operators.root(15);
    operators.confirm(&ALL, 21, &block(21, 20, 0, 0, 0));
    watched.until("slot 21", |watched| at(watched, 21, 0)).await;
    operators.confirm(&ALL, 22, &block(22, 21, 0, 0, 0));
    watched.until("slot 22", |watched| at(watched, 22, 0)).await;
    assert_eq!(watched.progress.unwrap().final_height, 15);
    watched.end().await;
}
