//! From a checked configuration to adapters: with the configuration's list of families, the only place of the
//! service that names one.
//!
//! What only a family can judge (whether an event's signature parses, whether a keystore opens) is judged here and
//! returned as problems of the configuration file, at their places. Each family's part stands in a file of its name.

mod cosmos;
mod evm;
mod family;
mod part;
mod solana;

use std::{collections::BTreeMap, sync::Arc};

use cosmos::CosmosFamily;
use evm::EvmFamily;
use part::Part;
use portcullis_adapter::Readiness;
use portcullis_verifier::{
    B256,
    registry::{Registry, System},
};
use solana::SolanaFamily;

use crate::{
    config::{Loaded, Problems, family::Family, model::ChainConfig},
    service::{GroupWiring, Wired},
};

/// Every proof system of this build.
///
/// A name that is taken twice would be a mistake of this list; the first one stays, and a test looks for it.
#[must_use]
pub fn registry() -> Registry {
    let mut registry = Registry::new();
    let systems: [Box<dyn System>; 4] = [
        Box::new(portcullis_verifier::evm::QuorumSystem),
        Box::new(portcullis_verifier::cosmos::LightSystem::default()),
        Box::new(portcullis_verifier::solana::ShredSystem::default()),
        Box::new(portcullis_verifier::solana::ReportSystem::default()),
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
            Family::Evm => family::check::<EvmFamily>(&part),
            Family::Cosmos => family::check::<CosmosFamily>(&part),
            Family::Solana => family::check::<SolanaFamily>(&part),
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
            Family::Evm => family::wire::<EvmFamily>(&part),
            Family::Cosmos => family::wire::<CosmosFamily>(&part),
            Family::Solana => family::wire::<SolanaFamily>(&part),
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
        Family::Evm => family::dial::<EvmFamily>(&part).await,
        Family::Cosmos => family::dial::<CosmosFamily>(&part).await,
        Family::Solana => family::dial::<SolanaFamily>(&part).await,
    };
    dialled.map_err(|problems| Problems::new(&loaded.config.file, problems))
}

/// A table of stakes that was made to be looked at and pinned by a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StakesMade {
    /// For which epoch.
    pub epoch: u64,
    /// First and last slot of it.
    pub slots: (u64, u64),
    /// Vote accounts with stake.
    pub voters: usize,
    /// How many of them nobody can vote for.
    pub mute: usize,
    /// All stake, in base units.
    pub stake: u64,
    /// The file.
    pub bytes: Vec<u8>,
    /// Its SHA-256.
    pub sha256: B256,
    /// Operators that told it alike; none where it comes from a file.
    pub agreeing: Vec<String>,
    /// Operators that did not, and what they told instead.
    pub others: Vec<String>,
}

/// Asks every operator of a chain who votes in its epoch that runs.
///
/// # Errors
/// Why there is no table, for people.
pub async fn stakes_now(loaded: &Loaded, chain: &ChainConfig) -> Result<StakesMade, String> {
    match chain.family {
        Family::Solana => solana::stakes_now(&Part::new(loaded, chain)).await,
        Family::Evm | Family::Cosmos => Err(no_stakes(chain)),
    }
}

/// Takes the table of an epoch out of a manifest.
///
/// # Errors
/// Why there is no table, for people.
pub fn stakes_of(chain: &ChainConfig, manifest: &[u8], epoch: u64) -> Result<StakesMade, String> {
    match chain.family {
        Family::Solana => solana::stakes_of(chain.id.value, manifest, epoch),
        Family::Evm | Family::Cosmos => Err(no_stakes(chain)),
    }
}

fn no_stakes(chain: &ChainConfig) -> String {
    format!("proofs on {} start from no table of stakes", chain.id.value)
}

#[cfg(test)]
mod tests;
