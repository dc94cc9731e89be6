//! Chains of the Solana family: from the file to its adapter.

use std::sync::Arc;

use portcullis_adapter::{Contain, Readiness, error::chain_of};
use portcullis_solana::{BuildError, Solana, SolanaConfig, config::FeeSchedule};

use super::part::{Part, rehearse};
use crate::{
    config::{Problem, model},
    service::{ChainWiring, nothing_pinned},
};

/// Lets the family judge its part of the file.
pub(super) fn check(part: &Part<'_>) -> Vec<Problem> {
    config(part).compile().map_or_else(|errors| part.problems(&errors), |_| Vec::new())
}

/// Builds the chain's adapter.
pub(super) fn wire(part: &Part<'_>) -> Result<ChainWiring, Vec<Problem>> {
    let built = Solana::new(config(part))
        .and_then(|chain| chain.configured_container().map(|container| (chain, container)));
    let (chain, container) = built.map_err(|error| build_problems(part, &error))?;
    Ok(ChainWiring {
        observe: Arc::new(chain.observer()),
        prove: Arc::new(chain.prover()),
        contain: container.map(|container| -> Arc<dyn Contain> { Arc::new(container) }),
        operators: part.chain.endpoints.iter().map(|endpoint| endpoint.operator.value).collect(),
        quorum: part.chain.quorum,
        // No table of stakes is pinned: what counts here is what operators report.
        pinned: nothing_pinned(),
    })
}

/// Asks every endpoint, gate and key of the chain.
pub(super) async fn dial(part: &Part<'_>) -> Result<Vec<Readiness>, Vec<Problem>> {
    let chain = Solana::new(config(part)).map_err(|error| build_problems(part, &error))?;
    let container = {
        let chain = chain.clone();
        let opened = tokio::task::spawn_blocking(move || chain.configured_container()).await;
        match opened {
            Ok(opened) => opened.map_err(|error| build_problems(part, &error))?,
            Err(_panicked) => None,
        }
    };
    let mut checks = chain.dial().await;
    for guard in &part.guards {
        let (report, found) = chain.dial_gate(guard.address.value, guard.scope).await;
        checks.extend(found);
        checks.extend(rehearse(part, guard, report, container.as_ref()).await);
    }
    Ok(checks)
}

/// The family's own configuration.
fn config(part: &Part<'_>) -> SolanaConfig {
    let chain = part.chain;
    SolanaConfig {
        chain: chain.id.value,
        endpoints: part.endpoints(),
        quorum: chain.quorum,
        start_height: chain.start_height,
        reorg_bound_blocks: chain.reorg_bound_blocks,
        silence_ms: chain.silence_ms,
        stall_ms: chain.stall_after_secs.saturating_mul(1_000),
        poll_ms: chain.poll_ms,
        lag_blocks: chain.lag_blocks,
        pending: chain.pending,
        contracts: part.watched(),
        targets: part.targets(),
        signer: part.signer(),
        carrier: part.carrier(),
        fees: fees(&chain.fees),
        submission: part.submission(),
    }
}

fn build_problems(part: &Part<'_>, error: &BuildError) -> Vec<Problem> {
    let causes = chain_of(error);
    match error {
        BuildError::Config(errors) => part.problems(errors),
        BuildError::Signer(_) => part.bad_signer(causes),
        BuildError::Client { .. } => part.no_client(causes),
    }
}

fn fees(fees: &model::FeeConfig) -> FeeSchedule {
    FeeSchedule {
        price: fees.fee,
        price_cap: fees.max_fee,
        urgency_floor: fees.tip,
        urgency_ceiling: fees.max_tip,
        full_value_micro_usd: fees.full_value_micro_usd,
        bump_bps: fees.bump_percent.saturating_mul(100),
        bumps: fees.bumps,
        unit_limit: u32::try_from(fees.gas_limit).unwrap_or(u32::MAX),
    }
}

#[cfg(test)]
mod tests;
