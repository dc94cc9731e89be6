//! Chains, bridges, endpoints and the configuration that a stranger would write for them.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use alloy::primitives::{Address, B256, keccak256};
use eyre::{Result, WrapErr, bail, eyre};
use portcullis_rpc::loopback::free_port;
use tempfile::TempDir;
use tokio::sync::{mpsc, watch};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::block::Block;
use super::chain::Chain;
use super::server::Endpoints;
use super::settings;
use super::traffic::{BridgeSpec, SideSpec, Traffic};
use crate::clock;
use crate::contracts::{DIRECTION_OUT, scope};
use crate::keys::Key;
use crate::lab::OPERATORS;
use crate::service::{Service, Tuning};

/// EIP-155 numbers that no public chain has.
const FIRST_CHAIN: u64 = 7_200_001;
/// Height of the first block: a chain that has a past, although nobody asks for it.
pub(super) const GENESIS_HEIGHT: u64 = 1_000;
/// Longest closure of one trip, seconds.
pub(super) const MAX_SECS: u64 = 3_600;

/// How long the service may take to follow every chain.
const PATIENCE: Duration = Duration::from_secs(120);
/// Time between two blocks until the service follows every chain.
const IDLE_PACE: Duration = Duration::from_secs(1);

/// What a world is made of.
#[derive(Debug, Clone)]
pub struct Spec {
    /// How many chains.
    pub chains: usize,
    /// Between which of them each bridge stands.
    pub bridges: Vec<(usize, usize)>,
    /// Wall time between two blocks.
    pub pace: Duration,
    /// Chain time between two blocks, seconds; none follows the wall clock.
    pub step_secs: Option<u64>,
    /// Time of the first blocks, seconds since 1970.
    pub begins: u64,
    /// Age that a message must have before it is delivered, seconds.
    pub finality_secs: u64,
    /// Closure of a halt, seconds.
    pub halt_secs: u64,
    /// Observations per second, all chains.
    pub rate: f64,
    /// Chooses everything that is random.
    pub seed: u64,
}

/// An attack that is in a block.
#[derive(Debug, Clone)]
pub struct Struck {
    /// Which.
    pub attack: usize,
    /// The block.
    pub block: Arc<Block>,
}

/// The world.
#[derive(Debug)]
pub struct StubWorld {
    /// Where it lives.
    pub dir: PathBuf,
    /// What it was made of.
    pub spec: Spec,
    /// Its chains.
    pub chains: Vec<Arc<Chain>>,
    /// Its bridges.
    pub bridges: Vec<BridgeSpec>,
    endpoints: Vec<Endpoints>,
    traffic: Arc<Mutex<Traffic>>,
    pace: watch::Sender<Duration>,
    stop: CancellationToken,
    key: Key,
    _folder: Option<TempDir>,
}

fn address(what: &str, bridge: usize, chain: usize) -> Address {
    Address::from_word(keccak256(format!("{what}/{bridge}/{chain}")))
}

fn side(name: &str, bridge: usize, chain: usize) -> SideSpec {
    let id = FIRST_CHAIN + chain as u64;
    SideSpec {
        chain,
        domain: 100 + chain as u32,
        bridge: address("bridge", bridge, chain),
        token: address("token", bridge, chain),
        guard: address("guard", bridge, chain),
        scope: scope(id, keccak256(name), DIRECTION_OUT, B256::ZERO, B256::ZERO),
    }
}

impl StubWorld {
    /// Opens the endpoints of chains with one block each; nothing moves yet.
    ///
    /// # Errors
    /// When a folder cannot be made, or no port is free.
    pub async fn build(spec: Spec, dir: Option<PathBuf>) -> Result<Self> {
        let folder = if dir.is_none() { Some(tempfile::tempdir()?) } else { None };
        let dir = dir.or_else(|| folder.as_ref().map(|f| f.path().to_path_buf())).unwrap_or_default();
        std::fs::create_dir_all(&dir).wrap_err_with(|| format!("cannot create {}", dir.display()))?;
        let key = Key::derive(spec.seed, "tripper")?;
        let bridges: Vec<BridgeSpec> = spec
            .bridges
            .iter()
            .enumerate()
            .map(|(at, (one, two))| {
                let name = format!("bridge-{at:03}");
                let sides = [side(&name, at, *one), side(&name, at, *two)];
                BridgeSpec { name, sides }
            })
            .collect();
        let chains: Vec<Arc<Chain>> = (0..spec.chains)
            .map(|at| {
                let sides = bridges.iter().flat_map(|bridge| &bridge.sides).filter(|side| side.chain == at);
                let guards: Vec<(Address, B256)> = sides.map(|side| (side.guard, side.scope)).collect();
                let from = (GENESIS_HEIGHT, spec.begins);
                Arc::new(Chain::new(FIRST_CHAIN + at as u64, from, &guards, &[key.address()], MAX_SECS))
            })
            .collect();
        let mut endpoints = Vec::new();
        for chain in &chains {
            endpoints.push(Endpoints::open(chain).await?);
        }
        let traffic = Traffic::new(bridges.clone(), spec.finality_secs, 0.0, spec.seed);
        let pace = watch::Sender::new(IDLE_PACE);
        let (traffic, stop) = (Arc::new(Mutex::new(traffic)), CancellationToken::new());
        Ok(Self { dir, spec, chains, bridges, endpoints, traffic, pace, stop, key, _folder: folder })
    }

    /// What happens on the bridges.
    pub fn traffic(&self) -> MutexGuard<'_, Traffic> {
        self.traffic.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts the chains and the service, waits until it follows every chain, and then lets the traffic begin. Attacks
    /// that went into a block are told.
    ///
    /// # Errors
    /// When it does not start, or does not get healthy.
    pub async fn start(&self) -> Result<(Service, mpsc::UnboundedReceiver<Struck>)> {
        let port = free_port()?;
        let config = settings::write(self, &self.endpoints, &self.key, port)?;
        let struck = self.live();
        let mut service = Service::begin_at(&self.dir, config, port, &Tuning::default())?;
        service.healthy(PATIENCE).await?;
        self.traffic().set_rate(self.spec.rate);
        self.pace.send_replace(self.spec.pace);
        Ok((service, struck))
    }

    /// Lets the chains make blocks until the world is dropped or [`StubWorld::rest`] is called. The first block of
    /// each chain fills its escrows.
    fn live(&self) -> mpsc::UnboundedReceiver<Struck> {
        let (tell, told) = mpsc::unbounded_channel();
        let count = self.chains.len() as u32;
        for (at, chain) in self.chains.iter().enumerate() {
            let miner = Miner {
                at,
                chain: Arc::clone(chain),
                chains: self.chains.clone(),
                traffic: Arc::clone(&self.traffic),
                step_secs: self.spec.step_secs,
                // Blocks of different chains do not come at the same moment.
                phase: f64::from(at as u32) / f64::from(count),
                tell: tell.clone(),
            };
            let (pace, stop) = (self.pace.subscribe(), self.stop.clone());
            tokio::spawn(async move {
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = miner.run(pace) => {}
                }
            });
        }
        told
    }

    /// No more blocks.
    pub fn rest(&self) {
        self.stop.cancel();
    }

    /// Whether a bridge's gates let nothing out, on either side.
    #[must_use]
    pub fn closed(&self, bridge: usize) -> bool {
        is_closed(&self.chains, &self.bridges[bridge])
    }

    /// Milliseconds from the head of an attack's block to the first and to the last endpoint that had a trip for each
    /// of the bridge's gates.
    ///
    /// # Errors
    /// When they do not come in time.
    pub async fn contained(&self, bridge: usize, block: &Block, patience: Duration) -> Result<(f64, f64)> {
        let deadline = Instant::now() + patience;
        loop {
            if let Some((pushed, _)) = block.pushed.get()
                && let Some(times) = self.arrivals(bridge, *pushed)
            {
                let ms = |at: Option<&Instant>| {
                    at.map_or(0.0, |at| at.duration_since(*pushed).as_secs_f64() * 1e3)
                };
                return Ok((ms(times.iter().min()), ms(times.iter().max())));
            }
            if Instant::now() > deadline {
                bail!("{}: not every endpoint had a trip within {patience:?}", self.bridges[bridge].name);
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// When each endpoint of both sides had its first trip since a moment; none until all have.
    fn arrivals(&self, bridge: usize, since: Instant) -> Option<Vec<Instant>> {
        let mut out = Vec::new();
        for side in &self.bridges[bridge].sides {
            let seen = self.chains[side.chain].arrivals(since);
            for operator in 0..OPERATORS.len() {
                let first = seen.iter().find(|one| one.operator == operator && one.scope == side.scope)?;
                out.push(first.at);
            }
        }
        Some(out)
    }

    /// Trips for gates of bridges other than these: what should never happen.
    #[must_use]
    pub fn strays(&self, attacked: &[usize]) -> usize {
        let Some(begun) = Instant::now().checked_sub(Duration::from_secs(86_400)) else { return 0 };
        let scopes: Vec<B256> =
            attacked.iter().flat_map(|at| &self.bridges[*at].sides).map(|side| side.scope).collect();
        let all = self.chains.iter().flat_map(|chain| chain.arrivals(begun));
        all.filter(|arrival| !scopes.contains(&arrival.scope)).count()
    }

    /// Waits until a bridge lets value out again.
    ///
    /// # Errors
    /// When it does not within `patience`.
    pub async fn reopened(&self, bridge: usize, patience: Duration) -> Result<()> {
        let deadline = Instant::now() + patience;
        while self.closed(bridge) {
            if Instant::now() > deadline {
                return Err(eyre!("{} does not open again", self.bridges[bridge].name));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }
}

impl Drop for StubWorld {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn is_closed(chains: &[Arc<Chain>], bridge: &BridgeSpec) -> bool {
    bridge.sides.iter().any(|side| chains[side.chain].closed(side.guard, side.scope))
}

/// Makes the blocks of one chain.
struct Miner {
    at: usize,
    chain: Arc<Chain>,
    chains: Vec<Arc<Chain>>,
    traffic: Arc<Mutex<Traffic>>,
    step_secs: Option<u64>,
    phase: f64,
    tell: mpsc::UnboundedSender<Struck>,
}

impl Miner {
    /// Keeps to a grid of its own, and takes a new pace up at once.
    async fn run(&self, mut pace: watch::Receiver<Duration>) {
        let mut first = true;
        loop {
            let step = *pace.borrow_and_update();
            let mut ticks =
                tokio::time::interval_at(tokio::time::Instant::now() + step.mul_f64(self.phase), step);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                tokio::select! {
                    _due = ticks.tick() => self.mine(std::mem::take(&mut first)),
                    changed = pace.changed() => match changed {
                        Ok(()) => break,
                        Err(_world_gone) => return,
                    },
                }
            }
        }
    }

    fn mine(&self, first: bool) {
        let parent = self.chain.head().time;
        let time = self.step_secs.map_or_else(|| clock::now_secs().max(parent + 1), |step| parent + step);
        let mut traffic = self.traffic.lock().unwrap_or_else(PoisonError::into_inner);
        let (transactions, attacks) = if first {
            (traffic.treasury(self.at, time), Vec::new())
        } else {
            traffic.block(self.at, (time, Instant::now()), |bridge| is_closed(&self.chains, bridge))
        };
        let block = self.chain.mine(time, transactions);
        traffic.note(self.at, &block);
        drop(traffic);
        for attack in attacks {
            // Nobody counts attacks any more once the play is over.
            let _told = self.tell.send(Struck { attack, block: Arc::clone(&block) });
        }
    }
}
