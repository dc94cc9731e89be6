//! From facts to signals: every fact goes past every detector, in the order of their one list.

use portcullis_verifier::{
    ActionClass, B256, BlockRef, BridgeId, Claim, EventId, IncidentId, MessageKey, Observation,
};

use super::Engine;
use crate::{
    detect::{self, Card, Fact, Finding, World, cause_of, detectors},
    effect::{Cause, Effect, Effects, Notice, Signal},
    ledger::{Change, Live, Seen, Verdict},
    limits,
    names::{BridgeNo, ChainNo, Reach},
    signals::{Moment, SignalKey, Stored, Subject},
    vault::Outflow,
};

/// What a finding is about: where it stands and how it could be proven.
struct Place {
    bridge: BridgeNo,
    subject: Subject,
    moment: Moment,
    event: Option<B256>,
    claim: Option<Claim>,
    seen: Option<(BridgeNo, Seen)>,
}

impl Engine {
    /// Takes the verdicts that changed in the ledger to the detectors.
    pub(super) fn judge_changes(&mut self, effects: &mut Effects) {
        if self.changes.is_empty() {
            return;
        }
        let changes = core::mem::take(&mut self.changes);
        let mut waits = Vec::new();
        for change in &changes {
            let Some(bridge) = self.names.route_at(change.route).map(|route| route.bridge) else { continue };
            let event = change.live.event;
            let (before, after) = (change.before.and_then(cause_of), change.after.and_then(cause_of));
            if let Some(cause) = before
                && before != after
            {
                let key = SignalKey { cause, bridge, subject: Subject::Event(event) };
                self.signals.clear(self.setting(), &key);
            }
            if let Some(verdict) = change.after {
                let place = self.place_of(bridge, change);
                self.detect(&Fact::Judged(change, verdict), &place, effects);
            }
            let waiting = |v| matches!(v, Some(Verdict::Waiting));
            if waiting(change.before) || waiting(change.after) {
                waits.push(bridge);
            }
        }
        waits.dedup();
        for bridge in waits {
            self.judge_waiting(bridge, effects);
        }
        // Keep the buffer: the next change needs no allocation.
        self.changes = changes;
        self.changes.clear();
    }

    /// Too much value that waits is a finding once it has waited for a moment: two chains are never delivered at
    /// the same instant, and while both are caught up with, one is always ahead of the other.
    pub(super) fn judge_waiting(&mut self, bridge: BridgeNo, effects: &mut Effects) {
        let value = self.ledger.waiting_value(bridge);
        let key = SignalKey { cause: Cause::WaitingValue, bridge, subject: Subject::Bridge };
        if value <= self.config.rules.waiting_bound_micro_usd {
            self.waits.remove(&bridge);
            self.signals.clear(self.setting(), &key);
            return;
        }
        self.waits.entry(bridge).or_insert(self.now_ms);
        if self.waiting_due_ms(bridge).is_none_or(|due| due > self.now_ms) {
            self.rearm = true;
            return;
        }
        let Some((route, id, live)) = self.ledger.largest_waiting(bridge) else { return };
        let change = Change { route, id, live, before: None, after: None };
        let mut place = self.place_of(bridge, &change);
        place.subject = Subject::Bridge;
        self.detect(&Fact::Waits { value }, &place, effects);
    }

    /// The shell time at which value that waits at a bridge becomes a finding; none where no value waits.
    ///
    /// Each delivery of the source chain buys a moment, since it may bring the source; but only so many of them.
    pub(super) fn waiting_due_ms(&self, bridge: BridgeNo) -> Option<u64> {
        let since = *self.waits.get(&bridge)?;
        let (route, _, _) = self.ledger.largest_waiting(bridge)?;
        let told = match self.names.route_at(route)?.reach {
            Reach::Watched { source } => self.clocks.get(source).progress.map(|(_, at_ms)| at_ms),
            _ => None,
        };
        let patient = since.max(told.unwrap_or(0)).saturating_add(limits::WAITING_GRACE_MS);
        Some(patient.min(since.saturating_add(limits::WAITING_LIMIT_MS)))
    }

    /// Takes an outflow, in chain order, to the detectors.
    pub(super) fn judge_outflow(&mut self, outflow: &Outflow, effects: &mut Effects) {
        let seen = &outflow.seen;
        let (bridge, live) = (outflow.bridge, &seen.live);
        let change = Change { route: seen.route, id: seen.id, live: *live, before: None, after: None };
        let mut place = self.place_of(bridge, &change);
        place.seen = Some((bridge, *seen));
        let causes = self.detect(&Fact::Left(outflow), &place, effects);
        if !causes.contains(&Cause::FlowCap)
            && let Some(vault) = self.vaults.get_mut(bridge, live.chain)
        {
            vault.episode = None;
        }
    }

    /// Takes anything else to the detectors.
    pub(super) fn judge_other(
        &mut self,
        bridge: BridgeNo,
        fact: &Fact<'_>,
        at: Option<(&Observation, ChainNo)>,
        effects: &mut Effects,
    ) {
        let chain = match fact {
            Fact::Dark { chain, .. }
            | Fact::Stalled { chain }
            | Fact::Overloaded { chain, .. }
            | Fact::Fault { chain, .. }
            | Fact::Refuted { chain, .. }
            | Fact::Admin { chain, .. }
            | Fact::Unmapped { chain, .. } => *chain,
            Fact::Judged(..) | Fact::Left(_) | Fact::Waits { .. } => return,
        };
        let by_event = matches!(fact, Fact::Admin { .. });
        let clock = self.clocks.get(chain);
        let place = match at {
            Some((observation, _)) if by_event => {
                let position = observation.position();
                Place {
                    bridge,
                    subject: Subject::Event(observation.id().0),
                    moment: (observation.time(), chain, position.height, position.log_index),
                    event: Some(observation.id().0),
                    claim: Some(Claim::Emitted {
                        chain: observation.chain(),
                        block: BlockRef { height: position.height, hash: position.block_hash },
                        log_index: position.log_index,
                        raw: observation.raw(),
                    }),
                    seen: None,
                }
            }
            _ => Place {
                bridge,
                subject: Subject::Chain(chain),
                moment: (clock.now(self.now_ms), chain, clock.height(), 0),
                event: at.map(|(observation, _)| observation.id().0),
                claim: None,
                seen: None,
            },
        };
        self.detect(fact, &place, effects);
    }

    fn place_of(&self, bridge: BridgeNo, change: &Change) -> Place {
        let live = &change.live;
        let seen = Seen { route: change.route, id: change.id, is_source: false, live: *live };
        Place {
            bridge,
            subject: Subject::Event(live.event),
            moment: (live.time, live.chain, live.height, live.log_index),
            event: Some(live.event),
            claim: self.claim_of(live),
            seen: Some((bridge, seen)),
        }
    }

    /// Key of a transfer's message: a hash, so it is derived only for what becomes a signal.
    fn message_of(&self, bridge: BridgeId, seen: &Seen) -> Option<MessageKey> {
        let route = self.names.route_at(seen.route)?;
        Some(MessageKey::derive(bridge, route.origin, route.destination, seen.id))
    }

    /// What would prove that a consumption happened. None once the block's details are dropped as final.
    fn claim_of(&self, live: &Live) -> Option<Claim> {
        let (hash, raw) = live.proof?;
        let chain = self.names.chain_id(live.chain)?;
        let block = BlockRef { height: live.height, hash };
        Some(Claim::Emitted { chain, block, log_index: live.log_index, raw })
    }

    /// Shows one fact to every detector; gives the causes of those that spoke.
    fn detect(&mut self, fact: &Fact<'_>, place: &Place, effects: &mut Effects) -> Vec<Cause> {
        let mut spoke = Vec::new();
        for detector in detectors() {
            let world = World { names: &self.names, rules: &self.config.rules };
            let Some(finding) = (detector.run)(&world, fact) else { continue };
            spoke.push(detector.card.cause);
            if self.is_new(fact, place, detector.card, &finding) {
                self.signal(place, detector.card, finding, effects);
            }
        }
        spoke
    }

    /// Flow and shortage last: the event that crossed the threshold stands for the whole stretch.
    fn is_new(&mut self, fact: &Fact<'_>, place: &Place, card: Card, finding: &Finding) -> bool {
        let Fact::Left(outflow) = fact else { return true };
        let live = &outflow.seen.live;
        let rules = &self.config.rules;
        let Some(vault) = self.vaults.get_mut(place.bridge, live.chain) else { return true };
        match card.cause {
            Cause::FlowCap => {
                if vault.episode.is_some_and(|episode| episode.class >= finding.class) {
                    return false;
                }
                let need = detect::flow_needed(rules, outflow.whole_before_hour, finding.class);
                vault.cross(outflow, finding.class, need);
                true
            }
            Cause::Conservation => {
                let Some(held) = vault.held.get_mut(&live.token) else { return true };
                if held.short.is_some() {
                    return false;
                }
                held.short = Some(live.event);
                true
            }
            _ => true,
        }
    }

    fn signal(&mut self, place: &Place, card: Card, finding: Finding, effects: &mut Effects) {
        let Some(bridge) = self.names.bridge_id(place.bridge) else { return };
        // SECURITY: what a detector may do at most is declared once and enforced here, whatever it found.
        let class = finding.class.min(card.highest);
        let mut detail = finding.detail;
        truncate(&mut detail);
        let signal = Signal {
            cause: card.cause,
            bridge,
            event: place.event.map(EventId),
            message: place.seen.and_then(|(_, seen)| self.message_of(bridge, &seen)),
            class,
            value_micro_usd: finding.value.unwrap_or(0),
            detail: detail.clone(),
        };
        let key = SignalKey { cause: card.cause, bridge: place.bridge, subject: place.subject };
        let stored = Stored {
            signal,
            moment: place.moment,
            claim: place.claim.clone(),
            seen: place.seen,
            incident: IncidentId(B256::ZERO),
        };
        let news = self.signals.set(self.setting(), key, stored);
        if news {
            let incident = self.signals.get(&key).map(|stored| stored.incident);
            self.tell_about(place.bridge, card.cause, class, place.event, incident, detail, effects);
        }
    }

    /// Tells people without an incident.
    pub(super) fn tell(
        &mut self,
        bridge: BridgeNo,
        cause: Cause,
        class: ActionClass,
        event: Option<B256>,
        text: String,
        effects: &mut Effects,
    ) {
        self.tell_about(bridge, cause, class, event, None, text, effects);
    }

    #[expect(clippy::too_many_arguments, reason = "a notice has so many parts")]
    fn tell_about(
        &mut self,
        bridge_no: BridgeNo,
        cause: Cause,
        class: ActionClass,
        event: Option<B256>,
        incident: Option<IncidentId>,
        text: String,
        effects: &mut Effects,
    ) {
        let Some(bridge) = self.names.bridge_id(bridge_no) else { return };
        let now_secs = self.now_ms.checked_div(1_000).unwrap_or(0);
        let quiet = self.config.rules.quiet_secs;
        if self.notices.tell((bridge_no, cause), class, event, now_secs, quiet) {
            effects.list.push(Effect::Notify(Notice { bridge, cause, text, incident, class }));
        }
    }
}

/// Cuts a detail to its bound, at a character's edge.
fn truncate(text: &mut String) {
    if text.len() > limits::DETAIL_BYTES {
        let edge = text.floor_char_boundary(limits::DETAIL_BYTES);
        text.truncate(edge);
    }
}
