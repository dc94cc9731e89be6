//! What nodes should never answer, and do: each is a typed error, counted, and marks the operator that gave it. It is
//! never taken for "no match", and never stops what the others say.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing
)]

mod support;

use std::{collections::BTreeMap, sync::LazyLock, time::Duration};

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use portcullis_adapter::{Batch, Class, Prove};
use portcullis_evm::{Evm, EvmConfig};
use portcullis_rpc::testing::{Fault, FaultProxy};
use portcullis_verifier::{
    B256, Claim, Event, FaultKind, OperatorId, Relation, System, U256, Undecided, Verdict, evm::QuorumSystem,
};
use serde_json::{Value, json};
use support::{
    Watched, World, claim_of_a_release, names, node_available,
    spoiled::{first, lie, spoiled, spoiled_headers, spoiled_logs},
    trust,
};
use tokio::sync::MutexGuard;

/// Taken by each test: operators have the same names in all of them, and what is counted must be a test's own.
static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// What this process has counted.
static METRICS: LazyLock<PrometheusHandle> =
    LazyLock::new(|| PrometheusBuilder::new().install_recorder().expect("the only recorder"));

/// A world for one test, which nobody else counts in meanwhile; none where there is no node to be had.
async fn alone() -> Option<(MutexGuard<'static, ()>, World)> {
    if !node_available() {
        return None;
    }
    let alone = ALONE.lock().await;
    LazyLock::force(&METRICS);
    Some((alone, World::start().await))
}

/// An observer that has brought its first event.
async fn watching(world: &World, config: EvmConfig) -> Watched {
    let mut watched = Watched::start(&Evm::new(config).unwrap());
    world.produce(1, 1).await;
    until(&mut watched, "the first event", |batch| transfers(batch) == 1).await;
    watched
}

/// How often an operator was counted for a kind of fault.
fn counted(operator: OperatorId, kind: FaultKind) -> u64 {
    let labels = [format!("operator=\"{operator}\""), format!("kind=\"{kind:?}\"")];
    let counts = |line: &&str| {
        line.starts_with("portcullis_operator_faults_total{")
            && labels.iter().all(|label| line.contains(label))
    };
    let text = METRICS.render();
    text.lines().find(counts).and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or(0)
}

/// The observer's batches until one satisfies, or what is missing.
async fn until(watched: &mut Watched, what: &str, mut enough: impl FnMut(&Batch) -> bool) {
    let waiting = async {
        loop {
            let batch = watched.batches.recv().await.expect("the observer goes on");
            if enough(&batch) {
                return;
            }
        }
    };
    if tokio::time::timeout(Duration::from_secs(20), waiting).await.is_err() {
        panic!("not seen: {what}");
    }
}

fn fault_of(batch: &Batch, operator: OperatorId, kind: FaultKind) -> bool {
    batch.observations.iter().any(|observation| {
        matches!(observation.event(), Event::Fault(fault)
            if fault.operator == Some(operator) && fault.kind == kind && !fault.detail.is_empty())
    })
}

fn transfers(batch: &Batch) -> usize {
    batch.observations.iter().filter(|o| matches!(o.event(), Event::Transfer(_))).count()
}

/// One operator of three answers `method` with `fault`: it is marked and counted, and the event is delivered all the
/// same. When it answers well again, that is told too.
async fn one_spoils(world: &World, watched: &mut Watched, name: &str, method: &str, fault: Fault) {
    let ada = names()[0];
    let before = counted(ada, FaultKind::Garbage);
    world.proxies[0].set(method, fault);
    world.produce(1, 1).await;
    let (mut marked, mut delivered) = (false, 0);
    until(watched, &format!("{method}, {name}: the event, and the operator marked"), |batch| {
        marked |= fault_of(batch, ada, FaultKind::Garbage);
        delivered += transfers(batch);
        marked && delivered > 0
    })
    .await;
    assert_eq!(delivered, 1, "{method}, {name}");
    assert!(counted(ada, FaultKind::Garbage) > before, "{method}, {name}: not counted");
    world.proxies[0].heal();
    world.produce(1, 1).await;
    let (mut recovered, mut delivered) = (false, 0);
    until(watched, &format!("{method}, {name}: recovery, and the next event"), |batch| {
        recovered |= fault_of(batch, ada, FaultKind::Recovered);
        delivered += transfers(batch);
        recovered && delivered > 0
    })
    .await;
    assert_eq!(delivered, 1, "{method}, {name}: after recovery");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_answer_about_logs_marks_who_gave_it_and_hides_nothing() {
    let Some((_alone, world)) = alone().await else { return };
    let mut config = world.config();
    // Polled: over HTTP an answer can be spoiled in every way. A socket that brings nonsense ends, which has a test.
    config.endpoints.iter_mut().for_each(|endpoint| endpoint.ws = None);
    let mut watched = watching(&world, config).await;
    for (name, fault) in spoiled().into_iter().chain(spoiled_logs()) {
        one_spoils(&world, &mut watched, name, "eth_getLogs", fault).await;
    }
    watched.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_block_marks_who_gave_it_and_hides_nothing() {
    let Some((_alone, world)) = alone().await else { return };
    let mut config = world.config();
    config.endpoints.iter_mut().for_each(|endpoint| endpoint.ws = None);
    let mut watched = watching(&world, config).await;
    for (name, fault) in spoiled().into_iter().chain(spoiled_headers()) {
        one_spoils(&world, &mut watched, name, "eth_getBlockByNumber", fault).await;
    }
    watched.stop().await;
}

/// SECURITY: the case that others get wrong. Nobody can tell the logs of a block, so the block is not delivered: an
/// error is not an empty answer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_all_spoil_their_logs_the_block_waits_and_nothing_is_lost() {
    let Some((_alone, world)) = alone().await else { return };
    let mut watched = watching(&world, world.config()).await;
    let cases = [
        ("HTML", Fault::Text("<html>busy</html>".to_owned())),
        ("null", Fault::Text("{\"id\":$ID,\"result\":null}".to_owned())),
        ("wrong ids", Fault::WrongId),
        (
            "a refusal",
            Fault::Error { code: -32_005, message: "query returned more than 10000 results".to_owned() },
        ),
        ("another block's", first("blockHash", json!(B256::repeat_byte(7)))),
    ];
    for (name, fault) in cases {
        world.proxies.iter().for_each(|proxy| proxy.set("eth_getLogs", fault.clone()));
        world.produce(1, 1).await;
        let height = world.node.height().await.unwrap();
        let mut told = BTreeMap::new();
        until(&mut watched, &format!("{name}: two operators marked"), |batch| {
            let delivered = batch.progress.is_some_and(|progress| progress.height >= height);
            assert!(!delivered && transfers(batch) == 0, "{name}: the block was delivered without its logs");
            for operator in names() {
                let bad = [FaultKind::Garbage, FaultKind::Dark];
                if bad.iter().any(|kind| fault_of(batch, operator, *kind)) {
                    told.insert(operator, ());
                }
            }
            told.len() >= 2
        })
        .await;
        world.proxies.iter().for_each(FaultProxy::heal);
        let (mut delivered, mut seen) = (0, false);
        until(&mut watched, &format!("{name}: the event, once all answer again"), |batch| {
            delivered += transfers(batch);
            seen |= batch.progress.is_some_and(|progress| progress.height >= height);
            seen
        })
        .await;
        assert_eq!(delivered, 1, "{name}");
        settle(&world, &mut watched).await;
    }
    watched.stop().await;
}

/// Until every operator that was marked is told to have recovered.
async fn settle(world: &World, watched: &mut Watched) {
    let mut open: usize = names().len();
    world.produce(1, 0).await;
    let recovering = async {
        while open > 0 {
            let batch = watched.batches.recv().await.expect("the observer goes on");
            open -= names()
                .iter()
                .filter(|name| fault_of(&batch, **name, FaultKind::Recovered))
                .count()
                .min(open);
        }
    };
    // One of the three may not have been asked while its answers were bad.
    drop(tokio::time::timeout(Duration::from_secs(3), recovering).await);
}

fn state_claim(release: &Claim, contract: B256) -> Claim {
    Claim::State {
        chain: release.chain(),
        block: release.block(),
        contract,
        key: B256::ZERO,
        mask: U256::MAX,
        relation: Relation::Equal,
        value: U256::ZERO,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proof_that_is_none_marks_who_gave_it_and_another_is_asked() {
    let Some((_alone, world)) = alone().await else { return };
    let ada = names()[0];
    let release = claim_of_a_release(&world).await;
    let state = state_claim(&release, world.emitter.into_word());
    // A real proof, of an account that nobody asked about.
    let height = format!("{:#x}", release.block().height);
    let stranger = json!(["0x0000000000000000000000000000000000000007", [B256::ZERO], height]);
    let other: Value = world.node.ask("eth_getProof", stranger).await.unwrap();
    let another = lie(move |_| other.clone());
    let older = lie(|mut honest| {
        honest["accountProof"].as_array_mut().unwrap().pop();
        honest
    });
    let mut cases: Vec<(&str, &Claim, &str, Fault)> = vec![
        ("a proof for another account", &state, "eth_getProof", another),
        ("a proof cut short", &state, "eth_getProof", older),
        (
            "receipts with one missing",
            &release,
            "eth_getBlockReceipts",
            lie(|mut honest| {
                honest.as_array_mut().unwrap().pop();
                honest
            }),
        ),
        ("no receipts", &release, "eth_getBlockReceipts", lie(|_| json!([]))),
        (
            "a receipt that calls itself a deposit",
            &release,
            "eth_getBlockReceipts",
            first("type", json!("0x7e")),
        ),
    ];
    cases.extend(spoiled().into_iter().map(|(name, fault)| (name, &state, "eth_getProof", fault)));
    cases.extend(spoiled().into_iter().map(|(name, fault)| (name, &release, "eth_getBlockReceipts", fault)));
    for (name, claim, method, fault) in cases {
        // A prover of its own each time: the standing of operators starts anew, so that the first is asked first.
        let prover = Evm::new(world.config()).unwrap().prover();
        let before = counted(ada, FaultKind::Garbage);
        world.proxies[0].set(method, fault);
        let evidence =
            prover.evidence(claim).await.unwrap_or_else(|error| panic!("{method}, {name}: {error}"));
        let verdict = QuorumSystem.verify(claim, &evidence, &trust());
        assert!(matches!(verdict, Verdict::Proven(_)), "{method}, {name}: {verdict:?}");
        // So much takes longer to come than another operator is waited for: then it is left behind, unread.
        let left_behind = method == "eth_getBlockReceipts" && name == "200 MB, not announced";
        let marked = counted(ada, FaultKind::Garbage) > before;
        assert!(marked || left_behind, "{method}, {name}: not counted");
        world.proxies[0].heal();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_all_spoil_their_proofs_nothing_is_decided() {
    let Some((_alone, world)) = alone().await else { return };
    let release = claim_of_a_release(&world).await;
    let state = state_claim(&release, world.emitter.into_word());
    for (name, fault) in spoiled() {
        for (claim, method) in [(&state, "eth_getProof"), (&release, "eth_getBlockReceipts")] {
            let prover = Evm::new(world.config()).unwrap().prover();
            world.proxies.iter().for_each(|proxy| proxy.set(method, fault.clone()));
            let error = prover.evidence(claim).await.expect_err(name);
            assert_eq!(error.class, Class::Untrusted, "{method}, {name}: {error}");
            assert!(error.operator.is_some(), "{method}, {name}: {error}");
            world.proxies.iter().for_each(FaultProxy::heal);
        }
        // Without a header from enough operators there may be evidence, but it decides nothing.
        let prover = Evm::new(world.config()).unwrap().prover();
        world.proxies[1..].iter().for_each(|proxy| proxy.set("eth_getBlockByNumber", fault.clone()));
        let evidence = prover.evidence(&state).await.unwrap();
        let verdict = QuorumSystem.verify(&state, &evidence, &trust());
        assert_eq!(verdict, Verdict::Undecided(Undecided::NoQuorum { agreeing: 1, needed: 2 }), "{name}");
        world.proxies.iter().for_each(FaultProxy::heal);
    }
}

/// While catching up, the times of blocks come with their logs and not with their headers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn old_blocks_are_dated_by_the_quorum_or_by_their_headers() {
    let Some((_alone, world)) = alone().await else { return };
    world.produce(4, 1).await;
    world.node.mine(60).await.unwrap();
    let head = world.node.height().await.unwrap();
    let mut truth = Vec::new();
    for log in support::true_logs(&world).await {
        let height = format!("{:#x}", log.block_number.unwrap());
        let block: Value = world.node.ask("eth_getBlockByNumber", json!([height, false])).await.unwrap();
        truth.push(block["timestamp"].as_str().unwrap().to_owned());
    }
    let dated = |time: Option<&'static str>| {
        lie(move |mut honest| {
            for log in honest.as_array_mut().unwrap() {
                match time {
                    Some(time) => log["blockTimestamp"] = json!(time),
                    None => drop(log.as_object_mut().unwrap().remove("blockTimestamp")),
                }
            }
            honest
        })
    };
    // One lies; one lies and one does not tell; none of them tells.
    let cases: [[Option<Fault>; 3]; 3] = [
        [Some(dated(Some("0x1"))), None, None],
        [Some(dated(Some("0x1"))), Some(dated(None)), None],
        [Some(dated(None)), Some(dated(None)), Some(dated(None))],
    ];
    for (number, faults) in cases.into_iter().enumerate() {
        let lies = number < 2;
        for (proxy, fault) in world.proxies.iter().zip(faults) {
            fault.into_iter().for_each(|fault| proxy.set("eth_getLogs", fault));
        }
        let evm = Evm::new(world.config()).unwrap();
        let mut watched = Watched::start(&evm);
        let (mut times, mut named, mut height) = (Vec::new(), !lies || number == 1, 0);
        until(&mut watched, &format!("case {number}: the head, and who lied named"), |batch| {
            let transfers = batch.observations.iter().filter(|o| matches!(o.event(), Event::Transfer(_)));
            times.extend(transfers.map(|observation| format!("{:#x}", observation.time())));
            named |= fault_of(batch, names()[0], FaultKind::DissentLogs);
            height = batch.progress.map_or(height, |progress| progress.height);
            named && height >= head
        })
        .await;
        assert_eq!(times, truth, "case {number}");
        watched.stop().await;
        world.proxies.iter().for_each(FaultProxy::heal);
    }
}

/// A block that is old: an endpoint that stands still is behind, and what it says of new blocks is nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stale_block_marks_who_gave_it_as_behind() {
    let Some((_alone, world)) = alone().await else { return };
    let mut config = world.config();
    config.endpoints.iter_mut().for_each(|endpoint| endpoint.ws = None);
    let mut watched = watching(&world, config).await;
    let old: Value = world.node.ask("eth_getBlockByNumber", json!(["latest", false])).await.unwrap();
    world.proxies[0].set("eth_getBlockByNumber", lie(move |_| old.clone()));
    world.produce(8, 1).await;
    let (mut behind, mut delivered) = (false, 0);
    until(&mut watched, "all events, and the operator behind", |batch| {
        behind |= fault_of(batch, names()[0], FaultKind::Lagging);
        delivered += transfers(batch);
        behind && delivered >= 8
    })
    .await;
    assert_eq!(delivered, 8);
    watched.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_about_no_contract_blames_nobody() {
    let Some((_alone, world)) = alone().await else { return };
    let release = claim_of_a_release(&world).await;
    let before: Vec<u64> = names().iter().map(|name| counted(*name, FaultKind::Garbage)).collect();
    let prover = Evm::new(world.config()).unwrap().prover();
    let error = prover.evidence(&state_claim(&release, B256::repeat_byte(1))).await.unwrap_err();
    assert_eq!((error.class, error.operator), (Class::Permanent, None));
    let after: Vec<u64> = names().iter().map(|name| counted(*name, FaultKind::Garbage)).collect();
    assert_eq!(before, after);
}
