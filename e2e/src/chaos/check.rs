//! What must hold after any fault, looked at from outside: the chains, the endpoints, the database and the journal.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant};

use alloy::primitives::{B256, Bytes};
use alloy::sol_types::SolEvent;
use eyre::{Result, bail, ensure};
use serde_json::Value;

use crate::books::Signed;
use crate::contracts::Guard;
use crate::lab::Side;
use crate::proxy::What;
use crate::service::Service;
use crate::trial::{Gap, PATIENCE, Trial};

use super::scene::Scene;
use super::{Closed, GATES, Outcome};

/// Closed, as the gate counts.
const CLOSED: u8 = 2;

/// What a case expects; the default is an attack that has to be stopped.
#[derive(Debug, Clone, Copy)]
pub struct Expect {
    /// How many gates have to be closed.
    pub to_close: usize,
    /// Whether the service's clock is that of this machine, so that the time of a row can be compared.
    pub same_clock: bool,
    /// How long closing may take.
    pub patience: Duration,
    /// Whether the service has to answer at the end; a case that ends it looks at what it left.
    pub alive: bool,
}

impl Default for Expect {
    fn default() -> Self {
        Self { to_close: GATES, same_clock: true, patience: PATIENCE, alive: true }
    }
}

/// Looks at everything once the play is over.
///
/// # Errors
/// When something cannot be looked at, gates do not close in time, an action took effect twice, or the service panicked.
pub async fn verdict(scene: &Scene, expect: Expect) -> Result<Outcome> {
    let trial = &scene.trial;
    if expect.to_close > 0 {
        all_closed(trial, expect.patience).await?;
    }
    let gap = settled_gap(trial).await?;
    let closed = closings(scene).await?;
    let unrecorded = settled_unrecorded(trial, expect.same_clock).await?;
    if expect.to_close > 0 {
        took_effect_once(trial).await?;
    }
    let replay_equal = replays(&trial.service).await?;
    no_panic(&trial.service)?;
    if expect.alive {
        trial.service.get("/api/v1/incidents").await?;
    }
    let outcome = Outcome {
        observations: gap.events as u64,
        observations_lost: gap.count() as u64,
        attempts_unrecorded: unrecorded.len() as u64,
        closed,
        to_close: expect.to_close,
        paged: paged(trial).await?,
        replay_equal,
        ..Outcome::default()
    };
    let outcome = if gap.is_none() { outcome } else { outcome.noting(format!("{gap:?}")) };
    Ok(unrecorded.iter().fold(outcome, |outcome, why| outcome.noting(why)))
}

/// Waits until nothing gets out of either chain.
///
/// # Errors
/// When that does not come in time; the error holds the service's last lines.
pub async fn all_closed(trial: &Trial, patience: Duration) -> Result<()> {
    let deadline = Instant::now() + patience;
    loop {
        let mut open = Vec::new();
        for side in trial.world.sides() {
            if !side.closed().await? {
                open.push(side.caip2());
            }
        }
        if open.is_empty() {
            return Ok(());
        }
        if Instant::now() > deadline {
            bail!("open after {patience:?}: {open:?}; the last lines:\n{}", trial.service.told.tail(40));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Where the record and the chains still differ after the service had time to bring them together.
///
/// # Errors
/// When a node does not answer, or the database does not for longer than [`PATIENCE`].
pub async fn settled_gap(trial: &Trial) -> Result<Gap> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match trial.gap().await {
            Ok(gap) if gap.is_none() || Instant::now() > deadline => return Ok(gap),
            Err(error) if Instant::now() > deadline => return Err(error),
            _not_yet => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}

/// Every gate that was closed since the first false release, and after how many blocks.
///
/// # Errors
/// When a node does not answer.
pub async fn closings(scene: &Scene) -> Result<Vec<Closed>> {
    let mut closed = Vec::new();
    for side in scene.trial.world.sides() {
        let heights = closing_heights(side).await?;
        let Some(height) = heights.first() else { continue };
        let base = {
            let seen = scene.seen();
            seen.first.and_then(|first| seen.chronicle.height_at(side.deployed.domain, first.seen_us))
        };
        let blocks_after = i64::try_from(*height)? - i64::try_from(base.unwrap_or(*height))?;
        closed.push(Closed { chain: side.caip2(), blocks_after });
    }
    Ok(closed)
}

/// Heights of the blocks that hold a trip which closed the gate, in order.
async fn closing_heights(side: &Side) -> Result<Vec<u64>> {
    let logs = side.node.rpc.logs(side.deployed.guard, 0, Guard::Tripped::SIGNATURE_HASH).await?;
    let mut heights = Vec::new();
    for log in logs {
        let trip = Guard::Tripped::decode_raw_log(log.topics.iter().copied(), &log.data)?;
        if trip.level == CLOSED {
            heights.push(log.block_number);
        }
    }
    Ok(heights)
}

/// Whatever was done twice, took effect once: no action of one incident moved a gate a second time.
///
/// # Errors
/// When an action did, or a node does not answer.
pub async fn took_effect_once(trial: &Trial) -> Result<()> {
    for side in trial.world.sides() {
        let trips = trial.trips(side).await?;
        let actions: Vec<B256> = trips.iter().map(|trip| trip.actionId).collect();
        let distinct: BTreeSet<&B256> = actions.iter().collect();
        ensure!(
            distinct.len() == actions.len(),
            "{}: an action took effect twice: {actions:?}",
            side.caip2()
        );
    }
    Ok(())
}

/// Waits until the service's own record says that every action is in effect, of the one incident that there is.
///
/// # Errors
/// When the trips on chain name more than one incident, or that does not come in time.
pub async fn one_settled_incident(trial: &Trial) -> Result<()> {
    let mut incidents = BTreeSet::new();
    for side in trial.world.sides() {
        incidents.extend(trial.trips(side).await?.iter().map(|trip| trip.incident));
    }
    ensure!(incidents.len() == 1, "one attack, one incident, not {incidents:?}");
    for incident in incidents {
        trial.settled(incident).await?;
    }
    Ok(())
}

/// A transaction as the first endpoint received it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrival {
    /// Its bytes.
    pub raw: Bytes,
    /// When, microseconds since 1970.
    pub at_us: i64,
}

/// Every transaction that any endpoint received from the service, by hash.
#[must_use]
pub fn arrivals(trial: &Trial) -> BTreeMap<B256, Arrival> {
    let mut arrivals: BTreeMap<B256, Arrival> = BTreeMap::new();
    for proxy in trial.world.sides().into_iter().flat_map(|side| &side.operators) {
        for note in proxy.notes() {
            let What::Submitted { hash, raw } = note.what else { continue };
            let arrival = arrivals.entry(hash).or_insert(Arrival { raw, at_us: note.at_us });
            arrival.at_us = arrival.at_us.min(note.at_us);
        }
    }
    arrivals
}

/// Transactions that left although neither the database nor the journal holds them, one sentence each.
///
/// Right after a kill this is exact: nobody is there who could still write a row.
///
/// # Errors
/// When the journal cannot be read. A database that does not answer holds nothing.
pub async fn unrecorded(trial: &Trial, same_clock: bool) -> Result<Vec<String>> {
    let arrivals = arrivals(trial);
    let rows = match trial.books().await {
        Ok(mut books) => books.signed().await.unwrap_or_default(),
        Err(_down) => Vec::new(),
    };
    let journals = journals(&trial.world.dir)?;
    Ok(compare(&arrivals, &rows, &journals, same_clock))
}

fn compare(
    arrivals: &BTreeMap<B256, Arrival>,
    rows: &[Signed],
    journals: &[Vec<u8>],
    same_clock: bool,
) -> Vec<String> {
    let mut out = Vec::new();
    for (hash, arrival) in arrivals {
        let row = rows.iter().find(|row| row.hash == *hash);
        let in_journal = || {
            let holds =
                |file: &Vec<u8>| file.windows(arrival.raw.len().max(1)).any(|part| *part == *arrival.raw);
            journals.iter().any(holds)
        };
        match row {
            Some(row) if row.bytes != *arrival.raw => {
                out.push(format!("{hash} is on record with other bytes"))
            }
            // Rows count whole milliseconds.
            Some(row) if same_clock && row.at_ms * 1_000 > arrival.at_us => {
                out.push(format!("{hash} was signed {} ms after it left", row.at_ms - arrival.at_us / 1_000));
            }
            None if !in_journal() => out.push(format!("{hash} left without a record")),
            _ => {}
        }
    }
    out
}

/// As [`unrecorded`], once the journal had time to reach the database: at the end everything has to stand there.
async fn settled_unrecorded(trial: &Trial, same_clock: bool) -> Result<Vec<String>> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let rows = match trial.books().await {
            Ok(mut books) => books.signed().await.unwrap_or_default(),
            Err(_down) => Vec::new(),
        };
        let missing = compare(&arrivals(trial), &rows, &[], same_clock);
        if missing.is_empty() || Instant::now() > deadline {
            return Ok(missing);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Contents of the journals in all data folders of a world.
fn journals(dir: &Path) -> Result<Vec<Vec<u8>>> {
    let mut out = Vec::new();
    for data in std::fs::read_dir(dir)? {
        let Ok(folder) = std::fs::read_dir(data?.path().join("journal")) else { continue };
        for entry in folder {
            out.push(std::fs::read(entry?.path())?);
        }
    }
    Ok(out)
}

/// Whether people were told anything: the record holds a notice.
///
/// # Errors
/// When the database does not answer.
pub async fn paged(trial: &Trial) -> Result<bool> {
    Ok(trial.books().await?.count("SELECT count(*) FROM notices").await? > 0)
}

/// Asks the service's own command whether fresh engines decide the same from every log of the record.
///
/// # Errors
/// When the command does not answer.
pub async fn replays(service: &Service) -> Result<bool> {
    let (code, text) = service.cli(&["replay", "--json"]).await?;
    let said = text.lines().last().and_then(|line| serde_json::from_str::<Value>(line).ok());
    let equal = said.as_ref().and_then(|value| value.get("equal")).and_then(Value::as_bool);
    Ok(code == 0 && equal.unwrap_or(false))
}

/// Nothing in the service panicked in any of its lives.
///
/// # Errors
/// With the line that says so.
pub fn no_panic(service: &Service) -> Result<()> {
    match service.told.lines().iter().find(|line| line.text.contains("panicked at")) {
        Some(line) => bail!("the service panicked: {}", line.text),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attempt_without_a_record_with_other_bytes_or_a_later_one_is_found() {
        let hash = B256::with_last_byte(1);
        let arrivals =
            BTreeMap::from([(hash, Arrival { raw: Bytes::from_static(b"trip"), at_us: 5_000_900 })]);
        let row = |bytes: &[u8], at_ms| Signed { hash, bytes: bytes.to_vec(), at_ms };
        assert!(compare(&arrivals, &[row(b"trip", 5_000)], &[], true).is_empty());
        assert!(compare(&arrivals, &[], &[b"..trip..".to_vec()], true).is_empty());
        for (rows, journals) in [
            (vec![], vec![b"..tri..".to_vec()]),
            (vec![row(b"trap", 5_000)], vec![]),
            (vec![row(b"trip", 5_001)], vec![]),
        ] {
            assert_eq!(compare(&arrivals, &rows, &journals, true).len(), 1, "{rows:?} {journals:?}");
        }
        assert!(compare(&arrivals, &[row(b"trip", 3_600_000)], &[], false).is_empty(), "another clock");
    }
}
