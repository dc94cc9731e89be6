//! Everything that speaks for acting, and which incident it belongs to.
//!
//! Signals of one group that lie less than a quiet window apart, in chain time, are one incident. The partition
//! is a function of the set of signals: a late signal that closes a gap joins two incidents, a retracted one that
//! had closed it parts them again. Signals that may close a gate are kept apart from those that may only tell or
//! tighten, so that noise which anybody can make never keeps an attack's incident open, nor hides its beginning.

use std::collections::{BTreeMap, BTreeSet};

use borsh::{BorshDeserialize, BorshSerialize};
use portcullis_verifier::{ActionClass, B256, Claim, IncidentId, Slug};

use crate::{
    effect::{Cause, Signal},
    incident::Incident,
    ledger::Seen,
    limits,
    names::{BridgeNo, ChainNo},
};

/// What a signal is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize)]
pub(crate) enum Subject {
    /// One event.
    Event(B256),
    /// A chain.
    Chain(ChainNo),
    /// A bridge as a whole.
    Bridge,
    /// A gate.
    Gate(Slug),
}

/// Names a signal: setting it again replaces it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize)]
pub(crate) struct SignalKey {
    pub(crate) cause: Cause,
    pub(crate) bridge: BridgeNo,
    pub(crate) subject: Subject,
}

/// Whether a signal may close a gate. Incidents of the two kinds are apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize)]
pub(crate) enum Tier {
    /// It may tell and tighten.
    Advisory,
    /// It may hold or halt.
    Closing,
}

impl Tier {
    /// The kind that a class belongs to.
    pub(crate) fn of(class: ActionClass) -> Self {
        if class >= ActionClass::Hold { Self::Closing } else { Self::Advisory }
    }
}

/// When a signal happened: chain time, chain, height, log. The order in which people want to read them.
pub(crate) type Moment = (u64, ChainNo, u64, u32);

/// A signal with what its proof needs.
#[derive(Debug, Clone, BorshSerialize, BorshDeserialize)]
pub(crate) struct Stored {
    pub(crate) signal: Signal,
    pub(crate) moment: Moment,
    /// What to prove; none where nothing can be.
    pub(crate) claim: Option<Claim>,
    /// The transfer to take back if the proof shows that it never happened.
    pub(crate) seen: Option<(BridgeNo, Seen)>,
    pub(crate) incident: IncidentId,
}

type Line = BTreeMap<(Tier, Moment, SignalKey), IncidentId>;

/// All signals and their incidents.
#[derive(Debug, Default, BorshSerialize, BorshDeserialize)]
pub(crate) struct Signals {
    stored: BTreeMap<SignalKey, Stored>,
    line: Line,
    by_event: BTreeMap<B256, BTreeSet<SignalKey>>,
    pub(crate) incidents: BTreeMap<IncidentId, Incident>,
    /// Signals that the bound kept out.
    pub(crate) overflowed: u64,
    /// Incidents that changed in this step.
    pub(crate) changed: BTreeSet<IncidentId>,
}

/// What setting needs to know of the moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Setting {
    pub(crate) group: portcullis_verifier::GroupId,
    pub(crate) quiet_secs: u64,
    pub(crate) now_ms: u64,
}

impl Signals {
    /// Sets a signal. True when it is new or its class rose.
    pub(crate) fn set(&mut self, setting: Setting, key: SignalKey, mut stored: Stored) -> bool {
        let class = stored.signal.class;
        let mut news = true;
        if let Some(known) = self.stored.get(&key) {
            news = class > known.signal.class;
            if known.signal.class == class {
                self.reword(key, stored);
                return false;
            }
            self.clear(setting, &key);
        }
        let tier = Tier::of(class);
        if tier == Tier::Advisory && self.stored.len() >= limits::ADVISORY_SIGNALS {
            self.overflowed = self.overflowed.saturating_add(1);
            return news;
        }
        let incident = self.place(setting, tier, key, &stored);
        stored.incident = incident;
        if let Some(event) = stored.signal.event {
            self.by_event.entry(event.0).or_default().insert(key);
        }
        self.line.insert((tier, stored.moment, key), incident);
        if let Some(incident) = self.incidents.get_mut(&incident) {
            incident.add(key, &stored, setting.now_ms);
        }
        self.changed.insert(incident);
        self.stored.insert(key, stored);
        news
    }

    /// The same signal with other words and another value. It stands where and since when it stood.
    fn reword(&mut self, key: SignalKey, stored: Stored) {
        if let Some(known) = self.stored.get_mut(&key) {
            known.signal.value_micro_usd = stored.signal.value_micro_usd;
            known.signal.detail = stored.signal.detail;
        }
    }

    /// Finds or opens the incident for a signal; joins two when the signal closes the gap between them.
    fn place(&mut self, setting: Setting, tier: Tier, key: SignalKey, stored: &Stored) -> IncidentId {
        let at = (tier, stored.moment, key);
        let (before, after) = self.neighbours(setting, at);
        match (before, after) {
            (None, None) => {
                let (event, cause) = (stored.signal.event, stored.signal.cause);
                let incident = Incident::open(setting, event, cause, stored.moment);
                let id = incident.id;
                self.incidents.entry(id).or_insert(incident);
                id
            }
            (Some(id), None) | (None, Some(id)) => id,
            (Some(before), Some(after)) => {
                if before != after {
                    self.move_all(after, before, setting.now_ms, |_| true);
                }
                before
            }
        }
    }

    /// Incidents right before and after a place on the line that are near enough and still open to more.
    fn neighbours(
        &self,
        setting: Setting,
        at: (Tier, Moment, SignalKey),
    ) -> (Option<IncidentId>, Option<IncidentId>) {
        let (tier, moment, _) = at;
        let quiet = setting.quiet_secs;
        let usable = |id: &IncidentId| self.incidents.get(id).is_some_and(|incident| !incident.dismissed);
        let before = self.line.range(..at).next_back();
        let before = before
            .filter(|((t, m, _), id)| *t == tier && m.0.saturating_add(quiet) >= moment.0 && usable(id));
        let after = self.line.range(at..).next();
        let after =
            after.filter(|((t, m, _), id)| *t == tier && moment.0.saturating_add(quiet) >= m.0 && usable(id));
        (before.map(|(_, id)| *id), after.map(|(_, id)| *id))
    }

    /// Moves signals of one incident to another.
    fn move_all(&mut self, from: IncidentId, to: IncidentId, now_ms: u64, which: impl Fn(&Moment) -> bool) {
        let Some(source) = self.incidents.get(&from) else { return };
        let keys: Vec<SignalKey> =
            source.keys.iter().filter(|(moment, _)| which(moment)).map(|(_, key)| *key).collect();
        let (acted, proven) = (source.acted, source.proven.clone());
        for key in keys {
            let Some(stored) = self.stored.get_mut(&key) else { continue };
            stored.incident = to;
            let place = (Tier::of(stored.signal.class), stored.moment, key);
            self.line.insert(place, to);
            if let Some(incident) = self.incidents.get_mut(&from) {
                incident.remove(&key, stored);
            }
            if let Some(incident) = self.incidents.get_mut(&to) {
                incident.add(key, stored, now_ms);
            }
        }
        if let Some(incident) = self.incidents.get_mut(&to) {
            incident.acted = incident.acted.max(acted);
            incident.proven.extend(proven);
        }
        self.changed.insert(from);
        self.changed.insert(to);
    }

    /// Clears a signal, if it stands. Parts its incident where it alone had held two stretches together.
    pub(crate) fn clear(&mut self, setting: Setting, key: &SignalKey) -> bool {
        let Some(stored) = self.stored.remove(key) else { return false };
        let tier = Tier::of(stored.signal.class);
        self.line.remove(&(tier, stored.moment, *key));
        if let Some(event) = stored.signal.event
            && let Some(keys) = self.by_event.get_mut(&event.0)
        {
            keys.remove(key);
            if keys.is_empty() {
                self.by_event.remove(&event.0);
            }
        }
        if let Some(incident) = self.incidents.get_mut(&stored.incident) {
            incident.remove(key, &stored);
        }
        self.changed.insert(stored.incident);
        self.part(setting, (tier, stored.moment, *key));
        true
    }

    fn part(&mut self, setting: Setting, at: (Tier, Moment, SignalKey)) {
        let before = self.line.range(..at).next_back().map(|((t, m, _), id)| (*t, *m, *id));
        let after = self.line.range(at..).next().map(|((t, m, key), id)| (*t, *m, *id, *key));
        let (Some((tier, left, id)), Some((other, right, same, key))) = (before, after) else { return };
        let gap = left.0.saturating_add(setting.quiet_secs) < right.0;
        if tier != other || id != same || !gap {
            return;
        }
        let Some(stored) = self.stored.get(&key) else { return };
        let part = Incident::open(setting, stored.signal.event, stored.signal.cause, right);
        let to = part.id;
        if to != id {
            self.incidents.entry(to).or_insert(part);
            self.move_all(id, to, setting.now_ms, |moment| *moment >= right);
        }
    }

    /// Clears every signal that stands on an event.
    pub(crate) fn clear_event(&mut self, setting: Setting, event: &B256) {
        for key in self.by_event.get(event).cloned().unwrap_or_default() {
            self.clear(setting, &key);
        }
    }

    /// Value behind an incident, micro-USD: each event counts once, at the most that a signal says of it.
    pub(crate) fn value(&self, incident: &Incident) -> u64 {
        let mut events: BTreeMap<B256, u64> = BTreeMap::new();
        let mut silent = 0u64;
        for (_, key) in &incident.keys {
            let Some(stored) = self.stored.get(key) else { continue };
            let value = stored.signal.value_micro_usd;
            match (key.cause, stored.signal.event) {
                // These measure a whole stretch of outflow, of which the events beside them are part.
                (Cause::FlowCap | Cause::Conservation | Cause::WaitingValue, _) | (_, None) => {
                    silent = silent.max(value);
                }
                (_, Some(event)) => {
                    let known = events.entry(event.0).or_default();
                    *known = (*known).max(value);
                }
            }
        }
        events.values().fold(0u64, |sum, value| sum.saturating_add(*value)).max(silent)
    }

    /// A signal.
    pub(crate) fn get(&self, key: &SignalKey) -> Option<&Stored> {
        self.stored.get(key)
    }

    /// All signals.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&SignalKey, &Stored)> {
        self.stored.iter()
    }

    /// Signals that stand on an event.
    pub(crate) fn on_event(&self, event: &B256) -> impl Iterator<Item = (&SignalKey, &Stored)> {
        let keys = self.by_event.get(event).into_iter().flatten();
        keys.filter_map(|key| Some((key, self.stored.get(key)?)))
    }
}
