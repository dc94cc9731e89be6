//! Configuration of one cluster: parsed from text, then compiled once into what the hot path uses.
//!
//! *Who is in the play.* [`SolanaConfig`] is what a person wrote. [`SolanaConfig::compile`] checks all of it, collects
//! every mistake (never only the first), and returns [`Compiled`], which nothing else can build: who holds one
//! holds a configuration whose addresses, layouts and bounds were checked.

pub use portcullis_adapter::config::{
    ConfigError, ConfigErrors, ConfigProblem, ConstantField, Endpoint, EventMapping, FieldNames, FieldSource,
    GateKind, GateTarget, MappingKind, PrivateEndpoint, SignerSource, Submission, WatchedContract,
};
use portcullis_verifier::{B256, ChainId, Slug};
use serde::Deserialize;

use crate::{decode::Decoder, limits, stakes::StakeSource};

mod compile;
mod fees;
mod layout;
mod mapping;

pub use compile::{gate_address, is_reference};
pub use fees::FeeSchedule;

/// One cluster as configured.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SolanaConfig {
    /// CAIP-2 id: `solana:` and the first 32 characters of the genesis hash.
    pub chain: ChainId,
    /// Whose nodes are asked. Two endpoints of one operator are one voice, so each operator is named once.
    pub endpoints: Vec<Endpoint>,
    /// How many operators must tell a block and its records alike before it is delivered. At least 1; at most the number
    /// of endpoints.
    #[serde(default = "default_quorum")]
    pub quorum: u16,
    /// First slot whose records are delivered when there is no cursor. Zero begins at the newest block.
    #[serde(default)]
    pub start_height: u64,
    /// How many blocks can be undone without an alarm.
    #[serde(default = "default_reorg_bound_blocks")]
    pub reorg_bound_blocks: u64,
    /// Longest silence of a push socket before it is taken for half open, in milliseconds.
    #[serde(default = "default_silence_ms")]
    pub silence_ms: u64,
    /// Longest time without a new block on any endpoint before the chain is called stalled, in milliseconds.
    #[serde(default = "default_stall_ms")]
    pub stall_ms: u64,
    /// Pause between polls of an endpoint without push, in milliseconds.
    #[serde(default = "default_poll_ms")]
    pub poll_ms: u64,
    /// How many slots an operator may be behind the delivered head before it is called lagging.
    #[serde(default = "default_lag_slots")]
    pub lag_blocks: u64,
    /// Whether what watched programs log is previewed as soon as one operator has processed it.
    #[serde(default)]
    pub pending: bool,
    /// Who votes, and with how much stake, as a person pinned it for the epoch that runs; none where only operators are
    /// believed.
    #[serde(default)]
    pub stakes: Option<StakeSource>,
    /// Programs and mints whose records are observed: a program by its address, a token by `mint:` and its address. Whoever
    /// changes who may upgrade the program, or who may mint or freeze the token, is observed without any mapping.
    #[serde(default)]
    pub contracts: Vec<WatchedContract>,
    /// Gates that can be closed, each by `<breaker account>@<program>`.
    #[serde(default)]
    pub targets: Vec<GateTarget>,
    /// Key that signs trips; none where nothing is closed from here.
    #[serde(default)]
    pub signer: Option<SignerSource>,
    /// Key of another account, which carries signed trips when the signer's own account is empty. It needs no role and can
    /// close nothing by itself; it only pays.
    #[serde(default)]
    pub carrier: Option<SignerSource>,
    /// Nonce account that the signer signs with instead of a recent blockhash, and is the authority of: then a trip does not
    /// expire, and of all the steps of its fees at most one lands. Without it, and while it cannot be used, a recent blockhash.
    #[serde(default)]
    pub nonce: Option<String>,
    /// The same for the carrier, which needs one of its own: what one lane signed would shut the other out.
    #[serde(default)]
    pub carrier_nonce: Option<String>,
    /// What a trip may pay.
    #[serde(default)]
    pub fees: FeeSchedule,
    /// Where trips go.
    #[serde(default)]
    pub submission: Submission,
}

/// A checked configuration.
#[derive(Debug)]
pub struct Compiled {
    pub(crate) config: SolanaConfig,
    pub(crate) decoder: Decoder,
    pub(crate) targets: Vec<CompiledTarget>,
    /// Nonce accounts of the signer and of the carrier.
    pub(crate) nonces: [Option<B256>; 2],
}

/// A checked target.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CompiledTarget {
    /// Configured name.
    pub(crate) id: Slug,
    /// The account that is the guard or gate.
    pub(crate) address: B256,
    /// The program that works for it.
    pub(crate) program: B256,
    /// What.
    pub(crate) kind: GateKind,
}

impl Compiled {
    /// What was compiled.
    #[must_use]
    pub fn config(&self) -> &SolanaConfig {
        &self.config
    }

    /// What turns records into observations.
    #[must_use]
    pub fn decoder(&self) -> &Decoder {
        &self.decoder
    }
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

fn default_lag_slots() -> u64 {
    limits::LAG_DEFAULT_SLOTS
}
