//! Chains of the Solana family: from the file to its adapter.

use std::sync::Arc;

use portcullis_adapter::{GateReport, Observe, Prove, Readiness, config::ConfigErrors, error::chain_of};
use portcullis_solana::{BuildError, Solana, SolanaConfig, SolanaContainer, config::FeeSchedule};

use super::{family::Wire, part::Part};
use crate::config::{
    Problem,
    model::{self, GuardConfig},
};

/// Chains of this family.
pub(super) struct SolanaFamily;

impl Wire for SolanaFamily {
    type Config = SolanaConfig;
    type Chain = Solana;
    type Container = SolanaContainer;
    type Error = BuildError;

    fn config(part: &Part<'_>) -> Option<SolanaConfig> {
        Some(config(part))
    }

    fn judge(config: SolanaConfig) -> Result<(), ConfigErrors> {
        config.compile().map(drop)
    }

    fn chain(config: SolanaConfig) -> Result<Solana, BuildError> {
        Solana::new(config)
    }

    fn watchers(chain: &Solana) -> (Arc<dyn Observe>, Arc<dyn Prove>) {
        (Arc::new(chain.observer()), Arc::new(chain.prover()))
    }

    fn container(chain: &Solana) -> Result<Option<SolanaContainer>, BuildError> {
        chain.configured_container()
    }

    fn problems(part: &Part<'_>, error: &BuildError) -> Vec<Problem> {
        build_problems(part, error)
    }

    async fn dial(chain: &Solana) -> Vec<Readiness> {
        chain.dial().await
    }

    async fn dial_gate(chain: &Solana, guard: &GuardConfig) -> (Option<GateReport>, Vec<Readiness>) {
        chain.dial_gate(guard.address.value, guard.scope).await
    }
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
