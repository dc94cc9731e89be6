//! Chains of the Cosmos family: from the file to its adapter.

use std::{collections::BTreeMap, sync::Arc};

use portcullis_adapter::{GateReport, Observe, Prove, Readiness, config::ConfigErrors, error::chain_of};
use portcullis_cosmos::{
    BuildError, Cosmos, CosmosConfig, CosmosContainer,
    config::{FeeSchedule, TokenChannel, TrustRoot},
    root::LightClient,
};
use portcullis_verifier::cosmos::system_name;

use super::{family::Wire, part::Part};
use crate::{
    config::{
        Code, Problem,
        model::{self, BridgeConfig, GuardConfig, LightConfig},
    },
    service::Pinned,
};

/// Folder of the data directory in which light clients keep where they stand.
const TRUST_FOLDER: &str = "trust";

/// Chains of this family.
pub(super) struct CosmosFamily;

impl Wire for CosmosFamily {
    type Config = CosmosConfig;
    type Chain = Cosmos;
    type Container = CosmosContainer;
    type Error = BuildError;

    fn config(part: &Part<'_>) -> Option<CosmosConfig> {
        config(part)
    }

    fn judge(config: CosmosConfig) -> Result<(), ConfigErrors> {
        config.compile().map(drop)
    }

    fn chain(config: CosmosConfig) -> Result<Cosmos, BuildError> {
        Cosmos::new(config)
    }

    fn watchers(chain: &Cosmos) -> (Arc<dyn Observe>, Arc<dyn Prove>) {
        (Arc::new(chain.observer()), Arc::new(chain.prover()))
    }

    fn container(chain: &Cosmos) -> Result<Option<CosmosContainer>, BuildError> {
        chain.configured_container()
    }

    fn pinned(chain: &Cosmos) -> Pinned {
        pinned(chain.root().clone())
    }

    fn problems(part: &Part<'_>, error: &BuildError) -> Vec<Problem> {
        build_problems(part, error)
    }

    async fn dial(chain: &Cosmos) -> Vec<Readiness> {
        chain.dial().await
    }

    async fn dial_gate(chain: &Cosmos, guard: &GuardConfig) -> (Option<GateReport>, Vec<Readiness>) {
        chain.dial_gate(guard.address.value, guard.scope).await
    }
}

/// Proofs start where the chain's light client stands.
fn pinned(client: LightClient) -> Pinned {
    Arc::new(move || {
        let checkpoint = client.checkpoint();
        checkpoint
            .map(|checkpoint| (system_name(), checkpoint.to_bytes()))
            .into_iter()
            .collect::<BTreeMap<_, _>>()
    })
}

/// The family's own configuration; none for a chain that the reader left incomplete, which it has noted.
fn config(part: &Part<'_>) -> Option<CosmosConfig> {
    let chain = part.chain;
    let light = chain.light.as_ref()?;
    Some(CosmosConfig {
        chain: chain.id.value,
        name: light.name.as_ref().map(|name| name.value.clone()),
        prefix: light.prefix.value.clone(),
        endpoints: part.endpoints(),
        quorum: chain.quorum,
        trust: TrustRoot {
            height: light.root.height,
            hash: light.root.hash,
            trusting_period_secs: light.root.trusting_period_secs,
            clock_drift_secs: light.root.clock_drift_secs,
        },
        state_dir: Some(part.loaded.config.store.data_dir.join(TRUST_FOLDER)),
        start_height: chain.start_height,
        silence_ms: chain.silence_ms,
        stall_ms: chain.stall_after_secs.saturating_mul(1_000),
        poll_ms: chain.poll_ms,
        lag_blocks: chain.lag_blocks,
        contracts: part.watched(),
        channels: part.channels.iter().map(|(bridge, side, c)| channel(bridge, side, c)).collect(),
        targets: part.targets(),
        signer: part.signer(),
        carrier: part.carrier(),
        fees: fees(&chain.fees, light),
        submission: part.submission(),
    })
}

fn build_problems(part: &Part<'_>, error: &BuildError) -> Vec<Problem> {
    let causes = chain_of(error);
    match error {
        BuildError::Config(errors) => part.problems(errors),
        BuildError::Signer(_) => part.bad_signer(causes),
        BuildError::Root(_) => {
            let at = part.chain.light.as_ref().map_or(&part.chain.id.at, |light| &light.root.at);
            let fix = "see the page of its code; what was kept decides whether a lie was seen".to_owned();
            vec![part.loaded.problem(Code::NoAdapter, at, causes, fix)]
        }
        BuildError::Client { .. } => part.no_client(causes),
    }
}

fn channel(bridge: &BridgeConfig, side: &model::SideConfig, channel: &model::ChannelConfig) -> TokenChannel {
    TokenChannel {
        bridge: bridge.id.value,
        domain: side.domain.value.to_string(),
        remote: channel.remote.value.to_string(),
        port: channel.port.clone(),
        channel: channel.channel.value.clone(),
        counterparty_port: channel.counterparty_port.clone(),
        counterparty_channel: channel.counterparty_channel.clone(),
    }
}

fn fees(fees: &model::FeeConfig, light: &LightConfig) -> FeeSchedule {
    FeeSchedule {
        denom: light.denom.value.clone(),
        price_nano: fees.fee,
        price_cap_nano: fees.max_fee,
        urgency_floor_nano: fees.tip,
        urgency_ceiling_nano: fees.max_tip,
        full_value_micro_usd: fees.full_value_micro_usd,
        bump_bps: fees.bump_percent.saturating_mul(100),
        bumps: fees.bumps,
        gas_limit: fees.gas_limit,
    }
}

#[cfg(test)]
mod tests;
