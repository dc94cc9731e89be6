//! What `portcullis check --dial` and the drill explain of a chain of this family, on scripted nodes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::arithmetic_side_effects, clippy::indexing_slicing)]

mod script;

use portcullis_adapter::{Contain, Readiness};
use script::{GATE, SCOPE, Script, action, of_kind};

fn failing<'a>(checks: &'a [Readiness], name: &str) -> Vec<&'a str> {
    let named = checks.iter().filter(|check| !check.ok && check.check.as_str() == name);
    named.map(|check| check.detail.as_str()).collect()
}

#[tokio::test]
async fn an_endpoint_of_another_chain_is_named_with_both_names() {
    let script = of_kind("guard").await;
    script.lock().network = "other-2".to_owned();
    let checks = script.chain.dial().await;
    let wrong = failing(&checks, "chain");
    assert_eq!(wrong.len(), 3, "{checks:?}");
    assert!(wrong[0].contains("other-2") && wrong[0].contains(script::NAME), "{wrong:?}");
    let (report, checks) = script.chain.dial_gate(GATE, SCOPE).await;
    assert_eq!(report, None);
    assert!(checks.len() == 1 && failing(&checks, "gate")[0].contains("nobody says"), "{checks:?}");
    let found = script.container.rehearse(&action(1)).await;
    assert!(found.is_err(), "nobody of this chain answers");
}

#[tokio::test]
async fn a_node_that_pruned_the_root_is_told_from_one_that_never_had_it() {
    let script = of_kind("guard").await;
    script.lock().earliest = 12;
    let checks = script.chain.dial().await;
    let pruned = failing(&checks, "pruned");
    assert_eq!(pruned.len(), 3, "{checks:?}");
    assert!(pruned[0].contains("from 12 on") && pruned[0].contains("starts at 1"), "{pruned:?}");
    assert!(failing(&checks, "root").is_empty(), "what is not there cannot be compared");

    script.lock().earliest = 1;
    let checks = script.chain.dial().await;
    assert!(failing(&checks, "pruned").is_empty(), "{checks:?}");
    // The scripted header of block 1 is not the pinned one.
    assert_eq!(failing(&checks, "root").len(), 3, "{checks:?}");
}

#[tokio::test]
async fn a_guard_that_is_not_instantiated_or_does_not_know_the_scope_is_explained() {
    let script = of_kind("guard").await;
    let (report, checks) = script.chain.dial_gate(GATE, SCOPE).await;
    assert!(report.is_some_and(|report| !report.registered));
    assert!(failing(&checks, "scope")[0].contains("register"), "{checks:?}");
    script.lock().instantiated = false;
    let (report, checks) = script.chain.dial_gate(GATE, SCOPE).await;
    assert_eq!(report, None);
    assert!(failing(&checks, "gate")[0].starts_with("PC-0937"), "{checks:?}");
}

async fn gate_checks(script: &Script) -> Vec<Readiness> {
    script.chain.dial_gate(GATE, SCOPE).await.1
}

#[tokio::test]
async fn a_gate_without_a_circuit_permission_can_close_nothing_and_says_so() {
    let script = of_kind("gate").await;
    let checks = gate_checks(&script).await;
    let lacking = failing(&checks, "circuit");
    assert!(lacking[0].contains("LEVEL_SOME_MSGS") && lacking[0].contains("/a.B"), "{checks:?}");
    script.lock().circuit = Some(1);
    assert_eq!(failing(&gate_checks(&script).await, "circuit").len(), 1, "of another message it is none");
    script.lock().circuit = Some(2);
    assert!(failing(&gate_checks(&script).await, "circuit").is_empty());
    script.lock().circuit = None;
    script.lock().targets =
        serde_json::json!([{ "target": { "switch": { "pausable": { "account": "wasm1x" } } } }]);
    assert!(failing(&gate_checks(&script).await, "circuit").is_empty(), "what pauses a contract needs none");
    script.lock().targets = serde_json::json!([]);
    assert!(failing(&gate_checks(&script).await, "circuit")[0].contains("closes nothing"));
    let guard = of_kind("guard").await;
    assert!(failing(&gate_checks(&guard).await, "circuit").is_empty(), "a guard needs none");
}

#[tokio::test]
async fn the_key_must_not_hold_the_power_itself() {
    let script = of_kind("gate").await;
    let lacking = script.container.rehearse(&action(1)).await.unwrap();
    assert!(failing(&lacking, "circuit")[0].contains("LEVEL_SOME_MSGS"), "the Gate must: {lacking:?}");
    script.lock().targets =
        serde_json::json!([{ "target": { "switch": { "pausable": { "account": "wasm1x" } } } }]);
    let checks = script.container.rehearse(&action(1)).await.unwrap();
    assert!(failing(&checks, "circuit").is_empty(), "{checks:?}");
    script.lock().circuit = Some(3);
    let checks = script.container.rehearse(&action(1)).await.unwrap();
    assert!(failing(&checks, "circuit")[0].contains("take that from it"), "{checks:?}");
}

#[tokio::test]
async fn a_nested_message_is_tried_only_while_its_type_is_tripped() {
    let script = of_kind("gate").await;
    let nested = async |script: &Script| {
        let checks = script.container.rehearse(&action(1)).await.unwrap();
        let found = checks.iter().filter(|check| check.check.as_str() == "nested");
        found.map(|check| (check.ok, check.detail.clone())).collect::<Vec<_>>()
    };
    let found = nested(&script).await;
    assert!(found.len() == 1 && found[0].0 && found[0].1.starts_with("not tried"), "{found:?}");

    script.lock().tripped = vec!["/cosmos.bank.v1beta1.MsgSend".to_owned()];
    let found = nested(&script).await;
    assert!(
        !found[0].0 && found[0].1.contains("gets through") && found[0].1.contains("(authz)"),
        "{found:?}"
    );
    assert!(!found[1].0 && found[1].1.contains("(gov)") && found[1].1.contains("get through"), "{found:?}");
    let checks = script.container.rehearse(&action(1)).await.unwrap();
    let reported = checks.iter().find(|check| check.detail.contains("operators report tripped")).unwrap();
    assert!(reported.detail.starts_with("3 of 3") || reported.detail.starts_with("2 of 3"), "{reported:?}");

    script.lock().simulation = Some(("undefined".to_owned(), 1));
    let found = nested(&script).await;
    assert!(found[0].0 && found[0].1.contains("(authz) is refused"), "{found:?}");
    assert!(found[1].0 && found[1].1.contains("is refused when it is handed in"), "{found:?}");

    script.lock().simulation = Some(("sdk".to_owned(), 5));
    let found = nested(&script).await;
    assert!(found[1].0 && found[1].1.contains("not tried, the key cannot pay"), "{found:?}");
    script.lock().deposit.clear();
    let found = nested(&script).await;
    assert!(found[1].0 && found[1].1.contains("(gov) was not tried"), "{found:?}");
    assert!(script.lock().received.is_empty(), "nothing is handed in");
}
