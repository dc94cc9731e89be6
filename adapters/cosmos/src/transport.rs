//! The network of one chain: every operator's lanes, what the lanes have found out about operators, and what all
//! roles share.

mod answers;
mod block;
mod kept;

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Mutex, PoisonError},
};

use portcullis_rpc::{Client, Lane, LaneSettings, Lanes, RpcError};
use portcullis_verifier::{B256, BlockRef, ChainId, EndpointFault, FaultKind, OperatorId, keccak256};
use url::Url;

use crate::{
    config::{Compiled, Submission},
    error::{BuildError, detail},
    limits,
    root::LightClient,
};

use kept::Kept;

pub(crate) use answers::{Answered, RawEvent, Status, read_push, status, stored};
pub(crate) use block::{Results, Told, ValidatorSets, header, results, told, transactions};

/// One operator's endpoint.
#[derive(Debug, Clone)]
pub(crate) struct Operator {
    pub(crate) name: OperatorId,
    pub(crate) lanes: Lanes,
    pub(crate) ws: Option<Url>,
}

/// Every endpoint of a chain.
#[derive(Debug)]
pub(crate) struct Network {
    pub(crate) chain: ChainId,
    /// The chain's own name.
    pub(crate) name: String,
    pub(crate) quorum: usize,
    pub(crate) operators: Vec<Operator>,
    /// Where trips go.
    pub(crate) submit: Vec<Client>,
    pub(crate) faults: FaultLog,
    /// The chain's light client.
    pub(crate) root: LightClient,
    /// The header that it begins with.
    pub(crate) pinned: BlockRef,
    /// Keys of contracts that claims name by their digest.
    pub(crate) keys: KeyBook,
    /// Validator sets by their hash.
    pub(crate) sets: ValidatorSets,
}

impl Network {
    pub(crate) fn new(compiled: &Compiled) -> Result<Self, BuildError> {
        let config = &compiled.config;
        let mut operators = Vec::new();
        for endpoint in &config.endpoints {
            let name = endpoint.operator;
            let lanes = Lanes::new(name, &endpoint.http)
                .map_err(|source| BuildError::Client { operator: name, source })?;
            operators.push(Operator { name, lanes, ws: endpoint.ws.clone() });
        }
        let mut submit = Vec::new();
        match &config.submission {
            Submission::Public => {
                let pairs = operators.iter().zip(&config.endpoints);
                submit.extend(pairs.filter(|(_, e)| e.submit).map(|(o, _)| o.lanes.contain.clone()));
            }
            Submission::Private(list) => {
                for endpoint in list {
                    let (operator, url) = (endpoint.operator, endpoint.http.clone());
                    let client = Client::new(operator, url, Lane::Contain, &LaneSettings::of(Lane::Contain))
                        .map_err(|source| BuildError::Client { operator, source })?;
                    submit.push(client);
                }
            }
        }
        Ok(Self {
            chain: config.chain,
            name: compiled.name.clone(),
            quorum: usize::from(config.quorum),
            operators,
            submit,
            faults: FaultLog::default(),
            root: LightClient::open(compiled)?,
            pinned: config.trust.block(),
            keys: KeyBook::default(),
            sets: ValidatorSets::default(),
        })
    }

    /// Operators in the order in which they are asked for what needs no second voice: those without recent faults
    /// first.
    pub(crate) fn by_standing(&self) -> Vec<&Operator> {
        let mut all: Vec<&Operator> = self.operators.iter().collect();
        all.sort_by_key(|operator| !self.faults.is_good(operator.name));
        all
    }
}

/// Keys of contracts by their keccak256: claims name a key by its digest, the chain's stores by itself.
#[derive(Debug, Default)]
pub(crate) struct KeyBook {
    inner: Mutex<Kept>,
}

impl KeyBook {
    /// Remembers a contract's own key and gives its digest, as claims carry it. The oldest are forgotten beyond
    /// [`limits::KEYS_KEPT`].
    pub(crate) fn learn(&self, own: &[u8]) -> B256 {
        let digest = keccak256(own);
        let mut kept = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        kept.insert(digest, own, limits::KEYS_KEPT);
        digest
    }

    /// The key with this digest.
    pub(crate) fn get(&self, digest: B256) -> Option<Vec<u8>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).get(digest)
    }
}

/// Faults that the proving and containing lanes met, for the observer to deliver.
///
/// Holds at most one fault per operator and kind, so that it is bounded by the configuration.
#[derive(Debug, Default)]
pub(crate) struct FaultLog {
    inner: Mutex<FaultState>,
}

#[derive(Debug, Default)]
struct FaultState {
    bad: BTreeMap<OperatorId, FaultKind>,
    queue: VecDeque<EndpointFault>,
}

impl FaultLog {
    /// An operator's answer was wrong or missing.
    pub(crate) fn bad(&self, operator: OperatorId, kind: FaultKind, what: &str) {
        count_fault(operator, kind);
        let mut state = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if state.bad.insert(operator, kind) != Some(kind) && state.queue.len() < limits::FAULTS_QUEUE {
            let detail = detail(what, limits::DETAIL_MAX_BYTES);
            state.queue.push_back(EndpointFault { operator: Some(operator), kind, detail });
        }
    }

    /// An operator's answer was right.
    pub(crate) fn good(&self, operator: OperatorId) {
        let mut state = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if state.bad.remove(&operator).is_some() && state.queue.len() < limits::FAULTS_QUEUE {
            let detail = "it answers as it should again".to_owned();
            let kind = FaultKind::Recovered;
            state.queue.push_back(EndpointFault { operator: Some(operator), kind, detail });
        }
    }

    /// One kind of fault is over: who answers is not dark any more, whatever else may be wrong with the answers.
    pub(crate) fn over(&self, operator: OperatorId, kind: FaultKind) {
        let fault = self.inner.lock().unwrap_or_else(PoisonError::into_inner).bad.get(&operator).copied();
        if fault == Some(kind) {
            self.good(operator);
        }
    }

    /// Whether an operator's last answer to these lanes was good.
    pub(crate) fn is_good(&self, operator: OperatorId) -> bool {
        !self.inner.lock().unwrap_or_else(PoisonError::into_inner).bad.contains_key(&operator)
    }

    pub(crate) fn drain(&self) -> Vec<EndpointFault> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).queue.drain(..).collect()
    }

    /// Files an RPC failure under the kind that fits it.
    #[allow(dead_code, reason = "used by the containing side")]
    pub(crate) fn failed(&self, operator: OperatorId, what: &str, error: &RpcError) {
        self.bad(operator, kind_of(error), &format!("{what}: {}", crate::error::chain_of(error)));
    }
}

/// Counts one wrong or missing answer.
pub(crate) fn count_fault(operator: OperatorId, kind: FaultKind) {
    let (operator, kind) = (operator.as_str().to_owned(), format!("{kind:?}"));
    metrics::counter!("portcullis_operator_faults_total", "operator" => operator, "kind" => kind)
        .increment(1);
}

/// Whether an operator is dark or talks nonsense.
pub(crate) fn kind_of(error: &RpcError) -> FaultKind {
    match error {
        RpcError::Oversize { .. } | RpcError::Garbage { .. } | RpcError::WrongId { .. } => FaultKind::Garbage,
        _ => FaultKind::Dark,
    }
}
