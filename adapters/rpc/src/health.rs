//! Which operator is in what trouble, told once when it begins and once when it ends. Pure.

use std::collections::{BTreeMap, BTreeSet};

use portcullis_verifier::{EndpointFault, FaultKind, OperatorId};

use crate::faults::{DETAIL_MAX_BYTES, detail};

/// Where trouble shows in a family; each ends on its own.
pub trait Trouble: Copy + Ord {
    /// As it is told.
    fn kind(self) -> FaultKind;
}

/// See the module. No operator means the chain itself.
#[derive(Debug)]
pub struct Health<T> {
    active: BTreeMap<Option<OperatorId>, BTreeSet<T>>,
    told: Vec<EndpointFault>,
}

impl<T> Default for Health<T> {
    fn default() -> Self {
        Self { active: BTreeMap::new(), told: Vec::new() }
    }
}

impl<T: Trouble> Health<T> {
    /// Trouble is there. Told when it is new.
    pub fn raise(&mut self, operator: Option<OperatorId>, trouble: T, what: &str) {
        if self.active.entry(operator).or_default().insert(trouble) {
            self.tell(operator, trouble.kind(), what);
        }
    }

    /// Trouble is over. Told when the last of an operator's is.
    pub fn lower(&mut self, operator: Option<OperatorId>, trouble: T) {
        let Some(active) = self.active.get_mut(&operator) else { return };
        if active.remove(&trouble) && active.is_empty() {
            self.active.remove(&operator);
            self.tell(operator, FaultKind::Recovered, "it answers as it should again");
        }
    }

    /// Something that has no end, such as a reorganisation that was too deep.
    pub fn tell(&mut self, operator: Option<OperatorId>, kind: FaultKind, what: &str) {
        self.told.push(EndpointFault { operator, kind, detail: detail(what, DETAIL_MAX_BYTES) });
    }

    /// Whether trouble is there.
    #[must_use]
    pub fn has(&self, operator: Option<OperatorId>, trouble: T) -> bool {
        self.active.get(&operator).is_some_and(|active| active.contains(&trouble))
    }

    /// Whether anything is wrong with an operator.
    #[must_use]
    pub fn troubled(&self, operator: OperatorId) -> bool {
        self.active.contains_key(&Some(operator))
    }

    /// Whether an operator has no trouble but such as `harmless` lets pass.
    #[must_use]
    pub fn only(&self, operator: OperatorId, harmless: impl Fn(T) -> bool) -> bool {
        self.active.get(&Some(operator)).is_none_or(|active| active.iter().all(|one| harmless(*one)))
    }

    /// What has to be told since the last call.
    #[must_use]
    pub fn drain(&mut self) -> Vec<EndpointFault> {
        core::mem::take(&mut self.told)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test says what is wrong by failing")]

    use super::*;

    #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
    enum Here {
        Dark,
        Lagging,
    }

    impl Trouble for Here {
        fn kind(self) -> FaultKind {
            match self {
                Self::Dark => FaultKind::Dark,
                Self::Lagging => FaultKind::Lagging,
            }
        }
    }

    #[test]
    fn trouble_is_told_once_and_recovery_when_all_of_it_is_over() {
        let mut health = Health::default();
        let name = OperatorId::new("a").unwrap();
        health.raise(Some(name), Here::Dark, "gone");
        health.raise(Some(name), Here::Dark, "still gone");
        health.raise(Some(name), Here::Lagging, "late");
        health.lower(Some(name), Here::Dark);
        let kinds: Vec<FaultKind> = health.drain().into_iter().map(|fault| fault.kind).collect();
        assert_eq!(kinds, [FaultKind::Dark, FaultKind::Lagging]);
        assert!(health.troubled(name) && health.only(name, |one| one == Here::Lagging));
        health.lower(Some(name), Here::Lagging);
        health.lower(Some(name), Here::Lagging);
        let kinds: Vec<FaultKind> = health.drain().into_iter().map(|fault| fault.kind).collect();
        assert_eq!(kinds, [FaultKind::Recovered]);
    }
}
