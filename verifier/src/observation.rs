//! What an adapter reports. Everything here is untrusted until a [`crate::Verdict`] says otherwise.

use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

use crate::{B256, BridgeId, ChainId, EventId, MessageKey, ObservationId, OperatorId, U256, codec::digest};

/// Where on its chain an event stands. Ordered as the chain orders: height, transaction, log.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    BorshSerialize,
    BorshDeserialize,
)]
pub struct Position {
    /// Block number, or slot.
    pub height: u64,
    /// Index of the transaction in the block.
    pub tx_index: u32,
    /// Index of the log in the block.
    pub log_index: u32,
    /// Hash of the block.
    pub block_hash: B256,
    /// Hash of the transaction; zero for an event that no transaction made.
    pub tx_hash: B256,
}

/// How settled an event is.
///
/// An adapter sends an event once when it is included (and, from a mempool, once before), and once more as
/// `Retracted` when its block left the chain. It becomes safe and final through [`Progress`], not by being sent
/// again: a chain of a thousand events a block would otherwise be reported three times over.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    BorshSerialize,
    BorshDeserialize,
)]
#[serde(rename_all = "snake_case")]
#[borsh(use_discriminant = false)]
pub enum Status {
    /// Seen in a mempool or a simulation; no block holds it.
    Pending,
    /// In a block at the tip.
    Included,
    /// In a block that the chain's own rules call safe.
    Safe,
    /// In a block that the chain's own rules call final.
    Final,
    /// Its block left the chain.
    Retracted,
}

/// What a bridge's contract did with value.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    BorshSerialize,
    BorshDeserialize,
)]
#[serde(rename_all = "snake_case")]
#[borsh(use_discriminant = false)]
pub enum TransferKind {
    /// Value went into escrow here, to appear elsewhere.
    Lock,
    /// A representation was destroyed here, to be released elsewhere.
    Burn,
    /// A representation was made here, because of a message from elsewhere.
    Mint,
    /// Value left escrow here, because of a message from elsewhere.
    Release,
    /// Value came back to its sender here, because a message from here was refused over there or ran out: it left escrow,
    /// or its representation was made again. Whoever gives it back consumes the message, which nobody may consume over
    /// there any more.
    Refund,
}

impl TransferKind {
    /// True for what puts a message on its way; false for what consumes one.
    #[must_use]
    pub fn is_source(self) -> bool {
        matches!(self, Self::Lock | Self::Burn)
    }
}

/// Value that enters or leaves a bridge on one side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, BorshSerialize, BorshDeserialize)]
pub struct Transfer {
    /// What happened.
    pub kind: TransferKind,
    /// Which bridge of the configuration.
    pub bridge: BridgeId,
    /// The bridge's domain number of this chain, left padded.
    pub local: B256,
    /// The bridge's domain number of the other chain: destination of a source event and of what is refunded, origin of
    /// what is minted or released.
    pub remote: B256,
    /// The bridge's own message id, left padded.
    pub message_id: B256,
    /// The token on this chain, left padded; for chains whose token names are texts, the name's keccak256.
    pub asset: B256,
    /// Amount in base units of the token on this chain.
    pub amount: U256,
    /// Who sent it, where the event says so.
    pub sender: Option<B256>,
    /// Who receives it on the destination; of a refund, who gets it back here.
    pub recipient: B256,
}

impl Transfer {
    /// The domains at which this transfer's message starts and ends. A refund happens where its message started.
    #[must_use]
    pub fn ends(&self) -> (B256, B256) {
        match self.kind {
            TransferKind::Lock | TransferKind::Burn | TransferKind::Refund => (self.local, self.remote),
            TransferKind::Mint | TransferKind::Release => (self.remote, self.local),
        }
    }

    /// The key of the message that this transfer sends or consumes.
    #[must_use]
    pub fn message_key(&self) -> MessageKey {
        let (origin, destination) = self.ends();
        MessageKey::derive(self.bridge, origin, destination, self.message_id)
    }
}

/// A change by somebody with a role.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    BorshSerialize,
    BorshDeserialize,
)]
#[serde(rename_all = "snake_case")]
#[borsh(use_discriminant = false)]
pub enum AdminKind {
    /// Owner or administrator changed.
    Owner,
    /// Code behind an address changed.
    Upgrade,
    /// The set of signers, guardians or validators changed.
    SignerSet,
    /// A new route, token or remote was enrolled.
    Route,
    /// A limit, delay or fee changed.
    Parameter,
}

/// A privileged change at a watched contract.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, BorshSerialize, BorshDeserialize)]
pub struct AdminChange {
    /// Which bridge it belongs to.
    pub bridge: BridgeId,
    /// What kind of change.
    pub kind: AdminKind,
    /// The contract, left padded.
    pub contract: B256,
    /// The new value as the event gives it (address, hash, number), left padded.
    pub value: B256,
}

/// In which way an endpoint or a chain misbehaves.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    BorshSerialize,
    BorshDeserialize,
)]
#[serde(rename_all = "snake_case")]
#[borsh(use_discriminant = false)]
pub enum FaultKind {
    /// It contradicts the quorum about a block.
    DissentHead,
    /// It contradicts the quorum about the logs of a block.
    DissentLogs,
    /// It does not answer, or has been silent for longer than its bound.
    Dark,
    /// It answers with something that is not an answer (garbage, oversize, wrong id, wrong chain).
    Garbage,
    /// Its head is behind the others' by more than the bound.
    Lagging,
    /// It answers again as it should.
    Recovered,
    /// The chain itself makes no blocks (all operators agree).
    Stalled,
    /// A reorganisation reached deeper than the configured bound.
    DeepReorg,
    /// The chain's own validators have signed two truths, by proof.
    Equivocation,
    /// Nothing more can be proven about the chain: its validators agree by rules that this version does not know, or what
    /// proofs start from has run out. What operators report is told as before.
    Unproven,
}

/// A fault of an endpoint, or of the chain when no operator is named.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, BorshSerialize, BorshDeserialize)]
pub struct EndpointFault {
    /// Whose endpoint; none when it is the chain or all of its operators.
    pub operator: Option<OperatorId>,
    /// In which way.
    pub kind: FaultKind,
    /// For people: method, expected and found; at most 512 bytes.
    pub detail: String,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, BorshSerialize, BorshDeserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// A bridge moved value.
    Transfer(Transfer),
    /// Somebody with a role changed something.
    Admin(AdminChange),
    /// An endpoint or the chain misbehaves.
    Fault(EndpointFault),
    /// A log of a watched contract that the mapping does not explain: kept and counted, never dropped.
    Unmapped {
        /// Which bridge's contract it came from.
        bridge: BridgeId,
        /// The contract, left padded.
        contract: B256,
        /// First topic or the discriminator of the event.
        topic: B256,
        /// Why it could not be mapped; at most 512 bytes.
        reason: String,
    },
}

/// One report of one event, with an id that derives from its content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Observation {
    id: EventId,
    chain: ChainId,
    position: Position,
    time: u64,
    status: Status,
    raw: B256,
    event: Event,
}

impl Observation {
    /// Makes an observation and derives its id.
    ///
    /// `time` is the block's own time in seconds since 1970. `raw` is the digest of the family's raw record (for
    /// a log: address, topics and data), which is what a proof binds to.
    #[must_use]
    pub fn new(
        chain: ChainId,
        position: Position,
        time: u64,
        status: Status,
        raw: B256,
        event: Event,
    ) -> Self {
        // Time is left out: two operators that report one block's event agree on its id even where a lying one
        // changes the time; the block hash already binds the honest time.
        let id = EventId(digest(
            "portcullis.event.v1",
            &(chain, position.block_hash, position.tx_hash, position.log_index, raw, &event),
        ));
        Self { id, chain, position, time, status, raw, event }
    }

    /// The same event with another status.
    #[must_use]
    pub fn with_status(&self, status: Status) -> Self {
        Self { status, ..self.clone() }
    }

    /// Id of the event, equal for every status.
    #[must_use]
    pub fn id(&self) -> EventId {
        self.id
    }

    /// Id of the event together with its status.
    #[must_use]
    pub fn observation_id(&self) -> ObservationId {
        ObservationId(digest("portcullis.observation.v1", &(self.id, self.status)))
    }

    /// The chain it was seen on.
    #[must_use]
    pub fn chain(&self) -> ChainId {
        self.chain
    }

    /// Where on the chain.
    #[must_use]
    pub fn position(&self) -> &Position {
        &self.position
    }

    /// Block time, seconds since 1970.
    #[must_use]
    pub fn time(&self) -> u64 {
        self.time
    }

    /// How settled it is.
    #[must_use]
    pub fn status(&self) -> Status {
        self.status
    }

    /// Digest of the family's raw record.
    #[must_use]
    pub fn raw(&self) -> B256 {
        self.raw
    }

    /// What happened.
    #[must_use]
    pub fn event(&self) -> &Event {
        &self.event
    }
}

impl BorshSerialize for Observation {
    fn serialize<W: borsh::io::Write>(&self, writer: &mut W) -> borsh::io::Result<()> {
        // The id is left out: it derives from the rest, so a reader cannot be given a false one.
        BorshSerialize::serialize(&(self.chain, self.position, self.time, self.status, self.raw), writer)?;
        BorshSerialize::serialize(&self.event, writer)
    }
}

impl BorshDeserialize for Observation {
    fn deserialize_reader<R: borsh::io::Read>(reader: &mut R) -> borsh::io::Result<Self> {
        let (chain, position, time, status, raw) = BorshDeserialize::deserialize_reader(reader)?;
        Ok(Self::new(chain, position, time, status, raw, Event::deserialize_reader(reader)?))
    }
}

/// How far a chain has been observed: everything at or below `height` has been delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, BorshSerialize, BorshDeserialize)]
pub struct Progress {
    /// Which chain.
    pub chain: ChainId,
    /// Highest block whose events are all delivered.
    pub height: u64,
    /// Its hash.
    pub block_hash: B256,
    /// Its time, seconds since 1970.
    pub time: u64,
    /// Highest block that the chain calls safe; never above `height`.
    pub safe_height: u64,
    /// Highest block that the chain calls final; never above `safe_height`.
    pub final_height: u64,
    /// Time of the newest block that a quorum of operators report, delivered or not, seconds since 1970; never below
    /// `time`. Where it is far above, the chain is being caught up with: what is observed is history. An observer says
    /// so before it delivers the first of what it catches up with.
    pub head_time: u64,
}

#[cfg(test)]
#[path = "observation_tests.rs"]
mod tests;
