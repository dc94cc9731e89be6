//! What an engine knows before it sees anything. Resolved and checked by the shell; part of the log.
//!
//! Addresses, domains and scopes are 32 bytes, left padded. Durations carry their unit. Numbers are integers.

use std::collections::BTreeSet;

use borsh::{BorshDeserialize, BorshSerialize};
use portcullis_verifier::{ActionClass, Assurance, B256, BridgeId, ChainId, GroupId, OperatorId, Slug};
use serde::{Deserialize, Serialize};

/// Configuration of one engine: one linked group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, BorshSerialize, BorshDeserialize)]
pub struct EngineConfig {
    /// Which group.
    pub group: GroupId,
    /// Chains that its bridges stand on.
    pub chains: Vec<Chain>,
    /// Its bridges.
    pub bridges: Vec<Bridge>,
    /// Its gates.
    pub targets: Vec<Target>,
    /// Thresholds of the detectors.
    pub rules: Rules,
    /// What each class of action needs and does.
    pub playbooks: Vec<Playbook>,
}

/// A chain as the engine needs to know it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, BorshSerialize, BorshDeserialize)]
pub struct Chain {
    /// CAIP-2 id.
    pub id: ChainId,
    /// Whose endpoints are read.
    pub operators: Vec<OperatorId>,
    /// How many of them must agree.
    pub quorum: u16,
    /// No new block for so long is a stall, in seconds of shell time.
    pub stall_after_secs: u64,
}

/// A bridge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, BorshSerialize, BorshDeserialize)]
pub struct Bridge {
    /// Name.
    pub id: BridgeId,
    /// Age that a source event must have before its message may be consumed, in seconds of chain time.
    pub finality_secs: u64,
    /// By how much two chains' clocks may differ, in seconds: added before a missing source is called missing.
    pub skew_secs: u64,
    /// Sides that are observed.
    pub sides: Vec<Side>,
    /// Domains that share the escrow but are not observed: their releases cannot be matched, only bounded, and
    /// close with the rest.
    pub unwatched: Vec<Unwatched>,
    /// Assets that the bridge is meant to carry.
    pub assets: Vec<Asset>,
}

/// An observed side of a bridge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, BorshSerialize, BorshDeserialize)]
pub struct Side {
    /// Chain.
    pub chain: ChainId,
    /// The bridge's domain number of that chain.
    pub domain: B256,
}

/// A domain of the bridge whose chain is not observed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, BorshSerialize, BorshDeserialize)]
pub struct Unwatched {
    /// The bridge's domain number.
    pub domain: B256,
    /// Name for people.
    pub name: Slug,
}

/// One asset with its forms on each side.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, BorshSerialize, BorshDeserialize)]
pub struct Asset {
    /// Name for people, unique in the bridge.
    pub name: Slug,
    /// Forms of it.
    pub forms: Vec<AssetForm>,
    /// Starting price, micro-USD per whole token; none when unknown (then value rules say so and count it).
    pub micro_usd: Option<u64>,
}

/// An asset on one side.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, BorshSerialize, BorshDeserialize)]
pub struct AssetForm {
    /// Domain of the side.
    pub domain: B256,
    /// Token on that side.
    pub asset: B256,
    /// Decimals of the base unit there.
    pub decimals: u8,
    /// True where it is locked and released, false where it is minted and burned.
    pub home: bool,
}

/// How far automation may go at a target. Ordered: each step trusts more.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    BorshSerialize,
    BorshDeserialize,
)]
#[serde(rename_all = "snake_case")]
#[borsh(use_discriminant = false)]
pub enum Mode {
    /// Watch and record.
    #[default]
    Observe,
    /// Decide and simulate; send nothing.
    Shadow,
    /// Propose to people.
    Advise,
    /// May tighten limits.
    Limit,
    /// May hold.
    Hold,
    /// May halt.
    Halt,
}

/// A gate that can be closed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, BorshSerialize, BorshDeserialize)]
pub struct Target {
    /// Name, unique in the configuration.
    pub id: Slug,
    /// Chain of the gate.
    pub chain: ChainId,
    /// Guard or Gate contract, program or account.
    pub address: B256,
    /// Bridge whose outflow it holds.
    pub bridge: BridgeId,
    /// Scope that closes the whole outflow of the bridge on that chain, all corridors and assets.
    pub scope: B256,
    /// How far automation may go.
    pub mode: Mode,
    /// Longest closure that the gate grants in one action, in seconds.
    pub max_secs: u64,
    /// Seconds per block, at least; turns a closure's seconds into its height bound.
    pub block_secs: u64,
}

/// What a class of action needs and does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, BorshSerialize, BorshDeserialize)]
pub struct Playbook {
    /// Name.
    pub id: Slug,
    /// Class.
    pub class: ActionClass,
    /// Least assurance of the incident's evidence.
    pub needs: Assurance,
    /// Closure in seconds of the target's chain time.
    pub expiry_secs: u64,
    /// Only these targets; empty means all of the group.
    pub targets: Vec<Slug>,
}

/// Thresholds of the detectors. Defaults are what a year of a real bridge taught; see docs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, BorshSerialize, BorshDeserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rules {
    /// Unbacked value below this only notifies, micro-USD.
    pub unbacked_floor_micro_usd: u64,
    /// A release of at least this much, and of `large_escrow_bps` of the escrow, is large; micro-USD.
    pub large_floor_micro_usd: u64,
    /// See `large_floor_micro_usd`; basis points of the whole escrow.
    pub large_escrow_bps: u64,
    /// Outflow per rolling hour that notifies, basis points of the whole escrow.
    pub flow_notify_bps: u64,
    /// Outflow per rolling hour that holds, basis points of the whole escrow.
    pub flow_hold_bps: u64,
    /// Value that may wait for its source at one time before that alone is a hold, micro-USD.
    pub waiting_bound_micro_usd: u64,
    /// One notification per (bridge, cause) in so many seconds.
    pub quiet_secs: u64,
    /// Longest time for evidence before a suspicion is acted on without it as a hold, milliseconds.
    pub evidence_wait_ms: u64,
    /// Actions that playbooks may ask for in a rolling hour, over all gates. What closes a gate that is open counts
    /// and is never withheld.
    pub actions_per_hour: u64,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            unbacked_floor_micro_usd: 1_000_000_000,
            large_floor_micro_usd: 1_000_000_000_000,
            large_escrow_bps: 1_000,
            flow_notify_bps: 1_600,
            flow_hold_bps: 2_500,
            waiting_bound_micro_usd: 1_000_000_000_000,
            quiet_secs: 86_400,
            evidence_wait_ms: 2_000,
            actions_per_hour: 120,
        }
    }
}

/// Everything in a configuration that contradicts itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .problems.join("; "))]
pub struct ConfigError {
    /// One sentence each: what is wrong, and where.
    pub problems: Vec<String>,
}

fn twice<T: Ord + Copy + core::fmt::Display>(
    what: &str,
    items: impl Iterator<Item = T>,
    problems: &mut Vec<String>,
) {
    let mut seen = BTreeSet::new();
    for item in items {
        if !seen.insert(item) {
            problems.push(format!("{what} {item} is there twice"));
        }
    }
}

impl EngineConfig {
    /// Checks that the configuration does not contradict itself.
    ///
    /// # Errors
    /// All contradictions at once.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let mut problems = Vec::new();
        twice("chain", self.chains.iter().map(|c| c.id), &mut problems);
        twice("bridge", self.bridges.iter().map(|b| b.id), &mut problems);
        twice("target", self.targets.iter().map(|t| t.id), &mut problems);
        twice("playbook", self.playbooks.iter().map(|p| p.id), &mut problems);
        for chain in &self.chains {
            let operators = chain.operators.len();
            if chain.quorum == 0 || usize::from(chain.quorum) > operators.max(1) {
                problems.push(format!(
                    "chain {}: a quorum of {} among {operators} operators",
                    chain.id, chain.quorum
                ));
            }
        }
        let chain_known = |id: &ChainId| self.chains.iter().any(|chain| chain.id == *id);
        for bridge in &self.bridges {
            bridge.validate(chain_known, &mut problems);
        }
        for target in &self.targets {
            if !chain_known(&target.chain) {
                problems.push(format!("target {}: chain {} is not configured", target.id, target.chain));
            }
            if !self.bridges.iter().any(|bridge| bridge.id == target.bridge) {
                problems.push(format!("target {}: bridge {} is not configured", target.id, target.bridge));
            }
        }
        for playbook in &self.playbooks {
            for name in playbook.targets.iter().filter(|name| !self.targets.iter().any(|t| t.id == **name)) {
                problems.push(format!("playbook {}: target {name} is not configured", playbook.id));
            }
        }
        if problems.is_empty() { Ok(()) } else { Err(ConfigError { problems }) }
    }
}

impl Bridge {
    fn validate(&self, chain_known: impl Fn(&ChainId) -> bool, problems: &mut Vec<String>) {
        let id = self.id;
        let domains = self.sides.iter().map(|s| s.domain).chain(self.unwatched.iter().map(|u| u.domain));
        twice(&format!("bridge {id}: domain"), domains, problems);
        twice(&format!("bridge {id}: asset"), self.assets.iter().map(|a| a.name), problems);
        for side in self.sides.iter().filter(|side| !chain_known(&side.chain)) {
            problems.push(format!("bridge {id}: chain {} is not configured", side.chain));
        }
        let mut forms = BTreeSet::new();
        for asset in &self.assets {
            let name = asset.name;
            for form in &asset.forms {
                if !self.sides.iter().any(|side| side.domain == form.domain) {
                    problems.push(format!("bridge {id}: asset {name}: domain {} has no side", form.domain));
                }
                if form.decimals > crate::limits::DECIMALS {
                    problems
                        .push(format!("bridge {id}: asset {name}: {} decimals are too many", form.decimals));
                }
                if !forms.insert((form.domain, form.asset)) {
                    problems.push(format!("bridge {id}: asset {name}: token {} is there twice", form.asset));
                }
            }
        }
    }
}
