//! Configuration of one EVM chain: parsed from text, then compiled once into what the hot path uses.
//!
//! *Who is in the play.* [`EvmConfig`] is what a person wrote. [`EvmConfig::compile`] checks all of it, collects
//! every mistake (never only the first), and returns [`Compiled`], which nothing else can build: who holds one
//! holds a configuration whose addresses, signatures and bounds were checked.

use alloy::primitives::Address;
pub use portcullis_adapter::config::{
    ConfigError, ConfigErrors, ConfigProblem, ConstantField, Endpoint, EventMapping, FieldNames, FieldSource,
    GateKind, GateTarget, MappingKind, PrivateEndpoint, SignerSource, Submission, WatchedContract,
};
use portcullis_verifier::{B256, ChainId, Slug};
use serde::Deserialize;

use crate::{decode::Decoder, limits};

mod compile;
mod fees;
mod mapping;

pub use fees::FeeSchedule;

/// One EVM chain as configured.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvmConfig {
    /// CAIP-2 id; the namespace must be `eip155`.
    pub chain: ChainId,
    /// Whose nodes are asked. Two endpoints of one operator are one voice, so each operator is named once.
    pub endpoints: Vec<Endpoint>,
    /// How many operators must agree before a block is delivered or a header is attested. At least 1; at most
    /// the number of endpoints.
    #[serde(default = "default_quorum")]
    pub quorum: u16,
    /// First block whose events are delivered when there is no cursor.
    #[serde(default)]
    pub start_height: u64,
    /// Deepest reorganisation that is undone exactly, in blocks. Deeper ones are undone as far as this and raise
    /// an alarm. Between 1 and [`limits::REORG_BOUND_MAX_BLOCKS`].
    #[serde(default = "default_reorg_bound_blocks")]
    pub reorg_bound_blocks: u64,
    /// Longest silence of a push socket before it is taken for half open, in milliseconds; a few block times.
    #[serde(default = "default_silence_ms")]
    pub silence_ms: u64,
    /// Longest time without a new block on any endpoint before the chain is called stalled, in milliseconds.
    #[serde(default = "default_stall_ms")]
    pub stall_ms: u64,
    /// Pause between polls of an endpoint without push, in milliseconds.
    #[serde(default = "default_poll_ms")]
    pub poll_ms: u64,
    /// How many blocks an operator may be behind the quorum before it is called lagging.
    #[serde(default = "default_lag_blocks")]
    pub lag_blocks: u64,
    /// How the chain tells what is safe and final.
    #[serde(default)]
    pub finality: Finality,
    /// Whether blocks whose header's bloom excludes every watched contract are delivered without asking for
    /// logs. Turn it off on chains that leave the bloom empty; a pushed log that its bloom denies turns it off
    /// at run time.
    #[serde(default = "default_true")]
    pub bloom: bool,
    /// Whether waiting transactions that call a watched contract are previewed, where an operator has a socket. Needs
    /// `eth_simulateV1`. What comes of it is untrusted by nature and carries the status `Pending`.
    #[serde(default)]
    pub pending: bool,
    /// Contracts whose events are observed. An address is `0x` and 40 hex digits; mixed case must carry the EIP-55
    /// checksum. A signature is written as Solidity does, with `indexed` and parameter names:
    /// `Released(uint32 indexed origin, uint256 indexed messageId, address recipient, uint256 amount)`.
    #[serde(default)]
    pub contracts: Vec<WatchedContract>,
    /// Gates that can be closed.
    #[serde(default)]
    pub targets: Vec<GateTarget>,
    /// Key that signs trips; none where nothing is closed from here.
    #[serde(default)]
    pub signer: Option<SignerSource>,
    /// Key of another account, which carries signed trips when the signer's own account is stuck or empty. It needs
    /// no role and can close nothing by itself; it only pays.
    #[serde(default)]
    pub carrier: Option<SignerSource>,
    /// What a trip may pay.
    #[serde(default)]
    pub fees: FeeSchedule,
    /// Where trips go.
    #[serde(default)]
    pub submission: Submission,
}

/// How the chain tells what is safe and final.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Finality {
    /// The node's own tags `safe` and `finalized`.
    #[default]
    Tags,
    /// A fixed number of blocks below the head.
    Depth {
        /// Depth from which a block counts as safe.
        safe_blocks: u64,
        /// Depth from which a block counts as final; not below `safe_blocks`.
        final_blocks: u64,
    },
}

/// A checked configuration.
#[derive(Debug)]
pub struct Compiled {
    pub(crate) config: EvmConfig,
    pub(crate) chain_number: u64,
    pub(crate) decoder: Decoder,
    pub(crate) targets: Vec<CompiledTarget>,
}

/// A checked target.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CompiledTarget {
    /// Configured name.
    pub(crate) id: Slug,
    /// Where.
    pub(crate) address: Address,
    /// What.
    pub(crate) kind: GateKind,
}

impl Compiled {
    /// What was compiled.
    #[must_use]
    pub fn config(&self) -> &EvmConfig {
        &self.config
    }

    /// The number that nodes and signatures know the chain by (EIP-155).
    #[must_use]
    pub fn chain_number(&self) -> u64 {
        self.chain_number
    }

    /// Where a target stands, and what stands there.
    #[must_use]
    pub fn target(&self, id: Slug) -> Option<(Address, GateKind)> {
        self.targets.iter().find(|target| target.id == id).map(|target| (target.address, target.kind))
    }

    /// Whether a contract is configured as a Gate, which closes what others made.
    pub(crate) fn is_gate(&self, contract: Address) -> bool {
        self.targets.iter().any(|target| target.address == contract && target.kind == GateKind::Gate)
    }

    /// What turns logs into observations.
    #[must_use]
    pub fn decoder(&self) -> &Decoder {
        &self.decoder
    }
}

/// An address as the vocabulary carries it: 32 bytes, left padded.
#[must_use]
pub fn padded(address: Address) -> B256 {
    address.into_word()
}

/// The address inside a padded word; none when the word is no padded address.
#[must_use]
pub fn unpadded(word: B256) -> Option<Address> {
    let address = Address::from_word(word);
    (address.into_word() == word).then_some(address)
}

fn default_quorum() -> u16 {
    1
}

fn default_reorg_bound_blocks() -> u64 {
    limits::REORG_BOUND_DEFAULT_BLOCKS
}

fn default_silence_ms() -> u64 {
    limits::SILENCE_DEFAULT_MS
}

fn default_stall_ms() -> u64 {
    limits::STALL_DEFAULT_MS
}

fn default_poll_ms() -> u64 {
    limits::POLL_DEFAULT_MS
}

fn default_lag_blocks() -> u64 {
    limits::LAG_DEFAULT_BLOCKS
}

fn default_true() -> bool {
    true
}
