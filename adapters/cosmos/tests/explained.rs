//! What `portcullis check --dial` and the drill explain of a real node: what a Gate may not trip, what a node no longer
//! keeps, and what becomes of a tripped message inside of another one.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::print_stderr
)]

mod scene;
mod support;

use std::time::{Duration, Instant};

use cosmrs::{
    AccountId,
    proto::cosmos::{
        bank::v1beta1::{MsgSend, QueryBalanceRequest, QueryBalanceResponse},
        base::v1beta1::Coin,
        gov::v1::{
            MsgSubmitProposal, MsgVote, Proposal, ProposalStatus, QueryProposalRequest,
            QueryProposalResponse, VoteOption,
        },
    },
};
use portcullis_adapter::{Contain, Landing, Readiness};
use portcullis_cosmos::{
    Cosmos,
    devnet::{Devnet, DevnetConfig, account, validator},
};
use portcullis_verifier::FaultKind;
use prost::Name;
use scene::{RECORD, SEND, Scene, any, attribute, available, done, scene_with};
use sha2::{Digest, Sha256};
use support::{Watching, World, node_available};

fn failing<'a>(checks: &'a [Readiness], name: &str) -> Vec<&'a str> {
    let named = checks.iter().filter(|check| !check.ok && check.check.as_str() == name);
    named.map(|check| check.detail.as_str()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gate_that_nobody_gave_the_power_to_is_told_with_what_it_lacks() {
    if !available() {
        return;
    }
    let scene = scene_with("gate", |config| DevnetConfig { circuit: Vec::new(), ..config }).await;
    let (report, checks) = scene.chain.dial_gate(scene.gate, scene.scope).await;
    assert!(report.is_some_and(|report| report.registered), "{checks:?}");
    let lacking = failing(&checks, "circuit");
    assert_eq!(lacking.len(), 1, "{checks:?}");
    assert!(lacking[0].contains(SEND) && lacking[0].contains("grant it LEVEL_SOME_MSGS"), "{lacking:?}");

    // The drill says the same, and it is true: the Gate takes the trip, and what it should close stays open.
    let now = scene.container.gate(scene.gate, scene.scope).await.unwrap().time;
    let action = scene.action(1, now + 600);
    let found = scene.container.rehearse(&action).await.unwrap();
    assert_eq!(failing(&found, "circuit"), lacking, "{found:?}");
    let attempt = scene.container.sign(&action, RECORD, 0).await.unwrap().remove(0);
    scene.container.broadcast(&attempt).await;
    let landing = scene.landed(&attempt).await;
    assert!(matches!(landing, Landing::Included(_)), "{landing:?}");
    let (sender, other) = (account(2).unwrap(), account(3).unwrap().address);
    done(&scene.node, &sender, Devnet::coins(&sender, &other, 1, "stake").unwrap()).await;

    let other = |config: DevnetConfig| {
        let circuit = config.circuit.iter().map(|(who, _)| (who.clone(), vec![VOTE.to_owned()]));
        DevnetConfig { circuit: circuit.collect(), ..config }
    };
    let scene = scene_with("gate", other).await;
    let (_, checks) = scene.chain.dial_gate(scene.gate, scene.scope).await;
    assert!(failing(&checks, "circuit")[0].contains(SEND), "power over another message is none: {checks:?}");
}

const VOTE: &str = "/cosmos.gov.v1.MsgVote";

/// The node has pruned the block that the light client starts at, and what is watched from there on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_prunes_is_told_with_what_it_keeps_and_a_newer_root_is_enough() {
    if !node_available() {
        return;
    }
    let world = World::with(|config| DevnetConfig { keep_blocks: Some(10), ..config }).await;
    let began = Instant::now();
    let kept = loop {
        let status = world.node.ask("status", serde_json::json!({})).await.unwrap();
        let earliest = status["sync_info"]["earliest_block_height"].as_str().unwrap().parse::<u64>().unwrap();
        if earliest > world.root.height {
            break earliest;
        }
        assert!(began.elapsed() < Duration::from_secs(60), "the node does not prune: {status}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    let cosmos = world.cosmos();
    let checks = cosmos.dial().await;
    let pruned = failing(&checks, "pruned");
    assert_eq!(pruned.len(), 3, "{checks:?}");
    let starts = format!("starts at {}", world.root.height);
    assert!(pruned.iter().all(|text| text.contains(&starts) && text.contains("`trust`")), "{pruned:?}");
    assert_eq!(failing(&checks, "proofs"), [""; 0], "state of the newest blocks is kept: from {kept} on");

    // Watching from there tells the same, and skips nothing.
    let mut watching = Watching::start(&cosmos, None);
    watching
        .until("pruned blocks are told", |seen| {
            seen.faults()
                .iter()
                .any(|(_, kind, what)| *kind != FaultKind::Recovered && what.contains("PC-09"))
        })
        .await;
    assert_eq!(watching.height(), 0);
    watching.stop().await.unwrap();

    let head = world.node.head().await.unwrap();
    let mut config = world.config();
    (config.trust.height, config.trust.hash) = (head.height, head.hash);
    let checks = Cosmos::new(config).unwrap().dial().await;
    assert_eq!(failing(&checks, "pruned"), [""; 0], "{checks:?}");
    assert_eq!(failing(&checks, "root"), [""; 0], "{checks:?}");
}

/// The account of the chain's governance.
fn governance() -> String {
    AccountId::new("wasm", &Sha256::digest(b"gov")[..20]).unwrap().to_string()
}

impl Scene {
    /// Hands in a proposal that governance pays one coin, has it voted through, and tells how it ended.
    async fn voted(&self, to: &str) -> Proposal {
        let (proposer, voter) = (account(0).unwrap(), validator().unwrap());
        let coin = |amount: &str| vec![Coin { denom: "stake".to_owned(), amount: amount.to_owned() }];
        let inner = MsgSend { from_address: governance(), to_address: to.to_owned(), amount: coin("1") };
        let proposal = MsgSubmitProposal {
            messages: vec![any(&inner, MsgSend::type_url())],
            initial_deposit: coin("10000000"),
            proposer: proposer.address.clone(),
            metadata: String::new(),
            title: "Pay".to_owned(),
            summary: "One coin.".to_owned(),
            expedited: false,
        };
        let events = done(&self.node, &proposer, any(&proposal, MsgSubmitProposal::type_url())).await;
        let proposal_id = attribute(&events, "proposal_id").parse().unwrap();
        let option = i32::from(VoteOption::Yes);
        let vote = MsgVote { proposal_id, voter: voter.address.clone(), option, metadata: String::new() };
        done(&self.node, &voter, any(&vote, MsgVote::type_url())).await;
        let began = Instant::now();
        loop {
            let question = QueryProposalRequest { proposal_id };
            let path = "/cosmos.gov.v1.Query/Proposal";
            let answer: QueryProposalResponse = self.node.query(path, &question).await.unwrap();
            let proposal = answer.proposal.unwrap();
            if proposal.status() != ProposalStatus::VotingPeriod {
                return proposal;
            }
            assert!(began.elapsed() < Duration::from_secs(60), "it is still voted on: {proposal:?}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    async fn balance(&self, address: &str) -> String {
        let question = QueryBalanceRequest { address: address.to_owned(), denom: "stake".to_owned() };
        let path = "/cosmos.bank.v1beta1.Query/Balance";
        let answer: QueryBalanceResponse = self.node.query(path, &question).await.unwrap();
        answer.balance.unwrap().amount
    }
}

/// The drill says what becomes of a tripped message inside of authz and inside of a proposal; the proposal is then really
/// voted through, twice: it pays while nothing is tripped, and fails while transfers are.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tripped_message_is_tried_inside_of_others_and_a_proposal_that_passed_does_not_execute_it() {
    if !available() {
        return;
    }
    let scene = scene_with("gate", |config| DevnetConfig { voting_ms: Some(3_000), ..config }).await;
    let (owner, payee) = (account(0).unwrap(), account(9).unwrap().address);
    done(&scene.node, &owner, Devnet::coins(&owner, &governance(), 100, "stake").unwrap()).await;
    let passed = scene.voted(&payee).await;
    assert_eq!(passed.status(), ProposalStatus::Passed, "{passed:?}");
    assert_eq!(scene.balance(&payee).await, "1");

    let now = scene.container.gate(scene.gate, scene.scope).await.unwrap().time;
    let attempt = scene.container.sign(&scene.action(1, now + 600), RECORD, 0).await.unwrap().remove(0);
    scene.container.broadcast(&attempt).await;
    let landing = scene.landed(&attempt).await;
    assert!(matches!(landing, Landing::Included(_)), "{landing:?}");
    let found = scene.container.rehearse(&scene.action(2, now + 900)).await.unwrap();
    let nested: Vec<&Readiness> = found.iter().filter(|check| check.check.as_str() == "nested").collect();
    eprintln!("nested: {nested:?}");
    assert_eq!(nested.len(), 2, "{found:?}");
    assert!(nested[0].detail.contains("(authz)") && nested[1].detail.contains("(gov)"), "{nested:?}");
    assert!(nested[1].detail.contains("is taken"), "the key could have handed it in: {nested:?}");

    let failed = scene.voted(&payee).await;
    let executed = failed.status() == ProposalStatus::Passed;
    assert_eq!(nested[1].ok, !executed, "the drill says what the chain does: {failed:?}");
    assert_eq!(failed.status(), ProposalStatus::Failed, "{failed:?}");
    assert!(failed.failed_reason.contains("circuit breaker"), "{failed:?}");
    assert_eq!(scene.balance(&payee).await, "1", "nothing was paid");
}
