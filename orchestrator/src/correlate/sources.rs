//! Whether a chain's source tells (enough operators that do not misbehave), and whether it is heard in time.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use borsh::{BorshDeserialize, BorshSerialize};
use portcullis_core::Body;
use portcullis_core::config::Chain;
use portcullis_verifier::{ChainId, EndpointFault, FaultKind, OperatorId};

use crate::budget;
use crate::telemetry::millis;

/// What is known of each chain's operators.
#[derive(Debug, Default, BorshSerialize, BorshDeserialize)]
pub struct Sources {
    chains: BTreeMap<ChainId, Source>,
}

#[derive(Debug, Default, BorshSerialize, BorshDeserialize)]
struct Source {
    operators: BTreeSet<OperatorId>,
    quorum: usize,
    faulty: BTreeSet<OperatorId>,
    /// A fault that names no operator: all of them.
    all_dark: bool,
    /// The engine was told that the source failed, and not yet that it recovered.
    failed: bool,
    /// The engine was told that the chain is consumed late, and not yet that it is in time again.
    late: bool,
}

impl Source {
    fn tells(&self) -> bool {
        let healthy = self.operators.difference(&self.faulty).count();
        !self.all_dark && healthy >= self.quorum
    }
}

impl Sources {
    /// Takes the operators of the configuration; what is known of them stays.
    pub fn configure(&mut self, chains: &[Chain]) {
        for chain in chains {
            let source = self.chains.entry(chain.id).or_default();
            source.operators = chain.operators.iter().copied().collect();
            source.quorum = usize::from(chain.quorum.max(1));
        }
    }

    /// Takes in an input that the engine consumed, so that a replayed log leaves the same knowledge.
    pub fn consumed(&mut self, body: &Body) {
        match body {
            Body::SourceFailed { chain, operator: None, .. } => {
                self.chains.entry(*chain).or_default().failed = true;
            }
            Body::SourceRecovered { chain } => self.chains.entry(*chain).or_default().failed = false,
            Body::Overload { chain, behind_ms } => {
                self.chains.entry(*chain).or_default().late = *behind_ms > 0
            }
            _ => {}
        }
    }

    /// A fault was observed; gives the input that follows from it, if one does.
    pub fn fault(&mut self, chain: ChainId, fault: &EndpointFault, now_ms: u64) -> Option<Body> {
        let source = self.chains.get_mut(&chain)?;
        match (fault.kind, fault.operator) {
            (FaultKind::Recovered, Some(operator)) => {
                source.faulty.remove(&operator);
                source.all_dark = false;
            }
            (FaultKind::Recovered, None) => {
                source.faulty.clear();
                source.all_dark = false;
            }
            // A chain that stands still, that went back far, that signed two truths, or that nothing is proven of still tells.
            (
                FaultKind::Stalled | FaultKind::DeepReorg | FaultKind::Equivocation | FaultKind::Unproven,
                _,
            ) => {}
            (_, Some(operator)) => {
                source.faulty.insert(operator);
            }
            (_, None) => source.all_dark = true,
        }
        if source.failed || source.tells() {
            return None;
        }
        let detail =
            format!("{} of {} operators tell: {}", source.healthy(), source.operators.len(), fault.detail);
        Some(Body::SourceFailed { chain, operator: None, since_ms: now_ms, detail })
    }

    /// A block was delivered; gives the input that follows from it, if one does.
    ///
    /// Only a block shows that the source tells again: an operator that answers is not a chain that is seen.
    pub fn progress(&self, chain: ChainId) -> Option<Body> {
        let source = self.chains.get(&chain)?;
        (source.failed && source.tells()).then_some(Body::SourceRecovered { chain })
    }

    /// A batch was taken up so long after it was seen; gives the input that follows from it, if one does.
    ///
    /// It is over only when it is well over: a service that hovers at the bound would tell the engine at every batch.
    pub fn behind(&self, chain: ChainId, behind: Duration) -> Option<Body> {
        let late = self.chains.get(&chain)?.late;
        let over = if late { budget::IN_TIME } else { budget::OVERLOADED };
        let is_late = behind > over;
        let behind_ms = if is_late { millis(behind).max(1) } else { 0 };
        (is_late != late).then_some(Body::Overload { chain, behind_ms })
    }

    /// The adapter is started anew and reports faults from the beginning.
    pub fn restarted(&mut self, chain: ChainId) {
        if let Some(source) = self.chains.get_mut(&chain) {
            source.faulty.clear();
            source.all_dark = false;
        }
    }

    /// Whether the engine thinks that a chain's source does not tell.
    #[must_use]
    pub fn is_dark(&self, chain: ChainId) -> bool {
        self.chains.get(&chain).is_some_and(|source| source.failed)
    }
}

impl Source {
    fn healthy(&self) -> usize {
        self.operators.difference(&self.faulty).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain() -> ChainId {
        ChainId::new("test:1").unwrap()
    }

    fn operator(name: &str) -> OperatorId {
        OperatorId::new(name).unwrap()
    }

    fn sources() -> Sources {
        let mut sources = Sources::default();
        let operators = ["a", "b", "c"].map(operator).to_vec();
        sources.configure(&[Chain { id: chain(), operators, quorum: 2, stall_after_secs: 60 }]);
        sources
    }

    fn fault(name: Option<&str>, kind: FaultKind) -> EndpointFault {
        EndpointFault { operator: name.map(operator), kind, detail: "x".to_owned() }
    }

    fn told(sources: &mut Sources, body: Option<Body>) -> bool {
        if let Some(body) = &body {
            sources.consumed(body);
        }
        body.is_some()
    }

    #[test]
    fn one_bad_operator_of_three_is_no_failure_and_two_are() {
        let mut sources = sources();
        assert_eq!(sources.fault(chain(), &fault(Some("a"), FaultKind::Dark), 1), None);
        assert_eq!(sources.fault(chain(), &fault(Some("a"), FaultKind::Garbage), 1), None);
        let failed = sources.fault(chain(), &fault(Some("b"), FaultKind::DissentHead), 7);
        assert!(matches!(failed, Some(Body::SourceFailed { since_ms: 7, operator: None, .. })));
        assert!(told(&mut sources, failed));
        let again = sources.fault(chain(), &fault(Some("c"), FaultKind::Dark), 8);
        assert_eq!(again, None, "told once");
    }

    #[test]
    fn only_a_block_under_a_quorum_shows_recovery() {
        let mut sources = sources();
        let failed = sources.fault(chain(), &fault(None, FaultKind::Dark), 1);
        assert!(told(&mut sources, failed));
        assert_eq!(sources.progress(chain()), None, "a block while all are dark shows nothing");
        assert_eq!(sources.fault(chain(), &fault(None, FaultKind::Recovered), 2), None);
        let back = sources.progress(chain());
        assert_eq!(back, Some(Body::SourceRecovered { chain: chain() }));
        assert!(told(&mut sources, back));
        assert_eq!(sources.progress(chain()), None, "told once");
    }

    #[test]
    fn a_replayed_failure_is_lifted_by_the_first_block_after_the_start() {
        let mut sources = sources();
        let detail = String::new();
        sources.consumed(&Body::SourceFailed { chain: chain(), operator: None, since_ms: 1, detail });
        assert!(sources.is_dark(chain()));
        assert!(sources.progress(chain()).is_some());
    }

    #[test]
    fn lateness_is_told_once_and_is_over_when_it_is_well_over() {
        let mut sources = sources();
        assert_eq!(sources.behind(chain(), budget::OVERLOADED), None);
        let late = sources.behind(chain(), budget::OVERLOADED * 2);
        assert!(matches!(late, Some(Body::Overload { behind_ms: 1.., .. })), "{late:?}");
        assert!(told(&mut sources, late));
        assert_eq!(sources.behind(chain(), budget::OVERLOADED * 3), None, "told once");
        assert_eq!(sources.behind(chain(), budget::OVERLOADED / 2), None, "not well over");
        let over = sources.behind(chain(), budget::IN_TIME);
        assert_eq!(over, Some(Body::Overload { chain: chain(), behind_ms: 0 }));
    }

    #[test]
    fn a_stall_is_the_chains_and_not_the_sources() {
        let mut sources = sources();
        assert_eq!(sources.fault(chain(), &fault(None, FaultKind::Stalled), 1), None);
        assert_eq!(sources.fault(chain(), &fault(None, FaultKind::Unproven), 1), None);
        assert!(!sources.is_dark(chain()));
    }
}
