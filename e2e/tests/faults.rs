//! Endpoints that lie, a chain that changes its mind: containment goes on, and says what it saw.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use alloy::primitives::B256;
use e2e::proxy::{Lie, Mode};
use e2e::scenario::{Actor, Domain};
use e2e::service::Tuning;
use e2e::trial::{PATIENCE, Trial};
use serde_json::{Value, json};

/// Waits until the service wrote down that an operator contradicts the others or falls silent.
async fn told_about(trial: &Trial, operator: &str) -> Vec<String> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let faults = trial.books().await.unwrap().faults().await.unwrap();
        let about: Vec<String> = faults.iter().filter(|view| view.contains(operator)).cloned().collect();
        if !about.is_empty() {
            return about;
        }
        assert!(Instant::now() < deadline, "nothing was told about {operator}: {faults:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// An operator that shows the real blocks, but none of the bridge's logs.
fn hides_logs() -> Lie {
    Arc::new(|method, _params, result| match method {
        "eth_getLogs" => *result = json!([]),
        "eth_getBlockReceipts" => {
            for receipt in result.as_array_mut().into_iter().flatten() {
                receipt["logs"] = json!([]);
            }
        }
        // A pushed log becomes a log of a contract that nobody watches.
        "eth_subscription" if result.get("topics").is_some() => {
            result["address"] = json!("0x00000000000000000000000000000000000000ff");
        }
        _ => {}
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_honest_endpoints_outvote_one_that_hides_the_attack() {
    let trial = Trial::start(31, Tuning::default()).await.unwrap();
    trial.side(Domain::Ethereum).operators[0].set_lie(Some(hides_logs()));
    let sent = trial.play().await.unwrap();
    trial.both_closed().await.unwrap();
    let about = told_about(&trial, "alpha").await;
    assert!(about.iter().any(|view| view.to_lowercase().contains("dissent")), "{about:?}");
    let outcomes = trial.outcomes(&sent).await.unwrap();
    assert!(trial.world.taken(&outcomes, Actor::Attacker) <= 4 * 2_297_085_900_000, "{outcomes:?}");
}

/// An operator that shows a release which never happened, in a block that is there.
fn forges_release(bridge: alloy::primitives::Address, token: alloy::primitives::Address) -> Lie {
    let word = |n: u64| B256::from(alloy::primitives::U256::from(n));
    let topic = alloy::primitives::keccak256(b"Released(uint32,uint256,address,address,uint256)");
    Arc::new(move |method, params, result| {
        if method != "eth_getLogs" {
            return;
        }
        let block = params.pointer("/0/blockHash").cloned().unwrap_or(Value::Null);
        let data = format!("0x{:064x}{:064x}", 7, 10_000_000_000u64);
        let log = json!({
            "address": bridge, "topics": [topic, word(0x6265_616d), word(999_999), token.into_word()], "data": data,
            "blockHash": block, "blockNumber": "0x1", "transactionHash": word(1), "transactionIndex": "0x0",
            "logIndex": "0x0", "removed": false,
        });
        if let (Some(logs), true) = (result.as_array_mut(), block.is_string()) {
            logs.push(log);
        }
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_endpoint_that_forges_a_release_closes_nothing() {
    let script = e2e::scenario::compact::load(&e2e::scenario::compact_path(), 300).unwrap().until(-1);
    let factor = e2e::clock::Factor::new(60.0);
    let setup = e2e::lab::Setup { scenario: script, factor, seed: 32, dir: None };
    let world = e2e::lab::World::build(setup).await.unwrap();
    let service = e2e::service::Service::start(&world, &Tuning::default()).await.unwrap();
    let trial = Trial { service, world };
    let here = &trial.world.ethereum.deployed;
    let lie = forges_release(here.bridge, here.token(0).unwrap());
    trial.side(Domain::Ethereum).operators[1].set_lie(Some(lie));
    trial.play().await.unwrap();
    told_about(&trial, "beta").await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    for side in trial.world.sides() {
        assert!(!side.closed().await.unwrap(), "a forged log closed {}", side.caip2());
        assert!(trial.trips(side).await.unwrap().is_empty());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dark_and_a_half_open_endpoint_do_not_stop_containment() {
    let trial = Trial::start(33, Tuning { silence_ms: 1_500, ..Tuning::default() }).await.unwrap();
    trial.side(Domain::Ethereum).operators[0].set_mode(Mode::Silent);
    trial.side(Domain::Moonbeam).operators[2].set_mode(Mode::Dark);
    trial.play().await.unwrap();
    trial.both_closed().await.unwrap();
    told_about(&trial, "alpha").await;
    told_about(&trial, "gamma").await;
    // It comes back, and that is told too.
    trial.side(Domain::Moonbeam).operators[2].set_mode(Mode::Faithful);
    let deadline = Instant::now() + PATIENCE;
    loop {
        let about = told_about(&trial, "gamma").await;
        if about.iter().any(|view| view.to_lowercase().contains("recovered")) {
            break;
        }
        assert!(Instant::now() < deadline, "{about:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reorganisation_that_removes_the_release_retracts_the_incident() {
    let trial = Trial::start(34, Tuning { mode: "observe", ..Tuning::default() }).await.unwrap();
    let play = trial.world.play();
    let head = trial.first_false_release().await.unwrap();
    play.stop();
    play.finish().await.unwrap();
    let incident = incident_where(&trial, |incident| incident["class"] == "halt").await;
    let rpc = &trial.world.ethereum.node.rpc;
    let depth = rpc.head().await.unwrap().number - head.height + 1;
    let _done: Value = rpc.call("anvil_reorg", json!([depth, []])).await.unwrap();
    incident_where(&trial, |found| found["id"] == incident["id"] && found["state"] == "retracted").await;
    trial.nothing_lost().await.unwrap();
    for side in trial.world.sides() {
        assert!(!side.closed().await.unwrap());
    }
}

/// Waits for an incident of the service's list.
async fn incident_where(trial: &Trial, wanted: impl Fn(&Value) -> bool) -> Value {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let page = trial.service.get("/api/v1/incidents").await.unwrap();
        if let Some(found) =
            page["incidents"].as_array().into_iter().flatten().find(|incident| wanted(incident))
        {
            return found.clone();
        }
        assert!(Instant::now() < deadline, "not there: {page}\n{}", trial.service.told.tail(30));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
