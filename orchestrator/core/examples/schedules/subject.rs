//! The engine under test, and engines with a planted defect: a check that has never failed has shown nothing.

use std::sync::atomic::{AtomicU64, Ordering};

use portcullis_core::{Effect, Effects, Engine, EngineConfig, Input, input::Body};
use portcullis_verifier::{Refutation, Status, Verdict};

use crate::common::needs;

/// What is wrong with an engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Defect {
    /// Nothing that is known.
    None,
    /// It does not hear that a block left its chain.
    ForgetsRetractions,
    /// It takes "cannot tell" for "no".
    UndecidedIsNo,
    /// It loses an observation now and then.
    LosesObservations,
    /// It asks for ever shorter closures.
    ShortensClosures,
    /// It decides a little differently each time that it is built.
    IsUnsteady,
    /// It takes the time that nobody listened for silence.
    HearsSilence,
}

/// Engines built so far, for the one that is unsteady.
static BUILT: AtomicU64 = AtomicU64::new(0);

/// An engine with its defect.
pub struct Subject {
    pub engine: Engine,
    defect: Defect,
    built: u64,
    steps: u64,
    actions: u64,
}

impl Subject {
    pub fn new(config: EngineConfig, defect: Defect) -> Self {
        let engine = Engine::new(config).expect("the schedules' configuration holds together");
        Self { engine, defect, built: BUILT.fetch_add(1, Ordering::Relaxed), steps: 0, actions: 0 }
    }

    /// Consumes an input, as the defect has it.
    pub fn step(&mut self, input: &Input) -> Effects {
        self.steps += 1;
        let mut effects = match (self.defect, &input.body) {
            (Defect::ForgetsRetractions, Body::Observed(seen)) if seen.status() == Status::Retracted => {
                Effects::default()
            }
            (Defect::LosesObservations, Body::Observed(_)) if self.steps.is_multiple_of(13) => {
                Effects::default()
            }
            (Defect::HearsSilence, Body::Resumed) => {
                // An hour in which nobody listened, given to it in pieces that do not look late.
                self.engine.step(&Input { at_ms: input.at_ms, body: Body::Tick })
            }
            (Defect::UndecidedIsNo, Body::Proved { claim, verdict: Verdict::Undecided(_) }) => {
                let words = Refutation { expected: String::new(), found: String::new() };
                let body = Body::Proved { claim: *claim, verdict: Verdict::Refuted(words, needs()) };
                self.engine.step(&Input { at_ms: input.at_ms, body })
            }
            _ => self.engine.step(input),
        };
        self.spoil(&mut effects);
        effects
    }

    fn spoil(&mut self, effects: &mut Effects) {
        for effect in &mut effects.list {
            match (self.defect, effect) {
                (Defect::ShortensClosures, Effect::Contain(decision)) => {
                    for action in &mut decision.actions {
                        self.actions += 1;
                        action.until = action.until.saturating_sub(5_000 * self.actions);
                        *action = action.clone().with_id();
                    }
                }
                (Defect::IsUnsteady, Effect::Deadline { at_ms }) => *at_ms += self.built,
                _ => {}
            }
        }
    }
}
