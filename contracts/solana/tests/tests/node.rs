//! The same programs on a validator: a slice of the vectors, the demonstration bridge with a mint of the chain's own token
//! program, and a gate that pauses a mint of Token-2022.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::path::Path;

use portcullis_solana_tests::address::{padded, text};
use portcullis_solana_tests::fixture::{caip2, config, out};
use portcullis_solana_tests::token::{amount, make_holder, make_mint, spl_token};
use portcullis_solana_tests::{
    Bridge, Chain, Failed, Gate, Guard, Ix, Key, Landed, Node, Parts, Payout, Trip, Word, events, program,
    run, validator,
};
use serde_json::Value;

/// Cases that need no clock, by file: each is a guard of its own and some twenty transactions.
const SHOWN: [(&str, usize); 4] = [("trips", 3), ("signed", 2), ("scopes", 3), ("release", 2)];

/// Whether nothing in the case depends on the second in which a transaction lands.
fn needs_no_clock(case: &Value) -> bool {
    let text = case.to_string();
    let says_time =
        ["leftSeconds", "TripClipped", "OperationScheduled", "NotReady", "Height\":1", "Height\":3"];
    let steps = case["steps"].as_array().unwrap();
    steps.iter().all(|step| {
        let number = |key: &str| step["args"][key].as_u64().unwrap_or_default();
        step.get("time").is_none()
            && step.get("height").is_none()
            && number("untilHeight") == 0
            && number("until") <= 14_400
    }) && !says_time.iter().any(|word| text.contains(word))
}

#[test]
fn vectors_bridge_and_gate_hold_on_the_validator() {
    let Some(program_of_validator) = validator() else {
        let required = std::env::var_os("PORTCULLIS_REQUIRE_ALL").is_some_and(|all| all == "1");
        assert!(
            !required,
            "no solana-test-validator: PORTCULLIS_SOLANA_VALIDATOR, or `cargo xtask setup --only solana`"
        );
        println!("SKIPPED: no solana-test-validator here; `cargo xtask setup --only solana` brings it");
        return;
    };
    let home = tempfile::tempdir().unwrap();
    let mut node =
        Node::start(&program_of_validator, home.path(), &["guard", "gate", "demo_bridge"]).unwrap();
    vectors(&mut node);
    bridge(&mut node);
    gate(&mut node);
}

/// Each case is a guard of its own and some twenty transactions.
fn vectors(node: &mut Node) {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../vectors"));
    for (file, wanted) in SHOWN {
        let left = std::cell::Cell::new(wanted);
        let chosen = |case: &Value| {
            let take = left.get() > 0 && needs_no_clock(case);
            left.set(left.get() - usize::from(take));
            take
        };
        let count = run(node, &program("guard"), (folder, file), 0, &chosen)
            .unwrap_or_else(|error| panic!("{error}"));
        println!("{file}: {} cases, {} steps on the validator", count.cases, count.steps);
        assert_eq!(count.cases, wanted, "{file}");
    }
}

fn send(node: &mut Node, instructions: &[Ix], names: &[&str]) -> Result<Landed, Failed> {
    let keys: Vec<Key> = names.iter().map(|name| Key::named(name)).collect();
    node.send(instructions, &keys.iter().collect::<Vec<_>>())
}

fn key(name: &str) -> Word {
    Key::named(name).address()
}

/// A guard or a gate of this name, with a tripper.
fn begin(node: &mut Node, kind: &str, name: &str) -> Guard {
    let guard = Guard::of(program(kind), &key("creator"), &text(name), caip2());
    let first = guard.initialize(&key("owner"), &key("creator"), &text(name), &config());
    let grant = guard.grant_tripper(&key("owner"), &key("tripper"), 43_200);
    send(node, &[first, grant], &["owner", "creator"]).unwrap();
    guard
}

/// A trip of everything for an hour, seen from now.
fn trip(node: &Node, guard: &Guard) -> Trip {
    Trip {
        scope: guard.scope_id(&out("*", "*")),
        level: 2,
        until: node.now().0 + 3_600,
        until_height: 0,
        incident: [1; 32],
        record: [2; 32],
        generation: 0,
    }
}

/// Value leaves while nothing is closed, and does not when a trip has landed.
fn bridge(node: &mut Node) {
    let (owner, guard) = (key("owner"), begin(node, "guard", "of the bridge"));
    let bridge = Bridge::of(program("demo_bridge"), &owner, &text("demo"), text("bridge"), guard);
    let (mint, holder) = (key("the mint"), key("the holder"));
    send(node, &make_mint(&owner, &mint, &bridge.demo, None), &["owner", "the mint"]).unwrap();
    send(node, &make_holder(&owner, &holder, &mint, &key("thief")), &["owner", "the holder"]).unwrap();
    let first = bridge.initialize(&owner, &text("demo"), &key("updater"));
    let token = bridge.register_token(&owner, &mint, &holder, false);
    send(node, &[first, token, bridge.upgrade(&owner)], &["owner"]).unwrap();
    let everything = Parts { bridge: text("bridge"), direction: 2, corridor: [0; 32], asset: [0; 32] };
    let bridge_known = guard.register_bridge(&owner, &text("bridge"), &bridge.demo);
    let sealed = [bridge_known, guard.register_scope(&owner, &everything), guard.of_owner(9, &owner)];
    send(node, &sealed, &["owner"]).unwrap();
    let payout = |nonce: u64| Payout {
        origin: 7,
        id: padded(nonce),
        mint,
        amount: 1_000,
        to: holder,
        nonce: padded(nonce),
    };
    let flow = bridge.flow(&payout(1));
    send(node, &[guard.route(&key("thief"), &flow)], &["thief"]).unwrap();
    let route = node.account(&guard.route_of(&flow)).unwrap().1;
    let take = |nonce| bridge.process(&key("thief"), &payout(nonce), &holder, &spl_token(), &route);
    let done = send(node, &[take(1)], &["thief"]).unwrap();
    assert!(events(&done.logs).iter().any(|event| event.name == "Minted"), "{:#?}", done.logs);
    assert_eq!(amount(&node.account(&holder).unwrap().1), 1_000);
    let closing = trip(node, &guard);
    let done = send(node, &[guard.trip(&key("tripper"), &closing, 0)], &["tripper"]).unwrap();
    assert_eq!(events(&done.logs)[0].name, "Tripped");
    let refused = send(node, &[take(2)], &["thief"]).map(|_| "passed").unwrap_err();
    assert_eq!(refused.code, Some(7030), "{refused:?}");
    assert_eq!(amount(&node.account(&holder).unwrap().1), 1_000);
}

/// One transaction trips and pauses.
fn gate(node: &mut Node) {
    let (owner, gate) = (key("owner"), Gate(begin(node, "gate", "of the mint")));
    let (mint, scope) = (key("the paused mint"), gate.0.scope_id(&out("*", "*")));
    let made = make_mint(&owner, &mint, &owner, Some(&gate.0.breaker));
    send(node, &made, &["owner", "the paused mint"]).unwrap();
    let register = gate.0.register_scope(&owner, &out("*", "*"));
    let target = gate.add_target(&owner, &scope, &mint, 2);
    send(node, &[register, target, gate.0.of_owner(9, &owner)], &["owner"]).unwrap();
    let paused = |node: &Node| node.account(&mint).unwrap().1[202];
    assert_eq!(paused(node), 0);
    let closing = trip(node, &gate.0);
    let both = [gate.0.trip(&key("tripper"), &closing, 0), gate.settle(32, &scope, &mint)];
    send(node, &both, &["tripper"]).unwrap();
    assert_eq!(paused(node), 1);
    let release = gate.0.release(&key("releaser"), &scope, 0, (0, closing.until), 0);
    send(node, &[release, gate.settle(33, &scope, &mint)], &["releaser"]).unwrap();
    assert_eq!(paused(node), 0);
}
