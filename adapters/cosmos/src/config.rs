//! Configuration of one Cosmos chain: parsed from text, then compiled once into what the hot path uses.
//!
//! *Who is in the play.* [`CosmosConfig`] is what a person wrote. [`CosmosConfig::compile`] checks all of it, collects
//! every mistake (never only the first), and returns [`Compiled`], which nothing else can build: who holds one
//! holds a configuration whose addresses, patterns and bounds were checked.

pub use portcullis_adapter::config::{
    ConfigError, ConfigErrors, ConfigProblem, ConstantField, Endpoint, EventMapping, FieldNames, FieldSource,
    GateKind, GateTarget, MappingKind, PrivateEndpoint, SignerSource, Submission, WatchedContract,
};
use portcullis_verifier::{B256, BlockRef, BridgeId, ChainId, Slug};
use serde::Deserialize;

use crate::{decode::Decoder, limits};

mod compile;
mod fees;
mod mapping;

pub use compile::{account, any_account, padded, shown};
pub use fees::FeeSchedule;

/// One Cosmos chain as configured.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CosmosConfig {
    /// CAIP-2 id; the namespace must be `cosmos`.
    pub chain: ChainId,
    /// The chain's own name for itself, where CAIP-2 has only its hash; else it is taken from `chain`.
    #[serde(default)]
    pub name: Option<String>,
    /// What the chain's addresses begin with, such as `cosmos` or `osmo`.
    pub prefix: String,
    /// Whose nodes are asked. Two endpoints of one operator are one voice, so each operator is named once.
    pub endpoints: Vec<Endpoint>,
    /// How many operators must tell the events of a block alike before it is delivered. At least 1; at most the
    /// number of endpoints. Headers need no quorum: they are verified.
    #[serde(default = "default_quorum")]
    pub quorum: u16,
    /// The header from which every other one is verified.
    pub trust: TrustRoot,
    /// Where the light client's state is kept between runs; none keeps it in memory.
    #[serde(default)]
    pub state_dir: Option<std::path::PathBuf>,
    /// First block whose events are delivered when there is no cursor; not below the block after the root. Zero is
    /// the block after the root.
    #[serde(default)]
    pub start_height: u64,
    /// Longest silence of a push socket before it is taken for half open, in milliseconds; a few block times.
    #[serde(default = "default_silence_ms")]
    pub silence_ms: u64,
    /// Longest time without a new block on any endpoint before the chain is called stalled, in milliseconds.
    #[serde(default = "default_stall_ms")]
    pub stall_ms: u64,
    /// Pause between polls of an endpoint without push, in milliseconds.
    #[serde(default = "default_poll_ms")]
    pub poll_ms: u64,
    /// How many blocks an operator may be behind the delivered head before it is called lagging.
    #[serde(default = "default_lag_blocks")]
    pub lag_blocks: u64,
    /// Contracts and modules whose events are observed. An address is a contract's, or `module:` and a name of your
    /// choice for events of the chain itself (such as the bank's `coinbase` and `burn`), which are then told apart by
    /// the patterns alone; of a module only what a pattern matches is looked at.
    ///
    /// A signature is the event's type and the attributes that it must have, some of them with a value:
    /// `wasm(action=release)`, `wasm-released(message_id, amount)`, `coinbase(amount.denom=usd)`. A field names an
    /// attribute: `name`, `name.member` (of JSON, or `amount` and `denom` of a coin), or `@tx` for the transaction's
    /// hash; behind it, where the usual reading does not fit, ` as number`, ` as hex`, ` as account` or ` as text`.
    #[serde(default)]
    pub contracts: Vec<WatchedContract>,
    /// Channels of fungible tokens (ICS-20) that are observed.
    #[serde(default)]
    pub channels: Vec<TokenChannel>,
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

/// The header from which every other one is verified. Take both from a source that is none of the endpoints.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrustRoot {
    /// Its height.
    pub height: u64,
    /// Its hash.
    pub hash: B256,
    /// How long a header may be started from, in seconds: clearly shorter than the time for which stake stays
    /// slashable. Two weeks where nothing is said.
    #[serde(default = "default_trusting_period_secs")]
    pub trusting_period_secs: u64,
    /// How far a header's time may lie ahead of this machine's clock, in seconds.
    #[serde(default = "default_clock_drift_secs")]
    pub clock_drift_secs: u64,
}

impl TrustRoot {
    /// The block by both its names.
    #[must_use]
    pub fn block(&self) -> BlockRef {
        BlockRef { height: self.height, hash: self.hash }
    }
}

/// A channel of fungible tokens (ICS-20) that works for one bridge. The packet's sequence is the message id; the
/// asset is the keccak256 of the denomination on this chain.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenChannel {
    /// Which bridge.
    pub bridge: BridgeId,
    /// The bridge's domain number of this chain: decimal, or `0x` and up to 64 hex digits.
    pub domain: String,
    /// The bridge's domain number of the other chain.
    pub remote: String,
    /// Port on this chain.
    #[serde(default = "default_port")]
    pub port: String,
    /// Channel on this chain, such as `channel-0`.
    pub channel: String,
    /// Port on the other chain.
    #[serde(default = "default_port")]
    pub counterparty_port: String,
    /// Channel on the other chain.
    pub counterparty_channel: String,
}

/// A checked configuration.
#[derive(Debug)]
pub struct Compiled {
    pub(crate) config: CosmosConfig,
    /// The chain's own name, as its headers and signatures have it.
    pub(crate) name: String,
    pub(crate) decoder: Decoder,
    pub(crate) targets: Vec<CompiledTarget>,
}

/// A checked target.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CompiledTarget {
    /// Configured name.
    pub(crate) id: Slug,
    /// The contract's address, which has 32 bytes.
    pub(crate) address: B256,
    /// What.
    pub(crate) kind: GateKind,
}

impl Compiled {
    /// What was compiled.
    #[must_use]
    pub fn config(&self) -> &CosmosConfig {
        &self.config
    }

    /// The chain's own name, as its headers and signatures have it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether a contract is configured as a Gate, which closes what others made.
    pub(crate) fn is_gate(&self, contract: B256) -> bool {
        self.targets.iter().any(|target| target.address == contract && target.kind == GateKind::Gate)
    }

    /// What turns events into observations.
    #[must_use]
    pub fn decoder(&self) -> &Decoder {
        &self.decoder
    }
}

fn default_quorum() -> u16 {
    1
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

fn default_trusting_period_secs() -> u64 {
    portcullis_verifier::cosmos::Rules::default().trusting_period_secs
}

fn default_clock_drift_secs() -> u64 {
    portcullis_verifier::cosmos::Rules::default().clock_drift_secs
}

fn default_port() -> String {
    "transfer".to_owned()
}
