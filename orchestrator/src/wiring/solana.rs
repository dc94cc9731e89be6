//! Chains of the Solana family: from the file to its adapter.

use std::{collections::BTreeMap, sync::Arc};

use portcullis_adapter::{GateReport, Observe, Prove, Readiness, config::ConfigErrors, error::chain_of};
use portcullis_solana::{
    BuildError, PinnedStakes, Solana, SolanaConfig, SolanaContainer,
    config::FeeSchedule,
    stakes::{Pinnable, StakeSource},
};
use portcullis_verifier::{
    ChainId,
    solana::{Manifest, system_name},
};

use super::{StakesMade, family::Wire, part::Part};
use crate::{
    config::{
        Code, Problem,
        model::{self, GuardConfig},
    },
    service::{Pinned, nothing_pinned},
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

    fn pinned(chain: &Solana) -> Pinned {
        pinned(chain.stakes())
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

/// Votes are counted by the table that a person pinned; without one, what counts is what operators report.
fn pinned(stakes: Option<Arc<PinnedStakes>>) -> Pinned {
    let Some(stakes) = stakes else { return nothing_pinned() };
    Arc::new(move || BTreeMap::from([(system_name(), stakes.to_bytes())]))
}

/// Asks every operator who votes in the epoch that runs.
pub(super) async fn stakes_now(part: &Part<'_>) -> Result<StakesMade, String> {
    // The table that is pinned now may be missing, or be of the last epoch: that is why a new one is made.
    let chain = Solana::new(SolanaConfig { stakes: None, ..config(part) });
    let chain = chain.map_err(|error| chain_of(&error))?;
    chain.stakes_now().await.map(made).map_err(|error| chain_of(&error))
}

/// Takes the table of an epoch out of a manifest.
pub(super) fn stakes_of(chain: ChainId, manifest: &[u8], epoch: u64) -> Result<StakesMade, String> {
    let table = Manifest::read(manifest).and_then(|manifest| manifest.table(chain, epoch));
    let table = table.and_then(|table| table.open()).map_err(|error| chain_of(&error))?;
    Ok(made(Pinnable::of(table.table().clone())))
}

fn made(pinnable: Pinnable) -> StakesMade {
    let Pinnable { table, bytes, sha256, agreeing, others } = pinnable;
    StakesMade {
        epoch: table.epoch,
        slots: (table.first_slot, table.last_slot),
        voters: table.voters.len(),
        mute: table.voters.iter().filter(|voter| voter.authority.is_none()).count(),
        stake: table.total,
        bytes,
        sha256,
        agreeing,
        others,
    }
}

/// The family's own configuration.
fn config(part: &Part<'_>) -> SolanaConfig {
    let chain = part.chain;
    let [nonce, carrier_nonce] = part.nonces();
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
        stakes: chain.stakes.as_ref().map(stakes),
        contracts: part.watched(),
        targets: part.targets(),
        signer: part.signer(),
        carrier: part.carrier(),
        nonce,
        carrier_nonce,
        fees: fees(&chain.fees),
        submission: part.submission(),
    }
}

fn stakes(stakes: &model::StakesConfig) -> StakeSource {
    StakeSource {
        file: stakes.file.clone(),
        sha256: stakes.sha256,
        epoch: stakes.epoch,
        wait_ms: stakes.wait_ms,
    }
}

fn build_problems(part: &Part<'_>, error: &BuildError) -> Vec<Problem> {
    let causes = chain_of(error);
    match error {
        BuildError::Config(errors) => part.problems(errors),
        BuildError::Stakes(_) => {
            let at = part.chain.stakes.as_ref().map_or(&part.chain.id.at, |stakes| &stakes.at);
            let fix =
                "make a new table with `portcullis stakes`, or remove `stakes`: then stake is not counted";
            vec![part.loaded.problem(Code::NoAdapter, at, causes, fix.to_owned())]
        }
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
