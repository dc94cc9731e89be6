//! What the model of a chain and of a side has only where headers are verified by the signatures of the chain's own
//! validators.

use portcullis_verifier::B256;

use super::reader::Placed;

/// What only chains have whose headers are verified by their own validators' signatures.
#[derive(Debug, Clone)]
pub struct LightConfig {
    /// What the chain's addresses begin with.
    pub prefix: Placed<String>,
    /// The chain's own name for itself, where its id has only the name's hash.
    pub name: Option<Placed<String>>,
    /// The header that later ones are verified from.
    pub root: RootConfig,
    /// Token in which trips are paid; empty where nothing is signed.
    pub denom: Placed<String>,
}

/// A header that a person vouches for.
#[derive(Debug, Clone)]
pub struct RootConfig {
    /// Its height.
    pub height: u64,
    /// Its hash.
    pub hash: B256,
    /// How long a header may be started from, in seconds.
    pub trusting_period_secs: u64,
    /// How far a header may lie ahead of this machine's clock, in seconds.
    pub clock_drift_secs: u64,
    /// Where the file names it.
    pub at: std::ops::Range<usize>,
}

/// A channel of tokens between two chains.
#[derive(Debug, Clone)]
pub struct ChannelConfig {
    /// The bridge's number of the other chain.
    pub remote: Placed<B256>,
    /// Port on this chain.
    pub port: String,
    /// Channel on this chain.
    pub channel: Placed<String>,
    /// Port on the other chain.
    pub counterparty_port: String,
    /// Channel on the other chain.
    pub counterparty_channel: String,
}
