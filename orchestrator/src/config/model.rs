//! The configuration as it was read: names resolved, numbers in range, places kept for later checks.

use std::{collections::BTreeMap, fmt, net::SocketAddr, path::PathBuf};

use portcullis_core::config::{Mode, Rules};
use portcullis_verifier::{
    ActionClass, AdminKind, Assurance, B256, BridgeId, ChainId, GroupId, OperatorId, Slug, TransferKind,
};
use secrecy::SecretString;
use url::Url;

pub use super::light::{ChannelConfig, LightConfig, RootConfig};
pub use super::stakes::StakesConfig;
use super::{family::Family, reader::Placed};
use crate::notify::NotifyConfig;
use crate::operate::approve::Approvers;

/// One file, read and checked.
#[derive(Debug, Clone)]
pub struct Config {
    /// The file.
    pub file: PathBuf,
    /// `[[chain]]`
    pub chains: Vec<ChainConfig>,
    /// `[[bridge]]`
    pub bridges: Vec<BridgeConfig>,
    /// `[rules]`
    pub rules: Rules,
    /// `[[playbook]]`, or the built-in ones where the file has none.
    pub playbooks: Vec<PlaybookConfig>,
    /// `[store]`
    pub store: StoreConfig,
    /// `[api]`
    pub api: ApiConfig,
    /// `[drill]` and `[modes]`
    pub operate: OperateConfig,
    /// `[notify]`
    pub notify: NotifyConfig,
}

/// `[drill]` and `[modes]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperateConfig {
    /// Between two rehearsals, in seconds; zero for none.
    pub drill_secs: u64,
    /// Between two canaries of a guard that has one, in seconds; zero for none.
    pub canary_secs: u64,
    /// From asking for more trust until it is lent, in seconds.
    pub trust_delay_secs: u64,
    /// Who may agree to more trust.
    pub approvers: Approvers,
}

/// `[[chain]]`
#[derive(Debug, Clone)]
pub struct ChainConfig {
    /// CAIP-2 id.
    pub id: Placed<ChainId>,
    /// Which adapter reads it.
    pub family: Family,
    /// One per operator.
    pub endpoints: Vec<EndpointConfig>,
    /// How many operators must agree.
    pub quorum: u16,
    /// First block to read when nothing was read before. Releases whose sources lie before it look unbacked.
    pub start_height: u64,
    /// Deepest reorganisation that is followed without an alarm, in blocks.
    pub reorg_bound_blocks: u64,
    /// No new block for so long is a stall, in seconds.
    pub stall_after_secs: u64,
    /// An endpoint silent for so long is dark, in milliseconds.
    pub silence_ms: u64,
    /// Between two polls where an endpoint has no push, in milliseconds.
    pub poll_ms: u64,
    /// How many blocks behind the quorum an operator may be before it is called lagging.
    pub lag_blocks: u64,
    /// Seconds per block, rounded down, at least 1.
    pub block_secs: u64,
    /// Whether blocks whose header rules out every watched contract are taken as empty without asking.
    pub bloom: bool,
    /// Whether waiting transactions that call a watched contract are previewed.
    pub pending: bool,
    /// When a block counts as final.
    pub finality: Finality,
    /// Where containment is sent.
    pub submission: Submission,
    /// What it may cost.
    pub fees: FeeConfig,
    /// Whose key signs it.
    pub signer: Option<SignerConfig>,
    /// What only chains have whose headers are verified by their own validators' signatures.
    pub light: Option<LightConfig>,
    /// Who votes, where votes are counted and a person pinned it.
    pub stakes: Option<StakesConfig>,
}

/// One operator's endpoint.
#[derive(Debug, Clone)]
pub struct EndpointConfig {
    /// Who runs it.
    pub operator: Placed<OperatorId>,
    /// Requests.
    pub http: EndpointUrl,
    /// Push.
    pub ws: Option<EndpointUrl>,
    /// Whether containment may be sent through it.
    pub submit: bool,
}

/// A URL that may hold a key in its path: shown without path, query and password.
#[derive(Clone, PartialEq, Eq)]
pub struct EndpointUrl(pub Url);

impl fmt::Debug for EndpointUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for EndpointUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.0.scheme(), self.0.host_str().unwrap_or("?"))?;
        self.0.port().map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

/// When a block counts as safe and as final.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finality {
    /// The chain says so itself.
    Tags,
    /// So many blocks on top.
    Depth {
        /// Safe.
        safe_blocks: u64,
        /// Final; at least `safe_blocks`.
        final_blocks: u64,
    },
}

/// Where containment is sent. One or the other, never both: what is private must not leak.
#[derive(Debug, Clone)]
pub enum Submission {
    /// To every endpoint with `submit = true`.
    Public,
    /// To these only.
    Private(Vec<PrivateEndpoint>),
}

/// An endpoint that takes transactions past the public mempool.
#[derive(Debug, Clone)]
pub struct PrivateEndpoint {
    /// Who runs it.
    pub operator: OperatorId,
    /// Where.
    pub http: EndpointUrl,
}

/// What containment may cost, in the chain's smallest unit of price per unit of gas: wei, or a billionth of the base unit
/// of the token that fees are paid in. Where an offer is not a price, what a block does not ask for is not paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FeeConfig {
    /// Offer of the first try.
    pub fee: u128,
    /// Highest offer ever.
    pub max_fee: u128,
    /// Tip of the first try with nothing at risk.
    pub tip: u128,
    /// Tip of the first try with `full_value_micro_usd` or more at risk.
    pub max_tip: u128,
    /// Value at risk from which the full tip is offered, micro-USD.
    pub full_value_micro_usd: u64,
    /// By how much each further try offers more, percent; nodes refuse a replacement that offers less than an
    /// eighth more.
    pub bump_percent: u32,
    /// Tries after which the offer stays.
    pub bumps: u16,
    /// Units of gas that one trip may use.
    pub gas_limit: u64,
    /// What all trips of a rolling hour may cost at most. What closes an open gate is never withheld for it.
    pub per_hour: u128,
}

impl Default for FeeConfig {
    // A pause competes with people who take millions: the first tip is above any ordinary crowd's, and the ceiling
    // is above the peaks of the busiest days.
    fn default() -> Self {
        const GWEI: u128 = 1_000_000_000;
        Self {
            fee: GWEI.saturating_mul(60),
            max_fee: GWEI.saturating_mul(2_000),
            tip: GWEI.saturating_mul(2),
            max_tip: GWEI.saturating_mul(50),
            full_value_micro_usd: 10_000_000_000_000,
            bump_percent: 25,
            bumps: 12,
            gas_limit: 400_000,
            // Six trips at the very highest offer, two hundred at the first one.
            per_hour: GWEI.saturating_mul(5_000_000_000),
        }
    }
}

/// An encrypted key and the file with its password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignerConfig {
    /// Encrypted keystore (Web3 secret storage).
    pub keystore: PathBuf,
    /// First line is the password.
    pub password_file: PathBuf,
    /// Another key, whose account carries signed trips when this one's is stuck or empty.
    pub carrier: Option<Box<SignerConfig>>,
    /// Account that its nonces come from, on chains where one can be named.
    pub nonce: Option<Placed<String>>,
    /// Where the file names it.
    pub at: std::ops::Range<usize>,
}

/// `[[bridge]]`
#[derive(Debug, Clone)]
pub struct BridgeConfig {
    /// Name.
    pub id: Placed<BridgeId>,
    /// Group of linked bridges: one engine, one incident.
    pub group: GroupId,
    /// Age that a source event must have, in seconds of chain time.
    pub finality_secs: u64,
    /// By how much the chains' clocks may differ, in seconds.
    pub skew_secs: u64,
    /// `[[bridge.side]]`
    pub sides: Vec<SideConfig>,
    /// `[[bridge.unwatched]]`
    pub unwatched: Vec<(Placed<B256>, Slug)>,
    /// `[[bridge.asset]]`
    pub assets: Vec<AssetConfig>,
}

/// `[[bridge.side]]`
#[derive(Debug, Clone)]
pub struct SideConfig {
    /// Which chain.
    pub chain: Placed<ChainId>,
    /// The bridge's number of it.
    pub domain: Placed<B256>,
    /// What is watched.
    pub contracts: Vec<ContractConfig>,
    /// What can be closed.
    pub guard: Option<GuardConfig>,
    /// Channels of tokens that work for the bridge, on chains that have such.
    pub channels: Vec<ChannelConfig>,
}

/// A watched contract.
#[derive(Debug, Clone)]
pub struct ContractConfig {
    /// Left padded.
    pub address: Placed<B256>,
    /// As the file writes it.
    pub written: String,
    /// What its events mean.
    pub events: Vec<EventConfig>,
    /// Signatures of events that are known to mean nothing. Any other unmapped event is kept and shown.
    pub ignored: Vec<Placed<String>>,
}

/// What an event means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventKind {
    /// Value moved.
    Transfer(TransferKind),
    /// Somebody with a role changed something.
    Admin(AdminKind),
}

/// One event of a contract and where each part of its meaning stands in it.
#[derive(Debug, Clone)]
pub struct EventConfig {
    /// What it means.
    pub kind: EventKind,
    /// As the contract's source declares it, parameter names included.
    pub signature: Placed<String>,
    /// Part of the meaning → where it stands.
    pub fields: BTreeMap<String, Placed<FieldSource>>,
    /// Whether the contract also keeps the event in its state, from where it can be proven.
    pub recorded: bool,
}

/// Where a part of an event's meaning stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FieldSource {
    /// In the parameter of this name.
    Parameter(String),
    /// In the contract's nature: always this.
    Constant(B256),
}

/// A gate that can be closed.
#[derive(Debug, Clone)]
pub struct GuardConfig {
    /// Name, unique in the file.
    pub id: Placed<Slug>,
    /// Left padded.
    pub address: Placed<B256>,
    /// As the file writes it.
    pub written: String,
    /// Whether it is asked by the bridge (guard), or holds the pausing power over it (gate).
    pub kind: GuardKind,
    /// What closes the whole outflow of the bridge there.
    pub scope: B256,
    /// How far automation may go.
    pub mode: Placed<Mode>,
    /// Longest closure that it grants in one trip, in seconds.
    pub max_secs: u64,
    /// A scope of the same gate that no bridge asks, tripped now and then to see that closing works.
    pub canary: Option<B256>,
}

/// How a gate closes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GuardKind {
    /// The bridge asks it before value leaves.
    Guard,
    /// It holds the pausing power over a contract that exists already.
    Gate,
}

/// `[[bridge.asset]]`
#[derive(Debug, Clone)]
pub struct AssetConfig {
    /// Name, unique in the bridge.
    pub name: Placed<Slug>,
    /// Micro-USD per whole token.
    pub micro_usd: Option<u64>,
    /// Its forms.
    pub forms: Vec<FormConfig>,
}

/// An asset on one side.
#[derive(Debug, Clone)]
pub struct FormConfig {
    /// Domain of the side.
    pub domain: Placed<B256>,
    /// Token there, left padded.
    pub token: Placed<B256>,
    /// Decimals of its base unit.
    pub decimals: u8,
    /// Locked and released here, rather than minted and burned.
    pub home: bool,
}

/// `[[playbook]]`
#[derive(Debug, Clone)]
pub struct PlaybookConfig {
    /// Name.
    pub id: Slug,
    /// Class of action.
    pub class: ActionClass,
    /// Least assurance.
    pub needs: Assurance,
    /// How long a closure lasts, in seconds.
    pub expiry_secs: u64,
    /// Only these targets; empty means all.
    pub targets: Vec<Placed<Slug>>,
}

/// `[store]`
#[derive(Debug, Clone)]
pub struct StoreConfig {
    /// Journal, kill switches, and the private Postgres where no server is named.
    pub data_dir: PathBuf,
    /// A Postgres server; none starts a private one in `data_dir`.
    pub database_url: Option<SecretString>,
}

/// `[api]`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ApiConfig {
    /// Where it listens.
    pub listen: SocketAddr,
}
