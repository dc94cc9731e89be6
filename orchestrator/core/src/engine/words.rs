//! Taking in what was found out, and what people say: verdicts, landings, gates, commands, configuration.

use portcullis_verifier::{ActionClass, ActionId, ClaimId, Level, Verdict as Truth};

use super::Engine;
use crate::{
    config::EngineConfig,
    detect::Fact,
    effect::{Cause, Effects},
    evidence::Standing,
    input::{Command, GateState, Outcome},
    names::BridgeNo,
    policy,
};

impl Engine {
    pub(super) fn proved(&mut self, claim: ClaimId, verdict: &Truth, effects: &mut Effects) {
        let floor = policy::refutation_floor(&self.config.playbooks);
        let Some(case) = self.book.answer(claim, verdict, &floor, self.now_ms) else { return };
        self.rearm = true;
        let incidents: Vec<_> =
            self.signals.on_event(&case.event).map(|(_, stored)| stored.incident).collect();
        match case.standing {
            Standing::Asked(_) => {}
            Standing::Undecided(_) => self.signals.changed.extend(incidents),
            Standing::Proven(assurance) => {
                for id in incidents {
                    if let Some(incident) = self.signals.incidents.get_mut(&id) {
                        incident.asked.remove(&claim);
                        incident.proven.retain(|(event, _)| *event != case.event);
                        incident.proven.push((case.event, assurance));
                        incident.better_proven = true;
                        self.signals.changed.insert(id);
                    }
                }
            }
            Standing::Refuted => {
                for id in incidents {
                    if let Some(incident) = self.signals.incidents.get_mut(&id) {
                        incident.asked.remove(&claim);
                    }
                }
                if let Some((bridge, seen)) = &case.seen {
                    self.retract(*bridge, seen, effects);
                }
                self.signals.clear_event(self.setting(), &case.event);
                if let Some(chain) = self.names.chain(&case.claim.chain()) {
                    let fact = Fact::Refuted { chain, event: case.event };
                    for bridge in self.bridges_on(chain) {
                        self.judge_other(bridge, &fact, None, effects);
                    }
                }
            }
        }
    }

    pub(super) fn landed(&mut self, action: ActionId, outcome: &Outcome) {
        let now_ms = self.now_ms;
        let mut all = self.gates.values_mut().flat_map(|gate| gate.asked.iter_mut());
        let Some(asked) = all.find(|asked| asked.action == action) else { return };
        match outcome {
            Outcome::Broadcast { .. } | Outcome::Landed { .. } | Outcome::Delayed { .. } => {}
            Outcome::Effective { verdict: Truth::Proven(_) } => {
                asked.effective = true;
                asked.failures = 0;
                asked.again_ms = None;
            }
            // Not known, or known not to be: the shell keeps trying the action that it has.
            Outcome::Effective { .. } | Outcome::Reorged => {
                asked.effective = false;
                self.rearm = true;
            }
            Outcome::Reverted { .. } => {
                asked.effective = false;
                asked.failures = asked.failures.saturating_add(1);
                asked.again_ms = Some(now_ms.saturating_add(super::timers::pause_ms(asked.failures)));
                self.rearm = true;
            }
            Outcome::Stopped { .. } => {
                asked.stopped = true;
                asked.again_ms = None;
            }
        }
    }

    pub(super) fn gate(&mut self, state: &GateState) {
        let Some(gate) = self.gates.get_mut(&state.target) else { return };
        let stale = gate.state.as_ref().is_some_and(|known| known.height > state.height);
        if stale {
            return;
        }
        for asked in gate.asked.iter_mut() {
            let took = state.level >= asked.level && state.until >= asked.until;
            asked.effective |= state.proven && took && state.generation == asked.generation;
        }
        gate.state = Some(state.clone());
    }

    pub(super) fn command(&mut self, command: &Command, effects: &mut Effects) {
        match command {
            Command::Contain { targets, level, by, reason } => {
                self.contain_by_hand(targets, *level, by, reason, effects);
            }
            Command::FalseAlarm { incident, by, reason } => {
                self.false_alarm(*incident, &format!("{by} reports a false alarm: {reason}"), effects);
            }
            Command::Stop { action, .. } => {
                let all = self.gates.values_mut().flat_map(|gate| gate.asked.iter_mut());
                for asked in all.filter(|asked| asked.action == *action) {
                    asked.again_ms = None;
                    asked.stopped = true;
                }
            }
            Command::SetMode { target, mode, by } => self.lower_mode(*target, *mode, by, effects),
            Command::Trust { target, mode, by, with, until_ms } => {
                self.trust(*target, *mode, (by, with), *until_ms, effects);
            }
            Command::Canary { target, scope, generation, by } => {
                self.start_canary(*target, *scope, *generation, by, effects);
            }
        }
    }

    pub(super) fn config_changed(&mut self, config: &EngineConfig, effects: &mut Effects) {
        if *config == self.config {
            return;
        }
        if let Err(error) = config.validate() {
            // The shell checks before it swaps; should it ever not, the configuration in force stays.
            let text = format!("a new configuration contradicts itself and is not used: {error}");
            for bridge in 0..BridgeNo::try_from(self.config.bridges.len()).unwrap_or(BridgeNo::MAX) {
                self.tell(bridge, Cause::AdminChange, ActionClass::Notify, None, text.clone(), effects);
            }
            return;
        }
        self.config = config.clone();
        self.configure();
        let clocks = &self.clocks;
        self.ledger.reconfigure(&self.names, |chain| clocks.view(chain), &mut self.changes);
        self.vaults.reprice(&self.names, None);
        self.judge_changes(effects);
        let all: Vec<_> = self.signals.incidents.keys().copied().collect();
        self.signals.changed.extend(all);
    }
}

/// How tight a person asked a gate to be, as a class.
pub(super) fn class_of(level: Level) -> ActionClass {
    match level {
        Level::Open => ActionClass::Notify,
        Level::Limited => ActionClass::Tighten,
        Level::Closed => ActionClass::Halt,
    }
}
