//! A trip that another account carries, on a real node: the tripper's own account is empty or stuck.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing
)]

mod support;

use std::sync::Arc;

use alloy::primitives::Address;
use portcullis_adapter::{Action, Attempt, Contain, Landing, Prove};
use portcullis_evm::{
    Evm, EvmContainer, LocalSigner,
    devnet::{Devnet, DevnetConfig},
};
use portcullis_verifier::{B256, Level, System, Verdict, evm::QuorumSystem};
use serde_json::{Value, json};
use support::{CHAIN, World, action, deploy_guard, node_available, target, trust};

const RECORD: B256 = B256::repeat_byte(6);

struct Scene {
    world: World,
    guard: Address,
    scope: B256,
    now: u64,
    evm: Evm,
    container: EvmContainer,
}

/// A guard that account 1 may close, and account 2, which may not close, to carry for it.
async fn scene() -> Scene {
    let world = World::with(DevnetConfig::new(CHAIN)).await;
    let key = Devnet::account(1).unwrap();
    let (guard, scope) = deploy_guard(&world.node, key.address()).await;
    let mut config = world.config();
    config.targets = vec![target(guard)];
    let evm = Evm::new(config).unwrap();
    let carrier = Arc::new(LocalSigner::from(Devnet::account(2).unwrap()));
    let container = evm.container(Arc::new(LocalSigner::from(key))).carried_by(carrier);
    let now = container.gate(guard.into_word(), scope).await.unwrap().time;
    Scene { world, guard, scope, now, evm, container }
}

impl Scene {
    async fn empty_the_account(&self) {
        let account = self.container.account();
        self.world.node.ask::<Value>("anvil_setBalance", json!([account, "0x0"])).await.unwrap();
    }

    async fn landed(&self, attempt: &Attempt) -> Landing {
        for _ in 0..1_000 {
            let landing = self.container.landing(attempt).await.unwrap();
            if landing != Landing::Pending {
                return landing;
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        Landing::Pending
    }

    /// Carries a trip and proves that the gate is closed by it.
    async fn carried_and_proven(&self, action: &Action, bump: u16) -> Attempt {
        let attempt = self.container.carry(action, RECORD, bump).await.unwrap().remove(0);
        assert_eq!(Some(attempt.sender), self.container.carrier().map(|carrier| carrier.into_word()));
        let sent = self.container.broadcast(&attempt).await;
        assert!(sent.replies.iter().all(|reply| reply.accepted), "{sent:?}");
        let Landing::Included(block) = self.landed(&attempt).await else { panic!("the carried trip lands") };
        let effect = self.container.effect(action, block);
        let evidence = self.evm.prover().evidence(&effect).await.unwrap();
        assert!(matches!(QuorumSystem.verify(&effect, &evidence, &trust()), Verdict::Proven(_)));
        let gate = self.container.gate(self.guard.into_word(), self.scope).await.unwrap();
        assert_eq!((gate.level, gate.until), (Level::Closed, action.until));
        attempt
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_empty_account_closes_through_another_and_the_effect_is_proven() {
    if !node_available() {
        return;
    }
    let scene = scene().await;
    scene.empty_the_account().await;
    let action = action(scene.guard, scene.scope, scene.now + 600);
    let own = scene.container.sign(&action, RECORD, 0).await.unwrap().remove(0);
    let refused = scene.container.broadcast(&own).await;
    assert!(
        refused.replies.iter().all(|reply| !reply.accepted),
        "nobody takes what nobody can pay: {refused:?}"
    );
    let first = scene.carried_and_proven(&action, 0).await;

    // The signature is good once: brought again in a new transaction it changes nothing, and does not fail.
    let again = scene.container.carry(&action, RECORD, 1).await.unwrap().remove(0);
    assert!(again.nonce > first.nonce);
    scene.container.broadcast(&again).await;
    assert!(matches!(scene.landed(&again).await, Landing::Included(_)));
    // A longer closure is another action, and is carried too.
    let longer = support::action(scene.guard, scene.scope, scene.now + 1_200);
    scene.carried_and_proven(&longer, 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_stuck_behind_a_gap_closes_through_another() {
    if !node_available() {
        return;
    }
    let scene = scene().await;
    // Every operator reports a nonce too high: what the key signs waits for one that never comes.
    for proxy in &scene.world.proxies {
        let lie = Arc::new(|_: &str, request: &Value, honest: Value| {
            let asked = request.to_string().to_lowercase();
            let ours = asked.contains(&Devnet::account(1).unwrap().address().to_string().to_lowercase());
            Some(if ours { json!("0x384") } else { honest })
        });
        proxy.set("eth_getTransactionCount", portcullis_rpc::testing::Fault::Lie(lie));
    }
    let action = action(scene.guard, scene.scope, scene.now + 600);
    let own = scene.container.sign(&action, RECORD, 0).await.unwrap().remove(0);
    assert_eq!(own.nonce, 0x384);
    scene.container.broadcast(&own).await;
    scene.carried_and_proven(&action, 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drill_says_that_the_account_is_empty_and_that_another_could_carry() {
    if !node_available() {
        return;
    }
    let scene = scene().await;
    scene.empty_the_account().await;
    let action = action(scene.guard, scene.scope, scene.now + 600);
    let checks = scene.container.rehearse(&action).await.unwrap();
    let of = |name: &str| checks.iter().filter(|check| check.check.as_str() == name).collect::<Vec<_>>();
    assert!(of("balance").iter().any(|check| !check.ok), "{checks:?}");
    assert!(of("carrier").iter().all(|check| check.ok) && of("carrier").len() == 1, "{checks:?}");

    // Without a role the signature is worth nothing, whoever brings it.
    let stranger = scene.evm.container(Arc::new(LocalSigner::from(Devnet::account(3).unwrap())));
    let stranger = stranger.carried_by(Arc::new(LocalSigner::from(Devnet::account(2).unwrap())));
    let checks = stranger.rehearse(&action).await.unwrap();
    let carrier = checks.iter().find(|check| check.check.as_str() == "carrier").unwrap();
    assert!(!carrier.ok && carrier.detail.contains("no tripper"), "{carrier:?}");
    let attempt = stranger.carry(&action, RECORD, 0).await.unwrap().remove(0);
    stranger.broadcast(&attempt).await;
    assert!(matches!(scene.landed(&attempt).await, Landing::Reverted(..)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_carrier_nothing_is_carried() {
    if !node_available() {
        return;
    }
    let scene = scene().await;
    let alone = scene.evm.container(Arc::new(LocalSigner::from(Devnet::account(1).unwrap())));
    let action = action(scene.guard, scene.scope, scene.now + 600);
    assert!(alone.carry(&action, RECORD, 0).await.unwrap().is_empty());
}
