//! Decoding: from a block's events to what they mean for a bridge, by the configured mappings.
//!
//! Nothing is dropped here. An event of a watched contract that no mapping explains, or that a mapping cannot read,
//! becomes [`Event::Unmapped`] with its reason. Amounts, ids and tokens are taken as they are: zero, greatest
//! and unknown values are for the detectors to judge.
//!
//! SECURITY: a contract can only emit events whose type begins with `wasm`, and the chain itself puts the contract's
//! address into them, under a name that contracts cannot use. So a contract cannot speak for another one, nor for a
//! module of the chain.

mod packets;
mod value;

use portcullis_adapter::config::Meaning;
use portcullis_verifier::{
    AdminChange, B256, BlockRef, BridgeId, ChainId, Event, Observation, Position, Status, Transfer, U256,
    codec::digest,
    cosmos::{contract_key, recorded_digest, recorded_key, recorded_raw},
    keccak256,
};

use crate::{
    error::{DETAIL_MAX_BYTES, detail},
    transport::RawEvent,
};

pub(crate) use packets::Channel;
pub(crate) use value::Form;
use value::{Finding, find};

/// The attribute in which the chain names the contract.
const CONTRACT: &str = "_contract_address";
/// What the types of contracts' events begin with.
const CONTRACT_EVENTS: &str = "wasm";

/// An attribute, or a member of what it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Path {
    pub(crate) name: String,
    pub(crate) member: Option<String>,
}

/// Which events are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pattern {
    pub(crate) kind: String,
    /// What must be there, and where it is said, with which value.
    pub(crate) conditions: Vec<(Path, Option<String>)>,
}

impl Pattern {
    fn matches(&self, event: &RawEvent) -> bool {
        self.kind == event.kind
            && self.conditions.iter().all(|(path, wanted)| match (self.find(event, path), wanted) {
                (Ok(found), Some(wanted)) => found == *wanted,
                (Ok(_), None) => true,
                (Err(_), _) => false,
            })
    }

    /// A value of an event; of several coins, the one that the conditions name.
    fn find(&self, event: &RawEvent, path: &Path) -> Finding {
        let denom = self.conditions.iter().find_map(|(condition, wanted)| {
            let same = condition.name == path.name && condition.member.as_deref() == Some("denom");
            same.then_some(wanted.as_deref()).flatten()
        });
        find(event, path, denom)
    }
}

/// Where a value of an observation stands in an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// In an attribute, read in this form.
    Attribute { path: Path, form: Form },
    /// The hash of the transaction.
    Transaction,
    /// The same for every event.
    Constant(B256),
}

/// One event that is understood.
#[derive(Debug, Clone)]
pub(crate) struct MappedEvent {
    pub(crate) pattern: Pattern,
    pub(crate) meaning: Meaning<Place>,
    /// Whether the contract keeps a record of it in its state.
    pub(crate) recorded: bool,
}

/// Whose events are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Whose {
    /// A contract's.
    Contract { address: B256, text: String },
    /// The chain's own, under a name that stands for them.
    Module(B256),
}

/// One watched contract, or the watched events of a module.
#[derive(Debug, Clone)]
pub(crate) struct MappedContract {
    pub(crate) bridge: BridgeId,
    pub(crate) whose: Whose,
    pub(crate) domain: B256,
    pub(crate) prefix: String,
    pub(crate) events: Vec<MappedEvent>,
    pub(crate) ignored: Vec<Pattern>,
}

/// Turns events into observations.
#[derive(Debug, Clone)]
pub struct Decoder {
    pub(crate) chain: ChainId,
    pub(crate) contracts: Vec<MappedContract>,
    pub(crate) channels: Vec<Channel>,
}

/// An event that concerns somebody, with its place in the block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Placed {
    /// Index of its transaction; none for an event of the block itself.
    pub(crate) transaction: Option<u32>,
    /// Index among the events of the block, transactions first.
    pub(crate) index: u32,
    pub(crate) event: RawEvent,
}

impl Placed {
    /// The digest of the raw record: type and attributes in the chain's order.
    pub(crate) fn raw(&self) -> B256 {
        let attributes = self.event.attributes.iter();
        let attributes: Vec<_> = attributes.map(|one| (one.key.as_str(), one.value.as_deref())).collect();
        event_digest(&self.event.kind, &attributes)
    }
}

/// The digest of an event's raw record: its type, and its attributes in the chain's order. Events that their contract
/// records have another one, by which the record is found ([`recorded_raw`]).
#[must_use]
pub fn event_digest(kind: &str, attributes: &[(&str, Option<&str>)]) -> B256 {
    digest("portcullis.cosmos.event.v1", &(kind, attributes))
}

impl Decoder {
    /// Whether an event is of a watched contract, module or channel.
    pub(crate) fn concerns(&self, event: &RawEvent) -> bool {
        self.contracts.iter().any(|contract| contract.concerns(event))
            || self.channels.iter().any(|channel| channel.concerns(event))
    }

    /// Joins what stands in several events of one transaction and is one: see [`packets::join`].
    pub(crate) fn join(&self, events: &mut [RawEvent]) {
        if !self.channels.is_empty() {
            packets::join(events, |event| self.channels.iter().any(|channel| channel.concerns(event)));
        }
    }

    /// What an event means: one observation for each bridge that it concerns. `transaction` is the hash of the
    /// event's transaction; zero where no transaction made it. `time` is the block's, seconds since 1970.
    pub(crate) fn observations(
        &self,
        placed: &Placed,
        block: BlockRef,
        transaction: B256,
        time: u64,
    ) -> Vec<Observation> {
        let position = Position {
            height: block.height,
            // Events of the block itself come after every transaction.
            tx_index: placed.transaction.unwrap_or(u32::MAX),
            log_index: placed.index,
            block_hash: block.hash,
            tx_hash: transaction,
        };
        let raw = placed.raw();
        let of_contracts = self.contracts.iter().filter_map(|contract| {
            let meaning = contract.meaning(&placed.event, transaction)?;
            let recorded = contract.record(&placed.event).map(|(recorded, _)| recorded);
            Some((recorded.unwrap_or(raw), meaning))
        });
        let of_channels = self.channels.iter();
        let of_channels = of_channels.filter_map(|channel| Some((raw, channel.meaning(&placed.event)?)));
        of_contracts
            .chain(of_channels)
            .inspect(|(_, event)| count(event))
            .map(|(raw, event)| Observation::new(self.chain, position, time, Status::Included, raw, event))
            .collect()
    }

    /// The key, in the contracts' store, of the record whose raw digest is `raw`, where this is its event.
    pub(crate) fn record(&self, event: &RawEvent, raw: B256) -> Option<Vec<u8>> {
        let mut records = self.contracts.iter().filter_map(|contract| contract.record(event));
        records.find(|(recorded, _)| *recorded == raw).map(|(_, key)| key)
    }
}

fn count(event: &Event) {
    if matches!(event, Event::Unmapped { .. }) {
        metrics::counter!("portcullis_events_unmapped_total").increment(1);
    }
}

impl MappedContract {
    fn concerns(&self, event: &RawEvent) -> bool {
        match &self.whose {
            Whose::Contract { text, .. } => {
                event.kind.starts_with(CONTRACT_EVENTS) && event.get(CONTRACT) == Some(text.as_str())
            }
            Whose::Module(_) => {
                !event.kind.starts_with(CONTRACT_EVENTS)
                    && self.events.iter().any(|mapped| mapped.pattern.kind == event.kind)
                    && self.events.iter().any(|mapped| mapped.pattern.matches(event))
            }
        }
    }

    /// What an event means; none when it is another's, or ignored by configuration.
    fn meaning(&self, event: &RawEvent, transaction: B256) -> Option<Event> {
        if !self.concerns(event) || self.ignored.iter().any(|pattern| pattern.matches(event)) {
            return None;
        }
        let Some(mapped) = self.events.iter().find(|mapped| mapped.pattern.matches(event)) else {
            return Some(self.unmapped(event, "no mapping has this event"));
        };
        let read = self.read(mapped, event, transaction);
        Some(read.unwrap_or_else(|why| self.unmapped(event, &why)))
    }

    /// The raw digest of an event that the contract records, and the key of the record in the contracts' store.
    fn record(&self, event: &RawEvent) -> Option<(B256, Vec<u8>)> {
        let Whose::Contract { address, .. } = &self.whose else { return None };
        let mapped = self.events.iter().find(|mapped| mapped.pattern.matches(event))?;
        if !mapped.recorded || !self.concerns(event) {
            return None;
        }
        let attributes = event.attributes.iter();
        let attributes = attributes.map(|one| (one.key.as_str(), one.value.as_deref().unwrap_or_default()));
        let digest = recorded_digest(&event.kind, attributes);
        Some((recorded_raw(*address, digest), contract_key(*address, &recorded_key(digest))))
    }

    fn read(&self, mapped: &MappedEvent, event: &RawEvent, transaction: B256) -> Result<Event, String> {
        let word = |field: &str, place: &Place| match place {
            Place::Constant(value) => Ok(*value),
            Place::Transaction if transaction == B256::ZERO => {
                Err(format!("`{field}`: no transaction made this event"))
            }
            Place::Transaction => Ok(transaction),
            Place::Attribute { path, form } => mapped
                .pattern
                .find(event, path)
                .and_then(|text| form.read(&text, &self.prefix))
                .map_err(|why| format!("`{field}`: {why}")),
        };
        Ok(match &mapped.meaning {
            Meaning::Transfer { kind, remote, message_id, asset, amount, recipient, sender } => {
                Event::Transfer(Transfer {
                    kind: *kind,
                    bridge: self.bridge,
                    local: self.domain,
                    remote: word("remote", remote)?,
                    message_id: word("message_id", message_id)?,
                    asset: word("asset", asset)?,
                    amount: U256::from_be_bytes(word("amount", amount)?.0),
                    sender: sender.as_ref().map(|place| word("sender", place)).transpose()?,
                    recipient: word("recipient", recipient)?,
                })
            }
            Meaning::Admin { kind, value } => Event::Admin(AdminChange {
                bridge: self.bridge,
                kind: *kind,
                contract: self.name(),
                value: value.as_ref().map_or(Ok(B256::ZERO), |place| word("value", place))?,
            }),
        })
    }

    fn name(&self) -> B256 {
        match &self.whose {
            Whose::Contract { address, .. } => *address,
            Whose::Module(name) => *name,
        }
    }

    fn unmapped(&self, event: &RawEvent, reason: &str) -> Event {
        unmapped(self.bridge, self.name(), event, reason)
    }
}

/// An event that is kept and shown because its meaning is not known.
fn unmapped(bridge: BridgeId, contract: B256, event: &RawEvent, reason: &str) -> Event {
    let reason = detail(&format!("{}: {reason}", detail(&event.kind, 64)), DETAIL_MAX_BYTES);
    Event::Unmapped { bridge, contract, topic: keccak256(&event.kind), reason }
}

#[cfg(test)]
#[path = "decode_tests.rs"]
mod tests;
