//! Which proof system judges which evidence.
//!
//! *Who is in the play.* Evidence names its system; the registry finds the [`System`] of that name and hands it
//! claim, evidence and [`Trust`]. An adapter that brings a new kind of proof adds a system here and changes
//! nothing else.

use std::collections::{BTreeMap, btree_map::Entry};

use crate::{Claim, Evidence, OperatorId, Slug, Undecided, Verdict};

/// What the operator of this installation has decided to trust for the chain of the claim.
///
/// It comes from the configuration and the chain's own progress, never from evidence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trust {
    /// The operators that are configured for the chain. A name that occurs twice is one voice.
    pub operators: Vec<OperatorId>,
    /// How many of them must agree on a header; 0 counts as 1, because nobody's word is no quorum.
    pub quorum: u16,
    /// The chain's own time, seconds since 1970: the newest block time that was observed. Ages are counted from
    /// it, so that a verdict does not depend on a wall clock.
    pub now: u64,
    /// What proof systems start from that start from a state and not from anybody's word, such as a header with
    /// the set that signs the next one: by the system's name, in its own encoding.
    pub pinned: BTreeMap<Slug, Vec<u8>>,
}

/// Judges evidence of one kind. Pure: equal arguments, equal verdict.
pub trait System: Send + Sync {
    /// The name that evidence of this system carries, with its version.
    fn name(&self) -> Slug;

    /// Judges one claim.
    ///
    /// Evidence that does not verify is [`Undecided::BadEvidence`], whatever is wrong with it: a broken proof
    /// never refutes.
    fn verify(&self, claim: &Claim, evidence: &Evidence, trust: &Trust) -> Verdict;
}

/// Two systems of one name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a proof system named '{name}' is registered already")]
pub struct DuplicateSystem {
    /// The name that is taken.
    pub name: Slug,
}

/// All proof systems of this installation, by name.
#[derive(Default)]
pub struct Registry {
    systems: BTreeMap<Slug, Box<dyn System>>,
}

impl core::fmt::Debug for Registry {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_set().entries(self.systems.keys()).finish()
    }
}

impl Registry {
    /// A registry that knows no system: every verdict is undecided.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a system.
    ///
    /// # Errors
    /// [`DuplicateSystem`] when the name is taken; the first one stays.
    pub fn add(&mut self, system: Box<dyn System>) -> Result<(), DuplicateSystem> {
        let name = system.name();
        match self.systems.entry(name) {
            Entry::Occupied(_) => Err(DuplicateSystem { name }),
            Entry::Vacant(place) => {
                place.insert(system);
                Ok(())
            }
        }
    }

    /// Names of all systems, in order.
    pub fn names(&self) -> impl Iterator<Item = Slug> + '_ {
        self.systems.keys().copied()
    }

    /// Judges `claim` with the system that `evidence` names; [`Undecided::NoVerifier`] when there is none.
    #[must_use]
    pub fn verify(&self, claim: &Claim, evidence: &Evidence, trust: &Trust) -> Verdict {
        match self.systems.get(&evidence.system) {
            Some(system) => system.verify(claim, evidence, trust),
            None => Verdict::Undecided(Undecided::NoVerifier { system: evidence.system.as_str().to_owned() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Assurance, B256, BlockRef, ChainId};

    struct Always(&'static str);

    impl System for Always {
        fn name(&self) -> Slug {
            Slug::new(self.0).unwrap()
        }

        fn verify(&self, _: &Claim, _: &Evidence, _: &Trust) -> Verdict {
            Verdict::Proven(Assurance::default())
        }
    }

    fn ask(registry: &Registry, system: &str) -> Verdict {
        let claim = Claim::NotEmitted {
            chain: ChainId::new("test:1").unwrap(),
            block: BlockRef { height: 1, hash: B256::ZERO },
            contract: B256::ZERO,
            topics: Vec::new(),
        };
        let evidence = Evidence { system: Slug::new(system).unwrap(), bytes: Vec::new() };
        let trust = Trust { operators: Vec::new(), quorum: 1, now: 0, pinned: BTreeMap::new() };
        registry.verify(&claim, &evidence, &trust)
    }

    #[test]
    fn evidence_chooses_its_system_and_an_unknown_one_decides_nothing() {
        let mut registry = Registry::new();
        assert_eq!(
            ask(&registry, "one"),
            Verdict::Undecided(Undecided::NoVerifier { system: "one".to_owned() })
        );
        registry.add(Box::new(Always("one"))).unwrap();
        assert!(matches!(ask(&registry, "one"), Verdict::Proven(_)));
        assert!(matches!(ask(&registry, "two"), Verdict::Undecided(Undecided::NoVerifier { .. })));
    }

    #[test]
    fn a_name_is_given_once() {
        let mut registry = Registry::new();
        registry.add(Box::new(Always("one"))).unwrap();
        let again = registry.add(Box::new(Always("one")));
        assert_eq!(again, Err(DuplicateSystem { name: Slug::new("one").unwrap() }));
        assert_eq!(registry.names().count(), 1);
    }
}
