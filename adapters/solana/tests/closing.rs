//! Closing a guard on a real node: signed, sent, landed, and reported closed by a quorum.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic
)]

mod support;

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use portcullis_adapter::{Action, ActionClass, Attempt, Contain, Landing, Level, Prove};
use portcullis_rpc::testing::{Fault, FaultProxy};
use portcullis_solana::{
    Solana, SolanaConfig, SolanaContainer, address,
    devnet::{Call, Devnet, DevnetConfig, account},
    signer::{LocalSigner, Signer},
};
use portcullis_verifier::{
    ActionId, Assurance, B256, ChainId, IncidentId, System, Trust, Verdict, keccak256, solana::ReportSystem,
};
use serde_json::{Value, json};
use support::{names, node_available};

const PROGRAM: &str = "CktRuQ2mttgRGkXJtyksdKHjUdc2C4TgDzyB98oEzy8";
const SYSTEM: B256 = B256::ZERO;
const RECORD: B256 = B256::repeat_byte(0x5e);

fn artifact(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../contracts/artifacts/solana").join(name)
}

/// A guard with one registered scope, and three operators in front of the node.
struct Gate {
    node: Devnet,
    proxies: Vec<FaultProxy>,
    breaker: B256,
    scope: B256,
}

fn program() -> B256 {
    address::read(PROGRAM).unwrap()
}

fn pda(seeds: &[&[u8]]) -> B256 {
    address::derived(seeds, program()).unwrap().0
}

/// A call of the owner that waits for nothing before the guard is sealed.
fn owned(breaker: B256, owner: B256, data: Vec<u8>, rest: &[(B256, bool, bool)]) -> Call {
    let operation = pda(&[b"operation", breaker.as_slice(), keccak256(&data).as_slice()]);
    let mut accounts = vec![(owner, true, true), (breaker, false, false), (operation, false, true)];
    accounts.extend(rest);
    Call { program: program(), accounts, data }
}

impl Gate {
    async fn start() -> Self {
        let programs = vec![(PROGRAM.to_owned(), artifact("guard.so"))];
        let config = DevnetConfig { programs, ticks_per_slot: Some(16), ..DevnetConfig::default() };
        let node = Devnet::start(&config).await.unwrap();
        let (owner, tripper) = (account(0).unwrap(), account(1).unwrap());
        let from = owner.account();
        let name = keccak256("guard");
        let breaker = pda(&[b"breaker", from.as_slice(), name.as_slice()]);
        let chain = keccak256(node.chain());
        let bridge = keccak256("demo");
        let scope = keccak256(
            [
                keccak256("portcullis.scope.v1"),
                chain,
                bridge,
                B256::with_last_byte(2),
                B256::ZERO,
                B256::ZERO,
            ]
            .map(|word| word.0)
            .concat(),
        );
        let mut made = vec![0];
        for word in [name, from, account(8).unwrap().account(), account(9).unwrap().account(), chain] {
            made.extend(word.as_slice());
        }
        for number in [86_400_u32, 1_000_000, 600, 1_000] {
            made.extend(number.to_le_bytes());
        }
        made.extend(24_u16.to_le_bytes());
        let bridge_account = pda(&[b"bridge", breaker.as_slice(), bridge.as_slice()]);
        let lane = |lane: u8| pda(&[b"scope", breaker.as_slice(), scope.as_slice(), &[lane]]);
        let tripper_account = pda(&[b"tripper", breaker.as_slice(), tripper.account().as_slice()]);
        let system = (SYSTEM, false, false);
        let mut of_bridge = vec![19];
        of_bridge.extend(bridge.as_slice());
        of_bridge.extend([7; 32]);
        let mut of_scope = vec![20];
        of_scope.extend(bridge.as_slice());
        of_scope.push(2);
        of_scope.extend([0; 64]);
        let mut of_tripper = vec![18];
        of_tripper.extend(tripper.account().as_slice());
        of_tripper.extend(86_400_u32.to_le_bytes());
        let calls = [
            Call {
                program: program(),
                accounts: vec![(from, true, true), (from, true, false), (breaker, false, true), system],
                data: made,
            },
            owned(breaker, from, of_bridge, &[(bridge_account, false, true), system]),
            owned(
                breaker,
                from,
                of_scope,
                &[(bridge_account, false, true), (lane(0), false, true), (lane(1), false, true), system],
            ),
            owned(breaker, from, of_tripper, &[(tripper_account, false, true), system]),
        ];
        for call in &calls {
            node.send(&[&owner], std::slice::from_ref(call)).await.unwrap();
        }
        for at in [1, 2] {
            fund(&node, &owner, account(at).unwrap().account()).await;
        }
        let mut proxies = Vec::new();
        for _ in names() {
            proxies.push(FaultProxy::start(node.http().clone(), node.ws().clone()).await.unwrap());
        }
        Self { node, proxies, breaker, scope }
    }

    fn config(&self) -> SolanaConfig {
        let endpoints: Vec<Value> = names()
            .iter()
            .zip(&self.proxies)
            .map(|(name, proxy)| json!({ "operator": name, "http": proxy.http_url(), "ws": proxy.ws_url() }))
            .collect();
        serde_json::from_value(json!({
            "chain": self.node.chain(),
            "endpoints": endpoints,
            "quorum": 2,
            "targets": [{
                "id": "guard", "kind": "guard",
                "address": format!("{}@{PROGRAM}", address::shown(self.breaker)),
            }],
        }))
        .unwrap()
    }

    fn container(&self, solana: &Solana) -> SolanaContainer {
        solana.container(Arc::new(account(1).unwrap())).carried_by(Arc::new(account(2).unwrap()))
    }

    fn action(&self, incident: u8, secs: u64) -> Action {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        Action {
            id: ActionId(B256::ZERO),
            chain: ChainId::new(&self.node.chain()).unwrap(),
            target: self.breaker,
            scope: self.scope,
            level: Level::Closed,
            until: now + secs,
            until_height: 0,
            incident: IncidentId(B256::repeat_byte(incident)),
            generation: 0,
            class: ActionClass::Halt,
            value_at_risk_micro_usd: 0,
            reasons: Vec::new(),
        }
        .with_id()
    }
}

async fn fund(node: &Devnet, from: &LocalSigner, to: B256) {
    let mut data = 2_u32.to_le_bytes().to_vec();
    data.extend(10_000_000_000_u64.to_le_bytes());
    let accounts = vec![(from.account(), true, true), (to, false, true)];
    node.send(&[from], &[Call { program: SYSTEM, accounts, data }]).await.unwrap();
}

async fn landed(container: &SolanaContainer, attempt: &Attempt) -> Landing {
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(40) {
        match container.landing(attempt).await {
            Ok(Landing::Pending) | Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            Ok(landing) => return landing,
        }
    }
    panic!("it did not land");
}

fn trust(quorum: u16) -> Trust {
    Trust { operators: names(), quorum, now: 0, pinned: BTreeMap::new() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trip_lands_and_the_gate_is_reported_closed_by_the_quorum_and_never_proven() {
    if !node_available() {
        return;
    }
    let gate = Gate::start().await;
    let solana = Solana::new(gate.config()).unwrap();
    let (container, prover) = (gate.container(&solana), solana.prover());
    let before = container.gate(gate.breaker, gate.scope).await.unwrap();
    assert_eq!((before.registered, before.level), (true, Level::Open));
    let action = gate.action(1, 600);
    for ready in container.rehearse(&action).await.unwrap() {
        assert!(ready.ok, "{ready:?}");
    }
    let attempts = container.sign(&action, RECORD, 0).await.unwrap();
    assert_eq!(attempts.len(), 1, "one blockhash that a quorum calls valid, one lane");
    assert_eq!(container.sign(&action, RECORD, 0).await.unwrap(), attempts, "the same bytes again");
    assert_eq!(
        container.sign(&action, RECORD, 1).await.unwrap().len(),
        2,
        "both lanes from the second step on"
    );
    let slot = gate.node.head().await.unwrap().height;
    let sent = container.broadcast(&attempts[0]).await;
    assert_eq!(sent.replies.iter().filter(|reply| reply.accepted).count(), 3, "{sent:?}");
    let Landing::Included(block) = landed(&container, &attempts[0]).await else { panic!("included") };
    println!("sent after slot {slot}, landed in slot {}", block.height);
    let after = container.gate(gate.breaker, gate.scope).await.unwrap();
    assert_eq!((after.level, after.until), (Level::Closed, action.until));
    // The effect is what operators say, and is called so.
    let claim = container.effect(&action, block);
    let evidence = prover.evidence(&claim).await.unwrap();
    let Verdict::Proven(assurance) = ReportSystem::default().verify(&claim, &evidence, &trust(2)) else {
        panic!("reported")
    };
    assert!(
        assurance.meets(&Assurance::reported(2, 3))
            && !assurance.meets(&Assurance::proved_under_quorum(2, 3))
    );
    // A longer closure than the one in force is not reported by anybody.
    let longer = container.effect(&gate.action(1, 5_000), block);
    let evidence = prover.evidence(&longer).await.unwrap();
    assert!(matches!(ReportSystem::default().verify(&longer, &evidence, &trust(2)), Verdict::Refuted(..)));
}

/// The first account of the scope may be write-locked by an attacker: the second one closes as well.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_account_brings_the_tripper_s_signature_to_the_second_lane() {
    if !node_available() {
        return;
    }
    let gate = Gate::start().await;
    let solana = Solana::new(gate.config()).unwrap();
    let container = gate.container(&solana);
    container.warm().await.unwrap();
    let action = gate.action(2, 900);
    let carried = container.carry(&action, RECORD, 0).await.unwrap();
    assert_eq!(carried[0].sender, account(2).unwrap().account(), "the carrier pays");
    container.broadcast(&carried[0]).await;
    assert!(matches!(landed(&container, &carried[0]).await, Landing::Included(_)));
    let after = container.gate(gate.breaker, gate.scope).await.unwrap();
    assert_eq!((after.level, after.until), (Level::Closed, action.until));
    // A stranger's key closes nothing, and the reason is told by its number.
    let stranger = solana.container(Arc::new(account(0).unwrap()));
    let attempts = stranger.sign(&gate.action(3, 5_000), RECORD, 0).await.unwrap();
    stranger.broadcast(&attempts[0]).await;
    let Landing::Reverted(_, why) = landed(&stranger, &attempts[0]).await else { panic!("reverted") };
    assert!(why.starts_with("PC-096"), "{why}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_liar_changes_nothing_and_bytes_that_expired_are_dead() {
    if !node_available() {
        return;
    }
    let gate = Gate::start().await;
    let solana = Solana::new(gate.config()).unwrap();
    let container = gate.container(&solana);
    // A blockhash that no chain has: two of three call another one valid.
    let lie = json!({ "context": { "slot": 1 }, "value": {
        "blockhash": "QRSsyMWN1yHT9ir42bgNZUNZ4PdEhcSWCrL2AryKpy5", "lastValidBlockHeight": u64::MAX } });
    gate.proxies[1].set("getLatestBlockhash", Fault::Lie(Arc::new(move |_, _, _| Some(lie.clone()))));
    container.warm().await.unwrap();
    let attempts = container.sign(&gate.action(4, 600), RECORD, 0).await.unwrap();
    assert_eq!(attempts.len(), 1, "the liar's is not signed for");
    container.broadcast(&attempts[0]).await;
    assert!(matches!(landed(&container, &attempts[0]).await, Landing::Included(_)));
    // Signed and never sent: once a final block lies above its last height it can never land.
    let unsent =
        Attempt { nonce: 1, ..container.sign(&gate.action(5, 900), RECORD, 0).await.unwrap()[0].clone() };
    gate.node.reach(64).await.unwrap();
    assert_eq!(landed(&container, &unsent).await, Landing::Replaced);
    // Of a state, too, one operator's word is nothing.
    let nobody = json!({ "context": { "slot": u64::MAX }, "value": [null, null] });
    gate.proxies[2].set("getMultipleAccounts", Fault::Lie(Arc::new(move |_, _, _| Some(nobody.clone()))));
    let report = container.gate(gate.breaker, gate.scope).await.unwrap();
    assert_eq!(report.level, Level::Closed);
    for proxy in &gate.proxies {
        proxy.go_dark();
    }
    assert!(
        container.gate(gate.breaker, gate.scope).await.is_err(),
        "darkness is no open gate and no closed one"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dialling_names_what_is_missing() {
    if !node_available() {
        return;
    }
    let gate = Gate::start().await;
    let solana = Solana::new(gate.config()).unwrap();
    for ready in solana.dial().await {
        assert!(ready.ok, "{ready:?}");
    }
    let (report, checks) = solana.dial_gate(gate.breaker, gate.scope).await;
    assert!(
        report.is_some_and(|report| report.registered) && checks.iter().all(|check| check.ok),
        "{checks:?}"
    );
    let unknown = B256::repeat_byte(9);
    let (_, checks) = solana.dial_gate(gate.breaker, unknown).await;
    assert!(checks.iter().any(|check| !check.ok && check.detail.contains("PC-0965")), "{checks:?}");
    let change = |from: &str, to: &str| -> SolanaConfig {
        let target = format!("{}@{PROGRAM}", address::shown(gate.breaker));
        let mut config = gate.config();
        config.targets[0].address = target.replace(from, to);
        config
    };
    let no_program = Solana::new(change(PROGRAM, "GgBaCs3NCBuZN12kCJgAW63ydqohFkHEdfdEXBPzLHq")).unwrap();
    let (report, checks) = no_program.dial_gate(gate.breaker, gate.scope).await;
    assert!(report.is_none() && checks.iter().any(|check| check.detail.contains("no program is deployed")));
    let shown = address::shown(gate.breaker);
    let other = account(1).unwrap().account();
    let no_breaker = Solana::new(change(&shown, &address::shown(other))).unwrap();
    let (report, checks) = no_breaker.dial_gate(other, gate.scope).await;
    assert!(
        report.is_none() && checks.iter().any(|check| check.detail.contains("no breaker account")),
        "{checks:?}"
    );
    // Another cluster.
    let mut elsewhere = gate.config();
    elsewhere.chain = ChainId::new("solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp").unwrap();
    let checks = Solana::new(elsewhere).unwrap().dial().await;
    assert_eq!(checks.iter().filter(|check| check.detail.contains("PC-0951")).count(), 3, "{checks:?}");
    // A key without a role, and without money.
    let poor = solana.container(Arc::new(account(7).unwrap()));
    let checks = poor.rehearse(&gate.action(6, 600)).await.unwrap();
    let failed: Vec<&str> =
        checks.iter().filter(|check| !check.ok).map(|check| check.check.as_str()).collect();
    assert_eq!(failed, ["role", "balance", "simulation"], "{checks:?}");
}
