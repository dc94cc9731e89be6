//! Observing and proving on a real node, with answers that are wrong in every way that one operator can make them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::arithmetic_side_effects, clippy::indexing_slicing)]
#![allow(clippy::panic)]

mod support;

use std::{collections::BTreeMap, sync::Arc};

use portcullis_adapter::{Class, Observe, Prove};
use portcullis_cosmos::{Cosmos, CosmosProver};
use portcullis_rpc::testing::{Fault, Rewrite};
use portcullis_verifier::{
    BlockRef, ChainId, Claim, Evidence, FaultKind, Slug, System, Trust, Verdict,
    cosmos::{LightSystem, system_name},
    keccak256,
};
use serde_json::{Value, json};
use support::{CHAIN, USD, Watching, World, names, node_available};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

fn chain() -> ChainId {
    ChainId::new(&format!("cosmos:{CHAIN}")).unwrap()
}

fn bank() -> Slug {
    Slug::new("bank").unwrap()
}

/// Where the bank keeps the supply of a denomination.
fn supply_key(denom: &str) -> Vec<u8> {
    [&[0], denom.as_bytes()].concat()
}

fn supply(block: BlockRef, amount: Option<&str>) -> Claim {
    Claim::Stored { chain: chain(), block, store: bank(), key: supply_key(USD), value: amount.map(keccak256) }
}

/// What the verifier says, from the root that the adapter stands at.
fn judged(cosmos: &Cosmos, claim: &Claim, evidence: &Evidence) -> Verdict {
    let pinned = cosmos.root().checkpoint().unwrap().to_bytes();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let trust =
        Trust { operators: names(), quorum: 2, now, pinned: BTreeMap::from([(system_name(), pinned)]) };
    LightSystem::default().verify(claim, evidence, &trust)
}

async fn proven(cosmos: &Cosmos, prover: &CosmosProver, claim: &Claim) {
    let evidence = prover.evidence(claim).await.unwrap();
    let verdict = judged(cosmos, claim, &evidence);
    let Verdict::Proven(assurance) = verdict else { panic!("{claim:?}: {verdict:?}") };
    assert_eq!(assurance.header.signed_bps, Some(10_000));
    assert!(assurance.header.final_by_consensus);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn supply_absence_and_transactions_are_proven_from_the_root() {
    if !node_available() {
        return;
    }
    let world = World::start().await;
    let (transaction, height) = world.transfer(2).await;
    world.node.reach(height + 2).await.unwrap();
    let cosmos = world.cosmos();
    let prover = cosmos.prover();
    let head = prover.head().await.unwrap();
    // What holds after the head that the prover names can be proven at once.
    proven(&cosmos, &prover, &supply(head, Some("1000000000"))).await;
    let wrong = supply(head, Some("1000000001"));
    let evidence = prover.evidence(&wrong).await.unwrap();
    assert!(matches!(judged(&cosmos, &wrong, &evidence), Verdict::Refuted(..)));
    let absent = Claim::NotStored { chain: chain(), block: head, store: bank(), key: supply_key("nothing") };
    proven(&cosmos, &prover, &absent).await;
    let there = Claim::NotStored { chain: chain(), block: head, store: bank(), key: supply_key(USD) };
    let evidence = prover.evidence(&there).await.unwrap();
    assert!(matches!(judged(&cosmos, &there, &evidence), Verdict::Refuted(..)));

    let (_, events) = world.truth().await;
    let block = BlockRef { height, hash: events[0].block_hash };
    for code in [None, Some(0)] {
        proven(&cosmos, &prover, &Claim::Included { chain: chain(), block, transaction, code }).await;
    }
    let failed = Claim::Included { chain: chain(), block, transaction, code: Some(5) };
    let evidence = prover.evidence(&failed).await.unwrap();
    assert!(matches!(judged(&cosmos, &failed, &evidence), Verdict::Refuted(..)));

    // A transfer of the bank is recorded by nobody: it is reported, and never proven.
    let emitted = Claim::Emitted { chain: chain(), block, log_index: events[0].index, raw: events[0].raw };
    assert_eq!(prover.evidence(&emitted).await.unwrap_err().class, Class::Permanent);
    // The block after the newest is not there yet: nobody is to blame, and it is asked for again.
    let next = world.node.head().await.unwrap();
    let future = supply(BlockRef { height: next.height + 1_000, ..next }, None);
    let error = prover.evidence(&future).await.unwrap_err();
    assert_eq!((error.class, error.operator), (Class::Transient, None), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn old_blocks_are_proven_below_a_root_that_has_moved_on() {
    if !node_available() {
        return;
    }
    let world = World::start().await;
    let head = world.node.reach(12).await.unwrap();
    let mut config = world.config();
    config.trust.height = head.height;
    config.trust.hash = head.hash;
    config.start_height = 0;
    let cosmos = Cosmos::new(config).unwrap();
    let prover = cosmos.prover();
    let commit = world.node.ask("commit", json!({ "height": "5" })).await.unwrap();
    let hash = commit["signed_header"]["commit"]["block_id"]["hash"].as_str().unwrap().parse().unwrap();
    let claim = supply(BlockRef { height: 5, hash }, Some("1000000000"));
    let evidence = prover.evidence(&claim).await.unwrap();
    let Verdict::Proven(assurance) = judged(&cosmos, &claim, &evidence) else { panic!("not proven") };
    assert_eq!(
        assurance.header.signed_bps, None,
        "the root is a person's word, and so is what lies below it"
    );
}

/// Each of these is found out, the operator is named, and the next one's evidence is taken.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_proof_is_named_and_another_operator_is_asked() {
    if !node_available() {
        return;
    }
    let world = World::start().await;
    let height = world.node.reach(8).await.unwrap().height;
    let set = |path: &'static str, value: Value| -> Fault {
        let rewrite: Rewrite = Arc::new(move |_, _, mut honest| {
            if let Some(place) = honest.pointer_mut(path) {
                *place = value.clone();
            }
            Some(honest)
        });
        Fault::Lie(rewrite)
    };
    let first_proof = "/response/proofOps/ops/0/data";
    let other = world
        .node
        .ask("abci_query", json!({
            "path": "/store/bank/key", "data": "007374616b65", "height": (height - 2).to_string(), "prove": true,
        }))
        .await
        .unwrap();
    let cases: [(&str, &str, Fault); 9] = [
        ("garbage", "abci_query", Fault::Garbage),
        ("oversize", "abci_query", Fault::Oversize(3 << 20)),
        ("wrong id", "abci_query", Fault::WrongId),
        ("stale", "abci_query", set("/response/height", json!((height - 5).to_string()))),
        ("another key", "abci_query", set("/response/key", json!("AA=="))),
        ("no proof", "abci_query", set("/response/proofOps", Value::Null)),
        ("broken proof", "abci_query", set(first_proof, json!("AAAA"))),
        (
            "proof of another key",
            "abci_query",
            set(first_proof, other["response"]["proofOps"]["ops"][0]["data"].clone()),
        ),
        ("another header", "commit", set("/signed_header/header/app_hash", json!("AB".repeat(32)))),
    ];
    for (what, method, fault) in cases {
        let cosmos = world.cosmos();
        let prover = cosmos.prover();
        let mut watching = Watching::start(&cosmos, None);
        watching.until(what, |seen| seen.height() > 4).await;
        world.proxies[0].set(method, fault);
        let named = |seen: &Watching| {
            let by_ada = |(who, kind, _): &(_, _, String)| {
                *who == Some(names()[0]) && matches!(kind, FaultKind::Garbage | FaultKind::DissentHead)
            };
            seen.faults().iter().any(by_ada)
        };
        // Ada is asked first, as nothing is known against her; where she is slow, another one answers before she does.
        for _ in 0..50 {
            let block = prover.head().await.unwrap_or_else(|error| panic!("{what}: {error}"));
            proven(&cosmos, &prover, &supply(block, None)).await;
            watching.drain();
            if named(&watching) {
                break;
            }
        }
        watching.until(what, named).await;
        watching.stop().await.unwrap();
        world.proxies[0].heal();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn endpoints_of_another_chain_are_refused() {
    if !node_available() {
        return;
    }
    let world = World::start().await;
    let mut config = world.config();
    config.chain = ChainId::new("cosmos:portcullis-other-1").unwrap();
    let cosmos = Cosmos::new(config).unwrap();
    let (feed, _batches) = mpsc::channel(1);
    let error = cosmos.observer().observe(None, feed, CancellationToken::new()).await.unwrap_err();
    assert_eq!(error.class, Class::Permanent);
    assert!(error.what.contains("PC-0901"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_restarts_is_gone_on_with_and_a_cursor_of_another_chain_is_not() {
    if !node_available() {
        return;
    }
    let mut world = World::start().await;
    let cosmos = world.cosmos();
    let mut watching = Watching::start(&cosmos, None);
    watching.until("the first blocks", |seen| seen.height() > 4).await;
    let before = watching.height();
    world.node.restart().await.unwrap();
    world.transfer(1).await;
    let (_, events) = world.truth().await;
    let wanted = events.last().unwrap().raw;
    watching
        .until("the transfer after the restart", |seen| seen.seen.iter().any(|one| one.raw() == wanted))
        .await;
    assert!(watching.height() > before);
    let mut cursor = watching.cursor.clone().unwrap();
    watching.stop().await.unwrap();
    cursor.recent.truncate(1);
    cursor.recent[0].hash = keccak256("not this one");
    let again = Watching::start(&world.cosmos(), Some(cursor));
    let ended = tokio::time::timeout(std::time::Duration::from_secs(20), again.ended()).await.unwrap();
    let error = ended.unwrap_err();
    assert!(error.what.contains("PC-0908"), "{error}");
}

/// Ben has the validator's key and signs another block of the same height.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_signed_headers_of_one_height_freeze_the_client() {
    if !node_available() {
        return;
    }
    let world = World::start().await;
    let cosmos = world.cosmos();
    let mut watching = Watching::start(&cosmos, None);
    watching.until("the first blocks", |seen| seen.height() > 4).await;
    world.proxies[1].set("commit", Fault::Lie(support::signed_twice(&world.node)));
    watching
        .until("the chain is told to have signed two truths", |seen| seen.told(None, FaultKind::Equivocation))
        .await;
    let frozen = watching.height();
    assert!(cosmos.root().checkpoint().unwrap().frozen.is_some());
    let head = world.node.head().await.unwrap();
    world.node.reach(head.height + 3).await.unwrap();
    watching.drain();
    assert_eq!(watching.height(), frozen, "nothing is delivered any more");
    let claim = supply(BlockRef { height: frozen, hash: keccak256("any") }, None);
    assert!(cosmos.prover().evidence(&claim).await.is_err(), "nothing is proven any more");
    watching.stop().await.unwrap();
}

/// Every node says that it begins above the block that comes next: nothing is skipped, and people are told why.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pruned_blocks_are_told_and_never_skipped() {
    if !node_available() {
        return;
    }
    let world = World::start().await;
    let cosmos = world.cosmos();
    let mut watching = Watching::start(&cosmos, None);
    watching.until("the first blocks", |seen| seen.height() > 4).await;
    let pruned: Rewrite = Arc::new(|_, _, mut honest| {
        honest["sync_info"]["earliest_block_height"] = json!("1000000");
        Some(honest)
    });
    for proxy in &world.proxies {
        proxy.set("status", Fault::Lie(Arc::clone(&pruned)));
        proxy.set("block_results", Fault::Error { code: -32_603, message: "Internal error".to_owned() });
    }
    watching
        .until("everybody is named", |seen| {
            names().iter().all(|name| {
                seen.faults().iter().any(|(who, _, what)| *who == Some(*name) && what.contains("PC-0902"))
            })
        })
        .await;
    watching.until("the chain is told dark", |seen| seen.told(None, FaultKind::Dark)).await;
    let stopped = watching.height();
    let (transaction, _) = world.transfer(1).await;
    let claim = Claim::Included {
        chain: chain(),
        block: world.node.head().await.unwrap(),
        transaction,
        code: Some(0),
    };
    let error = cosmos.prover().evidence(&claim).await.unwrap_err();
    assert!(!matches!(error.class, Class::Untrusted), "{error}");
    watching.drain();
    assert_eq!(watching.height(), stopped);
    world.proxies.iter().for_each(portcullis_rpc::testing::FaultProxy::heal);
    let (_, events) = world.truth().await;
    let wanted = events.last().unwrap().raw;
    watching.until("what happened meanwhile", |seen| seen.seen.iter().any(|one| one.raw() == wanted)).await;
    watching.until("recovery is told", |seen| seen.told(None, FaultKind::Recovered)).await;
    watching.stop().await.unwrap();
}

/// The service was away, and a person has pinned a newer header meanwhile: what lies below it is still delivered, each
/// block verified as the parent of the next.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cursor_below_a_newer_root_is_gone_on_from() {
    if !node_available() {
        return;
    }
    let world = World::start().await;
    let mut watching = Watching::start(&world.cosmos(), None);
    watching.until("the first blocks", |seen| seen.height() > 4).await;
    let cursor = watching.cursor.clone();
    watching.stop().await.unwrap();
    world.transfer(1).await;
    let (head, events) = world.truth().await;
    let wanted = events.last().unwrap().raw;
    let mut config = world.config();
    config.trust.height = head.height;
    config.trust.hash = head.hash;
    config.start_height = 0;
    let mut watching = Watching::start(&Cosmos::new(config).unwrap(), cursor);
    watching.until("blocks above the root", |seen| seen.height() > head.height).await;
    assert_eq!(watching.seen.iter().filter(|one| one.raw() == wanted).count(), 1);
    assert_eq!(watching.faults(), []);
    watching.stop().await.unwrap();
}
