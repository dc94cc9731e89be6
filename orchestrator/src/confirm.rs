//! Confirm: whether what was sent has landed, and whether the gate is proven to be as tight as asked.
//!
//! Landing is what the quorum reports and only tells when to look; the effect, proven under a header of the chain,
//! is what counts. A gate that somebody else closed as tightly is closed. An effect is watched until its block is
//! final, because a reorganisation can take it away again, and at a slower pace until its time has run out, because one
//! can be deeper than what counted as final.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use portcullis_adapter::{Attempt, Landing};
use portcullis_verifier::{Action, BlockRef, ChainId, Claim, Verdict};

use crate::budget;
use crate::contain::Signer;
use crate::service::ChainWiring;
use crate::telemetry::Heads;
use crate::verify::{Judge, Judged};
use portcullis_adapter::error::chain_of;

/// An attempt in a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Which attempt.
    pub attempt: Attempt,
    /// In which block.
    pub block: BlockRef,
}

/// What became known about an action.
#[derive(Debug, Clone, PartialEq)]
pub enum Watch {
    /// The gate is proven to be as tight as asked.
    Effective {
        /// The attempt that did it; none when somebody else's did.
        landed: Option<Seen>,
        /// What says so.
        verdict: Verdict,
    },
    /// It landed and failed.
    Reverted {
        /// Which, and where.
        seen: Seen,
        /// For people.
        why: String,
    },
    /// It landed and did not fail, yet the gate is proven not to be as tight as asked.
    Ineffective {
        /// Which, and where.
        seen: Seen,
        /// For people.
        why: String,
    },
    /// None of them can ever land: their nonces are taken.
    Replaced,
    /// Nothing landed within the pace of the fee schedule.
    NotLanded,
}

/// How the watch over an effect ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// It is final, or its time has run out.
    Held,
    /// It is proven to be gone, and has to be brought about again.
    Lost,
    /// People released the gate after it was closed; they have the last word.
    Released,
}

/// Confirms actions.
#[derive(Clone)]
pub struct Confirm {
    /// Adapters.
    pub chains: Arc<BTreeMap<ChainId, ChainWiring>>,
    /// For the containing side of a chain.
    pub signer: Signer,
    /// Proves effects.
    pub judge: Judge,
    /// Wakes at heads.
    pub heads: Heads,
}

/// Where all watched attempts are.
struct Places {
    included: Option<Seen>,
    reverted: Option<(Seen, String)>,
    replaced: usize,
}

impl Confirm {
    /// Watches attempts until something is known, or until the fee should be raised.
    pub async fn watch(&self, action: &Action, attempts: &[Attempt]) -> Watch {
        let chain = action.chain;
        let started = Instant::now();
        let first_height = self.heads.get(chain).map_or(0, |head| head.height);
        let mut follow = self.heads.follow(chain);
        loop {
            if let Some(known) = self.glance(action, attempts).await {
                return known;
            }
            let height = self.heads.get(chain).map_or(0, |head| head.height);
            let heads_passed = height.saturating_sub(first_height) >= budget::BUMP_AFTER_HEADS;
            if heads_passed || started.elapsed() >= budget::BUMP_AFTER {
                return self.closed_by_somebody(action).await.unwrap_or(Watch::NotLanded);
            }
            tokio::join!(follow.next(budget::LANDING_POLL), tokio::time::sleep(budget::LANDING_PACE));
        }
    }

    /// What is known about attempts right now; none when nothing is.
    pub async fn glance(&self, action: &Action, attempts: &[Attempt]) -> Option<Watch> {
        let places = self.places(attempts).await;
        if let Some(seen) = places.included {
            return self.settle(action, seen).await;
        }
        let dead = match places.reverted {
            Some((seen, why)) => Watch::Reverted { seen, why },
            None if !attempts.is_empty() && places.replaced == attempts.len() => Watch::Replaced,
            None => return None,
        };
        // It may have failed because the gate was tight enough already.
        Some(self.closed_by_somebody(action).await.unwrap_or(dead))
    }

    /// Whether the gate is as tight as asked, whoever did it.
    pub async fn closed_by_somebody(&self, action: &Action) -> Option<Watch> {
        let verdict = self.effective_now(action).await?;
        Some(Watch::Effective { landed: None, verdict })
    }

    /// Asks the quorum where each attempt is. One that nobody can tell is simply not known yet.
    async fn places(&self, attempts: &[Attempt]) -> Places {
        let mut places = Places { included: None, reverted: None, replaced: 0 };
        let answers = futures::future::join_all(attempts.iter().map(|attempt| async move {
            let contain = self.signer.container(attempt.chain)?;
            match contain.landing(attempt).await {
                Ok(landing) => Some(landing),
                Err(error) => {
                    tracing::debug!(error = chain_of(&error), "where an attempt is could not be told");
                    None
                }
            }
        }))
        .await;
        for (attempt, landing) in attempts.iter().zip(answers) {
            let Some(landing) = landing else { continue };
            match landing {
                Landing::Pending => {}
                Landing::Included(block) => places.included = Some(Seen { attempt: attempt.clone(), block }),
                Landing::Reverted(block, why) => {
                    places.reverted = Some((Seen { attempt: attempt.clone(), block }, why));
                }
                Landing::Replaced => places.replaced = places.replaced.saturating_add(1),
            }
        }
        places
    }

    /// Proves the effect after the block that holds the attempt; none when it is undecided yet.
    async fn settle(&self, action: &Action, seen: Seen) -> Option<Watch> {
        let contain = self.signer.container(action.chain)?;
        let claim = contain.effect(action, seen.block);
        let judged = self.judge.judge(&claim, Some(action.incident)).await;
        match judged.verdict {
            verdict @ Verdict::Proven(_) => Some(Watch::Effective { landed: Some(seen), verdict }),
            Verdict::Refuted(why, _) => {
                let told = contain.unenforced(action.target, action.scope);
                let told = tokio::time::timeout(budget::LANDING_POLL, told).await.ok().flatten();
                let why = told.unwrap_or_else(|| format!("expected {}, found {}", why.expected, why.found));
                Some(Watch::Ineffective { seen, why })
            }
            // The block may be older than what nodes keep, or have left the chain: the newest one tells as much.
            Verdict::Undecided(_) => {
                let verdict = self.effective_now(action).await?;
                Some(Watch::Effective { landed: Some(seen), verdict })
            }
        }
    }

    /// Proves the effect after the newest block that the quorum agrees on; none unless it is proven.
    async fn effective_now(&self, action: &Action) -> Option<Verdict> {
        let (_, claim, judged) = self.look(action).await?;
        if !matches!(judged.verdict, Verdict::Proven(_)) {
            return None;
        }
        self.judge.record(&claim, Some(action.incident), &judged);
        Some(judged.verdict)
    }

    /// Watches an effect until it is final.
    ///
    /// Not knowing is neither final nor lost: it looks again at the next head.
    pub async fn keep(&self, action: &Action, attempts: &[Attempt]) -> Kept {
        let chain = action.chain;
        let mut follow = self.heads.follow(chain);
        // Height whose finality makes the effect final: where it was first proven, or where an attempt stands now.
        let mut height: Option<u64> = None;
        loop {
            let head = self.heads.get(chain);
            if self.has_run_out(action) {
                return Kept::Held;
            }
            let looked = self.look(action).await;
            if let Some((block, claim, judged)) = looked {
                match judged.verdict {
                    Verdict::Proven(_) => {
                        height.get_or_insert(block.height);
                    }
                    Verdict::Refuted(..) => return self.gone(action, &claim, &judged).await,
                    Verdict::Undecided(_) => {}
                }
            }
            if let (Some(head), Some(proven)) = (head, height)
                && head.final_height >= proven
            {
                // A reorganisation may have moved it up, into a block that is not final yet.
                match self.places(attempts).await.included {
                    Some(seen) if seen.block.height > head.final_height => height = Some(seen.block.height),
                    _ => return Kept::Held,
                }
            }
            tokio::join!(follow.next(budget::WARM_EVERY), tokio::time::sleep(budget::LANDING_PACE));
        }
    }

    /// Watches an effect that is final until its time has run out.
    ///
    /// SECURITY: finality is what the configuration says of a chain. Where a reorganisation goes deeper, the pause is gone
    /// and the attack may not be.
    pub async fn vigil(&self, action: &Action) -> Kept {
        let mut follow = self.heads.follow(action.chain);
        while !self.has_run_out(action) {
            if let Some((_, claim, judged)) = self.look(action).await
                && matches!(judged.verdict, Verdict::Refuted(..))
            {
                return self.gone(action, &claim, &judged).await;
            }
            tokio::join!(follow.next(budget::WARM_EVERY), tokio::time::sleep(budget::VIGIL_PACE));
        }
        Kept::Held
    }

    /// Once its time has run out, on the chain's own clock *and* height, there is nothing left to lose.
    pub fn has_run_out(&self, action: &Action) -> bool {
        let head = self.heads.get(action.chain);
        head.is_some_and(|head| head.time >= action.until && head.height >= action.until_height)
    }

    /// Why a gate is not as tight as it was: people released it, or the chain lost the pause. A gate that does not tell
    /// counts as lost, because what people released ignores another trip.
    async fn gone(&self, action: &Action, claim: &Claim, judged: &Judged) -> Kept {
        self.judge.record(claim, Some(action.incident), judged);
        let Some(contain) = self.signer.container(action.chain) else { return Kept::Lost };
        match contain.gate(action.target, action.scope).await {
            Ok(report) if report.generation > action.generation => Kept::Released,
            _ => Kept::Lost,
        }
    }

    /// Judges the effect after the newest block that the quorum agrees on; none when there is no such block.
    async fn look(&self, action: &Action) -> Option<(BlockRef, Claim, Judged)> {
        let block = self.chains.get(&action.chain)?.prove.head().await.ok()?;
        let claim = self.signer.container(action.chain)?.effect(action, block);
        let judged = self.judge.weigh(&claim).await;
        Some((block, claim, judged))
    }
}
