//! A development node on loopback: for tests, demonstrations and experiments, never for value.

mod accounts;
mod client;
mod genesis;

use std::{
    env, io,
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use portcullis_rpc::{
    Client, Lane, RpcError,
    loopback::{free_port, settings},
};
use portcullis_verifier::{B256, BlockRef, OperatorId};
use tempfile::TempDir;
use tokio::{
    process::{Child, Command},
    time::sleep,
};
use url::Url;

pub use accounts::{Account, PREFIX, account, address_of, validator};
pub use client::Landed;

/// How a node is started.
#[derive(Debug, Clone)]
pub struct DevnetConfig {
    /// The chain's own name. Use one that no public chain has.
    pub chain_id: String,
    /// Accounts at genesis: address and coins, such as `1000000000stake,5usd`.
    pub accounts: Vec<(String, String)>,
    /// Pause between a block and the next, in milliseconds.
    pub timeout_commit_ms: u64,
    /// Who may trip which types of messages (`x/circuit`, some messages).
    pub circuit: Vec<(String, Vec<String>)>,
    /// Blocks, and states after them, that the node keeps; none keeps all. At least two.
    pub keep_blocks: Option<u64>,
    /// How long proposals are voted on, in milliseconds; none leaves the days that chains take. Expedited ones take half.
    pub voting_ms: Option<u64>,
    /// Where the node keeps everything; none takes a directory that ends with the node.
    pub dir: Option<PathBuf>,
    /// Port of its RPC on loopback; none takes a free one.
    pub port: Option<u16>,
    /// More arguments for the binary's `start`.
    pub args: Vec<String>,
}

impl DevnetConfig {
    /// A chain with five blocks a second and one funded account, [`account`] 0.
    #[must_use]
    pub fn new(chain_id: &str) -> Self {
        Self {
            chain_id: chain_id.to_owned(),
            accounts: Vec::new(),
            timeout_commit_ms: 200,
            circuit: Vec::new(),
            keep_blocks: None,
            voting_ms: None,
            dir: None,
            port: None,
            args: Vec::new(),
        }
    }
}

/// Why there is no node, or no answer from it.
#[derive(Debug, thiserror::Error)]
pub enum DevnetError {
    /// The binary was not found.
    #[error("wasmd was not found; run `cargo xtask setup`, or name it in PORTCULLIS_WASMD")]
    NotFound,
    /// It did not start.
    #[error("wasmd did not start")]
    Start(#[source] io::Error),
    /// A step of its setting up failed.
    #[error("`wasmd {step}` failed: {said}")]
    SetUp {
        /// Which step.
        step: String,
        /// What it said.
        said: String,
    },
    /// It did not answer in time.
    #[error("wasmd did not answer on port {port} in time; it said: {said}")]
    Silent {
        /// On which port.
        port: u16,
        /// The end of its log.
        said: String,
    },
    /// It answered with an error.
    #[error("{method} failed")]
    Rpc {
        /// What was asked.
        method: &'static str,
        /// Why.
        #[source]
        source: RpcError,
    },
    /// A transaction was refused or failed.
    #[error("a transaction failed with code {code}: {log}")]
    Failed {
        /// The application's code.
        code: u32,
        /// What it says.
        log: String,
    },
    /// No block held a transaction in time.
    #[error("transaction {0} was in no block in time")]
    Lost(B256),
    /// Something that it was given cannot be used.
    #[error("cannot use {0}")]
    Input(String),
}

/// Finds the binary: `PORTCULLIS_WASMD`, then `PATH`, then the cache that setup fills.
#[must_use]
pub fn wasmd() -> Option<PathBuf> {
    let named = env::var_os("PORTCULLIS_WASMD").map(PathBuf::from).filter(|path| path.is_file());
    let on_path =
        || env::split_paths(&env::var_os("PATH")?).map(|dir| dir.join("wasmd")).find(|path| path.is_file());
    named.or_else(on_path).or_else(cached)
}

fn cached() -> Option<PathBuf> {
    let home = || env::var_os("HOME").map(|home| Path::new(&home).join(".cache"));
    let default =
        || env::var_os("XDG_CACHE_HOME").map(PathBuf::from).or_else(home).map(|dir| dir.join("portcullis"));
    let cache = env::var_os("PORTCULLIS_CACHE").map(PathBuf::from).or_else(default)?;
    let inside = |path: PathBuf| {
        [path.join("wasmd"), path.join("bin/wasmd")].into_iter().find(|binary| binary.is_file())
    };
    let entries = std::fs::read_dir(cache).ok()?;
    let mut found: Vec<PathBuf> = entries.filter_map(|entry| inside(entry.ok()?.path())).collect();
    found.sort();
    found.pop()
}

/// A running node. Ends when dropped.
#[derive(Debug)]
pub struct Devnet {
    child: Option<Child>,
    binary: PathBuf,
    config: DevnetConfig,
    home: PathBuf,
    port: u16,
    http: Url,
    ws: Url,
    client: Client,
    /// Removed with the node where nobody named a directory.
    _dir: Option<TempDir>,
}

impl Devnet {
    /// Makes a chain, starts its only node and waits for the first block.
    ///
    /// # Errors
    /// [`DevnetError`] when the binary is missing or does not come up.
    pub async fn start(config: &DevnetConfig) -> Result<Self, DevnetError> {
        let binary = wasmd().ok_or(DevnetError::NotFound)?;
        let made =
            if config.dir.is_none() { Some(TempDir::new().map_err(DevnetError::Start)?) } else { None };
        let home = match (&config.dir, &made) {
            (Some(dir), _) => dir.clone(),
            (None, Some(made)) => made.path().join("node"),
            (None, None) => return Err(DevnetError::NotFound),
        };
        genesis::make(&binary, &home, config).await?;
        // Free now; taken by the node a moment later.
        let port = config.port.map_or_else(free_port, Ok).map_err(DevnetError::Start)?;
        let url = |text: String| Url::parse(&text).map_err(|error| DevnetError::Input(error.to_string()));
        let http = url(format!("http://127.0.0.1:{port}"))?;
        let ws = url(format!("ws://127.0.0.1:{port}/websocket"))?;
        let name = OperatorId::new("devnet").map_err(|error| DevnetError::Input(error.to_string()))?;
        let client = Client::new(name, http.clone(), Lane::Contain, &settings())
            .map_err(|source| DevnetError::Rpc { method: "client", source })?;
        let config = config.clone();
        let mut node = Self { child: None, binary, config, home, port, http, ws, client, _dir: made };
        node.run().await?;
        Ok(node)
    }

    async fn run(&mut self) -> Result<(), DevnetError> {
        let log = self.home.join("node.log");
        let p2p = free_port().map_err(DevnetError::Start)?;
        let file =
            std::fs::File::options().create(true).append(true).open(&log).map_err(DevnetError::Start)?;
        let child = Command::new(&self.binary)
            .args(["start", "--home"])
            .arg(&self.home)
            .args(["--rpc.laddr", &format!("tcp://127.0.0.1:{}", self.port)])
            .args(["--p2p.laddr", &format!("tcp://127.0.0.1:{p2p}")])
            .args(["--grpc.enable=false", "--minimum-gas-prices", "0stake", "--log_level", "error"])
            .args(self.config.keep_blocks.map(genesis::pruning).unwrap_or_default())
            .args(&self.config.args)
            .stdin(Stdio::null())
            .stdout(file.try_clone().map_err(DevnetError::Start)?)
            .stderr(file)
            .kill_on_drop(true)
            .spawn()
            .map_err(DevnetError::Start)?;
        self.child = Some(child);
        let began = Instant::now();
        while self.head().await.is_err() {
            if began.elapsed() > Duration::from_secs(60) {
                let said = std::fs::read_to_string(&log).unwrap_or_default();
                let said = said.lines().rev().take(5).collect::<Vec<_>>().join(" | ");
                return Err(DevnetError::Silent { port: self.port, said });
            }
            sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }

    /// Ends the node and starts it again, with what it had; waits until it has worked through its first new block,
    /// because it judges transactions wrongly before.
    ///
    /// # Errors
    /// [`DevnetError`] when it does not come up.
    pub async fn restart(&mut self) -> Result<(), DevnetError> {
        let before = self.head().await?.height;
        self.stop().await?;
        self.run().await?;
        // A block is told before it is worked through; the next one shows that it was.
        self.reach(before.saturating_add(2)).await.map(drop)
    }

    /// Ends the node; what it has stays.
    ///
    /// # Errors
    /// [`DevnetError::Start`] when it cannot be ended.
    pub async fn stop(&mut self) -> Result<(), DevnetError> {
        if let Some(mut child) = self.child.take() {
            child.kill().await.map_err(DevnetError::Start)?;
        }
        Ok(())
    }

    /// Where it answers HTTP.
    #[must_use]
    pub fn http(&self) -> &Url {
        &self.http
    }

    /// Where it answers websockets.
    #[must_use]
    pub fn ws(&self) -> &Url {
        &self.ws
    }

    /// The chain's own name.
    #[must_use]
    pub fn chain_id(&self) -> &str {
        &self.config.chain_id
    }

    /// Where the node keeps everything, its validator's key included.
    #[must_use]
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// Process id; none when it has ended.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().and_then(Child::id)
    }

    /// The newest block.
    ///
    /// # Errors
    /// [`DevnetError::Rpc`]; also before the first block.
    pub async fn head(&self) -> Result<BlockRef, DevnetError> {
        let failed = |source| DevnetError::Rpc { method: "status", source };
        let status = crate::transport::status(&self.client).await.map_err(failed)?;
        if status.height == 0 {
            return Err(failed(RpcError::garbage("first block")));
        }
        Ok(BlockRef { height: status.height, hash: status.hash })
    }

    /// Waits until the chain has reached a height.
    ///
    /// # Errors
    /// [`DevnetError`] when it does not within a minute.
    pub async fn reach(&self, height: u64) -> Result<BlockRef, DevnetError> {
        let began = Instant::now();
        loop {
            match self.head().await {
                Ok(head) if head.height >= height => return Ok(head),
                Err(error) if began.elapsed() > Duration::from_secs(60) => return Err(error),
                Ok(_) if began.elapsed() > Duration::from_secs(60) => {
                    return Err(DevnetError::Silent { port: self.port, said: "no new block".to_owned() });
                }
                _ => sleep(Duration::from_millis(10)).await,
            }
        }
    }
}
