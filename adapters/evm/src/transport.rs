//! The network of one chain: every operator's lanes, the questions that are asked, and the checks that each
//! answer passes before anybody looks at it.

use std::sync::atomic::{AtomicU64, Ordering};

use alloy::{
    consensus::EMPTY_ROOT_HASH,
    eips::BlockNumberOrTag,
    primitives::{Address, Bloom, U64},
    rpc::types::{Header, Log},
};
use portcullis_rpc::{Client, FaultLog, Operator, ReplySize, RpcError, RpcRequest, operators};
use portcullis_verifier::{B256, BlockRef, ChainId};
use serde_json::{Value, json};

use crate::{config::Compiled, decode::Decoder, error::BuildError, limits};

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
        let (operators, submit) = operators(&config.endpoints, &config.submission)?;
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
