//! A small bridge between two chains, and words to drive it with.
#![allow(
    dead_code,
    unreachable_pub,
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    reason = "test support: it fails by panicking"
)]

use std::collections::BTreeSet;

use portcullis_core::{
    Effect, Effects, Engine, EngineConfig, Input,
    config::{Asset, AssetForm, Bridge, Chain, Mode, Playbook, Rules, Side, Target, Unwatched},
    effect::{Cause, Decision},
    input::{Body, Outcome},
};
use portcullis_verifier::{
    ActionClass, Assurance, B256, ChainId, Claim, EndpointFault, Event, FaultKind, Observation, Position,
    Progress, Slug, Status, Transfer, TransferKind, U256, Verdict, keccak256,
};

pub const FINALITY: u64 = 1_800;
pub const T0: u64 = 1_700_000_000;
pub const EXPIRY: u64 = 7_200;

pub fn slug(text: &str) -> Slug {
    Slug::new(text).unwrap()
}

pub fn word(number: u64) -> B256 {
    B256::from(U256::from(number))
}

/// The chain with the escrow.
pub fn home() -> ChainId {
    ChainId::new("eip155:1").unwrap()
}

/// The chain with the representations.
pub fn away() -> ChainId {
    ChainId::new("eip155:1284").unwrap()
}

pub const HOME: u64 = 1;
pub const AWAY: u64 = 2;
pub const ELSEWHERE: u64 = 3;
/// Six decimals at home and away; one whole token is one dollar.
pub const USD_HOME: u64 = 0x11;
pub const USD_AWAY: u64 = 0x12;
/// Eighteen decimals at home, eight away; 2,000 dollars.
pub const ETH_HOME: u64 = 0x21;
pub const ETH_AWAY: u64 = 0x22;
/// Without a price.
pub const ODD_HOME: u64 = 0x31;
pub const ODD_AWAY: u64 = 0x32;
/// At home on the other chain; one dollar, six decimals.
pub const GLM_HOME: u64 = 0x41;
pub const GLM_AWAY: u64 = 0x42;

fn asset(name: &str, price: Option<u64>, forms: [(u64, u64, u8, bool); 2]) -> Asset {
    let form = |(domain, token, decimals, home): (u64, u64, u8, bool)| AssetForm {
        domain: word(domain),
        asset: word(token),
        decimals,
        home,
    };
    Asset { name: slug(name), forms: forms.into_iter().map(form).collect(), micro_usd: price }
}

pub fn needs() -> Assurance {
    Assurance::proved_under_quorum(2, 3)
}

pub fn config() -> EngineConfig {
    let operators = ["a", "b", "c"].map(slug).to_vec();
    let chain = |id| Chain { id, operators: operators.clone(), quorum: 2, stall_after_secs: 86_400 };
    let target = |name: &str, chain: ChainId, address| Target {
        id: slug(name),
        chain,
        address: word(address),
        bridge: slug("b"),
        scope: word(0x5c0),
        mode: Mode::Halt,
        max_secs: 86_400,
        block_secs: 12,
    };
    let playbook = |name: &str, class, expiry_secs| Playbook {
        id: slug(name),
        class,
        needs: needs(),
        expiry_secs,
        targets: Vec::new(),
    };
    EngineConfig {
        group: slug("g"),
        chains: vec![chain(home()), chain(away())],
        bridges: vec![Bridge {
            id: slug("b"),
            finality_secs: FINALITY,
            skew_secs: 0,
            sides: vec![
                Side { chain: home(), domain: word(HOME) },
                Side { chain: away(), domain: word(AWAY) },
            ],
            unwatched: vec![Unwatched { domain: word(ELSEWHERE), name: slug("elsewhere") }],
            assets: vec![
                asset("usd", Some(1_000_000), [(HOME, USD_HOME, 6, true), (AWAY, USD_AWAY, 6, false)]),
                asset("eth", Some(2_000_000_000), [(HOME, ETH_HOME, 18, true), (AWAY, ETH_AWAY, 8, false)]),
                asset("odd", None, [(HOME, ODD_HOME, 6, true), (AWAY, ODD_AWAY, 6, false)]),
                asset("glm", Some(1_000_000), [(HOME, GLM_HOME, 6, false), (AWAY, GLM_AWAY, 6, true)]),
            ],
        }],
        targets: vec![target("home", home(), 0x61), target("away", away(), 0x62)],
        rules: Rules::default(),
        playbooks: vec![
            playbook("halt", ActionClass::Halt, EXPIRY),
            playbook("hold", ActionClass::Hold, EXPIRY / 2),
        ],
    }
}

/// Dollars in base units of the six-decimal tokens.
pub fn usd(dollars: u64) -> U256 {
    U256::from(dollars) * U256::from(1_000_000u64)
}

/// A transfer in few words. Heights follow time, twelve seconds a block.
#[derive(Debug, Clone, Copy)]
pub struct Move {
    pub kind: TransferKind,
    pub id: u64,
    pub token: u64,
    pub amount: U256,
    pub time: u64,
    pub log: u32,
    pub to: u64,
    pub other: Option<u64>,
    pub fork: u64,
}

impl Move {
    pub fn new(kind: TransferKind, id: u64, token: u64, amount: U256, time: u64) -> Self {
        Self {
            kind,
            id,
            token,
            amount,
            time,
            log: u32::try_from(id % 1_000).unwrap(),
            to: 0xbeef,
            other: None,
            fork: 0,
        }
    }

    pub fn lock(id: u64, dollars: u64, time: u64) -> Self {
        Self::new(TransferKind::Lock, id, USD_HOME, usd(dollars), time)
    }

    pub fn mint(id: u64, dollars: u64, time: u64) -> Self {
        Self::new(TransferKind::Mint, id, USD_AWAY, usd(dollars), time)
    }

    pub fn burn(id: u64, dollars: u64, time: u64) -> Self {
        Self::new(TransferKind::Burn, id, USD_AWAY, usd(dollars), time)
    }

    pub fn release(id: u64, dollars: u64, time: u64) -> Self {
        Self::new(TransferKind::Release, id, USD_HOME, usd(dollars), time)
    }

    pub fn log(self, log: u32) -> Self {
        Self { log, ..self }
    }

    pub fn to(self, to: u64) -> Self {
        Self { to, ..self }
    }

    pub fn other(self, domain: u64) -> Self {
        Self { other: Some(domain), ..self }
    }

    pub fn fork(self, fork: u64) -> Self {
        Self { fork, ..self }
    }

    pub fn chain(&self) -> ChainId {
        if self.local() == HOME { home() } else { away() }
    }

    fn local(&self) -> u64 {
        match self.token {
            USD_AWAY | ETH_AWAY | ODD_AWAY | GLM_AWAY => AWAY,
            USD_HOME | ETH_HOME | ODD_HOME | GLM_HOME => HOME,
            _ if matches!(self.kind, TransferKind::Lock | TransferKind::Release) => HOME,
            _ => AWAY,
        }
    }

    pub fn observation(&self) -> Observation {
        let local = self.local();
        let remote = self.other.unwrap_or(if local == HOME { AWAY } else { HOME });
        let transfer = Transfer {
            kind: self.kind,
            bridge: slug("b"),
            local: word(local),
            remote: word(remote),
            message_id: word(self.id),
            asset: word(self.token),
            amount: self.amount,
            sender: None,
            recipient: word(self.to),
        };
        let position = position(self.chain(), self.time, self.log, self.fork);
        Observation::new(
            self.chain(),
            position,
            self.time,
            Status::Included,
            word(u64::from(self.log)),
            Event::Transfer(transfer),
        )
    }
}

pub fn height(time: u64) -> u64 {
    1_000_000 + time.saturating_sub(T0 - 10_000_000) / 12
}

pub fn position(chain: ChainId, time: u64, log_index: u32, fork: u64) -> Position {
    let height = height(time);
    let block_hash = keccak256(format!("{chain}/{height}/{fork}"));
    let tx_hash = keccak256(format!("{chain}/{height}/{fork}/{log_index}"));
    Position { height, tx_index: log_index, log_index, block_hash, tx_hash }
}

pub fn progress(chain: ChainId, time: u64) -> Progress {
    let height = height(time);
    Progress {
        chain,
        height,
        block_hash: keccak256(format!("{chain}/{height}/0")),
        time,
        safe_height: height.saturating_sub(32),
        final_height: height.saturating_sub(64),
        head_time: time,
    }
}

/// An engine and everything that it said.
pub struct Run {
    pub engine: Engine,
    pub effects: Vec<Effect>,
    pub log: Vec<(Input, Effects)>,
    pub now_ms: u64,
    /// Evidence requests answered already.
    answered: BTreeSet<portcullis_verifier::ClaimId>,
}

impl Run {
    pub fn new() -> Self {
        Self::with(config())
    }

    pub fn with(config: EngineConfig) -> Self {
        let engine = Engine::new(config.clone()).unwrap();
        let mut run = Self {
            engine,
            effects: Vec::new(),
            log: Vec::new(),
            now_ms: T0 * 1_000,
            answered: BTreeSet::new(),
        };
        run.body(Body::ConfigChanged(Box::new(config)));
        run
    }

    pub fn body(&mut self, body: Body) -> Effects {
        let input = Input { at_ms: self.now_ms, body };
        let effects = self.engine.step(&input);
        self.effects.extend(effects.list.iter().cloned());
        self.log.push((input, effects.clone()));
        effects
    }

    /// Shell time follows chain time.
    pub fn at(&mut self, time: u64) -> &mut Self {
        self.now_ms = self.now_ms.max(time * 1_000);
        self
    }

    pub fn see(&mut self, movement: Move) -> Effects {
        self.at(movement.time);
        self.body(Body::Observed(movement.observation()))
    }

    pub fn unsee(&mut self, movement: Move) -> Effects {
        self.body(Body::Observed(movement.observation().with_status(Status::Retracted)))
    }

    /// Both chains have been delivered up to a time.
    pub fn until(&mut self, time: u64) -> &mut Self {
        self.chain_until(home(), time);
        self.chain_until(away(), time);
        self
    }

    pub fn chain_until(&mut self, chain: ChainId, time: u64) -> Effects {
        self.at(time);
        self.body(Body::Progress(progress(chain, time)))
    }

    pub fn fault(&mut self, chain: ChainId, operator: Option<&str>, kind: FaultKind) -> Effects {
        let fault = EndpointFault { operator: operator.map(slug), kind, detail: String::from("seen") };
        let position = position(chain, self.now_ms / 1_000, 0, 99);
        let event = Event::Fault(fault);
        self.body(Body::Observed(Observation::new(
            chain,
            position,
            self.now_ms / 1_000,
            Status::Included,
            B256::ZERO,
            event,
        )))
    }

    pub fn tick(&mut self, at_ms: u64) -> Effects {
        self.now_ms = self.now_ms.max(at_ms);
        self.body(Body::Tick)
    }

    /// Claims asked for and not answered yet.
    pub fn open_claims(&self) -> Vec<Claim> {
        let asked = self.effects.iter().filter_map(|effect| match effect {
            Effect::RequestEvidence { claim, .. } => Some(claim.clone()),
            _ => None,
        });
        asked.filter(|claim| !self.answered.contains(&claim.id())).collect()
    }

    /// Answers every open claim the same way.
    pub fn answer(&mut self, verdict: &Verdict) -> usize {
        let open = self.open_claims();
        for claim in &open {
            if !matches!(verdict, Verdict::Undecided(_)) {
                self.answered.insert(claim.id());
            }
            self.body(Body::Proved { claim: claim.id(), verdict: verdict.clone() });
        }
        open.len()
    }

    pub fn prove_all(&mut self) -> usize {
        self.answer(&Verdict::Proven(needs()))
    }

    /// Locks enough for everything that follows, and lets it get old.
    pub fn fund(&mut self, dollars: u64) -> &mut Self {
        self.see(Move::lock(900_000, dollars, T0));
        self.see(Move::mint(900_000, dollars, T0 + FINALITY + 60));
        self.until(T0 + 2 * FINALITY)
    }

    /// Every action so far is proven to be in effect.
    pub fn effective(&mut self) {
        let ids: Vec<_> = self.decisions().iter().flat_map(|d| d.actions.iter().map(|a| a.id)).collect();
        for action in ids {
            let outcome = Outcome::Effective { verdict: Verdict::Proven(needs()) };
            self.body(Body::Landed { action, outcome });
        }
    }

    pub fn causes(&self) -> Vec<Cause> {
        let mut causes: Vec<Cause> = self.engine.signals().map(|signal| signal.cause).collect();
        causes.sort();
        causes.dedup();
        causes
    }

    pub fn classes(&self, cause: Cause) -> Vec<ActionClass> {
        self.engine.signals().filter(|signal| signal.cause == cause).map(|signal| signal.class).collect()
    }

    pub fn decisions(&self) -> Vec<&Decision> {
        let contained = self.effects.iter().filter_map(|effect| match effect {
            Effect::Contain(decision) => Some(decision),
            _ => None,
        });
        contained.collect()
    }

    pub fn retracted(&self) -> usize {
        self.effects.iter().filter(|effect| matches!(effect, Effect::Retract(_))).count()
    }
}
