//! EVM nodes as processes of their own.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use alloy::primitives::B256;
use eyre::{Result, WrapErr, eyre};
use futures::{SinkExt, StreamExt};
use portcullis_rpc::loopback::free_port;
use serde_json::{Value, json};
use tokio::process::Command;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::Message;

use crate::chain::Rpc;
use crate::clock;
use crate::process::Process;

/// How long a node may take to answer for the first time on a busy machine.
const START_PATIENCE: Duration = Duration::from_secs(20);
/// How long a node may take to write its state and end.
const STOP_PATIENCE: Duration = Duration::from_secs(20);

/// How a node mines.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Mining {
    /// When told to; the chain begins at a time in the past.
    ByHand {
        /// Time of the first block, seconds since 1970.
        genesis: u64,
    },
    /// When told to, from a time in the past; nothing of it is kept, and of no block but the newest the state.
    Bare {
        /// Time of the first block, seconds since 1970.
        genesis: u64,
    },
    /// By itself, at this pace, waiting for nobody.
    Every(Duration),
}

/// A running node.
#[derive(Debug)]
pub struct Node {
    process: Process,
    port: u16,
    state: PathBuf,
    /// A client for it.
    pub rpc: Arc<Rpc>,
}

impl Node {
    /// Starts a node on a free port of this machine. `state` is loaded where it exists, and written by [`Node::rest`].
    ///
    /// # Errors
    /// When there is no binary, or it does not get ready.
    pub async fn start(chain_id: u64, state: &Path, log: &Path, mining: Mining) -> Result<Self> {
        let port = free_port()?;
        let binary = crate::tools::anvil()?;
        let output = std::fs::OpenOptions::new().create(true).append(true).open(log)?;
        let mut command = Command::new(&binary);
        command
            .args([
                "--host",
                "127.0.0.1",
                "--order",
                "fees",
                "--gas-limit",
                "60000000",
                "--hardfork",
                "prague",
            ])
            .args(["--port", &port.to_string(), "--chain-id", &chain_id.to_string()])
            // Sending is what the play does all the time; one line per request would be the node's main work.
            .args(["--silent", "--accounts", "1"])
            // States that leave its memory go with the play; its own place for them is the user's home, and stays.
            .arg("--cache-path")
            .arg(state.with_extension("history"))
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output);
        match mining {
            Mining::ByHand { genesis } => {
                command
                    .args(["--no-mining", "--timestamp", &genesis.to_string()])
                    .arg("--dump-state")
                    .arg(state);
            }
            Mining::Bare { genesis } => {
                command.args(["--no-mining", "--prune-history", "--timestamp", &genesis.to_string()]);
            }
            Mining::Every(pace) => {
                command.args(["--block-time", &format!("{:.3}", pace.as_secs_f64())]);
                if state.is_file() {
                    command.arg("--load-state").arg(state);
                }
            }
        }
        let process = Process::spawn("anvil", &mut command, STOP_PATIENCE)?;
        let rpc = Arc::new(Rpc::new(format!("http://127.0.0.1:{port}"), chain_id)?);
        rpc.ready(START_PATIENCE).await?;
        Ok(Self { process, port, state: state.to_path_buf(), rpc })
    }

    /// Ends a node that mined by hand; it leaves its whole chain in its state file.
    ///
    /// # Errors
    /// When it does not end, or leaves no state.
    pub async fn rest(mut self) -> Result<()> {
        self.process.stop().await?;
        if !self.state.is_file() {
            return Err(eyre!("the node left no state at {}", self.state.display()));
        }
        Ok(())
    }

    /// Process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Websocket address.
    #[must_use]
    pub fn ws(&self) -> String {
        format!("ws://127.0.0.1:{}", self.port)
    }
}

/// A head as this process saw it.
#[derive(Debug, Clone, Copy)]
pub struct Head {
    /// Height.
    pub height: u64,
    /// Hash.
    pub hash: B256,
    /// Chain time, seconds since 1970.
    pub time: u64,
    /// Base fee, wei.
    pub base_fee: u64,
    /// When it was seen here, microseconds since 1970.
    pub seen_us: i64,
    /// The same on the monotonic clock.
    pub seen: Instant,
}

/// Follows a node's heads over its websocket; what the attackers do too.
#[derive(Debug)]
pub struct Heads {
    /// The newest.
    pub latest: watch::Receiver<Option<Head>>,
    task: JoinHandle<()>,
}

impl Heads {
    /// Subscribes.
    ///
    /// # Errors
    /// When the node does not take the subscription.
    pub async fn follow(node: &Node) -> Result<Self> {
        let subscribe = json!({"jsonrpc": "2.0", "id": 1, "method": "eth_subscribe", "params": ["newHeads"]});
        Self::listen(&node.ws(), subscribe, parse_head).await
    }

    /// Subscribes at any socket; `parse` finds the head in what comes.
    ///
    /// # Errors
    /// When the node does not take the subscription.
    pub async fn listen(ws: &str, subscribe: Value, parse: fn(&str) -> Option<Head>) -> Result<Self> {
        let (mut socket, _response) =
            tokio_tungstenite::connect_async(ws).await.wrap_err("the node's websocket does not open")?;
        socket.send(Message::text(subscribe.to_string())).await?;
        let (send, latest) = watch::channel(None);
        let task = tokio::spawn(async move {
            while let Some(Ok(message)) = socket.next().await {
                let Ok(text) = message.to_text() else { continue };
                if let Some(head) = parse(text) {
                    send.send_replace(Some(head));
                }
            }
        });
        Ok(Self { latest, task })
    }

    /// Waits for the next head that was not looked at yet.
    ///
    /// # Errors
    /// When the node is gone.
    pub async fn next(latest: &mut watch::Receiver<Option<Head>>) -> Result<Head> {
        loop {
            latest.changed().await.wrap_err("the node's heads ended")?;
            if let Some(head) = *latest.borrow_and_update() {
                return Ok(head);
            }
        }
    }
}

impl Drop for Heads {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn parse_head(text: &str) -> Option<Head> {
    let value: Value = serde_json::from_str(text).ok()?;
    let head = value.pointer("/params/result")?;
    let number =
        |name: &str| u64::from_str_radix(head.get(name)?.as_str()?.trim_start_matches("0x"), 16).ok();
    Some(Head {
        height: number("number")?,
        hash: head.get("hash")?.as_str()?.parse().ok()?,
        time: number("timestamp")?,
        base_fee: number("baseFeePerGas")?,
        seen_us: clock::now_us(),
        seen: Instant::now(),
    })
}
