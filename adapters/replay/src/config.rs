//! The configuration that the recorded bridge would have had, from its public facts.

use std::path::PathBuf;

use portcullis_core::{
    EngineConfig,
    config::{self, Mode, Playbook, Rules},
};
use portcullis_verifier::{ActionClass, Assurance, B256, ChainId, Execution, Inclusion, keccak256};

use crate::{
    feed::{BLOCK_SECS, HEARTBEAT_SECS},
    table::{DatasetError, Place},
    tokens::{Tokens, slug},
};

/// The bridge's waiting time, both ways, seconds.
pub const FINALITY_SECS: u64 = 1_800;

/// The recorded chains: number in the file, name of the domain.
pub(crate) const CHAINS: [(u64, &str); 2] = [(1, "eth"), (1284, "beam")];

/// Domains of the same escrow whose chains were not recorded.
const UNWATCHED: [(&str, &str); 2] = [("evms", "evmos"), ("c1", "milkomeda")];

/// Name of the bridge in the configuration.
pub const BRIDGE: &str = "nomad";

/// A short text as the number that its bytes spell, left padded: how the bridge itself numbers domains. `eth` is
/// 0x657468, or 6,648,936.
#[must_use]
pub fn domain(name: &str) -> B256 {
    B256::left_padding_from(name.as_bytes().get(..name.len().min(32)).unwrap_or_default())
}

/// CAIP-2 id of a recorded chain; none for any other number.
pub(crate) fn chain_id(number: u64) -> Option<ChainId> {
    let recorded = CHAINS.iter().any(|(known, _)| *known == number);
    recorded.then(|| ChainId::new(&format!("eip155:{number}")).ok()).flatten()
}

/// Hash of a block of the recording, which has none.
pub(crate) fn block_hash(chain: ChainId, height: u64) -> B256 {
    keccak256(format!("recorded block {chain}/{height}"))
}

/// What a recording can vouch for: that its events are in it. No header is proven, and nothing here says so.
#[must_use]
pub fn recorded() -> Assurance {
    Assurance { inclusion: Inclusion::Reported, execution: Execution::Reported, ..Assurance::default() }
}

/// The configuration that the recorded bridge would have had: every token that it declared, both recorded sides, the
/// domains that share its escrow as unwatched, and gates that may halt.
pub(crate) fn engine_config(tokens: &Tokens) -> Result<EngineConfig, DatasetError> {
    let place = Place { file: PathBuf::from("built-in configuration"), line: 0 };
    let bridge = slug(BRIDGE, &place)?;
    let (mut chains, mut sides, mut targets) = (Vec::new(), Vec::new(), Vec::new());
    for (number, name) in CHAINS {
        let id = chain_id(number).ok_or_else(|| place.error("a chain without an id"))?;
        let operators = vec![slug("recording", &place)?];
        chains.push(config::Chain { id, operators, quorum: 1, stall_after_secs: 2 * HEARTBEAT_SECS });
        sides.push(config::Side { chain: id, domain: domain(name) });
        targets.push(config::Target {
            id: slug(name, &place)?,
            chain: id,
            address: keccak256(format!("gate of {name}")),
            bridge,
            scope: keccak256(format!("all outflow of {name}")),
            mode: Mode::Halt,
            max_secs: 7 * 86_400,
            block_secs: BLOCK_SECS,
        });
    }
    let unwatched = UNWATCHED
        .iter()
        .map(|(tag, name)| Ok(config::Unwatched { domain: domain(tag), name: slug(name, &place)? }));
    let playbook = |name: &str, class, expiry_secs| -> Result<Playbook, DatasetError> {
        Ok(Playbook { id: slug(name, &place)?, class, needs: recorded(), expiry_secs, targets: Vec::new() })
    };
    Ok(EngineConfig {
        group: bridge,
        chains,
        bridges: vec![config::Bridge {
            id: bridge,
            finality_secs: FINALITY_SECS,
            skew_secs: 0,
            sides,
            unwatched: unwatched.collect::<Result<_, DatasetError>>()?,
            assets: tokens.assets.clone(),
        }],
        targets,
        rules: Rules::default(),
        playbooks: vec![
            playbook("halt", ActionClass::Halt, 86_400)?,
            playbook("hold", ActionClass::Hold, 3_600)?,
        ],
    })
}

#[cfg(test)]
mod tests {
    use portcullis_verifier::U256;

    use super::*;

    #[test]
    fn domains_are_the_bridges_own_numbers() {
        assert_eq!(U256::from_be_bytes(domain("eth").0), U256::from(6_648_936u64));
        assert_eq!(U256::from_be_bytes(domain("beam").0), U256::from(0x6265_616du64));
        assert_eq!(U256::from_be_bytes(domain("c1").0), U256::from(25_393u64));
        assert_eq!(domain("").0, [0; 32]);
        assert!(CHAINS.iter().all(|(number, _)| chain_id(*number).is_some()));
        assert_eq!(chain_id(10), None);
    }
}
