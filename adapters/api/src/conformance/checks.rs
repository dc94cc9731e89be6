//! The checks. Each starts an observer, lets something happen, and wants exactly the truth delivered.

use futures::future::BoxFuture;
use portcullis_verifier::{FaultKind, OperatorId};

use super::{Harness, HarnessError, Misbehaviour, ledger::Ledger, watch::Watch};

type Check = for<'a> fn(&'a dyn Harness) -> BoxFuture<'a, Result<(), String>>;

/// What a check needs of the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Needs {
    /// Nothing that a chain could lack.
    Nothing,
    /// That it can replace blocks.
    Reorganisation,
}

/// Every check with its name, and what it needs.
pub(super) fn all() -> Vec<(&'static str, Needs, Check)> {
    vec![
        ("duplicates", Needs::Nothing, |harness| Box::pin(duplicates(harness))),
        ("gaps", Needs::Nothing, |harness| Box::pin(gaps(harness))),
        ("refused is not absent", Needs::Nothing, |harness| Box::pin(refused(harness))),
        ("reorg", Needs::Reorganisation, |harness| Box::pin(reorg(harness))),
        ("restart", Needs::Nothing, |harness| Box::pin(restart(harness))),
        ("restart after a reorg", Needs::Reorganisation, |harness| Box::pin(restart_after_reorg(harness))),
        ("catch-up", Needs::Nothing, |harness| Box::pin(catch_up(harness))),
        ("lies about heads", Needs::Nothing, |harness| Box::pin(lies_about_heads(harness))),
        ("lies about events", Needs::Nothing, |harness| Box::pin(lies_about_events(harness))),
        ("half-open", Needs::Nothing, |harness| Box::pin(half_open(harness))),
        ("oversize replies", Needs::Nothing, |harness| Box::pin(oversize(harness))),
        ("garbage", Needs::Nothing, |harness| Box::pin(garbage(harness))),
        ("dark", Needs::Nothing, |harness| Box::pin(dark(harness))),
        ("quorum lost", Needs::Nothing, |harness| Box::pin(quorum_lost(harness))),
    ]
}

fn text(error: HarnessError) -> String {
    error.to_string()
}

fn operator(harness: &dyn Harness, at: usize) -> Result<OperatorId, String> {
    harness
        .operators()
        .get(at)
        .copied()
        .ok_or_else(|| "the harness has fewer than three operators".to_owned())
}

/// An observer that has delivered what there is.
async fn settled(harness: &dyn Harness) -> Result<Watch, String> {
    let watch = Watch::start(harness, Ledger::default()).await?;
    harness.produce(1, 1).await.map_err(text)?;
    watch.caught_up(harness).await?;
    Ok(watch)
}

async fn duplicates(harness: &dyn Harness) -> Result<(), String> {
    for name in harness.operators() {
        harness.misbehave(name, Misbehaviour::Twice).await.map_err(text)?;
    }
    let watch = settled(harness).await?;
    harness.produce(3, 2).await.map_err(text)?;
    watch.caught_up(harness).await?;
    watch.stop().await.map(drop)
}

async fn gaps(harness: &dyn Harness) -> Result<(), String> {
    let watch = settled(harness).await?;
    for _ in 0..3 {
        harness.hang_up().await.map_err(text)?;
        harness.produce(4, 1).await.map_err(text)?;
    }
    watch.caught_up(harness).await?;
    watch.stop().await.map(drop)
}

/// While all refuse to tell events nothing is skipped; afterwards everything is there.
async fn refused(harness: &dyn Harness) -> Result<(), String> {
    let watch = settled(harness).await?;
    for name in harness.operators() {
        harness.misbehave(name, Misbehaviour::Refuse).await.map_err(text)?;
    }
    harness.produce(2, 1).await.map_err(text)?;
    let first = operator(harness, 0)?;
    watch.until("an operator that refuses is named", |l| l.told(Some(first), &[FaultKind::Dark])).await?;
    harness.heal().await.map_err(text)?;
    watch.caught_up(harness).await?;
    watch.stop().await.map(drop)
}

async fn reorg(harness: &dyn Harness) -> Result<(), String> {
    let watch = settled(harness).await?;
    for depth in [1, 3, 7] {
        harness.produce(depth, 1).await.map_err(text)?;
        watch.caught_up(harness).await?;
        harness.reorg(depth, 1).await.map_err(text)?;
        watch.caught_up(harness).await?;
    }
    watch.stop().await.map(drop)
}

async fn restart(harness: &dyn Harness) -> Result<(), String> {
    let mut ledger = settled(harness).await?.stop().await?;
    for _ in 0..3 {
        harness.produce(2, 2).await.map_err(text)?;
        let watch = Watch::start(harness, ledger.resume()).await?;
        harness.produce(1, 1).await.map_err(text)?;
        watch.caught_up(harness).await?;
        ledger = watch.stop().await?;
    }
    Ok(())
}

async fn restart_after_reorg(harness: &dyn Harness) -> Result<(), String> {
    let watch = settled(harness).await?;
    harness.produce(5, 1).await.map_err(text)?;
    watch.caught_up(harness).await?;
    let ledger = watch.stop().await?;
    harness.reorg(4, 1).await.map_err(text)?;
    let watch = Watch::start(harness, ledger.resume()).await?;
    watch.caught_up(harness).await?;
    watch.stop().await.map(drop)
}

/// Far behind: ranges take over, and a reorganisation while nobody watched is found first.
async fn catch_up(harness: &dyn Harness) -> Result<(), String> {
    let watch = settled(harness).await?;
    harness.produce(3, 1).await.map_err(text)?;
    watch.caught_up(harness).await?;
    let ledger = watch.stop().await?;
    if harness.reorganises() {
        harness.reorg(2, 1).await.map_err(text)?;
    }
    harness.produce(20, 1).await.map_err(text)?;
    harness.produce(harness.far_blocks(), 0).await.map_err(text)?;
    let watch = Watch::start(harness, ledger.resume()).await?;
    watch.caught_up(harness).await?;
    watch.stop().await.map(drop)
}

/// One operator misbehaves; the others carry on without it, it is named, and it is cleared when it behaves.
async fn outvoted(
    harness: &dyn Harness,
    how: Misbehaviour,
    kinds: &[FaultKind],
    recovers: bool,
) -> Result<(), String> {
    let watch = settled(harness).await?;
    let culprit = operator(harness, 1)?;
    harness.misbehave(culprit, how).await.map_err(text)?;
    for _ in 0..4 {
        harness.produce(1, 1).await.map_err(text)?;
        watch.caught_up(harness).await?;
    }
    watch.until("the culprit is named", |ledger| ledger.told(Some(culprit), kinds)).await?;
    let honest = operator(harness, 0)?;
    let slandered = |ledger: &Ledger| {
        ledger.faults().iter().any(|(who, kind)| *who == Some(honest) && *kind != FaultKind::Recovered)
    };
    if watch.until("nobody else is", |ledger| !slandered(ledger)).await.is_err() {
        return Err("an honest operator was named".to_owned());
    }
    harness.heal().await.map_err(text)?;
    harness.produce(2, 1).await.map_err(text)?;
    watch.caught_up(harness).await?;
    if recovers {
        harness.produce(1, 1).await.map_err(text)?;
        watch.until("recovery is told", |ledger| ledger.told(Some(culprit), &[FaultKind::Recovered])).await?;
    }
    watch.stop().await.map(drop)
}

async fn lies_about_heads(harness: &dyn Harness) -> Result<(), String> {
    outvoted(harness, Misbehaviour::LieAboutHeads, &[FaultKind::DissentHead], true).await
}

async fn lies_about_events(harness: &dyn Harness) -> Result<(), String> {
    outvoted(harness, Misbehaviour::LieAboutEvents, &[FaultKind::DissentLogs], true).await
}

async fn half_open(harness: &dyn Harness) -> Result<(), String> {
    outvoted(harness, Misbehaviour::HalfOpen, &[FaultKind::Dark], true).await
}

async fn oversize(harness: &dyn Harness) -> Result<(), String> {
    outvoted(harness, Misbehaviour::Oversize, &[FaultKind::Garbage], true).await
}

async fn garbage(harness: &dyn Harness) -> Result<(), String> {
    outvoted(harness, Misbehaviour::Garbage, &[FaultKind::Garbage], true).await
}

async fn dark(harness: &dyn Harness) -> Result<(), String> {
    outvoted(harness, Misbehaviour::Dark, &[FaultKind::Dark], true).await
}

/// With too few operators left nothing is delivered, that is told, and nothing is lost.
async fn quorum_lost(harness: &dyn Harness) -> Result<(), String> {
    let watch = settled(harness).await?;
    for name in harness.operators() {
        harness.misbehave(name, Misbehaviour::Dark).await.map_err(text)?;
    }
    harness.produce(3, 1).await.map_err(text)?;
    watch.until("the chain is told dark", |ledger| ledger.told(None, &[FaultKind::Dark])).await?;
    harness.heal().await.map_err(text)?;
    watch.caught_up(harness).await?;
    watch.until("recovery is told", |ledger| ledger.told(None, &[FaultKind::Recovered])).await?;
    watch.stop().await.map(drop)
}
