//! Checks of the ways of containing: what would fail tonight stands as a signal until it would not, and canaries are
//! closed through the real lane and timed.
//!
//! The results are inputs like any other, so a replay knows of the same failing ways at the same moments.

use borsh::{BorshDeserialize, BorshSerialize};
use portcullis_verifier::{Action, ActionClass, ActionId, B256, IncidentId, Level, Slug, codec::digest};

use super::Engine;
use crate::{
    effect::{Cause, Decision, Effect, Effects, Signal},
    input::{Check, CheckKind, Outcome},
    limits,
    signals::{SignalKey, Stored, Subject},
};

/// A canary that is under way.
#[derive(Debug, Clone, Copy, BorshSerialize, BorshDeserialize)]
pub(super) struct Canary {
    action: ActionId,
    since_ms: u64,
    /// By when it must be proven closed, shell time in milliseconds.
    pub(super) due_ms: u64,
}

/// The playbook's name that stands in a canary's decision; kill switches can name it.
const PLAYBOOK: &str = "canary";

impl Engine {
    /// A way of containing was checked: it fails, or it fails no more.
    pub(super) fn checked(&mut self, check: &Check, effects: &mut Effects) {
        let Some(target) = self.target(check.target).cloned() else { return };
        let Some(bridge) = self.names.bridge_no(&target.bridge) else { return };
        let cause = match check.kind {
            CheckKind::Rehearsal => Cause::DrillFailed,
            CheckKind::Canary => Cause::CanaryFailed,
            CheckKind::Gas => Cause::BudgetSpent,
        };
        let mut known = check.clone();
        known.failing.truncate(limits::DRILL_FINDINGS);
        let mut detail = format!("{}: {}", target.id, known.failing.join("; "));
        let key = SignalKey { cause, bridge, subject: Subject::Gate(target.id) };
        let passed = known.failing.is_empty();
        effects.list.push(Effect::Checked(known));
        if passed {
            self.signals.clear(self.setting(), &key);
            return;
        }
        let edge = detail.floor_char_boundary(limits::DETAIL_BYTES);
        detail.truncate(edge);
        let now = self.now_at(&target);
        let signal = Signal {
            cause,
            bridge: target.bridge,
            event: None,
            message: None,
            // It tells people; nothing is closed because closing would fail.
            class: ActionClass::Notify,
            value_micro_usd: 0,
            detail: detail.clone(),
        };
        let chain = self.names.chain(&target.chain).unwrap_or_default();
        let moment = (now.time, chain, now.height, 0);
        let stored = Stored { signal, moment, claim: None, seen: None, incident: IncidentId(B256::ZERO) };
        if self.signals.set(self.setting(), key, stored) {
            // Somebody has to come, although nothing is stolen yet: a gate that does not close is an open gate.
            self.tell(bridge, cause, ActionClass::Hold, None, detail, effects);
        }
    }

    /// Closes a scope that nobody asks.
    pub(super) fn start_canary(
        &mut self,
        name: Slug,
        scope: B256,
        generation: u32,
        by: &Slug,
        effects: &mut Effects,
    ) {
        let Some(target) = self.target(name).cloned() else { return };
        let under_way = self.canaries.get(&name).is_some_and(|canary| canary.due_ms > self.now_ms);
        // SECURITY: a canary closes nothing that a bridge asks.
        let real = self.config.targets.iter().any(|known| known.scope == scope);
        let Ok(playbook) = Slug::new(PLAYBOOK) else { return };
        if under_way || real || scope == B256::ZERO {
            return;
        }
        let now = self.now_at(&target);
        let secs = limits::CANARY_SECS.min(target.max_secs);
        let until = now.time.saturating_add(secs);
        let blocks = secs.div_ceil(target.block_secs.max(1));
        let incident = IncidentId(digest("portcullis.canary.v1", &(self.config.group, name, self.now_ms)));
        let reasons = vec![format!("{by} lets a canary of {name} be closed, to see that closing works")];
        let action = Action {
            id: ActionId(B256::ZERO),
            chain: target.chain,
            target: target.address,
            scope,
            level: Level::Closed,
            until,
            until_height: now.height.saturating_add(blocks),
            incident,
            generation,
            class: ActionClass::Hold,
            value_at_risk_micro_usd: 0,
            reasons: reasons.clone(),
        }
        .with_id();
        let due_ms = self.now_ms.saturating_add(limits::CANARY_WAIT_MS);
        self.canaries.insert(name, Canary { action: action.id, since_ms: self.now_ms, due_ms });
        self.rearm = true;
        effects.list.push(Effect::Contain(Decision {
            incident,
            class: ActionClass::Hold,
            playbook,
            actions: vec![action],
            withheld: Vec::new(),
            reasons,
        }));
    }

    /// What became of a canary's action.
    pub(super) fn canary_landed(&mut self, action: ActionId, outcome: &Outcome, effects: &mut Effects) {
        let found = self.canaries.iter().find(|(_, canary)| canary.action == action);
        let Some((target, since_ms)) = found.map(|(name, canary)| (*name, canary.since_ms)) else { return };
        let failing = match outcome {
            Outcome::Effective { verdict: portcullis_verifier::Verdict::Proven(_) } => Vec::new(),
            Outcome::Reverted { detail } => vec![format!("the canary failed on chain: {detail}")],
            Outcome::Stopped { detail } => vec![format!("the canary was stopped: {detail}")],
            _ => return,
        };
        self.canaries.remove(&target);
        let took_ms = self.now_ms.saturating_sub(since_ms);
        self.checked(&Check { target, kind: CheckKind::Canary, failing, took_ms }, effects);
    }

    /// Canaries that nobody proved closed in time.
    pub(super) fn canaries_time_out(&mut self, effects: &mut Effects) {
        let now_ms = self.now_ms;
        let late: Vec<Slug> = self
            .canaries
            .iter()
            .filter(|(_, canary)| canary.due_ms <= now_ms)
            .map(|(name, _)| *name)
            .collect();
        for target in late {
            self.canaries.remove(&target);
            let failing = vec![format!(
                "the canary was not proven closed within {} s: see its attempts and `portcullis drill`",
                limits::CANARY_WAIT_MS.checked_div(1_000).unwrap_or_default()
            )];
            let took_ms = limits::CANARY_WAIT_MS;
            self.checked(&Check { target, kind: CheckKind::Canary, failing, took_ms }, effects);
        }
    }
}
