//! The committed contracts on a real node: what they do there, what they refuse, and where proofs find it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    missing_docs
)]

mod support;

use std::time::Duration;

use portcullis_node::{Key, bank_send, contract_address, execute};
use serde_json::{Value, json};
use sha3::{Digest, Keccak256};
use support::{Chain, everything, program, trip, word};

const SEND: &str = "/cosmos.bank.v1beta1.MsgSend";
const MULTI_SEND: &str = "/cosmos.bank.v1beta1.MsgMultiSend";

/// The names of the contract's events, in order, without what was not shown.
fn names(landed: &portcullis_node::Landed) -> Vec<&str> {
    landed.events.iter().filter_map(|(name, _)| name.strip_prefix("wasm-")).collect()
}

#[test]
fn guard_and_bridge_on_a_node_and_the_state_that_proves_it() {
    let Some(wasmd) = program() else { return };
    let mut chain = Chain::start(&wasmd, Vec::new(), Duration::from_millis(20));
    let (guard_code, bridge_code) = (chain.store("guard"), chain.store("demo_bridge"));
    let guard = chain.instantiate(guard_code, &Chain::config());
    let bridge = chain.instantiate(
        bridge_code,
        &json!({"guard": guard, "bridge": word(9), "updater": Chain::address("other")}),
    );
    let tripper = Chain::address("tripper");
    let set_up = [
        json!({"grant_tripper": {"account": tripper, "budget_seconds": 43200}}),
        json!({"register_bridge": {"bridge": word(9), "consumer": bridge}}),
        json!({"register_scope": everything(9)}),
        json!({"seal": {}}),
    ];
    chain.call("owner", &guard, &set_up);
    let scope = chain.ask(&guard, &json!({"scope_of": everything(9)}));
    chain.call(
        "owner",
        &bridge,
        &[
            json!({"register_token": {"token": "stake", "is_home": true}}),
            json!({"register_token": {"token": "transfer/channel-7/uatom", "is_home": false}}),
            json!({"upgrade": {}}),
        ],
    );
    let lock = json!({"send": {
        "destination": 1, "token": "stake", "amount": "1000", "recipient": "0xaa", "message_id": "1",
    }});
    let deposited = execute(&Chain::address("other"), &bridge, &lock.to_string(), &[(1000, "stake")]);
    assert_eq!(names(&chain.send("other", &[deposited])), ["Deposited"]);

    // After the upgrade anyone may take what nobody proved; the guard lets it out while it is open.
    let theft = |id: u64, token: &str| {
        json!({"process": {
            "origin": 1, "message_id": id.to_string(), "token": token, "amount": "10",
            "recipient": Chain::address("stranger"), "nonce": "0",
        }})
    };
    let stolen = chain.call("stranger", &bridge, &[theft(1, "stake"), theft(2, "transfer/channel-7/uatom")]);
    assert_eq!(names(&stolen), ["Released", "Minted"]);
    // What was said stands in the state, where it can be proven.
    let stranger = Chain::address("stranger");
    let said = [
        "wasm-Released",
        "origin",
        "1",
        "messageId",
        "1",
        "token",
        "stake",
        "recipient",
        &stranger,
        "amount",
        "10",
    ];
    let mut record =
        [&[3], &portcullis_node::address_bytes(&bridge).unwrap()[..], &[0, 8], b"recorded"].concat();
    record.extend(keccak(&said));
    let (value, _, operations) = chain.client.prove("wasm", &record).unwrap();
    assert_eq!((value, operations.as_array().map(Vec::len)), (stolen.height.to_be_bytes().to_vec(), Some(2)));

    let until = chain.time() + 3_600;
    assert_eq!(
        chain.refused("stranger", &guard, &trip(&scope, until)),
        format!("NotTripper caller={}", Chain::address("stranger"))
    );
    let tripped = chain.call("tripper", &guard, &[trip(&scope, until)]);
    assert_eq!((names(&tripped), tripped.data()), (vec!["Tripped"], vec![Some(json!(true))]));
    println!("a trip uses {} gas", tripped.gas_used);
    assert_eq!(tripped.attribute("wasm-Tripped", "until"), Some(until.to_string().as_str()));
    let scope_text = scope.as_str().unwrap();
    for (id, token) in [(3, "stake"), (4, "transfer/channel-7/uatom")] {
        let refused = chain.refused("stranger", &bridge, &theft(id, token));
        assert!(refused.contains(&format!("ScopeClosed scope={scope_text}")), "{refused}");
    }

    // The state, where the README says that proofs find it.
    let mut key = vec![3];
    key.extend(portcullis_node::address_bytes(&guard).unwrap());
    key.extend([0, 5]);
    key.extend(b"scope");
    key.extend((0..32).map(|at| u8::from_str_radix(&scope_text[2 * at..2 * at + 2], 16).unwrap()));
    let (value, height, operations) = chain.client.prove("wasm", &key).unwrap();
    let closed_until = value[25..30].iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
    assert_eq!((value.len(), value[31], closed_until), (32, 1, until));
    assert!(height >= tripped.height);
    let kinds: Vec<&str> =
        operations.as_array().unwrap().iter().filter_map(|op| op["type"].as_str()).collect();
    assert_eq!(kinds, ["ics23:iavl", "ics23:simple"]);
    // One byte further nothing lies, and that is proven too.
    key.push(0);
    let (value, _, operations) = chain.client.prove("wasm", &key).unwrap();
    assert_eq!((value.len(), operations.as_array().map(Vec::len)), (0, Some(2)));

    let release = json!({"release": {"scope": scope, "to": 0, "generation": 0, "closed_until": until}});
    assert!(chain.refused("tripper", &guard, &release).starts_with("NotReleaser"));
    chain.call("releaser", &guard, &[release]);
    chain.call("stranger", &bridge, &[theft(5, "stake")]);
}

#[test]
fn a_gate_closes_message_types_by_the_circuit_and_opens_only_its_own() {
    let Some(wasmd) = program() else { return };
    // The gate is the first contract of the first code: its address is known before the chain begins.
    let gate = contract_address(1, 1).unwrap();
    let types = vec![SEND.to_owned(), MULTI_SEND.to_owned()];
    let other = (Chain::address("other"), vec![MULTI_SEND.to_owned()]);
    let mut chain = Chain::start(&wasmd, vec![(gate.clone(), types), other], Duration::from_millis(20));
    let code = chain.store("gate");
    assert_eq!(chain.instantiate(code, &Chain::config()), gate);
    let scope = chain.ask(&gate, &json!({"scope_of": everything(9)}));
    let target = |type_url: &str| {
        json!({"add_target": {"scope": scope, "target": {
            "switch": {"circuit": {"type_url": type_url}}, "from_level": 2,
        }}})
    };
    let set_up = [
        json!({"grant_tripper": {"account": Chain::address("tripper"), "budget_seconds": 43200}}),
        json!({"register_scope": everything(9)}),
        target(SEND),
        target("/cosmos.bank.v1beta1.MsgMultiSend"),
        target("/cosmos.staking.v1beta1.MsgDelegate"),
        json!({"seal": {}}),
    ];
    chain.call("owner", &gate, &set_up);
    let pay = || bank_send(&Chain::address("stranger"), &Chain::address("heir"), 5, "stake");
    chain.send("stranger", &[pay()]);

    // A longer closure than it needs: the test waits for its end, not for a time that it guessed.
    let until = chain.time() + 8;
    let tripped = chain.call("tripper", &gate, &[trip(&scope, until)]);
    println!("a trip of a gate with three targets uses {} gas", tripped.gas_used);
    assert_eq!(names(&tripped), ["Tripped", "TargetClosed", "TargetClosed", "TargetFailed"]);
    let refused = chain.client.send(&Key::named("stranger").unwrap(), &[pay()]);
    let refused = match refused {
        Ok(landed) => landed.log,
        Err(error) => error.to_string(),
    };
    assert!(refused.contains("tx type not allowed"), "{refused}");
    let marks = |chain: &Chain| -> Vec<Value> {
        let views = chain.ask(&gate, &json!({"targets_of": {"scope": scope}}));
        views.as_array().unwrap().iter().map(|view| view["mark"].clone()).collect()
    };
    assert_eq!(marks(&chain), ["ours", "ours", "failed"], "without permission for it the third one failed");
    assert_eq!(
        enforced_until(&chain, &gate, &scope),
        0,
        "one that did not follow takes back what the others are worth"
    );
    // A repetition fails nothing, though the circuit refuses to close twice.
    let again = chain.call("tripper", &gate, &[trip(&scope, until)]);
    assert_eq!(names(&again), ["TripIgnored", "TargetFailed"]);
    assert_eq!(
        marks(&chain),
        ["ours", "ours", "failed"],
        "closed already is no failure of what the gate closed"
    );

    // Meanwhile others open one of them.
    let reset = portcullis_node::circuit_reset(&Chain::address("other"), MULTI_SEND);
    chain.send("other", &[reset]);
    chain.wait_until(until);
    let restored = chain.call("stranger", &gate, &[json!({"restore": {"scope": scope}})]);
    assert_eq!(names(&restored), ["TargetRestored", "TargetRestored"]);
    let by_gate: Vec<&str> = restored
        .events
        .iter()
        .filter(|(name, _)| name == "wasm-TargetRestored")
        .filter_map(|(_, fields)| {
            fields.iter().find(|(key, _)| key == "byGate").map(|(_, value)| value.as_str())
        })
        .collect();
    assert_eq!(by_gate, ["true", "false"]);
    assert_eq!(marks(&chain), ["open", "open", "failed"]);
    chain.send("stranger", &[pay()]);
}

/// Until when a scope's closure is enforced, where the README says that proofs find it.
fn enforced_until(chain: &Chain, gate: &str, scope: &Value) -> u64 {
    let mut key = vec![3];
    key.extend(portcullis_node::address_bytes(gate).unwrap());
    key.extend([0, 8]);
    key.extend(b"enforced");
    let scope = scope.as_str().unwrap();
    key.extend((0..32).map(|at| u8::from_str_radix(&scope[2 * at..2 * at + 2], 16).unwrap()));
    let (value, _, operations) = chain.client.prove("wasm", &key).unwrap();
    assert_eq!((value.len(), value[31], operations.as_array().map(Vec::len)), (32, 1, Some(2)));
    value[25..30].iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte))
}

/// The digest of a record: each text with its length before it.
fn keccak(texts: &[&str]) -> [u8; 32] {
    let mut hasher = Keccak256::new();
    for text in texts {
        hasher.update(u32::try_from(text.len()).unwrap().to_be_bytes());
        hasher.update(text);
    }
    hasher.finalize().into()
}
