//! The engine with somebody who looks at every step.
//!
//! Invariants by their numbers in the architecture: 2 replay equality, 3 order-free verdicts, 4 three-valued truth and
//! nothing lost, 7 containment is idempotent and monotone. What can be said of one step is checked here; what can only
//! be said of a whole schedule, in [`crate::check`].

use std::collections::{BTreeMap, BTreeSet};

use portcullis_core::{
    Effect, Effects, EngineConfig, Input,
    config::Mode,
    effect::{Cause, Signal},
    input::Body,
};
use portcullis_verifier::{
    Action, B256, ChainId, Claim, ClaimId, Event, EventId, FaultKind, Level, Observation, Verdict,
};

use crate::{
    common::{AWAY, EXPIRY, FINALITY, HOME, T0, away, home, needs, slug, word},
    subject::{Defect, Subject},
};

/// Longest silence of a chain, seconds.
pub const STALL_SECS: u64 = 600;

/// What was found wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Number of the invariant; 0 for a panic.
    pub invariant: u8,
    pub what: String,
}

/// Fails with a violation.
pub fn wrong<T>(invariant: u8, what: impl Into<String>) -> Result<T, Violation> {
    Err(Violation { invariant, what: what.into() })
}

/// What happened besides events: it decides how much two runs can be compared.
#[derive(Debug, Clone, Copy, Default)]
pub struct Turns {
    pub priced: bool,
    pub reconfigured: bool,
    pub people: bool,
}

/// See the module.
pub struct Watched {
    pub subject: Subject,
    defect: Defect,
    pub(crate) configs: Vec<EngineConfig>,
    pub log: Vec<(Input, Effects)>,
    pub now_ms: u64,
    pub(crate) deadlines: BTreeSet<u64>,
    /// Claims asked for, with their events.
    pub claims: Vec<(ClaimId, EventId)>,
    /// Claims asked for since this was last emptied.
    pub asked: BTreeSet<ClaimId>,
    /// Events that a good refutation was given of.
    pub refuted: BTreeSet<EventId>,
    /// Claims that no answer decided yet, and those that one proved.
    pub open: BTreeSet<ClaimId>,
    proven: BTreeSet<ClaimId>,
    /// Claims whose event something has stood on ever since they were asked for.
    wanted: BTreeSet<ClaimId>,
    pub actions: Vec<Action>,
    pub turns: Turns,
    pub observed: u64,
    events: BTreeMap<(B256, u32), EventId>,
    longest: BTreeMap<(ChainId, u32, Level), (u64, u64)>,
    /// Per chain: time delivered up to, head, moment of the last new head, standing still by word, known to stand still.
    chains: [Heard; 2],
}

#[derive(Debug, Clone, Copy, Default)]
struct Heard {
    watermark: u64,
    head: B256,
    tip: u64,
    at_ms: u64,
    by_word: bool,
    stalled: bool,
}

/// Configurations that a schedule can change to; the last one contradicts itself.
fn configs() -> Vec<EngineConfig> {
    let mut first = crate::common::config();
    for chain in &mut first.chains {
        chain.stall_after_secs = STALL_SECS;
    }
    let change = |f: fn(&mut EngineConfig)| {
        let mut config = first.clone();
        f(&mut config);
        config
    };
    vec![
        first.clone(),
        change(|c| c.targets[0].mode = Mode::Hold),
        change(|c| c.playbooks[0].expiry_secs = EXPIRY / 2),
        change(|c| c.rules.unbacked_floor_micro_usd = 10_000_000_000),
        change(|c| c.playbooks[1].needs = portcullis_verifier::Assurance::default()),
        change(|c| c.targets[0].bridge = slug("nowhere")),
    ]
}

impl Watched {
    pub fn new(defect: Defect) -> Self {
        let configs = configs();
        let mut watched = Self {
            subject: Subject::new(configs[0].clone(), defect),
            defect,
            log: Vec::new(),
            now_ms: T0 * 1_000,
            deadlines: BTreeSet::new(),
            claims: Vec::new(),
            asked: BTreeSet::new(),
            refuted: BTreeSet::new(),
            open: BTreeSet::new(),
            proven: BTreeSet::new(),
            wanted: BTreeSet::new(),
            actions: Vec::new(),
            turns: Turns::default(),
            observed: 0,
            events: BTreeMap::new(),
            longest: BTreeMap::new(),
            chains: [Heard::default(); 2],
            configs,
        };
        let input =
            Input { at_ms: watched.now_ms, body: Body::ConfigChanged(Box::new(watched.configs[0].clone())) };
        let effects = watched.subject.step(&input);
        watched.log.push((input, effects));
        watched
    }

    /// A fresh engine of the same kind, under a configuration.
    pub fn fresh(&self, config: EngineConfig) -> Subject {
        Subject::new(config, self.defect)
    }

    /// Hands one input to the engine and looks at what it does.
    pub fn input(&mut self, body: Body) -> Result<(), Violation> {
        let input = Input { at_ms: self.now_ms, body };
        self.hear(&input.body);
        let effects = self.subject.step(&input);
        self.deadlines = self.deadlines.split_off(&(self.now_ms + 1));
        if let Body::Observed(_) = &input.body {
            let counted = self.subject.engine.intake().total();
            if counted != self.observed {
                return wrong(4, format!("{} observations came, {counted} are accounted for", self.observed));
            }
        }
        for effect in &effects.list {
            self.effect(effect)?;
        }
        if !effects.list.is_empty() || matches!(input.body, Body::Tick) {
            self.signals()?;
        }
        // Nothing stands on its event any more: the engine may give a claim up.
        for (claim, event) in &self.claims {
            if self.wanted.contains(claim) && self.subject.engine.causes_on(*event).is_empty() {
                self.wanted.remove(claim);
                self.open.remove(claim);
            }
        }
        self.log.push((input, effects));
        Ok(())
    }

    fn hear(&mut self, body: &Body) {
        match body {
            Body::Observed(seen) => {
                self.observed += 1;
                self.events.insert((seen.position().block_hash, seen.position().log_index), seen.id());
                if let Event::Fault(fault) = seen.event() {
                    let by_word = fault.kind == FaultKind::Stalled;
                    self.chains[usize::from(seen.chain() == away())].by_word |= by_word;
                }
            }
            Body::Progress(progress) => {
                let heard = &mut self.chains[usize::from(progress.chain == away())];
                if heard.head != progress.block_hash {
                    (heard.head, heard.at_ms, heard.tip) = (progress.block_hash, self.now_ms, progress.time);
                    heard.by_word = false;
                }
                heard.watermark = heard.watermark.max(progress.time);
            }
            Body::Resumed => {
                for heard in &mut self.chains {
                    heard.at_ms = self.now_ms;
                }
            }
            _ => {}
        }
    }

    fn effect(&mut self, effect: &Effect) -> Result<(), Violation> {
        match effect {
            Effect::RequestEvidence { claim, .. } => {
                self.asked.insert(claim.id());
                self.proven.remove(&claim.id());
                self.wanted.insert(claim.id());
                self.remember_claim(claim);
                Ok(())
            }
            Effect::Contain(decision) => decision.actions.iter().try_for_each(|action| self.action(action)),
            Effect::Deadline { at_ms } => {
                if *at_ms < self.now_ms {
                    return wrong(2, format!("a deadline at {at_ms}, in the past of {}", self.now_ms));
                }
                self.deadlines.insert(*at_ms);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn remember_claim(&mut self, claim: &Claim) {
        let Claim::Emitted { block, log_index, .. } = claim else { return };
        let Some(event) = self.events.get(&(block.hash, *log_index)) else { return };
        if !self.claims.iter().any(|(known, _)| *known == claim.id()) {
            self.claims.push((claim.id(), *event));
        }
    }

    /// Invariant 7, for what is asked of a gate: never open, never shorter, and long enough to matter when it lands.
    fn action(&mut self, action: &Action) -> Result<(), Violation> {
        if action.level == Level::Open || action.id != action.derive_id() {
            return wrong(7, format!("{action:?} opens, or has the id of another"));
        }
        let heard = &self.chains[usize::from(action.chain == away())];
        let since_secs = if heard.at_ms == 0 { 0 } else { heard.tip + (self.now_ms - heard.at_ms) / 1_000 };
        let now = since_secs.max(self.now_ms / 1_000);
        // Half of the shortest closure that any configuration has.
        if action.until < now + EXPIRY / 4 {
            return wrong(7, format!("until {} is hardly after {now}", action.until));
        }
        let key = (action.chain, action.generation, action.level);
        let (until, until_height) = self.longest.get(&key).copied().unwrap_or((0, 0));
        if action.until < until || action.until_height < until_height {
            return wrong(7, format!("until {} after until {until} was asked", action.until));
        }
        self.longest.insert(key, (action.until, action.until_height));
        self.actions.push(action.clone());
        Ok(())
    }

    /// Invariant 4, for what stands: missing is said only of what is known to be missing, silence only of who was
    /// listened to.
    fn signals(&mut self) -> Result<(), Violation> {
        let mut stalled = [false; 2];
        for signal in self.subject.engine.signals() {
            match signal.cause {
                Cause::Unbacked => self.is_missing(signal)?,
                Cause::StalledChain => {
                    let is_away = signal.detail.starts_with(&format!("{} ", away()));
                    stalled[usize::from(is_away)] = true;
                }
                _ => {}
            }
        }
        for (heard, now) in self.chains.iter_mut().zip(stalled) {
            let silent_ms = self.now_ms.saturating_sub(heard.at_ms);
            if now && !heard.stalled && !heard.by_word && silent_ms < STALL_SECS * 1_000 {
                return wrong(4, format!("a chain stands still that was heard of {silent_ms} ms ago"));
            }
            heard.stalled = now;
        }
        Ok(())
    }

    fn is_missing(&self, signal: &Signal) -> Result<(), Violation> {
        let Some(event) = signal.event else { return wrong(4, "a missing source of no event") };
        let seen = self.log.iter().rev().find_map(|(input, _)| match &input.body {
            Body::Observed(seen) if seen.id() == event => Some(seen),
            _ => None,
        });
        // Where a source is not watched, another rule speaks.
        let watched = |seen: &&Observation| match seen.event() {
            Event::Transfer(t) => {
                [word(HOME), word(AWAY)].contains(&t.remote) && [home(), away()].contains(&seen.chain())
            }
            _ => false,
        };
        let Some((chain, time)) = seen.filter(watched).map(|seen| (seen.chain(), seen.time())) else {
            return Ok(());
        };
        let source = &self.chains[usize::from(chain == home())];
        if source.watermark + FINALITY <= time {
            return wrong(4, format!("missing at {time}, the source known up to {}", source.watermark));
        }
        Ok(())
    }

    /// Answers a claim, and checks that an answer that decides nothing changes nothing.
    pub fn proved(&mut self, claim: ClaimId, event: EventId, verdict: Verdict) -> Result<(), Violation> {
        let nothing = match &verdict {
            Verdict::Proven(_) => false,
            Verdict::Refuted(_, assurance) => !assurance.meets(&needs()),
            Verdict::Undecided(_) => true,
        };
        match (&verdict, nothing) {
            // What was proven is not unproven by an answer that decides nothing.
            (_, true) if self.wanted.contains(&claim) && !self.proven.contains(&claim) => {
                self.open.insert(claim);
            }
            (Verdict::Proven(_), _) => {
                self.open.remove(&claim);
                self.proven.insert(claim);
            }
            (_, false) => drop(self.open.remove(&claim)),
            (_, true) => {}
        }
        if matches!(verdict, Verdict::Refuted(..)) && !nothing {
            self.refuted.insert(event);
        }
        let before: Vec<Signal> =
            if nothing { self.subject.engine.signals().cloned().collect() } else { Vec::new() };
        self.input(Body::Proved { claim, verdict })?;
        // A deadline that passed meanwhile may add to what stands; nothing may be gone.
        if nothing
            && !before.iter().all(|signal| {
                self.subject
                    .engine
                    .signals()
                    .any(|now| now.cause == signal.cause && now.event == signal.event)
            })
        {
            return wrong(4, "an answer that decides nothing took a signal away");
        }
        if self.subject.engine.is_refuted(event) && !self.refuted.contains(&event) {
            return wrong(4, "an event counts as refuted that nobody refuted");
        }
        Ok(())
    }
}
