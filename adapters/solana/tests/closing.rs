//! Closing a guard on a real node: signed, sent, landed, and reported closed by a quorum.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic
)]

mod support;

use std::sync::Arc;

use portcullis_adapter::{Attempt, Contain, Landing, Level, Prove};
use portcullis_rpc::testing::Fault;
use portcullis_solana::{Solana, SolanaConfig, address, devnet::account, signer::Signer};
use portcullis_verifier::{Assurance, B256, ChainId, System, Verdict, solana::ReportSystem};
use serde_json::json;
use support::{
    gate::{Gate, PROGRAM, RECORD, landed, trust},
    node_available,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trip_lands_and_the_gate_is_reported_closed_by_the_quorum_and_never_proven() {
    if !node_available() {
        return;
    }
    let gate = Gate::start().await;
    let solana = Solana::new(gate.config()).unwrap();
    let (container, prover) = (gate.container(&solana), solana.prover());
    let before = container.gate(gate.breaker, gate.scope).await.unwrap();
    assert_eq!((before.registered, before.level), (true, Level::Open));
    let action = gate.action(1, 600);
    for ready in container.rehearse(&action).await.unwrap() {
        assert!(ready.ok, "{ready:?}");
    }
    let attempts = container.sign(&action, RECORD, 0).await.unwrap();
    assert_eq!(attempts.len(), 1, "one blockhash that a quorum calls valid, one lane");
    assert_eq!(container.sign(&action, RECORD, 0).await.unwrap(), attempts, "the same bytes again");
    assert_eq!(
        container.sign(&action, RECORD, 1).await.unwrap().len(),
        2,
        "both lanes from the second step on"
    );
    let slot = gate.node.head().await.unwrap().height;
    let sent = container.broadcast(&attempts[0]).await;
    assert_eq!(sent.replies.iter().filter(|reply| reply.accepted).count(), 3, "{sent:?}");
    let Landing::Included(block) = landed(&container, &attempts[0]).await else { panic!("included") };
    println!("sent after slot {slot}, landed in slot {}", block.height);
    let after = container.gate(gate.breaker, gate.scope).await.unwrap();
    assert_eq!((after.level, after.until), (Level::Closed, action.until));
    // The effect is what operators say, and is called so.
    let claim = container.effect(&action, block);
    let evidence = prover.evidence(&claim).await.unwrap();
    let Verdict::Proven(assurance) = ReportSystem::default().verify(&claim, &evidence, &trust(2)) else {
        panic!("reported")
    };
    assert!(
        assurance.meets(&Assurance::reported(2, 3))
            && !assurance.meets(&Assurance::proved_under_quorum(2, 3))
    );
    // A longer closure than the one in force is not reported by anybody.
    let longer = container.effect(&gate.action(1, 5_000), block);
    let evidence = prover.evidence(&longer).await.unwrap();
    assert!(matches!(ReportSystem::default().verify(&longer, &evidence, &trust(2)), Verdict::Refuted(..)));
}

/// The first account of the scope may be write-locked by an attacker: the second one closes as well.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_account_brings_the_tripper_s_signature_to_the_second_lane() {
    if !node_available() {
        return;
    }
    let gate = Gate::start().await;
    let solana = Solana::new(gate.config()).unwrap();
    let container = gate.container(&solana);
    container.warm().await.unwrap();
    let action = gate.action(2, 900);
    let carried = container.carry(&action, RECORD, 0).await.unwrap();
    assert_eq!(carried[0].sender, account(2).unwrap().account(), "the carrier pays");
    container.broadcast(&carried[0]).await;
    assert!(matches!(landed(&container, &carried[0]).await, Landing::Included(_)));
    let after = container.gate(gate.breaker, gate.scope).await.unwrap();
    assert_eq!((after.level, after.until), (Level::Closed, action.until));
    // A stranger's key closes nothing, and the reason is told by its number.
    let stranger = solana.container(Arc::new(account(0).unwrap()));
    let attempts = stranger.sign(&gate.action(3, 5_000), RECORD, 0).await.unwrap();
    stranger.broadcast(&attempts[0]).await;
    let Landing::Reverted(_, why) = landed(&stranger, &attempts[0]).await else { panic!("reverted") };
    assert!(why.starts_with("PC-096"), "{why}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_liar_changes_nothing_and_bytes_that_expired_are_dead() {
    if !node_available() {
        return;
    }
    let gate = Gate::start().await;
    let solana = Solana::new(gate.config()).unwrap();
    let container = gate.container(&solana);
    // A blockhash that no chain has: two of three call another one valid.
    let lie = json!({ "context": { "slot": 1 }, "value": {
        "blockhash": "QRSsyMWN1yHT9ir42bgNZUNZ4PdEhcSWCrL2AryKpy5", "lastValidBlockHeight": u64::MAX } });
    gate.proxies[1].set("getLatestBlockhash", Fault::Lie(Arc::new(move |_, _, _| Some(lie.clone()))));
    container.warm().await.unwrap();
    let attempts = container.sign(&gate.action(4, 600), RECORD, 0).await.unwrap();
    assert_eq!(attempts.len(), 1, "the liar's is not signed for");
    container.broadcast(&attempts[0]).await;
    assert!(matches!(landed(&container, &attempts[0]).await, Landing::Included(_)));
    // Signed and never sent: once a final block lies above its last height it can never land.
    let unsent =
        Attempt { nonce: 1, ..container.sign(&gate.action(5, 900), RECORD, 0).await.unwrap()[0].clone() };
    gate.node.reach(64).await.unwrap();
    assert_eq!(landed(&container, &unsent).await, Landing::Replaced);
    // Of a state, too, one operator's word is nothing.
    let nobody = json!({ "context": { "slot": u64::MAX }, "value": [null, null] });
    gate.proxies[2].set("getMultipleAccounts", Fault::Lie(Arc::new(move |_, _, _| Some(nobody.clone()))));
    let report = container.gate(gate.breaker, gate.scope).await.unwrap();
    assert_eq!(report.level, Level::Closed);
    for proxy in &gate.proxies {
        proxy.go_dark();
    }
    assert!(
        container.gate(gate.breaker, gate.scope).await.is_err(),
        "darkness is no open gate and no closed one"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dialling_names_what_is_missing() {
    if !node_available() {
        return;
    }
    let gate = Gate::start().await;
    let solana = Solana::new(gate.config()).unwrap();
    for ready in solana.dial().await {
        assert!(ready.ok, "{ready:?}");
    }
    let (report, checks) = solana.dial_gate(gate.breaker, gate.scope).await;
    assert!(
        report.is_some_and(|report| report.registered) && checks.iter().all(|check| check.ok),
        "{checks:?}"
    );
    let unknown = B256::repeat_byte(9);
    let (_, checks) = solana.dial_gate(gate.breaker, unknown).await;
    assert!(checks.iter().any(|check| !check.ok && check.detail.contains("PC-0965")), "{checks:?}");
    let change = |from: &str, to: &str| -> SolanaConfig {
        let target = format!("{}@{PROGRAM}", address::shown(gate.breaker));
        let mut config = gate.config();
        config.targets[0].address = target.replace(from, to);
        config
    };
    let no_program = Solana::new(change(PROGRAM, "GgBaCs3NCBuZN12kCJgAW63ydqohFkHEdfdEXBPzLHq")).unwrap();
    let (report, checks) = no_program.dial_gate(gate.breaker, gate.scope).await;
    assert!(report.is_none() && checks.iter().any(|check| check.detail.contains("no program is deployed")));
    let shown = address::shown(gate.breaker);
    let other = account(1).unwrap().account();
    let no_breaker = Solana::new(change(&shown, &address::shown(other))).unwrap();
    let (report, checks) = no_breaker.dial_gate(other, gate.scope).await;
    assert!(
        report.is_none() && checks.iter().any(|check| check.detail.contains("no breaker account")),
        "{checks:?}"
    );
    // Another cluster.
    let mut elsewhere = gate.config();
    elsewhere.chain = ChainId::new("solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp").unwrap();
    let checks = Solana::new(elsewhere).unwrap().dial().await;
    assert_eq!(checks.iter().filter(|check| check.detail.contains("PC-0951")).count(), 3, "{checks:?}");
    // A key without a role, and without money.
    let poor = solana.container(Arc::new(account(7).unwrap()));
    let checks = poor.rehearse(&gate.action(6, 600)).await.unwrap();
    let failed: Vec<&str> =
        checks.iter().filter(|check| !check.ok).map(|check| check.check.as_str()).collect();
    assert_eq!(failed, ["role", "balance", "simulation"], "{checks:?}");
}
