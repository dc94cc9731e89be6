//! Two chains that blocks are mined on by hand, with a bridge and a gate on each, behind the adapters' traits.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use portcullis::operate::Operate;
use portcullis::operate::approve::{Approvers, NAMESPACE, Request};
use portcullis::service::{ChainWiring, GroupWiring, Wired, nothing_pinned};
use portcullis_adapter::{
    AdapterError, Attempt, Batch, Broadcast, Class, Contain, Cursor, EndpointReply, Feed, GateReport,
    Landing, Observe, Prove, Readiness,
};
use portcullis_core::EngineConfig;
use portcullis_core::config::{Asset, AssetForm, Bridge, Chain, Mode, Playbook, Rules, Side, Target};
use portcullis_verifier::registry::System;
use portcullis_verifier::{
    Action, ActionClass, Assurance, B256, BlockRef, ChainId, Claim, Event, Evidence, Level, Observation,
    Position, Progress, Refutation, Registry, Relation, Slug, Status, Transfer, TransferKind, Trust, U256,
    Undecided, Verdict, keccak256,
};
use ssh_key::private::{Ed25519Keypair, PrivateKey};
use ssh_key::{HashAlg, LineEnding};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::slug;
use view::{View, WorldSystem};

mod view;

const FINALITY_SECS: u64 = 60;
const DEPTH: u64 = 5;
pub const ADDRESS: u64 = 0x61;
pub const SCOPE: u64 = 0x5c0;
/// A scope at the same gates that no bridge asks.
pub const CANARY: u64 = 0xca;
/// Account of the service's key, and of the one that carries for it.
pub const TRIPPER: u64 = 7;
pub const CARRIER: u64 = 8;

pub fn word(number: u64) -> B256 {
    B256::from(U256::from(number))
}

pub fn home() -> ChainId {
    ChainId::new("test:1").unwrap()
}

pub fn away() -> ChainId {
    ChainId::new("test:2").unwrap()
}

#[derive(Debug, Clone)]
struct Block {
    height: u64,
    hash: B256,
    time: u64,
    events: Vec<Observation>,
    attempts: Vec<Attempt>,
}

impl Block {
    fn reference(&self) -> BlockRef {
        BlockRef { height: self.height, hash: self.hash }
    }
}

#[derive(Debug, Default)]
struct ChainState {
    blocks: Vec<Block>,
    mempool: Vec<Attempt>,
    forks: u64,
    /// Nobody takes bytes.
    refuse: bool,
    /// The tripper's account cannot pay: its bytes are refused, others' are taken.
    drained: bool,
    /// The tripper's bytes are taken and stay out of every block, others' are mined; and others pay so much that every
    /// trip is signed at this step of the fees at least.
    jammed: Option<u16>,
    /// Why what the gate should close does not follow its trips.
    heedless: Option<String>,
    /// Height at which people released the gate; what closed it then is of an older generation.
    released: Option<u64>,
}

type Hook = Arc<dyn Fn(&Attempt) + Send + Sync>;

#[derive(Default)]
struct State {
    chains: BTreeMap<ChainId, ChainState>,
    /// Every byte that reached an endpoint, in order.
    received: Vec<Attempt>,
    /// How often a gate was asked how tight it is.
    gates_asked: u64,
    on_sign: Option<Hook>,
    on_broadcast: Option<Hook>,
    /// Next nonce by chain and account.
    nonces: BTreeMap<(ChainId, B256), u64>,
}

/// What a chain was.
pub struct Branch(Vec<Block>);

/// The world. Clones are the same world.
#[derive(Clone)]
pub struct World {
    state: Arc<Mutex<State>>,
    heads: watch::Sender<u64>,
}

impl World {
    pub fn new() -> Self {
        let mut state = State::default();
        for chain in [home(), away()] {
            state.chains.insert(chain, ChainState::default());
        }
        let world = Self { state: Arc::new(Mutex::new(state)), heads: watch::Sender::new(0) };
        for _ in 0..3 {
            world.mine_both();
        }
        world
    }

    fn with<T>(&self, f: impl FnOnce(&mut State) -> T) -> T {
        f(&mut self.state.lock().unwrap())
    }

    pub fn mine_both(&self) {
        self.mine(home(), Vec::new());
        self.mine(away(), Vec::new());
    }

    /// Mines a block with these transfers and everything in the mempool.
    pub fn mine(&self, chain: ChainId, transfers: Vec<Transfer>) -> BlockRef {
        let block = self.with(|state| {
            let side = state.chains.get_mut(&chain).unwrap();
            let height = side.blocks.last().map_or(1, |b| b.height + 1);
            // Chain time runs with the service's clock, so that actions end in the future.
            let now = portcullis::telemetry::now_ms() / 1_000;
            let time = side.blocks.last().map_or(now - 600, |b| (b.time + 1).max(now));
            let hash = keccak256(format!("{chain}/{height}/{}", side.forks));
            let events = transfers.into_iter().zip(0u32..).map(|(transfer, log_index)| {
                let tx_hash = keccak256(format!("{hash}/{log_index}"));
                let position = Position { height, tx_index: log_index, log_index, block_hash: hash, tx_hash };
                Observation::new(chain, position, time, Status::Included, tx_hash, Event::Transfer(transfer))
            });
            let jammed = side.jammed.is_some();
            let (stays, attempts) = std::mem::take(&mut side.mempool)
                .into_iter()
                .partition(|attempt: &Attempt| jammed && attempt.sender == word(TRIPPER));
            side.mempool = stays;
            let block = Block { height, hash, time, events: events.collect(), attempts };
            side.blocks.push(block.clone());
            block.reference()
        });
        self.heads.send_modify(|n| *n += 1);
        block
    }

    /// Drops the newest blocks; what they held of the mempool's is lost.
    pub fn reorg(&self, chain: ChainId, depth: usize) {
        self.with(|state| {
            let side = state.chains.get_mut(&chain).unwrap();
            let keep = side.blocks.len() - depth;
            side.blocks.truncate(keep);
            side.forks += 1;
        });
        self.mine(chain, Vec::new());
    }

    /// The chain as it is now, for [`World::put_back`].
    pub fn branch(&self, chain: ChainId) -> Branch {
        Branch(self.with(|state| state.chains[&chain].blocks.clone()))
    }

    /// The chain becomes again what it was, and a block longer than it has been.
    pub fn put_back(&self, chain: ChainId, branch: Branch) {
        let longer = self.height(chain) + 1;
        self.with(|state| state.chains.get_mut(&chain).unwrap().blocks = branch.0);
        while self.height(chain) < longer {
            self.mine(chain, Vec::new());
        }
    }

    /// A release on the home chain that nothing stands behind.
    pub fn steal(&self, id: u64, dollars: u64) -> BlockRef {
        self.mine(home(), vec![transfer(TransferKind::Release, id, dollars)])
    }

    /// A burn on the other chain.
    pub fn burn(&self, id: u64, dollars: u64) -> BlockRef {
        self.mine(away(), vec![transfer(TransferKind::Burn, id, dollars)])
    }

    /// Many small burns in one block of the other chain, with ids from here on.
    pub fn burns(&self, from: u64, count: u64, dollars: u64) -> BlockRef {
        let burns = (from..from + count).map(|id| transfer(TransferKind::Burn, id, dollars));
        self.mine(away(), burns.collect())
    }

    /// Every event on the chains, by its id.
    pub fn events(&self) -> BTreeSet<portcullis_verifier::EventId> {
        self.with(|state| {
            state
                .chains
                .values()
                .flat_map(|side| &side.blocks)
                .flat_map(|b| &b.events)
                .map(Observation::id)
                .collect()
        })
    }

    pub fn received(&self) -> Vec<Attempt> {
        self.with(|state| state.received.clone())
    }

    pub fn received_on(&self, chain: ChainId) -> usize {
        self.received().iter().filter(|attempt| attempt.chain == chain).count()
    }

    /// How often a gate was asked how tight it is.
    pub fn gates_asked(&self) -> u64 {
        self.with(|state| state.gates_asked)
    }

    pub fn on_sign(&self, hook: impl Fn(&Attempt) + Send + Sync + 'static) {
        self.with(|state| state.on_sign = Some(Arc::new(hook)));
    }

    pub fn on_broadcast(&self, hook: impl Fn(&Attempt) + Send + Sync + 'static) {
        self.with(|state| state.on_broadcast = Some(Arc::new(hook)));
    }

    pub fn refuse(&self, chain: ChainId, refuse: bool) {
        self.with(|state| state.chains.get_mut(&chain).unwrap().refuse = refuse);
    }

    /// What the tripper sends stays out of every block, and others pay as much as this step of the fees.
    pub fn jam(&self, chain: ChainId, step: u16) {
        self.with(|state| state.chains.get_mut(&chain).unwrap().jammed = Some(step));
    }

    /// From now on what a gate should close does not follow, or follows again.
    pub fn heedless(&self, chain: ChainId, why: Option<&str>) {
        self.with(|state| state.chains.get_mut(&chain).unwrap().heedless = why.map(str::to_owned));
    }

    /// Empties the account of the service's key.
    pub fn drain(&self, chain: ChainId) {
        self.with(|state| state.chains.get_mut(&chain).unwrap().drained = true);
    }

    pub fn height(&self, chain: ChainId) -> u64 {
        self.with(|state| state.chains[&chain].blocks.last().map_or(0, |block| block.height))
    }

    /// People open a gate.
    pub fn release(&self, chain: ChainId) {
        self.with(|state| {
            let side = state.chains.get_mut(&chain).unwrap();
            side.released = side.blocks.last().map(|block| block.height);
        });
        self.mine(chain, Vec::new());
    }

    pub fn closed_until(&self, chain: ChainId) -> u64 {
        self.with(|state| until_at(&state.chains[&chain], word(SCOPE), u64::MAX))
    }

    /// Until when the canary's scope is closed.
    pub fn canary_until(&self, chain: ChainId) -> u64 {
        self.with(|state| until_at(&state.chains[&chain], word(CANARY), u64::MAX))
    }

    /// Drills at once, no canaries by themselves, trust after a second, a canary at each gate.
    pub fn operate(&self) -> Operate {
        let canaries = ["home", "away"].map(|name| (slug(name), word(CANARY)));
        Operate {
            canary_every: None,
            trust_delay: std::time::Duration::from_secs(1),
            canaries: canaries.into_iter().collect(),
            approvers: approvers(),
            ..Operate::default()
        }
    }

    pub fn is_closed(&self, chain: ChainId) -> bool {
        self.closed_until(chain) > portcullis::telemetry::now_ms() / 1_000
    }

    /// What the service is wired with.
    pub fn wired(&self) -> Wired {
        let mut registry = Registry::new();
        registry.add(Box::new(WorldSystem)).unwrap();
        let wire = |chain| {
            let view = Arc::new(View::new(chain, self.clone()));
            let wiring = ChainWiring {
                observe: view.clone(),
                prove: view.clone(),
                contain: Some(view),
                operators: operators(),
                quorum: 2,
                pinned: nothing_pinned(),
            };
            (chain, wiring)
        };
        Wired {
            groups: vec![GroupWiring { engine_config: config() }],
            chains: [home(), away()].into_iter().map(wire).collect(),
            registry: Arc::new(registry),
        }
    }
}

/// A person's key; the same for the same name.
fn key_of(name: &str) -> PrivateKey {
    PrivateKey::from(Ed25519Keypair::from_seed(&keccak256(name).0))
}

/// Its public half, as a file holds it.
pub fn public_key(name: &str) -> String {
    key_of(name).public_key().to_openssh().unwrap()
}

/// Two people who may lend trust.
fn approvers() -> Approvers {
    let mut approvers = Approvers::default();
    for name in ["ada", "bob"] {
        approvers.add(slug(name), &public_key(name)).unwrap();
    }
    approvers
}

/// What a person makes of a command with a key.
pub fn signed(name: &str, command: &portcullis_core::Command) -> String {
    let text = Request::of(slug("g"), command).unwrap().text();
    let signature = key_of(name).sign(NAMESPACE, HashAlg::Sha512, text.as_bytes()).unwrap();
    signature.to_pem(LineEnding::LF).unwrap()
}

fn operators() -> Vec<Slug> {
    ["a", "b", "c"].map(slug).to_vec()
}

pub fn transfer(kind: TransferKind, id: u64, dollars: u64) -> Transfer {
    let (local, remote) = if kind == TransferKind::Release { (1, 2) } else { (2, 1) };
    Transfer {
        kind,
        bridge: slug("b"),
        local: word(local),
        remote: word(remote),
        message_id: word(id),
        asset: word(0x10 + local),
        amount: U256::from(dollars) * U256::from(1_000_000u64),
        sender: None,
        recipient: word(0xbeef),
    }
}

/// Two chains, one bridge, a gate on each side, everything that automation may do.
pub fn config() -> EngineConfig {
    let chain = |id| Chain { id, operators: operators(), quorum: 2, stall_after_secs: 86_400 };
    let target = |name: &str, chain| Target {
        id: slug(name),
        chain,
        address: word(ADDRESS),
        bridge: slug("b"),
        scope: word(SCOPE),
        mode: Mode::Halt,
        max_secs: 86_400,
        block_secs: 12,
    };
    let playbook = |name: &str, class| Playbook {
        id: slug(name),
        class,
        needs: Assurance::proved_under_quorum(2, 3),
        expiry_secs: 7_200,
        targets: Vec::new(),
    };
    let form =
        |domain, token, home| AssetForm { domain: word(domain), asset: word(token), decimals: 6, home };
    EngineConfig {
        group: slug("g"),
        chains: vec![chain(home()), chain(away())],
        bridges: vec![Bridge {
            id: slug("b"),
            finality_secs: FINALITY_SECS,
            skew_secs: 0,
            sides: vec![Side { chain: home(), domain: word(1) }, Side { chain: away(), domain: word(2) }],
            unwatched: Vec::new(),
            assets: vec![Asset {
                name: slug("usd"),
                forms: vec![form(1, 0x11, true), form(2, 0x12, false)],
                micro_usd: Some(1_000_000),
            }],
        }],
        targets: vec![target("home", home()), target("away", away())],
        rules: Rules::default(),
        playbooks: vec![playbook("halt", ActionClass::Halt), playbook("hold", ActionClass::Hold)],
    }
}

fn until_at(chain: &ChainState, scope: B256, height: u64) -> u64 {
    let trips = |from: u64, to: u64| {
        let blocks = chain.blocks.iter().filter(move |b| b.height >= from && b.height <= to);
        blocks.flat_map(|b| &b.attempts).map(Trip::of).filter(move |trip| trip.scope == scope)
    };
    let released = chain.released.filter(|at| *at < height);
    let stale: BTreeSet<B256> =
        released.into_iter().flat_map(|at| trips(0, at)).map(|trip| trip.action).collect();
    let landed = trips(released.map_or(0, |at| at + 1), height);
    landed.filter(|trip| !stale.contains(&trip.action)).map(|trip| trip.until).max().unwrap_or(0)
}

/// What an attempt's bytes say.
#[derive(borsh::BorshSerialize, borsh::BorshDeserialize)]
pub struct Trip {
    pub until: u64,
    pub record: B256,
    pub nonce: u64,
    pub bump: u16,
    pub action: B256,
    pub scope: B256,
}

impl Trip {
    pub fn of(attempt: &Attempt) -> Self {
        borsh::from_slice(&attempt.bytes).unwrap()
    }
}
