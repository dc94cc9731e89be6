//! Configuration of one EVM chain: parsed from text, then compiled once into what the hot path uses.
//!
//! *Who is in the play.* [`EvmConfig`] is what a person wrote. [`EvmConfig::compile`] checks all of it, collects
//! every mistake (never only the first), and returns [`Compiled`], which nothing else can build: who holds one
//! holds a configuration whose addresses, signatures and bounds were checked.

use alloy::primitives::Address;
use portcullis_verifier::{AdminKind, B256, BridgeId, ChainId, OperatorId, Slug, TransferKind};
use serde::Deserialize;
use url::Url;

use crate::{decode::Decoder, limits};

mod compile;
mod fees;
mod mapping;
mod problem;

pub use fees::FeeSchedule;
pub use problem::{ConfigError, ConfigErrors, ConfigProblem};

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
    /// Contracts whose events are observed.
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

/// One node of one operator.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Endpoint {
    /// Who runs it.
    pub operator: OperatorId,
    /// JSON-RPC over HTTP. May hold a key: never logged.
    pub http: Url,
    /// JSON-RPC over websocket; without it the endpoint is polled.
    #[serde(default)]
    pub ws: Option<Url>,
    /// Whether trips are handed to it when submission is public.
    #[serde(default = "default_true")]
    pub submit: bool,
}

impl core::fmt::Debug for Endpoint {
    // SECURITY: URLs of RPC vendors carry their key in the path; only scheme and host may reach a log.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Endpoint")
            .field("operator", &self.operator)
            .field("http", &portcullis_rpc::redacted(&self.http))
            .field("ws", &self.ws.as_ref().map(portcullis_rpc::redacted))
            .field("submit", &self.submit)
            .finish()
    }
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

/// One contract of one bridge.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WatchedContract {
    /// Which bridge.
    pub bridge: BridgeId,
    /// Address, `0x` and 40 hex digits. Mixed case must carry the EIP-55 checksum.
    pub address: String,
    /// The bridge's domain number of this chain: decimal, or `0x` and up to 64 hex digits.
    pub domain: String,
    /// What its events mean.
    pub mappings: Vec<EventMapping>,
    /// Signatures of events that are known to mean nothing here. Any other unmapped event is kept and shown.
    #[serde(default)]
    pub ignored: Vec<String>,
}

/// What one event means.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventMapping {
    /// What happened.
    pub kind: MappingKind,
    /// The event as Solidity writes it, with `indexed` and parameter names:
    /// `Released(uint32 indexed origin, uint256 indexed messageId, address recipient, uint256 amount)`.
    pub signature: String,
    /// Which parameter holds what.
    pub fields: FieldNames,
}

/// What an event is mapped to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MappingKind {
    /// Somebody with a role changed something.
    Admin(AdminKind),
    /// Value moved: `lock`, `burn`, `mint` or `release`.
    #[serde(untagged)]
    Transfer(TransferKind),
}

/// Where each part of the observation comes from.
///
/// A transfer needs `remote`, `message_id`, `asset`, `amount` and `recipient`; an admin change takes only
/// `value`, and may leave it out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FieldNames {
    /// The bridge's domain number of the other chain.
    pub remote: Option<FieldSource>,
    /// The bridge's message id.
    pub message_id: Option<FieldSource>,
    /// The token on this chain.
    pub asset: Option<FieldSource>,
    /// Amount in base units; must be an unsigned integer parameter.
    pub amount: Option<FieldSource>,
    /// Who receives.
    pub recipient: Option<FieldSource>,
    /// Who sent, where the event says so.
    pub sender: Option<FieldSource>,
    /// New value of an admin change.
    pub value: Option<FieldSource>,
}

/// A parameter's name, or a constant.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum FieldSource {
    /// Name of a parameter of the signature.
    Parameter(String),
    /// The same for every event of this mapping; only for `remote` and `asset`.
    Constant(ConstantField),
}

impl From<&str> for FieldSource {
    fn from(name: &str) -> Self {
        Self::Parameter(name.to_owned())
    }
}

/// A constant: decimal, or `0x` and up to 64 hex digits; left padded.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConstantField {
    /// The value as text.
    pub constant: String,
}

/// A contract that can be closed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GateTarget {
    /// Configured name.
    pub id: Slug,
    /// Address of the Guard or Gate; as [`WatchedContract::address`].
    pub address: String,
    /// Which of the two; they answer the same calls, but fail for different reasons.
    pub kind: GateKind,
}

/// What stands at a target's address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GateKind {
    /// The protected contract asks it.
    Guard,
    /// It holds the pausing power over a contract that does not ask.
    Gate,
}

/// Where the signing key comes from.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum SignerSource {
    /// An encrypted keystore file (Web3 Secret Storage) and a file with its password.
    Keystore {
        /// The encrypted key.
        path: std::path::PathBuf,
        /// The password; a trailing line break is ignored.
        password_file: std::path::PathBuf,
    },
}

/// Where trips go. Never both at once: a public copy would give away what a private one hides.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Submission {
    /// To every endpoint with `submit`.
    #[default]
    Public,
    /// Only to these.
    Private(Vec<PrivateEndpoint>),
}

/// A submission endpoint that is not read from.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PrivateEndpoint {
    /// Who runs it.
    pub operator: OperatorId,
    /// JSON-RPC over HTTP. May hold a key: never logged.
    pub http: Url,
}

impl core::fmt::Debug for PrivateEndpoint {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("PrivateEndpoint")
            .field("operator", &self.operator)
            .field("http", &portcullis_rpc::redacted(&self.http))
            .finish()
    }
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
