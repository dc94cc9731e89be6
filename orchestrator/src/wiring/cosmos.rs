//! Chains of the Cosmos family: from the file to its adapter.

use std::{collections::BTreeMap, ops::Range, sync::Arc};

use portcullis_adapter::{Contain, Readiness};
use portcullis_cosmos::{
    BuildError, ConfigError, ConfigProblem, Cosmos, CosmosConfig,
    config::{
        ConstantField, Endpoint, EventMapping, FeeSchedule, FieldNames, FieldSource, GateKind, GateTarget,
        MappingKind, PrivateEndpoint, Submission, TokenChannel, TrustRoot, WatchedContract,
    },
    root::LightClient,
    signer::SignerSource,
};
use portcullis_verifier::{Slug, cosmos::system_name};

use super::{Part, causes, rehearsal};
use crate::{
    config::{
        Code, Problem,
        model::{self, BridgeConfig, ContractConfig, EventConfig, EventKind, GuardConfig, LightConfig},
    },
    service::{ChainWiring, Pinned},
};

/// Folder of the data directory in which light clients keep where they stand.
const TRUST_FOLDER: &str = "trust";

/// Lets the family judge its part of the file.
pub(super) fn check(part: &Part<'_>) -> Vec<Problem> {
    let Some(config) = config(part) else { return Vec::new() };
    config.compile().map_or_else(|errors| problems(part, &errors.0), |_| Vec::new())
}

/// Builds the chain's adapter.
pub(super) fn wire(part: &Part<'_>) -> Result<ChainWiring, Vec<Problem>> {
    let Some(config) = config(part) else { return Err(Vec::new()) };
    let built = Cosmos::new(config)
        .and_then(|chain| chain.configured_container().map(|container| (chain, container)));
    let (chain, container) = built.map_err(|error| build_problems(part, &error))?;
    Ok(ChainWiring {
        observe: Arc::new(chain.observer()),
        prove: Arc::new(chain.prover()),
        contain: container.map(|container| -> Arc<dyn Contain> { Arc::new(container) }),
        operators: part.chain.endpoints.iter().map(|endpoint| endpoint.operator.value).collect(),
        quorum: part.chain.quorum,
        pinned: pinned(chain.root().clone()),
    })
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

/// Asks every endpoint, gate and key of the chain.
pub(super) async fn dial(part: &Part<'_>) -> Result<Vec<Readiness>, Vec<Problem>> {
    let Some(config) = config(part) else { return Err(Vec::new()) };
    let chain = Cosmos::new(config).map_err(|error| build_problems(part, &error))?;
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
        let (Some(report), Some(container)) = (report, &container) else { continue };
        match container.rehearse(&rehearsal(part.chain, guard, &report)).await {
            Ok(found) => checks.extend(found),
            Err(error) => checks.extend(Slug::new("endpoint").ok().map(|check| Readiness {
                check,
                ok: false,
                detail: format!("nobody answers for containment: {}", causes(&error)),
            })),
        }
    }
    Ok(checks)
}

/// The family's own configuration; none for a chain that the reader left incomplete, which it has noted.
fn config(part: &Part<'_>) -> Option<CosmosConfig> {
    let chain = part.chain;
    let light = chain.light.as_ref()?;
    Some(CosmosConfig {
        chain: chain.id.value,
        name: light.name.as_ref().map(|name| name.value.clone()),
        prefix: light.prefix.value.clone(),
        endpoints: chain.endpoints.iter().map(endpoint).collect(),
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
        contracts: part.contracts.iter().map(|(bridge, side, c)| contract(bridge, side, c)).collect(),
        channels: part.channels.iter().map(|(bridge, side, c)| channel(bridge, side, c)).collect(),
        targets: part.guards.iter().map(|guard| target(guard)).collect(),
        signer: chain.signer.as_ref().map(|signer| SignerSource::Keystore {
            path: signer.keystore.clone(),
            password_file: signer.password_file.clone(),
        }),
        carrier: chain.signer.as_ref().and_then(|signer| signer.carrier.as_deref()).map(|carrier| {
            SignerSource::Keystore {
                path: carrier.keystore.clone(),
                password_file: carrier.password_file.clone(),
            }
        }),
        fees: fees(&chain.fees, light),
        submission: submission(&chain.submission),
    })
}

fn build_problems(part: &Part<'_>, error: &BuildError) -> Vec<Problem> {
    let causes = causes(error);
    match error {
        BuildError::Config(errors) => problems(part, &errors.0),
        BuildError::Signer(_) => {
            let at = part.chain.signer.as_ref().map_or(&part.chain.id.at, |signer| &signer.at);
            let fix = "check that keystore and password_file belong together".to_owned();
            vec![part.loaded.problem(Code::BadSigner, at, causes, fix)]
        }
        BuildError::Root(_) => {
            let at = part.chain.light.as_ref().map_or(&part.chain.id.at, |light| &light.root.at);
            let fix = "see the page of its code; what was kept decides whether a lie was seen".to_owned();
            vec![part.loaded.problem(Code::NoAdapter, at, causes, fix)]
        }
        BuildError::Client { .. } => {
            let fix = "see the cause; this is a fault of the machine, not of the file".to_owned();
            vec![part.loaded.problem(Code::NoAdapter, &part.chain.id.at, causes, fix)]
        }
    }
}

fn problems(part: &Part<'_>, errors: &[ConfigError]) -> Vec<Problem> {
    errors
        .iter()
        .map(|error| {
            let code = match error.problem {
                ConfigProblem::Pattern { .. }
                | ConfigProblem::SameEvent
                | ConfigProblem::MissingField { .. }
                | ConfigProblem::UselessField { .. }
                | ConfigProblem::Source { .. }
                | ConfigProblem::ConstantField { .. } => Code::BadMapping,
                ConfigProblem::Address { .. } | ConfigProblem::Prefix { .. } => Code::BadAddress,
                ConfigProblem::Duplicate => Code::Duplicate,
                ConfigProblem::Scheme { .. } => Code::BadUrl,
                ConfigProblem::NotThisFamily => Code::UnknownFamily,
                ConfigProblem::Name => Code::BadName,
                ConfigProblem::Empty => Code::MissingKey,
                ConfigProblem::Range { .. } | ConfigProblem::Number => Code::NotAllowed,
            };
            let what = format!("{} (found `{}`)", error.problem, error.text);
            part.loaded.problem(code, place(part, &error.place), what, error.fix.clone())
        })
        .collect()
}

/// Where in the file a path of the family's own configuration comes from.
fn place<'c>(part: &Part<'c>, path: &str) -> &'c Range<usize> {
    let own = part.chain.light.as_ref().and_then(|light| {
        match path.split_once('.').map_or(path, |(head, _)| head) {
            "prefix" => Some(&light.prefix.at),
            "name" => light.name.as_ref().map(|name| &name.at),
            "trust" => Some(&light.root.at),
            "fees" => Some(&light.denom.at),
            _ => None,
        }
    });
    own.unwrap_or_else(|| part.place(path))
}

fn endpoint(endpoint: &model::EndpointConfig) -> Endpoint {
    Endpoint {
        operator: endpoint.operator.value,
        http: endpoint.http.0.clone(),
        ws: endpoint.ws.as_ref().map(|url| url.0.clone()),
        submit: endpoint.submit,
    }
}

fn contract(bridge: &BridgeConfig, side: &model::SideConfig, contract: &ContractConfig) -> WatchedContract {
    WatchedContract {
        bridge: bridge.id.value,
        address: contract.written.clone(),
        domain: side.domain.value.to_string(),
        mappings: contract.events.iter().map(mapping).collect(),
        ignored: contract.ignored.iter().map(|text| text.value.clone()).collect(),
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

fn mapping(event: &EventConfig) -> EventMapping {
    let field = |name: &str| {
        event.fields.get(name).map(|placed| match &placed.value {
            model::FieldSource::Parameter(name) => FieldSource::Parameter(name.clone()),
            model::FieldSource::Constant(word) => {
                FieldSource::Constant(ConstantField { constant: word.to_string() })
            }
        })
    };
    EventMapping {
        kind: match event.kind {
            EventKind::Transfer(kind) => MappingKind::Transfer(kind),
            EventKind::Admin(kind) => MappingKind::Admin(kind),
        },
        signature: event.signature.value.clone(),
        recorded: event.recorded,
        fields: FieldNames {
            remote: field("remote"),
            message_id: field("message_id"),
            asset: field("asset"),
            amount: field("amount"),
            recipient: field("recipient"),
            sender: field("sender"),
            value: field("value"),
        },
    }
}

fn target(guard: &GuardConfig) -> GateTarget {
    GateTarget {
        id: guard.id.value,
        address: guard.written.clone(),
        kind: match guard.kind {
            model::GuardKind::Guard => GateKind::Guard,
            model::GuardKind::Gate => GateKind::Gate,
        },
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

fn submission(submission: &model::Submission) -> Submission {
    match submission {
        model::Submission::Public => Submission::Public,
        model::Submission::Private(endpoints) => {
            let private = endpoints.iter().map(|endpoint| PrivateEndpoint {
                operator: endpoint.operator,
                http: endpoint.http.0.clone(),
            });
            Submission::Private(private.collect())
        }
    }
}

#[cfg(test)]
mod tests;
