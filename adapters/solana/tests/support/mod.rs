//! A real node, three operators in front of it, and a token whose mints stand for what a bridge makes.
#![allow(dead_code, reason = "each test program uses a part")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::arithmetic_side_effects,
    clippy::print_stderr,
    clippy::indexing_slicing,
    clippy::panic
)]

pub(crate) mod gate;

use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use portcullis_adapter::{Batch, Cursor, Observe, conformance::TrueEvent};
use portcullis_rpc::testing::FaultProxy;
use portcullis_solana::{
    Solana, SolanaConfig, address,
    decode::token_digest,
    devnet::{Call, Devnet, DevnetConfig, account, validator},
    signer::{LocalSigner, Signer},
};
use portcullis_verifier::{B256, BlockRef, Event, FaultKind, Observation, OperatorId, Slug};
use serde_json::{Value, json};
use tokio::{sync::mpsc, task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;
use url::Url;

pub(crate) const TOKEN: &str = "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA";
const SYSTEM: B256 = B256::ZERO;
/// Bytes of a mint and of a token account, and what rent they need at most.
const MINT_BYTES: u64 = 82;
const HOLDER_BYTES: u64 = 165;
const RENT: u64 = 10_000_000;

/// Ticks of a slot on a chain that nobody waits for: an eighth of the usual time. The node has no more to do for it than with
/// twice as many, and is waited for half as long wherever a number of slots has to pass.
pub(crate) const SHORT_SLOT: Option<u16> = Some(8);

/// Whether tests on a real node can run; fails where they must.
pub(crate) fn node_available() -> bool {
    if validator().is_some() {
        return true;
    }
    assert!(
        std::env::var("PORTCULLIS_REQUIRE_ALL").as_deref() != Ok("1"),
        "solana-test-validator is required here and was not found"
    );
    eprintln!(
        "SKIPPED: no solana-test-validator; run `cargo xtask setup` or set PORTCULLIS_SOLANA_VALIDATOR"
    );
    false
}

pub(crate) fn names() -> Vec<OperatorId> {
    ["ada", "ben", "cleo"].iter().map(|name| Slug::new(name).unwrap()).collect()
}

/// The operators, each by what stands for it, as a configuration has them.
pub(crate) fn endpoints<S>(stand_ins: &[S], urls: impl Fn(&S) -> [Url; 2]) -> Vec<Value> {
    let endpoint = |(name, stand_in): (&OperatorId, &S)| {
        let [http, ws] = urls(stand_in);
        json!({ "operator": name, "http": http, "ws": ws })
    };
    names().iter().zip(stand_ins).map(endpoint).collect()
}

/// The operators behind fault proxies.
pub(crate) fn proxied(proxies: &[FaultProxy]) -> Vec<Value> {
    endpoints(proxies, |proxy| [proxy.http_url(), proxy.ws_url()])
}

pub(crate) struct World {
    pub(crate) node: Devnet,
    pub(crate) proxies: Vec<FaultProxy>,
    pub(crate) payer: LocalSigner,
    pub(crate) mint: B256,
    pub(crate) holder: B256,
    amount: AtomicU64,
    /// The height that was asked for last.
    asked: AtomicU64,
    blocks: Mutex<BTreeMap<u64, (B256, Vec<TrueEvent>)>>,
}

fn create(payer: B256, new: B256, bytes: u64) -> Call {
    let mut data = 0_u32.to_le_bytes().to_vec();
    data.extend(RENT.to_le_bytes());
    data.extend(bytes.to_le_bytes());
    data.extend(token().as_slice());
    Call { program: SYSTEM, accounts: vec![(payer, true, true), (new, true, true)], data }
}

pub(crate) fn token() -> B256 {
    address::read(TOKEN).unwrap()
}

impl World {
    pub(crate) async fn start() -> Self {
        Self::with(DevnetConfig { ticks_per_slot: SHORT_SLOT, ..DevnetConfig::default() }).await
    }

    pub(crate) async fn with(config: DevnetConfig) -> Self {
        let node = Devnet::start(&config).await.unwrap();
        let payer = account(0).unwrap();
        let (mint, holder) = (account(1).unwrap(), account(2).unwrap());
        let from = payer.account();
        // InitializeMint2 and InitializeAccount3: no freeze authority, the payer may mint.
        let mut made = vec![20, 6];
        made.extend(from.as_slice());
        made.push(0);
        let mut held = vec![18];
        held.extend(from.as_slice());
        let calls = [
            create(from, mint.account(), MINT_BYTES),
            Call { program: token(), accounts: vec![(mint.account(), false, true)], data: made },
            create(from, holder.account(), HOLDER_BYTES),
            Call {
                program: token(),
                accounts: vec![(holder.account(), false, true), (mint.account(), false, false)],
                data: held,
            },
        ];
        node.send(&[&payer, &mint, &holder], &calls).await.unwrap();
        let mut proxies = Vec::new();
        for _ in names() {
            proxies.push(FaultProxy::start(node.http().clone(), node.ws().clone()).await.unwrap());
        }
        let (mint, holder) = (mint.account(), holder.account());
        let (amount, asked, blocks) = (AtomicU64::new(1), AtomicU64::new(0), Mutex::default());
        Self { node, proxies, payer, mint, holder, amount, asked, blocks }
    }

    /// One transaction with so many mints, each of another amount; its slot once it is confirmed.
    pub(crate) async fn mints(&self, count: u32) -> u64 {
        let calls: Vec<Call> = (0..count)
            .map(|_| {
                let mut data = vec![7];
                data.extend(self.amount.fetch_add(1, Ordering::SeqCst).to_le_bytes());
                let from = self.payer.account();
                let accounts =
                    vec![(self.mint, false, true), (self.holder, false, true), (from, true, false)];
                Call { program: token(), accounts, data }
            })
            .collect();
        self.node.send(&[&self.payer], &calls).await.unwrap().1
    }

    /// So many blocks more. The chain goes on by itself: what it made while the last events were waited for counts as empty ones.
    pub(crate) async fn produce(&self, blocks: u64, events_each: u32) {
        if events_each == 0 {
            self.node.reach(self.asked.fetch_add(blocks, Ordering::SeqCst) + blocks).await.unwrap();
            return;
        }
        let height = self.node.head().await.unwrap().height;
        self.asked.store(height + blocks, Ordering::SeqCst);
        for _ in 0..blocks {
            self.mints(events_each).await;
        }
    }

    pub(crate) fn config(&self) -> SolanaConfig {
        serde_json::from_value(json!({
            "chain": self.node.chain(),
            "endpoints": proxied(&self.proxies),
            "quorum": 2,
            "start_height": 1,
            "silence_ms": 1_500,
            "stall_ms": 60_000,
            "poll_ms": 500,
            "lag_blocks": 100,
            "contracts": [{
                "bridge": "demo",
                "address": format!("mint:{}", address::shown(self.mint)),
                "domain": "7",
                "mappings": [{
                    "kind": "mint",
                    "signature": "mint",
                    "fields": {
                        "remote": { "constant": "8" },
                        "message_id": "@tx",
                        "asset": "mint",
                        "amount": "amount",
                        "recipient": "destination_owner",
                    },
                }],
            }],
        }))
        .unwrap()
    }

    /// What the chain holds: the newest confirmed block, and every mint of the token, asked of the node itself and read here
    /// once more, by other code.
    pub(crate) async fn truth(&self) -> (BlockRef, Vec<TrueEvent>) {
        let head = self.node.head().await.unwrap();
        let known = self.blocks.lock().unwrap().keys().next_back().map_or(1, |last| last + 1);
        if known <= head.height {
            let commitment = json!({ "commitment": "confirmed" });
            let list = self.node.ask("getBlocks", json!([known, head.height, commitment])).await.unwrap();
            for slot in list.as_array().unwrap() {
                let slot = slot.as_u64().unwrap();
                let block = self.block(slot).await;
                self.blocks.lock().unwrap().insert(slot, block);
            }
        }
        let blocks = self.blocks.lock().unwrap();
        (head, blocks.values().flat_map(|(_, events)| events.iter().copied()).collect())
    }

    async fn block(&self, slot: u64) -> (B256, Vec<TrueEvent>) {
        let params = json!([slot, { "commitment": "confirmed", "encoding": "json", "rewards": false,
            "transactionDetails": "full", "maxSupportedTransactionVersion": 0 }]);
        let began = Instant::now();
        let block = loop {
            // A block is confirmed a moment before it is stored.
            match self.node.ask("getBlock", params.clone()).await {
                Ok(block) if !block.is_null() => break block,
                other => assert!(began.elapsed() < Duration::from_secs(10), "slot {slot}: {other:?}"),
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        };
        let hash = address::read(block["blockhash"].as_str().unwrap()).unwrap();
        let (mut events, mut index) = (Vec::new(), 0);
        for one in block["transactions"].as_array().unwrap() {
            let message = &one["transaction"]["message"];
            let key = |at: &Value| {
                address::read(
                    message["accountKeys"][usize::try_from(at.as_u64().unwrap()).unwrap()].as_str().unwrap(),
                )
                .unwrap()
            };
            for call in message["instructions"].as_array().unwrap() {
                let accounts: Vec<B256> = call["accounts"].as_array().unwrap().iter().map(key).collect();
                let data = bs58::decode(call["data"].as_str().unwrap()).into_vec().unwrap();
                let minted = key(&call["programIdIndex"]) == token() && data.first() == Some(&7);
                if minted && one["meta"]["err"].is_null() && accounts.first() == Some(&self.mint) {
                    let held = [(self.holder, self.mint, Some(self.payer.account()))];
                    let raw = token_digest(token(), &data, &accounts, &held);
                    events.push(TrueEvent { height: slot, index, block_hash: hash, raw });
                }
                index += 1;
            }
            let inner = one["meta"]["innerInstructions"].as_array().cloned().unwrap_or_default();
            let inner: usize =
                inner.iter().map(|group| group["instructions"].as_array().unwrap().len()).sum();
            index += u32::try_from(inner).unwrap();
        }
        (hash, events)
    }
}

/// What an observer has delivered so far.
pub(crate) struct Watched {
    pub(crate) batches: mpsc::Receiver<Batch>,
    pub(crate) events: Vec<Observation>,
    pub(crate) faults: Vec<(Option<OperatorId>, FaultKind, String)>,
    pub(crate) cursor: Option<Cursor>,
    pub(crate) progress: Option<portcullis_verifier::Progress>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Watched {
    pub(crate) fn start(config: SolanaConfig, cursor: Option<Cursor>) -> Self {
        let (feed, batches) = mpsc::channel(16);
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let task = tokio::spawn(async move {
            let observer = Solana::new(config).unwrap().observer();
            observer.observe(cursor, feed, stopped).await.unwrap();
        });
        let (events, faults) = (Vec::new(), Vec::new());
        Self { batches, events, faults, cursor: None, progress: None, stop, task }
    }

    /// Takes batches until a condition holds.
    pub(crate) async fn until(&mut self, what: &str, holds: impl Fn(&Self) -> bool) {
        let began = Instant::now();
        while !holds(self) {
            let left = Duration::from_secs(40).saturating_sub(began.elapsed());
            let batch = timeout(left, self.batches.recv()).await;
            let batch = batch.unwrap_or_else(|_| panic!("{what}: not in time; {:?}", self.faults)).unwrap();
            for one in &batch.observations {
                match one.event() {
                    Event::Fault(fault) => {
                        self.faults.push((fault.operator, fault.kind, fault.detail.clone()));
                    }
                    _ => self.events.push(one.clone()),
                }
            }
            self.progress = batch.progress.or(self.progress);
            self.cursor = batch.cursor.or(self.cursor.take());
        }
    }

    pub(crate) async fn end(self) {
        self.stop.cancel();
        drop(self.batches);
        self.task.await.unwrap();
    }
}
