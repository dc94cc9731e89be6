//! The network of one chain: every operator's lanes, the questions that are asked, and the checks that each
//! answer passes before anybody looks at it.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use alloy::{
    consensus::EMPTY_ROOT_HASH,
    eips::BlockNumberOrTag,
    primitives::{Address, Bloom, U64},
    rpc::types::{Header, Log},
};
use portcullis_rpc::{Client, Lane, LaneSettings, Lanes, ReplySize, RpcError, RpcRequest};
use portcullis_verifier::{B256, BlockRef, ChainId, EndpointFault, FaultKind, OperatorId};
use serde_json::{Value, json};
use url::Url;

use crate::{
    config::{Compiled, Submission},
    decode::Decoder,
    error::{BuildError, detail},
    limits,
};

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
    pub(crate) quorum: usize,
    pub(crate) operators: Vec<Operator>,
    /// Where trips go.
    pub(crate) submit: Vec<Client>,
    pub(crate) faults: FaultLog,
    /// Base fee of the newest block that was delivered, wei; zero before the first, and on chains without one.
    base_fee_wei: AtomicU64,
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
            quorum: usize::from(config.quorum),
            operators,
            submit,
            faults: FaultLog::default(),
            base_fee_wei: AtomicU64::new(0),
        })
    }

    /// A block was delivered. SECURITY: only what the quorum agrees on comes here; one liar must not make trips dearer
    /// than the account can pay.
    pub(crate) fn delivered(&self, head: &Head) {
        self.base_fee_wei.store(head.base_fee.unwrap_or(0), Ordering::Relaxed);
    }

    /// Base fee of the newest block that was delivered, wei; zero where none is known.
    pub(crate) fn base_fee_wei(&self) -> u64 {
        self.base_fee_wei.load(Ordering::Relaxed)
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
        self.lift(operator, |_| true);
    }

    /// One kind of fault is over: who answers is not dark any more, whatever else may be wrong with the answers.
    pub(crate) fn over(&self, operator: OperatorId, kind: FaultKind) {
        self.lift(operator, |bad| bad == kind);
    }

    fn lift(&self, operator: OperatorId, which: impl Fn(FaultKind) -> bool) {
        let mut state = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if !state.bad.get(&operator).is_some_and(|bad| which(*bad)) {
            return;
        }
        state.bad.remove(&operator);
        if state.queue.len() < limits::FAULTS_QUEUE {
            let detail = "it answers as it should again".to_owned();
            state.queue.push_back(EndpointFault {
                operator: Some(operator),
                kind: FaultKind::Recovered,
                detail,
            });
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

/// A header whose hash was recomputed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) block: BlockRef,
    pub(crate) parent: B256,
    pub(crate) time: u64,
    pub(crate) bloom: Bloom,
    /// Whether the block holds transactions.
    pub(crate) busy: bool,
    pub(crate) base_fee: Option<u64>,
}

impl Head {
    /// Checks that a header's hash is its own.
    ///
    /// SECURITY: everything that is said about a block hangs on its hash. A header with somebody else's hash is
    /// refused here, so that number, parent, time and bloom may be used once the hash is agreed on.
    pub(crate) fn check(header: &Header) -> Result<Self, RpcError> {
        if header.inner.hash_slow() != header.hash {
            return Err(RpcError::garbage("header with the hash that it claims"));
        }
        Ok(Self {
            block: BlockRef { height: header.inner.number, hash: header.hash },
            parent: header.inner.parent_hash,
            time: header.inner.timestamp,
            bloom: header.inner.logs_bloom,
            busy: header.inner.transactions_root != EMPTY_ROOT_HASH,
            base_fee: header.inner.base_fee_per_gas,
        })
    }
}

impl Head {
    /// False when the block can hold no log of a watched contract.
    ///
    /// SECURITY: some chains leave blooms empty. An empty bloom over transactions therefore says nothing, which
    /// costs one question where the block holds plain payments only.
    pub(crate) fn may_concern(&self, decoder: &Decoder) -> bool {
        (self.busy && self.bloom.is_zero()) || decoder.may_concern(&self.bloom)
    }
}

/// Which block is meant.
#[derive(Debug, Clone, Copy)]
pub(crate) enum At {
    Latest,
    Safe,
    Finalized,
    Number(u64),
    Hash(B256),
}

/// A question for a block's header.
pub(crate) fn block_request(at: At) -> RpcRequest {
    let by_number = |tag: BlockNumberOrTag| {
        RpcRequest::read("eth_getBlockByNumber", json!([tag, false]), ReplySize::Block)
    };
    match at {
        At::Latest => by_number(BlockNumberOrTag::Latest),
        At::Safe => by_number(BlockNumberOrTag::Safe),
        At::Finalized => by_number(BlockNumberOrTag::Finalized),
        At::Number(number) => by_number(BlockNumberOrTag::Number(number)),
        At::Hash(hash) => RpcRequest::read("eth_getBlockByHash", json!([hash, false]), ReplySize::Block),
    }
}

/// Asks for a full header and checks that it is what was asked for; none when the node does not know the block.
pub(crate) async fn full_header(client: &Client, at: At) -> Result<Option<Header>, RpcError> {
    let header: Option<Header> = client.ask(block_request(at), "block").await?;
    let Some(header) = header else { return Ok(None) };
    let right = match at {
        At::Number(number) => header.inner.number == number,
        At::Hash(hash) => header.hash == hash,
        At::Latest | At::Safe | At::Finalized => true,
    };
    if !right {
        return Err(RpcError::garbage("block that was asked for"));
    }
    Head::check(&header)?;
    Ok(Some(header))
}

/// As [`full_header`], only what watching needs.
pub(crate) async fn head(client: &Client, at: At) -> Result<Option<Head>, RpcError> {
    full_header(client, at).await?.map(|header| Head::check(&header)).transpose()
}

/// The EIP-155 number that a node serves.
pub(crate) async fn chain_number(client: &Client) -> Result<u64, RpcError> {
    let request = RpcRequest::read("eth_chainId", json!([]), ReplySize::Small);
    Ok(client.ask::<U64>(request, "chain id").await?.to())
}

/// Logs of one block.
pub(crate) fn block_logs_request(addresses: &[Address], block: B256) -> RpcRequest {
    RpcRequest::read("eth_getLogs", json!([{ "blockHash": block, "address": addresses }]), ReplySize::Bulk)
}

/// Logs of a range of blocks, both ends included.
pub(crate) fn range_logs_request(addresses: &[Address], from: u64, to: u64) -> RpcRequest {
    let hex = |number: u64| Value::String(format!("{number:#x}"));
    let filter = json!({ "fromBlock": hex(from), "toBlock": hex(to), "address": addresses });
    RpcRequest::read("eth_getLogs", json!([filter]), ReplySize::Bulk)
}

/// Where logs may stand.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Span {
    Block(BlockRef),
    Range(u64, u64),
}

/// Logs of watched contracts, checked for order and place. Equal digests mean equal logs in equal places.
#[derive(Debug, Clone)]
pub(crate) struct LogSet {
    pub(crate) digest: B256,
    pub(crate) logs: Vec<Log>,
}

/// Equal logs in equal places, whose blocks are said to have equal times, or to have none: not every node tells them.
///
/// SECURITY: the time of an old block is taken from here. Were it not compared, one operator of a quorum could date
/// an event as it likes.
impl PartialEq for LogSet {
    fn eq(&self, other: &Self) -> bool {
        let times = |set: &Self| set.logs.iter().map(|log| log.block_timestamp).collect::<Vec<_>>();
        self.digest == other.digest && times(self) == times(other)
    }
}

impl LogSet {
    /// The same logs without what is said of their times.
    pub(crate) fn undated(mut self) -> Self {
        self.logs.iter_mut().for_each(|log| log.block_timestamp = None);
        self
    }

    /// Checks logs against what was asked for.
    ///
    /// # Errors
    /// [`RpcError::Garbage`] when a log is of another contract, block or range, is marked removed, stands out of
    /// order, or lacks its place.
    pub(crate) fn check(logs: Vec<Log>, addresses: &[Address], span: Span) -> Result<Self, RpcError> {
        if logs.len() > limits::LOGS_PER_ANSWER_MAX {
            return Err(RpcError::Oversize { limit_bytes: limits::LOGS_PER_ANSWER_MAX });
        }
        let mut before: Option<(u64, u64)> = None;
        let mut places = Vec::with_capacity(logs.len());
        for log in &logs {
            let (Some(number), Some(hash), Some(index), Some(tx_hash), Some(tx_index)) = (
                log.block_number,
                log.block_hash,
                log.log_index,
                log.transaction_hash,
                log.transaction_index,
            ) else {
                return Err(RpcError::garbage("log with its place"));
            };
            let within = match span {
                Span::Block(block) => block.hash == hash && block.height == number,
                Span::Range(from, to) => (from..=to).contains(&number),
            };
            let small = u32::try_from(index).is_ok() && u32::try_from(tx_index).is_ok();
            if !within || !small || log.removed || !addresses.contains(&log.address()) {
                return Err(RpcError::garbage("log that was asked for"));
            }
            if before.is_some_and(|before| before >= (number, index)) {
                return Err(RpcError::garbage("list of logs in order"));
            }
            before = Some((number, index));
            let raw = portcullis_verifier::evm::log_digest(log.address(), log.topics(), &log.data().data);
            places.push((number, hash, tx_index, tx_hash, index, raw));
        }
        let digest = portcullis_verifier::codec::digest("portcullis.evm.logset.v1", &places);
        Ok(Self { digest, logs })
    }
}
