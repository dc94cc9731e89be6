//! The suite that every family must pass before it may be configured.
//!
//! *Who is in the play.* A [`Harness`] stands a real node up behind endpoints that can be made to misbehave, and
//! knows the truth by asking the node itself. [`run_all`] runs every check against observers of that harness.
//! A [`ledger::Ledger`] receives what they deliver, as the service would, and holds each batch to the promises of
//! [`crate::Observe`]: nothing twice, nothing missing, nothing out of order, retracted before replaced, and a
//! cursor from which nothing is lost.

mod checks;
pub mod ledger;
mod watch;

use core::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use portcullis_verifier::{B256, OperatorId};

use crate::Observe;

/// How an endpoint is made to misbehave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Misbehaviour {
    /// Reports another block as its head.
    LieAboutHeads,
    /// Leaves the events out of its answers.
    LieAboutEvents,
    /// Keeps its push connection open and sends nothing through it.
    HalfOpen,
    /// Answers questions for events with far more bytes than anybody asked for.
    Oversize,
    /// Answers questions for events with an error.
    Refuse,
    /// Answers with something that is not the protocol.
    Garbage,
    /// Refuses every connection.
    Dark,
    /// Sends everything twice.
    Twice,
}

/// An event as the chain holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct TrueEvent {
    /// Height of its block.
    pub height: u64,
    /// Index in the block.
    pub index: u32,
    /// Hash of the block.
    pub block_hash: B256,
    /// Digest of the raw record.
    pub raw: B256,
}

/// What the chain holds now, asked of the node itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Truth {
    /// Height of the head.
    pub height: u64,
    /// Hash of the head.
    pub block_hash: B256,
    /// Every event of watched contracts, in order.
    pub events: Vec<TrueEvent>,
}

/// Why a harness could not do what a check needs.
#[derive(Debug, thiserror::Error)]
#[error("the harness failed: {0}")]
pub struct HarnessError(pub String);

/// A real node behind endpoints that misbehave on demand.
///
/// At least three operators, of which two must agree; the reorganisation bound at least eight blocks; silence
/// bounds short enough for a test (well under five seconds).
#[async_trait]
pub trait Harness: Send + Sync {
    /// Whose endpoints there are.
    fn operators(&self) -> Vec<OperatorId>;

    /// Whether the chain can replace blocks that it has made. Where it cannot, the checks of that are left out, and the
    /// report says so.
    fn reorganises(&self) -> bool;

    /// How many blocks are far behind: more than the family takes in one go. Chains that make blocks at a pace of their own
    /// take that long for it.
    fn far_blocks(&self) -> u64 {
        200
    }

    /// A new observer, as after a restart of the process.
    async fn observer(&self) -> Result<Arc<dyn Observe>, HarnessError>;

    /// Makes so many blocks, each with so many events of watched contracts.
    async fn produce(&self, blocks: u64, events_each: u32) -> Result<(), HarnessError>;

    /// Replaces the newest `depth` blocks by as many and one more, with so many new events in the last.
    async fn reorg(&self, depth: u64, events: u32) -> Result<(), HarnessError>;

    /// Makes one operator's endpoint misbehave until [`Harness::heal`].
    async fn misbehave(&self, operator: OperatorId, how: Misbehaviour) -> Result<(), HarnessError>;

    /// Closes every connection of every operator; new ones are accepted.
    async fn hang_up(&self) -> Result<(), HarnessError>;

    /// Ends all misbehaviour.
    async fn heal(&self) -> Result<(), HarnessError>;

    /// What the chain holds now.
    async fn truth(&self) -> Result<Truth, HarnessError>;
}

/// How one check ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Its name.
    pub check: &'static str,
    /// What went wrong, if anything did.
    pub failure: Option<String>,
    /// Whether it was left out, because the chain cannot do what it needs.
    pub skipped: bool,
    /// How long it took, milliseconds.
    pub took_ms: u128,
}

/// How all checks ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report(pub Vec<Outcome>);

impl Report {
    /// Whether every check that was made passed, and there were such checks.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.0.iter().any(|outcome| !outcome.skipped)
            && self.0.iter().all(|outcome| outcome.failure.is_none())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Outcome { check, failure, skipped, took_ms } in &self.0 {
            match failure {
                None if *skipped => writeln!(f, "SKIPPED {check}: this chain replaces no blocks")?,
                None => writeln!(f, "passed  {check} ({took_ms} ms)")?,
                Some(why) => writeln!(f, "FAILED  {check} ({took_ms} ms): {why}")?,
            }
        }
        Ok(())
    }
}

/// Runs every check, one after the other, on one chain; each heals the endpoints when it ends.
pub async fn run_all(harness: &dyn Harness) -> Report {
    let mut outcomes = Vec::new();
    for (check, needs, run) in checks::all() {
        if needs == checks::Needs::Reorganisation && !harness.reorganises() {
            outcomes.push(Outcome { check, failure: None, skipped: true, took_ms: 0 });
            continue;
        }
        let began = std::time::Instant::now();
        let result = run(harness).await;
        let healed = harness.heal().await.map_err(|error| error.to_string());
        let failure = result.and(healed).err();
        outcomes.push(Outcome { check, failure, skipped: false, took_ms: began.elapsed().as_millis() });
    }
    Report(outcomes)
}
