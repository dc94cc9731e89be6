//! From a checked configuration to adapters: with the configuration's list of families, the only place of the
//! service that names one.
//!
//! What only a family can judge (whether an event's signature parses, whether a keystore opens) is judged here and
//! returned as problems of the configuration file, at their places.

use std::{collections::BTreeMap, ops::Range, sync::Arc};

use portcullis_adapter::{Contain, GateReport, Readiness};
use portcullis_evm::{
    BuildError, ConfigError, ConfigProblem, Evm, EvmConfig,
    config::{
        ConstantField, Endpoint, EventMapping, FeeSchedule, FieldNames, FieldSource, Finality, GateKind,
        GateTarget, MappingKind, PrivateEndpoint, SignerSource, Submission, WatchedContract,
    },
};
use portcullis_verifier::{
    Action, ActionClass, ActionId, B256, IncidentId, Level, Slug,
    registry::{Registry, System},
};

use crate::{
    config::{
        Code, Config, Loaded, Problem, Problems,
        family::Family,
        model::{self, BridgeConfig, ChainConfig, ContractConfig, EventConfig, EventKind, GuardConfig},
    },
    service::{ChainWiring, GroupWiring, Wired},
};

/// Every proof system of this build.
///
/// A name that is taken twice would be a mistake of this list; the first one stays, and a test looks for it.
#[must_use]
pub fn registry() -> Registry {
    let mut registry = Registry::new();
    let systems: [Box<dyn System>; 1] = [Box::new(portcullis_verifier::evm::QuorumSystem)];
    for system in systems {
        if let Err(taken) = registry.add(system) {
            tracing::error!(%taken, "two proof systems of one name");
        }
    }
    registry
}

/// Lets each family judge its part of the configuration; opens no key and no connection.
#[must_use]
pub fn check(loaded: &Loaded) -> Problems {
    let problems = loaded.config.chains.iter().flat_map(|chain| match chain.family {
        Family::Evm => {
            let part = EvmPart::new(&loaded.config, chain);
            part.config().compile().map_or_else(|errors| part.problems(loaded, &errors.0), |_| Vec::new())
        }
    });
    Problems::new(&loaded.config.file, problems.collect())
}

/// Builds everything that the configuration names. Opens keystores, which blocks for about a second each; opens no
/// connection.
///
/// # Errors
/// Every problem that a family finds, at its place in the file.
pub fn wire(loaded: &Loaded) -> Result<Wired, Problems> {
    let mut chains = BTreeMap::new();
    let mut problems = Vec::new();
    for chain in &loaded.config.chains {
        let built = match chain.family {
            Family::Evm => EvmPart::new(&loaded.config, chain).wire(loaded),
        };
        match built {
            Ok(wiring) => {
                chains.insert(chain.id.value, wiring);
            }
            Err(found) => problems.extend(found),
        }
    }
    if !problems.is_empty() {
        return Err(Problems::new(&loaded.config.file, problems));
    }
    let groups = loaded.config.engines().into_iter().map(|engine_config| GroupWiring { engine_config });
    Ok(Wired { groups: groups.collect(), chains, registry: Arc::new(registry()) })
}

/// Asks every endpoint, gate and key of a chain whether it would work. Opens the chain's keystore; sends nothing.
///
/// # Errors
/// Every problem that the family finds in the file, at its place.
pub async fn dial(loaded: &Loaded, chain: &ChainConfig) -> Result<Vec<Readiness>, Problems> {
    let dialled = match chain.family {
        Family::Evm => EvmPart::new(&loaded.config, chain).dial(loaded).await,
    };
    dialled.map_err(|problems| Problems::new(&loaded.config.file, problems))
}

/// One chain of this family with what the bridges watch and close on it.
struct EvmPart<'c> {
    chain: &'c ChainConfig,
    contracts: Vec<(&'c BridgeConfig, &'c model::SideConfig, &'c ContractConfig)>,
    guards: Vec<&'c GuardConfig>,
}

impl<'c> EvmPart<'c> {
    fn new(config: &'c Config, chain: &'c ChainConfig) -> Self {
        let sides =
            || config.bridges.iter().flat_map(|bridge| bridge.sides.iter().map(move |side| (bridge, side)));
        let here = || sides().filter(|(_, side)| side.chain.value == chain.id.value);
        let contracts =
            here().flat_map(|(bridge, side)| side.contracts.iter().map(move |c| (bridge, side, c))).collect();
        let guards = here().filter_map(|(_, side)| side.guard.as_ref()).collect();
        Self { chain, contracts, guards }
    }

    fn wire(&self, loaded: &Loaded) -> Result<ChainWiring, Vec<Problem>> {
        let built = Evm::new(self.config())
            .and_then(|evm| evm.configured_container().map(|container| (evm, container)));
        let (evm, container) = built.map_err(|error| self.build_problems(loaded, &error))?;
        Ok(ChainWiring {
            observe: Arc::new(evm.observer()),
            prove: Arc::new(evm.prover()),
            contain: container.map(|container| -> Arc<dyn Contain> { Arc::new(container) }),
            operators: self.chain.endpoints.iter().map(|endpoint| endpoint.operator.value).collect(),
            quorum: self.chain.quorum,
        })
    }

    async fn dial(&self, loaded: &Loaded) -> Result<Vec<Readiness>, Vec<Problem>> {
        let evm = Evm::new(self.config()).map_err(|error| self.build_problems(loaded, &error))?;
        let container = {
            let evm = evm.clone();
            let opened = tokio::task::spawn_blocking(move || evm.configured_container()).await;
            match opened {
                Ok(opened) => opened.map_err(|error| self.build_problems(loaded, &error))?,
                Err(_panicked) => None,
            }
        };
        let mut checks = evm.dial().await;
        for guard in &self.guards {
            let (report, found) = evm.dial_gate(guard.address.value, guard.scope).await;
            checks.extend(found);
            let (Some(report), Some(container)) = (report, &container) else { continue };
            match container.rehearse(&rehearsal(self.chain, guard, &report)).await {
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

    fn config(&self) -> EvmConfig {
        let chain = self.chain;
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
            contracts: self.contracts.iter().map(|(bridge, side, c)| contract(bridge, side, c)).collect(),
            targets: self.guards.iter().map(|guard| target(guard)).collect(),
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

    fn build_problems(&self, loaded: &Loaded, error: &BuildError) -> Vec<Problem> {
        let causes = causes(error);
        match error {
            BuildError::Config(errors) => self.problems(loaded, &errors.0),
            BuildError::Signer(_) => {
                let at = self.chain.signer.as_ref().map_or(&self.chain.id.at, |signer| &signer.at);
                let fix = "check that keystore and password_file belong together".to_owned();
                vec![loaded.problem(Code::BadSigner, at, causes, fix)]
            }
            BuildError::Client { .. } => {
                let fix = "see the cause; this is a fault of the machine, not of the file".to_owned();
                vec![loaded.problem(Code::NoAdapter, &self.chain.id.at, causes, fix)]
            }
        }
    }

    fn problems(&self, loaded: &Loaded, errors: &[ConfigError]) -> Vec<Problem> {
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
                loaded.problem(code, self.place(&error.place), what, error.fix.clone())
            })
            .collect()
    }

    /// Where in the file a path of the family's own configuration comes from.
    fn place(&self, path: &str) -> &Range<usize> {
        self.find(path).unwrap_or(&self.chain.id.at)
    }

    fn find(&self, path: &str) -> Option<&Range<usize>> {
        let (head, rest) = path.split_once('.').unwrap_or((path, ""));
        let (list, index) = indexed(head)?;
        if list == "targets" {
            return self.guards.get(index).map(|guard| &guard.address.at);
        }
        if list == "endpoints" {
            return self.chain.endpoints.get(index).map(|endpoint| &endpoint.operator.at);
        }
        let (_, side, contract) = self.contracts.get(index)?;
        let (item, rest) = rest.split_once('.').unwrap_or((rest, ""));
        match indexed(item) {
            None if item == "domain" => Some(&side.domain.at),
            None => Some(&contract.address.at),
            Some(("ignored", index)) => contract.ignored.get(index).map(|text| &text.at),
            Some((_, index)) => {
                let event = contract.events.get(index)?;
                let field = rest.strip_prefix("fields.").and_then(|name| event.fields.get(name));
                Some(field.map_or(&event.signature.at, |field| &field.at))
            }
        }
    }
}

/// The shortest closure of a gate: what would be asked of it, with the highest offer.
fn rehearsal(chain: &ChainConfig, guard: &GuardConfig, gate: &GateReport) -> Action {
    Action {
        id: ActionId(B256::ZERO),
        chain: chain.id.value,
        target: guard.address.value,
        scope: guard.scope,
        level: Level::Closed,
        // A gate that is closed already is asked for one second more, so that the rehearsal is no repetition.
        until: gate.until.max(gate.time).saturating_add(1),
        until_height: gate.until_height,
        incident: IncidentId(B256::ZERO),
        generation: gate.generation,
        class: ActionClass::Halt,
        value_at_risk_micro_usd: chain.fees.full_value_micro_usd,
        reasons: Vec::new(),
    }
}

/// `name[3]` as a name and a number.
fn indexed(text: &str) -> Option<(&str, usize)> {
    let (name, rest) = text.split_once('[')?;
    Some((name, rest.strip_suffix(']')?.parse().ok()?))
}

fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
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
        address: Family::Evm.show_account(&contract.address.value),
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
        address: Family::Evm.show_account(&guard.address.value),
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

#[cfg(test)]
mod tests;
