//! One chain with what the bridges watch and close on it, as every family needs it.

use std::ops::Range;

use portcullis_adapter::{
    Contain, GateReport, Readiness,
    config::{
        ConfigError, ConfigErrors, ConfigProblem, ConstantField, Endpoint, EventMapping, FieldNames,
        FieldSource, GateKind, GateTarget, MappingKind, PrivateEndpoint, SignerSource, Submission,
        WatchedContract,
    },
    error::chain_of,
};
use portcullis_verifier::{Action, ActionClass, ActionId, B256, IncidentId, Level, Slug};

use crate::config::{
    Code, Config, Loaded, Problem,
    model::{
        self, BridgeConfig, ChainConfig, ContractConfig, EndpointConfig, EventConfig, EventKind, GuardConfig,
        GuardKind, SideConfig,
    },
};

/// One chain with what the bridges watch and close on it.
pub(super) struct Part<'c> {
    pub(super) loaded: &'c Loaded,
    pub(super) chain: &'c ChainConfig,
    pub(super) contracts: Vec<(&'c BridgeConfig, &'c SideConfig, &'c ContractConfig)>,
    pub(super) channels: Vec<(&'c BridgeConfig, &'c SideConfig, &'c model::ChannelConfig)>,
    pub(super) guards: Vec<&'c GuardConfig>,
}

impl<'c> Part<'c> {
    pub(super) fn new(loaded: &'c Loaded, chain: &'c ChainConfig) -> Self {
        let config: &Config = &loaded.config;
        let sides =
            || config.bridges.iter().flat_map(|bridge| bridge.sides.iter().map(move |side| (bridge, side)));
        let here = || sides().filter(|(_, side)| side.chain.value == chain.id.value);
        let contracts =
            here().flat_map(|(bridge, side)| side.contracts.iter().map(move |c| (bridge, side, c))).collect();
        let channels =
            here().flat_map(|(bridge, side)| side.channels.iter().map(move |c| (bridge, side, c))).collect();
        let guards = here().filter_map(|(_, side)| side.guard.as_ref()).collect();
        Self { loaded, chain, contracts, channels, guards }
    }

    /// Where in the file a path of the family's own configuration comes from.
    fn place(&self, path: &str) -> &'c Range<usize> {
        self.find(path).unwrap_or(&self.chain.id.at)
    }

    fn find(&self, path: &str) -> Option<&'c Range<usize>> {
        let (head, rest) = path.split_once('.').unwrap_or((path, ""));
        let Some((list, index)) = indexed(head) else {
            return self.find_nonce(head).or_else(|| self.find_light(head));
        };
        if list == "targets" {
            return self.guards.get(index).map(|guard| &guard.address.at);
        }
        if list == "endpoints" {
            return self.chain.endpoints.get(index).map(|endpoint| &endpoint.operator.at);
        }
        if list == "channels" {
            return self.channels.get(index).map(|(_, _, channel)| &channel.channel.at);
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

    /// Where in the file the account stands that a lane takes its nonces from.
    fn find_nonce(&self, key: &str) -> Option<&'c Range<usize>> {
        let signer = self.chain.signer.as_ref()?;
        let lane = match key {
            "nonce" => signer,
            "carrier_nonce" => signer.carrier.as_deref()?,
            _ => return None,
        };
        lane.nonce.as_ref().map(|nonce| &nonce.at)
    }

    /// Where in the file a key stands that only chains with a light client have.
    fn find_light(&self, key: &str) -> Option<&'c Range<usize>> {
        let light = self.chain.light.as_ref()?;
        match key {
            "prefix" => Some(&light.prefix.at),
            "name" => light.name.as_ref().map(|name| &name.at),
            "trust" => Some(&light.root.at),
            "fees" => Some(&light.denom.at),
            _ => None,
        }
    }

    /// A family's mistakes as problems of the file.
    pub(super) fn problems(&self, errors: &ConfigErrors) -> Vec<Problem> {
        let problem = |error: &ConfigError| {
            let what = format!("{} (found `{}`)", error.problem, error.text);
            self.loaded.problem(code(&error.problem), self.place(&error.place), what, error.fix.clone())
        };
        errors.0.iter().map(problem).collect()
    }

    /// A key that cannot be had.
    pub(super) fn bad_signer(&self, causes: String) -> Vec<Problem> {
        let at = self.chain.signer.as_ref().map_or(&self.chain.id.at, |signer| &signer.at);
        let fix = "check that keystore and password_file belong together".to_owned();
        vec![self.loaded.problem(Code::BadSigner, at, causes, fix)]
    }

    /// A machine that cannot ask anybody.
    pub(super) fn no_client(&self, causes: String) -> Vec<Problem> {
        let fix = "see the cause; this is a fault of the machine, not of the file".to_owned();
        vec![self.loaded.problem(Code::NoAdapter, &self.chain.id.at, causes, fix)]
    }

    /// Whose nodes are asked.
    pub(super) fn endpoints(&self) -> Vec<Endpoint> {
        let endpoint = |endpoint: &EndpointConfig| Endpoint {
            operator: endpoint.operator.value,
            http: endpoint.http.0.clone(),
            ws: endpoint.ws.as_ref().map(|url| url.0.clone()),
            submit: endpoint.submit,
        };
        self.chain.endpoints.iter().map(endpoint).collect()
    }

    /// What is observed.
    pub(super) fn watched(&self) -> Vec<WatchedContract> {
        let contract =
            |(bridge, side, contract): &(&BridgeConfig, &SideConfig, &ContractConfig)| WatchedContract {
                bridge: bridge.id.value,
                address: contract.written.clone(),
                domain: side.domain.value.to_string(),
                mappings: contract.events.iter().map(mapping).collect(),
                ignored: contract.ignored.iter().map(|text| text.value.clone()).collect(),
            };
        self.contracts.iter().map(contract).collect()
    }

    /// What can be closed.
    pub(super) fn targets(&self) -> Vec<GateTarget> {
        let target = |guard: &&GuardConfig| GateTarget {
            id: guard.id.value,
            address: guard.written.clone(),
            kind: match guard.kind {
                GuardKind::Guard => GateKind::Guard,
                GuardKind::Gate => GateKind::Gate,
            },
        };
        self.guards.iter().map(target).collect()
    }

    /// Key that signs trips.
    pub(super) fn signer(&self) -> Option<SignerSource> {
        let signer = self.chain.signer.as_ref()?;
        Some(SignerSource::Keystore {
            path: signer.keystore.clone(),
            password_file: signer.password_file.clone(),
        })
    }

    /// Key of the account that carries signed trips when the signer's own cannot.
    pub(super) fn carrier(&self) -> Option<SignerSource> {
        let carrier = self.chain.signer.as_ref()?.carrier.as_deref()?;
        Some(SignerSource::Keystore {
            path: carrier.keystore.clone(),
            password_file: carrier.password_file.clone(),
        })
    }

    /// Accounts that the signer and the carrier take their nonces from.
    pub(super) fn nonces(&self) -> [Option<String>; 2] {
        let signer = self.chain.signer.as_ref();
        let lanes = [signer, signer.and_then(|signer| signer.carrier.as_deref())];
        lanes.map(|lane| lane?.nonce.as_ref().map(|nonce| nonce.value.clone()))
    }

    /// Where trips go.
    pub(super) fn submission(&self) -> Submission {
        match &self.chain.submission {
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
}

/// What the gate's own rehearsal says, where the gate answered and there is a key.
pub(super) async fn rehearse(
    part: &Part<'_>,
    guard: &GuardConfig,
    report: Option<GateReport>,
    container: Option<&impl Contain>,
) -> Vec<Readiness> {
    let (Some(report), Some(container)) = (report, container) else { return Vec::new() };
    match container.rehearse(&rehearsal(part.chain, guard, &report)).await {
        Ok(found) => found,
        Err(error) => {
            let detail = format!("nobody answers for containment: {}", chain_of(&error));
            Slug::new("endpoint")
                .ok()
                .map(|check| Readiness { check, ok: false, detail })
                .into_iter()
                .collect()
        }
    }
}

/// The page that explains a problem.
fn code(problem: &ConfigProblem) -> Code {
    match problem {
        ConfigProblem::Signature { .. }
        | ConfigProblem::SameEvent
        | ConfigProblem::MissingField { .. }
        | ConfigProblem::UselessField { .. }
        | ConfigProblem::UnknownParameter
        | ConfigProblem::ParameterType { .. }
        | ConfigProblem::Source { .. }
        | ConfigProblem::ConstantField { .. } => Code::BadMapping,
        ConfigProblem::Address { .. } | ConfigProblem::Prefix { .. } => Code::BadAddress,
        ConfigProblem::Checksum => Code::WrongChecksum,
        ConfigProblem::Duplicate | ConfigProblem::Shared => Code::Duplicate,
        ConfigProblem::Scheme { .. } => Code::BadUrl,
        ConfigProblem::NotThisFamily => Code::UnknownFamily,
        ConfigProblem::Name => Code::BadName,
        ConfigProblem::Empty => Code::MissingKey,
        ConfigProblem::Range { .. } | ConfigProblem::Number => Code::NotAllowed,
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
