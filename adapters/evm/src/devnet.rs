//! A development node on loopback: for tests, demonstrations and experiments, never for value.

use core::time::Duration;
use std::{
    env, io,
    path::{Path, PathBuf},
    process::Stdio,
    time::Instant,
};

use alloy::{
    consensus::{SignableTransaction, TxEip1559},
    eips::eip2718::Encodable2718,
    primitives::{Address, Bytes, TxKind, U64, U256},
    rpc::types::TransactionReceipt,
    signers::{SignerSync, local::PrivateKeySigner},
};
use portcullis_rpc::{
    Client, Lane, ReplySize, RpcError, RpcRequest,
    loopback::{free_port, settings},
};
use portcullis_verifier::{B256, OperatorId};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    process::{Child, Command},
    time::sleep,
};
use url::Url;

/// How a node is started.
#[derive(Debug, Clone)]
pub struct DevnetConfig {
    /// EIP-155 number. Use one that no public chain has.
    pub chain: u64,
    /// Seconds per block as anvil takes them, such as `1` or `0.5`; none mines one block per transaction.
    pub block_time: Option<String>,
    /// Port on loopback; none takes a free one.
    pub port: Option<u16>,
    /// Time of the genesis block, seconds since 1970; none is now.
    pub genesis_time: Option<u64>,
    /// More arguments for the binary.
    pub args: Vec<String>,
}

impl DevnetConfig {
    /// A chain that mines one block per transaction.
    #[must_use]
    pub fn new(chain: u64) -> Self {
        Self { chain, block_time: None, port: None, genesis_time: None, args: Vec::new() }
    }
}

/// Why there is no node, or no answer from it.
#[derive(Debug, thiserror::Error)]
pub enum DevnetError {
    /// The binary was not found.
    #[error("anvil was not found; run `cargo xtask setup`, or name it in PORTCULLIS_ANVIL")]
    NotFound,
    /// It did not start.
    #[error("anvil did not start")]
    Start(#[source] io::Error),
    /// It did not answer in time.
    #[error("anvil did not answer on port {0} in time")]
    Silent(u16),
    /// It answered with an error.
    #[error("{method} failed")]
    Rpc {
        /// What was asked.
        method: &'static str,
        /// Why.
        #[source]
        source: RpcError,
    },
    /// A transaction failed or was lost.
    #[error("transaction {0} did not succeed")]
    Failed(B256),
    /// Something that it was given cannot be used.
    #[error("cannot use {0}")]
    Input(String),
}

/// Finds the binary: `PORTCULLIS_ANVIL`, then `PATH`, then the cache that setup fills.
#[must_use]
pub fn anvil() -> Option<PathBuf> {
    let named = env::var_os("PORTCULLIS_ANVIL").map(PathBuf::from).filter(|path| path.is_file());
    let on_path =
        || env::split_paths(&env::var_os("PATH")?).map(|dir| dir.join("anvil")).find(|path| path.is_file());
    named.or_else(on_path).or_else(cached)
}

fn cached() -> Option<PathBuf> {
    let home = || env::var_os("HOME").map(|home| Path::new(&home).join(".cache"));
    let default =
        || env::var_os("XDG_CACHE_HOME").map(PathBuf::from).or_else(home).map(|dir| dir.join("portcullis"));
    let cache = env::var_os("PORTCULLIS_CACHE").map(PathBuf::from).or_else(default)?;
    let mut found: Vec<PathBuf> = std::fs::read_dir(cache)
        .ok()?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("npm-")))
        .map(|path| path.join("node_modules/@foundry-rs/anvil-linux-amd64/bin/anvil"))
        .filter(|path| path.is_file())
        .collect();
    found.sort();
    found.pop()
}

/// A running node. Ends when dropped.
#[derive(Debug)]
pub struct Devnet {
    child: Child,
    chain: u64,
    http: Url,
    ws: Url,
    client: Client,
    // Last, so that the node has ended when it goes.
    dir: TempDir,
}

impl Devnet {
    /// Starts a node and waits until it answers.
    ///
    /// # Errors
    /// [`DevnetError`] when the binary is missing or does not come up.
    pub async fn start(config: &DevnetConfig) -> Result<Self, DevnetError> {
        let binary = anvil().ok_or(DevnetError::NotFound)?;
        let port = match config.port {
            Some(port) => port,
            // Free now; taken by the node a moment later.
            None => free_port().map_err(DevnetError::Start)?,
        };
        // States that leave its memory go with it; its own place for them is the user's home, and stays.
        let dir = TempDir::new().map_err(DevnetError::Start)?;
        let mut command = Command::new(binary);
        command
            .args([
                "--host",
                "127.0.0.1",
                "--port",
                &port.to_string(),
                "--chain-id",
                &config.chain.to_string(),
            ])
            .args(["--silent", "--hardfork", "prague"])
            .arg("--cache-path")
            .arg(dir.path())
            .args(&config.args)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true);
        if let Some(seconds) = &config.block_time {
            command.args(["--block-time", seconds]);
        }
        if let Some(time) = config.genesis_time {
            command.args(["--timestamp", &time.to_string()]);
        }
        let child = command.spawn().map_err(DevnetError::Start)?;
        let url = |scheme: &str| {
            Url::parse(&format!("{scheme}://127.0.0.1:{port}")).map_err(|e| DevnetError::Input(e.to_string()))
        };
        let (http, ws) = (url("http")?, url("ws")?);
        let name = OperatorId::new("devnet").map_err(|e| DevnetError::Input(e.to_string()))?;
        let client = Client::new(name, http.clone(), Lane::Contain, &settings())
            .map_err(|source| DevnetError::Rpc { method: "client", source })?;
        let node = Self { child, chain: config.chain, http, ws, client, dir };
        let began = Instant::now();
        while node.ask::<U64>("eth_chainId", json!([])).await.is_err() {
            if began.elapsed() > Duration::from_secs(20) {
                return Err(DevnetError::Silent(port));
            }
            sleep(Duration::from_millis(20)).await;
        }
        Ok(node)
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

    /// Folder of what it does not keep in memory; goes with it.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Process id; none when it has ended.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// One of the ten funded accounts, by the node's well-known mnemonic.
    ///
    /// # Errors
    /// [`DevnetError::Input`] when the key cannot be derived.
    pub fn account(index: u32) -> Result<PrivateKeySigner, DevnetError> {
        // The first keys of the mnemonic "test test … junk", which every development node funds.
        const KEYS: [&str; 4] = [
            "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80",
            "59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d",
            "5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a",
            "7c852118294e51e653712a81e05800f419141751be58f605c371e15141b007a6",
        ];
        let key = usize::try_from(index).ok().and_then(|at| KEYS.get(at));
        let key = key.ok_or_else(|| DevnetError::Input(format!("account {index}")))?;
        key.parse().map_err(|_| DevnetError::Input(format!("account {index}")))
    }

    /// Asks the node.
    ///
    /// # Errors
    /// [`DevnetError::Rpc`].
    pub async fn ask<T: serde::de::DeserializeOwned>(
        &self,
        method: &'static str,
        params: Value,
    ) -> Result<T, DevnetError> {
        let request = RpcRequest::read(method, params, ReplySize::Bulk);
        self.client.ask(request, "answer").await.map_err(|source| DevnetError::Rpc { method, source })
    }

    /// Mines so many blocks.
    ///
    /// # Errors
    /// [`DevnetError::Rpc`].
    pub async fn mine(&self, blocks: u64) -> Result<(), DevnetError> {
        self.ask::<Value>("anvil_mine", json!([format!("{blocks:#x}")])).await.map(|_| ())
    }

    /// Replaces the last `depth` blocks by as many empty ones.
    ///
    /// # Errors
    /// [`DevnetError::Rpc`].
    pub async fn reorg(&self, depth: u64) -> Result<(), DevnetError> {
        self.ask::<Value>("anvil_reorg", json!([depth, []])).await.map(|_| ())
    }

    /// Height of the newest block.
    ///
    /// # Errors
    /// [`DevnetError::Rpc`].
    pub async fn height(&self) -> Result<u64, DevnetError> {
        Ok(self.ask::<U64>("eth_blockNumber", json!([])).await?.to())
    }

    /// Signs and sends a transaction, without waiting for its block.
    ///
    /// # Errors
    /// [`DevnetError`] when it is refused.
    pub async fn send(
        &self,
        key: &PrivateKeySigner,
        to: Option<Address>,
        input: Bytes,
    ) -> Result<B256, DevnetError> {
        let count = self.ask::<U64>("eth_getTransactionCount", json!([key.address(), "pending"])).await?;
        let transaction = TxEip1559 {
            chain_id: self.chain,
            nonce: count.to(),
            gas_limit: 12_000_000,
            max_fee_per_gas: 100_000_000_000,
            max_priority_fee_per_gas: 1_000_000_000,
            to: to.map_or(TxKind::Create, TxKind::Call),
            value: U256::ZERO,
            access_list: alloy::eips::eip2930::AccessList::default(),
            input,
        };
        let signature = key
            .sign_hash_sync(&transaction.signature_hash())
            .map_err(|error| DevnetError::Input(error.to_string()))?;
        let signed = transaction.into_signed(signature);
        let bytes = alloy::primitives::hex::encode_prefixed(signed.encoded_2718());
        self.ask::<B256>("eth_sendRawTransaction", json!([bytes])).await
    }

    /// Waits for a transaction's receipt; none while no block holds it.
    ///
    /// # Errors
    /// [`DevnetError::Failed`] when it failed, or when no block held it in time.
    pub async fn receipt(&self, hash: B256) -> Result<TransactionReceipt, DevnetError> {
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(20) {
            let found: Option<TransactionReceipt> =
                self.ask("eth_getTransactionReceipt", json!([hash])).await?;
            match found {
                Some(receipt) if receipt.status() => return Ok(receipt),
                Some(_) => return Err(DevnetError::Failed(hash)),
                None => sleep(Duration::from_millis(5)).await,
            }
        }
        Err(DevnetError::Failed(hash))
    }

    /// Puts a contract on the chain and gives its address.
    ///
    /// # Errors
    /// [`DevnetError`] when the transaction is refused or fails.
    pub async fn deploy(&self, key: &PrivateKeySigner, code: Bytes) -> Result<Address, DevnetError> {
        let hash = self.send(key, None, code).await?;
        let receipt = self.receipt(hash).await?;
        receipt.contract_address.ok_or(DevnetError::Failed(hash))
    }
}
