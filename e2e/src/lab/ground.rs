//! Where a chain lies before it lives: a past is laid down on a node that mines by hand, then blocks come by themselves.

use std::path::{Path, PathBuf};
use std::time::Duration;

use eyre::Result;

use super::Side;
use crate::actors::Cast;
use crate::clock::Factor;
use crate::deploy::{Crew, Deployed, deploy};
use crate::history;
use crate::nodes::{Heads, Mining, Node};
use crate::scenario::{Domain, Scenario};

/// The chains begin so long before the first event, in seconds: room for set-up.
const SETUP_ROOM_SECS: u64 = 900;
/// Where in the block time of the first chain the second's blocks should come.
const PHASES: std::ops::Range<f64> = 0.35..0.75;
/// How often that is tried; a machine that is too busy for it gets what comes.
const PHASE_TRIES: u32 = 8;

/// Where a chain lies while it has no node.
pub(super) struct Ground {
    domain: Domain,
    chain_id: u64,
    state: PathBuf,
    log: PathBuf,
}

impl Ground {
    pub(super) fn new(dir: &Path, domain: Domain, chain_id: u64) -> Self {
        let place = |what: &str| dir.join(format!("{}.{what}", domain.name().to_lowercase()));
        Self { domain, chain_id, state: place("state.json"), log: place("node.log") }
    }

    /// Lays down everything before the present, on a node that mines by hand.
    pub(super) async fn lay(
        &self,
        scenario: &Scenario,
        crew: &Crew,
        cast: &Cast,
        when: (u64, Factor),
    ) -> Result<Deployed> {
        let genesis = history::second(when.0, history::begins(scenario), when.1) - SETUP_ROOM_SECS;
        let node = Node::start(self.chain_id, &self.state, &self.log, Mining::ByHand { genesis }).await?;
        for key in cast.attackers.values() {
            node.rpc.fund(key.address()).await?;
        }
        let deployed = deploy(&node.rpc, self.domain, scenario, crew, &cast.senders, when.1).await?;
        history::lay(&node.rpc, &deployed, scenario, crew, &cast.senders, when).await?;
        node.rest().await?;
        Ok(deployed)
    }

    /// From here on blocks come at their own pace.
    pub(super) async fn wake(&self, pace: Duration) -> Result<(Node, Heads)> {
        let node = Node::start(self.chain_id, &self.state, &self.log, Mining::Every(pace)).await?;
        let heads = Heads::follow(&node).await?;
        Ok((node, heads))
    }

    /// As [`Ground::wake`], with blocks about half a block time after those of another chain.
    ///
    /// Block times are divided by the factor of the play, the service's work is not: ten milliseconds beside blocks of
    /// 200 look like most of a second beside blocks of twelve. Whether the other chain's block happens to fall into
    /// them would be decided by that alone.
    pub(super) async fn wake_between(&self, pace: Duration, other: &Side) -> Result<(Node, Heads)> {
        let mut tries = PHASE_TRIES;
        loop {
            let (node, heads) = self.wake(pace).await?;
            let phase = phase(&other.heads, &heads, pace).await?;
            tries -= 1;
            if PHASES.contains(&phase) || tries == 0 {
                return Ok((node, heads));
            }
            drop((node, heads));
            // Starting later by what is missing moves the next node's blocks by the same.
            tokio::time::sleep(pace.mul_f64((1.5 - phase).rem_euclid(1.0))).await;
        }
    }
}

/// How far into a block time of one chain the other's block comes, from 0 to 1.
async fn phase(one: &Heads, other: &Heads, pace: Duration) -> Result<f64> {
    let (mut one, mut other) = (one.latest.clone(), other.latest.clone());
    // The first interval of a node includes its start.
    Heads::next(&mut other).await?;
    let second = Heads::next(&mut other).await?;
    let first = Heads::next(&mut one).await?;
    let apart = if second.seen > first.seen {
        second.seen.duration_since(first.seen).as_secs_f64()
    } else {
        -first.seen.duration_since(second.seen).as_secs_f64()
    };
    Ok((apart / pace.as_secs_f64()).rem_euclid(1.0))
}
