//! The pure core under random schedules of the whole alphabet of faults: its own simulation, run as it is.

use std::process::Stdio;

use eyre::{Result, WrapErr, bail, eyre};
use futures::FutureExt;
use serde_json::Value;
use tokio::process::Command;

use super::{Case, Outcome};
use crate::tools::workspace_root;

/// Schedules of one run: enough for every fault to meet every other, and some seconds of work.
const SCHEDULES: u64 = 100_000;

pub(super) const CASES: &[Case] = &[Case {
    name: "schedules",
    fault: "random schedules of every fault that the core can see, no process in it",
    injected: "simulation, 100,000 schedules; invariants 2, 3, 4 and 7 after each",
    quick: false,
    run: |seed| simulated(seed).boxed(),
}];

async fn simulated(seed: u64) -> Result<Outcome> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let (schedules, seed) = (SCHEDULES.to_string(), seed.to_string());
    let output = Command::new(cargo)
        .args(["run", "--release", "--quiet", "-p", "portcullis-core", "--example", "schedules", "--"])
        .args(["--schedules", &schedules, "--seed", &seed, "--json"])
        .current_dir(workspace_root())
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .wrap_err("cargo does not start")?;
    let text = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        bail!("the simulation found something:\n{text}\n{}", String::from_utf8_lossy(&output.stderr));
    }
    let last = text.lines().last().ok_or_else(|| eyre!("the simulation says nothing"))?;
    let said: Value = serde_json::from_str(last).wrap_err_with(|| format!("not JSON: {last}"))?;
    let number = |name: &str| said.get(name).and_then(Value::as_u64);
    let ran = number("schedules").ok_or_else(|| eyre!("no schedules in {last}"))?;
    if ran != SCHEDULES {
        bail!("{ran} schedules ran, not {SCHEDULES}");
    }
    let inputs = number("inputs").unwrap_or(0);
    let outcome = Outcome { observations: inputs, to_close: 0, replay_equal: true, ..Outcome::default() };
    Ok(outcome.noting(format!("{ran} schedules, {inputs} inputs, nothing broken")))
}
