//! A chain of one validator from nothing: genesis, configuration, process.

use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::net::TcpListener;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::{Client, Key, Result};

/// How long a node may take to make its first block on a busy machine.
const START_PATIENCE: Duration = Duration::from_secs(90);
/// How long it may take to end when it is asked to.
const STOP_PATIENCE: Duration = Duration::from_secs(20);
/// What every account of the genesis has, in `stake`.
const COINS: u64 = 1_000_000_000_000;

/// Ports that are tried, and how many of them.
const PORTS: Range<u16> = 10_000..32_000;
const PORT_TRIES: usize = 256;

/// What the chain begins with.
#[derive(Debug, Clone, Default)]
pub struct Genesis {
    /// Chain id.
    pub chain_id: String,
    /// Accounts with coins.
    pub accounts: Vec<String>,
    /// Addresses that may trip message types by x/circuit (`LEVEL_SOME_MSGS`), and which.
    pub circuit: Vec<(String, Vec<String>)>,
    /// Between two blocks. With nothing to wait for, about fifty blocks are made in a second.
    pub block_pause: Duration,
}

/// A running node; it ends with this value.
#[derive(Debug)]
pub struct Node {
    child: Child,
    home: PathBuf,
    rpc_port: u16,
    chain_id: String,
}

/// The node's program: `PORTCULLIS_WASMD`, else on PATH.
///
/// # Errors
/// When there is none; the error says how to get it.
pub fn wasmd() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("PORTCULLIS_WASMD").filter(|path| !path.is_empty()) {
        return Ok(path.into());
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|folder| folder.join("wasmd")).find(|path| path.is_file());
    found.ok_or_else(|| "no wasmd: set PORTCULLIS_WASMD, or run `cargo xtask setup`".into())
}

impl Node {
    /// Makes a chain in this folder and starts its node; returns when it has made blocks.
    ///
    /// # Errors
    /// When a step of the program fails, or no block comes; the end of its log is in the message.
    pub fn start(wasmd: &Path, home: &Path, genesis: &Genesis) -> Result<Self> {
        initialize(wasmd, home, genesis)?;
        let [rpc_port, p2p] = [free_port()?, free_port()?];
        configure(home, genesis.block_pause)?;
        let log = fs::File::create(home.join("node.log"))?;
        let child = Command::new(wasmd)
            .args(["start", "--home"])
            .arg(home)
            .args(["--rpc.laddr", &format!("tcp://127.0.0.1:{rpc_port}")])
            .args(["--p2p.laddr", &format!("tcp://127.0.0.1:{p2p}"), "--rpc.pprof_laddr", ""])
            .args(["--api.enable=false", "--grpc.enable=false", "--grpc-web.enable=false"])
            .args(["--minimum-gas-prices", "0.001stake", "--log_level", "warn", "--log_no_color"])
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .map_err(|error| format!("{} could not be started: {error}", wasmd.display()))?;
        let chain_id = genesis.chain_id.clone();
        let mut node = Self { child, home: home.to_path_buf(), rpc_port, chain_id };
        node.ready()?;
        Ok(node)
    }

    /// A client of this node.
    #[must_use]
    pub fn client(&self) -> Client {
        Client::new(self.url(), &self.chain_id)
    }

    /// Its RPC address.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.rpc_port)
    }

    /// Process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    fn ready(&mut self) -> Result<()> {
        let (client, since) = (self.client(), Instant::now());
        loop {
            if client.head().is_ok_and(|(height, _)| height >= 2) {
                return Ok(());
            }
            let ended = self.child.try_wait()?;
            if ended.is_some() || since.elapsed() > START_PATIENCE {
                let log = fs::read_to_string(self.home.join("node.log")).unwrap_or_default();
                let lines: Vec<&str> = log.lines().collect();
                let end = lines[lines.len().saturating_sub(20)..].join("\n");
                return Err(format!("the node made no block (ended: {ended:?}):\n{end}").into());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // Asked first, so that it can close its database; it is this process's own child, so the number is still its.
        let _asked = Command::new("kill").arg(self.child.id().to_string()).status();
        let since = Instant::now();
        while since.elapsed() < STOP_PATIENCE {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let _killed = self.child.kill();
        let _gone = self.child.wait();
    }
}

/// Keys, genesis and the validator's first transaction.
fn initialize(wasmd: &Path, home: &Path, genesis: &Genesis) -> Result<()> {
    let run = |args: &[&str]| -> Result<String> {
        let output = Command::new(wasmd).args(args).arg("--home").arg(home).stdin(Stdio::null()).output()?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            return Err(format!("wasmd {}: {said}", args.join(" ")).into());
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let test = ["--keyring-backend", "test"];
    run(&["init", "node", "--chain-id", &genesis.chain_id])?;
    run(&[&["keys", "add", "validator"], &test[..]].concat())?;
    let validator = run(&[&["keys", "show", "validator", "--address"], &test[..]].concat())?;
    let accounts: Vec<Value> = std::iter::once(validator.trim())
        .chain(genesis.accounts.iter().map(String::as_str))
        .map(
            |address| json!({"address": address, "coins": [{"denom": "stake", "amount": COINS.to_string()}]}),
        )
        .collect();
    let list = home.join("accounts.json");
    fs::write(&list, Value::from(accounts).to_string())?;
    run(&["genesis", "bulk-add-genesis-account", &list.to_string_lossy()])?;
    permit(&home.join("config/genesis.json"), &genesis.circuit)?;
    let chain = ["--chain-id", &genesis.chain_id];
    run(&[&["genesis", "gentx", "validator", "1000000000stake"], &chain[..], &test[..]].concat())?;
    run(&["genesis", "collect-gentxs"])?;
    Ok(())
}

/// Who may trip which message types, written into the genesis.
fn permit(path: &Path, circuit: &[(String, Vec<String>)]) -> Result<()> {
    let mut genesis: Value = serde_json::from_slice(&fs::read(path)?)?;
    let permissions = circuit.iter().map(|(address, types)| {
        let permissions = json!({"level": "LEVEL_SOME_MSGS", "limit_type_urls": types});
        json!({"address": address, "permissions": permissions})
    });
    genesis["app_state"]["circuit"]["account_permissions"] = permissions.collect();
    Ok(fs::write(path, serde_json::to_vec(&genesis)?)?)
}

/// Fast blocks; no address book, no peers.
fn configure(home: &Path, pause: Duration) -> Result<()> {
    let path = home.join("config/config.toml");
    let text = fs::read_to_string(&path)?;
    let pause = format!("\"{}ms\"", pause.as_millis());
    let replaced: String = text
        .lines()
        .map(|line| match line.split_once(" = ").map(|(key, _)| key) {
            Some("timeout_commit") => format!("timeout_commit = {pause}\n"),
            Some("pex") => "pex = false\n".to_owned(),
            Some("addr_book_strict") => "addr_book_strict = false\n".to_owned(),
            _ => format!("{line}\n"),
        })
        .collect();
    Ok(fs::write(path, replaced)?)
}

/// A port that was free a moment ago, below those that the system gives to outgoing connections: one of them would else take it
/// before the node does. Each state is seeded anew, so that processes that start together try different ones.
fn free_port() -> Result<u16> {
    let mut tried = (0..PORT_TRIES).map(|_| {
        let offset = RandomState::new().hash_one(()) % u64::from(PORTS.end - PORTS.start);
        PORTS.start + u16::try_from(offset).unwrap_or_default()
    });
    tried
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .ok_or_else(|| "no free port found on 127.0.0.1".into())
}

impl Genesis {
    /// A chain with accounts for keys made from names.
    ///
    /// # Errors
    /// As [`Key::named`].
    pub fn named(chain_id: &str, names: &[&str]) -> Result<Self> {
        let accounts = names.iter().map(|name| Key::named(name)?.address()).collect::<Result<_>>()?;
        Ok(Self { chain_id: chain_id.to_owned(), accounts, ..Self::default() })
    }
}
