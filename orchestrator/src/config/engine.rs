//! From a checked file to what engines know: one [`EngineConfig`] per linked group.

use std::collections::BTreeMap;

use portcullis_core::{
    EngineConfig,
    config::{Asset, AssetForm, Bridge, Chain, Playbook, Side, Target, Unwatched},
};
use portcullis_verifier::{ChainId, GroupId};

use super::model::{AssetConfig, BridgeConfig, Config, SideConfig};

impl Config {
    /// One engine configuration per group, in order of name.
    ///
    /// Playbooks that name targets go only to groups that have one of them.
    #[must_use]
    pub fn engines(&self) -> Vec<EngineConfig> {
        let mut groups: BTreeMap<GroupId, Vec<&BridgeConfig>> = BTreeMap::new();
        for bridge in &self.bridges {
            groups.entry(bridge.group).or_default().push(bridge);
        }
        groups.into_iter().map(|(group, bridges)| self.engine(group, &bridges)).collect()
    }

    /// Whether a bridge stands on the chain. Nobody observes one on which none does.
    #[must_use]
    pub fn observes(&self, chain: ChainId) -> bool {
        self.bridges.iter().flat_map(|bridge| &bridge.sides).any(|side| side.chain.value == chain)
    }

    fn engine(&self, group: GroupId, bridges: &[&BridgeConfig]) -> EngineConfig {
        let targets: Vec<Target> = bridges
            .iter()
            .flat_map(|bridge| bridge.sides.iter().filter_map(|side| self.target(bridge, side)))
            .collect();
        let playbooks = self.playbooks.iter().filter_map(|playbook| {
            let named: Vec<_> = playbook.targets.iter().map(|placed| placed.value).collect();
            let own: Vec<_> = named
                .iter()
                .copied()
                .filter(|name| targets.iter().any(|target| target.id == *name))
                .collect();
            (named.is_empty() || !own.is_empty()).then_some(Playbook {
                id: playbook.id,
                class: playbook.class,
                needs: playbook.needs,
                expiry_secs: playbook.expiry_secs,
                targets: own,
            })
        });
        EngineConfig {
            group,
            chains: self.engine_chains(bridges),
            bridges: bridges.iter().map(|bridge| engine_bridge(bridge)).collect(),
            playbooks: playbooks.collect(),
            targets,
            rules: self.rules.clone(),
        }
    }

    fn engine_chains(&self, bridges: &[&BridgeConfig]) -> Vec<Chain> {
        let stands = |id: ChainId| bridges.iter().any(|b| b.sides.iter().any(|side| side.chain.value == id));
        self.chains
            .iter()
            .filter(|chain| stands(chain.id.value))
            .map(|chain| Chain {
                id: chain.id.value,
                operators: chain.endpoints.iter().map(|endpoint| endpoint.operator.value).collect(),
                quorum: chain.quorum,
                stall_after_secs: chain.stall_after_secs,
            })
            .collect()
    }

    fn target(&self, bridge: &BridgeConfig, side: &SideConfig) -> Option<Target> {
        let guard = side.guard.as_ref()?;
        let chain = self.chains.iter().find(|chain| chain.id.value == side.chain.value)?;
        Some(Target {
            id: guard.id.value,
            chain: side.chain.value,
            address: guard.address.value,
            bridge: bridge.id.value,
            scope: guard.scope,
            mode: guard.mode.value,
            max_secs: guard.max_secs,
            block_secs: chain.block_secs,
        })
    }
}

fn engine_bridge(bridge: &BridgeConfig) -> Bridge {
    Bridge {
        id: bridge.id.value,
        finality_secs: bridge.finality_secs,
        skew_secs: bridge.skew_secs,
        sides: bridge
            .sides
            .iter()
            .map(|side| Side { chain: side.chain.value, domain: side.domain.value })
            .collect(),
        unwatched: bridge
            .unwatched
            .iter()
            .map(|(domain, name)| Unwatched { domain: domain.value, name: *name })
            .collect(),
        assets: bridge.assets.iter().map(engine_asset).collect(),
    }
}

fn engine_asset(asset: &AssetConfig) -> Asset {
    Asset {
        name: asset.name.value,
        forms: asset
            .forms
            .iter()
            .map(|form| AssetForm {
                domain: form.domain.value,
                asset: form.token.value,
                decimals: form.decimals,
                home: form.home,
            })
            .collect(),
        micro_usd: asset.micro_usd,
    }
}
