//! Deciding: what the shell is told of incidents, what is asked to be proven, what is asked of gates.

use portcullis_verifier::{Action, ActionClass, B256, IncidentId, Level, Slug};

use super::{Engine, words::class_of};
use crate::{
    clocks::Clocks,
    config::{Playbook, Target},
    effect::{Cause, Decision, Effect, Effects, IncidentChange, Signal, Withheld},
    evidence::Standing,
    incident::Incident,
    limits,
    money::usd,
    names::Names,
    plan::{self, Now, Order, Step, Want},
    policy::{self, Choice},
    signals::{Moment, SignalKey, Stored, Subject},
};

/// Why an extension is withheld.
pub(super) const BUDGET_SPENT: &str = "the hour's budget of actions is used up; the gate stays closed until its time \
                                       runs out, and is then closed again whatever was spent";

impl Engine {
    /// Goes through every incident that changed, in the order of their ids.
    pub(super) fn decide(&mut self, effects: &mut Effects) {
        let changed = core::mem::take(&mut self.signals.changed);
        for id in &changed {
            self.report(*id, effects);
        }
        for id in changed {
            self.ask_for_proof(id, effects);
            self.act(id, effects);
            self.forget_empty(id);
        }
        self.rearm = true;
    }

    /// Tells the shell how an incident stands, when that is news.
    fn report(&mut self, id: IncidentId, effects: &mut Effects) {
        let Some(incident) = self.signals.incidents.get(&id) else { return };
        let Some(news) = incident.news() else { return };
        let first = incident.told.as_ref().is_none_or(|told| told.count == 0);
        let (gone, change) = (news.count == 0, self.change_of(incident));
        if let Some(incident) = self.signals.incidents.get_mut(&id) {
            incident.told = Some(news);
            incident.better_proven = false;
        }
        effects.list.push(match (gone, first) {
            (true, _) => Effect::Retract(change),
            (false, true) => Effect::Open(change),
            (false, false) => Effect::Upgrade(change),
        });
    }

    fn change_of(&self, incident: &Incident) -> IncidentChange {
        let signals = incident.keys.iter().filter_map(|(_, key)| self.signals.get(key));
        let signals: Vec<Signal> =
            signals.take(limits::SIGNALS_PER_CHANGE).map(|s| s.signal.clone()).collect();
        IncidentChange {
            incident: incident.id,
            class: incident.class().unwrap_or(ActionClass::Notify),
            signals,
            value_micro_usd: self.signals.value(incident),
        }
    }

    /// Nothing supports it and nobody has to remember it.
    fn forget_empty(&mut self, id: IncidentId) {
        if self.signals.incidents.get(&id).is_some_and(|i| i.keys.is_empty() && !i.dismissed) {
            self.signals.incidents.remove(&id);
        }
    }

    /// Puts claims for the worst and oldest signals until one proof carries what could be done.
    pub(super) fn ask_for_proof(&mut self, id: IncidentId, effects: &mut Effects) {
        loop {
            let Some(incident) = self.signals.incidents.get(&id) else { return };
            let worth = incident.class().is_some_and(|class| class > ActionClass::Notify);
            if !worth
                || !self.is_current(incident)
                || policy::satisfied(&self.signals, incident, &self.config.playbooks)
            {
                return;
            }
            let standing = |id| self.book.get(id).map(|case| case.standing);
            let in_flight =
                incident.asked.iter().filter(|id| matches!(standing(id), Some(Standing::Asked(_)))).count();
            if in_flight >= limits::PROOFS_IN_FLIGHT || incident.asked.len() >= limits::PROOFS_OPEN {
                return;
            }
            let Some(next) = incident.unasked.first().copied() else { return };
            let key = next.2;
            let stored = self.signals.get(&key).cloned();
            if let Some(incident) = self.signals.incidents.get_mut(&id) {
                incident.unasked.remove(&next);
            }
            if let Some(stored) = stored {
                self.put_claim(id, stored, effects);
            }
        }
    }

    fn put_claim(&mut self, id: IncidentId, stored: Stored, effects: &mut Effects) {
        let (Some(event), Some(claim)) = (stored.signal.event, stored.claim) else { return };
        let value = stored.signal.value_micro_usd;
        // Another incident, or another signal of this one, may have asked about the event already.
        if let Some((claim_id, case)) = self.book.of_event(&event.0) {
            let standing = case.standing;
            if let Some(incident) = self.signals.incidents.get_mut(&id) {
                match standing {
                    Standing::Proven(assurance) => {
                        if !incident.proven.iter().any(|(known, _)| *known == event.0) {
                            incident.proven.push((event.0, assurance));
                        }
                    }
                    Standing::Asked(_) | Standing::Undecided(_) => {
                        incident.asked.insert(claim_id);
                    }
                    Standing::Refuted => {}
                }
            }
            return;
        }
        let asked = self.book.ask(claim.clone(), event.0, id, value, stored.seen, self.now_ms);
        if let Some(claim_id) = asked {
            if let Some(incident) = self.signals.incidents.get_mut(&id) {
                incident.asked.insert(claim_id);
            }
            effects.list.push(Effect::RequestEvidence { claim, incident: id, value_micro_usd: value });
        }
    }

    /// True when acting for an incident can still stop something. A catch-up through old blocks, a raised mode or a
    /// new playbook must not close gates for what happened long ago; nor for what a person judged to be nothing.
    ///
    /// SECURITY: how far a signal's own chain has come, by its operators, says whether it is history. The machine's
    /// clock may only object: set days ahead, it would otherwise make history of an attack at the head. Alone it speaks
    /// only until a chain's operators are heard for the first time, and whatever it silenced is then decided anew.
    pub(super) fn is_current(&self, incident: &Incident) -> bool {
        let now_secs = self.now_ms.checked_div(1_000).unwrap_or(0);
        let quiet_secs = self.config.rules.quiet_secs;
        let quiet_over = |moment: &Moment| moment.0.saturating_add(quiet_secs);
        // What is older than every chain's head and the clock is history, and so is all before it.
        let heads = self.clocks.iter().filter_map(|(_, clock)| clock.head_time);
        let oldest = heads.fold(now_secs, u64::min);
        let moments = incident.keys.iter().rev().map(|(moment, _)| moment);
        let mut near = moments.take_while(|moment| quiet_over(moment) >= oldest);
        !incident.dismissed
            && near.any(|moment| {
                let over = quiet_over(moment);
                over >= now_secs || self.clocks.get(moment.1).head_time.is_some_and(|head| over >= head)
            })
    }

    /// Runs the playbook that may be run, if there is anything new to do.
    pub(super) fn act(&mut self, id: IncidentId, effects: &mut Effects) {
        let Some(incident) = self.signals.incidents.get(&id) else { return };
        if !self.is_current(incident) {
            return;
        }
        let wait_ms = self.config.rules.evidence_wait_ms;
        let choice = policy::choose(&self.signals, incident, &self.config.playbooks, wait_ms, self.now_ms);
        let waits_until_ms = if let Choice::Wait(until) = choice { Some(until) } else { None };
        let playbook = if let Choice::Run(playbook) = choice { Some(playbook.clone()) } else { None };
        if let Some(incident) = self.signals.incidents.get_mut(&id) {
            incident.waits_until_ms = waits_until_ms;
        }
        let (Some(playbook), Some(incident)) = (playbook, self.signals.incidents.get(&id)) else { return };
        let rises = incident.acted.is_none_or(|acted| playbook.class > acted);
        if !(rises || incident.fresh) {
            return;
        }
        if let Some(incident) = self.signals.incidents.get_mut(&id) {
            incident.fresh = false;
            incident.acted = incident.acted.max(Some(playbook.class));
        }
        self.run_playbook(id, &playbook, effects);
    }

    /// What a playbook wants of every target that it covers. Where a target's mode allows less, the strongest
    /// playbook that it does allow is wanted beside it, and runs out and is renewed on its own.
    fn wants(&self, playbook: &Playbook) -> Vec<Want<'_>> {
        let mut wants = Vec::new();
        for target in self.config.targets.iter().filter(|target| plan::applies(playbook, target)) {
            let Some(gate) = self.gates.get(&target.id) else { continue };
            let (now, mode) = (self.now_at(target), self.mode_of(target));
            let want =
                |class, expiry_secs| Want { target, gate, class, expiry_secs, now, bound_by_mode: true };
            wants.push(want(playbook.class, playbook.expiry_secs));
            if playbook.class > plan::allowed(mode)
                && let Some(weaker) = plan::weaker(&self.config.playbooks, target, mode, playbook.class)
            {
                wants.push(want(weaker.class, weaker.expiry_secs));
            }
        }
        wants
    }

    fn reasons(&self, incident: &Incident, playbook: &Playbook) -> Vec<String> {
        let mut reasons = Vec::with_capacity(limits::REASONS);
        let keys = incident.keys.iter().filter_map(|(_, key)| self.signals.get(key));
        let worst = keys.filter(|s| s.signal.class >= playbook.class);
        for stored in worst.take(limits::REASONS.saturating_sub(3)) {
            reasons.push(format!("{:?}: {}", stored.signal.cause, stored.signal.detail));
        }
        let value = usd(self.signals.value(incident));
        reasons.push(format!("{} signals worth {value} support it", incident.keys.len()));
        reasons.push(policy::proof_words(incident, &playbook.needs));
        reasons.push(format!("playbook {} allows {:?} for this", playbook.id, playbook.class));
        reasons
    }

    fn run_playbook(&mut self, id: IncidentId, playbook: &Playbook, effects: &mut Effects) {
        let per_hour = self.config.rules.actions_per_hour;
        let mut left = self.spent.left(self.now_ms, per_hour);
        let wants = self.wants(playbook);
        // The thousandth signal of an attack wants what the first one got: nothing more is worked out for it.
        if wants.iter().all(|want| want.is_covered() || self.is_held_back(want)) {
            return;
        }
        let Some(incident) = self.signals.incidents.get(&id) else { return };
        let reasons = self.reasons(incident, playbook);
        let value = self.signals.value(incident);
        let (mut actions, mut withheld) = (Vec::new(), Vec::new());
        for want in wants.iter().filter(|want| !self.is_held_back(want)) {
            let value_at_risk = self.at_risk(want.target, value);
            match plan::step(want, &Order { incident: id, value_at_risk, reasons: &reasons }) {
                Step::Covered => {}
                // SECURITY: what closes an open gate is never withheld, whatever was spent.
                Step::Act(action) if left == 0 && !want.is_first() => {
                    let reason = BUDGET_SPENT.to_owned();
                    withheld.push(Withheld { action, target: want.target.id, reason });
                }
                Step::Act(action) => {
                    left = left.saturating_sub(1);
                    actions.push((want.target.id, action));
                }
                Step::Withhold(action, why) => {
                    withheld.push(Withheld { action, target: want.target.id, reason: why.to_owned() });
                }
            }
        }
        self.decided(id, playbook.class, playbook.id, actions, withheld, reasons, effects);
    }

    #[expect(clippy::too_many_arguments, reason = "a decision has so many parts")]
    fn decided(
        &mut self,
        incident: IncidentId,
        class: ActionClass,
        playbook: Slug,
        actions: Vec<(Slug, Action)>,
        withheld: Vec<Withheld>,
        reasons: Vec<String>,
        effects: &mut Effects,
    ) {
        if actions.is_empty() && withheld.is_empty() {
            return;
        }
        for (target, action) in &actions {
            if let Some(gate) = self.gates.get_mut(target) {
                gate.asked.put(plan::asked(action, self.now_ms));
                gate.held_back_ms = None;
            }
        }
        self.spent.note(self.now_ms, actions.len());
        self.hold_back(&withheld, effects);
        for held in withheld.iter().filter(|held| held.reason != BUDGET_SPENT) {
            if let Some(gate) = self.gates.get_mut(&held.target) {
                gate.proposed = Some(plan::asked(&held.action, self.now_ms));
            }
        }
        let actions = actions.into_iter().map(|(_, action)| action).collect();
        effects.list.push(Effect::Contain(Decision {
            incident,
            class,
            playbook,
            actions,
            withheld,
            reasons,
        }));
    }

    pub(super) fn now_at(&self, target: &Target) -> Now {
        now_at(&self.names, &self.clocks, target, self.now_ms)
    }

    /// What stands behind a gate: all that its bridge holds, on whichever chain, and what was already lost.
    pub(super) fn at_risk(&self, target: &Target, lost: u64) -> u64 {
        let bridge = self.names.bridge_no(&target.bridge);
        bridge.map_or(0, |bridge| self.vaults.total(bridge)).max(lost)
    }

    /// A person closes gates. Modes bind automation, not people.
    pub(super) fn contain_by_hand(
        &mut self,
        targets: &[Slug],
        level: Level,
        by: &Slug,
        reason: &str,
        effects: &mut Effects,
    ) {
        let class = class_of(level);
        let chosen: Vec<Target> = self
            .config
            .targets
            .iter()
            .filter(|target| targets.is_empty() || targets.contains(&target.id))
            .cloned()
            .collect();
        let Some(first) = chosen.first() else { return };
        let Some(bridge) = self.names.bridge_no(&first.bridge) else { return };
        let detail = format!("{by} asked for {level:?}: {reason}");
        if level == Level::Open {
            // SECURITY: nothing here opens a gate, so there is nothing to send; the asking is told, not lost.
            let text = format!("{detail}; not done: release is another program's, with another key");
            return self.tell(bridge, Cause::Manual, class, None, text, effects);
        }
        let now = self.now_at(first);
        let key = SignalKey { cause: Cause::Manual, bridge, subject: Subject::Bridge };
        let signal = Signal {
            cause: Cause::Manual,
            bridge: first.bridge,
            event: None,
            message: None,
            class,
            value_micro_usd: 0,
            detail: detail.clone(),
        };
        let chain = self.names.chain(&first.chain).unwrap_or_default();
        let moment = (now.time, chain, now.height, 0);
        let stored = Stored { signal, moment, claim: None, seen: None, incident: IncidentId(B256::ZERO) };
        self.signals.set(self.setting(), key, stored);
        let Some(id) = self.signals.get(&key).map(|stored| stored.incident) else { return };
        if let Some(incident) = self.signals.incidents.get_mut(&id) {
            // What a person commands is done here and now; the playbooks have nothing to add to it.
            incident.fresh = false;
            incident.acted = incident.acted.max(Some(class));
        }
        let same = self.config.playbooks.iter().filter(|p| p.class <= class).max_by_key(|p| p.class);
        let (playbook, expiry) = same.map_or((*by, u64::MAX), |p| (p.id, p.expiry_secs));
        let reasons = [detail];
        let mut actions = Vec::new();
        for target in &chosen {
            let order = Order { incident: id, value_at_risk: self.at_risk(target, 0), reasons: &reasons };
            let Some(gate) = self.gates.get(&target.id) else { continue };
            let now = self.now_at(target);
            let want = Want { target, gate, class, expiry_secs: expiry, now, bound_by_mode: false };
            if let Step::Act(action) = plan::step(&want, &order) {
                actions.push((target.id, action));
            }
        }
        self.decided(id, class, playbook, actions, Vec::new(), reasons.to_vec(), effects);
    }
}

/// The moment on a target's chain. While old blocks are caught up with, or after a chain stood still, its last
/// block's time is long past; the shell's clock then says better what the next block will say, and a closure
/// reckoned from the old time could be over before it lands.
pub(super) fn now_at(names: &Names, clocks: &Clocks, target: &Target, now_ms: u64) -> Now {
    let of_target = clocks.iter().find(|(no, _)| names.chain_id(*no) == Some(target.chain));
    let clock = of_target.map(|(_, clock)| *clock).unwrap_or_default();
    let shell_secs = now_ms.checked_div(1_000).unwrap_or(0);
    Now { time: clock.now(now_ms).max(shell_secs), height: clock.height() }
}
