//! Waking up again: stalls, evidence that did not come, actions that failed.

use portcullis_verifier::IncidentId;

use super::Engine;
use crate::{
    effect::{Decision, Effect, Effects},
    limits,
    names::ChainNo,
    plan::{self, Asked, Gate, Order, Step, Want},
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

    /// Actions that failed on chain are asked for again, as long as their closure is still wanted.
    fn ask_gates_again(&mut self, effects: &mut Effects) {
        let now_ms = self.now_ms;
        for target in &self.config.targets {
            let value_at_risk = self.at_risk(target, 0);
            let Some(gate) = self.gates.get_mut(&target.id) else { continue };
            if gate.again_ms.is_none_or(|at| at > now_ms) {
                continue;
            }
            gate.again_ms = None;
            let Some(failed) = gate.asked else { continue };
            let now = crate::engine::decide::now_at(&self.names, &self.clocks, target, now_ms);
            let wanted = self
                .signals
                .incidents
                .get(&failed.incident)
                .is_some_and(|i| !i.dismissed && !i.keys.is_empty());
            if failed.stopped || !wanted || failed.until <= now.time {
                continue;
            }
            let reasons = [format!("the last attempt failed on chain {} times in a row", failed.failures)];
            let order = Order { incident: failed.incident, value_at_risk, reasons: &reasons };
            let fresh = Gate { asked: None, state: gate.state.clone(), ..Gate::default() };
            let left = failed.until.saturating_sub(now.time);
            // Its mode allowed it when it was asked for.
            let want = Want {
                target,
                gate: &fresh,
                class: failed.class,
                expiry_secs: left,
                now,
                bound_by_mode: false,
            };
            let Step::Act(action) = plan::step(&want, &order) else { continue };
            gate.asked = Some(Asked { failures: failed.failures, ..plan::asked(&action) });
            self.spent.note(now_ms, 1);
            let playbook =
                self.config.playbooks.iter().find(|p| p.class == failed.class).map_or(target.id, |p| p.id);
            effects.list.push(Effect::Contain(Decision {
                incident: failed.incident,
                class: failed.class,
                playbook,
                actions: vec![action],
                withheld: Vec::new(),
                reasons: reasons.to_vec(),
            }));
        }
    }

    /// Gives the shell the next deadline, when it is earlier than the one it has.
    pub(super) fn arm(&mut self, effects: &mut Effects) {
        self.rearm = false;
        let stall = self.clocks.iter().filter_map(|(_, clock)| clock.stalls_at_ms()).min();
        let wait = self.signals.incidents.values().filter_map(|incident| incident.waits_until_ms).min();
        let of_gates = self
            .gates
            .values()
            .flat_map(|gate| [gate.again_ms, gate.held_back_ms, gate.trust.map(|(_, until_ms)| until_ms)]);
        let again = of_gates.flatten().chain(self.canaries.values().map(|canary| canary.due_ms)).min();
        let value = self.waits.keys().filter_map(|bridge| self.waiting_due_ms(*bridge));
        let value = value.filter(|due| *due > self.now_ms).min();
        let next = [stall, wait, again, value, self.book.next_ms()].into_iter().flatten().min();
        let Some(next) = next else { return };
        if self.armed_ms.is_none_or(|armed| next < armed) {
            self.armed_ms = Some(next);
            effects.list.push(Effect::Deadline { at_ms: next });
        }
    }
}
