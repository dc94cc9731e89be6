//! Waking up again: stalls, evidence that did not come, actions that failed.

use portcullis_verifier::{Action, IncidentId, Slug};

use super::Engine;
use crate::{
    config::Target,
    effect::{Decision, Effect, Effects},
    incident::Incident,
    limits,
    names::ChainNo,
    plan::{self, Asked, Gate, Order, Want},
};

/// Pause before trying again after so many failures, milliseconds; doubles, bounded.
pub(super) fn pause_ms(failures: u32) -> u64 {
    let doubled = limits::RETRY_FIRST_MS.checked_shl(failures.min(16)).unwrap_or(u64::MAX);
    doubled.min(limits::RETRY_LAST_MS)
}

impl Engine {
    /// The moment that the shell was asked to wake the engine at has come.
    pub(super) fn wake(&mut self, effects: &mut Effects) {
        self.armed_ms = None;
        self.rearm = true;
        let now_ms = self.now_ms;
        let stalled: Vec<ChainNo> = self
            .clocks
            .iter()
            .filter(|(_, clock)| clock.stalls_at_ms().is_some_and(|at| at <= now_ms))
            .map(|(chain, _)| chain)
            .collect();
        for chain in stalled {
            self.set_stalled(chain, effects);
        }
        for bridge in self.waits.keys().copied().collect::<Vec<_>>() {
            self.judge_waiting(bridge, effects);
        }
        for case in self.book.again(now_ms) {
            // A claim that no incident needs any more is not put again.
            let needed = self.signals.on_event(&case.event).next().is_some();
            if needed {
                let (claim, incident, value_micro_usd) = (case.claim, case.incident, case.value);
                effects.list.push(Effect::RequestEvidence { claim, incident, value_micro_usd });
            } else {
                self.book.drop_event(&case.event);
            }
        }
        self.ask_gates_again(effects);
        self.trust_runs_out(effects);
        self.canaries_time_out(effects);
        self.look_at_held_back();
        // Whatever waited for evidence may now have waited long enough.
        let due = self.signals.incidents.values().filter(|i| i.waits_until_ms.is_some_and(|at| at <= now_ms));
        let due: Vec<IncidentId> = due.map(|incident| incident.id).collect();
        self.signals.changed.extend(due);
    }

    /// The shell was away: silence so far says nothing of the chains, and what waits for a source waits anew.
    pub(super) fn listen_again(&mut self) {
        self.clocks.listen_from(self.now_ms);
        for since_ms in self.waits.values_mut() {
            *since_ms = self.now_ms;
        }
        self.rearm = true;
    }

    /// Actions that failed on chain are asked for again, and those that did not take effect in the first half of
    /// their time are asked for anew, as long as their closure is still wanted.
    fn ask_gates_again(&mut self, effects: &mut Effects) {
        for (name, asked) in self.gates_due() {
            let Some(target) = self.target(name).cloned() else { continue };
            if let Some(decision) = self.ask_again(&target, asked) {
                effects.list.push(Effect::Contain(decision));
            }
        }
    }

    /// What has to be asked again now, in the order of the targets; nothing, nearly always.
    fn gates_due(&self) -> Vec<(Slug, Asked)> {
        let is_due = |at: Option<u64>| at.is_some_and(|at| at <= self.now_ms);
        let targets = self.config.targets.iter();
        let gates = targets.filter_map(|target| Some((target, self.gates.get(&target.id)?)));
        let asked =
            gates.flat_map(|(target, gate)| gate.asked.iter().map(move |asked| (target, gate, asked)));
        let due = asked.filter(|(target, gate, asked)| {
            is_due(asked.again_ms) || is_due(self.extension_due_ms(target, gate, asked))
        });
        due.map(|(target, _, asked)| (target.id, *asked)).collect()
    }

    fn ask_again(&mut self, target: &Target, asked: Asked) -> Option<Decision> {
        let gate = self.gates.get(&target.id)?;
        let action = self.extension(target, gate, &asked);
        let gate = self.gates.get_mut(&target.id)?;
        let Some(action) = action else {
            gate.asked.put(Asked { again_ms: None, ..asked });
            return None;
        };
        gate.asked.put(Asked { failures: asked.failures, ..plan::asked(&action, self.now_ms) });
        self.spent.note(self.now_ms, 1);
        let class = action.class;
        let playbook = self.config.playbooks.iter().find(|p| p.class == class).map_or(target.id, |p| p.id);
        Some(Decision {
            incident: action.incident,
            class,
            playbook,
            reasons: action.reasons.clone(),
            actions: vec![action],
            withheld: Vec::new(),
        })
    }

    /// When a closure that is not known to be in effect is asked for anew, shell time in milliseconds: with half of
    /// it left, so that what lands late still lasts. None where it took effect, or nobody wants it any more.
    fn extension_due_ms(&self, target: &Target, gate: &Gate, asked: &Asked) -> Option<u64> {
        let full = self.closure_secs(target, asked);
        // At the end of all time, or for closures of no length, there is nothing later to ask.
        let never = full < 2 || asked.until > u64::MAX.saturating_sub(full);
        if never || asked.effective || asked.stopped || asked.generation != gate.generation() {
            return None;
        }
        let from = asked.until.saturating_sub(full.checked_div(2)?);
        let holds = gate.state.as_ref().is_some_and(|s| s.level >= asked.level && s.until > from);
        // What a person trusts automation with now binds what is new, not what is under way.
        let wanted = self.wanted_by(asked)?;
        let trusted = asked.class <= plan::allowed(self.mode_of(target)) || wanted.is_manual();
        if holds || !trusted {
            return None;
        }
        let left_ms = from.saturating_sub(self.now_at(target).time).saturating_mul(1_000);
        let paced = asked.at_ms.saturating_add(limits::EXTEND_PACE_MS);
        Some(self.now_ms.saturating_add(left_ms).max(paced))
    }

    /// The incident that still wants what was asked: the one on whose behalf it was or, where that was joined with
    /// another, any that is current and went as far.
    fn wanted_by(&self, asked: &Asked) -> Option<&Incident> {
        let supported = |i: &&Incident| !i.dismissed && !i.keys.is_empty();
        match self.signals.incidents.get(&asked.incident) {
            Some(own) => Some(own).filter(supported),
            None => self.signals.incidents.values().filter(supported).find(|other| {
                other.acted.is_some_and(|acted| acted >= asked.class) && self.is_current(other)
            }),
        }
    }

    /// How long a closure is asked for, in seconds.
    fn closure_secs(&self, target: &Target, asked: &Asked) -> u64 {
        let playbook = self.config.playbooks.iter().find(|p| p.class == asked.class);
        playbook.map_or(u64::MAX, |p| p.expiry_secs).min(target.max_secs)
    }

    /// The closure that a gate was asked for, once more; none where it is not wanted or is known to hold.
    ///
    /// SECURITY: it lasts at least half of a closure's length from now on, and never less than what was asked before:
    /// a trip whose time is over closes nothing.
    fn extension(&self, target: &Target, gate: &Gate, asked: &Asked) -> Option<Action> {
        // SECURITY: what people released meanwhile is not closed again by an old decision.
        if asked.stopped || asked.generation != gate.generation() {
            return None;
        }
        let incident = self.wanted_by(asked)?.id;
        let (now, full) = (self.now_at(target), self.closure_secs(target, asked));
        let left = asked.until.saturating_sub(now.time);
        let expiry_secs = if left > full.checked_div(2)? { left } else { full };
        let reasons = [if asked.failures > 0 {
            format!("the last attempt failed on chain {} times in a row", asked.failures)
        } else {
            String::from("the closure is not known to be in effect, and half of its time is over")
        }];
        let known = Gate { state: gate.state.clone(), ..Gate::default() };
        // Its mode allowed it when it was asked for.
        let (class, bound_by_mode) = (asked.class, false);
        let want = |gate| Want { target, gate, class, expiry_secs, now, bound_by_mode };
        if want(&known).is_covered() {
            return None;
        }
        let order = Order { incident, value_at_risk: self.at_risk(target, 0), reasons: &reasons };
        Some(plan::action(&want(gate), &order))
    }

    /// Gives the shell the next deadline, when it is earlier than the one it has.
    pub(super) fn arm(&mut self, effects: &mut Effects) {
        self.rearm = false;
        let stall = self.clocks.iter().filter_map(|(_, clock)| clock.stalls_at_ms()).min();
        let wait = self.signals.incidents.values().filter_map(|incident| incident.waits_until_ms).min();
        let of_gates = self.gates.values().flat_map(|gate| {
            let again = gate.asked.iter().filter_map(|asked| asked.again_ms);
            again.chain(gate.held_back_ms).chain(gate.trust.map(|(_, until_ms)| until_ms))
        });
        let again = of_gates.chain(self.canaries.values().map(|canary| canary.due_ms)).min();
        let gates =
            self.config.targets.iter().filter_map(|target| Some((target, self.gates.get(&target.id)?)));
        let extend = gates.filter_map(|(target, gate)| {
            gate.asked.iter().filter_map(|asked| self.extension_due_ms(target, gate, asked)).min()
        });
        let extend = extend.min();
        let value = self.waits.keys().filter_map(|bridge| self.waiting_due_ms(*bridge));
        let value = value.filter(|due| *due > self.now_ms).min();
        let next = [stall, wait, again, extend, value, self.book.next_ms()].into_iter().flatten().min();
        // What is due already is due now: a deadline in the past would look like one that was met late.
        let Some(next) = next.map(|next| next.max(self.now_ms)) else { return };
        if self.armed_ms.is_none_or(|armed| next < armed) {
            self.armed_ms = Some(next);
            effects.list.push(Effect::Deadline { at_ms: next });
        }
    }
}
