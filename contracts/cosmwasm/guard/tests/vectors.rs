//! `contracts/vectors`, unchanged, against the guard in process: same calls at the same times and heights, same results,
//! events, fields, order, errors and state.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    missing_docs
)]

use std::path::Path;

use cosmwasm_std::testing::{MockApi, MockStorage};
use cosmwasm_std::{Addr, Api, CanonicalAddr, HexBinary, Timestamp, from_json};
use cw_multi_test::{App, AppBuilder, BankKeeper, ContractWrapper, Executor};
use k256::ecdsa::SigningKey;
use portcullis_breaker::{Word, action_id, caip2_hash, caip2_name, scope_of, trip_message};
use portcullis_guard::contract::{execute, instantiate, query};
use portcullis_guard::msg::{ExecuteMsg, InstantiateMsg, QueryMsg};
use portcullis_vectors::{Count, Done, FILES, Machine, run};
use ripemd::Ripemd160;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// The chain in process. Its addresses have the form that `MockApi` checks.
struct InProcess {
    app: App<BankKeeper, MockApi, MockStorage>,
    code: u64,
    guard: Addr,
    key: SigningKey,
}

impl InProcess {
    fn new() -> Self {
        let mut app = AppBuilder::new().build(|_, _, _| {});
        let code = app.store_code(Box::new(ContractWrapper::new(execute, instantiate, query)));
        let key = SigningKey::from_slice(&[0x11; 32]).unwrap();
        Self { app, code, guard: Addr::unchecked("none yet"), key }
    }
}

impl Machine for InProcess {
    fn instantiate(&mut self, msg: &Value) -> Result<(), String> {
        let msg: InstantiateMsg = from_json(msg.to_string()).unwrap();
        let sender = Addr::unchecked(self.address("stranger"));
        self.guard = self
            .app
            .instantiate_contract(self.code, sender, &msg, &[], "guard", None)
            .map_err(|error| error.root_cause().to_string())?;
        Ok(())
    }

    fn start(&mut self, time: u64, height: u64) -> Result<(u64, u64), String> {
        Ok((time, height))
    }

    fn at(&mut self, time: u64, height: u64) -> Result<(), String> {
        self.app.update_block(|block| {
            block.time = Timestamp::from_seconds(time);
            block.height = height;
        });
        Ok(())
    }

    fn execute(&mut self, by: &str, msg: &Value) -> Result<Done, String> {
        let msg: ExecuteMsg = from_json(msg.to_string()).unwrap();
        let sender = Addr::unchecked(self.address(by));
        let response = self
            .app
            .execute_contract(sender, self.guard.clone(), &msg, &[])
            .map_err(|error| error.root_cause().to_string())?;
        let guard = self.guard.to_string();
        let mine = response.events.into_iter().filter_map(|event| {
            let name = event.ty.strip_prefix("wasm-")?.to_owned();
            let [first, fields @ ..] = event.attributes.as_slice() else { panic!("no address") };
            assert_eq!((first.key.as_str(), &first.value), ("_contract_address", &guard));
            Some((name, fields.iter().map(|field| (field.key.clone(), field.value.clone())).collect()))
        });
        let events = mine.collect();
        Ok(Done { data: response.data.map(|data| serde_json::from_slice(&data).unwrap()), events })
    }

    fn query(&mut self, msg: &Value) -> Result<Value, String> {
        let msg: QueryMsg = from_json(msg.to_string()).unwrap();
        self.app.wrap().query_wasm_smart(&self.guard, &msg).map_err(|error| error.to_string())
    }

    fn address(&self, name: &str) -> String {
        if name != "signer" {
            return self.app.api().addr_make(name).to_string();
        }
        let key = self.key.verifying_key().to_encoded_point(true);
        let account: [u8; 20] = Ripemd160::digest(Sha256::digest(key.as_bytes())).into();
        self.app.api().addr_humanize(&CanonicalAddr::from(account)).unwrap().to_string()
    }

    fn sign(&self, digest: &str) -> String {
        let digest = Word::parse(digest).unwrap();
        let (signature, parity) = self.key.sign_prehash_recoverable(&digest.0).unwrap();
        let signature = HexBinary::from(&<[u8; 64]>::from(signature.to_bytes()));
        format!("{signature}{:02x}", 27 + parity.to_byte())
    }
}

fn folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../vectors"))
}

#[test]
fn every_vector_gives_the_same_results_events_errors_and_state() {
    let mut machine = InProcess::new();
    let mut sum = Count::default();
    for file in FILES {
        let count = run(&mut machine, folder(), file, &|_| true).unwrap_or_else(|error| panic!("{error}"));
        println!("{file}: {} cases, {} steps", count.cases, count.steps);
        assert_ne!(count.cases, 0, "{file}");
        sum = Count { cases: sum.cases + count.cases, steps: sum.steps + count.steps };
    }
    println!("all: {} cases, {} steps", sum.cases, sum.steps);
}

#[test]
fn no_file_of_the_vectors_is_left_out() {
    let mut here: Vec<String> = std::fs::read_dir(folder())
        .unwrap()
        .filter_map(|entry| Some(entry.unwrap().file_name().to_str()?.strip_suffix(".json")?.to_owned()))
        .filter(|name| name != "world" && name != "digests")
        .collect();
    here.sort();
    let mut run = FILES.map(str::to_owned).to_vec();
    run.sort();
    assert_eq!(here, run);
}

/// What the runner must notice: each of these changes one thing in a copy of the vectors, and none may pass.
#[test]
fn a_vector_that_is_wrong_fails() {
    type Spoil = fn(&mut Value);
    let spoil: [(&str, Spoil); 9] = [
        ("another result", |case| case["steps"][0]["returns"] = Value::Bool(false)),
        ("an event less", |case| drop(case["steps"][0].as_object_mut().unwrap().remove("events"))),
        ("another field", |case| case["steps"][0]["events"][0]["level"] = 1.into()),
        ("a field less", |case| {
            drop(case["steps"][0]["events"][0].as_object_mut().unwrap().remove("record"))
        }),
        ("an error", |case| case["steps"][0]["error"] = serde_json::json!({"name": "InvalidSignature"})),
        ("another state", |case| case["steps"][0]["after"]["everything"]["closedUntil"] = 1.into()),
        ("an unknown field of the state", |case| case["steps"][0]["after"]["everything"]["mood"] = 1.into()),
        ("an unknown call", |case| case["steps"][0]["call"] = "dance".into()),
        ("an unknown kind of step", |case| case["steps"][0]["pause"] = 1.into()),
    ];
    let whole: Value = serde_json::from_slice(&std::fs::read(folder().join("trips.json")).unwrap()).unwrap();
    let case = &whole["cases"][0];
    assert!(
        case["steps"][0]["after"]["everything"].is_object(),
        "the first case still has what is spoiled here"
    );
    let scratch = std::env::temp_dir().join(format!("vectors-{}", std::process::id()));
    std::fs::create_dir_all(&scratch).unwrap();
    std::fs::copy(folder().join("world.json"), scratch.join("world.json")).unwrap();
    let mut machine = InProcess::new();
    let mut ran = |case: &Value| {
        let file = serde_json::json!({"cases": [case]});
        std::fs::write(scratch.join("trips.json"), file.to_string()).unwrap();
        run(&mut machine, &scratch, "trips", &|_| true)
    };
    assert_eq!(ran(case).map(|count| count.cases), Ok(1), "unspoiled it passes");
    for (what, change) in spoil {
        let mut case = case.clone();
        change(&mut case);
        assert!(ran(&case).is_err(), "{what} passed");
    }
    std::fs::remove_dir_all(scratch).unwrap();
}

#[test]
fn digests_are_those_of_every_machine() {
    let file: Value = serde_json::from_slice(&std::fs::read(folder().join("digests.json")).unwrap()).unwrap();
    let word = |value: &Value| Word::parse(value.as_str().unwrap().trim_start_matches("0x")).unwrap();
    let text = |value: &Value| {
        let mut word = [0; 32];
        let value = value.as_str().unwrap();
        if value != "*" {
            word[..value.len()].copy_from_slice(value.as_bytes());
        }
        Word(word)
    };
    let caip2 = |value: &Value| portcullis_breaker::keccak256(&[value["caip2"].as_str().unwrap().as_bytes()]);
    let (mut scopes, mut actions) = (0, 0);
    for value in file["scopes"].as_array().unwrap() {
        assert_eq!(caip2(value), word(&value["caip2Hash"]));
        let direction = match value["direction"].as_str().unwrap() {
            "any" => 0,
            "in" => 1,
            _ => 2,
        };
        let (bridge, corridor, asset) =
            (text(&value["bridge"]), text(&value["corridor"]), text(&value["asset"]));
        assert_eq!(scope_of(caip2(value), bridge, direction, corridor, asset), word(&value["scope"]));
        scopes += 1;
    }
    for value in file["actions"].as_array().unwrap() {
        let number = |key: &str| value[key].as_str().unwrap().parse().unwrap();
        let request = portcullis_breaker::TripRequest {
            scope: word(&value["scope"]),
            level: u8::try_from(value["level"].as_u64().unwrap()).unwrap(),
            until: number("until"),
            until_height: number("untilHeight"),
            incident: text(&value["incident"]),
            record: text(&value["record"]),
            generation: u32::try_from(value["generation"].as_u64().unwrap()).unwrap(),
        };
        let id = action_id(caip2(value), word(&value["guard"]), &request);
        assert_eq!(id, word(&value["actionId"]));
        assert_eq!(trip_message(id, number("deadline"), request.record), word(&value["message"]));
        actions += 1;
    }
    println!("digests: {scopes} scopes, {actions} actions");
    assert!(scopes >= 20 && actions >= 4);
    assert_eq!(caip2_hash("cosmoshub-4"), caip2(&serde_json::json!({"caip2": "cosmos:cosmoshub-4"})));
    // The examples of CAIP-5.
    assert_eq!(caip2_name("Binance-Chain-Tigris"), "cosmos:Binance-Chain-Tigris");
    assert_eq!(caip2_name("x"), "cosmos:x");
    assert_eq!(caip2_name("hash-"), "cosmos:hash-");
    assert_eq!(caip2_name("hashed"), "cosmos:hashed");
    assert_eq!(caip2_name("hashed-"), "cosmos:hashed-c904589232422def");
    assert_eq!(caip2_name("hashed-123"), "cosmos:hashed-99df5cd68192b33e");
    assert_eq!(
        caip2_name("123456789012345678901234567890123456789012345678"),
        "cosmos:hashed-0204c92a0388779d"
    );
    assert_eq!(caip2_name(" "), "cosmos:hashed-36a9e7f1c95b82ff");
    assert_eq!(caip2_name("wonderland🧝‍♂️"), "cosmos:hashed-843d2fc87f40eeb9");
}
