//! Two hundred bridges on twenty chains in one process: what it needs, and whether a trip still leaves in time.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use eyre::{Result, bail};

use crate::books::Books;
use crate::clock;
use crate::stub::Rng;
use crate::stub::world::{Spec, StubWorld};
use crate::vitals;

/// Chains.
const CHAINS: usize = 20;
/// Age of a message before it is delivered, seconds.
const FINALITY_SECS: u64 = 20;
/// Time between two blocks of a chain: between those of Ethereum and those of most others.
const PACE: Duration = Duration::from_secs(4);
/// Observations per second, all bridges together: two per bridge.
const RATE: f64 = 400.0;
/// How long the service may take to follow every chain, and how long a containment may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// Every table that grows with what is observed.
const ROWS: &str = "SELECT (SELECT count(*) FROM input_log) + (SELECT count(*) FROM observations) \
                    + (SELECT count(*) FROM timeline) + (SELECT count(*) FROM evidence) \
                    + (SELECT count(*) FROM attempts) + (SELECT count(*) FROM cursors)";

/// What came out.
#[derive(Debug, Clone, Default)]
pub struct Scale {
    /// Milliseconds from head to the last endpoint, one per attack.
    pub total: Vec<f64>,
    /// Milliseconds from head to the first endpoint, one per attack.
    pub first: Vec<f64>,
    /// Share of one core that the service needs while nothing is attacked.
    pub processor: f64,
    /// Share of one core that its database needs.
    pub database: f64,
    /// Resident memory, bytes, at the end.
    pub resident: f64,
    /// Rows per observation.
    pub rows: f64,
    /// Observations per second, as emitted.
    pub rate: f64,
    /// Trips for gates that nobody had attacked.
    pub strays: usize,
}

/// Between which chains a bridge stands: each chain carries as many.
fn places(bridges: usize) -> Vec<(usize, usize)> {
    (0..bridges).map(|at| (at % CHAINS, (at + 1 + (at / CHAINS) % (CHAINS - 1)) % CHAINS)).collect()
}

/// Attacks `rounds` of `bridges` bridges, one after the other.
///
/// # Errors
/// When the world cannot be built, or a trip does not come.
pub async fn measure(bridges: usize, rounds: usize, mut told: impl FnMut(&str)) -> Result<Scale> {
    let bridges_at = places(bridges);
    // One bridge alone stands on two of them: a service is not well while a chain of its configuration tells nothing, and
    // where no bridge stands nobody asks.
    let chains = bridges_at.iter().map(|(one, two)| one.max(two) + 1).max().unwrap_or(CHAINS);
    let spec = Spec {
        chains,
        bridges: bridges_at,
        pace: PACE,
        step_secs: None,
        begins: clock::now_secs().saturating_sub(120),
        finality_secs: FINALITY_SECS,
        halt_secs: 600,
        rate: RATE,
        seed: 20,
    };
    let world = StubWorld::build(spec, None).await?;
    let (service, mut struck) = world.start().await?;
    let begun = Instant::now();
    // Deliveries begin when the first messages are old enough.
    tokio::time::sleep(Duration::from_secs(FINALITY_SECS) + PACE * 4).await;
    let (pid, database) = (service.pid(), service.postgres().unwrap_or(0));
    let (own, base, quiet) =
        (vitals::processor(pid), vitals::processor_with_children(database), Instant::now());
    tokio::time::sleep(PACE * 6).await;
    let secs = quiet.elapsed().as_secs_f64();
    let mut out = Scale {
        processor: (vitals::processor(pid) - own) / secs,
        database: (vitals::processor_with_children(database) - base) / secs,
        ..Scale::default()
    };
    told(&format!("{bridges} bridges: {:.2} cores, the database {:.2}", out.processor, out.database));
    let mut rng = Rng::new(7);
    let mut left: BTreeSet<usize> = (0..bridges).collect();
    for round in 0..rounds.min(bridges) {
        let Some(bridge) = left.iter().nth(rng.below(left.len() as u64) as usize).copied() else { break };
        left.remove(&bridge);
        world.traffic().attack(round, bridge, rng.below(2) as usize);
        let Ok(Some(hit)) = tokio::time::timeout(PATIENCE, struck.recv()).await else {
            bail!("the attack of round {round} got into no block");
        };
        let contained = world.contained(bridge, &hit.block, PATIENCE).await;
        let (first, total) = contained.map_err(|error| error.wrap_err(service.told.tail(20)))?;
        told(&format!("round {:>3}: first {first:>8.3} ms, last {total:>8.3} ms", round + 1));
        out.first.push(first);
        out.total.push(total);
    }
    out.resident = vitals::resident(pid)? as f64;
    let attacked: Vec<usize> = (0..bridges).filter(|bridge| !left.contains(bridge)).collect();
    out.strays = world.strays(&attacked);
    let emitted = world.traffic().emitted() as f64;
    out.rate = emitted / begun.elapsed().as_secs_f64();
    let rows = Books::open(service.data()).await?.count(ROWS).await?;
    out.rows = rows as f64 / emitted;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_chain_carries_as_many_bridges_and_none_stands_on_one_chain_twice() {
        let places = places(200);
        assert!(places.iter().all(|(one, two)| one != two && *one < CHAINS && *two < CHAINS));
        for chain in 0..CHAINS {
            let here = places.iter().filter(|(one, two)| *one == chain || *two == chain).count();
            assert_eq!(here, 20);
        }
        assert_eq!(
            places.iter().collect::<BTreeSet<_>>().len(),
            200,
            "no two bridges between the same places"
        );
    }
}
