//! Closing gates on a real node: lies about nonces, stuck trips, refusals, private submission.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic
)]

mod support;

use std::sync::Arc;

use alloy::{primitives::Address, sol_types::SolCall};
use portcullis_adapter::{Action, Attempt, Class, Contain, Landing, Level, Prove, Readiness};
use portcullis_evm::{
    Evm, EvmConfig, EvmContainer, LocalSigner,
    config::{GateKind, GateTarget, PrivateEndpoint, Submission},
    devnet::{Devnet, DevnetConfig},
    limits::GATE_GAS_LIMIT_MIN,
};
use portcullis_rpc::testing::Fault;
use portcullis_verifier::{B256, Slug, System, Verdict, evm::QuorumSystem};
use serde_json::{Value, json};
use support::{
    CHAIN, World, action, deploy_gate, deploy_guard, node_available, owner_calls, target,
    transferOwnershipCall, trust,
};

const RECORD: B256 = B256::repeat_byte(6);

struct Scene {
    world: World,
    guard: Address,
    scope: B256,
    now: u64,
    evm: Evm,
    container: EvmContainer,
}

fn chain_of(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), |cause| format!("{error}: {}", chain_of(cause)))
}

/// Where an attempt comes to rest: a node answers before its block is made.
async fn landed(scene: &Scene, attempt: &Attempt) -> Landing {
    for _ in 0..1_000 {
        let landing = scene.container.landing(attempt).await.unwrap();
        if landing != Landing::Pending {
            return landing;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    Landing::Pending
}

async fn scene(change: impl FnOnce(&World, &mut EvmConfig)) -> Scene {
    let world = World::with(DevnetConfig::new(CHAIN)).await;
    let key = Devnet::account(1).unwrap();
    let (guard, scope) = deploy_guard(&world.node, key.address()).await;
    let mut config = world.config();
    config.targets = vec![target(guard)];
    change(&world, &mut config);
    let evm = Evm::new(config).unwrap();
    let container = evm.container(Arc::new(LocalSigner::from(key)));
    let now = container.gate(guard.into_word(), scope).await.map_err(|error| chain_of(&error)).unwrap().time;
    Scene { world, guard, scope, now, evm, container }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lie_about_the_nonce_costs_a_candidate_and_nothing_else() {
    if !node_available() {
        return;
    }
    let scene = scene(|_, _| {}).await;
    scene.world.proxies[1]
        .set("eth_getTransactionCount", Fault::Lie(Arc::new(|_, _, _| Some(json!("0x384")))));
    let action = action(scene.guard, scene.scope, scene.now + 600);
    let attempts = scene.container.sign(&action, RECORD, 0).await.unwrap();
    assert_eq!(attempts.iter().map(|attempt| attempt.nonce).collect::<Vec<_>>(), [0, 900]);
    for attempt in &attempts {
        scene.container.broadcast(attempt).await;
    }
    let landing = landed(&scene, &attempts[0]).await;
    let Landing::Included(block) = landing else { panic!("the true nonce lands: {landing:?}") };
    let effect = scene.container.effect(&action, block);
    let evidence = scene.evm.prover().evidence(&effect).await.unwrap();
    assert!(matches!(QuorumSystem.verify(&effect, &evidence, &trust()), Verdict::Proven(_)));
    assert_eq!(scene.container.landing(&attempts[1]).await.unwrap(), Landing::Pending);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stuck_trip_is_replaced_by_a_higher_offer() {
    if !node_available() {
        return;
    }
    let scene = scene(|_, _| {}).await;
    scene.world.node.ask::<Value>("evm_setAutomine", json!([false])).await.unwrap();
    let action = action(scene.guard, scene.scope, scene.now + 600);
    let first = scene.container.sign(&action, RECORD, 0).await.unwrap().remove(0);
    scene.container.broadcast(&first).await;
    assert_eq!(scene.container.landing(&first).await.unwrap(), Landing::Pending);
    let second = scene.container.sign(&action, RECORD, 1).await.unwrap().remove(0);
    assert_eq!(first.nonce, second.nonce);
    assert!(second.fee > first.fee);
    let sent = scene.container.broadcast(&second).await;
    assert!(sent.replies.iter().all(|reply| reply.accepted), "{sent:?}");
    scene.world.node.mine(1).await.unwrap();
    assert_eq!(scene.container.landing(&first).await.unwrap(), Landing::Replaced);
    assert!(matches!(landed(&scene, &second).await, Landing::Included(_)));
    let again = scene.container.broadcast(&first).await;
    assert!(again.replies.iter().all(|reply| !reply.accepted), "a spent nonce is refused: {again:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_gates_close_in_one_block() {
    if !node_available() {
        return;
    }
    let scene = scene(|_, _| {}).await;
    scene.world.node.ask::<Value>("evm_setAutomine", json!([false])).await.unwrap();
    let one = action(scene.guard, scene.scope, scene.now + 600);
    let two = action(scene.guard, scene.scope, scene.now + 1_200);
    let first = scene.container.sign(&one, RECORD, 0).await.unwrap().remove(0);
    let second = scene.container.sign(&two, RECORD, 0).await.unwrap().remove(0);
    assert_eq!(second.nonce, first.nonce + 1, "they do not stand in each other's way");
    for attempt in [&second, &first] {
        scene.container.broadcast(attempt).await;
    }
    scene.world.node.mine(1).await.unwrap();
    for attempt in [&first, &second] {
        assert!(matches!(landed(&scene, attempt).await, Landing::Included(_)));
    }
    let gate = scene.container.gate(scene.guard.into_word(), scene.scope).await.unwrap();
    assert_eq!(gate.until, two.until, "the later of both");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_trip_is_told_before_and_after() {
    if !node_available() {
        return;
    }
    let scene = scene(|_, _| {}).await;
    let unknown = action(scene.guard, B256::repeat_byte(0x77), scene.now + 600);
    let rehearsal = scene.container.rehearse(&unknown).await.unwrap();
    let simulation = rehearsal.iter().find(|check| check.check.as_str() == "simulation").unwrap();
    assert!(!simulation.ok && simulation.detail.contains("register"), "{simulation:?}");
    let attempt = scene.container.sign(&unknown, RECORD, 0).await.unwrap().remove(0);
    scene.container.broadcast(&attempt).await;
    let Landing::Reverted(_, why) = landed(&scene, &attempt).await else { panic!("reverted") };
    assert!(why.contains("does not know scope"), "{why}");

    let stranger = scene.evm.container(Arc::new(LocalSigner::from(Devnet::account(3).unwrap())));
    let known = action(scene.guard, scene.scope, scene.now + 600);
    let rehearsal = stranger.rehearse(&known).await.unwrap();
    let role = rehearsal.iter().find(|check| check.check.as_str() == "role").unwrap();
    assert!(!role.ok && role.detail.contains("no tripper"), "{role:?}");

    let elsewhere = action(Address::repeat_byte(9), scene.scope, scene.now + 600);
    let refused = scene.container.sign(&elsewhere, RECORD, 0).await.unwrap_err();
    assert_eq!(refused.class, Class::Permanent, "the key never signs for an address that is not configured");
}

/// One check of a rehearsal.
async fn rehearsed(scene: &Scene, action: &Action, name: &str) -> Readiness {
    let all = scene.container.rehearse(action).await.unwrap();
    all.into_iter().find(|check| check.check.as_str() == name).unwrap_or_else(|| panic!("no check {name}"))
}

/// Trips and gives what comes of it, as the verifier judges it at the block of the trip.
async fn tripped(scene: &Scene, action: &Action) -> Verdict {
    let attempt = scene.container.sign(action, RECORD, 0).await.unwrap().remove(0);
    scene.container.broadcast(&attempt).await;
    let Landing::Included(block) = landed(scene, &attempt).await else { panic!("included") };
    let effect = scene.container.effect(action, block);
    let evidence = scene.evm.prover().evidence(&effect).await.unwrap();
    QuorumSystem.verify(&effect, &evidence, &trust())
}

/// SECURITY: the trip of a Gate lands and stands whatever its targets do. Who takes that for an effect calls a bridge closed
/// that pays out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_effect_of_a_gate_is_what_its_targets_followed() {
    if !node_available() {
        return;
    }
    let world = World::with(DevnetConfig::new(CHAIN)).await;
    let key = Devnet::account(1).unwrap();
    // The pausable is not the gate's yet: it will refuse.
    let (gate, scope, pausable) = deploy_gate(&world.node, key.address()).await;
    let mut config = world.config();
    config.targets = vec![GateTarget { kind: GateKind::Gate, ..target(gate) }];
    config.fees.gas_limit = GATE_GAS_LIMIT_MIN;
    let evm = Evm::new(config).unwrap();
    let container = evm.container(Arc::new(LocalSigner::from(key)));
    let now = container.gate(gate.into_word(), scope).await.unwrap().time;
    let scene = Scene { world, guard: gate, scope, now, evm, container };
    let (target, action) = (gate.into_word(), action(gate, scope, scene.now + 3_600));

    let before = rehearsed(&scene, &action, "targets").await;
    assert!(!before.ok && before.detail.contains(&format!("{pausable} (kind 0) is open")), "{before:?}");
    assert!(matches!(tripped(&scene, &action).await, Verdict::Refuted(..)));
    let told = scene.container.unenforced(target, scope).await.unwrap();
    assert!(told.contains("PC-0945") && told.contains(&pausable.to_string()), "{told}");
    let open = scene.container.gate(target, scope).await.unwrap();
    // The target asks for nothing at the limited level, into which the closure would run out.
    assert_eq!((open.registered, open.level, open.until), (true, Level::Limited, 0));
    assert_eq!(scene.evm.dial_gate(target, scope).await.0.unwrap().level, Level::Limited);

    // The same trip once more, when the pausable is the gate's: a repetition enforces.
    owner_calls(&scene.world.node, pausable, [transferOwnershipCall { to: gate }.abi_encode()]).await;
    let after = rehearsed(&scene, &action, "targets").await;
    assert!(after.ok && after.detail.contains("all 1 targets"), "{after:?}");
    assert!(matches!(tripped(&scene, &action).await, Verdict::Proven(_)));
    assert_eq!(scene.container.unenforced(target, scope).await, None);
    let closed = scene.container.gate(target, scope).await.unwrap();
    assert_eq!((closed.level, closed.until), (Level::Closed, action.until));
    assert_eq!(scene.evm.dial_gate(target, scope).await.0.unwrap().level, Level::Closed);

    // A node that makes no blocks for questions cannot tell, which is neither yes nor no.
    for proxy in &scene.world.proxies {
        proxy.set("eth_simulateV1", Fault::Error { code: -32_601, message: "no such method".to_owned() });
    }
    let unknown = rehearsed(&scene, &action, "targets").await;
    assert!(unknown.ok && unknown.detail.contains("cannot be told"), "{unknown:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn private_submission_shows_nothing_to_public_endpoints() {
    if !node_available() {
        return;
    }
    let scene = scene(|world, config| {
        let operator = Slug::new("private").unwrap();
        let http = world.node.http().clone();
        config.submission = Submission::Private(vec![PrivateEndpoint { operator, http }]);
    })
    .await;
    let action = action(scene.guard, scene.scope, scene.now + 600);
    let attempt = scene.container.sign(&action, RECORD, 0).await.unwrap().remove(0);
    let sent = scene.container.broadcast(&attempt).await;
    assert_eq!(sent.replies.len(), 1);
    assert!(matches!(landed(&scene, &attempt).await, Landing::Included(_)));
    for proxy in &scene.world.proxies {
        assert_eq!(proxy.requests_of("eth_sendRawTransaction"), 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_quorum_nothing_is_said_about_landing() {
    if !node_available() {
        return;
    }
    let scene = scene(|_, _| {}).await;
    let action = action(scene.guard, scene.scope, scene.now + 600);
    let attempt = scene.container.sign(&action, RECORD, 0).await.unwrap().remove(0);
    for proxy in &scene.world.proxies[..2] {
        proxy.go_dark();
    }
    let sent = scene.container.broadcast(&attempt).await;
    assert_eq!(
        sent.replies.iter().filter(|reply| reply.accepted).count(),
        1,
        "one endpoint is enough to send"
    );
    assert!(scene.container.landing(&attempt).await.is_err(), "and not enough to believe");
    assert!(scene.container.gate(scene.guard.into_word(), scene.scope).await.is_err());
    for proxy in &scene.world.proxies {
        proxy.heal();
    }
    assert!(matches!(landed(&scene, &attempt).await, Landing::Included(_)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lie_about_receipts_or_state_is_found_by_its_proof() {
    if !node_available() {
        return;
    }
    let scene = scene(|_, _| {}).await;
    let action = action(scene.guard, scene.scope, scene.now + 600);
    let attempt = scene.container.sign(&action, RECORD, 0).await.unwrap().remove(0);
    scene.container.broadcast(&attempt).await;
    let Landing::Included(block) = landed(&scene, &attempt).await else { panic!("included") };
    let effect = scene.container.effect(&action, block);
    // The first operator proves another slot's absence, the second leaves a node out.
    scene.world.proxies[0].set(
        "eth_getProof",
        Fault::Lie(Arc::new(|_, _, mut honest| {
            honest["storageProof"][0]["proof"] = json!([]);
            Some(honest)
        })),
    );
    scene.world.proxies[1].set(
        "eth_getProof",
        Fault::Lie(Arc::new(|_, _, mut honest| {
            honest["accountProof"].as_array_mut().unwrap().pop();
            Some(honest)
        })),
    );
    let evidence = scene.evm.prover().evidence(&effect).await.unwrap();
    assert!(matches!(QuorumSystem.verify(&effect, &evidence, &trust()), Verdict::Proven(_)));
    let gate = scene.container.gate(scene.guard.into_word(), scene.scope).await.unwrap();
    assert_eq!(gate.until, action.until);

    // When all lie alike there is no evidence: nothing is refuted.
    for proxy in &scene.world.proxies {
        proxy.set(
            "eth_getProof",
            Fault::Lie(Arc::new(|_, _, mut honest| {
                honest["storageProof"][0]["proof"] = json!([]);
                Some(honest)
            })),
        );
    }
    let none = scene.evm.prover().evidence(&effect).await.unwrap_err();
    assert_eq!(none.class, Class::Untrusted);
}
