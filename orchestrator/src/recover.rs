//! Recover: what remains closed, until when, and what opened again.
//!
//! The service cannot open anything. It reads each gate at the start, after heads, and when something happened to it,
//! and tells the engine when it changed: a release by people, an expiry, a closing by somebody else.

pub mod readings;

use std::sync::Arc;

use portcullis_adapter::{Contain, GateReport};
use portcullis_core::Body;
use portcullis_core::config::Target;
use portcullis_core::input::GateState;
use portcullis_verifier::Level;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::budget;
use crate::telemetry::{Background, Heads, Note, Verb};
use portcullis_adapter::error::chain_of;
use readings::{Place, Readings};

/// Watches one gate.
pub struct GateWatch {
    /// The gate.
    pub target: Target,
    /// Reads it.
    pub contain: Arc<dyn Contain>,
    /// Wakes at heads.
    pub heads: Heads,
    /// To the engine's loop.
    pub engine: mpsc::Sender<Body>,
    /// Rows for people.
    pub background: Background,
    /// For who must not wait for an answer of the gate.
    pub readings: Arc<Readings>,
}

impl GateWatch {
    /// Runs until told to stop.
    pub async fn run(self, stop: CancellationToken) {
        let mut follow = self.heads.follow(self.target.chain);
        let mut known: Option<GateReport> = None;
        let Target { chain, address, scope, .. } = self.target;
        loop {
            match self.contain.gate(address, scope).await {
                Ok(report) => {
                    self.readings.put(Place { chain, address, scope }, report.clone());
                    if differs(known.as_ref(), &report) && !self.tell(known.as_ref(), &report).await {
                        return;
                    }
                    known = Some(report);
                }
                // Not known is not open: what was read last stays.
                Err(error) => {
                    tracing::warn!(target_name = %self.target.id, error = chain_of(&error), "a gate could not be read");
                }
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = some_heads(&mut follow) => {}
            }
        }
    }

    /// Tells the engine and people; false when the engine's loop is gone.
    async fn tell(&self, before: Option<&GateReport>, now: &GateReport) -> bool {
        let chain = self.target.chain;
        if !now.registered {
            tracing::error!(code = "PC-0261", target_name = %self.target.id, %chain, "the gate does not know the scope");
        }
        if let Some(text) = say(self.target.id.as_str(), before, now) {
            self.background.note(Note::new(Verb::Recover, text).chain(chain).height(now.block.height));
        }
        let state = GateState {
            target: self.target.id,
            height: now.block.height,
            level: now.level,
            until: now.until,
            until_height: now.until_height,
            generation: now.generation,
            proven: false,
        };
        self.engine.send(Body::Gate(state)).await.is_ok()
    }
}

async fn some_heads(follow: &mut crate::telemetry::Follow) {
    for _ in 0..budget::GATE_HEADS {
        let waited = std::time::Instant::now();
        follow.next(budget::WARM_EVERY).await;
        if waited.elapsed() >= budget::WARM_EVERY {
            return;
        }
    }
}

/// Height and time pass by themselves; only what the gate says of itself counts.
fn differs(before: Option<&GateReport>, now: &GateReport) -> bool {
    let said = |r: &GateReport| (r.registered, r.level, r.until, r.until_height, r.generation);
    before.is_none_or(|before| said(before) != said(now))
}

/// A sentence for the timeline; none for a gate that is found open at the start.
fn say(name: &str, before: Option<&GateReport>, now: &GateReport) -> Option<String> {
    let level = |level: Level| match level {
        Level::Open => "open",
        Level::Limited => "limited",
        Level::Closed => "closed",
    };
    let Some(before) = before else {
        return (now.level != Level::Open).then(|| {
            format!("{name} is {} until {} and block {}", level(now.level), now.until, now.until_height)
        });
    };
    if now.generation > before.generation {
        return Some(format!("{name} was released by people; it is {} now", level(now.level)));
    }
    // On one chain a closure only grows; it shrinks when the block with the trip is gone.
    if now.until < before.until && now.level < before.level {
        return Some(format!("the chain went back, and {name} is {} again", level(now.level)));
    }
    if now.level < before.level {
        return Some(format!("{name} opened by itself from {} to {}", level(before.level), level(now.level)));
    }
    Some(format!("{name} is {} until {} and block {}", level(now.level), now.until, now.until_height))
}

#[cfg(test)]
mod tests {
    use super::*;
    use portcullis_verifier::{B256, BlockRef};

    fn report(level: Level, until: u64, generation: u32) -> GateReport {
        GateReport {
            block: BlockRef { height: until, hash: B256::ZERO },
            time: 5,
            registered: true,
            level,
            until,
            until_height: 0,
            generation,
        }
    }

    #[test]
    fn only_what_the_gate_says_counts_as_a_change() {
        let one = report(Level::Closed, 10, 0);
        let later = GateReport { time: 99, block: BlockRef { height: 99, hash: B256::ZERO }, ..one.clone() };
        assert!(!differs(Some(&one), &later));
        assert!(differs(Some(&one), &report(Level::Limited, 10, 0)));
        assert!(differs(None, &one));
    }

    #[test]
    fn a_release_and_an_expiry_read_differently() {
        let closed = report(Level::Closed, 10, 0);
        let expired = say("g", Some(&closed), &report(Level::Limited, 10, 0)).unwrap();
        let released = say("g", Some(&closed), &report(Level::Open, 0, 1)).unwrap();
        assert!(expired.contains("by itself"), "{expired}");
        assert!(released.contains("by people"), "{released}");
        let undone = say("g", Some(&closed), &report(Level::Open, 0, 0)).unwrap();
        assert!(undone.contains("went back"), "{undone}");
        assert_eq!(say("g", None, &report(Level::Open, 0, 0)), None);
        assert!(say("g", None, &closed).is_some());
    }
}
