//! From a checked configuration to adapters: with the configuration's list of families, the only place of the
//! service that names one.
//!
//! What only a family can judge (whether an event's signature parses, whether a keystore opens) is judged here and
//! returned as problems of the configuration file, at their places. Each family's part stands in a file of its name.

mod cosmos;
mod evm;

use std::{collections::BTreeMap, ops::Range, sync::Arc};

use portcullis_adapter::{GateReport, Readiness};
use portcullis_verifier::{
    Action, ActionClass, ActionId, B256, IncidentId, Level,
    registry::{Registry, System},
};

use crate::{
    config::{
        Config, Loaded, Problems,
        family::Family,
        model::{self, BridgeConfig, ChainConfig, ContractConfig, GuardConfig},
    },
    service::{GroupWiring, Wired},
};

/// Every proof system of this build.
///
/// A name that is taken twice would be a mistake of this list; the first one stays, and a test looks for it.
#[must_use]
pub fn registry() -> Registry {
    let mut registry = Registry::new();
    let systems: [Box<dyn System>; 2] = [
        Box::new(portcullis_verifier::evm::QuorumSystem),
        Box::new(portcullis_verifier::cosmos::LightSystem::default()),
    ];
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
    let problems = loaded.config.chains.iter().flat_map(|chain| {
        let part = Part::new(loaded, chain);
        match chain.family {
            Family::Evm => evm::check(&part),
            Family::Cosmos => cosmos::check(&part),
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
        let part = Part::new(loaded, chain);
        let built = match chain.family {
            Family::Evm => evm::wire(&part),
            Family::Cosmos => cosmos::wire(&part),
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
    let part = Part::new(loaded, chain);
    let dialled = match chain.family {
        Family::Evm => evm::dial(&part).await,
        Family::Cosmos => cosmos::dial(&part).await,
    };
    dialled.map_err(|problems| Problems::new(&loaded.config.file, problems))
}

/// One chain with what the bridges watch and close on it.
struct Part<'c> {
    loaded: &'c Loaded,
    chain: &'c ChainConfig,
    contracts: Vec<(&'c BridgeConfig, &'c model::SideConfig, &'c ContractConfig)>,
    channels: Vec<(&'c BridgeConfig, &'c model::SideConfig, &'c model::ChannelConfig)>,
    guards: Vec<&'c GuardConfig>,
}

impl<'c> Part<'c> {
    fn new(loaded: &'c Loaded, chain: &'c ChainConfig) -> Self {
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
        let (list, index) = indexed(head)?;
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

#[cfg(test)]
mod tests;
