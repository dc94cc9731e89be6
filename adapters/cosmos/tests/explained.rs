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
    AccountId, Any,
    proto::cosmos::{
        bank::v1beta1::{MsgSend, QueryBalanceRequest, QueryBalanceResponse},
        base::v1beta1::Coin,
        gov::v1::{
            MsgSubmitProposal, MsgVote, Proposal, ProposalStatus, QueryProposalRequest,
            QueryProposalResponse, VoteOption,
        },
    },
};
use portcullis_adapter::{Contain, Landing, Level, Readiness};
use portcullis_cosmos::{
    Cosmos,
    devnet::{Devnet, DevnetConfig, account, validator},
};
use portcullis_verifier::{BlockRef, FaultKind, Verdict};
use prost::{Message, Name};
use scene::{FIRST_CONTRACT, RECORD, SEND, Scene, any, attribute, available, done, scene_with};
use sha2::{Digest, Sha256};
use support::{Watching, World, node_available};

fn failing<'a>(checks: &'a [Readiness], name: &str) -> Vec<&'a str> {
    let named = checks.iter().filter(|check| !check.ok && check.check.as_str() == name);
    named.map(|check| check.detail.as_str()).collect()
}

/// `cosmos.circuit.v1.MsgAuthorizeCircuitBreaker`
#[derive(Clone, PartialEq, prost::Message)]
struct Authorize {
    #[prost(string, tag = "1")]
    granter: String,
    #[prost(string, tag = "2")]
    grantee: String,
    #[prost(message, optional, tag = "3")]
    permissions: Option<Permissions>,
}

/// `cosmos.circuit.v1.Permissions`: level 1 is some messages.
#[derive(Clone, PartialEq, prost::Message)]
struct Permissions {
    #[prost(int32, tag = "1")]
    level: i32,
    #[prost(string, repeated, tag = "2")]
    messages: Vec<String>,
}

const VOTE: &str = "/cosmos.gov.v1.MsgVote";

/// Governance takes the Gate's power over transfers away: the drill tells it, the trip is taken all the same, and it is
/// proven by the chain's own signatures that nothing follows from it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gate_that_lost_its_power_is_told_and_its_trip_is_proven_to_have_no_effect() {
    if !available() {
        return;
    }
    let scene = scene_with("gate", |config| DevnetConfig { voting_ms: Some(3_000), ..config }).await;
    let (report, checks) = scene.chain.dial_gate(scene.gate, scene.scope).await;
    assert!(report.is_some_and(|report| report.registered), "{checks:?}");
    assert_eq!(failing(&checks, "circuit"), [""; 0], "{checks:?}");

    // Power over another message is none.
    let permissions = Permissions { level: 1, messages: vec![VOTE.to_owned()] };
    let other = Authorize {
        granter: governance(),
        grantee: FIRST_CONTRACT.to_owned(),
        permissions: Some(permissions),
    };
    let url = "/cosmos.circuit.v1.MsgAuthorizeCircuitBreaker".to_owned();
    let passed = scene.voted(Any { type_url: url, value: other.encode_to_vec() }).await;
    assert_eq!(passed.status(), ProposalStatus::Passed, "{passed:?}");
    let (_, checks) = scene.chain.dial_gate(scene.gate, scene.scope).await;
    let lacking = failing(&checks, "circuit");
    assert_eq!(lacking.len(), 1, "{checks:?}");
    assert!(lacking[0].contains(SEND) && lacking[0].contains("grant it LEVEL_SOME_MSGS"), "{lacking:?}");
    let open = scene.container.gate(scene.gate, scene.scope).await.unwrap();
    let action = scene.action(1, open.time + 600);
    let found = scene.container.rehearse(&action).await.unwrap();
    assert_eq!(failing(&found, "circuit"), lacking, "{found:?}");
    assert_eq!(scene.container.unenforced(scene.gate, scene.scope).await, None, "nothing is asked for yet");

    let attempt = scene.container.sign(&action, RECORD, 0).await.unwrap().remove(0);
    scene.container.broadcast(&attempt).await;
    let landing = scene.landed(&attempt).await;
    let Landing::Included(block) = landing else { panic!("{landing:?}") };
    let verdict = scene.verdict(&scene.container.effect(&action, block)).await;
    assert!(matches!(verdict, Verdict::Refuted(..)), "tripped, and nothing is closed: {verdict:?}");
    let told = scene.container.unenforced(scene.gate, scene.scope).await.unwrap();
    assert!(told.starts_with("PC-0945") && told.contains(&format!("{SEND} refused to close")), "{told}");
    let gate = scene.container.gate(scene.gate, scene.scope).await.unwrap();
    assert_ne!(gate.level, Level::Closed, "an operator's reading of it is no tighter: {gate:?}");
    let (sender, other) = (account(2).unwrap(), account(3).unwrap().address);
    done(&scene.node, &sender, Devnet::coins(&sender, &other, 1, "stake").unwrap()).await;
}

/// Waits until a node has pruned a block; the oldest one that it still has.
async fn pruned_above(node: &Devnet, height: u64) -> u64 {
    let began = Instant::now();
    loop {
        let status = node.ask("status", serde_json::json!({})).await.unwrap();
        let earliest = status["sync_info"]["earliest_block_height"].as_str().unwrap().parse::<u64>().unwrap();
        if earliest > height {
            return earliest;
        }
        assert!(began.elapsed() < Duration::from_secs(60), "the node does not prune: {status}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The node has pruned the block that the light client starts at, and what is watched from there on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_prunes_is_told_with_what_it_keeps_and_a_newer_root_is_enough() {
    if !node_available() {
        return;
    }
    let world = World::with(|config| DevnetConfig { keep_blocks: Some(10), ..config }).await;
    let kept = pruned_above(&world.node, world.root.height).await;
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

fn stake(amount: &str) -> Vec<Coin> {
    vec![Coin { denom: "stake".to_owned(), amount: amount.to_owned() }]
}

impl Scene {
    /// Has it voted through that governance pays one coin.
    async fn voted_to_pay(&self, to: &str) -> Proposal {
        let inner = MsgSend { from_address: governance(), to_address: to.to_owned(), amount: stake("1") };
        self.voted(any(&inner, MsgSend::type_url())).await
    }

    /// Hands in a proposal, has it voted through, and tells how it ended.
    async fn voted(&self, message: Any) -> Proposal {
        let (proposer, voter) = (account(0).unwrap(), validator().unwrap());
        let proposal = MsgSubmitProposal {
            messages: vec![message],
            initial_deposit: stake("10000000"),
            proposer: proposer.address.clone(),
            metadata: String::new(),
            title: "A change".to_owned(),
            summary: "One message.".to_owned(),
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
    let passed = scene.voted_to_pay(&payee).await;
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

    let failed = scene.voted_to_pay(&payee).await;
    let executed = failed.status() == ProposalStatus::Passed;
    assert_eq!(nested[1].ok, !executed, "the drill says what the chain does: {failed:?}");
    assert_eq!(failed.status(), ProposalStatus::Failed, "{failed:?}");
    assert!(failed.failed_reason.contains("circuit breaker"), "{failed:?}");
    assert_eq!(scene.balance(&payee).await, "1", "nothing was paid");
}

/// A configuration of a service that watches this chain and closes by one gate of it.
fn file(
    scene: &Scene,
    chain: &str,
    BlockRef { height, hash }: BlockRef,
    (gate, kind): (&str, &str),
) -> String {
    let (http, ws) = (scene.node.http(), scene.node.ws());
    let endpoint = |name: &str| format!("{{ operator = \"{name}\", http = \"{http}\", ws = \"{ws}\" }}");
    let (one, other, start) = (endpoint("alpha"), endpoint("beta"), height + 1);
    let fields = [("message_id", "@tx"), ("asset", "amount.denom"), ("amount", "amount.amount")];
    let fields = fields.into_iter().chain([("recipient", "recipient"), ("sender", "sender")]);
    let fields: String = fields.map(|(field, from)| format!(", {field} = \"{from}\"")).collect();
    format!(
        r#"
[[chain]]
id = "cosmos:{chain}"
prefix = "wasm"
quorum = 2
start_height = {start}
endpoints = [{one}, {other}]
trust = {{ height = {height}, hash = "{hash}" }}
fees = {{ denom = "stake" }}

[[bridge]]
id = "demo"
finality_secs = 60

[[bridge.side]]
chain = "cosmos:{chain}"
domain = 7
guard = {{ address = "{gate}", kind = "{kind}", mode = "observe", max_secs = 86_400 }}

[[bridge.side.contracts]]
address = "module:bank"
events = [{{ kind = "lock", signature = "transfer", fields = {{ remote = 8{fields} }} }}]

[[bridge.unwatched]]
domain = 8
name = "elsewhere"

[[bridge.asset]]
name = "STAKE"
price_usd = 1.0
forms = [{{ domain = 7, token = "stake", decimals = 6, home = true }}]

[[playbook]]
id = "hold"
class = "hold"
expiry_secs = 900

[store]
data_dir = "data"
"#
    )
}

/// Runs the program itself on a configuration; what it says, and the checks that failed: code and text.
async fn dialled(program: &str, text: &str) -> (String, Vec<(String, String)>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("portcullis.toml");
    std::fs::write(&path, text).unwrap();
    let mut command = tokio::process::Command::new(program);
    let command =
        command.args(["check", "--dial", "--json", "--config"]).arg(&path).env_remove("DATABASE_URL");
    let output = command.current_dir(folder.path()).kill_on_drop(true).output().await.unwrap();
    let said = [output.stdout.as_slice(), &output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    let answer: serde_json::Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{said}"));
    let failed: Vec<(String, String)> = answer["dialled"]
        .as_array()
        .unwrap_or_else(|| panic!("{said}"))
        .iter()
        .filter(|entry| entry["severity"] == "error")
        .map(|entry| {
            (entry["code"].as_str().unwrap().to_owned(), entry["detail"].as_str().unwrap().to_owned())
        })
        .collect();
    assert_eq!(output.status.code(), Some(1), "{said}");
    (said, failed)
}

/// What people see of it: the program, on a node that prunes, with a Gate that nobody gave any power.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_program_explains_another_chain_a_lacking_permission_no_contract_and_a_node_that_pruned() {
    let Ok(program) = std::env::var("PORTCULLIS_BIN") else {
        assert!(
            std::env::var("PORTCULLIS_REQUIRE_ALL").as_deref() != Ok("1"),
            "PORTCULLIS_BIN is required here"
        );
        eprintln!("SKIPPED: PORTCULLIS_BIN does not name the service's program");
        return;
    };
    if !available() {
        return;
    }
    let change = |config: DevnetConfig| DevnetConfig { circuit: Vec::new(), keep_blocks: Some(20), ..config };
    let scene = scene_with("gate", change).await;
    let old = scene.node.head().await.unwrap();
    pruned_above(&scene.node, old.height).await;
    let gate = (FIRST_CONTRACT, "gate");
    let other = AccountId::new("wasm", &[7; 32]).unwrap().to_string();
    let worlds = [
        ("portcullis-other-1", None, gate, "PC-0302", "not of portcullis-other-1"),
        (scene::CHAIN, None, gate, "PC-0938", "grant it LEVEL_SOME_MSGS"),
        (scene::CHAIN, None, (other.as_str(), "guard"), "PC-0308", "PC-0937: no contract is instantiated"),
        (scene::CHAIN, Some(old), gate, "PC-0939", "pin a newer header in `trust`"),
    ];
    for (chain, root, gate, code, text) in worlds {
        // The newest block is kept for long enough to be asked for.
        let at = match root {
            Some(root) => root,
            None => scene.node.head().await.unwrap(),
        };
        let (said, failed) = dialled(&program, &file(&scene, chain, at, gate)).await;
        assert!(failed.iter().any(|(found, why)| found == code && why.contains(text)), "{code}: {said}");
        let pruned = failed.iter().any(|(found, _)| found == "PC-0939");
        assert_eq!(pruned, root.is_some(), "{said}");
    }
}
