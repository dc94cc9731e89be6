//! What operators did wrong, told once each and not again until it is over.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Mutex, PoisonError},
};

pub use portcullis_adapter::error::{DETAIL_MAX_BYTES, chain_of, detail};
use portcullis_adapter::{AdapterError, Class};
use portcullis_verifier::{ChainId, EndpointFault, FaultKind, OperatorId};

use crate::RpcError;

/// Faults that wait to be delivered. More than one per operator and kind never wait, so this is generous.
const QUEUE_MAX: usize = 256;

/// Faults that the proving and containing lanes met, for the observer to deliver.
///
/// Holds at most one fault per operator and kind, so that it is bounded by the configuration.
#[derive(Debug, Default)]
pub struct FaultLog {
    inner: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    bad: BTreeMap<OperatorId, FaultKind>,
    queue: VecDeque<EndpointFault>,
}

impl FaultLog {
    /// An operator's answer was wrong or missing.
    pub fn bad(&self, operator: OperatorId, kind: FaultKind, what: &str) {
        count_fault(operator, kind);
        let mut state = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if state.bad.insert(operator, kind) != Some(kind) {
            state.tell(operator, kind, detail(what, DETAIL_MAX_BYTES));
        }
    }

    /// Files an RPC failure under the kind that fits it.
    pub fn failed(&self, operator: OperatorId, what: &str, error: &RpcError) {
        self.bad(operator, kind_of(error), &format!("{what}: {}", chain_of(error)));
    }

    /// An operator's answer was right.
    pub fn good(&self, operator: OperatorId) {
        self.lift(operator, |_| true);
    }

    /// One kind of fault is over: who answers is not dark any more, whatever else may be wrong with the answers.
    pub fn over(&self, operator: OperatorId, kind: FaultKind) {
        self.lift(operator, |bad| bad == kind);
    }

    fn lift(&self, operator: OperatorId, which: impl Fn(FaultKind) -> bool) {
        let mut state = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if state.bad.get(&operator).is_some_and(|bad| which(*bad)) {
            state.bad.remove(&operator);
            state.tell(operator, FaultKind::Recovered, "it answers as it should again".to_owned());
        }
    }

    /// Whether an operator's last answer to these lanes was good.
    #[must_use]
    pub fn is_good(&self, operator: OperatorId) -> bool {
        !self.inner.lock().unwrap_or_else(PoisonError::into_inner).bad.contains_key(&operator)
    }

    /// What has not been delivered yet.
    #[must_use]
    pub fn drain(&self) -> Vec<EndpointFault> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).queue.drain(..).collect()
    }
}

impl State {
    fn tell(&mut self, operator: OperatorId, kind: FaultKind, detail: String) {
        if self.queue.len() < QUEUE_MAX {
            self.queue.push_back(EndpointFault { operator: Some(operator), kind, detail });
        }
    }
}

/// Counts one wrong or missing answer.
pub fn count_fault(operator: OperatorId, kind: FaultKind) {
    let (operator, kind) = (operator.as_str().to_owned(), format!("{kind:?}"));
    metrics::counter!("portcullis_operator_faults_total", "operator" => operator, "kind" => kind)
        .increment(1);
}

/// Whether an operator is dark or talks nonsense.
#[must_use]
pub fn kind_of(error: &RpcError) -> FaultKind {
    match error {
        RpcError::Oversize { .. } | RpcError::Garbage { .. } | RpcError::WrongId { .. } => FaultKind::Garbage,
        _ => FaultKind::Dark,
    }
}

/// An operator's failure as an adapter error.
#[must_use]
pub fn failed(chain: ChainId, operator: OperatorId, what: &str, error: RpcError) -> AdapterError {
    AdapterError::new(chain, Some(operator), error.class(), what).caused_by(error)
}

/// No quorum: nobody in particular is to blame, and asking again may help.
#[must_use]
pub fn no_quorum(chain: ChainId, what: impl Into<String>) -> AdapterError {
    AdapterError::new(chain, None, Class::Transient, what)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test says what is wrong by failing")]

    use portcullis_verifier::Slug;

    use super::*;

    #[test]
    fn a_fault_is_told_once_and_its_end_once() {
        let (log, operator) = (FaultLog::default(), Slug::new("a").unwrap());
        log.bad(operator, FaultKind::Dark, "no answer");
        log.bad(operator, FaultKind::Dark, "no answer");
        log.over(operator, FaultKind::Garbage);
        assert!(!log.is_good(operator), "another kind's end is not this one's");
        log.over(operator, FaultKind::Dark);
        log.good(operator);
        let told: Vec<FaultKind> = log.drain().iter().map(|fault| fault.kind).collect();
        assert_eq!(told, [FaultKind::Dark, FaultKind::Recovered]);
        assert!(log.is_good(operator) && log.drain().is_empty());
    }
}
