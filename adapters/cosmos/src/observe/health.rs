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
    /// Blocks or results that are none.
    GarbageBlock,
    /// Its node no longer has the blocks that are needed.
    Pruned,
    /// Refuses to tell blocks, again and again.
    NoBlock,
    /// Headers that do not verify.
    DissentHead,
    /// Events that the quorum contradicts.
    DissentEvents,
    /// The light client cannot go on, and no operator is to blame.
    Unproven,
    /// Behind.
    Lagging,
    /// No blocks.
    Stalled,
}

impl Trouble {
    /// As it is told.
    pub(crate) fn kind(self) -> FaultKind {
        match self {
            Self::Dark | Self::NoBlock | Self::Pruned | Self::Unproven => FaultKind::Dark,
            Self::GarbageHead | Self::GarbageBlock => FaultKind::Garbage,
            Self::DissentHead => FaultKind::DissentHead,
            Self::DissentEvents => FaultKind::DissentLogs,
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

    fn tell(&mut self, operator: Option<OperatorId>, kind: FaultKind, what: &str) {
        self.told.push(EndpointFault { operator, kind, detail: detail(what, limits::DETAIL_MAX_BYTES) });
    }

    /// Whether an operator can tell blocks now.
    pub(crate) fn usable(&self, operator: OperatorId) -> bool {
        self.active
            .get(&Some(operator))
            .is_none_or(|active| active.iter().all(|one| *one == Trouble::Lagging))
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
