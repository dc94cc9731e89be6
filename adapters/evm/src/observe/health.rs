//! Which operator is in what trouble, told once when it begins and once when it ends. Pure.

use std::collections::{BTreeMap, BTreeSet};

use portcullis_verifier::{EndpointFault, FaultKind, OperatorId};

use crate::{error::detail, limits};

/// Where trouble shows; each ends on its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Trouble {
    /// No connection, or silence.
    Dark,
    /// Heads that are no heads.
    GarbageHead,
    /// Logs that are no logs.
    GarbageLogs,
    /// Safe and final blocks that are no blocks.
    GarbageTags,
    /// Refuses to tell logs, again and again.
    NoLogs,
    /// Heads that the quorum contradicts.
    DissentHead,
    /// Logs that the quorum contradicts.
    DissentLogs,
    /// Behind.
    Lagging,
    /// No blocks.
    Stalled,
}

impl Trouble {
    /// Found by the clock, again at each of its ticks, and not by an answer.
    pub(crate) fn by_the_clock(self) -> bool {
        matches!(self, Self::Lagging | Self::Stalled | Self::DissentHead)
    }

    /// As it is told.
    pub(crate) fn kind(self) -> FaultKind {
        match self {
            Self::Dark | Self::NoLogs => FaultKind::Dark,
            Self::GarbageHead | Self::GarbageLogs | Self::GarbageTags => FaultKind::Garbage,
            Self::DissentHead => FaultKind::DissentHead,
            Self::DissentLogs => FaultKind::DissentLogs,
            Self::Lagging => FaultKind::Lagging,
            Self::Stalled => FaultKind::Stalled,
        }
    }
}

/// See the module. No operator means the chain itself.
#[derive(Debug, Default)]
pub(crate) struct Health {
    active: BTreeMap<Option<OperatorId>, BTreeSet<Trouble>>,
    told: Vec<EndpointFault>,
}

impl Health {
    /// Trouble is there. Told when it is new.
    pub(crate) fn raise(&mut self, operator: Option<OperatorId>, trouble: Trouble, what: &str) {
        if self.active.entry(operator).or_default().insert(trouble) {
            self.tell(operator, trouble.kind(), what);
        }
    }

    /// Trouble is over. Told when the last of an operator's is.
    pub(crate) fn lower(&mut self, operator: Option<OperatorId>, trouble: Trouble) {
        let Some(active) = self.active.get_mut(&operator) else { return };
        if active.remove(&trouble) && active.is_empty() {
            self.active.remove(&operator);
            self.tell(operator, FaultKind::Recovered, "it answers as it should again");
        }
    }

    /// Something that has no end, such as a reorganisation that was too deep.
    pub(crate) fn tell(&mut self, operator: Option<OperatorId>, kind: FaultKind, what: &str) {
        self.told.push(EndpointFault { operator, kind, detail: detail(what, limits::DETAIL_MAX_BYTES) });
    }

    /// Whether trouble is there.
    pub(crate) fn has(&self, operator: Option<OperatorId>, trouble: Trouble) -> bool {
        self.active.get(&operator).is_some_and(|active| active.contains(&trouble))
    }

    /// Whether anything is wrong with an operator.
    pub(crate) fn troubled(&self, operator: OperatorId) -> bool {
        self.active.contains_key(&Some(operator))
    }

    /// What has to be told since the last call.
    pub(crate) fn drain(&mut self) -> Vec<EndpointFault> {
        core::mem::take(&mut self.told)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trouble_is_told_once_and_recovery_when_all_of_it_is_over() {
        let mut health = Health::default();
        let name = Some(OperatorId::new("a").unwrap());
        health.raise(name, Trouble::Dark, "gone");
        health.raise(name, Trouble::Dark, "still gone");
        health.raise(name, Trouble::Lagging, "late");
        health.lower(name, Trouble::Dark);
        let kinds: Vec<FaultKind> = health.drain().into_iter().map(|fault| fault.kind).collect();
        assert_eq!(kinds, [FaultKind::Dark, FaultKind::Lagging]);
        health.lower(name, Trouble::Lagging);
        health.lower(name, Trouble::Lagging);
        let kinds: Vec<FaultKind> = health.drain().into_iter().map(|fault| fault.kind).collect();
        assert_eq!(kinds, [FaultKind::Recovered]);
    }
}
