//! One incident: the signals that support it now, and what was said and done on its behalf.

use std::collections::{BTreeMap, BTreeSet};

use borsh::{BorshDeserialize, BorshSerialize};
use portcullis_verifier::{
    ActionClass, Assurance, B256, ClaimId, EventId, GroupId, IncidentId, codec::digest,
};

use crate::{
    effect::Cause,
    signals::{Moment, Setting, SignalKey, Stored},
};

/// See the module.
#[derive(Debug, Clone, BorshSerialize, BorshDeserialize)]
pub(crate) struct Incident {
    pub(crate) id: IncidentId,
    pub(crate) keys: BTreeSet<(Moment, SignalKey)>,
    by_class: BTreeMap<ActionClass, u32>,
    pub(crate) causes: BTreeMap<Cause, u32>,
    pub(crate) opened_ms: u64,
    /// When it reached its present class, shell time: from then on evidence is waited for.
    pub(crate) class_since_ms: u64,
    /// Evidence for something stronger is waited for until this shell time, milliseconds.
    pub(crate) waits_until_ms: Option<u64>,
    /// A person judged it to be nothing.
    pub(crate) dismissed: bool,
    /// A signal came since the last decision.
    pub(crate) fresh: bool,
    /// Highest class that was decided.
    pub(crate) acted: Option<ActionClass>,
    /// Events proven to have happened, and how well.
    pub(crate) proven: Vec<(B256, Assurance)>,
    /// Claims put on its behalf and not decided.
    pub(crate) asked: BTreeSet<ClaimId>,
    /// Signals whose event nobody was asked about, the worst and oldest first.
    #[borsh(serialize_with = "save_unasked", deserialize_with = "load_unasked")]
    pub(crate) unasked: Unasked,
    pub(crate) told: Option<Told>,
    /// Something about its proofs changed in this step.
    pub(crate) better_proven: bool,
}

/// What the shell was last told of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct Told {
    pub(crate) class: Option<ActionClass>,
    pub(crate) causes: BTreeSet<Cause>,
    pub(crate) count: usize,
}

type Unasked = BTreeSet<(core::cmp::Reverse<ActionClass>, Moment, SignalKey)>;

fn save_unasked<W: borsh::io::Write>(unasked: &Unasked, writer: &mut W) -> borsh::io::Result<()> {
    let plain: Vec<_> = unasked.iter().map(|(class, moment, key)| (class.0, *moment, *key)).collect();
    plain.serialize(writer)
}

fn load_unasked<R: borsh::io::Read>(reader: &mut R) -> borsh::io::Result<Unasked> {
    let plain = Vec::<(ActionClass, Moment, SignalKey)>::deserialize_reader(reader)?;
    Ok(plain.into_iter().map(|(class, moment, key)| (core::cmp::Reverse(class), moment, key)).collect())
}

/// H(group, opening event, cause). An incident that stands on silence takes its moment for the event.
fn derive_id(group: GroupId, event: Option<EventId>, cause: Cause, moment: Moment) -> IncidentId {
    match event {
        Some(event) => IncidentId(digest("portcullis.incident.v1", &(group, event, cause))),
        None => IncidentId(digest("portcullis.incident.silence.v1", &(group, moment, cause))),
    }
}

impl Incident {
    /// A new incident without signals.
    pub(crate) fn open(setting: Setting, event: Option<EventId>, cause: Cause, moment: Moment) -> Self {
        Self {
            id: derive_id(setting.group, event, cause, moment),
            keys: BTreeSet::new(),
            by_class: BTreeMap::new(),
            causes: BTreeMap::new(),
            opened_ms: setting.now_ms,
            class_since_ms: setting.now_ms,
            waits_until_ms: None,
            dismissed: false,
            fresh: false,
            acted: None,
            proven: Vec::new(),
            asked: BTreeSet::new(),
            unasked: BTreeSet::new(),
            told: None,
            better_proven: false,
        }
    }

    /// True when a person stands behind it.
    pub(crate) fn is_manual(&self) -> bool {
        self.causes.contains_key(&Cause::Manual)
    }

    /// Highest class that its signals allow; none when nothing supports it.
    pub(crate) fn class(&self) -> Option<ActionClass> {
        self.by_class.last_key_value().map(|(class, _)| *class)
    }

    pub(crate) fn add(&mut self, key: SignalKey, stored: &Stored, now_ms: u64) {
        let class = stored.signal.class;
        if self.class().is_none_or(|was| class > was) {
            self.class_since_ms = now_ms;
        }
        if !self.keys.insert((stored.moment, key)) {
            return;
        }
        bump(&mut self.by_class, class);
        bump(&mut self.causes, stored.signal.cause);
        self.fresh = true;
        if stored.claim.is_some() {
            self.unasked.insert((core::cmp::Reverse(class), stored.moment, key));
        }
    }

    pub(crate) fn remove(&mut self, key: &SignalKey, stored: &Stored) {
        if !self.keys.remove(&(stored.moment, *key)) {
            return;
        }
        drop_one(&mut self.by_class, &stored.signal.class);
        drop_one(&mut self.causes, &stored.signal.cause);
        self.unasked.remove(&(core::cmp::Reverse(stored.signal.class), stored.moment, *key));
    }

    /// What the shell should know of it now, or none when it was told so already.
    pub(crate) fn news(&self) -> Option<Told> {
        let now = Told {
            class: self.class(),
            causes: self.causes.keys().copied().collect(),
            count: self.keys.len(),
        };
        let Some(told) = &self.told else { return (now.count > 0).then_some(now) };
        let doubled = now.count >= told.count.saturating_mul(2).max(2);
        let lost = now.count == 0 && told.count > 0;
        let news = told.class != now.class || !now.causes.is_subset(&told.causes) || doubled || lost;
        (news || self.better_proven).then_some(now)
    }
}

fn bump<K: Ord>(counts: &mut BTreeMap<K, u32>, key: K) {
    let count = counts.entry(key).or_default();
    *count = count.saturating_add(1);
}

fn drop_one<K: Ord>(counts: &mut BTreeMap<K, u32>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count = count.saturating_sub(1);
        if *count == 0 {
            counts.remove(key);
        }
    }
}
