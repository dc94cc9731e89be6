//! A chain without a chain: three operators whose nodes answer from one state that a test writes.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing
)]

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use cosmrs::proto::{
    cosmos::{
        auth::v1beta1::{BaseAccount, QueryAccountRequest, QueryAccountResponse},
        bank::v1beta1::QueryBalanceResponse,
        base::{node::v1beta1::ConfigResponse, v1beta1::Coin},
        gov::v1::{Params, QueryParamsResponse},
    },
    cosmwasm::wasm::v1::{
        QueryContractInfoResponse, QuerySmartContractStateRequest, QuerySmartContractStateResponse,
    },
};
use portcullis_adapter::{Action, ActionClass, Level};
use portcullis_cosmos::{Cosmos, CosmosConfig, CosmosContainer, config::shown, signer::LocalSigner};
use portcullis_rpc::testing::{Fault, FaultProxy, Stub};
use portcullis_verifier::{ActionId, B256, IncidentId, U256};
use prost::{Message, Name};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tendermint_proto::{
    google::protobuf::{Any, Timestamp},
    v0_38::{
        types::{BlockId, Commit, Header, PartSetHeader, SignedHeader},
        version::Consensus,
    },
};

pub(crate) const NAME: &str = "script-1";
pub(crate) const OPERATORS: [&str; 3] = ["alpha", "beta", "gamma"];
pub(crate) const RECORD: B256 = B256::repeat_byte(6);
pub(crate) const NOW: u64 = 1_700_000_000;

/// Code of every question that a node cannot answer.
pub(crate) const NOT_ANSWERED: i64 = -32_603;

#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) height: u64,
    pub(crate) sequence: u64,
    pub(crate) account: u64,
    /// Answer to a transaction: space and number of its code.
    pub(crate) sync: (String, u32),
    /// Everything that reached a node: which one, and the bytes.
    pub(crate) received: Vec<(usize, Vec<u8>)>,
    /// Transactions in blocks, with their height and result code.
    pub(crate) blocks: BTreeMap<u64, (Vec<u8>, u32)>,
    /// Transactions that wait.
    pub(crate) waiting: Vec<Vec<u8>>,
    /// How often anybody was asked for what waits.
    pub(crate) waiting_asked: usize,
    pub(crate) least_price: String,
    pub(crate) balance: u128,
    pub(crate) gas: u64,
    pub(crate) word: U256,
    pub(crate) tripper: Value,
    pub(crate) targets: Value,
    /// Name by which nodes know the chain.
    pub(crate) network: String,
    /// Oldest block that nodes keep.
    pub(crate) earliest: u64,
    /// Whether there are contracts.
    pub(crate) instantiated: bool,
    /// Level of the permission that every account holds in the circuit breaker; none where it holds none.
    pub(crate) circuit: Option<u8>,
    /// Block after which no node has the state; zero, which stands for the newest, is never asked for.
    pub(crate) unmade: u64,
    /// What a proposal has to deposit; nothing where the chain has no governance.
    pub(crate) deposit: String,
    /// Messages that are tripped.
    pub(crate) tripped: Vec<String>,
    /// Why no transaction is simulated well; none where each is.
    pub(crate) simulation: Option<(String, u32)>,
    /// Questions by path.
    pub(crate) asked: BTreeMap<String, usize>,
}

pub(crate) struct Script {
    pub(crate) state: Arc<Mutex<State>>,
    pub(crate) proxies: Vec<FaultProxy>,
    _stubs: Vec<Stub>,
    pub(crate) chain: Cosmos,
    pub(crate) container: CosmosContainer,
}

fn sha(bytes: &[u8]) -> Vec<u8> {
    Sha256::digest(bytes).to_vec()
}

/// Root of a list of one transaction: its leaf.
fn data_hash(transaction: Option<&Vec<u8>>) -> Vec<u8> {
    match transaction {
        None => sha(b""),
        Some(bytes) => sha(&[&[0], sha(bytes).as_slice()].concat()),
    }
}

fn header(state: &State, height: u64) -> Header {
    let id =
        BlockId { hash: vec![1; 32], part_set_header: Some(PartSetHeader { total: 1, hash: vec![2; 32] }) };
    Header {
        version: Some(Consensus { block: 11, app: 0 }),
        chain_id: NAME.to_owned(),
        height: i64::try_from(height).unwrap(),
        time: Some(Timestamp { seconds: i64::try_from(NOW + height).unwrap(), nanos: 0 }),
        last_block_id: Some(id),
        last_commit_hash: vec![3; 32],
        data_hash: data_hash(state.blocks.get(&height).map(|(bytes, _)| bytes)),
        validators_hash: vec![4; 32],
        next_validators_hash: vec![4; 32],
        consensus_hash: vec![5; 32],
        app_hash: vec![6; 32],
        last_results_hash: vec![7; 32],
        evidence_hash: sha(b""),
        proposer_address: vec![8; 20],
    }
}

fn commit(state: &State, height: u64) -> Value {
    let signed = SignedHeader {
        header: Some(header(state, height)),
        commit: Some(Commit {
            height: i64::try_from(height).unwrap(),
            round: 0,
            block_id: header(state, height).last_block_id,
            signatures: Vec::new(),
        }),
    };
    json!({ "signed_header": signed, "canonical": true })
}

fn found(value: &impl Message) -> Value {
    json!({ "response": { "code": 0, "value": STANDARD.encode(value.encode_to_vec()), "height": "1" } })
}

/// The account that a question is about.
fn asked_account(params: &Value) -> String {
    let data = alloy_primitives::hex::decode(params["data"].as_str().unwrap()).unwrap();
    QueryAccountRequest::decode(data.as_slice()).unwrap().address
}

/// The account's sequence after the block that a question names; every transaction in a block spends one.
fn sequence_at(state: &State, params: &Value) -> u64 {
    let height: u64 = params["height"].as_str().map_or(0, |text| text.parse().unwrap());
    let later = if height == 0 { 0 } else { state.blocks.range(height + 1..).count() };
    state.sequence.saturating_sub(u64::try_from(later).unwrap())
}

fn abci(state: &mut State, params: &Value) -> Value {
    let path = params["path"].as_str().unwrap().to_owned();
    *state.asked.entry(path.clone()).or_default() += 1;
    match path.as_str() {
        "/cosmos.auth.v1beta1.Query/Account" => {
            let account = BaseAccount {
                address: asked_account(params),
                pub_key: None,
                account_number: state.account,
                sequence: sequence_at(state, params),
            };
            let account = Any { type_url: BaseAccount::type_url(), value: account.encode_to_vec() };
            found(&QueryAccountResponse { account: Some(account) })
        }
        "/cosmos.bank.v1beta1.Query/Balance" => {
            let coin = Coin { denom: "stake".to_owned(), amount: state.balance.to_string() };
            found(&QueryBalanceResponse { balance: Some(coin) })
        }
        "/cosmos.base.node.v1beta1.Service/Config" => found(&ConfigResponse {
            minimum_gas_price: state.least_price.clone(),
            ..ConfigResponse::default()
        }),
        "/cosmwasm.wasm.v1.Query/ContractInfo" if state.instantiated => {
            found(&QueryContractInfoResponse::default())
        }
        // A permission of a level: one message of one number.
        "/cosmos.circuit.v1.Query/Account" if state.circuit.is_some() => {
            let level = state.circuit.unwrap();
            json!({ "response": { "code": 0, "value": STANDARD.encode([10, 2, 8, level]), "height": "1" } })
        }
        "/cosmos.gov.v1.Query/Params" if !state.deposit.is_empty() => {
            let coin = Coin { denom: "stake".to_owned(), amount: state.deposit.clone() };
            let params = Params { min_deposit: vec![coin], ..Params::default() };
            found(&QueryParamsResponse { params: Some(params), ..QueryParamsResponse::default() })
        }
        "/cosmos.circuit.v1.Query/DisabledList" => {
            let names = state.tripped.iter();
            let bytes =
                names.flat_map(|name| [&[10, u8::try_from(name.len()).unwrap()], name.as_bytes()].concat());
            let bytes: Vec<u8> = bytes.collect();
            json!({ "response": { "code": 0, "value": STANDARD.encode(bytes), "height": "1" } })
        }
        "/app/simulate" => match state.simulation.clone() {
            Some((codespace, code)) => {
                json!({ "response": { "code": code, "codespace": codespace, "log": "not allowed" } })
            }
            None => {
                let told = json!({ "gas_info": { "gas_wanted": "0", "gas_used": state.gas.to_string() } });
                json!({ "response": { "code": 0, "value": STANDARD.encode(told.to_string()), "height": "1" } })
            }
        },
        "/cosmwasm.wasm.v1.Query/SmartContractState" => {
            let data = alloy_primitives::hex::decode(params["data"].as_str().unwrap()).unwrap();
            let question = QuerySmartContractStateRequest::decode(data.as_slice()).unwrap().query_data;
            let about_targets = String::from_utf8(question).unwrap().contains("targets_of");
            let answer = if about_targets { &state.targets } else { &state.tripper };
            found(&QuerySmartContractStateResponse { data: answer.to_string().into_bytes() })
        }
        "/store/wasm/key"
            if params["height"].as_str().and_then(|text| text.parse().ok()) == Some(state.unmade) =>
        {
            json!({ "response": { "code": 0, "log": "version does not exist", "value": null, "height": params["height"] } })
        }
        "/store/wasm/key" => {
            let word = if state.word.is_zero() { Vec::new() } else { state.word.to_be_bytes_vec() };
            json!({ "response": { "code": 0, "value": STANDARD.encode(word), "height": params["height"] } })
        }
        other => {
            json!({ "response": { "code": 6, "codespace": "sdk", "log": format!("no such path {other}") } })
        }
    }
}

fn answer(state: &mut State, at: usize, method: &str, params: &Value) -> Value {
    match method {
        "status" => json!({
            "node_info": { "network": state.network, "other": { "tx_index": "on" } },
            "sync_info": {
                "latest_block_height": state.height.to_string(), "latest_block_hash": "",
                "earliest_block_height": state.earliest.to_string(),
            },
        }),
        "commit" => commit(state, params["height"].as_str().unwrap().parse().unwrap()),
        "block" => {
            let height = params["height"].as_str().unwrap().parse().unwrap();
            let held = state.blocks.get(&height).map(|(bytes, _)| STANDARD.encode(bytes));
            let txs: Vec<String> = held.into_iter().collect();
            json!({ "block": { "header": header(state, height), "data": { "txs": txs } } })
        }
        "block_results" => {
            let height = params["height"].as_str().unwrap().parse().unwrap();
            let held = state.blocks.get(&height).map(|(_, code)| json!({ "code": code }));
            let results: Vec<Value> = held.into_iter().collect();
            json!({ "height": params["height"], "txs_results": results })
        }
        "abci_query" => abci(state, params),
        "broadcast_tx_sync" => {
            state.received.push((at, STANDARD.decode(params["tx"].as_str().unwrap()).unwrap()));
            json!({ "code": state.sync.1, "codespace": state.sync.0, "log": "as the script says", "hash": "" })
        }
        "unconfirmed_txs" => {
            state.waiting_asked += 1;
            let waiting: Vec<String> = state.waiting.iter().map(|bytes| STANDARD.encode(bytes)).collect();
            json!({ "n_txs": "0", "txs": waiting })
        }
        "tx" => {
            let wanted = STANDARD.decode(params["hash"].as_str().unwrap()).unwrap();
            let found = state.blocks.iter().find(|(_, (bytes, _))| sha(bytes) == wanted);
            // What is not there is answered by a fault in front of the node.
            let Some((height, (bytes, code))) = found else { return Value::Null };
            json!({
                "hash": "", "height": height.to_string(), "index": 0, "tx": STANDARD.encode(bytes),
                "tx_result": { "code": code, "codespace": if *code == 0 { "" } else { "wasm" }, "log": "its log" },
                "proof": { "root_hash": "", "data": "", "proof": {
                    "total": "1", "index": "0", "leaf_hash": "", "aunts": [],
                }},
            })
        }
        other => json!({ "unexpected": other }),
    }
}

pub(crate) fn key() -> LocalSigner {
    LocalSigner::from_secret(&[7; 32]).unwrap()
}

pub(crate) fn carrier() -> LocalSigner {
    LocalSigner::from_secret(&[8; 32]).unwrap()
}

pub(crate) const GATE: B256 = B256::repeat_byte(0x61);
pub(crate) const SCOPE: B256 = B256::repeat_byte(0x5c);

pub(crate) async fn script() -> Script {
    of_kind("guard").await
}

/// The same with a target of another kind.
pub(crate) async fn of_kind(kind: &str) -> Script {
    let state = State {
        height: 20,
        sequence: 5,
        account: 9,
        network: NAME.to_owned(),
        earliest: 1,
        instantiated: true,
        least_price: "0.01stake".to_owned(),
        balance: 1_000_000,
        gas: 120_000,
        deposit: "10".to_owned(),
        targets: json!([{ "target": { "switch": { "circuit": { "type_url": "/a.B" } }, "from_level": 2 } }]),
        tripper: json!({ "active": true, "budget_seconds": 3_600, "left_seconds": 1_800 }),
        ..State::default()
    };
    let state = Arc::new(Mutex::new(state));
    let (mut stubs, mut proxies) = (Vec::new(), Vec::new());
    for at in 0..OPERATORS.len() {
        let shared = Arc::clone(&state);
        let reply =
            move |method: &str, params: &Value| answer(&mut shared.lock().unwrap(), at, method, params);
        let stub = Stub::start(Arc::new(reply)).await.unwrap();
        let proxy = FaultProxy::start(stub.http_url(), stub.ws_url()).await.unwrap();
        proxy.set("tx", not_answered("tx not found"));
        stubs.push(stub);
        proxies.push(proxy);
    }
    let endpoints: Vec<String> = OPERATORS
        .iter()
        .zip(&proxies)
        .map(|(name, proxy)| format!("{{ operator = \"{name}\", http = \"{}\" }}", proxy.http_url()))
        .collect();
    let config = format!(
        "chain = \"cosmos:{NAME}\"\nprefix = \"wasm\"\nquorum = 2\nendpoints = [{}]\n\
         trust = {{ height = 1, hash = \"{}\" }}\nfees = {{ denom = \"stake\" }}\n\
         targets = [{{ id = \"gate\", address = \"{}\", kind = \"{kind}\" }}]\n",
        endpoints.join(", "),
        B256::repeat_byte(1),
        shown("wasm", GATE).unwrap(),
    );
    let config: CosmosConfig = toml::from_str(&config).unwrap();
    let chain = Cosmos::new(config).unwrap();
    let container = chain.container(Arc::new(key())).unwrap();
    Script { state, proxies, _stubs: stubs, chain, container }
}

pub(crate) fn not_answered(message: &str) -> Fault {
    Fault::Error { code: NOT_ANSWERED, message: message.to_owned() }
}

impl Script {
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub(crate) fn asked(&self, path: &str) -> usize {
        self.lock().asked.get(path).copied().unwrap_or_default()
    }

    /// A block with a transaction; from now on nodes find it.
    pub(crate) fn include(&self, bytes: &[u8], code: u32) -> u64 {
        let mut state = self.lock();
        state.height += 1;
        let height = state.height;
        state.blocks.insert(height, (bytes.to_vec(), code));
        state.sequence += 1;
        drop(state);
        self.proxies.iter().for_each(FaultProxy::heal);
        height
    }
}

pub(crate) fn action(id: u8) -> Action {
    Action {
        id: ActionId(B256::repeat_byte(id)),
        chain: format!("cosmos:{NAME}").parse().unwrap(),
        target: GATE,
        scope: SCOPE,
        level: Level::Closed,
        until: NOW + 600,
        until_height: 0,
        incident: IncidentId(B256::repeat_byte(3)),
        generation: 0,
        class: ActionClass::Halt,
        value_at_risk_micro_usd: 0,
        reasons: Vec::new(),
    }
}
