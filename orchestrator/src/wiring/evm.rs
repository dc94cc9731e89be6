//! Chains of the EVM family: from the file to its adapter.

use std::sync::Arc;

use portcullis_adapter::{Contain, Readiness};
use portcullis_evm::{
    BuildError, ConfigError, ConfigProblem, Evm, EvmConfig,
    config::{
        ConstantField, Endpoint, EventMapping, FeeSchedule, FieldNames, FieldSource, Finality, GateKind,
        GateTarget, MappingKind, PrivateEndpoint, SignerSource, Submission, WatchedContract,
    },
};
use portcullis_verifier::Slug;

use super::{Part, causes, rehearsal};
use crate::{
    config::{
        Code, Problem,
        model::{self, BridgeConfig, ContractConfig, EventConfig, EventKind, GuardConfig},
    },
    service::{ChainWiring, nothing_pinned},
};

/// Lets the family judge its part of the file.
pub(super) fn check(part: &Part<'_>) -> Vec<Problem> {
    config(part).compile().map_or_else(|errors| problems(part, &errors.0), |_| Vec::new())
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

fn config(part: &Part<'_>) -> EvmConfig {
    let chain = part.chain;
    EvmConfig {
        chain: chain.id.value,
        endpoints: chain.endpoints.iter().map(endpoint).collect(),
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
        contracts: part.contracts.iter().map(|(bridge, side, c)| contract(bridge, side, c)).collect(),
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
        fees: fees(&chain.fees),
        submission: submission(&chain.submission),
    }
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
                ConfigProblem::Signature { .. }
                | ConfigProblem::SameEvent
                | ConfigProblem::MissingField { .. }
                | ConfigProblem::UselessField { .. }
                | ConfigProblem::UnknownParameter
                | ConfigProblem::ParameterType { .. }
                | ConfigProblem::ConstantField { .. } => Code::BadMapping,
                ConfigProblem::Address => Code::BadAddress,
                ConfigProblem::Checksum => Code::WrongChecksum,
                ConfigProblem::Duplicate => Code::Duplicate,
                ConfigProblem::Scheme { .. } => Code::BadUrl,
                ConfigProblem::NotThisFamily => Code::UnknownFamily,
                ConfigProblem::Empty => Code::MissingKey,
                ConfigProblem::Range { .. } | ConfigProblem::Number => Code::NotAllowed,
            };
            let what = format!("{} (found `{}`)", error.problem, error.text);
            part.loaded.problem(code, part.place(&error.place), what, error.fix.clone())
        })
        .collect()
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
