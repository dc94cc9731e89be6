//! A real node, three operators in front of it, and a contract that emits what it is told to.
#![allow(dead_code, reason = "each test program uses a part")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::arithmetic_side_effects, clippy::print_stderr)]

pub(crate) mod spoiled;

use std::{path::Path, time::Duration};

use alloy::{
    hex,
    primitives::{Address, Bytes, U256, keccak256},
    sol,
    sol_types::{SolCall, SolValue},
};
use portcullis_adapter::{Action, ActionClass, AdapterError, Batch, Cursor, Level, Observe};
use portcullis_evm::{
    Evm, EvmConfig,
    config::{
        Endpoint, EventMapping, FieldNames, Finality, GateKind, GateTarget, MappingKind, WatchedContract,
    },
    devnet::{Devnet, DevnetConfig, anvil},
};
use portcullis_rpc::testing::FaultProxy;
use portcullis_verifier::{
    ActionId, B256, BlockRef, ChainId, Claim, Event, IncidentId, Observation, OperatorId, Slug, TransferKind,
    Trust, evm::log_digest,
};
use serde_json::json;
use tokio::{sync::mpsc, task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;

pub(crate) const CHAIN: u64 = 73_571;
pub(crate) const RELEASED: &str = "Released(uint32 indexed origin, uint256 indexed messageId, address indexed token, address recipient, uint256 amount)";

/// Emits one log: four topics and data, as its call data says.
const EMITTER: &str = "601b80600b6000396000f3608036038060806000376060356040356020356000358460 00a400";

/// Whether tests on a real node can run; fails where they must.
pub(crate) fn node_available() -> bool {
    if anvil().is_some() {
        return true;
    }
    assert!(
        std::env::var("PORTCULLIS_REQUIRE_ALL").as_deref() != Ok("1"),
        "anvil is required here and was not found"
    );
    eprintln!("SKIPPED: anvil was not found; run `cargo xtask setup` or set PORTCULLIS_ANVIL");
    false
}

pub(crate) struct World {
    pub(crate) node: Devnet,
    pub(crate) proxies: Vec<FaultProxy>,
    pub(crate) emitter: Address,
    next: std::sync::atomic::AtomicU64,
}

pub(crate) fn names() -> Vec<OperatorId> {
    ["ada", "ben", "cleo"].iter().map(|name| Slug::new(name).unwrap()).collect()
}

impl World {
    /// A node that mines when told to, with three operators in front.
    pub(crate) async fn start() -> Self {
        Self::with(DevnetConfig { args: vec!["--no-mining".to_owned()], ..DevnetConfig::new(CHAIN) }).await
    }

    pub(crate) async fn with(config: DevnetConfig) -> Self {
        let node = Devnet::start(&config).await.unwrap();
        let mut proxies = Vec::new();
        for _ in names() {
            proxies.push(FaultProxy::start(node.http().clone(), node.ws().clone()).await.unwrap());
        }
        let code: Bytes = hex::decode(EMITTER.replace(' ', "")).unwrap().into();
        let key = Devnet::account(0).unwrap();
        let hash = node.send(&key, None, code).await.unwrap();
        node.mine(1).await.unwrap();
        let emitter = node.receipt(hash).await.unwrap().contract_address.unwrap();
        Self { node, proxies, emitter, next: std::sync::atomic::AtomicU64::new(1) }
    }

    /// Sends one release event, without mining; gives its message id.
    pub(crate) async fn emit(&self) -> u64 {
        let id = self.next.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        let word = |value: u64| U256::from(value).to_be_bytes::<32>();
        let mut data = keccak256("Released(uint32,uint256,address,address,uint256)").to_vec();
        for value in [7, id, 0xABCD, 0xBEEF, id * 1_000] {
            data.extend(word(value));
        }
        let key = Devnet::account(0).unwrap();
        self.node.send(&key, Some(self.emitter), data.into()).await.unwrap();
        id
    }

    pub(crate) async fn produce(&self, blocks: u64, events_each: u32) {
        if events_each == 0 {
            self.node.mine(blocks).await.unwrap();
            return;
        }
        for _ in 0..blocks {
            for _ in 0..events_each {
                self.emit().await;
            }
            self.node.mine(1).await.unwrap();
        }
    }

    pub(crate) fn config(&self) -> EvmConfig {
        let endpoints = names()
            .into_iter()
            .zip(&self.proxies)
            .map(|(operator, proxy)| Endpoint {
                operator,
                http: proxy.http_url(),
                ws: Some(proxy.ws_url()),
                submit: true,
            })
            .collect();
        EvmConfig {
            quorum: 2,
            reorg_bound_blocks: 16,
            silence_ms: 1_500,
            stall_ms: 60_000,
            poll_ms: 100,
            finality: Finality::Depth { safe_blocks: 2, final_blocks: 8 },
            contracts: vec![self.contract()],
            ..EvmConfig::new(ChainId::new(&format!("eip155:{CHAIN}")).unwrap(), endpoints)
        }
    }

    fn contract(&self) -> WatchedContract {
        let fields = FieldNames {
            remote: Some("origin".into()),
            message_id: Some("messageId".into()),
            asset: Some("token".into()),
            amount: Some("amount".into()),
            recipient: Some("recipient".into()),
            ..FieldNames::default()
        };
        WatchedContract {
            bridge: Slug::new("demo").unwrap(),
            address: self.emitter.to_string(),
            domain: "1000".to_owned(),
            mappings: vec![EventMapping {
                kind: MappingKind::Transfer(TransferKind::Release),
                signature: RELEASED.to_owned(),
                recorded: false,
                fields,
            }],
            ignored: Vec::new(),
        }
    }
}

/// An observer at work.
pub(crate) struct Watched {
    pub(crate) batches: mpsc::Receiver<Batch>,
    stop: CancellationToken,
    task: JoinHandle<Result<(), AdapterError>>,
}

impl Watched {
    pub(crate) fn start(evm: &Evm) -> Self {
        Self::from(evm, None)
    }

    pub(crate) fn from(evm: &Evm, cursor: Option<Cursor>) -> Self {
        let (feed, batches) = mpsc::channel(16);
        let stop = CancellationToken::new();
        let (observer, stopped) = (evm.observer(), stop.clone());
        let task = tokio::spawn(async move { observer.observe(cursor, feed, stopped).await });
        Self { batches, stop, task }
    }

    pub(crate) async fn next(&mut self) -> Batch {
        timeout(Duration::from_secs(20), self.batches.recv()).await.unwrap().unwrap()
    }

    /// The next batch that holds a transfer, and the first of its transfers.
    pub(crate) async fn release(&mut self) -> (Batch, Observation) {
        loop {
            let batch = self.next().await;
            let release =
                batch.observations.iter().find(|o| matches!(o.event(), Event::Transfer(_))).cloned();
            if let Some(release) = release {
                return (batch, release);
            }
        }
    }

    /// Ends it, and shows that it ended well.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap().unwrap();
    }
}

/// That an observed log was emitted.
pub(crate) fn emitted(release: &Observation) -> Claim {
    let position = release.position();
    let block = BlockRef { height: position.height, hash: position.block_hash };
    Claim::Emitted { chain: release.chain(), block, log_index: position.log_index, raw: release.raw() }
}

/// That the second of two logs in a new block was emitted.
pub(crate) async fn claim_of_a_release(world: &World) -> Claim {
    world.produce(1, 2).await;
    let log = true_logs(world).await.pop().unwrap();
    Claim::Emitted {
        chain: world.config().chain,
        block: BlockRef { height: log.block_number.unwrap(), hash: log.block_hash.unwrap() },
        log_index: u32::try_from(log.log_index.unwrap()).unwrap(),
        raw: log_digest(log.address(), log.topics(), &log.data().data),
    }
}

pub(crate) fn target(address: Address) -> GateTarget {
    GateTarget { id: Slug::new("guard").unwrap(), address: address.to_string(), kind: GateKind::Guard }
}

/// Logs of the emitter as the node itself tells them.
pub(crate) async fn true_logs(world: &World) -> Vec<alloy::rpc::types::Log> {
    let filter = json!([{ "fromBlock": "0x0", "toBlock": "latest", "address": world.emitter }]);
    world.node.ask("eth_getLogs", filter).await.unwrap()
}

pub(crate) fn trust() -> Trust {
    Trust { operators: names(), quorum: 2, now: u64::MAX, pinned: std::collections::BTreeMap::new() }
}

sol! {
    struct Config {
        address owner;
        address releaser;
        address guardian;
        uint32 maxSeconds;
        uint32 maxBlocks;
        uint32 limitedTailSeconds;
        uint32 limitedTailBlocks;
        uint16 budgetWindowHours;
    }
    function grantTripper(address account, uint32 budgetSeconds) external;
    function registerBridge(bytes32 bridge, address consumer) external;
    function registerScope(bytes32 bridge, uint8 direction, bytes32 corridor, bytes32 asset) external returns (bytes32 scope);
    function scopeOf(bytes32 bridge, uint8 direction, bytes32 corridor, bytes32 asset) external view returns (bytes32);
    function seal() external;
    struct Target {
        address account;
        uint8 kind;
        uint8 fromLevel;
        bytes32 argument;
        address status;
    }
    function addTarget(bytes32 scope, Target calldata target) external;
    function transferOwnership(address to) external;
}

/// A built contract.
fn code(name: &str) -> Bytes {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../contracts/artifacts/evm/{name}.json"));
    let artifact: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    artifact["bytecode"].as_str().unwrap().parse().unwrap()
}

/// A sealed guard with one registered scope that `tripper` may close.
pub(crate) async fn deploy_guard(node: &Devnet, tripper: Address) -> (Address, B256) {
    let (guard, scope) = deploy(node, "Guard").await;
    let bridge = keccak256("demo");
    let consumer = Devnet::account(0).unwrap().address();
    let calls = [
        grantTripperCall { account: tripper, budgetSeconds: 172_800 }.abi_encode(),
        registerBridgeCall { bridge, consumer }.abi_encode(),
        registerScopeCall { bridge, direction: 2, corridor: B256::ZERO, asset: B256::ZERO }.abi_encode(),
        sealCall {}.abi_encode(),
    ];
    owner_calls(node, guard, calls).await;
    (guard, scope)
}

/// A sealed Gate, and a contract that it may pause with the scope that `tripper` may close.
pub(crate) async fn deploy_gate(node: &Devnet, tripper: Address) -> (Address, B256, Address) {
    let (gate, scope) = deploy(node, "Gate").await;
    let pausable = node.deploy(&Devnet::account(0).unwrap(), code("DemoPausable")).await.unwrap();
    let target =
        Target { account: pausable, kind: 0, fromLevel: 2, argument: B256::ZERO, status: Address::ZERO };
    let bridge = keccak256("demo");
    let calls = [
        grantTripperCall { account: tripper, budgetSeconds: 172_800 }.abi_encode(),
        registerScopeCall { bridge, direction: 2, corridor: B256::ZERO, asset: B256::ZERO }.abi_encode(),
        addTargetCall { scope, target }.abi_encode(),
        sealCall {}.abi_encode(),
    ];
    owner_calls(node, gate, calls).await;
    (gate, scope, pausable)
}

/// A contract that its deployer owns, and the id of the scope that is registered in the tests.
async fn deploy(node: &Devnet, name: &str) -> (Address, B256) {
    let owner = Devnet::account(0).unwrap();
    let config = Config {
        owner: owner.address(),
        releaser: Devnet::account(2).unwrap().address(),
        guardian: Devnet::account(3).unwrap().address(),
        maxSeconds: 86_400,
        maxBlocks: 7_200,
        limitedTailSeconds: 3_600,
        limitedTailBlocks: 300,
        budgetWindowHours: 168,
    };
    let mut code = code(name).to_vec();
    code.extend(config.abi_encode());
    let contract = node.deploy(&owner, code.into()).await.unwrap();
    let (bridge, any) = (keccak256("demo"), B256::ZERO);
    let ask = scopeOfCall { bridge, direction: 2, corridor: any, asset: any }.abi_encode();
    let scope: Bytes =
        node.ask("eth_call", json!([{ "to": contract, "data": Bytes::from(ask) }, "latest"])).await.unwrap();
    (contract, B256::from_slice(&scope))
}

/// Calls by the owner of a contract, one after the other; each must succeed.
pub(crate) async fn owner_calls(node: &Devnet, contract: Address, calls: impl IntoIterator<Item = Vec<u8>>) {
    let owner = Devnet::account(0).unwrap();
    for call in calls {
        let hash = node.send(&owner, Some(contract), call.into()).await.unwrap();
        assert!(node.receipt(hash).await.unwrap().status(), "a call of the owner failed");
    }
}

pub(crate) fn action(guard: Address, scope: B256, until: u64) -> Action {
    Action {
        id: ActionId(B256::ZERO),
        chain: ChainId::new(&format!("eip155:{CHAIN}")).unwrap(),
        target: guard.into_word(),
        scope,
        level: Level::Closed,
        until,
        until_height: 0,
        incident: IncidentId(B256::repeat_byte(5)),
        generation: 0,
        class: ActionClass::Halt,
        value_at_risk_micro_usd: 1_000_000,
        reasons: vec!["a test".to_owned()],
    }
    .with_id()
}
