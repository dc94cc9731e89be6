//! What only a real node shows: latency, evidence that verifies, a trip that lands and whose effect is proven.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::arithmetic_side_effects, clippy::indexing_slicing)]

mod support;

use std::time::{Duration, Instant};

use alloy::primitives::U256;
use portcullis_adapter::{Action, Contain, Landing, Level, Prove};
use portcullis_evm::{
    Evm, LocalSigner,
    devnet::{Devnet, DevnetConfig},
};
use portcullis_rpc::testing::Fault;
use portcullis_verifier::{
    B256, Claim, Event, FaultKind, Status, System, TransferKind, Undecided, Verdict, evm::QuorumSystem,
};
use support::{
    CHAIN, Watched, World, action, claim_of_a_release, deploy_guard, emitted, names, node_available, target,
    trust,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_observed_release_is_proven_and_an_invented_one_is_refuted() {
    if !node_available() {
        return;
    }
    let world = World::start().await;
    let evm = Evm::new(world.config()).unwrap();
    let mut watched = Watched::start(&evm);
    world.produce(1, 1).await;
    let (_, release) = watched.release().await;
    assert_eq!(release.status(), Status::Included);
    let Event::Transfer(transfer) = release.event() else { panic!("a transfer") };
    assert_eq!(transfer.kind, TransferKind::Release);
    assert_eq!(transfer.remote, B256::with_last_byte(7));
    assert_eq!(transfer.amount, U256::from(1_000));
    assert_eq!(transfer.local, B256::from(U256::from(1_000)));

    let claim = emitted(&release);
    let prover = evm.prover();
    let began = Instant::now();
    let evidence = prover.evidence(&claim).await.unwrap();
    println!("evidence in {:?}", began.elapsed());
    let Verdict::Proven(assurance) = QuorumSystem.verify(&claim, &evidence, &trust()) else {
        panic!("proven")
    };
    assert!(assurance.header.quorum.unwrap().agreeing >= 2);

    let Claim::Emitted { chain, block, log_index, .. } = claim else { panic!("a claim about a log") };
    let invented = Claim::Emitted { chain, block, log_index, raw: B256::repeat_byte(1) };
    let evidence = prover.evidence(&invented).await.unwrap();
    assert!(matches!(QuorumSystem.verify(&invented, &evidence, &trust()), Verdict::Refuted(..)));

    let absent = Claim::NotEmitted {
        chain,
        block,
        contract: world.emitter.into_word(),
        topics: vec![B256::repeat_byte(9)],
    };
    let evidence = prover.evidence(&absent).await.unwrap();
    assert!(matches!(QuorumSystem.verify(&absent, &evidence, &trust()), Verdict::Proven(_)));
    watched.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn delivery_follows_the_socket_closely() {
    if !node_available() {
        return;
    }
    let world = World::start().await;
    let mut config = world.config();
    // Straight to the node: the proxies are not what is measured.
    for endpoint in &mut config.endpoints {
        endpoint.http = world.node.http().clone();
        endpoint.ws = Some(world.node.ws().clone());
    }
    let evm = Evm::new(config).unwrap();
    let mut watched = Watched::start(&evm);
    world.produce(1, 1).await;
    watched.release().await;
    let mut observed: Vec<Duration> = Vec::new();
    let mut proven: Vec<Duration> = Vec::new();
    let prover = evm.prover();
    for _ in 0..30 {
        world.produce(1, 1).await;
        let (batch, release) = watched.release().await;
        observed.push(batch.seen_at.elapsed());
        let claim = emitted(&release);
        let began = Instant::now();
        prover.evidence(&claim).await.unwrap();
        proven.push(began.elapsed());
    }
    observed.sort();
    proven.sort();
    println!("head on the socket to batch received: p50 {:?}, worst {:?}", observed[15], observed[29]);
    println!("evidence for one log: p50 {:?}, worst {:?}", proven[15], proven[29]);
    // A figure, not a promise: the bound only catches a wait that should not be there.
    assert!(observed[15] < Duration::from_millis(100), "p50 {:?}", observed[15]);
    watched.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_node_cannot_keep_in_memory_goes_with_it() {
    if !node_available() {
        return;
    }
    let quiet = DevnetConfig { args: vec!["--no-mining".to_owned()], ..DevnetConfig::new(CHAIN) };
    let node = Devnet::start(&quiet).await.unwrap();
    let dir = node.dir().to_path_buf();
    // More than the states that it keeps in memory; in steps, because a call has a few seconds.
    for _ in 0..14 {
        node.mine(50).await.unwrap();
    }
    assert!(dir.read_dir().unwrap().next().is_some(), "states are written somewhere else");
    drop(node);
    assert!(!dir.exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trip_lands_and_its_effect_is_proven() {
    if !node_available() {
        return;
    }
    let world = World::with(DevnetConfig::new(CHAIN)).await;
    let key = Devnet::account(1).unwrap();
    let (guard, scope) = deploy_guard(&world.node, key.address()).await;
    let mut config = world.config();
    config.targets = vec![target(guard)];
    let evm = Evm::new(config).unwrap();
    let container = evm.container(std::sync::Arc::new(LocalSigner::from(key)));

    let before = container.gate(guard.into_word(), scope).await.unwrap();
    assert!(before.registered);
    assert_eq!(before.level, Level::Open);
    let action = action(guard, scope, before.time + 3_600);
    let rehearsal = container.rehearse(&action).await.unwrap();
    assert!(rehearsal.iter().all(|check| check.ok), "{rehearsal:?}");

    container.warm().await.unwrap();
    let record = B256::repeat_byte(6);
    let attempts = container.sign(&action, record, 0).await.unwrap();
    assert_eq!(attempts.len(), 1, "three operators, one nonce");
    assert_eq!(attempts, container.sign(&action, record, 0).await.unwrap(), "the same bytes each time");
    assert_eq!(container.landing(&attempts[0]).await.unwrap(), Landing::Pending);
    let sent = container.broadcast(&attempts[0]).await;
    assert_eq!(sent.replies.len(), 3);
    assert!(sent.replies.iter().all(|reply| reply.accepted), "the second copy is known already: {sent:?}");

    let mut landing = Landing::Pending;
    while landing == Landing::Pending {
        // A node answers before its block is made.
        landing = container.landing(&attempts[0]).await.unwrap();
    }
    let Landing::Included(block) = landing else { panic!("included, not {landing:?}") };
    let effect = container.effect(&action, block);
    let evidence = evm.prover().evidence(&effect).await.unwrap();
    assert!(matches!(QuorumSystem.verify(&effect, &evidence, &trust()), Verdict::Proven(_)));

    let asked_more = Action { until: action.until + 1, ..action.clone() };
    let unmet = container.effect(&asked_more, block);
    let evidence = evm.prover().evidence(&unmet).await.unwrap();
    assert!(matches!(QuorumSystem.verify(&unmet, &evidence, &trust()), Verdict::Refuted(..)));

    let after = container.gate(guard.into_word(), scope).await.unwrap();
    assert_eq!((after.level, after.until), (Level::Closed, action.until));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn false_receipts_are_found_named_and_asked_of_another() {
    if !node_available() {
        return;
    }
    let world = World::start().await;
    let evm = Evm::new(world.config()).unwrap();
    let claim = claim_of_a_release(&world).await;
    let shortened = std::sync::Arc::new(|_: &str, _: &serde_json::Value, mut honest: serde_json::Value| {
        honest.as_array_mut().unwrap().pop();
        Some(honest)
    });
    world.proxies[0].set("eth_getBlockReceipts", Fault::Lie(shortened));
    let evidence = evm.prover().evidence(&claim).await.unwrap();
    assert!(matches!(QuorumSystem.verify(&claim, &evidence, &trust()), Verdict::Proven(_)));

    // What the proving lane learned is told by the observer.
    let mut watched = Watched::start(&evm);
    loop {
        let batch = watched.next().await;
        let named = batch.observations.iter().any(|observation| {
            matches!(observation.event(), Event::Fault(fault)
                if fault.operator == Some(names()[0]) && fault.kind == FaultKind::Garbage)
        });
        if named {
            break;
        }
    }
    watched.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn receipts_come_one_by_one_where_a_node_gives_no_list() {
    if !node_available() {
        return;
    }
    let world = World::start().await;
    let evm = Evm::new(world.config()).unwrap();
    let claim = claim_of_a_release(&world).await;
    for proxy in &world.proxies {
        let unknown = Fault::Error { code: -32_601, message: "the method does not exist".to_owned() };
        proxy.set("eth_getBlockReceipts", unknown);
    }
    let evidence = evm.prover().evidence(&claim).await.unwrap();
    assert!(matches!(QuorumSystem.verify(&claim, &evidence, &trust()), Verdict::Proven(_)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn headers_need_a_quorum() {
    if !node_available() {
        return;
    }
    let world = World::start().await;
    let evm = Evm::new(world.config()).unwrap();
    let claim = claim_of_a_release(&world).await;
    world.proxies[0].go_dark();
    let evidence = evm.prover().evidence(&claim).await.unwrap();
    let Verdict::Proven(assurance) = QuorumSystem.verify(&claim, &evidence, &trust()) else {
        panic!("proven")
    };
    assert_eq!(assurance.header.quorum.unwrap().agreeing, 2);
    world.proxies[1].set("eth_getBlockByNumber", Fault::Garbage);
    let evidence = evm.prover().evidence(&claim).await.unwrap();
    let verdict = QuorumSystem.verify(&claim, &evidence, &trust());
    assert_eq!(verdict, Verdict::Undecided(Undecided::NoQuorum { agreeing: 1, needed: 2 }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn catching_up_in_ranges_delivers_everything_in_order() {
    if !node_available() {
        return;
    }
    let world = World::start().await;
    for _ in 0..10 {
        world.node.mine(100).await.unwrap();
        world.produce(1, 10).await;
    }
    world.node.mine(50).await.unwrap();
    let mut config = world.config();
    config.endpoints.truncate(1);
    config.endpoints[0].http = world.node.http().clone();
    config.endpoints[0].ws = Some(world.node.ws().clone());
    config.quorum = 1;
    let head = world.node.height().await.unwrap();

    let began = Instant::now();
    let mut from = 0;
    while from <= head {
        let to = (from + 249).min(head);
        let filter = serde_json::json!([{
            "fromBlock": format!("{from:#x}"), "toBlock": format!("{to:#x}"), "address": world.emitter
        }]);
        world.node.ask::<Vec<alloy::rpc::types::Log>>("eth_getLogs", filter).await.unwrap();
        from = to + 1;
    }
    let raw = began.elapsed();

    let evm = Evm::new(config).unwrap();
    let began = Instant::now();
    let mut watched = Watched::start(&evm);
    let mut events = 0;
    loop {
        let batch = watched.next().await;
        events += batch.observations.iter().filter(|o| matches!(o.event(), Event::Transfer(_))).count();
        if batch.progress.is_some_and(|progress| progress.height == head) {
            break;
        }
    }
    println!("{head} blocks: raw ranges one by one {raw:?}, observed and in order {:?}", began.elapsed());
    assert_eq!(events, 100);
    watched.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_waiting_release_is_previewed_once_and_then_included() {
    if !node_available() {
        return;
    }
    let world = World::start().await;
    let mut config = world.config();
    config.pending = true;
    let evm = Evm::new(config).unwrap();
    let mut watched = Watched::start(&evm);
    world.produce(1, 1).await;
    while watched.release().await.1.status() != Status::Included {}
    // The sockets are open: what is sent now is seen before a block holds it.
    let id = world.emit().await;
    let (batch, preview) = watched.release().await;
    assert_eq!((preview.status(), preview.position().block_hash), (Status::Pending, B256::ZERO));
    assert!(batch.progress.is_none() && batch.cursor.is_none());
    let Event::Transfer(waiting) = *preview.event() else { panic!("a transfer") };
    assert_eq!(waiting.message_id, B256::from(U256::from(id)));
    world.node.mine(1).await.unwrap();
    let (_, included) = watched.release().await;
    assert_eq!(included.status(), Status::Included, "three operators showed it, one preview was told");
    assert_eq!(included.event(), &Event::Transfer(waiting));
    assert_eq!((included.raw(), included.position().tx_hash), (preview.raw(), preview.position().tx_hash));
    watched.stop().await;
}
