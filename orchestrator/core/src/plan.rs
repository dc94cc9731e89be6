//! From a playbook to actions: which gates, how tight, until when. Only ever tighter or longer.

use std::collections::BTreeMap;

use borsh::{BorshDeserialize, BorshSerialize};
use portcullis_verifier::{Action, ActionClass, ActionId, B256, IncidentId, Level, Slug};

use crate::{
    config::{Mode, Playbook, Target},
    input::GateState,
};

/// What was asked of a gate last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct Asked {
    pub(crate) action: ActionId,
    pub(crate) class: ActionClass,
    pub(crate) level: Level,
    pub(crate) until: u64,
    pub(crate) until_height: u64,
    pub(crate) generation: u32,
    pub(crate) incident: IncidentId,
    /// A proof, or as many operators as the chain allows, say that the gate is so tight.
    pub(crate) effective: bool,
    /// A person stopped it.
    pub(crate) stopped: bool,
    /// It failed on chain so many times in a row.
    pub(crate) failures: u32,
    /// Shell time of the asking, milliseconds.
    pub(crate) at_ms: u64,
    /// It failed on chain, and is asked again at this shell time, milliseconds.
    pub(crate) again_ms: Option<u64>,
}

/// What was asked of a gate last, at each level: a later limit does not make a closure forgotten.
#[derive(Debug, Clone, Default, BorshSerialize, BorshDeserialize)]
pub(crate) struct Asks(BTreeMap<Level, Asked>);

impl Asks {
    /// Remembers what is asked now.
    pub(crate) fn put(&mut self, asked: Asked) {
        self.0.insert(asked.level, asked);
    }

    /// At each level, the loosest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Asked> {
        self.0.values()
    }

    /// At each level, to change.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Asked> {
        self.0.values_mut()
    }

    /// The tightest that is not over at a time, else the tightest.
    pub(crate) fn tightest(&self, now: u64) -> Option<&Asked> {
        self.0.values().rev().find(|asked| asked.until > now).or_else(|| self.0.values().next_back())
    }

    /// The longest of at least a level in a generation.
    fn longest(&self, level: Level, generation: u32) -> Option<&Asked> {
        let fits = self.0.range(level..).map(|(_, asked)| asked).filter(|a| a.generation == generation);
        fits.max_by_key(|asked| asked.until)
    }
}

/// What the engine knows of one gate.
#[derive(Debug, Clone, Default, BorshSerialize, BorshDeserialize)]
pub(crate) struct Gate {
    pub(crate) state: Option<GateState>,
    pub(crate) asked: Asks,
    /// The same for what a mode held back: proposed once, not at every step.
    pub(crate) proposed: Option<Asked>,
    /// How far automation may go, where a person changed it.
    pub(crate) mode: Option<Mode>,
    /// Two people raised the mode until this shell time, milliseconds; then it falls back to the one beside it.
    pub(crate) trust: Option<(Mode, u64)>,
    /// The budget withholds extensions until this shell time, milliseconds.
    pub(crate) held_back_ms: Option<u64>,
}

/// All gates by their target's name.
pub(crate) type Gates = BTreeMap<Slug, Gate>;

impl Gate {
    /// Releases of the scope that are known of.
    pub(crate) fn generation(&self) -> u32 {
        self.state.as_ref().map_or(0, |state| state.generation)
    }

    /// True when the gate is known, or was asked, to be as tight until `at_least`.
    fn covers(&self, level: Level, at_least: u64, now: u64, automatic: bool) -> bool {
        let known = self.state.as_ref().is_some_and(|s| s.level >= level && s.until >= at_least);
        let covers = |a: &Asked| {
            let live = a.until > now && a.generation == self.generation();
            live && a.level >= level && (a.until >= at_least || a.stopped)
        };
        let said = if automatic { self.asked.iter().any(covers) } else { self.proposed.iter().any(covers) };
        known || said
    }
}

/// How much a mode lets automation do.
pub(crate) fn allowed(mode: Mode) -> ActionClass {
    match mode {
        Mode::Observe | Mode::Shadow | Mode::Advise => ActionClass::Notify,
        Mode::Limit => ActionClass::Tighten,
        Mode::Hold => ActionClass::Hold,
        Mode::Halt => ActionClass::Halt,
    }
}

/// How tight a class makes a gate.
pub(crate) fn level_of(class: ActionClass) -> Level {
    match class {
        ActionClass::Notify => Level::Open,
        ActionClass::Tighten => Level::Limited,
        ActionClass::Hold | ActionClass::Halt => Level::Closed,
    }
}

/// The moment of a plan, on the target's chain.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Now {
    /// Chain time, seconds.
    pub(crate) time: u64,
    /// Last height delivered.
    pub(crate) height: u64,
}

/// Why and on whose behalf.
#[derive(Debug, Clone)]
pub(crate) struct Order<'a> {
    pub(crate) incident: IncidentId,
    pub(crate) value_at_risk: u64,
    pub(crate) reasons: &'a [String],
}

/// What to do at one target.
#[derive(Debug)]
pub(crate) enum Step {
    /// It is as tight as asked for long enough.
    Covered,
    /// Do this.
    Act(Action),
    /// This would be done in a higher mode.
    Withhold(Action, &'static str),
}

/// One thing that may be wanted of one target.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Want<'a> {
    pub(crate) target: &'a Target,
    pub(crate) gate: &'a Gate,
    pub(crate) class: ActionClass,
    pub(crate) expiry_secs: u64,
    pub(crate) now: Now,
    /// False when a person commands: modes bind automation, not people.
    pub(crate) bound_by_mode: bool,
}

impl Want<'_> {
    fn mode(&self) -> Mode {
        self.gate.mode.unwrap_or(self.target.mode)
    }

    /// True when it may be done, false when it may only be said.
    fn is_allowed(&self) -> bool {
        !self.bound_by_mode || self.class <= allowed(self.mode())
    }

    /// True when the gate is not known, and was not asked, to be as tight now: doing it closes what is open.
    pub(crate) fn is_first(&self) -> bool {
        let (level, now) = (level_of(self.class), self.now.time);
        let known = self.gate.state.as_ref().is_some_and(|s| s.level >= level && s.until > now);
        let asked = self.gate.asked.iter().any(|a| {
            let live = a.until > now && a.generation == self.gate.generation();
            live && a.level >= level && a.failures == 0
        });
        !(known || asked)
    }

    fn secs(&self) -> u64 {
        self.expiry_secs.min(self.target.max_secs)
    }

    /// True when nothing is left to ask. While more than half of a closure is left, it is not asked for again: an
    /// attack of a thousand events would otherwise be a thousand transactions.
    pub(crate) fn is_covered(&self) -> bool {
        let allowed = self.is_allowed();
        // What was asked for less (a short hold) is made as long as the stronger class wants.
        let asked = self.gate.asked.tightest(self.now.time);
        let said = if allowed { asked } else { self.gate.proposed.as_ref() };
        let rises = said.is_some_and(|asked| asked.until > self.now.time && asked.class < self.class);
        let left = if rises { self.secs() } else { self.secs().checked_div(2).unwrap_or(0) };
        let enough = self.now.time.saturating_add(left);
        self.gate.covers(level_of(self.class), enough, self.now.time, allowed)
    }
}

/// The action that gives a target what is wanted of it, covered or not.
///
/// `until` is the chain's time plus the playbook's expiry, never more than the target grants at once and never
/// less than what was asked before.
pub(crate) fn action(want: &Want<'_>, order: &Order<'_>) -> Action {
    let Want { target, gate, class, now, .. } = *want;
    let (secs, level) = (want.secs(), level_of(class));
    let previous = gate.asked.longest(level, gate.generation());
    let until = now.time.saturating_add(secs).max(previous.map_or(0, |a| a.until));
    let blocks = until.saturating_sub(now.time).div_ceil(target.block_secs.max(1));
    let until_height = now.height.saturating_add(blocks).max(previous.map_or(0, |a| a.until_height));
    Action {
        id: ActionId(B256::ZERO),
        chain: target.chain,
        target: target.address,
        scope: target.scope,
        level,
        until,
        until_height,
        incident: order.incident,
        generation: gate.generation(),
        class,
        value_at_risk_micro_usd: order.value_at_risk,
        reasons: order.reasons.to_vec(),
    }
    .with_id()
}

/// Plans one target for one class.
pub(crate) fn step(want: &Want<'_>, order: &Order<'_>) -> Step {
    if want.is_covered() {
        return Step::Covered;
    }
    let action = action(want, order);
    if want.is_allowed() {
        return Step::Act(action);
    }
    let why = match want.mode() {
        Mode::Observe => "the target's mode is observe: watched and recorded only",
        Mode::Shadow => "the target's mode is shadow: decided and simulated only",
        Mode::Advise => "the target's mode is advise: proposed to people",
        Mode::Limit => "the target's mode is limit: it may tighten, not close",
        Mode::Hold | Mode::Halt => "the target's mode is hold: it may hold, not halt",
    };
    Step::Withhold(action, why)
}

/// The playbook that a target's mode still allows in place of a stronger one: the highest class at most as high
/// as the mode, among those that apply to the target.
pub(crate) fn weaker<'a>(
    playbooks: &'a [Playbook],
    target: &Target,
    mode: Mode,
    below: ActionClass,
) -> Option<&'a Playbook> {
    let most = allowed(mode);
    let fits = playbooks.iter().filter(|p| {
        p.class < below && p.class <= most && p.class > ActionClass::Notify && applies(p, target)
    });
    fits.max_by_key(|p| p.class)
}

/// True when a playbook covers a target.
pub(crate) fn applies(playbook: &Playbook, target: &Target) -> bool {
    playbook.targets.is_empty() || playbook.targets.contains(&target.id)
}

/// What is remembered of an action that was asked for.
pub(crate) fn asked(action: &Action, at_ms: u64) -> Asked {
    Asked {
        action: action.id,
        class: action.class,
        level: action.level,
        until: action.until,
        until_height: action.until_height,
        generation: action.generation,
        incident: action.incident,
        effective: false,
        stopped: false,
        failures: 0,
        at_ms,
        again_ms: None,
    }
}
