//! Chains of the EVM family: from the file to its adapter.

use std::sync::Arc;

use portcullis_adapter::{GateReport, Observe, Prove, Readiness, config::ConfigErrors, error::chain_of};
use portcullis_evm::{
    BuildError, Evm, EvmConfig, EvmContainer,
    config::{FeeSchedule, Finality},
};

use super::{family::Wire, part::Part};
use crate::config::{
    Problem,
    model::{self, GuardConfig},
};

/// Chains of this family.
pub(super) struct EvmFamily;

impl Wire for EvmFamily {
    type Config = EvmConfig;
    type Chain = Evm;
    type Container = EvmContainer;
    type Error = BuildError;

    fn config(part: &Part<'_>) -> Option<EvmConfig> {
        Some(config(part))
    }

    fn judge(config: EvmConfig) -> Result<(), ConfigErrors> {
        config.compile().map(drop)
    }

    fn chain(config: EvmConfig) -> Result<Evm, BuildError> {
        Evm::new(config)
    }

    fn watchers(chain: &Evm) -> (Arc<dyn Observe>, Arc<dyn Prove>) {
        (Arc::new(chain.observer()), Arc::new(chain.prover()))
    }

    fn container(chain: &Evm) -> Result<Option<EvmContainer>, BuildError> {
        chain.configured_container()
    }

    fn problems(part: &Part<'_>, error: &BuildError) -> Vec<Problem> {
        build_problems(part, error)
    }

    async fn dial(chain: &Evm) -> Vec<Readiness> {
        chain.dial().await
    }

    async fn dial_gate(chain: &Evm, guard: &GuardConfig) -> (Option<GateReport>, Vec<Readiness>) {
        chain.dial_gate(guard.address.value, guard.scope).await
    }
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
