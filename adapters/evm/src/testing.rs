//! The readers of answers without a network in front of them, for fuzzing: from the text of a result to what the
//! lanes use of it, by the very functions that they use.

use alloy::{
    primitives::{Bytes, U64},
    rpc::types::{EIP1186AccountProofResponse, Header, Log},
};
use portcullis_rpc::{Reply, RpcError};
use portcullis_verifier::{BlockRef, Observation};
use serde_json::value::RawValue;

use crate::{
    Compiled,
    observe::{self, Simulated},
    prove,
    transport::{Head, LogSet, Span},
};

/// A question that a node is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Question {
    /// `eth_chainId`.
    ChainId,
    /// `eth_getBlockByNumber`, `eth_getBlockByHash`, `newHeads`.
    Header,
    /// `eth_getBlockReceipts`.
    Receipts,
    /// `eth_getProof`.
    Proof,
    /// `eth_call`, `eth_getCode`.
    Bytes,
    /// `newPendingTransactions` with whole transactions.
    Waiting,
    /// `eth_simulateV1`.
    Simulated,
}

impl Question {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::ChainId,
        Self::Header,
        Self::Receipts,
        Self::Proof,
        Self::Bytes,
        Self::Waiting,
        Self::Simulated,
    ];
}

fn reply(text: &str) -> Result<Reply, RpcError> {
    let raw = RawValue::from_string(text.to_owned());
    raw.map(Reply).map_err(|source| RpcError::Garbage { expected: "JSON", source: Some(Box::new(source)) })
}

/// Reads a result as the lanes do.
///
/// # Errors
/// As the lanes: [`RpcError::Garbage`] when it is not what was asked for.
pub fn read(question: Question, text: &str) -> Result<(), RpcError> {
    let reply = reply(text)?;
    match question {
        Question::ChainId => reply.decode::<U64>("chain id").map(drop),
        Question::Header => {
            let header = reply.decode::<Option<Header>>("block")?;
            header.map(|header| Head::check(&header)).transpose().map(drop)
        }
        Question::Receipts => prove::committed(&reply).map(drop),
        Question::Proof => reply
            .decode::<EIP1186AccountProofResponse>("account proof")
            .map(|proof| drop(prove::paths(&proof))),
        Question::Bytes => reply.decode::<Bytes>("bytes").map(drop),
        Question::Waiting => observe::read_waiting(&reply.0).map(drop),
        Question::Simulated => reply.decode::<Simulated>("simulated blocks").map(drop),
    }
}

/// What the logs of a block mean, as the observer delivers them once operators agree.
///
/// # Errors
/// [`RpcError::Garbage`] when they are not the logs that were asked for.
pub fn observe(
    compiled: &Compiled,
    logs: Vec<Log>,
    block: BlockRef,
    time: u64,
) -> Result<Vec<Observation>, RpcError> {
    let addresses: Vec<_> = compiled.decoder.addresses().collect();
    let set = LogSet::check(logs, &addresses, Span::Block(block))?;
    observe::decode_block(&compiled.decoder, &set.logs, time).map_err(|source| RpcError::Garbage {
        expected: "log with its place",
        source: Some(Box::new(source)),
    })
}
