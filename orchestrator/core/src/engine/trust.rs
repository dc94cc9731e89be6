//! How far automation may go: lowered at once by anybody, raised by two people for a time, lowered by a false alarm;
//! and what the hour's budget holds back.

use std::collections::BTreeSet;

use portcullis_verifier::{ActionClass, IncidentId, Slug};

use super::{Engine, decide::BUDGET_SPENT};
use crate::{
    config::{Mode, Target},
    effect::{Cause, Effect, Effects, ModeChange, Withheld},
    limits,
    plan::Want,
};

impl Engine {
    /// A person lowers the mode. Trust that was lent ends with it.
    pub(super) fn lower_mode(&mut self, target: Slug, mode: Mode, by: &Slug, effects: &mut Effects) {
        let Some(now) = self.mode_at(target) else { return };
        // SECURITY: one person can take trust away and never lend it.
        if mode > now {
            return self.refuse(target, format!("{by} alone cannot raise the mode of {target}"), effects);
        }
        if let Some(gate) = self.gates.get_mut(&target) {
            gate.trust = None;
        }
        self.set_mode(target, mode, None, format!("lowered by {by}"), effects);
    }

    /// Two people raise the mode until a moment.
    pub(super) fn trust(
        &mut self,
        target: Slug,
        mode: Mode,
        (by, with): (&Slug, &Slug),
        until_ms: u64,
        effects: &mut Effects,
    ) {
        let Some(now) = self.mode_at(target) else { return };
        // SECURITY: loosening needs two people and ends by itself.
        let why_not = if by == with {
            Some("needs a second person")
        } else if until_ms <= self.now_ms || until_ms.saturating_sub(self.now_ms) > limits::TRUST_MS {
            Some("needs an end within a quarter of a year")
        } else if mode <= now {
            Some("raises nothing: to lower it one person suffices")
        } else {
            None
        };
        if let Some(why_not) = why_not {
            let text = format!("trust in {target} up to {mode:?}, asked by {by} with {with}, {why_not}");
            return self.refuse(target, text, effects);
        }
        if let Some(gate) = self.gates.get_mut(&target) {
            // Lent upon what was lent, it falls back to where the first began.
            let before = gate.trust.map_or(now, |(before, _)| before);
            gate.trust = Some((before, until_ms));
        }
        self.set_mode(target, mode, Some(until_ms), format!("raised by {by} with {with}"), effects);
        // What a lower mode held back may be due now.
        self.look_again();
    }

    /// A person judged an incident to be nothing: trust in automation sinks by a step at the gates that it closed.
    /// No gate opens because of it.
    pub(super) fn false_alarm(&mut self, id: IncidentId, why: &str, effects: &mut Effects) {
        let Some(incident) = self.signals.incidents.get_mut(&id) else { return };
        if core::mem::replace(&mut incident.dismissed, true) {
            return;
        }
        let touched: BTreeSet<Slug> = self
            .gates
            .iter()
            .filter(|(_, gate)| gate.asked.iter().any(|asked| asked.incident == id))
            .map(|(name, _)| *name)
            .collect();
        for target in touched {
            let Some(now) = self.mode_at(target) else { continue };
            let lower = match now {
                Mode::Halt => Mode::Hold,
                Mode::Hold => Mode::Limit,
                Mode::Limit => Mode::Advise,
                other => other,
            };
            if let Some(gate) = self.gates.get_mut(&target) {
                gate.asked.iter_mut().filter(|asked| asked.incident == id).for_each(|a| a.again_ms = None);
            }
            self.set_mode(target, lower, None, why.to_owned(), effects);
        }
    }

    /// Lent trust that ran out falls back, and never to more than what is left of it.
    pub(super) fn trust_runs_out(&mut self, effects: &mut Effects) {
        let now_ms = self.now_ms;
        let over = |until_ms: u64| until_ms <= now_ms;
        let ended: Vec<(Slug, Mode)> = self
            .gates
            .iter()
            .filter_map(|(name, gate)| gate.trust.filter(|(_, until)| over(*until)).map(|(m, _)| (*name, m)))
            .collect();
        for (target, before) in ended {
            if let Some(gate) = self.gates.get_mut(&target) {
                gate.trust = None;
            }
            let now = self.mode_at(target).unwrap_or(before);
            self.set_mode(
                target,
                now.min(before),
                None,
                "the trust that was lent ran out".to_owned(),
                effects,
            );
        }
    }

    fn mode_at(&self, target: Slug) -> Option<Mode> {
        self.config.targets.iter().find(|known| known.id == target).map(|target| self.mode_of(target))
    }

    fn set_mode(
        &mut self,
        target: Slug,
        mode: Mode,
        until_ms: Option<u64>,
        why: String,
        effects: &mut Effects,
    ) {
        let before = self.mode_at(target);
        let Some(gate) = self.gates.get_mut(&target) else { return };
        gate.mode = Some(mode);
        gate.proposed = None;
        self.rearm = true;
        if before != Some(mode) || until_ms.is_some() {
            effects.list.push(Effect::Mode(ModeChange { target, mode, until_ms, why }));
        }
    }

    fn refuse(&mut self, target: Slug, text: String, effects: &mut Effects) {
        if let Some(bridge) = self.bridge_of(target) {
            self.tell(bridge, Cause::Manual, ActionClass::Notify, None, text, effects);
        }
    }

    pub(super) fn target(&self, name: Slug) -> Option<&Target> {
        self.config.targets.iter().find(|target| target.id == name)
    }

    pub(super) fn bridge_of(&self, target: Slug) -> Option<crate::names::BridgeNo> {
        self.names.bridge_no(&self.target(target)?.bridge)
    }

    /// Every incident that was acted on is decided anew.
    fn look_again(&mut self) {
        for (id, incident) in &mut self.signals.incidents {
            incident.fresh |= incident.acted.is_some();
            self.signals.changed.insert(*id);
        }
    }

    /// True while the budget withholds what is wanted: said once, not at every signal.
    pub(super) fn is_held_back(&self, want: &Want<'_>) -> bool {
        want.gate.held_back_ms.is_some_and(|until| until > self.now_ms) && !want.is_first()
    }

    /// Remembers what the budget withheld, until it is free again or the closure runs out, and tells people.
    pub(super) fn hold_back(&mut self, withheld: &[Withheld], effects: &mut Effects) {
        let per_hour = self.config.rules.actions_per_hour;
        let free_ms = self.spent.free_at_ms(self.now_ms, per_hour);
        for held in withheld.iter().filter(|held| held.reason == BUDGET_SPENT) {
            let Some(gate) = self.gates.get_mut(&held.target) else { continue };
            let asked = gate.asked.iter().map(|asked| asked.until).max().unwrap_or(0);
            let known = gate.state.as_ref().map_or(0, |state| state.until);
            let ends_ms = asked.max(known).saturating_mul(1_000);
            let until_ms = free_ms.min(ends_ms).max(self.now_ms.saturating_add(limits::HELD_BACK_MS));
            gate.held_back_ms = Some(until_ms);
            self.rearm = true;
            let Some(bridge) = self.bridge_of(held.target) else { continue };
            let text = format!("{}: {per_hour} actions an hour; {BUDGET_SPENT}", held.target);
            self.tell(bridge, Cause::BudgetSpent, ActionClass::Hold, None, text, effects);
        }
    }

    /// What was held back is decided anew once the budget is free or the closure has run out.
    pub(super) fn look_at_held_back(&mut self) {
        let now_ms = self.now_ms;
        let mut due = false;
        for gate in self.gates.values_mut().filter(|gate| gate.held_back_ms.is_some_and(|at| at <= now_ms)) {
            gate.held_back_ms = None;
            due = true;
        }
        if due {
            self.look_again();
        }
    }
}
