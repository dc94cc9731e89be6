//! The first state of the chain: one validator, and everybody of the play with coins.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use eyre::{Result, WrapErr, bail, eyre};
use serde_json::{Value, json};
use tokio::process::Command;

/// The coin that is staked and pays fees.
pub const STAKE: &str = "stake";
/// What the validator has staked, base units.
const STAKED: &str = "1000000000000";
/// What every account has besides, base units.
const POCKET: &str = "1000000000000";
/// Name of the validator's key in the node's own key ring.
const VALIDATOR: &str = "validator";

/// Coins that an account has from the start: its address, and amounts by denomination.
pub type Endowment = (String, Vec<(String, String)>);

/// Lays down a home folder with which the node can start.
///
/// # Errors
/// When one of the node's own commands fails; the error holds what it said.
pub async fn lay(home: &Path, chain_id: &str, pace: Duration, accounts: &[Endowment]) -> Result<()> {
    wasmd(home, &["init", "play", "--chain-id", chain_id, "--default-denom", STAKE]).await?;
    wasmd(home, &["keys", "add", VALIDATOR, "--keyring-backend", "test"]).await?;
    let shown = wasmd(home, &["keys", "show", VALIDATOR, "-a", "--keyring-backend", "test"]).await?;
    let validator = (shown.trim().to_owned(), Vec::new());
    let path = home.join("config/genesis.json");
    let mut genesis: Value = serde_json::from_str(&std::fs::read_to_string(&path)?)?;
    for account in accounts.iter().chain([&validator]) {
        endow(&mut genesis, account)?;
    }
    std::fs::write(&path, serde_json::to_vec_pretty(&genesis)?)?;
    let staked = format!("{STAKED}{STAKE}");
    let own = ["genesis", "gentx", VALIDATOR, &staked, "--chain-id", chain_id, "--keyring-backend", "test"];
    wasmd(home, &own).await?;
    wasmd(home, &["genesis", "collect-gentxs"]).await?;
    tune(&home.join("config/config.toml"), pace)
}

/// Adds an account and its coins.
fn endow(genesis: &mut Value, (address, coins): &Endowment) -> Result<()> {
    let mut held: Vec<Value> =
        coins.iter().map(|(denom, amount)| json!({"denom": denom, "amount": amount})).collect();
    // Enough to stake what a validator stakes and to keep as much.
    let stake: u128 = STAKED.parse::<u128>()? + POCKET.parse::<u128>()?;
    held.push(json!({"denom": STAKE, "amount": stake.to_string()}));
    held.sort_by_key(|coin| coin.get("denom").and_then(Value::as_str).unwrap_or_default().to_owned());
    let account = json!({
        "@type": "/cosmos.auth.v1beta1.BaseAccount", "address": address, "pub_key": null,
        "account_number": "0", "sequence": "0",
    });
    for (place, entry) in [
        ("/app_state/auth/accounts", account),
        ("/app_state/bank/balances", json!({"address": address, "coins": held})),
    ] {
        let list = genesis.pointer_mut(place).and_then(Value::as_array_mut);
        list.ok_or_else(|| eyre!("the node's genesis has no {place}"))?.push(entry);
    }
    Ok(())
}

/// Blocks at the pace of the play, and nothing that listens beside what the play asks.
fn tune(path: &Path, pace: Duration) -> Result<()> {
    let text = std::fs::read_to_string(path)?;
    let wanted = [
        ("timeout_commit", format!("\"{}ms\"", pace.as_millis())),
        ("pprof_laddr", "\"\"".to_owned()),
        ("addr_book_strict", "false".to_owned()),
    ];
    let mut out = String::with_capacity(text.len());
    let mut found = 0;
    for line in text.lines() {
        let name = line.split('=').next().unwrap_or_default().trim();
        match wanted.iter().find(|(key, _)| *key == name) {
            Some((key, value)) => {
                found += 1;
                out.push_str(&format!("{key} = {value}\n"));
            }
            None => out.extend([line, "\n"]),
        }
    }
    if found != wanted.len() {
        bail!("{} has other keys than this was written for", path.display());
    }
    std::fs::write(path, out).wrap_err_with(|| format!("cannot write {}", path.display()))
}

/// Runs one of the node's own commands and gives what it says.
async fn wasmd(home: &Path, args: &[&str]) -> Result<String> {
    let mut command = Command::new(crate::tools::wasmd()?);
    command.args(args).arg("--home").arg(home).stdin(Stdio::null()).kill_on_drop(true);
    let output = command.output().await.wrap_err("wasmd does not start")?;
    if !output.status.success() {
        bail!("wasmd {}: {}", args.join(" "), String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coins_are_sorted_as_the_chain_wants_them() {
        let mut genesis = json!({"app_state": {"auth": {"accounts": []}, "bank": {"balances": []}}});
        endow(&mut genesis, &("wasm1x".to_owned(), vec![("zeta".to_owned(), "5".to_owned())])).unwrap();
        let coins = &genesis["app_state"]["bank"]["balances"][0]["coins"];
        assert_eq!((coins[0]["denom"].as_str(), coins[1]["denom"].as_str()), (Some("stake"), Some("zeta")));
        assert!(endow(&mut json!({}), &("wasm1x".to_owned(), Vec::new())).is_err());
    }

    #[test]
    fn a_file_without_the_known_keys_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config.toml");
        let text = "[consensus]\ntimeout_commit = \"5s\"\npprof_laddr = \"x\"\naddr_book_strict = true\n";
        std::fs::write(&path, text).unwrap();
        tune(&path, Duration::from_millis(700)).unwrap();
        assert!(std::fs::read_to_string(&path).unwrap().contains("timeout_commit = \"700ms\""));
        std::fs::write(&path, "[consensus]\n").unwrap();
        assert!(tune(&path, Duration::from_millis(700)).is_err());
    }
}
