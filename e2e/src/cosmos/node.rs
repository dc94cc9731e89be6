//! A node of this family as a process of its own, with one validator.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use eyre::{Result, bail};
use portcullis_rpc::loopback::free_port;
use serde_json::{Value, json};
use tokio::process::Command;

use super::genesis::{self, Endowment};
use super::rpc::{Rpc, seconds, text};
use crate::clock;
use crate::nodes::{Head, Heads};
use crate::process::Process;

/// How long a node may take to its first block on a busy machine.
const START_PATIENCE: Duration = Duration::from_secs(60);
/// How long a node may take to end.
const STOP_PATIENCE: Duration = Duration::from_secs(15);

/// A running node.
#[derive(Debug)]
pub struct Node {
    process: Process,
    port: u16,
    home: PathBuf,
    log: PathBuf,
    /// A client for it.
    pub rpc: Arc<Rpc>,
}

impl Node {
    /// Makes a chain of its own in `home` and starts its only node, on free ports of this machine. A block is made
    /// `pace` after the one before was agreed on.
    ///
    /// # Errors
    /// When there is no binary, or it makes no block.
    pub async fn start(home: &Path, chain_id: &str, pace: Duration, accounts: &[Endowment]) -> Result<Self> {
        genesis::lay(home, chain_id, pace, accounts).await?;
        Self::resume(home, chain_id, free_port()?).await
    }

    /// Starts a node on what lies in `home`; it answers at `port`.
    ///
    /// # Errors
    /// As [`Node::start`].
    pub async fn resume(home: &Path, chain_id: &str, port: u16) -> Result<Self> {
        let log = home.with_extension("node.log");
        let output = std::fs::OpenOptions::new().create(true).append(true).open(&log)?;
        let mut command = Command::new(crate::tools::wasmd()?);
        command
            .args(["start", "--rpc.laddr", &format!("tcp://127.0.0.1:{port}")])
            .args(["--p2p.laddr", &format!("tcp://127.0.0.1:{}", free_port()?)])
            .args(["--grpc.enable=false", "--api.enable=false", "--minimum-gas-prices", "0stake"])
            .args(["--log_level", "warn", "--home"])
            .arg(home)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output);
        let process = Process::spawn("wasmd", &mut command, STOP_PATIENCE)?;
        let rpc = Arc::new(Rpc::new(format!("http://127.0.0.1:{port}"), chain_id.to_owned())?);
        let mut node = Self { process, port, home: home.to_path_buf(), log, rpc };
        // It tells of its first block before it answers from the state after it.
        if let Err(error) = node.rpc.ready(2, START_PATIENCE).await {
            let said = std::fs::read_to_string(&node.log).unwrap_or_default();
            let last: Vec<&str> = said.lines().rev().take(10).collect();
            let ended = if node.process.ended() { "it ended" } else { "it runs" };
            bail!("{error:#}; {ended}; its last words, newest first:\n{}", last.join("\n"));
        }
        Ok(node)
    }

    /// Ends the node; gives the home in which its chain stays, and the port at which it answered.
    ///
    /// # Errors
    /// When it cannot be waited for.
    pub async fn stop(&mut self) -> Result<(PathBuf, u16)> {
        self.process.stop().await?;
        Ok((self.home.clone(), self.port))
    }

    /// Process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Websocket address.
    #[must_use]
    pub fn ws(&self) -> String {
        format!("ws://127.0.0.1:{}/websocket", self.port)
    }

    /// Follows its heads.
    ///
    /// # Errors
    /// When the node does not take the subscription.
    pub async fn heads(&self) -> Result<Heads> {
        let query = json!({"query": "tm.event='NewBlock'"});
        let subscribe = json!({"jsonrpc": "2.0", "id": 1, "method": "subscribe", "params": query});
        Heads::listen(&self.ws(), subscribe, parse_head).await
    }
}

fn parse_head(said: &str) -> Option<Head> {
    let value: Value = serde_json::from_str(said).ok()?;
    let block = value.pointer("/result/data/value")?;
    Some(Head {
        height: text(block, "/block/header/height").ok()?.parse().ok()?,
        hash: text(block, "/block_id/hash").ok()?.parse().ok()?,
        time: seconds(text(block, "/block/header/time").ok()?).ok()?,
        base_fee: 0,
        seen_us: clock::now_us(),
        seen: Instant::now(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pushed_block_is_a_head_and_the_answer_to_the_subscription_is_none() {
        let hash = "AB".repeat(32);
        let block = json!({"jsonrpc": "2.0", "id": 1, "result": {"query": "tm.event='NewBlock'", "data": {
        "type": "tendermint/event/NewBlock", "value": {
            "block": {"header": {"height": "17", "time": "2026-01-02T03:04:05.678901234Z"}},
            "block_id": {"hash": hash},
        }}}});
        let head = parse_head(&block.to_string()).unwrap();
        assert_eq!((head.height, head.time), (17, 1_767_323_045));
        assert!(parse_head(r#"{"jsonrpc":"2.0","id":1,"result":{}}"#).is_none());
    }
}
