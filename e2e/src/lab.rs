//! The whole world of a play: two nodes with their past, an endpoint per operator, and the keys of everybody. Where the
//! script has sides of other families, their nodes too.

mod claim;
mod ground;
mod place;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use alloy::primitives::B256;
use eyre::{Result, WrapErr};
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::actors::{self, Cast, Sent, Stage};
use crate::chain::Receipt;
use crate::clock::{self, Factor, Zero};
use crate::contracts::{Guard, ScopeState};
use crate::cosmos::zone::Zone;
use crate::deploy::{Crew, Deployed};
use crate::keys::Key;
use crate::nodes::{Heads, Node};
use crate::proxy::{Proxy, Rule};
use crate::scenario::{Actor, Domain, Scenario};
use crate::solana::cluster::Cluster;
use ground::Ground;

pub use place::Place;

/// Operators of each chain. Two of them have to agree.
pub const OPERATORS: [&str; 3] = ["alpha", "beta", "gamma"];
/// EIP-155 numbers that no public chain has.
const CHAIN_IDS: [(Domain, u64); 2] = [(Domain::Ethereum, 7_100_001), (Domain::Moonbeam, 7_101_284)];

/// What a world is made of.
#[derive(Debug, Clone)]
pub struct Setup {
    /// The script.
    pub scenario: Scenario,
    /// Divides all times.
    pub factor: Factor,
    /// Chooses all keys.
    pub seed: u64,
    /// Where it lives; none makes a folder that goes with the world.
    pub dir: Option<PathBuf>,
}

/// One chain of the world.
#[derive(Debug)]
pub struct Side {
    /// Its node.
    pub node: Node,
    /// Its heads, as seen without any operator between.
    pub heads: Heads,
    /// One endpoint per operator.
    pub operators: Vec<Proxy>,
    /// What stands there.
    pub deployed: Deployed,
}

impl Side {
    /// The name of its chain, CAIP-2.
    #[must_use]
    pub fn caip2(&self) -> String {
        format!("eip155:{}", self.deployed.chain_id)
    }

    /// The gate's state now.
    ///
    /// # Errors
    /// When the node does not answer.
    pub async fn gate(&self) -> Result<ScopeState> {
        self.node.rpc.read(self.deployed.guard, &Guard::stateOfCall { scope: self.deployed.scope }).await
    }

    /// Whether nothing gets out now.
    ///
    /// # Errors
    /// When the node does not answer.
    pub async fn closed(&self) -> Result<bool> {
        let level = self
            .node
            .rpc
            .read(self.deployed.guard, &Guard::levelOfCall { scope: self.deployed.scope })
            .await?;
        Ok(level == 2)
    }

    /// From now on its endpoints keep these rules; none makes all of them honest again.
    pub fn disturb(&self, seed: u64, rules: &[Rule]) {
        for proxy in &self.operators {
            proxy.set_rules(seed, rules);
        }
    }

    /// How often its endpoints' present rules did something.
    #[must_use]
    pub fn struck(&self) -> u64 {
        self.operators.iter().map(Proxy::struck).sum()
    }
}

/// The world.
#[derive(Debug)]
pub struct World {
    /// Where it lives. Dropped last, and only when nobody asked to keep it.
    pub dir: PathBuf,
    /// The script.
    pub scenario: Arc<Scenario>,
    /// Everybody with a role.
    pub crew: Crew,
    /// Everybody else.
    pub cast: Arc<Cast>,
    /// Divides all times.
    pub factor: Factor,
    /// The chain with the escrow.
    pub ethereum: Side,
    /// The other one.
    pub moonbeam: Side,
    /// A side of another family, where the script has it.
    pub zone: Option<Zone>,
    /// A side on a chain of slots, where the script has it.
    pub cluster: Option<Cluster>,
    _folder: Option<TempDir>,
}

impl World {
    /// Starts all nodes, lays down the past, and lets the blocks come.
    ///
    /// # Errors
    /// When a tool is missing, a node does not start, or a set-up call fails.
    pub async fn build(setup: Setup) -> Result<Self> {
        let folder = if setup.dir.is_none() { Some(tempfile::tempdir()?) } else { None };
        let dir = setup.dir.or_else(|| folder.as_ref().map(|f| f.path().to_path_buf())).unwrap_or_default();
        std::fs::create_dir_all(&dir).wrap_err_with(|| format!("cannot create {}", dir.display()))?;
        let mut scenario = setup.scenario;
        let crew = Crew::derive(setup.seed)?;
        let cast = Arc::new(Cast::derive(&scenario, setup.seed)?);
        crate::solana::deploy::settle_recipients(&mut scenario, &crew, &cast.attackers)?;
        let scenario = Arc::new(scenario);
        // The past ends now: what is live will be sent with the present time.
        let zero =
            clock::now_secs().saturating_add_signed(setup.factor.secs(scenario.lead_secs).round() as i64);
        let [ethereum, moonbeam] = CHAIN_IDS.map(|(domain, id)| Ground::new(&dir, domain, id));
        let when = (zero, setup.factor);
        let third = async {
            if !scenario.has_corridor(Domain::Cosmos) {
                return Ok(None);
            }
            Zone::build(&dir, &scenario, &crew, &cast, setup.factor).await.map(Some)
        };
        let fourth = async {
            if !scenario.has_corridor(Domain::Solana) {
                return Ok(None);
            }
            Cluster::build(&dir, &scenario, &crew, &cast, setup.factor).await.map(Some)
        };
        let (first, second, zone, cluster) = tokio::try_join!(
            ethereum.lay(&scenario, &crew, &cast, when),
            moonbeam.lay(&scenario, &crew, &cast, when),
            third,
            fourth
        )?;
        let pace = setup.factor.block_time();
        let (node, heads) = ethereum.wake(pace).await?;
        let ethereum = Side::raise(node, heads, first).await?;
        let (node, heads) = moonbeam.wake_between(pace, &ethereum).await?;
        let moonbeam = Side::raise(node, heads, second).await?;
        let factor = setup.factor;
        Ok(Self { dir, scenario, crew, cast, factor, ethereum, moonbeam, zone, cluster, _folder: folder })
    }

    /// The two chains that have a past.
    #[must_use]
    pub fn sides(&self) -> [&Side; 2] {
        [&self.ethereum, &self.moonbeam]
    }

    /// Every chain that runs.
    #[must_use]
    pub fn places(&self) -> Vec<Place<'_>> {
        let sides = self.sides().map(Place::Side).into_iter();
        let joined = self.zone.as_ref().map(Place::Zone).into_iter();
        sides.chain(joined).chain(self.cluster.as_ref().map(Place::Cluster)).collect()
    }

    /// Starts the live part on all chains; the first false release is due `lead` of the script from now.
    #[must_use]
    pub fn play(&self) -> Play {
        let lead = Duration::from_secs_f64(self.factor.secs(self.scenario.lead_secs).max(0.0));
        let zero = Zero::after(lead, self.factor);
        let stop = CancellationToken::new();
        let (log, sent) = mpsc::unbounded_channel();
        let mut tasks = JoinSet::new();
        for side in self.sides() {
            let stage = Stage {
                rpc: Arc::clone(&side.node.rpc),
                deployed: side.deployed.clone(),
                heads: side.heads.latest.clone(),
                beside: self.zone.as_ref().map(|zone| zone.heads.latest.clone()),
            };
            let (scenario, cast) = (Arc::clone(&self.scenario), Arc::clone(&self.cast));
            tasks.spawn(actors::play(
                stage,
                scenario,
                self.crew.clone(),
                cast,
                zero,
                log.clone(),
                stop.clone(),
            ));
        }
        if let Some(zone) = &self.zone {
            tasks.spawn(zone.play(Arc::clone(&self.scenario), zero, log.clone(), stop.clone()));
        }
        if let Some(cluster) = &self.cluster {
            tasks.spawn(cluster.play(Arc::clone(&self.scenario), zero, log.clone(), stop.clone()));
        }
        Play { zero, sent, tasks, stop }
    }

    /// What became of transactions of the play.
    ///
    /// # Errors
    /// When a node does not answer.
    pub async fn outcomes(&self, sent: &[Sent]) -> Result<Vec<Outcome>> {
        let mut out = Vec::with_capacity(sent.len());
        for sent in sent {
            let receipt = match (sent.side, &self.zone, &self.cluster) {
                (Domain::Ethereum, ..) => self.ethereum.node.rpc.receipt(sent.hash).await?,
                (Domain::Cosmos, Some(zone), _) => zone.receipt(sent.hash).await?,
                (Domain::Solana, _, Some(cluster)) => cluster.receipt(sent.hash).await?,
                _ => self.moonbeam.node.rpc.receipt(sent.hash).await?,
            };
            out.push(Outcome { sent: sent.clone(), receipt });
        }
        Ok(out)
    }

    /// What an actor took from the escrow, in micro-USD, judged by the chain alone.
    #[must_use]
    pub fn taken(&self, outcomes: &[Outcome], actor: Actor) -> u128 {
        outcomes
            .iter()
            .filter(|outcome| outcome.landed())
            .flat_map(|outcome| &outcome.sent.transfers)
            .filter_map(|index| self.scenario.live.get(*index))
            .filter(|transfer| crate::scenario::model::is_loss(transfer, actor))
            .map(|transfer| self.scenario.value(transfer))
            .sum()
    }
}

/// A live part in progress.
#[derive(Debug)]
pub struct Play {
    /// When the first false release is due.
    pub zero: Zero,
    /// What was sent, as it is sent.
    pub sent: mpsc::UnboundedReceiver<Sent>,
    tasks: JoinSet<Result<()>>,
    stop: CancellationToken,
}

impl Play {
    /// Waits until everything was sent, and gives what was not taken from `sent` before.
    ///
    /// # Errors
    /// When a stage failed.
    pub async fn finish(mut self) -> Result<Vec<Sent>> {
        while let Some(ended) = self.tasks.join_next().await {
            ended.wrap_err("a stage broke down")??;
        }
        let mut rest = Vec::new();
        // The channel closes when the last handed-over transaction was answered.
        while let Some(sent) = self.sent.recv().await {
            rest.push(sent);
        }
        Ok(rest)
    }

    /// True when everything was sent.
    pub fn over(&mut self) -> bool {
        while self.tasks.try_join_next().is_some() {}
        self.tasks.is_empty()
    }

    /// Sends nothing more.
    pub fn stop(&self) {
        self.stop.cancel();
    }
}

/// A transaction of the play and what became of it.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// What was sent.
    pub sent: Sent,
    /// Its receipt; none while no block holds it.
    pub receipt: Option<Receipt>,
}

impl Outcome {
    /// True when it is in a block and succeeded.
    #[must_use]
    pub fn landed(&self) -> bool {
        self.receipt.as_ref().is_some_and(|receipt| receipt.status == 1)
    }

    /// Hash of the transaction.
    #[must_use]
    pub fn hash(&self) -> B256 {
        self.sent.hash
    }
}

impl Side {
    /// Puts the operators' endpoints in front of a node.
    async fn raise(node: Node, heads: Heads, deployed: Deployed) -> Result<Self> {
        let mut operators = Vec::new();
        for name in OPERATORS {
            operators.push(Proxy::start(name, &node).await?);
        }
        Ok(Self { node, heads, operators, deployed })
    }
}

/// Writes the encrypted key file of an account and the file with its password, as the service reads them.
///
/// # Errors
/// When the files cannot be written.
pub fn write_keystore(dir: &Path, name: &str, key: &Key) -> Result<(PathBuf, PathBuf)> {
    use alloy::signers::k256::elliptic_curve::rand_core::OsRng;
    use alloy::signers::local::PrivateKeySigner;
    let password = format!("{:x}", key.address());
    PrivateKeySigner::encrypt_keystore(dir, &mut OsRng, key.secret(), &password, Some(name))
        .wrap_err("the key file cannot be written")?;
    let file = dir.join(format!("{name}.password"));
    std::fs::write(&file, format!("{password}\n"))?;
    for path in [&file, &dir.join(name)] {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    }
    Ok((dir.join(name), file))
}
