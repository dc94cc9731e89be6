//! Decoding: from a raw log to what it means for a bridge, by the configured mappings.
//!
//! Nothing is dropped here. A log of a watched contract that no mapping explains, or that a mapping cannot read,
//! becomes [`Event::Unmapped`] with its reason. Amounts, ids and tokens are taken as they are: zero, greatest
//! and unknown values are for the detectors to judge.

use std::collections::{BTreeMap, BTreeSet};

use alloy::{
    dyn_abi::{DecodedEvent, DynSolEvent, DynSolValue},
    primitives::{Address, Bloom, BloomInput},
    rpc::types::Log,
};
use portcullis_adapter::config::Meaning;
use portcullis_verifier::{
    AdminChange, B256, BridgeId, ChainId, Event, Observation, Position, Status, Transfer, U256,
    evm::log_digest, keccak256,
};

use crate::{
    config::padded,
    error::{DETAIL_MAX_BYTES, detail},
};

/// Where a value of an observation stands in a decoded event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// Among the indexed parameters.
    Indexed(usize),
    /// Among the others.
    Body(usize),
    /// The same for every event.
    Constant(B256),
}

/// One event that is understood.
#[derive(Debug, Clone)]
pub(crate) struct MappedEvent {
    pub(crate) event: DynSolEvent,
    pub(crate) meaning: Meaning<Place>,
}

/// One watched contract.
#[derive(Debug, Clone)]
pub(crate) struct MappedContract {
    pub(crate) bridge: BridgeId,
    pub(crate) domain: B256,
    pub(crate) events: BTreeMap<B256, MappedEvent>,
    pub(crate) ignored: BTreeSet<B256>,
}

/// Turns logs into observations.
#[derive(Debug, Clone)]
pub struct Decoder {
    pub(crate) chain: ChainId,
    pub(crate) contracts: BTreeMap<Address, MappedContract>,
}

impl Decoder {
    /// Addresses whose logs are asked for.
    pub fn addresses(&self) -> impl Iterator<Item = Address> + '_ {
        self.contracts.keys().copied()
    }

    /// False when a block with this bloom can hold no log of a watched contract.
    #[must_use]
    pub fn may_concern(&self, bloom: &Bloom) -> bool {
        self.contracts.keys().any(|address| bloom.contains_input(BloomInput::Raw(address.as_slice())))
    }

    /// What a log means; none when it is ignored by configuration or its contract is not watched.
    ///
    /// `time` is the block's, seconds since 1970.
    ///
    /// # Errors
    /// [`IncompleteLog`] when the node left out where the log stands: such an answer cannot be ordered.
    pub fn observation(&self, log: &Log, time: u64) -> Result<Option<Observation>, IncompleteLog> {
        let position = position(log)?;
        let Some(contract) = self.contracts.get(&log.address()) else { return Ok(None) };
        let topic = log.topics().first().copied().unwrap_or_default();
        if contract.ignored.contains(&topic) {
            return Ok(None);
        }
        let event = contract.meaning_of(log, topic);
        let raw = log_digest(log.address(), log.topics(), &log.data().data);
        Ok(Some(Observation::new(self.chain, position, time, Status::Included, raw, event)))
    }
}

/// A log without its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the log lacks its {0}")]
pub struct IncompleteLog(pub &'static str);

fn position(log: &Log) -> Result<Position, IncompleteLog> {
    let small =
        |value: Option<u64>, name| value.and_then(|v| u32::try_from(v).ok()).ok_or(IncompleteLog(name));
    Ok(Position {
        height: log.block_number.ok_or(IncompleteLog("blockNumber"))?,
        tx_index: small(log.transaction_index, "transactionIndex")?,
        log_index: small(log.log_index, "logIndex")?,
        block_hash: log.block_hash.ok_or(IncompleteLog("blockHash"))?,
        tx_hash: log.transaction_hash.ok_or(IncompleteLog("transactionHash"))?,
    })
}

impl MappedContract {
    fn meaning_of(&self, log: &Log, topic: B256) -> Event {
        let Some(mapped) = self.events.get(&topic) else {
            return self.unmapped(log, topic, "no mapping has this event");
        };
        let decoded = match mapped.event.decode_log_data(log.data()) {
            Ok(decoded) => decoded,
            Err(error) => return self.unmapped(log, topic, &format!("the event does not decode: {error}")),
        };
        self.read(&mapped.meaning, &decoded, log)
            .unwrap_or_else(|| self.unmapped(log, topic, "a mapped parameter is not there"))
    }

    fn read(&self, meaning: &Meaning<Place>, decoded: &DecodedEvent, log: &Log) -> Option<Event> {
        Some(match *meaning {
            Meaning::Transfer { kind, remote, message_id, asset, amount, recipient, sender } => {
                Event::Transfer(Transfer {
                    kind,
                    bridge: self.bridge,
                    local: self.domain,
                    remote: word(remote, decoded)?,
                    message_id: word(message_id, decoded)?,
                    asset: word(asset, decoded)?,
                    amount: U256::from_be_bytes(word(amount, decoded)?.0),
                    sender: match sender {
                        Some(place) => Some(word(place, decoded)?),
                        None => None,
                    },
                    recipient: word(recipient, decoded)?,
                })
            }
            Meaning::Admin { kind, value } => Event::Admin(AdminChange {
                bridge: self.bridge,
                kind,
                contract: padded(log.address()),
                value: match value {
                    Some(place) => word(place, decoded)?,
                    None => B256::ZERO,
                },
            }),
        })
    }

    fn unmapped(&self, log: &Log, topic: B256, reason: &str) -> Event {
        let contract = padded(log.address());
        Event::Unmapped { bridge: self.bridge, contract, topic, reason: detail(reason, DETAIL_MAX_BYTES) }
    }
}

fn word(place: Place, decoded: &DecodedEvent) -> Option<B256> {
    match place {
        Place::Constant(value) => Some(value),
        Place::Indexed(at) => as_word(decoded.indexed.get(at)?),
        Place::Body(at) => as_word(decoded.body.get(at)?),
    }
}

/// A value as 32 bytes, left padded as bridges do; byte strings that are longer are named by their keccak256.
fn as_word(value: &DynSolValue) -> Option<B256> {
    Some(match value {
        DynSolValue::Uint(number, _) => B256::from(*number),
        DynSolValue::Int(number, _) => B256::from(number.into_raw()),
        DynSolValue::Address(address) => address.into_word(),
        DynSolValue::Bool(truth) => B256::with_last_byte(u8::from(*truth)),
        // Right padded by the encoding: only the named bytes count.
        DynSolValue::FixedBytes(bytes, size) => B256::left_padding_from(bytes.get(..*size)?),
        DynSolValue::Bytes(bytes) if bytes.len() <= 32 => B256::left_padding_from(bytes),
        DynSolValue::Bytes(bytes) => keccak256(bytes),
        DynSolValue::String(text) => keccak256(text),
        _ => return None,
    })
}

#[cfg(test)]
#[path = "decode_tests.rs"]
mod tests;
