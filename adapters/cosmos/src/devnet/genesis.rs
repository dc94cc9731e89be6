//! The first state of a development chain, and how its node is configured.

use std::{path::Path, process::Stdio};

use serde_json::{Value, json};
use tokio::process::Command;

use super::{DevnetConfig, DevnetError, account, validator};

/// Coins that the validator starts with, of which it stakes a hundredth.
const VALIDATOR_COINS: &str = "100000000000stake";
const VALIDATOR_STAKE: &str = "1000000000stake";

async fn step(binary: &Path, home: &Path, args: &[&str]) -> Result<(), DevnetError> {
    let output = Command::new(binary)
        .args(args)
        .arg("--home")
        .arg(home)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .map_err(DevnetError::Start)?;
    if output.status.success() {
        return Ok(());
    }
    // How it is used stands first, and what was wrong last.
    let said = String::from_utf8_lossy(&output.stderr);
    let said = said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let said = said.chars().take(400).collect();
    Err(DevnetError::SetUp { step: args.iter().take(2).copied().collect::<Vec<_>>().join(" "), said })
}

/// Makes the chain's first state and the node's configuration.
pub(super) async fn make(binary: &Path, home: &Path, config: &DevnetConfig) -> Result<(), DevnetError> {
    let chain = config.chain_id.as_str();
    let test = ["--keyring-backend", "test"];
    step(binary, home, &["init", "devnet", "--chain-id", chain, "--default-denom", "stake"]).await?;
    let validator = validator()?;
    let key: String = validator.key.iter().map(|byte| format!("{byte:02x}")).collect();
    let import = ["keys", "import-hex", "validator", key.as_str()];
    step(binary, home, &[import.as_slice(), test.as_slice()].concat()).await?;
    let first = (account(0)?.address, VALIDATOR_COINS.to_owned());
    let add = [(validator.address, VALIDATOR_COINS.to_owned()), first];
    let named = |address: &str| config.accounts.iter().any(|(named, _)| named == address);
    let all = add.iter().filter(|(address, _)| !named(address)).chain(&config.accounts);
    for (address, coins) in all {
        step(binary, home, &["genesis", "add-genesis-account", address, coins]).await?;
    }
    let gentx = ["genesis", "gentx", "validator", VALIDATOR_STAKE, "--chain-id", chain];
    step(binary, home, &[gentx.as_slice(), test.as_slice()].concat()).await?;
    step(binary, home, &["genesis", "collect-gentxs"]).await?;
    first_state(home, config)?;
    tune(home, config.timeout_commit_ms)
}

/// Arguments of a node that keeps so many blocks, and states of as many.
pub(super) fn pruning(blocks: u64) -> Vec<String> {
    let kept = blocks.max(2).to_string();
    let arguments = ["--pruning", "custom", "--pruning-interval", "10", "--pruning-keep-recent", &kept];
    arguments.into_iter().chain(["--min-retain-blocks", &kept]).map(str::to_owned).collect()
}

/// Writes into the first state what no command does: who may trip what, for how long evidence and votes count.
fn first_state(home: &Path, config: &DevnetConfig) -> Result<(), DevnetError> {
    let path = home.join("config/genesis.json");
    let text = std::fs::read_to_string(&path).map_err(DevnetError::Start)?;
    let broken = |error: serde_json::Error| DevnetError::Input(error.to_string());
    let mut genesis: Value = serde_json::from_str(&text).map_err(broken)?;
    let mut set = |place: &str, value: Value| {
        let found = genesis.pointer_mut(place);
        *found.ok_or_else(|| DevnetError::Input(format!("a genesis without {place}")))? = value;
        Ok::<_, DevnetError>(())
    };
    let permissions: Vec<Value> = config
        .circuit
        .iter()
        .map(|(address, types)| {
            json!({ "address": address, "permissions": { "level": "LEVEL_SOME_MSGS", "limit_type_urls": types } })
        })
        .collect();
    set("/app_state/circuit/account_permissions", json!(permissions))?;
    if let Some(blocks) = config.keep_blocks {
        // Blocks in which somebody may still be convicted are kept whatever the node is told.
        let age = blocks.max(2).to_string();
        set("/consensus/params/evidence/max_age_num_blocks", json!(age))?;
    }
    if let Some(voting_ms) = config.voting_ms {
        let period = |ms: u64| {
            let (secs, rest) = (ms.checked_div(1_000).unwrap_or(0), ms.checked_rem(1_000).unwrap_or(0));
            json!(format!("{secs}.{rest:03}s"))
        };
        set("/app_state/gov/params/voting_period", period(voting_ms))?;
        set("/app_state/gov/params/expedited_voting_period", period(voting_ms.checked_div(2).unwrap_or(0)))?;
    }
    std::fs::write(&path, serde_json::to_vec(&genesis).map_err(broken)?).map_err(DevnetError::Start)
}

/// Sets the pace, and keeps the node's profiler from opening a port.
fn tune(home: &Path, timeout_commit_ms: u64) -> Result<(), DevnetError> {
    let path = home.join("config/config.toml");
    let text = std::fs::read_to_string(&path).map_err(DevnetError::Start)?;
    let changed: Vec<String> = text
        .lines()
        .map(|line| match line.split_once(" = ") {
            Some(("timeout_commit", _)) => format!("timeout_commit = \"{timeout_commit_ms}ms\""),
            Some(("pprof_laddr", _)) => "pprof_laddr = \"\"".to_owned(),
            Some(("max_subscription_clients", _)) => "max_subscription_clients = 1000".to_owned(),
            _ => line.to_owned(),
        })
        .collect();
    std::fs::write(&path, changed.join("\n")).map_err(DevnetError::Start)
}
