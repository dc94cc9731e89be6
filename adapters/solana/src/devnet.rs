//! A development node on loopback: for tests, demonstrations and experiments, never for value.

use std::{
    env, io,
    net::{Ipv4Addr, TcpListener, UdpSocket},
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use portcullis_rpc::{
    Client, Lane, ReplySize, RpcError, RpcRequest,
    loopback::{free_port, settings},
};
use portcullis_verifier::{B256, BlockRef, OperatorId};
use serde_json::Value;
use solana_instruction::{AccountMeta, Instruction};
use tempfile::TempDir;
use tokio::{
    process::{Child, Command},
    time::sleep,
};
use url::Url;

use crate::{
    address,
    contain::{
        guard::key,
        query::{self, Outcome},
        state, tx,
    },
    signer::{LocalSigner, Signer, SignerError},
    transport::{AT_CONFIRMED, slot},
};

pub mod nonce;

/// Name of the binary.
const BINARY: &str = "solana-test-validator";
/// Ports that a node takes behind the first one of its own: gossip, repair, turbine and the like.
const PORTS: u16 = 40;
/// How long a node may take to come up.
const PATIENCE: Duration = Duration::from_secs(90);

/// How a node is started.
#[derive(Debug, Clone, Default)]
pub struct DevnetConfig {
    /// Programs that stand at an address from the first slot on: address and the file with its code.
    pub programs: Vec<(String, PathBuf)>,
    /// Where the node keeps everything; none takes a directory that ends with the node.
    pub dir: Option<PathBuf>,
    /// Ticks of a slot, of 6.25 ms each; none is the chain's usual 64.
    pub ticks_per_slot: Option<u16>,
    /// More arguments for the binary.
    pub args: Vec<String>,
}

/// Why there is no node, or no answer from it.
#[derive(Debug, thiserror::Error)]
pub enum DevnetError {
    /// The binary was not found.
    #[error("{BINARY} was not found; run `cargo xtask setup`, or name it in PORTCULLIS_SOLANA_VALIDATOR")]
    NotFound,
    /// It did not start.
    #[error("{BINARY} did not start")]
    Start(#[source] io::Error),
    /// It did not answer in time.
    #[error("{BINARY} did not answer on port {port} in time; it said: {said}")]
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
    /// A transaction failed.
    #[error("a transaction failed: {0}")]
    Failed(Value),
    /// No block held a transaction in time.
    #[error("transaction {0} was in no block in time")]
    Lost(String),
    /// A key did not sign.
    #[error("a key did not sign")]
    Signer(#[from] SignerError),
    /// Something that it was given cannot be used.
    #[error("cannot use {0}")]
    Input(String),
}

/// Finds the binary: `PORTCULLIS_SOLANA_VALIDATOR`, then `PATH`, then the cache that setup fills.
#[must_use]
pub fn validator() -> Option<PathBuf> {
    let named = env::var_os("PORTCULLIS_SOLANA_VALIDATOR").map(PathBuf::from).filter(|path| path.is_file());
    let on_path =
        || env::split_paths(&env::var_os("PATH")?).map(|dir| dir.join(BINARY)).find(|path| path.is_file());
    named.or_else(on_path).or_else(cached)
}

fn cached() -> Option<PathBuf> {
    let home = || env::var_os("HOME").map(|home| Path::new(&home).join(".cache"));
    let default =
        || env::var_os("XDG_CACHE_HOME").map(PathBuf::from).or_else(home).map(|dir| dir.join("portcullis"));
    let cache = env::var_os("PORTCULLIS_CACHE").map(PathBuf::from).or_else(default)?;
    let inside = |path: PathBuf| {
        [path.join(BINARY), path.join("bin").join(BINARY)].into_iter().find(|binary| binary.is_file())
    };
    let entries = std::fs::read_dir(cache).ok()?;
    let mut found: Vec<PathBuf> = entries.filter_map(|entry| inside(entry.ok()?.path())).collect();
    found.sort();
    found.pop()
}

/// One of the keys that everybody knows: 0 has all coins at genesis.
#[must_use]
pub fn account(index: u8) -> Option<LocalSigner> {
    let mut secret = [0x5a; 32];
    if let Some(last) = secret.last_mut() {
        *last = index;
    }
    LocalSigner::from_secret(&secret)
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
    genesis: String,
    /// Removed with the node where nobody named a directory.
    _dir: Option<TempDir>,
}

/// A port with so many free ones behind it, for TCP and UDP.
fn free_ports() -> Result<u16, DevnetError> {
    for _ in 0..64 {
        let first = free_port().map_err(DevnetError::Start)?;
        let Some(last) = first.checked_add(PORTS) else { continue };
        let free = |port: u16| {
            let here = (Ipv4Addr::LOCALHOST, port);
            TcpListener::bind(here).is_ok() && UdpSocket::bind(here).is_ok()
        };
        if last < 32_000 && (first..last).all(free) {
            return Ok(first);
        }
    }
    Err(DevnetError::Start(io::Error::new(io::ErrorKind::AddrInUse, "no free ports in a row")))
}

impl Devnet {
    /// Makes a chain, starts its only node and waits until it has confirmed its first blocks.
    ///
    /// # Errors
    /// [`DevnetError`] when the binary is missing or does not come up.
    pub async fn start(config: &DevnetConfig) -> Result<Self, DevnetError> {
        let binary = validator().ok_or(DevnetError::NotFound)?;
        let made =
            if config.dir.is_none() { Some(TempDir::new().map_err(DevnetError::Start)?) } else { None };
        let home = match (&config.dir, &made) {
            (Some(dir), _) => dir.clone(),
            (None, Some(made)) => made.path().join("node"),
            (None, None) => return Err(DevnetError::NotFound),
        };
        std::fs::create_dir_all(&home).map_err(DevnetError::Start)?;
        // Free now; taken by the node a moment later. Its pubsub listens on the next one.
        let port = free_ports()?;
        let url = |text: String| Url::parse(&text).map_err(|error| DevnetError::Input(error.to_string()));
        let http = url(format!("http://127.0.0.1:{port}"))?;
        let ws = url(format!("ws://127.0.0.1:{}", port.saturating_add(1)))?;
        let name = OperatorId::new("devnet").map_err(|error| DevnetError::Input(error.to_string()))?;
        let client = Client::new(name, http.clone(), Lane::Contain, &settings())
            .map_err(|source| DevnetError::Rpc { method: "client", source })?;
        let config = config.clone();
        let genesis = String::new();
        let mut node =
            Self { child: None, binary, config, home, port, http, ws, client, genesis, _dir: made };
        node.run().await?;
        let asked = crate::transport::genesis(&node.client).await;
        node.genesis = asked.map_err(|source| DevnetError::Rpc { method: "getGenesisHash", source })?;
        Ok(node)
    }

    async fn run(&mut self) -> Result<(), DevnetError> {
        let log = self.home.join("node.log");
        let file =
            std::fs::File::options().create(true).append(true).open(&log).map_err(DevnetError::Start)?;
        let rich = account(0).ok_or_else(|| DevnetError::Input("account 0".to_owned()))?;
        let port = |behind: u16| self.port.saturating_add(behind).to_string();
        let mut command = Command::new(&self.binary);
        command
            .arg("--ledger")
            .arg(self.home.join("ledger"))
            .args(["--bind-address", "127.0.0.1", "--rpc-port", &port(0), "--faucet-port", &port(2)])
            .args(["--gossip-port", &port(3), "--dynamic-port-range"])
            .arg(format!("{}-{}", port(4), port(PORTS.saturating_sub(1))))
            .args(["--mint", &address::shown(rich.account()), "--quiet"]);
        if let Some(ticks) = self.config.ticks_per_slot {
            command.args(["--ticks-per-slot", &ticks.to_string()]);
        }
        for (at, code) in &self.config.programs {
            command.arg("--bpf-program").arg(at).arg(code);
        }
        let child = command
            .args(&self.config.args)
            .stdin(Stdio::null())
            .stdout(file.try_clone().map_err(DevnetError::Start)?)
            .stderr(file)
            .kill_on_drop(true)
            .spawn()
            .map_err(DevnetError::Start)?;
        self.child = Some(child);
        let began = Instant::now();
        while self.head().await.map_or(true, |head| head.height < 2) {
            let ended = self.child.as_mut().is_some_and(|child| matches!(child.try_wait(), Ok(Some(_))));
            if began.elapsed() > PATIENCE || ended {
                let said = std::fs::read_to_string(&log).unwrap_or_default();
                let said = said.lines().rev().take(5).collect::<Vec<_>>().join(" | ");
                return Err(DevnetError::Silent { port: self.port, said });
            }
            sleep(Duration::from_millis(50)).await;
        }
        Ok(())
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

    /// Ends the node and starts it again, with what it had.
    ///
    /// # Errors
    /// [`DevnetError`] when it does not come up.
    pub async fn restart(&mut self) -> Result<(), DevnetError> {
        self.stop().await?;
        self.run().await
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

    /// The chain's CAIP-2 id.
    #[must_use]
    pub fn chain(&self) -> String {
        format!("solana:{}", self.genesis.get(..32).unwrap_or_default())
    }

    /// Process id; none when it has ended.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().and_then(Child::id)
    }

    /// The newest confirmed block.
    ///
    /// # Errors
    /// [`DevnetError::Rpc`]; also before the first block.
    pub async fn head(&self) -> Result<BlockRef, DevnetError> {
        let newest = slot(&self.client, AT_CONFIRMED).await;
        let newest = newest.map_err(|source| DevnetError::Rpc { method: "getSlot", source })?;
        let block = state::last_block(&self.client, newest).await;
        block.map(|(block, _)| block).map_err(|source| DevnetError::Rpc { method: "getBlock", source })
    }

    /// Waits until the chain has confirmed a slot.
    ///
    /// # Errors
    /// [`DevnetError`] when it does not within a minute and a half.
    pub async fn reach(&self, height: u64) -> Result<BlockRef, DevnetError> {
        let began = Instant::now();
        loop {
            let head = self.head().await;
            // Who asks a hundred times a second takes from the node what it makes slots with.
            let left = head.as_ref().map_or(1, |head| height.saturating_sub(head.height));
            let pause = Duration::from_millis(left.clamp(1, 10).saturating_mul(10));
            match head {
                Ok(head) if head.height >= height => return Ok(head),
                Err(error) if began.elapsed() > PATIENCE => return Err(error),
                Ok(_) if began.elapsed() > PATIENCE => {
                    return Err(DevnetError::Silent { port: self.port, said: "no new slot".to_owned() });
                }
                _ => sleep(pause).await,
            }
        }
    }

    /// Asks the node itself.
    ///
    /// # Errors
    /// [`DevnetError::Rpc`].
    pub async fn ask(&self, method: &'static str, params: Value) -> Result<Value, DevnetError> {
        let request = RpcRequest::read(method, params, ReplySize::Bulk);
        self.client.ask(request, "answer").await.map_err(|source| DevnetError::Rpc { method, source })
    }

    /// Sends calls in one transaction, signed by these keys (the first one pays), and waits until it is confirmed: its
    /// signature, and its slot.
    ///
    /// # Errors
    /// [`DevnetError::Failed`] when it fails, [`DevnetError::Lost`] when it does not land.
    pub async fn send(&self, signers: &[&LocalSigner], calls: &[Call]) -> Result<(String, u64), DevnetError> {
        let recent = self.recent().await?;
        let signature = self.hand(signers, calls, recent).await?;
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            match self.outcome(&signature).await? {
                Some(outcome) if outcome.confirmed => {
                    let named = bs58_of(&signature);
                    return outcome
                        .failed
                        .map_or(Ok((named, outcome.slot)), |why| Err(DevnetError::Failed(why)));
                }
                _ => sleep(Duration::from_millis(10)).await,
            }
        }
        Err(DevnetError::Lost(bs58_of(&signature)))
    }

    /// The newest blockhash.
    ///
    /// # Errors
    /// [`DevnetError::Rpc`].
    pub async fn recent(&self) -> Result<B256, DevnetError> {
        let recent = query::latest_blockhash(&self.client).await;
        recent
            .map(|recent| recent.hash)
            .map_err(|source| DevnetError::Rpc { method: "getLatestBlockhash", source })
    }

    /// Hands calls to the node in one transaction, signed by these keys (the first one pays) with a recent blockhash, and
    /// waits for nothing: its signature.
    ///
    /// # Errors
    /// [`DevnetError::Rpc`] when the node does not take it, [`DevnetError::Input`] when a key is missing.
    pub async fn hand(
        &self,
        signers: &[&LocalSigner],
        calls: &[Call],
        recent: B256,
    ) -> Result<[u8; 64], DevnetError> {
        let payer = signers.first().ok_or_else(|| DevnetError::Input("nobody who pays".to_owned()))?;
        let calls: Vec<Instruction> = calls.iter().map(Call::instruction).collect();
        let (message, needed) = tx::message(payer.account(), &calls, recent);
        let mut signatures = Vec::new();
        for account in needed {
            let key = signers.iter().find(|signer| signer.account() == account);
            let key =
                key.ok_or_else(|| DevnetError::Input(format!("no key of {}", address::shown(account))))?;
            signatures.push(key.sign(&message).await?);
        }
        let bytes = tx::assembled(&signatures, &message);
        let handed = self.client.call(query::send(&bytes)).await;
        handed.map_err(|source| DevnetError::Rpc { method: "sendTransaction", source })?;
        Ok(signatures.first().copied().unwrap_or([0; 64]))
    }

    /// The slot of a transaction that a confirmed block holds, whether it succeeded there or not; none while none does.
    ///
    /// # Errors
    /// [`DevnetError::Rpc`].
    pub async fn landed(&self, signature: &[u8; 64]) -> Result<Option<u64>, DevnetError> {
        let outcome = self.outcome(signature).await?.filter(|outcome| outcome.confirmed);
        Ok(outcome.map(|outcome| outcome.slot))
    }

    async fn outcome(&self, signature: &[u8; 64]) -> Result<Option<Outcome>, DevnetError> {
        let found = query::outcome(&self.client, signature).await;
        found.map_err(|source| DevnetError::Rpc { method: "getSignatureStatuses", source })
    }
}

fn bs58_of(signature: &[u8; 64]) -> String {
    bs58::encode(signature).into_string()
}

/// A call of a program.
#[derive(Debug, Clone)]
pub struct Call {
    /// Which program.
    pub program: B256,
    /// Its accounts: address, whether it signs, whether it is written.
    pub accounts: Vec<(B256, bool, bool)>,
    /// What it is given.
    pub data: Vec<u8>,
}

impl Call {
    fn instruction(&self) -> Instruction {
        let accounts = self.accounts.iter().map(|(address, signs, written)| AccountMeta {
            pubkey: key(*address),
            is_signer: *signs,
            is_writable: *written,
        });
        Instruction { program_id: key(self.program), accounts: accounts.collect(), data: self.data.clone() }
    }
}
