//! A guard with one registered scope on a real node, and three operators in front of it.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use portcullis_adapter::{Action, ActionClass, Attempt, Contain, Landing, Level};
use portcullis_rpc::testing::FaultProxy;
use portcullis_solana::{
    Solana, SolanaConfig, SolanaContainer, address,
    config::GateKind,
    devnet::{Call, Devnet, DevnetConfig, account},
    signer::{LocalSigner, Signer},
};
use portcullis_verifier::{ActionId, B256, ChainId, IncidentId, Trust, keccak256};
use serde_json::json;

use super::{SHORT_SLOT, names, proxied};

pub(crate) const PROGRAM: &str = "CktRuQ2mttgRGkXJtyksdKHjUdc2C4TgDzyB98oEzy8";
const GATE_PROGRAM: &str = "7CLxrA4H5FkjK9nVBVRaRoRSGTQnN1xCNd8fLBnzs2dH";
pub(crate) const SYSTEM: B256 = B256::ZERO;
pub(crate) const RECORD: B256 = B256::repeat_byte(0x5e);
/// How long a trip may take: longer than a blockhash lives on a chain of short slots.
const PATIENCE: Duration = Duration::from_secs(60);

fn artifact(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../contracts/artifacts/solana").join(name)
}

/// A guard (or a gate over mints) with one registered scope, and three operators in front of the node.
pub(crate) struct Gate {
    pub(crate) node: Devnet,
    pub(crate) kind: GateKind,
    pub(crate) proxies: Vec<FaultProxy>,
    pub(crate) breaker: B256,
    pub(crate) scope: B256,
}

fn program_of(kind: GateKind) -> (&'static str, &'static str) {
    match kind {
        GateKind::Guard => (PROGRAM, "guard.so"),
        GateKind::Gate => (GATE_PROGRAM, "gate.so"),
    }
}

impl Gate {
    /// On a chain of short slots.
    pub(crate) async fn start() -> Self {
        Self::with(GateKind::Guard, SHORT_SLOT).await
    }

    /// On a chain whose slots have so many ticks; none is the usual number.
    pub(crate) async fn with(kind: GateKind, ticks_per_slot: Option<u16>) -> Self {
        let (program, code) = program_of(kind);
        let programs = vec![(program.to_owned(), artifact(code))];
        let config = DevnetConfig { programs, ticks_per_slot, ..DevnetConfig::default() };
        let node = Devnet::start(&config).await.unwrap();
        let owner = account(0).unwrap();
        let from = owner.account();
        let name = keccak256("guard");
        let breaker = address::derived(
            &[b"breaker", from.as_slice(), name.as_slice()],
            address::read(program).unwrap(),
        );
        let chain = keccak256(node.chain());
        let words = [keccak256("portcullis.scope.v1"), chain, keccak256("demo"), B256::with_last_byte(2)];
        let words = [words.map(|word| word.0).concat(), vec![0; 64]].concat();
        let proxies = Vec::new();
        let mut gate = Self { node, kind, proxies, breaker: breaker.unwrap().0, scope: keccak256(words) };
        for call in
            gate.set_up([name, from, account(8).unwrap().account(), account(9).unwrap().account(), chain])
        {
            gate.node.send(&[&owner], &[call]).await.unwrap();
        }
        for at in [1, 2] {
            fund(&gate.node, &owner, account(at).unwrap().account()).await;
        }
        for _ in names() {
            let node = &gate.node;
            gate.proxies.push(FaultProxy::start(node.http().clone(), node.ws().clone()).await.unwrap());
        }
        gate
    }

    /// The program that works for it.
    pub(crate) fn program(&self) -> B256 {
        address::read(program_of(self.kind).0).unwrap()
    }

    /// An account of it.
    pub(crate) fn own(&self, seed: &[u8], rest: &[&[u8]]) -> B256 {
        let seeds = [&[seed, self.breaker.as_slice()], rest].concat();
        address::derived(&seeds, self.program()).unwrap().0
    }

    /// One of the two accounts of the scope.
    pub(crate) fn lane(&self, lane: u8) -> B256 {
        self.own(b"scope", &[self.scope.as_slice(), &[lane]])
    }

    /// What the tripper has at it.
    pub(crate) fn tripper(&self) -> B256 {
        self.own(b"tripper", &[account(1).unwrap().account().as_slice()])
    }

    /// A call of the owner, who waits for nothing before set-up is sealed.
    pub(crate) fn owned(&self, data: Vec<u8>, rest: &[(B256, bool, bool)]) -> Call {
        let operation = self.own(b"operation", &[keccak256(&data).as_slice()]);
        let owner = account(0).unwrap().account();
        let mut accounts = vec![(owner, true, true), (self.breaker, false, false), (operation, false, true)];
        accounts.extend(rest);
        Call { program: self.program(), accounts, data }
    }

    /// Name, owner, releaser, guardian and chain; then the scope and the tripper.
    fn set_up(&self, words: [B256; 5]) -> Vec<Call> {
        let (owner, tripper, bridge) = (words[1], account(1).unwrap().account(), keccak256("demo"));
        let mut made = [&[0][..], &words.map(|word| word.0).concat()].concat();
        for number in [86_400_u32, 1_000_000, 600, 1_000] {
            made.extend(number.to_le_bytes());
        }
        made.extend(24_u16.to_le_bytes());
        let (of_bridge, system) = (self.own(b"bridge", &[bridge.as_slice()]), (SYSTEM, false, false));
        let bridge_is_there = [&[19][..], bridge.as_slice(), &[7; 32]].concat();
        let scope = [&[20][..], bridge.as_slice(), &[2], &[0; 64]].concat();
        let granted = [&[18][..], tripper.as_slice(), &86_400_u32.to_le_bytes()].concat();
        let lanes = [(self.lane(0), false, true), (self.lane(1), false, true)];
        let accounts = vec![(owner, true, true), (owner, true, false), (self.breaker, false, true), system];
        let mut calls = vec![Call { program: self.program(), accounts, data: made }];
        if self.kind == GateKind::Guard {
            calls.push(self.owned(bridge_is_there, &[(of_bridge, false, true), system]));
        }
        calls.push(self.owned(scope, &[(of_bridge, false, true), lanes[0], lanes[1], system]));
        calls.push(self.owned(granted, &[(self.tripper(), false, true), system]));
        calls
    }

    pub(crate) fn config(&self) -> SolanaConfig {
        serde_json::from_value(json!({
            "chain": self.node.chain(),
            "endpoints": proxied(&self.proxies),
            "quorum": 2,
            "targets": [{
                "id": "guard", "kind": if self.kind == GateKind::Guard { "guard" } else { "gate" },
                "address": format!("{}@{}", address::shown(self.breaker), program_of(self.kind).0),
            }],
        }))
        .unwrap()
    }

    pub(crate) fn container(&self, solana: &Solana) -> SolanaContainer {
        solana.container(Arc::new(account(1).unwrap())).carried_by(Arc::new(account(2).unwrap()))
    }

    pub(crate) fn action(&self, incident: u8, secs: u64) -> Action {
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

/// A payment.
pub(crate) fn paid(from: B256, to: B256, lamports: u64) -> Call {
    let data = [2_u32.to_le_bytes().as_slice(), &lamports.to_le_bytes()].concat();
    Call { program: SYSTEM, accounts: vec![(from, true, true), (to, false, true)], data }
}

pub(crate) async fn fund(node: &Devnet, from: &LocalSigner, to: B256) {
    node.send(&[from], &[paid(from.account(), to, 10_000_000_000)]).await.unwrap();
}

/// What became of an attempt, once that is known; nobody's answer is none.
pub(crate) async fn landed(container: &SolanaContainer, attempt: &Attempt) -> Landing {
    let began = Instant::now();
    loop {
        let told = container.landing(attempt).await;
        match told {
            Ok(landing) if landing != Landing::Pending => return landing,
            _ => assert!(began.elapsed() < PATIENCE, "nothing became of it: {told:?}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

pub(crate) fn trust(quorum: u16) -> Trust {
    Trust { operators: names(), quorum, now: 0, pinned: BTreeMap::new() }
}
