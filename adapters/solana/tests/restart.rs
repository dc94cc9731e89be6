//! Containment while the chain's own node fails it: ended in the middle and started again, behind the others, or so busy that
//! nothing lands until what was signed is dead.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::panic
)]

mod support;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use portcullis_adapter::{Attempt, Contain, Landing, Level};
use portcullis_rpc::testing::{Fault, Stub};
use portcullis_solana::{Solana, SolanaContainer, address, config::GateKind};
use serde_json::{Value, json};
use support::{
    gate::{Gate, RECORD, landed},
    node_available,
};

/// Slots by which a node is behind that is not believed.
const BEHIND_SLOTS: u64 = 200;
/// How long a chain of short slots may take for what these tests wait for.
const PATIENCE: Duration = Duration::from_secs(90);

impl Gate {
    /// Trips that the chain holds, by what transactions wrote to an account of the scope, and whether each took effect.
    async fn trips(&self) -> Vec<bool> {
        let params = json!([address::shown(self.lane(0)), { "commitment": "confirmed" }]);
        let named = self.node.ask("getSignaturesForAddress", params).await.unwrap();
        let mut trips = Vec::new();
        for one in named.as_array().unwrap() {
            let params = json!([one["signature"], { "commitment": "confirmed", "encoding": "json" }]);
            let told = self.node.ask("getTransaction", params).await.unwrap();
            let logs = told["meta"]["logMessages"].as_array().unwrap().clone();
            // The name of the event, in base64, is its first part.
            let event = |name: &str| logs.iter().any(|line| line.as_str().unwrap().contains(name));
            let (tripped, ignored) =
                (event("Program data: VHJpcHBlZA=="), event("Program data: VHJpcElnbm9yZWQ="));
            if tripped || ignored {
                trips.push(tripped);
            }
        }
        trips
    }

    /// Closed seconds that the tripper has been charged for.
    async fn charged(&self) -> u64 {
        let params =
            json!([address::shown(self.tripper()), { "commitment": "confirmed", "encoding": "base64" }]);
        let told = self.node.ask("getAccountInfo", params).await.unwrap();
        let data = base64::Engine::decode(
            &base64::prelude::BASE64_STANDARD,
            told["value"]["data"][0].as_str().unwrap(),
        );
        let data = data.unwrap();
        data[96..].chunks_exact(4).map(|hour| u64::from(u32::from_le_bytes(hour.try_into().unwrap()))).sum()
    }

    async fn slot(&self) -> u64 {
        self.node.ask("getSlot", json!([{ "commitment": "confirmed" }])).await.unwrap().as_u64().unwrap()
    }
}

async fn hand(container: &SolanaContainer, attempt: &Attempt) {
    let sent = container.broadcast(attempt).await;
    assert!(sent.replies.iter().any(|reply| reply.accepted), "{sent:?}");
}

/// The node is killed as soon as it has taken the bytes, comes back on its ledger, and what it had not put into a block it has
/// forgotten. The same bytes are handed over again, and again once more: one trip takes effect, and one is paid for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_killed_with_the_bytes_in_its_hands_contains_exactly_once_when_it_is_back() {
    if !node_available() {
        return;
    }
    let mut gate = Gate::with(GateKind::Guard, None).await;
    let solana = Solana::new(gate.config()).unwrap();
    let container = gate.container(&solana);
    container.warm().await.unwrap();
    let action = gate.action(1, 3_600);
    let attempts = container.sign(&action, RECORD, 0).await.unwrap();
    let before = gate.slot().await;
    hand(&container, &attempts[0]).await;
    gate.node.stop().await.unwrap();
    assert!(container.landing(&attempts[0]).await.is_err(), "nobody tells: that is not \"not landed\"");
    assert!(container.gate(gate.breaker, gate.scope).await.is_err(), "nor is it open, nor closed");
    let began = Instant::now();
    gate.node.restart().await.unwrap();
    let first = container.landing(&attempts[0]).await;
    // As the lane does until something is known: the bytes that are durable, again.
    let landing = loop {
        match container.landing(&attempts[0]).await {
            Ok(Landing::Pending) | Err(_) => {
                assert!(began.elapsed() < PATIENCE, "it does not land");
                let _later = container.broadcast(&attempts[0]).await;
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            Ok(landing) => break landing,
        }
    };
    let Landing::Included(block) = landing else { panic!("{landing:?}") };
    println!(
        "killed after slot {before}, back after {} ms, then: {first:?}; landed in slot {}",
        began.elapsed().as_millis(),
        block.height
    );
    assert!(block.height > before);
    let report = container.gate(gate.breaker, gate.scope).await.unwrap();
    assert_eq!((report.level, report.until), (Level::Closed, action.until));
    // Again after it landed, and signed anew as by somebody who never heard of it: nothing changes.
    let _known = container.broadcast(&attempts[0]).await;
    let charged = gate.charged().await;
    assert!((3_500..=3_700).contains(&charged), "{charged}");
    container.warm().await.unwrap();
    let anew = container.sign(&action, RECORD, 0).await.unwrap();
    assert_ne!(anew[0].hash, attempts[0].hash, "another blockhash");
    hand(&container, &anew[0]).await;
    assert!(
        matches!(landed(&container, &anew[0]).await, Landing::Included(_)),
        "a trip that changes nothing succeeds"
    );
    let report = container.gate(gate.breaker, gate.scope).await.unwrap();
    assert_eq!((report.level, report.until), (Level::Closed, action.until));
    assert_eq!(gate.charged().await, charged, "charged once");
    assert_eq!(gate.trips().await.iter().filter(|tripped| **tripped).count(), 1, "in effect once");
}

/// Whoever takes the bytes keeps them: the blockhash dies, and not before that is final is the action signed anew.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_passes_on_expires_and_is_signed_anew() {
    if !node_available() {
        return;
    }
    let gate = Gate::start().await;
    let taken = "5".repeat(87);
    let swallows = Stub::start(Arc::new(move |method, _| match method {
        "sendTransaction" => json!(taken),
        _ => Value::Null,
    }));
    let swallows = swallows.await.unwrap();
    let mut config = gate.config();
    config.submission =
        serde_json::from_value(json!({ "private": [{ "operator": "dora", "http": swallows.http_url() }] }))
            .unwrap();
    let stuck = gate.container(&Solana::new(config).unwrap());
    stuck.warm().await.unwrap();
    let action = gate.action(2, 600);
    let lost = stuck.sign(&action, RECORD, 0).await.unwrap();
    hand(&stuck, &lost[0]).await;
    let began = Instant::now();
    assert_eq!(landed(&stuck, &lost[0]).await, Landing::Replaced);
    println!("dead after {} ms", began.elapsed().as_millis());
    // Signed anew, by the way that works; what is dead stays so, whoever brings it.
    let container = gate.container(&Solana::new(gate.config()).unwrap());
    container.warm().await.unwrap();
    let anew = container.sign(&action, RECORD, 0).await.unwrap();
    assert_ne!(anew[0].hash, lost[0].hash);
    hand(&container, &anew[0]).await;
    assert!(matches!(landed(&container, &anew[0]).await, Landing::Included(_)));
    let _refused_or_not = container.broadcast(&lost[0]).await;
    gate.node.reach(gate.slot().await + 8).await.unwrap();
    assert_eq!(container.landing(&lost[0]).await.unwrap(), Landing::Replaced, "dead is dead");
    assert_eq!(gate.trips().await, [true]);
}

/// A node that is two hundred slots behind tells the truth of then. It is one voice: neither its blockhash is signed with, nor its
/// state believed; where it is needed for a quorum there is none.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_two_hundred_slots_behind_is_not_believed() {
    if !node_available() {
        return;
    }
    let gate = Gate::start().await;
    let container = gate.container(&Solana::new(gate.config()).unwrap());
    let commitment = json!([{ "commitment": "confirmed" }]);
    let hash = gate.node.ask("getLatestBlockhash", commitment.clone()).await.unwrap();
    let old = gate.slot().await;
    let named = [0, 1].map(|lane| address::shown(gate.lane(lane)));
    let params = json!([named, { "commitment": "confirmed", "encoding": "base64" }]);
    let open = gate.node.ask("getMultipleAccounts", params).await.unwrap();
    gate.node.reach(old + BEHIND_SLOTS).await.unwrap();
    // The first of the operators: no order of theirs helps.
    let falls_behind = |at: usize| {
        let (hash, open) = (hash.clone(), open.clone());
        gate.proxies[at].set("getLatestBlockhash", Fault::Lie(Arc::new(move |_, _, _| Some(hash.clone()))));
        gate.proxies[at].set("getMultipleAccounts", Fault::Lie(Arc::new(move |_, _, _| Some(open.clone()))));
        gate.proxies[at].set("getSlot", Fault::Lie(Arc::new(move |_, _, _| Some(json!(old)))));
        gate.proxies[at].set(
            "getSignatureStatuses",
            Fault::Lie(Arc::new(move |_, _, _| Some(json!({ "context": { "slot": old }, "value": [null] })))),
        );
        // What it has it tells; what came since it does not have.
        gate.proxies[at].set(
            "getBlock",
            Fault::Lie(Arc::new(move |_, params, told| (params[0].as_u64()? <= old).then_some(told))),
        );
    };
    falls_behind(0);
    container.warm().await.unwrap();
    let action = gate.action(3, 600);
    let attempts = container.sign(&action, RECORD, 0).await.unwrap();
    assert_eq!(attempts.len(), 1, "nothing is signed for the old blockhash");
    let last = hash["value"]["lastValidBlockHeight"].as_u64().unwrap();
    assert!(attempts[0].nonce > last + BEHIND_SLOTS / 2, "{} after {last}", attempts[0].nonce);
    hand(&container, &attempts[0]).await;
    assert!(matches!(landed(&container, &attempts[0]).await, Landing::Included(_)), "two of three have it");
    let report = container.gate(gate.breaker, gate.scope).await.unwrap();
    assert_eq!(report.level, Level::Closed, "the truth of then was \"open\"");
    assert!(report.block.height > old + BEHIND_SLOTS / 2);
    // Two of three behind agree, on what was: that is no answer to what is.
    falls_behind(1);
    let told = container.gate(gate.breaker, gate.scope).await;
    assert!(told.is_err(), "{told:?}");
    assert!(
        !matches!(container.landing(&attempts[0]).await, Ok(Landing::Replaced)),
        "nor is what landed gone"
    );
}
