//! Trips on a durable nonce, on a real node: at most one of all that hang on one value lands, and without a value to sign with the
//! gate is closed all the same.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::panic
)]

mod support;

use std::sync::Arc;

use base64::{Engine, prelude::BASE64_STANDARD};
use portcullis_adapter::{Attempt, Contain, Landing, Level, Readiness};
use portcullis_rpc::testing::{Fault, FaultProxy, Rewrite};
use portcullis_solana::{
    Solana, SolanaConfig, SolanaContainer, address,
    devnet::{Devnet, account, nonce},
    signer::Signer,
};
use portcullis_verifier::B256;
use serde_json::json;
use support::{
    gate::{Gate, RECORD, landed},
    node_available,
};

/// A new nonce account with an authority; without one it is made and not initialised.
async fn made(node: &Devnet, index: u8, authority: Option<B256>) -> B256 {
    let (payer, new) = (account(0).unwrap(), account(index).unwrap());
    let rent = node.nonce_rent().await.unwrap();
    let mut calls = vec![nonce::create(payer.account(), new.account(), rent)];
    calls.extend(authority.map(|authority| nonce::initialise(new.account(), authority)));
    node.send(&[&payer, &new], &calls).await.unwrap();
    new.account()
}

fn tripper() -> B256 {
    account(1).unwrap().account()
}

/// A container whose tripper signs with a nonce of this account.
fn with_nonce(gate: &Gate, account: B256) -> SolanaContainer {
    let config = SolanaConfig { nonce: Some(address::shown(account)), ..gate.config() };
    gate.container(&Solana::new(config).unwrap())
}

async fn value(gate: &Gate, account: B256) -> B256 {
    gate.node.nonce(account).await.unwrap().unwrap()
}

/// Whether signed bytes hold a word.
fn holds(attempt: &Attempt, word: B256) -> bool {
    attempt.bytes.windows(32).any(|window| window == word.as_slice())
}

async fn hand(container: &SolanaContainer, attempts: &[Attempt]) {
    for attempt in attempts {
        let sent = container.broadcast(attempt).await;
        assert!(sent.replies.iter().all(|reply| reply.accepted), "{sent:?}");
    }
}

/// What became of all of them, once that is known of each.
async fn settled(container: &SolanaContainer, attempts: &[Attempt]) -> Vec<Landing> {
    let mut landings = Vec::new();
    for attempt in attempts {
        landings.push(landed(container, attempt).await);
    }
    landings
}

fn included(landings: &[Landing]) -> usize {
    landings.iter().filter(|landing| matches!(landing, Landing::Included(_))).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_all_steps_on_one_nonce_exactly_one_lands_and_nothing_is_signed_on_it_again() {
    if !node_available() {
        return;
    }
    let gate = Gate::start().await;
    let own = made(&gate.node, 30, Some(tripper())).await;
    let carrier = made(&gate.node, 31, Some(account(2).unwrap().account())).await;
    let [nonce, carrier_nonce] = [own, carrier].map(|account| Some(address::shown(account)));
    let config = SolanaConfig { nonce, carrier_nonce, ..gate.config() };
    let container = gate.container(&Solana::new(config).unwrap());
    let action = gate.action(1, 600);
    let ready = container.rehearse(&action).await.unwrap();
    assert!(ready.iter().all(|ready| ready.ok), "{ready:?}");
    assert_eq!(ready.iter().filter(|ready| ready.check.as_str() == "durable").count(), 2, "{ready:?}");

    let (first, of_carrier) = (value(&gate, own).await, value(&gate, carrier).await);
    let mut signed = Vec::new();
    for (bump, count) in [(0, 1), (1, 2), (2, 2)] {
        let step = container.sign(&action, RECORD, bump).await.unwrap();
        assert_eq!(step.len(), count, "one candidate for each account of the scope");
        assert_eq!(container.sign(&action, RECORD, bump).await.unwrap(), step, "the same bytes again");
        signed.extend(step);
    }
    assert!(signed.iter().all(|attempt| holds(attempt, first) && attempt.nonce == signed[0].nonce));
    let carried = container.carry(&action, RECORD, 2).await.unwrap();
    assert!(holds(&carried[0], of_carrier) && !holds(&carried[0], first), "each lane has its own");
    hand(&container, &signed).await;
    let landings = settled(&container, &signed).await;
    println!("{landings:?}");
    assert_eq!(included(&landings), 1, "{landings:?}");
    assert_eq!(landings.iter().filter(|landing| **landing == Landing::Replaced).count(), 4, "{landings:?}");
    let report = container.gate(gate.breaker, gate.scope).await.unwrap();
    assert_eq!((report.level, report.until), (Level::Closed, action.until));
    // The other lane's closes as well, whatever became of the first.
    hand(&container, &carried).await;
    assert!(matches!(landed(&container, &carried[0]).await, Landing::Included(_)));

    // What was used is not signed with again, nor waited for: until the next reading there are recent blockhashes.
    let second = value(&gate, own).await;
    assert_ne!(second, first);
    let next = gate.action(2, 900);
    let before = container.sign(&next, RECORD, 0).await.unwrap();
    assert!(before.iter().all(|attempt| !holds(attempt, first) && !holds(attempt, own)), "{before:?}");
    container.warm().await.unwrap();
    let on_second = container.sign(&next, RECORD, 0).await.unwrap();
    assert!(on_second.iter().all(|attempt| holds(attempt, second)));
    let other = container.sign(&gate.action(3, 1_200), RECORD, 0).await.unwrap();
    assert!(other.iter().all(|attempt| !holds(attempt, own)), "two actions never share a value");

    // Somebody else advances it: what was signed is dead, and the next step of the same action is signed on the next value.
    gate.node.send(&[&account(1).unwrap()], &[nonce::advance(own, tripper())]).await.unwrap();
    hand(&container, &on_second).await;
    container.warm().await.unwrap();
    let third = value(&gate, own).await;
    let anew = container.sign(&next, RECORD, 1).await.unwrap();
    assert!(third != second && anew.iter().all(|attempt| holds(attempt, third)));
    hand(&container, &anew).await;
    assert_eq!(included(&settled(&container, &anew).await), 1);
    assert_eq!(landed(&container, &on_second[0]).await, Landing::Replaced);
    let report = container.gate(gate.breaker, gate.scope).await.unwrap();
    assert_eq!(report.until, next.until);
}

/// What a rehearsal says of nonce accounts.
async fn durable(container: &SolanaContainer, gate: &Gate) -> Readiness {
    let ready = container.rehearse(&gate.action(9, 5_000)).await.unwrap();
    let others = ready.iter().filter(|ready| ready.check.as_str() != "durable");
    assert!(others.into_iter().all(|ready| ready.ok), "the gate can be closed all the same: {ready:?}");
    ready.into_iter().find(|ready| ready.check.as_str() == "durable").unwrap()
}

/// Answers in which a nonce account has another value.
fn another_value() -> Rewrite {
    Arc::new(|_, _, mut honest| {
        for told in honest["value"].as_array_mut()? {
            let Some(text) = told["data"][0].as_str() else { continue };
            let mut data = BASE64_STANDARD.decode(text).ok()?;
            if data.len() == 80 {
                data[40] ^= 1;
                told["data"][0] = json!(BASE64_STANDARD.encode(data));
            }
        }
        Some(honest)
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_nonce_that_can_be_used_the_gate_is_closed_all_the_same_and_people_are_told() {
    if !node_available() {
        return;
    }
    let gate = Gate::start().await;
    let missing = account(40).unwrap().account();
    let empty = made(&gate.node, 41, None).await;
    let foreign = made(&gate.node, 42, Some(account(9).unwrap().account())).await;
    for (step, (account, page, says)) in (1..).zip([
        (missing, "PC-0985", "is not there"),
        (account(2).unwrap().account(), "PC-0985", "no nonce account"),
        (empty, "PC-0985", "not initialised"),
        (foreign, "PC-0986", "another authority"),
    ]) {
        let container = with_nonce(&gate, account);
        let told = durable(&container, &gate).await;
        assert!(!told.ok && told.detail.contains(page) && told.detail.contains(says), "{told:?}");
        let action = gate.action(step, 600 * u64::from(step));
        let attempts = container.sign(&action, RECORD, 0).await.unwrap();
        assert!(!attempts.iter().any(|attempt| holds(attempt, account)));
        hand(&container, &attempts).await;
        assert!(matches!(landed(&container, &attempts[0]).await, Landing::Included(_)), "{says}");
        let report = container.gate(gate.breaker, gate.scope).await.unwrap();
        assert_eq!((report.level, report.until), (Level::Closed, action.until));
    }

    let good = made(&gate.node, 43, Some(tripper())).await;
    let container = with_nonce(&gate, good);
    gate.proxies[0]
        .set("getMinimumBalanceForRentExemption", Fault::Lie(Arc::new(|_, _, _| Some(json!(1_u64 << 40)))));
    let told = durable(&container, &gate).await;
    assert!(!told.ok && told.detail.contains("PC-0987"), "{told:?}");
    gate.proxies[0].set("getMultipleAccounts", Fault::Lie(another_value()));
    container.warm().await.unwrap();
    let (now, action) = (value(&gate, good).await, gate.action(6, 3_000));
    let attempts = container.sign(&action, RECORD, 0).await.unwrap();
    assert!(attempts.iter().all(|attempt| holds(attempt, now)), "one operator's word is nothing");
    // Nobody tells it any more: it may have been used since.
    for proxy in &gate.proxies {
        let silent = Fault::Error { code: -32_603, message: "Internal error".to_owned() };
        proxy.set("getMultipleAccounts", silent);
    }
    container.warm().await.unwrap();
    let attempts = container.sign(&action, RECORD, 0).await.unwrap();
    assert!(!attempts.iter().any(|attempt| holds(attempt, good)), "a recent blockhash, at once");
    hand(&container, &attempts).await;
    assert!(matches!(landed(&container, &attempts[0]).await, Landing::Included(_)));
    gate.proxies.iter().for_each(FaultProxy::heal);
    a_failed_trip_has_used_its_nonce(&gate).await;
}

/// The chain keeps the advance of a transaction that fails.
async fn a_failed_trip_has_used_its_nonce(gate: &Gate) {
    let stranger = account(0).unwrap();
    let of_stranger = made(&gate.node, 44, Some(stranger.account())).await;
    let config = SolanaConfig { nonce: Some(address::shown(of_stranger)), ..gate.config() };
    let container = Solana::new(config).unwrap().container(Arc::new(stranger));
    container.warm().await.unwrap();
    let (before, action) = (value(gate, of_stranger).await, gate.action(7, 4_000));
    let attempts = container.sign(&action, RECORD, 0).await.unwrap();
    assert!(attempts.iter().all(|attempt| holds(attempt, before)));
    hand(&container, &attempts).await;
    let landings = settled(&container, &attempts).await;
    let reverted = landings.iter().filter(|landing| matches!(landing, Landing::Reverted(..))).count();
    assert_eq!((reverted, included(&landings)), (1, 0), "{landings:?}");
    let after = value(gate, of_stranger).await;
    assert_ne!(after, before);
    container.warm().await.unwrap();
    let anew = container.sign(&action, RECORD, 0).await.unwrap();
    assert!(holds(&anew[0], after), "signed anew on the next value");
}
