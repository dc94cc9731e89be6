//! The service: everything between a wired configuration and a graceful end.
//!
//! *Who is in the play.* The wiring gives [`Wired`]: engines' configurations, one set of adapters per chain, and the
//! verifiers. `run` rebuilds each group's engine from its log, lets the adapters observe from where they were
//! left, and joins the seven steps.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use portcullis_adapter::{Contain, Observe, Prove};
use portcullis_core::EngineConfig;
use portcullis_verifier::registry::Registry;
use portcullis_verifier::{ChainId, OperatorId, Slug};
use tokio_util::sync::CancellationToken;

/// A checked configuration with everything that it names.
pub struct Wired {
    /// One engine each.
    pub groups: Vec<GroupWiring>,
    /// Every chain that any group needs.
    pub chains: BTreeMap<ChainId, ChainWiring>,
    /// Judges evidence.
    pub registry: Arc<Registry>,
}

/// One linked group.
pub struct GroupWiring {
    /// What its engine knows before it sees anything.
    pub engine_config: EngineConfig,
}

/// The roles that a family plays for one chain.
#[derive(Clone)]
pub struct ChainWiring {
    /// Watches it. Called once per group that stands on the chain.
    pub observe: Arc<dyn Observe>,
    /// Gathers evidence on it.
    pub prove: Arc<dyn Prove>,
    /// Closes gates on it; none where no signer is configured, and then its gates are closed by people only.
    pub contain: Option<Arc<dyn Contain>>,
    /// Operators whose word counts; a name that occurs twice is one voice.
    pub operators: Vec<OperatorId>,
    /// How many of them must agree on a header.
    pub quorum: u16,
}

/// What the service is told besides the configuration.
pub struct Options {
    /// Where journal and kill switches lie.
    pub data_dir: PathBuf,
    /// Name of this log among those of the same group; two processes of one name take turns by lease.
    pub replica: Slug,
    /// Ends everything gracefully.
    pub stop: CancellationToken,
}
