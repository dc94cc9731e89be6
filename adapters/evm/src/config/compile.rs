//! Checking a configuration: all mistakes at once, and a type that only a checked one can become.

use std::collections::{BTreeMap, BTreeSet};

use alloy::{
    dyn_abi::{DynSolEvent, Specifier},
    json_abi::Event,
    primitives::Address,
};
use portcullis_adapter::config::{Mistakes, check_endpoints, meaning, number};
use portcullis_verifier::{B256, ChainId};

use super::{
    Compiled, CompiledTarget, ConfigErrors, ConfigProblem, Endpoint, EvmConfig, FeeSchedule, Finality,
    GateKind, GateTarget, Submission, WatchedContract, mapping::Parameters,
};
use crate::{
    decode::{Decoder, MappedContract, MappedEvent},
    limits,
};

impl EvmConfig {
    /// A chain behind these endpoints, everything else at its default: nothing is watched and nothing closed.
    #[must_use]
    pub fn new(chain: ChainId, endpoints: Vec<Endpoint>) -> Self {
        Self {
            chain,
            endpoints,
            quorum: super::default_quorum(),
            start_height: 0,
            reorg_bound_blocks: super::default_reorg_bound_blocks(),
            silence_ms: super::default_silence_ms(),
            stall_ms: super::default_stall_ms(),
            poll_ms: super::default_poll_ms(),
            lag_blocks: super::default_lag_blocks(),
            finality: Finality::default(),
            bloom: true,
            pending: false,
            contracts: Vec::new(),
            targets: Vec::new(),
            signer: None,
            carrier: None,
            fees: FeeSchedule::default(),
            submission: Submission::default(),
        }
    }

    /// Checks everything and builds what the hot path uses.
    ///
    /// # Errors
    /// All mistakes, each with its place, the offending text and a fix.
    pub fn compile(self) -> Result<Compiled, ConfigErrors> {
        let mut mistakes = Mistakes::default();
        let chain_number = chain_number(&self, &mut mistakes);
        let closes = !self.targets.is_empty();
        check_endpoints(&self.endpoints, limits::ENDPOINTS_MAX, &self.submission, closes, &mut mistakes);
        check_numbers(&self, &mut mistakes);
        let decoder = Decoder { chain: self.chain, contracts: contracts(&self, &mut mistakes) };
        let targets = targets(&self.targets, &mut mistakes);
        check_gas(&self, &mut mistakes);
        mistakes.finish(Compiled { chain_number, decoder, targets, config: self })
    }
}

fn chain_number(config: &EvmConfig, mistakes: &mut Mistakes) -> u64 {
    let number = config.chain.reference().parse().ok().filter(|_| config.chain.namespace() == "eip155");
    if number.is_none() {
        let fix = "write eip155: and the chain's number, such as eip155:1";
        mistakes.add("chain", config.chain.as_str(), ConfigProblem::NotThisFamily, fix);
    }
    number.unwrap_or_default()
}

fn check_numbers(config: &EvmConfig, mistakes: &mut Mistakes) {
    let operators = u64::try_from(config.endpoints.len()).unwrap_or(u64::MAX).max(1);
    mistakes.range("quorum", u64::from(config.quorum), 1, operators);
    mistakes.range("reorg_bound_blocks", config.reorg_bound_blocks, 1, limits::REORG_BOUND_MAX_BLOCKS);
    let periods =
        [("silence_ms", config.silence_ms), ("stall_ms", config.stall_ms), ("poll_ms", config.poll_ms)];
    for (place, value) in periods {
        mistakes.range(place, value, limits::PERIOD_MIN_MS, limits::PERIOD_MAX_MS);
    }
    mistakes.range("lag_blocks", config.lag_blocks, 1, limits::REORG_BOUND_MAX_BLOCKS);
    if let Finality::Depth { safe_blocks, final_blocks } = config.finality {
        mistakes.range("finality.depth.final_blocks", final_blocks, safe_blocks, u64::MAX);
    }
    let fees = &config.fees;
    mistakes.range("fees.bump_bps", u64::from(fees.bump_bps), u64::from(limits::BUMP_MIN_BPS), 100_000);
    mistakes.range("fees.bumps", u64::from(fees.bumps), 0, u64::from(limits::BUMPS_MAX));
    mistakes.range("fees.gas_limit", fees.gas_limit, limits::GAS_LIMIT_MIN, limits::GAS_LIMIT_MAX);
    let ordered = [
        ("fees.fee_wei", fees.fee_wei, fees.fee_cap_wei),
        ("fees.tip_floor_wei", fees.tip_floor_wei, fees.tip_ceiling_wei),
        ("fees.tip_ceiling_wei", fees.tip_ceiling_wei, fees.fee_cap_wei),
        ("fees.fee_cap_wei", fees.fee_cap_wei, u128::from(u64::MAX)),
    ];
    for (place, value, most) in ordered {
        if value > most {
            let most = u64::try_from(most).unwrap_or(u64::MAX);
            let problem = ConfigProblem::Range { least: 0, most };
            mistakes.add(place, &value.to_string(), problem, format!("write at most {most} wei"));
        }
    }
}

fn address(place: &str, text: &str, mistakes: &mut Mistakes) -> Option<Address> {
    let Ok(address) = text.parse::<Address>() else {
        let problem = ConfigProblem::Address { detail: "it is not 20 bytes of hex".to_owned() };
        mistakes.add(place, text, problem, "write 0x and 40 hex digits");
        return None;
    };
    let digits = text.strip_prefix("0x").unwrap_or(text);
    let one_case =
        !digits.bytes().any(|b| b.is_ascii_uppercase()) || !digits.bytes().any(|b| b.is_ascii_lowercase());
    let right = address.to_checksum(None);
    if !one_case && right.strip_prefix("0x") != Some(digits) {
        mistakes.add(
            place,
            text,
            ConfigProblem::Checksum,
            format!("check the address; its checksum form is {right}"),
        );
        return None;
    }
    Some(address)
}

fn targets(list: &[GateTarget], mistakes: &mut Mistakes) -> Vec<CompiledTarget> {
    let mut out: Vec<CompiledTarget> = Vec::new();
    for (at, target) in list.iter().enumerate() {
        let Some(address) = address(&format!("targets[{at}].address"), &target.address, mistakes) else {
            continue;
        };
        if out.iter().any(|other| other.id == target.id) {
            let place = format!("targets[{at}].id");
            mistakes.add(
                place,
                target.id.as_str(),
                ConfigProblem::Duplicate,
                "give each target its own name",
            );
        }
        out.push(CompiledTarget { id: target.id, address, kind: target.kind });
    }
    out
}

/// SECURITY: a Gate tells its targets within the trip, and refuses a trip that would starve them. With what is enough for a
/// Guard, no trip of a Gate would ever land.
fn check_gas(config: &EvmConfig, mistakes: &mut Mistakes) {
    let (gas, least) = (config.fees.gas_limit, limits::GATE_GAS_LIMIT_MIN);
    let gate = config.targets.iter().position(|target| target.kind == GateKind::Gate);
    if let (Some(at), true) = (gate, (limits::GAS_LIMIT_MIN..least).contains(&gas)) {
        let problem = ConfigProblem::Range { least, most: limits::GAS_LIMIT_MAX };
        let fix = format!("this is a Gate: write `gas_limit = {least}` or more in its chain's `fees`");
        mistakes.add(format!("targets[{at}].gas_limit"), &gas.to_string(), problem, fix);
    }
}

fn contracts(config: &EvmConfig, mistakes: &mut Mistakes) -> BTreeMap<Address, MappedContract> {
    let mut out = BTreeMap::new();
    for (at, contract) in config.contracts.iter().enumerate() {
        let place = format!("contracts[{at}]");
        let address = address(&format!("{place}.address"), &contract.address, mistakes);
        let domain = number(&format!("{place}.domain"), &contract.domain, mistakes);
        let events = events(&place, contract, mistakes);
        let ignored = ignored(&place, contract, mistakes);
        let (Some(address), Some(domain)) = (address, domain) else { continue };
        let mapped = MappedContract { bridge: contract.bridge, domain, events, ignored };
        if out.insert(address, mapped).is_some() {
            let fix = "write one [[contracts]] per address, with all its mappings";
            mistakes.add(format!("{place}.address"), &contract.address, ConfigProblem::Duplicate, fix);
        }
    }
    out
}

fn parse_event(place: &str, text: &str, mistakes: &mut Mistakes) -> Option<(Event, DynSolEvent)> {
    let fix = "write the event as Solidity does: Name(type indexed name, type name)";
    let parsed = Event::parse(text.trim().trim_end_matches(';'));
    let event = match parsed {
        Ok(event) => event,
        Err(error) => {
            mistakes.add(place, text, ConfigProblem::Signature { detail: error.to_string() }, fix);
            return None;
        }
    };
    match event.resolve() {
        Ok(resolved) => Some((event, resolved)),
        Err(error) => {
            mistakes.add(place, text, ConfigProblem::Signature { detail: error.to_string() }, fix);
            None
        }
    }
}

fn ignored(place: &str, contract: &WatchedContract, mistakes: &mut Mistakes) -> BTreeSet<B256> {
    let mut out = BTreeSet::new();
    for (at, text) in contract.ignored.iter().enumerate() {
        if let Some((event, _)) = parse_event(&format!("{place}.ignored[{at}]"), text, mistakes) {
            out.insert(event.selector());
        }
    }
    out
}

fn events(place: &str, contract: &WatchedContract, mistakes: &mut Mistakes) -> BTreeMap<B256, MappedEvent> {
    let mut out = BTreeMap::new();
    for (at, mapping) in contract.mappings.iter().enumerate() {
        let place = format!("{place}.mappings[{at}]");
        let signature = format!("{place}.signature");
        let Some((abi, event)) = parse_event(&signature, &mapping.signature, mistakes) else { continue };
        if mapping.recorded {
            // Blocks of this family commit to their events; a record beside them would prove nothing more.
            let problem = ConfigProblem::UselessField { field: "recorded" };
            mistakes.add(format!("{place}.recorded"), "true", problem, "remove it");
        }
        let Some(meaning) = meaning(&place, mapping, &Parameters(&abi), mistakes) else { continue };
        if out.insert(abi.selector(), MappedEvent { event, meaning }).is_some() {
            let fix = "keep one of them; an event means one thing";
            mistakes.add(signature, &mapping.signature, ConfigProblem::SameEvent, fix);
        }
    }
    out
}

#[cfg(test)]
#[path = "compile_tests.rs"]
mod tests;
