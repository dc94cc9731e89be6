//! What watched programs logged in a block that one operator has only processed: seconds before a quorum tells it.
//!
//! Best effort, and said so: one operator's word for a block that may never be confirmed. The observations carry the status
//! `Pending`.

use std::time::Instant;

use portcullis_rpc::RpcError;
use portcullis_verifier::{B256, BlockRef, Observation, Status, solana::transaction_id};
use serde::Deserialize;

use crate::{
    decode::{Decoder, Record, What},
    transport::logged,
};

/// What was logged by one transaction.
#[derive(Debug)]
pub(crate) struct Preview {
    /// The transaction.
    pub(crate) transaction: B256,
    /// In which slot the operator has it.
    pub(crate) slot: u64,
    /// When it was seen on the socket.
    pub(crate) at: Instant,
    records: Vec<Record>,
}

#[derive(Deserialize)]
struct LogsPush {
    context: Context,
    value: LogsValue,
}

#[derive(Deserialize)]
struct Context {
    slot: u64,
}

#[derive(Deserialize)]
struct LogsValue {
    signature: String,
    err: Option<serde::de::IgnoredAny>,
    logs: Vec<String>,
}

impl Preview {
    /// Reads a push; none where nothing of it concerns anybody, or the transaction failed.
    pub(crate) fn read(decoder: &Decoder, text: &str, at: Instant) -> Result<Option<Self>, RpcError> {
        let push: LogsPush = serde_json::from_str(text)
            .map_err(|source| RpcError::Garbage { expected: "logs", source: Some(Box::new(source)) })?;
        if push.value.err.is_some() {
            return Ok(None);
        }
        let mut signature = [0; 64];
        let length = bs58::decode(&push.value.signature).onto(signature.as_mut_slice());
        if length != Ok(64) {
            return Err(RpcError::garbage("signature of a transaction"));
        }
        let transaction = transaction_id(&signature);
        // A log that is cut off is judged when its block comes.
        let (said, _whole) = logged(push.value.logs.iter().map(String::as_str));
        let of_watched = said.into_iter().filter(|one| decoder.watches(&one.program));
        let records = of_watched.enumerate().map(|(at, one)| Record {
            transaction: 0,
            id: transaction,
            index: u32::try_from(at).unwrap_or(u32::MAX),
            program: one.program,
            what: What::Data(one.parts),
            holdings: Vec::new(),
        });
        let records: Vec<Record> = records.filter(|record| decoder.concerns(record)).collect();
        let slot = push.context.slot;
        Ok((!records.is_empty()).then_some(Self { transaction, slot, at, records }))
    }

    /// What it means, with nothing that a block would give it but the slot.
    pub(crate) fn observations(&self, decoder: &Decoder, time: u64) -> Vec<Observation> {
        let block = BlockRef { height: self.slot, hash: B256::ZERO };
        let records = self.records.iter();
        let included = records.flat_map(|record| decoder.observations(record, block, time));
        included.map(|one| one.with_status(Status::Pending)).collect()
    }
}
