//! Chains of the EVM family: from the file to its adapter.

use std::sync::Arc;

use portcullis_adapter::{Contain, Readiness, error::chain_of};
use portcullis_evm::{
    BuildError, Evm, EvmConfig,
    config::{FeeSchedule, Finality},
};

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
    let built =
        Evm::new(config(part)).and_then(|evm| evm.configured_container().map(|container| (evm, container)));
    let (evm, container) = built.map_err(|error| build_problems(part, &error))?;
    Ok(ChainWiring {
        observe: Arc::new(evm.observer()),
        prove: Arc::new(evm.prover()),
        contain: container.map(|container| -> Arc<dyn Contain> { Arc::new(container) }),
        operators: part.chain.endpoints.iter().map(|endpoint| endpoint.operator.value).collect(),
        quorum: part.chain.quorum,
        pinned: nothing_pinned(),
    })
}

/// Asks every endpoint, gate and key of the chain.
pub(super) async fn dial(part: &Part<'_>) -> Result<Vec<Readiness>, Vec<Problem>> {
    let evm = Evm::new(config(part)).map_err(|error| build_problems(part, &error))?;
    let container = {
        let evm = evm.clone();
        let opened = tokio::task::spawn_blocking(move || evm.configured_container()).await;
        match opened {
            Ok(opened) => opened.map_err(|error| build_problems(part, &error))?,
            Err(_panicked) => None,
        }
    };
    let mut checks = evm.dial().await;
    for guard in &part.guards {
        let (report, found) = evm.dial_gate(guard.address.value, guard.scope).await;
        checks.extend(found);
        checks.extend(rehearse(part, guard, report, container.as_ref()).await);
    }
    Ok(checks)
}

fn config(part: &Part<'_>) -> EvmConfig {
    let chain = part.chain;
    EvmConfig {
        chain: chain.id.value,
        endpoints: part.endpoints(),
        quorum: chain.quorum,
        start_height: chain.start_height,
        reorg_bound_blocks: chain.reorg_bound_blocks,
        silence_ms: chain.silence_ms,
        stall_ms: chain.stall_after_secs.saturating_mul(1_000),
        poll_ms: chain.poll_ms,
        lag_blocks: chain.lag_blocks,
        finality: match chain.finality {
            model::Finality::Tags => Finality::Tags,
            model::Finality::Depth { safe_blocks, final_blocks } => {
                Finality::Depth { safe_blocks, final_blocks }
            }
        },
        bloom: chain.bloom,
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
        fee_wei: fees.fee,
        fee_cap_wei: fees.max_fee,
        tip_floor_wei: fees.tip,
        tip_ceiling_wei: fees.max_tip,
        full_value_micro_usd: fees.full_value_micro_usd,
        bump_bps: fees.bump_percent.saturating_mul(100),
        bumps: fees.bumps,
        gas_limit: fees.gas_limit,
    }
}
