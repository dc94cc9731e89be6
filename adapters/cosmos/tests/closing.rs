//! Closing a guard on a real node: signed, taken, landed with its place proven, in effect by a proof of the chain's own.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::print_stderr
)]

mod scene;

use std::sync::Arc;

use portcullis_adapter::{Action, Contain, Landing, Level};
use portcullis_cosmos::{
    devnet::{Devnet, account},
    signer::LocalSigner,
};
use portcullis_verifier::{B256, BlockRef, Verdict};
use scene::{RECORD, SEND, available, done, header_hash, scene, scene_with};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trip_lands_and_its_effect_is_proven_by_the_chains_own_signatures() {
    if !available() {
        return;
    }
    let scene = scene().await;
    let open = scene.container.gate(scene.gate, scene.scope).await.unwrap();
    assert!(open.registered && open.level == Level::Open, "{open:?}");
    let action = scene.action(1, open.time + 600);
    let rehearsed = scene.container.rehearse(&action).await.unwrap();
    assert!(rehearsed.iter().all(|check| check.ok), "{rehearsed:?}");

    let attempts = scene.container.sign(&action, RECORD, 0).await.unwrap();
    assert_eq!(attempts.len(), 1);
    let sent = scene.container.broadcast(&attempts[0]).await;
    assert!(sent.replies.iter().all(|reply| reply.accepted), "one node behind three names has it: {sent:?}");
    let Landing::Included(block) = scene.landed(&attempts[0]).await else { panic!("included") };
    let claim = scene.container.effect(&action, block);
    let Verdict::Proven(assurance) = scene.verdict(&claim).await else { panic!("proven") };
    assert!(assurance.header.final_by_consensus, "{assurance:?}");
    let before =
        BlockRef { height: block.height - 1, hash: header_hash(&scene.node, block.height - 1).await };
    let refuted = scene.verdict(&scene.container.effect(&action, before)).await;
    assert!(matches!(refuted, Verdict::Refuted(..)), "it was not closed a block before: {refuted:?}");
    let closed = scene.container.gate(scene.gate, scene.scope).await.unwrap();
    assert!(closed.level == Level::Closed && closed.until == action.until, "{closed:?}");
    assert_eq!(scene.container.landing(&attempts[0]).await.unwrap(), Landing::Included(block));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_trips_stand_in_line_a_spent_sequence_is_told_and_the_carrier_brings_a_third() {
    if !available() {
        return;
    }
    let scene = scene().await;
    let now = scene.container.gate(scene.gate, scene.scope).await.unwrap().time;
    let (one, two) = (scene.action(1, now + 600), scene.action(2, now + 1_200));
    let first = scene.container.sign(&one, RECORD, 0).await.unwrap().remove(0);
    let second = scene.container.sign(&two, RECORD, 0).await.unwrap().remove(0);
    assert_eq!(second.nonce, first.nonce + 1);
    let (later, earlier) =
        tokio::join!(scene.container.broadcast(&second), scene.container.broadcast(&first));
    assert!(
        later.replies.iter().chain(&earlier.replies).all(|reply| reply.accepted),
        "{later:?} {earlier:?}"
    );
    for attempt in [&first, &second] {
        let landing = scene.landed(attempt).await;
        assert!(matches!(landing, Landing::Included(_)), "{landing:?}");
    }
    let gate = scene.container.gate(scene.gate, scene.scope).await.unwrap();
    assert_eq!(gate.until, two.until, "the later of both");
    let again = scene.container.broadcast(&first).await;
    assert!(
        again.replies.iter().all(|reply| reply.accepted),
        "the node has these bytes in a block: {again:?}"
    );

    let three = scene.action(3, now + 1_800);
    let carried = scene.container.carry(&three, RECORD, 0).await.unwrap().remove(0);
    let sent = scene.container.broadcast(&carried).await;
    assert!(sent.replies.iter().any(|reply| reply.accepted), "{sent:?}");
    let landing = scene.landed(&carried).await;
    assert!(matches!(landing, Landing::Included(_)), "{landing:?}");
    assert_eq!(scene.container.gate(scene.gate, scene.scope).await.unwrap().until, three.until);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trip_for_a_scope_that_nobody_registered_is_refused_before_and_after() {
    if !available() {
        return;
    }
    let scene = scene().await;
    let now = scene.container.gate(scene.gate, scene.scope).await.unwrap().time;
    let unknown = Action { scope: B256::repeat_byte(0x77), ..scene.action(1, now + 600) };
    let rehearsed = scene.container.rehearse(&unknown).await.unwrap();
    let simulation = rehearsed.iter().find(|check| check.check.as_str() == "simulation").unwrap();
    assert!(!simulation.ok && simulation.detail.contains("ScopeUnregistered"), "{simulation:?}");
    let attempt = scene.container.sign(&unknown, RECORD, 0).await.unwrap().remove(0);
    scene.container.broadcast(&attempt).await;
    let Landing::Reverted(_, why) = scene.landed(&attempt).await else { panic!("reverted") };
    assert!(why.contains("ScopeUnregistered"), "{why}");
    let (report, checks) = scene.chain.dial_gate(scene.gate, unknown.scope).await;
    assert!(report.is_some_and(|report| !report.registered), "{checks:?}");
    let stranger = account(2).unwrap();
    let stranger = scene.chain.container(Arc::new(LocalSigner::from_secret(&stranger.key).unwrap())).unwrap();
    let rehearsed = stranger.rehearse(&scene.action(4, now + 600)).await.unwrap();
    let role = rehearsed.iter().find(|check| check.check.as_str() == "role").unwrap();
    assert!(!role.ok && role.detail.contains("no tripper"), "{role:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gate_trips_the_chains_own_breaker_and_what_is_tripped_is_reported_beside_what_is_proven() {
    if !available() {
        return;
    }
    let scene = scene_with("gate", |config| config).await;
    let (report, checks) = scene.chain.dial_gate(scene.gate, scene.scope).await;
    assert!(
        report.is_some_and(|report| report.registered) && checks.iter().all(|check| check.ok),
        "{checks:?}"
    );
    let (sender, other) = (account(2).unwrap(), account(3).unwrap().address);
    let transfer = || Devnet::coins(&sender, &other, 1, "stake").unwrap();
    done(&scene.node, &sender, transfer()).await;

    let now = scene.container.gate(scene.gate, scene.scope).await.unwrap().time;
    let action = scene.action(1, now + 600);
    let rehearsed = scene.container.rehearse(&action).await.unwrap();
    assert!(rehearsed.iter().all(|check| check.ok), "{rehearsed:?}");
    let attempt = scene.container.sign(&action, RECORD, 0).await.unwrap().remove(0);
    scene.container.broadcast(&attempt).await;
    let landing = scene.landed(&attempt).await;
    let Landing::Included(block) = landing else { panic!("{landing:?}") };
    let verdict = scene.verdict(&scene.container.effect(&action, block)).await;
    assert!(matches!(verdict, Verdict::Proven(_)), "{verdict:?}");
    let refused = scene.node.send(&sender, vec![transfer()]).await;
    assert!(refused.is_err(), "a plain transfer is not taken any more: {refused:?}");

    let again = scene.container.rehearse(&scene.action(2, now + 900)).await.unwrap();
    let said = |name: &str| {
        let found = again.iter().filter(|check| check.check.as_str() == name);
        found.map(|check| check.detail.clone()).collect::<Vec<_>>().join("; ")
    };
    assert!(
        said("circuit").contains("operators report tripped") && said("circuit").contains(SEND),
        "{again:?}"
    );
    assert!(!said("nested").contains("not tried"), "{again:?}");
    eprintln!("nested: {}", said("nested"));

    // Tripped a second time it stays so: what is closed already is no failure.
    let later = scene.action(2, now + 900);
    let attempt = scene.container.sign(&later, RECORD, 0).await.unwrap().remove(0);
    scene.container.broadcast(&attempt).await;
    let landing = scene.landed(&attempt).await;
    assert!(matches!(landing, Landing::Included(_)), "{landing:?}");
}
