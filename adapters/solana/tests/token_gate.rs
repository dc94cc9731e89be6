//! A gate that holds the pausing power over a token, on a real node: what closes is the token itself, and a release resumes it.
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
use portcullis_adapter::{Contain, Landing, Level, Prove};
use portcullis_rpc::testing::{Fault, Rewrite};
use portcullis_solana::{
    Solana, SolanaContainer, address,
    config::GateKind,
    devnet::{Call, DevnetError, account},
    signer::{LocalSigner, Signer},
};
use portcullis_verifier::{Assurance, B256, System, Verdict, solana::ReportSystem};
use serde_json::json;
use support::{
    SHORT_SLOT,
    gate::{Gate, RECORD, SYSTEM, landed, trust},
    node_available,
};

/// Token-2022.
const TOKEN: &str = "TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb";
/// Bytes of a mint that can be paused, and of an account that holds such a token.
const MINT_BYTES: u64 = 203;
const HOLDER_BYTES: u64 = 170;
/// More than the rent of either.
const RENT: u64 = 10_000_000;
/// What the token program answers while a mint is paused.
const PAUSED: u64 = 67;

/// A token whose pause a gate holds, with two accounts that hold it.
struct Token {
    gate: Gate,
    mint: B256,
    holders: [B256; 2],
}

fn token() -> B256 {
    address::read(TOKEN).unwrap()
}

fn call(accounts: &[(B256, bool, bool)], data: &[&[u8]]) -> Call {
    Call { program: token(), accounts: accounts.to_vec(), data: data.concat() }
}

fn create(new: B256, bytes: u64) -> Call {
    let data =
        [&0_u32.to_le_bytes()[..], &RENT.to_le_bytes(), &bytes.to_le_bytes(), token().as_slice()].concat();
    Call { program: SYSTEM, accounts: vec![(owner().account(), true, true), (new, true, true)], data }
}

fn owner() -> LocalSigner {
    account(0).unwrap()
}

/// A rehearsal tells that a trip would close nothing: it would land all the same.
async fn holds_nothing(gate: &Gate) {
    let container = gate.container(&Solana::new(gate.config()).unwrap());
    let ready = container.rehearse(&gate.action(1, 600)).await.unwrap();
    let failing: Vec<_> = ready.iter().filter(|ready| !ready.ok).collect();
    assert!(
        matches!(failing.as_slice(), [one] if one.check.as_str() == "power" && one.detail.contains("PC-0967")),
        "{ready:?}"
    );
}

impl Token {
    async fn start() -> Self {
        let gate = Gate::with(GateKind::Gate, SHORT_SLOT).await;
        let (payer, mint) = (owner(), account(20).unwrap());
        let at = (mint.account(), false, true);
        let from = payer.account();
        let made = [
            create(mint.account(), MINT_BYTES),
            call(&[at], &[&[44, 0], gate.breaker.as_slice()]),
            call(&[at], &[&[20, 6], from.as_slice(), &[0]]),
        ];
        gate.node.send(&[&payer, &mint], &made).await.unwrap();
        let mut holders = [B256::ZERO; 2];
        for (index, holder) in (21..).zip(&mut holders) {
            let key = account(index).unwrap();
            let made = [
                create(key.account(), HOLDER_BYTES),
                call(
                    &[(key.account(), false, true), (mint.account(), false, false)],
                    &[&[18], from.as_slice()],
                ),
            ];
            gate.node.send(&[&payer, &key], &made).await.unwrap();
            *holder = key.account();
        }
        let minted =
            call(&[at, (holders[0], false, true), (from, true, false)], &[&[7], &1_000_u64.to_le_bytes()]);
        gate.node.send(&[&payer], &[minted]).await.unwrap();
        let mint = mint.account();
        holds_nothing(&gate).await;
        let target = gate.own(b"target", &[mint.as_slice()]);
        let data = [&[30][..], gate.scope.as_slice(), mint.as_slice(), &[2]].concat();
        let rest = [
            (gate.lane(0), false, false),
            (target, false, true),
            (mint, false, false),
            (SYSTEM, false, false),
        ];
        gate.node.send(&[&payer], &[gate.owned(data, &rest)]).await.unwrap();
        let sealed = Call {
            program: gate.program(),
            accounts: vec![(from, true, false), (gate.breaker, false, true)],
            data: vec![9],
        };
        gate.node.send(&[&payer], &[sealed]).await.unwrap();
        Self { gate, mint, holders }
    }

    /// Somebody sends a token to somebody.
    async fn transfer(&self) -> Result<(String, u64), DevnetError> {
        let accounts = [
            (self.holders[0], false, true),
            (self.mint, false, false),
            (self.holders[1], false, true),
            (owner().account(), true, false),
        ];
        let sent = call(&accounts, &[&[12], &1_u64.to_le_bytes(), &[6]]);
        self.gate.node.send(&[&owner()], &[sent]).await
    }

    async fn is_paused(&self) -> bool {
        let params =
            json!([address::shown(self.mint), { "commitment": "confirmed", "encoding": "jsonParsed" }]);
        let told = self.gate.node.ask("getAccountInfo", params).await.unwrap();
        let extensions = told["value"]["data"]["parsed"]["info"]["extensions"].as_array().unwrap().clone();
        let pause = extensions.iter().find(|one| one["extension"] == "pausableConfig").unwrap();
        pause["state"]["paused"].as_bool().unwrap()
    }

    /// The gate takes a trip, and the token goes on: closed in the gate's own books, and in effect nowhere. Whoever says that the
    /// token is paused says it alone.
    async fn tripped_and_not_obeyed(&self, container: &SolanaContainer, solana: &Solana) {
        let (gate, action) = (&self.gate, self.gate.action(2, 300));
        // As a guard it is tripped, and nothing that it holds is asked for.
        let mut config = gate.config();
        config.targets[0].kind = GateKind::Guard;
        let tripper = gate.container(&Solana::new(config).unwrap());
        tripper.warm().await.unwrap();
        let trip = tripper.sign(&action, RECORD, 0).await.unwrap();
        tripper.broadcast(&trip[0]).await;
        let Landing::Included(block) = landed(&tripper, &trip[0]).await else { panic!("included") };
        let books = tripper.gate(gate.breaker, gate.scope).await.unwrap();
        assert_eq!((books.level, books.until), (Level::Closed, action.until), "in its own books");
        assert!(!self.is_paused().await);
        gate.proxies[1].set("getMultipleAccounts", Fault::Lie(paused()));
        let report = container.gate(gate.breaker, gate.scope).await.unwrap();
        assert_ne!(report.level, Level::Closed, "{report:?}");
        let claim = container.effect(&action, block);
        let evidence = solana.prover().evidence(&claim).await.unwrap();
        let verdict = ReportSystem::default().verify(&claim, &evidence, &trust(2));
        assert!(matches!(verdict, Verdict::Refuted(..)), "{verdict:?}");
        gate.proxies[1].heal();
    }

    /// The releaser opens a lane, as it saw it.
    async fn release(&self, lane: u8, closed_until: u64) {
        let releaser = account(8).unwrap();
        let data =
            [&[4][..], self.gate.scope.as_slice(), &[0], &0_u32.to_le_bytes(), &closed_until.to_le_bytes()]
                .concat();
        let accounts = vec![
            (releaser.account(), true, false),
            (self.gate.breaker, false, false),
            (self.gate.lane(lane), false, true),
        ];
        let release = Call { program: self.gate.program(), accounts, data };
        self.gate.node.send(&[&owner(), &releaser], &[release]).await.unwrap();
    }

    /// Anybody has the gate take back what it closed.
    async fn restore(&self) {
        let data = [&[33][..], self.mint.as_slice()].concat();
        let accounts = vec![
            (self.gate.breaker, false, false),
            (self.gate.lane(0), false, false),
            (self.gate.lane(1), false, false),
            (self.gate.own(b"target", &[self.mint.as_slice()]), false, true),
            (self.mint, false, true),
            (token(), false, false),
        ];
        let restore = Call { program: self.gate.program(), accounts, data };
        self.gate.node.send(&[&owner()], &[restore]).await.unwrap();
    }
}

/// Answers in which every mint that can be paused is paused.
fn paused() -> Rewrite {
    Arc::new(|_, _, mut honest| {
        for told in honest["value"].as_array_mut()? {
            let Some(text) = told["data"][0].as_str() else { continue };
            let mut data = BASE64_STANDARD.decode(text).ok()?;
            // The extension's number and length, the authority, then whether it is paused.
            if let Some(at) = data.windows(4).position(|window| window == [26, 0, 33, 0]) {
                data[at + 36] = 1;
                told["data"][0] = json!(BASE64_STANDARD.encode(data));
            }
        }
        Some(honest)
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn containment_pauses_the_token_itself_and_a_release_resumes_it() {
    if !node_available() {
        return;
    }
    let token = Token::start().await;
    let gate = &token.gate;
    token.transfer().await.unwrap();
    let solana = Solana::new(gate.config()).unwrap();
    let (container, prover) = (gate.container(&solana), solana.prover());
    let (report, checks) = solana.dial_gate(gate.breaker, gate.scope).await;
    assert!(report.is_some() && checks.iter().all(|check| check.ok), "{checks:?}");
    container.warm().await.unwrap();
    let action = gate.action(1, 600);
    for ready in container.rehearse(&action).await.unwrap() {
        assert!(ready.ok, "{ready:?}");
    }
    token.tripped_and_not_obeyed(&container, &solana).await;
    let attempts = container.sign(&action, RECORD, 0).await.unwrap();
    container.broadcast(&attempts[0]).await;
    let Landing::Included(block) = landed(&container, &attempts[0]).await else { panic!("included") };
    // The trip and the pause are one transaction: there is no moment at which one is in effect without the other.
    let report = container.gate(gate.breaker, gate.scope).await.unwrap();
    assert_eq!((report.level, report.until), (Level::Closed, action.until));
    assert!(token.is_paused().await);
    let Err(DevnetError::Failed(why)) = token.transfer().await else { panic!("it went through") };
    assert_eq!(why["InstructionError"][1]["Custom"], PAUSED, "{why}");
    let evidence = prover.evidence(&container.effect(&action, block)).await.unwrap();
    let verdict = ReportSystem::default().verify(&container.effect(&action, block), &evidence, &trust(2));
    let Verdict::Proven(assurance) = verdict else { panic!("reported") };
    assert!(assurance.meets(&Assurance::reported(2, 3)), "two of three say that the token is paused");
    // While it is closed nobody gets it back.
    token.restore().await;
    assert!(token.is_paused().await, "not while its scope is closed");
    token.release(0, action.until).await;
    let report = container.gate(gate.breaker, gate.scope).await.unwrap();
    assert_eq!(report.level, Level::Open);
    token.restore().await;
    assert!(!token.is_paused().await);
    token.transfer().await.unwrap();
    println!("paused in slot {}, resumed by release and restore", block.height);
}
