//! A real node, three operators in front of it, and transfers to an escrow that stand for a bridge's locks.
#![allow(dead_code, reason = "each test program uses a part")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::arithmetic_side_effects,
    clippy::print_stderr,
    clippy::indexing_slicing,
    clippy::panic
)]

use std::{
    collections::BTreeMap,
    sync::Mutex,
    time::{Duration, Instant},
};

use portcullis_adapter::{Batch, Cursor, Observe, conformance::TrueEvent};
use portcullis_cosmos::{
    Cosmos, CosmosConfig,
    decode::event_digest,
    devnet::{Account, Devnet, DevnetConfig, account, wasmd},
};
use portcullis_rpc::testing::FaultProxy;
use portcullis_verifier::{B256, BlockRef, Event, FaultKind, Observation, OperatorId, Slug};
use serde_json::{Value, json};
use tokio::{sync::mpsc, task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;

pub(crate) const CHAIN: &str = "portcullis-test-1";
pub(crate) const USD: &str = "usd";

/// Whether tests on a real node can run; fails where they must.
pub(crate) fn node_available() -> bool {
    if wasmd().is_some() {
        return true;
    }
    assert!(
        std::env::var("PORTCULLIS_REQUIRE_ALL").as_deref() != Ok("1"),
        "wasmd is required here and was not found"
    );
    eprintln!("SKIPPED: wasmd was not found; run `cargo xtask setup` or set PORTCULLIS_WASMD");
    false
}

pub(crate) fn names() -> Vec<OperatorId> {
    ["ada", "ben", "cleo"].iter().map(|name| Slug::new(name).unwrap()).collect()
}

pub(crate) struct World {
    pub(crate) node: Devnet,
    pub(crate) proxies: Vec<FaultProxy>,
    pub(crate) sender: Account,
    pub(crate) escrow: String,
    pub(crate) root: BlockRef,
    sequence: tokio::sync::Mutex<Option<(u64, u64)>>,
    blocks: Mutex<BTreeMap<u64, (B256, Vec<TrueEvent>)>>,
}

impl World {
    pub(crate) async fn start() -> Self {
        Self::with(|config| config).await
    }

    pub(crate) async fn with(change: fn(DevnetConfig) -> DevnetConfig) -> Self {
        let sender = account(1).unwrap();
        let escrow = account(2).unwrap().address;
        let funded = (sender.address.clone(), format!("1000000000stake,1000000000{USD}"));
        let config =
            DevnetConfig { accounts: vec![funded], timeout_commit_ms: 100, ..DevnetConfig::new(CHAIN) };
        let node = Devnet::start(&change(config)).await.unwrap();
        node.reach(3).await.unwrap();
        let commit = node.ask("commit", json!({ "height": "2" })).await.unwrap();
        let hash = commit["signed_header"]["commit"]["block_id"]["hash"].as_str().unwrap().parse().unwrap();
        let mut proxies = Vec::new();
        for _ in names() {
            proxies.push(FaultProxy::start(node.http().clone(), node.ws().clone()).await.unwrap());
        }
        Self {
            node,
            proxies,
            sender,
            escrow,
            root: BlockRef { height: 2, hash },
            sequence: tokio::sync::Mutex::default(),
            blocks: Mutex::default(),
        }
    }

    /// Sends one transaction with so many transfers to the escrow, and waits for its block.
    pub(crate) async fn transfer(&self, count: u32) -> (B256, u64) {
        let messages = (0..count)
            .map(|one| Devnet::coins(&self.sender, &self.escrow, u128::from(one) + 1, USD).unwrap())
            .collect();
        let mut sequence = self.sequence.lock().await;
        let (number, next) = match *sequence {
            Some(known) => known,
            None => self.node.sequence(&self.sender.address).await.unwrap(),
        };
        let hash = self.node.send_at(&self.sender, messages, number, next).await.unwrap();
        *sequence = Some((number, next + 1));
        drop(sequence);
        (hash, self.node.landed(hash).await.unwrap().height)
    }

    pub(crate) async fn produce(&self, blocks: u64, events_each: u32) {
        if events_each == 0 {
            let height = self.node.head().await.unwrap().height;
            self.node.reach(height + blocks).await.unwrap();
            return;
        }
        for _ in 0..blocks {
            self.transfer(events_each).await;
        }
    }

    pub(crate) fn config(&self) -> CosmosConfig {
        let endpoints: Vec<Value> = names()
            .iter()
            .zip(&self.proxies)
            .map(|(name, proxy)| json!({ "operator": name, "http": proxy.http_url(), "ws": proxy.ws_url() }))
            .collect();
        serde_json::from_value(json!({
            "chain": format!("cosmos:{CHAIN}"),
            "prefix": "wasm",
            "endpoints": endpoints,
            "quorum": 2,
            "trust": { "height": self.root.height, "hash": self.root.hash },
            "silence_ms": 1_500,
            "stall_ms": 60_000,
            "poll_ms": 500,
            "lag_blocks": 20,
            "contracts": [{
                "bridge": "demo",
                "address": "module:bank",
                "domain": "7",
                "mappings": [{
                    "kind": "lock",
                    "signature": format!("transfer(recipient={})", self.escrow),
                    "fields": {
                        "remote": { "constant": "8" },
                        "message_id": "@tx",
                        "asset": "amount.denom",
                        "amount": "amount.amount",
                        "recipient": "recipient",
                        "sender": "sender",
                    },
                }],
            }],
        }))
        .unwrap()
    }

    pub(crate) fn cosmos(&self) -> Cosmos {
        Cosmos::new(self.config()).unwrap()
    }

    /// The newest block, and every transfer to the escrow above the root, as the node itself tells.
    pub(crate) async fn truth(&self) -> (BlockRef, Vec<TrueEvent>) {
        let mut head = self.node.head().await.unwrap();
        let (mut all, mut next) = (Vec::new(), self.root.height + 1);
        // What was asked about long is not the newest any more: whoever is compared with it has gone on.
        for _ in 0..20 {
            for height in next..=head.height {
                all.extend(self.transfers(height).await);
            }
            next = head.height + 1;
            let newest = self.node.head().await.unwrap();
            if newest == head {
                break;
            }
            head = newest;
        }
        for height in next..=head.height {
            all.extend(self.transfers(height).await);
        }
        (head, all)
    }

    async fn transfers(&self, height: u64) -> Vec<TrueEvent> {
        let known = self.blocks.lock().unwrap().get(&height).cloned();
        let (_, events) = match known {
            Some(known) => known,
            None => {
                let told = self.block(height).await;
                self.blocks.lock().unwrap().insert(height, told.clone());
                told
            }
        };
        events
    }

    async fn block(&self, height: u64) -> (B256, Vec<TrueEvent>) {
        let at = json!({ "height": height.to_string() });
        let commit = self.node.ask("commit", at.clone()).await.unwrap();
        let hash = commit["signed_header"]["commit"]["block_id"]["hash"].as_str().unwrap().parse().unwrap();
        // The node tells a block a moment before it has its results.
        let began = Instant::now();
        let results = loop {
            match self.node.ask("block_results", at.clone()).await {
                Ok(results) => break results,
                Err(error) => assert!(began.elapsed() < Duration::from_secs(10), "{error:?}"),
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        };
        let none = Vec::new();
        let made = results["txs_results"].as_array().unwrap_or(&none).iter();
        let made = made.flat_map(|one| one["events"].as_array().unwrap().iter());
        let own = results["finalize_block_events"].as_array().unwrap_or(&none).iter();
        let mut events = Vec::new();
        for (index, event) in made.chain(own).enumerate() {
            let attributes: Vec<(&str, Option<&str>)> = event["attributes"]
                .as_array()
                .unwrap()
                .iter()
                .map(|one| (one["key"].as_str().unwrap(), one["value"].as_str()))
                .collect();
            let ours = attributes.contains(&("recipient", Some(self.escrow.as_str())));
            let kind = event["type"].as_str().unwrap();
            if kind == "transfer" && ours {
                let (index, raw) = (u32::try_from(index).unwrap(), event_digest(kind, &attributes));
                events.push(TrueEvent { height, index, block_hash: hash, raw });
            }
        }
        (hash, events)
    }
}

/// An observer at work, for what the suite does not ask.
pub(crate) struct Watching {
    pub(crate) batches: mpsc::Receiver<Batch>,
    pub(crate) seen: Vec<Observation>,
    pub(crate) cursor: Option<Cursor>,
    stop: CancellationToken,
    task: JoinHandle<Result<(), portcullis_adapter::AdapterError>>,
}

impl Watching {
    pub(crate) fn start(cosmos: &Cosmos, from: Option<Cursor>) -> Self {
        let observer = cosmos.observer();
        let (feed, batches) = mpsc::channel(4);
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let task = tokio::spawn(async move { observer.observe(from, feed, stopped).await });
        Self { batches, seen: Vec::new(), cursor: None, stop, task }
    }

    /// Takes batches until one of all observations so far is as wanted; how the observer ended when it did first.
    pub(crate) async fn until(&mut self, what: &str, wanted: impl Fn(&Watching) -> bool) {
        let began = Instant::now();
        while !wanted(self) {
            assert!(
                began.elapsed() < Duration::from_secs(30),
                "{what}: not in time; seen: {:?}",
                self.faults()
            );
            match timeout(Duration::from_millis(200), self.batches.recv()).await {
                Ok(Some(batch)) => self.take(batch),
                Ok(None) => panic!("{what}: the observer ended"),
                Err(_nothing) => {}
            }
        }
    }

    fn take(&mut self, batch: Batch) {
        self.seen.extend(batch.observations);
        self.cursor = batch.cursor.or_else(|| self.cursor.take());
    }

    /// Takes what is there, and waits for nothing.
    pub(crate) fn drain(&mut self) {
        while let Ok(batch) = self.batches.try_recv() {
            self.take(batch);
        }
    }

    pub(crate) fn height(&self) -> u64 {
        self.cursor.as_ref().map_or(0, |cursor| cursor.recent[0].height)
    }

    pub(crate) fn faults(&self) -> Vec<(Option<OperatorId>, FaultKind, String)> {
        let fault = |one: &Observation| match one.event() {
            Event::Fault(fault) => Some((fault.operator, fault.kind, fault.detail.clone())),
            _ => None,
        };
        self.seen.iter().filter_map(fault).collect()
    }

    pub(crate) fn told(&self, operator: Option<OperatorId>, kind: FaultKind) -> bool {
        self.faults().iter().any(|(who, what, _)| *who == operator && *what == kind)
    }

    /// How the observer ended by itself.
    pub(crate) async fn ended(mut self) -> Result<(), portcullis_adapter::AdapterError> {
        while self.batches.recv().await.is_some() {}
        self.task.await.unwrap()
    }

    pub(crate) async fn stop(self) -> Result<(), portcullis_adapter::AdapterError> {
        self.stop.cancel();
        drop(self.batches);
        self.task.await.unwrap()
    }
}

/// A second truth of every height: another state, signed by the node's own validator.
pub(crate) fn signed_twice(node: &Devnet) -> portcullis_rpc::testing::Rewrite {
    use base64::{Engine, prelude::BASE64_STANDARD};
    use tendermint::{
        block::{CommitSig, signed_header::SignedHeader},
        signature::Signature,
        vote::{CanonicalVote, Type},
    };
    use tendermint_proto::{Protobuf, v0_38::types::CanonicalVote as RawVote};

    let text = std::fs::read_to_string(node.home().join("config/priv_validator_key.json")).unwrap();
    let key: Value = serde_json::from_str(&text).unwrap();
    let bytes = BASE64_STANDARD.decode(key["priv_key"]["value"].as_str().unwrap()).unwrap();
    let key = ed25519_zebra::SigningKey::from(<[u8; 32]>::try_from(&bytes[..32]).unwrap());
    std::sync::Arc::new(move |_, _, mut honest| {
        let mut signed: SignedHeader = serde_json::from_value(honest["signed_header"].clone()).unwrap();
        signed.header.app_hash = vec![0xab; 32].try_into().unwrap();
        signed.commit.block_id.hash = signed.header.hash();
        for vote in &mut signed.commit.signatures {
            if let CommitSig::BlockIdFlagCommit { timestamp, signature, .. } = vote {
                let canonical = CanonicalVote {
                    vote_type: Type::Precommit,
                    height: signed.commit.height,
                    round: signed.commit.round,
                    block_id: Some(signed.commit.block_id),
                    timestamp: Some(*timestamp),
                    chain_id: signed.header.chain_id.clone(),
                };
                let message = Protobuf::<RawVote>::encode_length_delimited_vec(canonical);
                let made: [u8; 64] = key.sign(&message).into();
                *signature = Signature::new(made).unwrap();
            }
        }
        honest["signed_header"] = serde_json::to_value(&signed).unwrap();
        Some(honest)
    })
}
