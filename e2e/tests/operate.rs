//! Operating a service on real nodes: what would fail tonight, canaries through the real lane, what people decide
//! themselves, and an account that was emptied.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::{Duration, Instant};

use alloy::primitives::{Address, B256, U256};
use e2e::contracts::{DIRECTION_OUT, Guard, canary_id, scope};
use e2e::lab::Side;
use e2e::service::Tuning;
use e2e::trial::{PATIENCE, Trial};
use serde_json::{Value, json};

/// Runs a command and gives its exit code with what it answered.
async fn cli(trial: &Trial, args: &[&str]) -> (i32, Value) {
    let mut args = args.to_vec();
    args.push("--json");
    let (code, text) = trial.service.cli(&args).await.unwrap();
    let last = text.lines().last().unwrap_or_default();
    (code, serde_json::from_str(last).unwrap_or_else(|_| panic!("{args:?}: no JSON: {text}")))
}

async fn set_balance(side: &Side, account: Address, wei: U256) {
    side.node.rpc.call::<Value>("anvil_setBalance", json!([account, wei])).await.unwrap();
}

fn failing(answer: &Value) -> Vec<(String, String)> {
    let ways = answer["ways"].as_array().unwrap();
    let bad = ways.iter().flat_map(|way| {
        let checks = way["checks"].as_array().unwrap().iter().filter(|check| check["ok"] == false);
        checks.map(|check| (way["chain"].to_string(), check["code"].as_str().unwrap_or("").to_owned()))
    });
    bad.collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drill_says_what_would_fail_and_a_canary_is_closed_and_proven() {
    let trial = Trial::start(61, Tuning::default()).await.unwrap();
    let (code, answer) = cli(&trial, &["drill"]).await;
    assert_eq!((code, answer["ok"].as_bool()), (0, Some(true)), "{answer}");
    assert_eq!(answer["ways"].as_array().unwrap().len(), 4, "two gates, two levels: {answer}");

    let tripper = trial.world.crew.tripper.address();
    let home = &trial.world.ethereum;
    set_balance(home, tripper, U256::ZERO).await;
    let (code, answer) = cli(&trial, &["drill"]).await;
    assert_eq!(code, 1, "{answer}");
    let failing = failing(&answer);
    assert!(failing.iter().any(|(_, check)| check == "PC-0311"), "{failing:?}");
    assert!(failing.iter().all(|(chain, _)| chain.contains(&home.caip2())), "{failing:?}");
    home.node.rpc.fund(tripper).await.unwrap();

    let (code, answer) = cli(&trial, &["drill", "--canary"]).await;
    assert_eq!(code, 0, "{answer}\n{}", trial.service.told.tail(40));
    let canaries = answer["canaries"].as_array().unwrap();
    assert_eq!(canaries.len(), 2, "{answer}");
    for canary in canaries {
        let step = |name: &str| canary["steps"][name].as_i64().unwrap_or_else(|| panic!("{name}: {canary}"));
        assert!(step("signed_ms") <= step("sent_ms") && step("sent_ms") <= step("proven_ms"), "{canary}");
    }
    for side in trial.world.sides() {
        let any = B256::ZERO;
        let canary = scope(side.deployed.chain_id, canary_id(), DIRECTION_OUT, any, any);
        let state =
            side.node.rpc.read(side.deployed.guard, &Guard::stateOfCall { scope: canary }).await.unwrap();
        assert!(state.closedUntil > 0, "the canary of {} is closed", side.caip2());
        assert!(!side.closed().await.unwrap(), "{} itself is open", side.caip2());
    }
    // Row before bytes, for canaries as for anything else.
    let rows = trial.books().await.unwrap().attempts().await.unwrap();
    assert!(trial.submitted().iter().all(|hash| rows.contains(hash)));
    let (code, modes) = cli(&trial, &["modes"]).await;
    assert_eq!(code, 0);
    let targets = modes["targets"].as_array().unwrap();
    assert!(targets.iter().all(|target| target["record"]["canaries_landed"] == 1), "{modes}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_close_lower_trust_and_stop_with_nothing_but_the_database() {
    let trial = Trial::start(62, Tuning { mode: "limit", ..Tuning::default() }).await.unwrap();
    let because = ["--by", "ann", "--reason", "a partner reports a leaked key"];
    let (code, answer) = cli(&trial, &[&["contain"], &because[..]].concat()).await;
    assert_eq!((code, answer["actions"].as_u64()), (0, Some(2)), "{answer}");
    trial.both_closed().await.unwrap();
    let action = &answer["commands"][0]["answer"]["actions"][0];
    let incident: B256 = action["incident"].as_str().unwrap().parse().unwrap();
    trial.settled(incident).await.unwrap();
    assert!(e2e::demo::facts::replay(&trial.service, incident).await.unwrap());

    let id = action["id"].as_str().unwrap();
    let (code, stopped) = cli(&trial, &[&["stop", &id[..14]], &because[..]].concat()).await;
    assert_eq!((code, stopped["action"].as_str()), (0, Some(id)), "{stopped}");
    let (code, refused) = cli(&trial, &[&["stop", "0xffffffffffff"], &because[..]].concat()).await;
    assert_eq!((code, refused["error"]["code"].as_str()), (1, Some("PC-0402")), "{refused}");
    let (code, refused) = cli(&trial, &[&["contain", "nowhere"], &because[..]].concat()).await;
    assert_eq!((code, refused["error"]["code"].as_str()), (1, Some("PC-0605")), "{refused}");

    // One person cannot raise a mode; the record does not speak for it either.
    let set = ["modes", "set", "ethereum"];
    let (code, refused) = cli(&trial, &[&set[..], &["halt", "--by", "ann"]].concat()).await;
    assert_eq!((code, refused["error"]["code"].as_str()), (1, Some("PC-0608")), "{refused}");
    let (code, refused) = cli(&trial, &[&set[..], &["halt", "--by", "ann", "--anyway"]].concat()).await;
    assert_eq!((code, refused["error"]["code"].as_str()), (1, Some("PC-0609")), "{refused}");
    let alarm = ["incidents", "false-alarm", &incident.to_string(), "--by", "ann", "--reason", "a drill"];
    let (code, alarm) = cli(&trial, &alarm).await;
    assert_eq!(code, 0, "{alarm}");
    let (_, modes) = cli(&trial, &["modes"]).await;
    let targets = modes["targets"].as_array().unwrap();
    assert!(targets.iter().all(|target| target["record"]["mode"] == "advise"), "{modes}");
    let lowered = cli(&trial, &[&set[..], &["observe", "--by", "ann"]].concat()).await;
    assert_eq!(lowered.0, 0, "{}", lowered.1);
    for side in trial.world.sides() {
        assert!(side.closed().await.unwrap(), "nothing of this opens {}", side.caip2());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_emptied_account_does_not_stop_the_containment_of_an_attack() {
    let trial = Trial::start(63, Tuning { carrier: true, ..Tuning::default() }).await.unwrap();
    let (tripper, carrier) = (trial.world.crew.tripper.address(), trial.world.crew.carrier.address());
    let home = &trial.world.ethereum;
    set_balance(home, tripper, U256::ZERO).await;
    let sent = trial.play().await.unwrap();
    assert!(!sent.is_empty());
    trial.both_closed().await.unwrap();
    assert!(home.node.rpc.nonce(carrier).await.unwrap() > 0, "another account brought it");
    let trips = trial.trips(home).await.unwrap();
    let closing = trips.iter().find(|trip| trip.level == 2).unwrap();
    assert_eq!(closing.tripper, tripper, "on the tripper's signature");
    trial.settled(closing.incident).await.unwrap();
    assert!(e2e::demo::facts::replay(&trial.service, closing.incident).await.unwrap());
    let deadline = Instant::now() + PATIENCE;
    loop {
        let rows = trial.books().await.unwrap().attempts().await.unwrap();
        if trial.submitted().iter().all(|hash| rows.contains(hash)) {
            break;
        }
        assert!(Instant::now() < deadline, "bytes left without a row");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
