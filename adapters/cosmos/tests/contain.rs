//! Closing gates on scripted nodes: what each refusal means for what is signed and sent next.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::arithmetic_side_effects, clippy::indexing_slicing)]

mod script;

use std::{sync::Arc, time::Duration};

use cosmrs::proto::cosmos::tx::v1beta1::{AuthInfo, TxRaw};
use portcullis_adapter::{Attempt, Class, Contain, Landing, Level};
use portcullis_cosmos::contain::guard::{Field, scope_key};
use portcullis_rpc::testing::Fault;
use portcullis_verifier::{B256, Claim, Relation, U256, keccak256};
use prost::Message;
use script::{GATE, NOW, RECORD, SCOPE, Script, action, not_answered, script};
use serde_json::{Value, json};

const ACCOUNT: &str = "/cosmos.auth.v1beta1.Query/Account";

async fn signed(script: &Script, id: u8, bump: u16) -> Vec<Attempt> {
    script.container.sign(&action(id), RECORD, bump).await.unwrap()
}

/// Sequence and fee that the bytes really carry.
fn carried(attempt: &Attempt) -> (u64, u128) {
    let raw = TxRaw::decode(attempt.bytes.as_slice()).unwrap();
    let auth = AuthInfo::decode(raw.auth_info_bytes.as_slice()).unwrap();
    let fee = auth.fee.unwrap().amount[0].amount.parse().unwrap();
    (auth.signer_infos[0].sequence, fee)
}

fn accepted(sent: &portcullis_adapter::Broadcast) -> usize {
    sent.replies.iter().filter(|reply| reply.accepted).count()
}

#[tokio::test]
async fn signing_uses_what_warming_left_and_asks_nobody() {
    let script = script().await;
    script.container.warm().await.unwrap();
    let asked = script.asked(ACCOUNT);
    let attempts = signed(&script, 1, 0).await;
    assert_eq!(script.asked(ACCOUNT), asked);
    assert_eq!(attempts.len(), 1);
    assert_eq!((attempts[0].nonce, carried(&attempts[0]).0), (5, 5));
    assert_eq!(signed(&script, 1, 0).await, attempts, "the same bytes for the same arguments");
    let sent = script.container.broadcast(&attempts[0]).await;
    assert_eq!(accepted(&sent), 3, "{sent:?}");
    assert!(script.lock().received.iter().all(|(_, bytes)| *bytes == attempts[0].bytes));
}

#[tokio::test]
async fn a_lie_about_the_sequence_costs_a_candidate_and_nothing_else() {
    let script = script().await;
    script.lock().sequence = 900;
    // Two operators' answers are cut off while the liar's are read, and the other way round.
    for proxy in &script.proxies[1..] {
        proxy.set_times("abci_query", Fault::Drop, 2);
    }
    script.container.warm().await.unwrap();
    script.lock().sequence = 5;
    script.proxies[0].set_times("abci_query", Fault::Drop, 2);
    script.container.warm().await.unwrap();
    let nonces: Vec<u64> = signed(&script, 1, 0).await.iter().map(|attempt| attempt.nonce).collect();
    assert_eq!(nonces, [5, 900], "the common one first");
}

#[tokio::test]
async fn after_a_mismatch_the_sequence_is_read_again_before_anything_is_signed() {
    let script = script().await;
    let first = signed(&script, 1, 0).await.remove(0);
    let asked = script.asked(ACCOUNT);
    script.lock().sync = ("sdk".to_owned(), 32);
    let sent = script.container.broadcast(&first).await;
    assert_eq!(accepted(&sent), 0);
    assert!(sent.replies[0].detail.starts_with("PC-0931"), "{sent:?}");
    script.lock().sequence = 7;
    let again = signed(&script, 1, 0).await;
    assert!(script.asked(ACCOUNT) > asked, "read, not guessed");
    let nonces: Vec<u64> = again.iter().map(|attempt| attempt.nonce).collect();
    assert_eq!(nonces, [7, 8], "and behind what a node has waiting");
}

#[tokio::test]
async fn after_a_silence_nothing_that_was_known_is_trusted() {
    let script = script().await;
    let first = signed(&script, 1, 0).await.remove(0);
    let asked = script.asked(ACCOUNT);
    for proxy in &script.proxies {
        proxy.set_times("broadcast_tx_sync", Fault::Drop, 1);
    }
    let sent = script.container.broadcast(&first).await;
    assert_eq!(accepted(&sent), 0);
    // It had arrived all the same.
    script.lock().sequence = 6;
    let again = signed(&script, 1, 0).await;
    assert!(script.asked(ACCOUNT) > asked);
    assert_eq!(again.iter().map(|attempt| attempt.nonce).collect::<Vec<_>>(), [6]);
    for proxy in &script.proxies {
        proxy.set("broadcast_tx_sync", Fault::Drop);
    }
    script.container.broadcast(&again[0]).await;
    for proxy in &script.proxies {
        proxy.go_dark();
    }
    let unknown = script.container.sign(&action(1), RECORD, 0).await.unwrap_err();
    assert_eq!(unknown.class, Class::Transient, "without an answer nothing is signed");
}

#[tokio::test]
async fn a_price_that_is_refused_is_raised_and_one_that_is_told_is_met_at_once() {
    let script = script().await;
    let first = signed(&script, 1, 0).await.remove(0);
    script.lock().sync = ("sdk".to_owned(), 13);
    let sent = script.container.broadcast(&first).await;
    assert!(sent.replies.iter().all(|reply| reply.detail.starts_with("PC-0933")), "{sent:?}");
    let second = signed(&script, 1, 0).await.remove(0);
    assert_eq!((first.bump, second.bump), (0, 1));
    assert!(second.fee > first.fee && carried(&second).1 > carried(&first).1);
    script.lock().sync = (String::new(), 0);
    script.container.broadcast(&second).await;
    assert_eq!(signed(&script, 2, 0).await[0].bump, 0, "what was taken is no reason to pay more");

    script.lock().least_price = "1.5stake".to_owned();
    script.container.warm().await.unwrap();
    let dear = signed(&script, 3, 0).await.remove(0);
    assert!(dear.fee >= 1_500_000_000 && carried(&dear).1 >= 600_000, "{dear:?}");
}

#[tokio::test]
async fn one_liar_cannot_make_trips_dear() {
    let script = script().await;
    script.proxies[1].set(
        "abci_query",
        Fault::Lie(Arc::new(|_, params, honest| {
            if !params["path"].as_str().unwrap_or_default().ends_with("/Config") {
                return Some(honest);
            }
            // Field 1, nine bytes: "9.9stake" is eight.
            Some(json!({ "response": { "code": 0, "value": "Cgg5LjlzdGFrZQ==", "height": "1" } }))
        })),
    );
    script.container.warm().await.unwrap();
    assert_eq!(signed(&script, 1, 0).await[0].bump, 0);
}

#[tokio::test]
async fn a_node_that_has_the_bytes_took_them_and_a_full_one_did_not() {
    let script = script().await;
    let attempt = signed(&script, 1, 0).await.remove(0);
    for proxy in &script.proxies {
        proxy.set("broadcast_tx_sync", not_answered("tx already exists in cache"));
    }
    let full = script.container.broadcast(&attempt).await;
    assert_eq!(accepted(&full), 0);
    assert!(full.replies[0].detail.starts_with("PC-0932"), "{full:?}");
    script.lock().waiting.push(attempt.bytes.clone());
    let known = script.container.broadcast(&attempt).await;
    assert_eq!(accepted(&known), 3, "{known:?}");
    script.lock().waiting.clear();
    let listed_late = async {
        // Each node was asked once for what waits, and had nothing: it is still looking at the bytes.
        while script.lock().waiting_asked < script.proxies.len() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        script.lock().waiting.push(attempt.bytes.clone());
    };
    script.lock().waiting_asked = 0;
    let (late, ()) = tokio::join!(script.container.broadcast(&attempt), listed_late);
    assert_eq!(accepted(&late), 3, "a node that is still looking at the bytes has them: {late:?}");
    for refused in
        [("sdk", 20, "PC-0932"), ("sdk", 11, "PC-0934"), ("sdk", 5, "PC-0935"), ("sdk", 4, "PC-0936")]
    {
        script.proxies.iter().for_each(|proxy| proxy.heal());
        script.lock().sync = (refused.0.to_owned(), refused.1);
        let sent = script.container.broadcast(&attempt).await;
        assert!(sent.replies.iter().all(|r| !r.accepted && r.detail.starts_with(refused.2)), "{sent:?}");
    }
}

#[tokio::test]
async fn what_stands_behind_is_sent_after_what_stands_before_at_every_endpoint() {
    let script = script().await;
    let first = signed(&script, 1, 0).await.remove(0);
    let second = signed(&script, 2, 0).await.remove(0);
    assert_eq!((first.nonce, second.nonce), (5, 6));
    // One endpoint is slow to take the first; the other two do not wait for it.
    script.proxies[2].set_times("broadcast_tx_sync", Fault::Delay(Duration::from_millis(100)), 1);
    let later = script.container.broadcast(&second);
    let earlier = async {
        tokio::time::sleep(Duration::from_millis(20)).await;
        script.container.broadcast(&first).await
    };
    let (later, earlier) = tokio::join!(later, earlier);
    assert_eq!((accepted(&later), accepted(&earlier)), (3, 3));
    for at in 0..3 {
        let state = script.lock();
        let order: Vec<&Vec<u8>> =
            state.received.iter().filter(|(node, _)| *node == at).map(|(_, b)| b).collect();
        assert_eq!(order, [&first.bytes, &second.bytes], "node {at}");
    }
}

#[tokio::test]
async fn landing_is_what_a_quorum_reports_with_a_proof_that_fits_the_block() {
    let script = script().await;
    let attempt = signed(&script, 1, 0).await.remove(0);
    script.container.broadcast(&attempt).await;
    assert_eq!(script.container.landing(&attempt).await.unwrap(), Landing::Pending);
    let height = script.include(&attempt.bytes, 0);
    let Landing::Included(block) = script.container.landing(&attempt).await.unwrap() else {
        panic!("included")
    };
    assert_eq!(block.height, height);
    // A node that names another block is alone with it.
    let liar: Fault = Fault::Lie(Arc::new(|_, _, mut honest: Value| {
        honest["height"] = json!("7");
        Some(honest)
    }));
    script.proxies[0].set("tx", liar.clone());
    assert_eq!(script.container.landing(&attempt).await.unwrap(), Landing::Included(block));
    script.proxies[1].set("tx", liar);
    assert!(script.container.landing(&attempt).await.is_err(), "two that lie alike prove nothing");
    script.proxies[1].go_dark();
    assert!(script.container.landing(&attempt).await.is_err(), "and one is no quorum");
}

#[tokio::test]
async fn a_trip_that_fails_in_its_block_tells_why_and_one_whose_sequence_is_gone_is_replaced() {
    let script = script().await;
    let attempt = signed(&script, 1, 0).await.remove(0);
    script.include(&attempt.bytes, 5);
    let landing = script.container.landing(&attempt).await.unwrap();
    let Landing::Reverted(_, why) = landing else { panic!("{landing:?}") };
    assert!(why.contains("its log") && why.contains("wasm/5"), "{why}");

    let other = signed(&script, 2, 0).await.remove(0);
    script.include(b"somebody else's", 0);
    for proxy in &script.proxies {
        proxy.set("tx", not_answered("tx not found"));
    }
    assert_eq!(other.nonce, 6);
    assert_eq!(script.container.landing(&other).await.unwrap(), Landing::Pending, "nodes index blocks later");
    script.lock().height += 2;
    assert_eq!(script.container.landing(&other).await.unwrap(), Landing::Replaced);
}

/// Nodes commit a block first and find its transactions by their hash later: on a busy machine, many blocks later.
#[tokio::test]
async fn a_trip_that_nobody_finds_by_its_hash_yet_is_found_in_the_block_that_spent_its_sequence() {
    for (code, blocks_since) in [(0, 3), (5, 3), (0, 9)] {
        let script = script().await;
        let attempt = signed(&script, 1, 0).await.remove(0);
        script.container.broadcast(&attempt).await;
        let height = script.include(&attempt.bytes, code);
        for proxy in &script.proxies {
            proxy.set("tx", not_answered("tx not found"));
        }
        script.lock().height += blocks_since;
        match script.container.landing(&attempt).await.unwrap() {
            Landing::Included(block) => assert_eq!((block.height, code), (height, 0)),
            Landing::Reverted(block, why) => {
                assert_eq!((block.height, code), (height, 5));
                assert!(why.contains("code 5"), "{why}");
            }
            other => panic!("a landed trip must never be called replaced: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_dearer_step_that_meets_the_same_trip_waiting_is_no_reason_for_a_second_trip() {
    let script = script().await;
    let first = signed(&script, 1, 0).await.remove(0);
    assert_eq!(accepted(&script.container.broadcast(&first).await), 3);
    // It waits longer than usual, and the lane above raises the fee: the nodes expect the sequence behind it.
    script.lock().sync = ("sdk".to_owned(), 32);
    let dearer = signed(&script, 1, 1).await.remove(0);
    assert_eq!((dearer.nonce, dearer.hash == first.hash), (first.nonce, false));
    let sent = script.container.broadcast(&dearer).await;
    assert_eq!(accepted(&sent), 3, "what closes the gate is there: {sent:?}");
    assert!(sent.replies[0].detail.contains("earlier step"), "{sent:?}");
    script.container.warm().await.unwrap();
    let nonces: Vec<u64> = signed(&script, 1, 1).await.iter().map(|attempt| attempt.nonce).collect();
    assert_eq!(nonces, [first.nonce], "nothing is signed for the place behind it");
    // Another action is another matter: nobody has taken it.
    let other = signed(&script, 2, 0).await.remove(0);
    assert_eq!(accepted(&script.container.broadcast(&other).await), 0);
}

#[tokio::test]
async fn a_gate_is_read_at_one_block_from_a_quorum_and_its_effect_is_asked_of_its_own_key() {
    let script = script().await;
    script.lock().word = Field::ClosedUntil.place(NOW + 600) | U256::from(1);
    let gate = script.container.gate(GATE, SCOPE).await.unwrap();
    assert!(gate.registered && gate.level == Level::Closed && gate.until == NOW + 600);
    assert_eq!((gate.block.height, gate.time), (20, NOW + 20));
    // Nothing stored: unregistered, which is closed.
    script.lock().word = U256::ZERO;
    let gate = script.container.gate(GATE, SCOPE).await.unwrap();
    assert!(!gate.registered && gate.level == Level::Closed);
    // What a node does not have yet is read one block before, and is never taken for nothing.
    script.lock().word = Field::ClosedUntil.place(NOW + 600) | U256::from(1);
    script.lock().unmade = 20;
    let before = script.container.gate(GATE, SCOPE).await.unwrap();
    assert!(before.registered && before.block.height == 19, "{before:?}");
    let claim = script.container.effect(&action(1), gate.block);
    let Claim::State { block, contract, key, mask, relation, value, .. } = claim else { panic!("{claim:?}") };
    assert_eq!((block, contract, relation), (gate.block, GATE, Relation::AtLeast));
    assert_eq!(key, keccak256(scope_key(SCOPE)));
    assert_eq!((mask, value), (Field::ClosedUntil.mask(), Field::ClosedUntil.place(NOW + 600)));
}

#[tokio::test]
async fn the_key_never_signs_for_a_contract_that_is_not_configured() {
    let script = script().await;
    let elsewhere = portcullis_adapter::Action { target: B256::repeat_byte(9), ..action(1) };
    let refused = script.container.sign(&elsewhere, RECORD, 0).await.unwrap_err();
    assert_eq!(refused.class, Class::Permanent);
    assert!(script.container.rehearse(&elsewhere).await.is_err());
    assert!(script.container.carry(&action(1), RECORD, 0).await.unwrap().is_empty(), "nobody carries here");
}

#[tokio::test]
async fn another_account_carries_the_trippers_signature_with_its_own_sequence() {
    let script = script().await;
    let container =
        script.chain.container(Arc::new(script::key())).unwrap().carried_by(Arc::new(script::carrier()));
    script.lock().sequence = 40;
    let own = container.sign(&action(1), RECORD, 0).await.unwrap().remove(0);
    let carried_one = container.carry(&action(1), RECORD, 0).await.unwrap().remove(0);
    assert_ne!(own.sender, carried_one.sender);
    let raw = TxRaw::decode(carried_one.bytes.as_slice()).unwrap();
    let body = cosmrs::proto::cosmos::tx::v1beta1::TxBody::decode(raw.body_bytes.as_slice()).unwrap();
    let message =
        cosmrs::proto::cosmwasm::wasm::v1::MsgExecuteContract::decode(body.messages[0].value.as_slice())
            .unwrap();
    assert_eq!(Some(message.sender.as_str()), container.carrier());
    let call: Value = serde_json::from_slice(&message.msg).unwrap();
    assert_eq!(call["trip_signed"]["signature"].as_str().unwrap().len(), 130);
    assert_eq!(call["trip_signed"]["request"]["record"], "06".repeat(32));
    // What one account cannot send does not hold up the other.
    script.lock().sync = ("sdk".to_owned(), 5);
    assert_eq!(accepted(&container.broadcast(&own).await), 0);
    script.lock().sync = (String::new(), 0);
    assert_eq!(accepted(&container.broadcast(&carried_one).await), 3);
    script.include(&carried_one.bytes, 0);
    assert!(matches!(container.landing(&carried_one).await.unwrap(), Landing::Included(_)));
    let elsewhere = portcullis_adapter::Action { target: B256::repeat_byte(9), ..action(1) };
    assert!(
        container.carry(&elsewhere, RECORD, 0).await.is_err(),
        "no signature for a contract that is not configured"
    );
}

/// What a test changes of the scripted chain.
type Edit = fn(&mut script::State);

#[tokio::test]
async fn a_rehearsal_finds_what_would_stop_a_trip_and_sends_nothing() {
    let script = script().await;
    let failing = |checks: &[portcullis_adapter::Readiness]| {
        checks.iter().filter(|check| !check.ok).map(|check| check.check.to_string()).collect::<Vec<_>>()
    };
    let good = script.container.rehearse(&action(1)).await.unwrap();
    assert_eq!(failing(&good), Vec::<String>::new(), "{good:?}");
    let edits: [(&str, Edit); 5] = [
        ("role", |state| state.tripper["active"] = json!(false)),
        ("role", |state| state.tripper = json!({ "active": true, "budget_seconds": 9, "left_seconds": 0 })),
        ("balance", |state| state.balance = 29_999),
        ("simulation", |state| state.gas = 390_000),
        ("fee", |state| state.least_price = "3uother".to_owned()),
    ];
    for (expected, edit) in edits {
        let script = script::script().await;
        edit(&mut script.lock());
        let found = script.container.rehearse(&action(1)).await.unwrap();
        let failing = failing(&found);
        assert!(
            !failing.is_empty() && failing.iter().all(|check| check == expected),
            "{expected}: {found:?}"
        );
        assert!(script.lock().received.is_empty(), "nothing is sent");
    }
}
