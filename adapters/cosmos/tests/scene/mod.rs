//! A real node with a guard or gate on it that one key may close.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::print_stderr
)]

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

use cosmrs::{
    Any,
    proto::cosmwasm::wasm::v1::{MsgExecuteContract, MsgInstantiateContract, MsgStoreCode},
};
use portcullis_adapter::{Action, ActionClass, Attempt, Contain, Landing, Level, Prove};
use portcullis_cosmos::{
    Cosmos, CosmosConfig, CosmosContainer,
    config::any_account,
    devnet::{Account, Devnet, DevnetConfig, account, wasmd},
    signer::LocalSigner,
};
use portcullis_verifier::{
    ActionId, B256, Claim, IncidentId, System, Trust, Verdict,
    cosmos::{LightSystem, system_name},
    keccak256,
};
use prost::Name;
use serde_json::{Value, json};

pub(crate) const CHAIN: &str = "portcullis-closing-1";
pub(crate) const RECORD: B256 = B256::repeat_byte(6);

/// Address of the first contract of a chain with this prefix, whatever it is: it follows from the counts alone.
pub(crate) const FIRST_CONTRACT: &str = "wasm14hj2tavq8fpesdwxxcu44rty3hh90vhujrvcmstl4zr3txmfvw9s0phg4d";
pub(crate) const SEND: &str = "/cosmos.bank.v1beta1.MsgSend";

/// A contract as it was built; none where it was not.
fn artifact(name: &str) -> Option<PathBuf> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../contracts/artifacts/cosmwasm");
    Some(PathBuf::from(folder).join(format!("{name}.wasm"))).filter(|path| path.exists())
}

pub(crate) fn available() -> bool {
    let missing = match (wasmd(), artifact("guard").and(artifact("gate"))) {
        (Some(_), Some(_)) => return true,
        (None, _) => "wasmd was not found; run `cargo xtask setup` or set PORTCULLIS_WASMD",
        (_, None) => "contracts/artifacts/cosmwasm holds no guard",
    };
    assert!(std::env::var("PORTCULLIS_REQUIRE_ALL").as_deref() != Ok("1"), "required here: {missing}");
    eprintln!("SKIPPED: {missing}");
    false
}

pub(crate) fn any(message: &impl Name, url: String) -> Any {
    Any { type_url: url, value: message.encode_to_vec() }
}

/// The value of an attribute that some event of a transaction has.
pub(crate) fn attribute(events: &[Value], name: &str) -> String {
    let attributes =
        events.iter().flat_map(|event| event["attributes"].as_array().cloned().unwrap_or_default());
    let found = attributes.into_iter().find(|attribute| attribute["key"] == name);
    found.unwrap_or_else(|| panic!("no {name}"))["value"].as_str().unwrap().to_owned()
}

pub(crate) async fn done(node: &Devnet, from: &Account, message: Any) -> Vec<Value> {
    let hash = node.send(from, vec![message]).await.unwrap();
    node.landed(hash).await.unwrap().events
}

pub(crate) struct Scene {
    pub(crate) node: Devnet,
    pub(crate) chain: Cosmos,
    pub(crate) container: CosmosContainer,
    pub(crate) gate: B256,
    pub(crate) scope: B256,
}

fn hex(word: B256) -> String {
    format!("{word:x}")
}

fn scope_of(bridge: B256) -> B256 {
    let words = [
        keccak256("portcullis.scope.v1"),
        keccak256(format!("cosmos:{CHAIN}")),
        bridge,
        B256::with_last_byte(2),
        B256::ZERO,
        B256::ZERO,
    ];
    keccak256(words.map(|word| word.0).concat())
}

/// A node with a guard on it that one key may trip, and a bridge's whole outflow in its care.
pub(crate) async fn scene() -> Scene {
    scene_with("guard", |config| config).await
}

/// The same with a Guard, or with a Gate that holds the chain's power to refuse plain transfers, on a node that is started
/// otherwise.
pub(crate) async fn scene_with(kind: &str, change: fn(DevnetConfig) -> DevnetConfig) -> Scene {
    let (owner, tripper, carrier) = (account(0).unwrap(), account(1).unwrap(), account(2).unwrap());
    let coins = |account: &Account| (account.address.clone(), "1000000000stake".to_owned());
    let accounts = vec![coins(&tripper), coins(&carrier)];
    let circuit = vec![(FIRST_CONTRACT.to_owned(), vec![SEND.to_owned()])];
    let config = DevnetConfig { accounts, circuit, timeout_commit_ms: 100, ..DevnetConfig::new(CHAIN) };
    let node = Devnet::start(&change(config)).await.unwrap();
    node.reach(3).await.unwrap();
    let wasm_byte_code = std::fs::read(artifact(kind).unwrap()).unwrap();
    let store = MsgStoreCode { sender: owner.address.clone(), wasm_byte_code, instantiate_permission: None };
    let stored = done(&node, &owner, any(&store, MsgStoreCode::type_url())).await;
    let guard = json!({
        "owner": owner.address, "releaser": null, "guardian": null, "max_seconds": 86_400, "max_blocks": 86_400,
        "limited_tail_seconds": 60, "limited_tail_blocks": 0, "budget_window_hours": 24,
    });
    let instantiate = MsgInstantiateContract {
        sender: owner.address.clone(),
        admin: String::new(),
        code_id: attribute(&stored, "code_id").parse().unwrap(),
        label: "guard".to_owned(),
        msg: guard.to_string().into_bytes(),
        funds: Vec::new(),
    };
    let events = done(&node, &owner, any(&instantiate, MsgInstantiateContract::type_url())).await;
    let contract = attribute(&events, "_contract_address");
    let bridge = keccak256("demo");
    let bridge_call = json!({ "register_bridge": { "bridge": hex(bridge), "consumer": owner.address } });
    let scope_call = json!({ "register_scope": {
        "bridge": hex(bridge), "direction": 2, "corridor": hex(B256::ZERO), "asset": hex(B256::ZERO),
    } });
    let target_call = json!({ "add_target": {
        "scope": hex(scope_of(bridge)), "target": { "switch": { "circuit": { "type_url": SEND } }, "from_level": 2 },
    } });
    let role_call = json!({ "grant_tripper": { "account": tripper.address, "budget_seconds": 36_000 } });
    let before = if kind == "guard" { vec![bridge_call, scope_call] } else { vec![scope_call, target_call] };
    let calls = before.into_iter().chain([role_call, json!({ "seal": {} })]).map(|call| {
        let (sender, contract) = (owner.address.clone(), contract.clone());
        let call =
            MsgExecuteContract { sender, contract, msg: call.to_string().into_bytes(), funds: Vec::new() };
        any(&call, MsgExecuteContract::type_url())
    });
    let hash = node.send(&owner, calls.collect()).await.unwrap();
    node.landed(hash).await.unwrap();
    let commit = node.ask("commit", json!({ "height": "2" })).await.unwrap();
    let hash = commit["signed_header"]["commit"]["block_id"]["hash"].as_str().unwrap().to_owned();
    let endpoint = |name: &str| json!({ "operator": name, "http": node.http(), "ws": node.ws() });
    let endpoints: Vec<Value> = ["alpha", "beta", "gamma"].into_iter().map(endpoint).collect();
    let config: CosmosConfig = serde_json::from_value(json!({
        "chain": format!("cosmos:{CHAIN}"), "prefix": "wasm", "quorum": 2,
        "endpoints": endpoints,
        "trust": { "height": 2, "hash": hash },
        "fees": { "denom": "stake" },
        "targets": [{ "id": "gate", "address": contract, "kind": kind }],
    }))
    .unwrap();
    let chain = Cosmos::new(config).unwrap();
    let key = |account: &Account| Arc::new(LocalSigner::from_secret(&account.key).unwrap());
    let container = chain.container(key(&tripper)).unwrap().carried_by(key(&carrier));
    Scene { node, chain, container, gate: any_account(&contract).unwrap(), scope: scope_of(bridge) }
}

impl Scene {
    pub(crate) fn action(&self, id: u8, until: u64) -> Action {
        Action {
            id: ActionId(B256::repeat_byte(id)),
            chain: format!("cosmos:{CHAIN}").parse().unwrap(),
            target: self.gate,
            scope: self.scope,
            level: Level::Closed,
            until,
            until_height: 0,
            incident: IncidentId(B256::repeat_byte(3)),
            generation: 0,
            class: ActionClass::Halt,
            value_at_risk_micro_usd: 0,
            reasons: Vec::new(),
        }
    }

    pub(crate) async fn landed(&self, attempt: &Attempt) -> Landing {
        for _ in 0..1_000 {
            match self.container.landing(attempt).await {
                Ok(Landing::Pending) | Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
                Ok(landing) => return landing,
            }
        }
        Landing::Pending
    }

    /// What the verifier says of an effect, once its evidence can be had: the block after it must be made first.
    pub(crate) async fn verdict(&self, claim: &Claim) -> Verdict {
        let mut last = None;
        for _ in 0..500 {
            if let Ok(evidence) = self.chain.prover().evidence(claim).await {
                let checkpoint = self.chain.root().checkpoint().unwrap();
                let now = checkpoint.time_secs + 3_600;
                let pinned = BTreeMap::from([(system_name(), checkpoint.to_bytes())]);
                let trust = Trust { operators: Vec::new(), quorum: 1, now, pinned };
                let verdict = LightSystem::default().verify(claim, &evidence, &trust);
                if !matches!(verdict, Verdict::Undecided(_)) {
                    return verdict;
                }
                last = Some(verdict);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("no verdict: {last:?}")
    }
}

pub(crate) async fn header_hash(node: &Devnet, height: u64) -> B256 {
    let commit = node.ask("commit", json!({ "height": height.to_string() })).await.unwrap();
    commit["signed_header"]["commit"]["block_id"]["hash"].as_str().unwrap().parse().unwrap()
}
