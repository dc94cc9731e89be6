//! What is wrong with whom: told when it begins, when it changes, and when it ends.

use portcullis_verifier::{EndpointFault, FaultKind, OperatorId};

/// What one round showed of an operator.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Mark {
    /// In which way it misbehaved.
    pub(super) fault: Option<(FaultKind, &'static str)>,
    /// It told the head that the quorum agrees on.
    pub(super) head: bool,
    /// It told the logs that the quorum agrees on.
    pub(super) logs: bool,
    /// And there were some: an empty block is told rightly by who hides events, too.
    pub(super) some: bool,
}

impl Mark {
    /// The first fault of a round stands: what follows from it would only blur it.
    pub(super) fn blame(&mut self, kind: FaultKind, why: &'static str) {
        self.fault.get_or_insert((kind, why));
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct Standing {
    fault: Option<FaultKind>,
    /// The fault is about logs: telling a head rightly does not end it.
    about_logs: bool,
}

/// Faults that stand.
#[derive(Debug)]
pub(super) struct Faults {
    operators: Vec<(OperatorId, Standing)>,
    dark: bool,
}

impl Faults {
    pub(super) fn new(operators: &[OperatorId]) -> Self {
        Self { operators: operators.iter().map(|name| (*name, Standing::default())).collect(), dark: false }
    }

    /// What a round changed. `quorum` says whether enough operators agreed on everything that was asked.
    pub(super) fn round(&mut self, marks: &[Mark], quorum: bool) -> Vec<EndpointFault> {
        let mut told = Vec::new();
        for ((name, standing), mark) in self.operators.iter_mut().zip(marks) {
            if let Some((kind, why)) = mark.fault {
                if standing.fault != Some(kind) {
                    told.push(fault(Some(*name), kind, why));
                }
                *standing = Standing { fault: Some(kind), about_logs: mark.head };
            } else if let Some(kind) = standing.fault
                && mark.head
                && (mark.logs || !standing.about_logs)
                && (mark.some || kind != FaultKind::DissentLogs)
            {
                *standing = Standing::default();
                told.push(fault(Some(*name), FaultKind::Recovered, "answers as it should again"));
            }
        }
        if self.dark == quorum {
            self.dark = !quorum;
            told.push(if quorum {
                fault(None, FaultKind::Recovered, "a quorum of operators agrees again")
            } else {
                fault(None, FaultKind::Dark, "no quorum of operators agrees")
            });
        }
        told
    }
}

pub(super) fn fault(operator: Option<OperatorId>, kind: FaultKind, why: &str) -> EndpointFault {
    EndpointFault { operator, kind, detail: why.to_owned() }
}

#[cfg(test)]
mod tests {
    use portcullis_verifier::Slug;

    use super::*;

    #[test]
    fn a_fault_is_told_once_and_so_is_its_end() {
        let name = Slug::new("a").unwrap();
        let mut faults = Faults::new(&[name]);
        let good = Mark { head: true, logs: true, some: true, fault: None };
        let refuses = Mark { fault: Some((FaultKind::Dark, "refuses")), head: true, ..Mark::default() };
        let kinds = |told: Vec<EndpointFault>| told.iter().map(|f| (f.operator, f.kind)).collect::<Vec<_>>();
        assert_eq!(kinds(faults.round(&[good], true)), []);
        assert_eq!(kinds(faults.round(&[refuses], true)), [(Some(name), FaultKind::Dark)]);
        assert_eq!(kinds(faults.round(&[refuses], true)), []);
        let head_only = Mark { logs: false, some: false, ..good };
        assert_eq!(kinds(faults.round(&[head_only], true)), [], "a head says nothing about logs");
        assert_eq!(kinds(faults.round(&[good], true)), [(Some(name), FaultKind::Recovered)]);
        let hides = Mark { fault: Some((FaultKind::DissentLogs, "hides")), head: true, ..Mark::default() };
        assert_eq!(kinds(faults.round(&[hides], true)), [(Some(name), FaultKind::DissentLogs)]);
        assert_eq!(
            kinds(faults.round(&[Mark { some: false, ..good }], true)),
            [],
            "there was nothing to hide"
        );
        assert_eq!(kinds(faults.round(&[good], true)), [(Some(name), FaultKind::Recovered)]);
        assert_eq!(kinds(faults.round(&[Mark::default()], false)), [(None, FaultKind::Dark)]);
        assert_eq!(kinds(faults.round(&[good], true)), [(None, FaultKind::Recovered)]);
    }
}
