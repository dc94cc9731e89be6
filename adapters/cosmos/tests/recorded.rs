//! An event that its contract records is proven by the record, on a real node with a real contract.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::arithmetic_side_effects, clippy::indexing_slicing)]
#![allow(clippy::panic)]

mod support;

use std::collections::BTreeMap;

use cosmrs::{
    Any,
    proto::cosmwasm::wasm::v1::{MsgExecuteContract, MsgInstantiateContract, MsgStoreCode},
};
use portcullis_adapter::{Class, Prove};
use portcullis_cosmos::{
    Cosmos, CosmosConfig,
    devnet::{Account, account},
};
use portcullis_verifier::{
    B256, BlockRef, ChainId, Claim, Event, Observation, System, Trust, Verdict,
    cosmos::{LightSystem, recorded_digest, recorded_raw, system_name},
    keccak256,
};
use prost::{Message, Name};
use serde_json::{Value, json};
use support::{CHAIN, Watching, World, node_available};

const BRIDGE: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../../contracts/artifacts/cosmwasm/demo_bridge.wasm");

fn any(message: &impl Message, url: String) -> Any {
    Any { type_url: url, value: message.encode_to_vec() }
}

async fn done(world: &World, from: &Account, message: Any) -> (u64, Vec<Value>) {
    let hash = world.node.send(from, vec![message]).await.unwrap();
    let landed = world.node.landed(hash).await.unwrap();
    (landed.height, landed.events)
}

/// The value of an attribute that some event of a transaction has.
fn attribute(events: &[Value], name: &str) -> String {
    let all = events.iter().flat_map(|event| event["attributes"].as_array().unwrap().iter());
    let mut found = all.filter(|attribute| attribute["key"] == name);
    found.next().unwrap_or_else(|| panic!("no {name}"))["value"].as_str().unwrap().to_owned()
}

/// Puts a bridge on the chain; gives its address.
async fn deploy(world: &World, owner: &Account) -> String {
    let sender = owner.address.clone();
    let wasm_byte_code = std::fs::read(BRIDGE).unwrap();
    let store = MsgStoreCode { sender: sender.clone(), wasm_byte_code, instantiate_permission: None };
    let (_, stored) = done(world, owner, any(&store, MsgStoreCode::type_url())).await;
    let start = json!({ "guard": sender, "bridge": format!("{:x}", keccak256("demo")), "updater": sender });
    let instantiate = MsgInstantiateContract {
        sender,
        admin: String::new(),
        code_id: attribute(&stored, "code_id").parse().unwrap(),
        label: "bridge".to_owned(),
        msg: start.to_string().into_bytes(),
        funds: Vec::new(),
    };
    let (_, events) = done(world, owner, any(&instantiate, MsgInstantiateContract::type_url())).await;
    attribute(&events, "_contract_address")
}

fn config(world: &World, contract: &str, recorded: bool) -> CosmosConfig {
    let mut config = world.config();
    config.contracts = serde_json::from_value(json!([{
        "bridge": "demo",
        "address": contract,
        "domain": "7",
        "mappings": [{
            "kind": { "admin": "route" },
            "signature": "wasm-TokenRegistered(token, isHome)",
            "recorded": recorded,
            "fields": { "value": "token as text" },
        }],
    }]))
    .unwrap();
    config
}

/// What was registered, as it is observed.
async fn observed(cosmos: &Cosmos, height: u64) -> Observation {
    let mut watching = Watching::start(cosmos, None);
    watching.until("the block of the event", |seen| seen.height() > height).await;
    let mut seen = watching.seen.clone();
    watching.stop().await.unwrap();
    seen.retain(|one| matches!(one.event(), Event::Admin(_)));
    assert_eq!(seen.len(), 1, "{seen:?}");
    seen.remove(0)
}

fn emitted(seen: &Observation, raw: B256) -> Claim {
    let position = seen.position();
    Claim::Emitted {
        chain: ChainId::new(&format!("cosmos:{CHAIN}")).unwrap(),
        block: BlockRef { height: position.height, hash: position.block_hash },
        log_index: position.log_index,
        raw,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recorded_event_is_proven_and_any_other_is_not() {
    if !node_available() {
        return;
    }
    let world = World::start().await;
    let owner = account(0).unwrap();
    let contract = deploy(&world, &owner).await;
    let call = json!({ "register_token": { "token": "nomad/usdc", "is_home": false } });
    let call = MsgExecuteContract {
        sender: owner.address.clone(),
        contract: contract.clone(),
        msg: call.to_string().into_bytes(),
        funds: Vec::new(),
    };
    let (height, events) = done(&world, &owner, any(&call, MsgExecuteContract::type_url())).await;

    let cosmos = Cosmos::new(config(&world, &contract, true)).unwrap();
    let seen = observed(&cosmos, height).await;
    let address = portcullis_cosmos::config::account("wasm", &contract).unwrap();
    let address = B256::try_from(address.as_slice()).unwrap();
    let home = attribute(&events, "isHome");
    let digest =
        recorded_digest("wasm-TokenRegistered", [("token", "nomad/usdc"), ("isHome", home.as_str())]);
    assert_eq!(seen.raw(), recorded_raw(address, digest));

    let prover = cosmos.prover();
    let judged = |claim: &Claim, evidence: &portcullis_verifier::Evidence| {
        let pinned = cosmos.root().checkpoint().unwrap().to_bytes();
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        let pinned = BTreeMap::from([(system_name(), pinned)]);
        let trust = Trust { operators: support::names(), quorum: 2, now, pinned };
        LightSystem::default().verify(claim, evidence, &trust)
    };
    let claim = emitted(&seen, seen.raw());
    let evidence = prover.evidence(&claim).await.unwrap();
    let verdict = judged(&claim, &evidence);
    assert!(matches!(verdict, Verdict::Proven(_)), "{verdict:?}");

    // The same evidence for an event that says something else proves nothing.
    let digest =
        recorded_digest("wasm-TokenRegistered", [("token", "nomad/weth"), ("isHome", home.as_str())]);
    let other = emitted(&seen, recorded_raw(address, digest));
    let verdict = judged(&other, &evidence);
    assert!(matches!(verdict, Verdict::Undecided(_)), "{verdict:?}");
    assert_eq!(prover.evidence(&other).await.unwrap_err().class, Class::Transient);

    // Where the mapping does not say that it is recorded, the event is reported, and asked for no proof.
    let reported = Cosmos::new(config(&world, &contract, false)).unwrap();
    let seen = observed(&reported, height).await;
    let error = reported.prover().evidence(&emitted(&seen, seen.raw())).await.unwrap_err();
    assert_eq!(error.class, Class::Permanent, "{error}");
}
