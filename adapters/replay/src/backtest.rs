//! What the production engine would have done in a recorded year, scored against what really happened.
//!
//! The engine, its rules and its configuration are the ones that run in production; the only difference is who
//! answers its requests for evidence. Here the recording vouches for itself ([`crate::witness`]): what it holds is
//! taken to have happened, "as reported", and the playbooks ask for no more. The attack is not stopped: the recording goes on
//! as it did, and what would have been saved is measured beside it.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use portcullis_core::{
    Effect, Engine, Input,
    config::Rules,
    effect::Cause,
    input::{Body, Outcome},
};
use portcullis_verifier::Verdict;
use serde::{Deserialize, Serialize};

use crate::{config::recorded, dataset::Dataset, witness::Witness};

mod score;

/// What may be varied.
#[derive(Debug, Clone, Default)]
pub struct BacktestOptions {
    /// Thresholds in place of the defaults.
    pub rules: Option<Rules>,
}

/// Why a backtest could not run.
#[derive(Debug, thiserror::Error)]
pub enum BacktestError {
    /// The configuration contradicts itself.
    #[error("the engine refuses the configuration")]
    Config(#[from] portcullis_core::ConfigError),
}

/// What closing after a delay would have saved of what the attack took.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
pub struct Saved {
    /// Seconds between the first false release and closed gates; zero is "after the same block".
    pub after_secs: u64,
    /// Saved, micro-USD.
    pub micro_usd: u64,
    /// The same in whole dollars, rounded down.
    pub usd: u64,
    /// Share of the whole in hundredths of a percent.
    pub bps: u64,
}

/// The corridors of the same escrow whose sources nobody watched.
#[derive(Debug, Clone, Default, Serialize, Deserialize, PartialEq, Eq)]
pub struct Siblings {
    /// Releases recorded.
    pub releases: u64,
    /// First of them, seconds after the first false release.
    pub first_after_secs: u64,
    /// When the escrow's gate was closed, seconds after the first false release; none when never.
    pub closed_after_secs: Option<u64>,
    /// Value of those that came while the gate was open, micro-USD.
    pub lost_micro_usd: u64,
    /// Value of all, as far as it has a price, micro-USD.
    pub priced_micro_usd: u64,
}

/// What closing cost those who did nothing wrong.
#[derive(Debug, Clone, Default, Serialize, Deserialize, PartialEq, Eq)]
pub struct Cost {
    /// Honest releases between the first and the last false one: delayed by the halt.
    pub honest_releases: u64,
    /// Their value, micro-USD.
    pub micro_usd: u64,
}

/// The result.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
pub struct Report {
    /// Inputs fed, answers to requests for evidence and wake-up ticks included.
    pub inputs: u64,
    /// Events among them.
    pub events: u64,
    /// Releases on the watched corridor.
    pub releases: u64,
    /// Releases that the labels call attacks.
    pub attacks: u64,
    /// Those on which a signal stood at the end that calls the release false.
    pub attacks_flagged: u64,
    /// The same by what the signal says.
    pub flagged_by: BTreeMap<Cause, u64>,
    /// Value of the attacks at the day's prices, micro-USD.
    pub attacks_micro_usd: u64,
    /// Time of the first label, seconds since 1970.
    pub first_attack_ts: Option<u64>,
    /// Time of the first decision to hold or halt, seconds since 1970.
    pub first_alarm_ts: Option<u64>,
    /// Decisions to halt before the first attack.
    pub false_halts: u64,
    /// Decisions to hold before the first attack.
    pub false_holds: u64,
    /// Notices before the first attack.
    pub notifications: u64,
    /// Their texts, with the time.
    pub notices: Vec<(u64, String)>,
    /// Releases that a signal other than a notice stood on and no label names.
    pub flagged_without_label: u64,
    /// Requests for evidence.
    pub evidence_requests: u64,
    /// Decisions after the first attack.
    pub decisions: u64,
    /// What closing would have saved.
    pub saved_usd: Vec<Saved>,
    /// Corridors of the same escrow.
    pub siblings: Siblings,
    /// What the halt cost others.
    pub cost: Cost,
    /// Time in the engine, microseconds of wall clock.
    pub engine_us: u64,
    /// The same in whole milliseconds, rounded up.
    pub engine_ms: u64,
    /// Bytes of the engine's ledger at the end.
    pub ledger_bytes: u64,
    /// What the verdicts rest on.
    pub evidence: String,
}

/// Something that the engine said, and when.
struct Said {
    time: u64,
    effect: Effect,
}

/// Runs the engine over a recording.
///
/// # Errors
/// When the engine refuses the configuration.
pub fn backtest(dataset: &Dataset, options: &BacktestOptions) -> Result<Report, BacktestError> {
    backtest_watched(dataset, options, |_, _| {})
}

/// As [`backtest`]; tells `watch` about a hundred times how many of how many inputs are done.
///
/// # Errors
/// When the engine refuses the configuration.
pub fn backtest_watched(
    dataset: &Dataset,
    options: &BacktestOptions,
    mut watch: impl FnMut(usize, usize),
) -> Result<Report, BacktestError> {
    let mut config = dataset.config.clone();
    if let Some(rules) = &options.rules {
        config.rules = rules.clone();
    }
    let witness = Witness::new(&dataset.inputs);
    let engine = Engine::new(config.clone())?;
    let mut run = Run {
        engine,
        witness: &witness,
        said: Vec::new(),
        deadlines: BTreeSet::new(),
        inputs: 0,
        spent: Duration::ZERO,
    };
    let first = dataset.inputs.first().map_or(0, |input| input.at_ms);
    run.feed(&Input { at_ms: first, body: Body::ConfigChanged(Box::new(config)) });
    let all = dataset.inputs.len();
    let part = all.div_ceil(WATCHED).max(1);
    // The whole loop is timed, moving the effects aside included: two clock readings per step would cost more
    // than many a step.
    let started = Instant::now();
    for (done, inputs) in dataset.inputs.chunks(part).enumerate() {
        for input in inputs {
            run.tick_until(input.at_ms);
            run.feed(input);
        }
        watch(done.saturating_add(1).saturating_mul(part).min(all), all);
    }
    run.spent = started.elapsed();
    Ok(score::score(dataset, &run))
}

/// How often a run tells how far it is.
const WATCHED: usize = 100;

/// A run so far.
struct Run<'a> {
    engine: Engine,
    witness: &'a Witness,
    said: Vec<Said>,
    /// When the engine asked to be woken, milliseconds since 1970.
    deadlines: BTreeSet<u64>,
    inputs: u64,
    spent: Duration,
}

impl Run<'_> {
    /// Wakes the engine when it asked to be, as the service does.
    fn tick_until(&mut self, at_ms: u64) {
        while let Some(due) = self.deadlines.first().copied().filter(|due| *due <= at_ms) {
            self.deadlines.remove(&due);
            self.feed(&Input { at_ms: due, body: Body::Tick });
        }
    }

    /// One input, and an answer to each request for evidence that it caused. Every gate closes as soon as it is asked.
    fn feed(&mut self, input: &Input) {
        let effects = self.engine.step(input);
        self.inputs = self.inputs.saturating_add(1);
        let mut answers = Vec::new();
        for effect in effects.list {
            match &effect {
                Effect::RequestEvidence { claim, .. } => {
                    let body = Body::Proved { claim: claim.id(), verdict: self.witness.verdict(claim) };
                    answers.push(Input { at_ms: input.at_ms, body });
                }
                Effect::Contain(decision) => {
                    answers.extend(decision.actions.iter().map(|action| {
                        let outcome = Outcome::Effective { verdict: Verdict::Proven(recorded()) };
                        Input { at_ms: input.at_ms, body: Body::Landed { action: action.id, outcome } }
                    }));
                }
                Effect::Deadline { at_ms } => {
                    self.deadlines.insert(*at_ms);
                }
                _ => {}
            }
            let time = input.at_ms.checked_div(1_000).unwrap_or(0);
            self.said.push(Said { time, effect });
        }
        for answer in answers {
            self.feed(&answer);
        }
    }
}
