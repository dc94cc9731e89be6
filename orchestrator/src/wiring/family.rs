//! What the wiring of every family does alike. A family only says how each step is done with its own types.

use std::sync::Arc;

use portcullis_adapter::{Contain, GateReport, Observe, Prove, Readiness, config::ConfigErrors};

use super::part::{Part, rehearse};
use crate::{
    config::{Problem, model::GuardConfig},
    service::{ChainWiring, Pinned, nothing_pinned},
};

/// A family, as its chains are built and asked.
pub(super) trait Wire {
    /// What the family's adapter is configured with.
    type Config;
    /// One of its chains.
    type Chain: Clone + Send + Sync + 'static;
    /// Who closes gates on it.
    type Container: Contain + 'static;
    /// Why a chain cannot be built.
    type Error: Send + 'static;

    /// The family's own configuration; none for a chain that the reader left incomplete, which it has noted.
    fn config(part: &Part<'_>) -> Option<Self::Config>;
    /// What only the family can judge of it.
    fn judge(config: Self::Config) -> Result<(), ConfigErrors>;
    /// Builds the chain; opens no key and no connection.
    fn chain(config: Self::Config) -> Result<Self::Chain, Self::Error>;
    /// Who watches it, and who gathers evidence on it.
    fn watchers(chain: &Self::Chain) -> (Arc<dyn Observe>, Arc<dyn Prove>);
    /// Who closes gates on it, where it has a key. Opens the keystore, which blocks for about a second.
    fn container(chain: &Self::Chain) -> Result<Option<Self::Container>, Self::Error>;
    /// What proofs start from.
    fn pinned(_chain: &Self::Chain) -> Pinned {
        nothing_pinned()
    }
    /// An error as problems of the file, at their places.
    fn problems(part: &Part<'_>, error: &Self::Error) -> Vec<Problem>;
    /// Asks every endpoint.
    fn dial(chain: &Self::Chain) -> impl Future<Output = Vec<Readiness>> + Send;
    /// Asks a gate, and what of the chain its closing needs.
    fn dial_gate(
        chain: &Self::Chain,
        guard: &GuardConfig,
    ) -> impl Future<Output = (Option<GateReport>, Vec<Readiness>)> + Send;
}

/// Lets the family judge its part of the file.
pub(super) fn check<F: Wire>(part: &Part<'_>) -> Vec<Problem> {
    let Some(config) = F::config(part) else { return Vec::new() };
    F::judge(config).map_or_else(|errors| part.problems(&errors), |()| Vec::new())
}

/// Builds the chain's adapter.
pub(super) fn wire<F: Wire>(part: &Part<'_>) -> Result<ChainWiring, Vec<Problem>> {
    let chain = build::<F>(part)?;
    let container = F::container(&chain).map_err(|error| F::problems(part, &error))?;
    let (observe, prove) = F::watchers(&chain);
    Ok(ChainWiring {
        observe,
        prove,
        contain: container.map(|container| -> Arc<dyn Contain> { Arc::new(container) }),
        operators: part.chain.endpoints.iter().map(|endpoint| endpoint.operator.value).collect(),
        quorum: part.chain.quorum,
        pinned: F::pinned(&chain),
    })
}

/// Asks every endpoint, gate and key of the chain.
pub(super) async fn dial<F: Wire>(part: &Part<'_>) -> Result<Vec<Readiness>, Vec<Problem>> {
    let chain = build::<F>(part)?;
    let container = {
        let chain = chain.clone();
        match tokio::task::spawn_blocking(move || F::container(&chain)).await {
            Ok(opened) => opened.map_err(|error| F::problems(part, &error))?,
            Err(_panicked) => None,
        }
    };
    let mut checks = F::dial(&chain).await;
    for guard in &part.guards {
        let (report, found) = F::dial_gate(&chain, guard).await;
        checks.extend(found);
        checks.extend(rehearse(part, guard, report, container.as_ref()).await);
    }
    Ok(checks)
}

fn build<F: Wire>(part: &Part<'_>) -> Result<F::Chain, Vec<Problem>> {
    let config = F::config(part).ok_or_else(Vec::new)?;
    F::chain(config).map_err(|error| F::problems(part, &error))
}
