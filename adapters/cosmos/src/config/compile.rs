//! Checking a configuration: all mistakes at once, and a type that only a checked one can become.

use cosmrs::AccountId;
use portcullis_adapter::config::{Mistakes, check_endpoints, meaning, number};
use portcullis_verifier::{B256, keccak256};
use sha2::{Digest, Sha256};

use super::{
    Compiled, CompiledTarget, ConfigErrors, ConfigProblem, CosmosConfig, WatchedContract,
    mapping::{Attributes, pattern},
};
use crate::{
    decode::{Channel, Decoder, MappedContract, MappedEvent, Whose},
    limits,
};

impl CosmosConfig {
    /// Checks everything and builds what the hot path uses.
    ///
    /// # Errors
    /// All mistakes, each with its place, the offending text and a fix.
    pub fn compile(self) -> Result<Compiled, ConfigErrors> {
        let mut mistakes = Mistakes::default();
        let name = name(&self, &mut mistakes);
        let closes = !self.targets.is_empty();
        check_endpoints(&self.endpoints, limits::ENDPOINTS_MAX, &self.submission, closes, &mut mistakes);
        check_numbers(&self, &mut mistakes);
        let decoder = Decoder {
            chain: self.chain,
            contracts: contracts(&self, &mut mistakes),
            channels: channels(&self, &mut mistakes),
        };
        let targets = targets(&self, &mut mistakes);
        mistakes.finish(Compiled { name, decoder, targets, config: self })
    }
}

/// The chain's own name, which CAIP-2 has as it is, or hashed where it does not fit.
fn name(config: &CosmosConfig, mistakes: &mut Mistakes) -> String {
    let reference = config.chain.reference();
    if config.chain.namespace() != "cosmos" {
        let fix = "write cosmos: and the chain's id, such as cosmos:cosmoshub-4";
        mistakes.add("chain", config.chain.as_str(), ConfigProblem::NotThisFamily, fix);
    }
    if config.prefix.is_empty()
        || !config.prefix.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
    {
        let problem = ConfigProblem::Address { detail: "a prefix has small letters and digits".to_owned() };
        mistakes.add("prefix", &config.prefix, problem, "write what the chain's addresses begin with");
    }
    let Some(name) = &config.name else {
        if reference.starts_with("hashed-") {
            let fix = "add name = \"<the chain's own id>\"";
            mistakes.add("name", "", ConfigProblem::Name, fix);
        }
        return reference.to_owned();
    };
    let digest = Sha256::digest(name.as_bytes());
    let digits: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    if name != reference && reference != format!("hashed-{digits}") {
        let fix = format!("leave it out, or write chain = \"cosmos:hashed-{digits}\"");
        mistakes.add("name", name, ConfigProblem::Name, fix);
    }
    name.clone()
}

fn check_numbers(config: &CosmosConfig, mistakes: &mut Mistakes) {
    let operators = u64::try_from(config.endpoints.len()).unwrap_or(u64::MAX).max(1);
    mistakes.range("quorum", u64::from(config.quorum), 1, operators);
    let periods =
        [("silence_ms", config.silence_ms), ("stall_ms", config.stall_ms), ("poll_ms", config.poll_ms)];
    for (place, value) in periods {
        mistakes.range(place, value, limits::PERIOD_MIN_MS, limits::PERIOD_MAX_MS);
    }
    mistakes.range("lag_blocks", config.lag_blocks, 1, limits::LAG_MAX_BLOCKS);
    let trust = &config.trust;
    let highest = i64::MAX.unsigned_abs().saturating_sub(1);
    mistakes.range("trust.height", trust.height, 1, highest);
    let (least, most) = (limits::TRUSTING_PERIOD_MIN_SECS, limits::TRUSTING_PERIOD_MAX_SECS);
    mistakes.range("trust.trusting_period_secs", trust.trusting_period_secs, least, most);
    mistakes.range("trust.clock_drift_secs", trust.clock_drift_secs, 0, limits::DRIFT_MAX_SECS);
    if config.start_height != 0 {
        mistakes.range("start_height", config.start_height, trust.height.saturating_add(1), highest);
    }
    check_fees(config, mistakes);
}

fn check_fees(config: &CosmosConfig, mistakes: &mut Mistakes) {
    let fees = &config.fees;
    if config.signer.is_some() && fees.denom.is_empty() {
        let fix = "name the token in which the chain takes fees, such as denom = \"uatom\"";
        mistakes.add("fees.denom", "", ConfigProblem::Empty, fix);
    }
    let cap = u64::try_from(fees.price_cap_nano).unwrap_or(u64::MAX);
    mistakes.range("fees.price_nano", u64::try_from(fees.price_nano).unwrap_or(u64::MAX), 0, cap);
    mistakes.range("fees.bumps", u64::from(fees.bumps), 0, u64::from(limits::BUMPS_MAX));
}

/// The bytes of a bech32 address with this prefix.
///
/// # Errors
/// [`ConfigProblem::Address`] for a text that is none, [`ConfigProblem::Prefix`] for another chain's.
pub fn account(prefix: &str, text: &str) -> Result<Vec<u8>, ConfigProblem> {
    let account: AccountId = text.parse().map_err(|_not_one| ConfigProblem::Address {
        detail: "it is not bech32, or its checksum does not fit".to_owned(),
    })?;
    if account.prefix() != prefix {
        return Err(ConfigProblem::Prefix { found: account.prefix().to_owned() });
    }
    Ok(account.to_bytes())
}

/// A bech32 address of any chain, as the vocabulary carries it; none for a text that is none.
#[must_use]
pub fn any_account(text: &str) -> Option<B256> {
    text.parse::<AccountId>().ok().map(|account| padded(&account.to_bytes()))
}

/// An account as the vocabulary carries it: 32 bytes, left padded; longer ones by their keccak256.
#[must_use]
pub fn padded(bytes: &[u8]) -> B256 {
    if bytes.len() > 32 { keccak256(bytes) } else { B256::left_padding_from(bytes) }
}

/// A contract's address of 32 bytes as the chain's people write it; none for a prefix that is none.
#[must_use]
pub fn shown(prefix: &str, address: B256) -> Option<String> {
    AccountId::new(prefix, address.as_slice()).ok().map(|account| account.to_string())
}

/// Contracts have addresses of 32 bytes; accounts of people have 20.
fn contract_address(place: &str, prefix: &str, text: &str, mistakes: &mut Mistakes) -> Option<B256> {
    let problem = match account(prefix, text) {
        Ok(bytes) => match B256::try_from(bytes.as_slice()) {
            Ok(address) => return Some(address),
            Err(_length) => ConfigProblem::Address {
                detail: format!("a contract's has 32 bytes, this one has {}", bytes.len()),
            },
        },
        Err(problem) => problem,
    };
    mistakes.add(place, text, problem, format!("write the contract's address, {prefix}1…"));
    None
}

fn targets(config: &CosmosConfig, mistakes: &mut Mistakes) -> Vec<CompiledTarget> {
    let mut out: Vec<CompiledTarget> = Vec::new();
    for (at, target) in config.targets.iter().enumerate() {
        let place = format!("targets[{at}].address");
        let Some(address) = contract_address(&place, &config.prefix, &target.address, mistakes) else {
            continue;
        };
        if out.iter().any(|other| other.id == target.id) {
            let (place, fix) = (format!("targets[{at}].id"), "give each target its own name");
            mistakes.add(place, target.id.as_str(), ConfigProblem::Duplicate, fix);
        }
        out.push(CompiledTarget { id: target.id, address, kind: target.kind });
    }
    out
}

fn contracts(config: &CosmosConfig, mistakes: &mut Mistakes) -> Vec<MappedContract> {
    let mut out: Vec<MappedContract> = Vec::new();
    for (at, contract) in config.contracts.iter().enumerate() {
        let place = format!("contracts[{at}]");
        let whose = match contract.address.strip_prefix("module:") {
            Some("") => {
                let fix = "write module: and a name, such as module:bank";
                mistakes.add(format!("{place}.address"), &contract.address, ConfigProblem::Empty, fix);
                None
            }
            Some(module) => Some(Whose::Module(keccak256(module))),
            None => {
                let place = format!("{place}.address");
                contract_address(&place, &config.prefix, &contract.address, mistakes)
                    .map(|address| Whose::Contract { address, text: contract.address.clone() })
            }
        };
        let domain = number(&format!("{place}.domain"), &contract.domain, mistakes);
        let events = events(&place, contract, mistakes);
        let ignored = ignored(&place, contract, mistakes);
        let (Some(whose), Some(domain)) = (whose, domain) else { continue };
        if out.iter().any(|other| other.whose == whose && other.bridge == contract.bridge) {
            let fix = "write one [[contracts]] per address, with all its mappings";
            mistakes.add(format!("{place}.address"), &contract.address, ConfigProblem::Duplicate, fix);
        }
        let prefix = config.prefix.clone();
        out.push(MappedContract { bridge: contract.bridge, whose, domain, prefix, events, ignored });
    }
    out
}

fn ignored(place: &str, contract: &WatchedContract, mistakes: &mut Mistakes) -> Vec<crate::decode::Pattern> {
    let texts = contract.ignored.iter().enumerate();
    texts.filter_map(|(at, text)| pattern(&format!("{place}.ignored[{at}]"), text, mistakes)).collect()
}

fn events(place: &str, contract: &WatchedContract, mistakes: &mut Mistakes) -> Vec<MappedEvent> {
    let mut out: Vec<MappedEvent> = Vec::new();
    for (at, mapping) in contract.mappings.iter().enumerate() {
        let place = format!("{place}.mappings[{at}]");
        let signature = format!("{place}.signature");
        let pattern = pattern(&signature, &mapping.signature, mistakes);
        let meaning = meaning(&place, mapping, &Attributes, mistakes);
        let (Some(pattern), Some(meaning)) = (pattern, meaning) else { continue };
        if out.iter().any(|other| other.pattern == pattern) {
            let fix = "keep one of them; an event means one thing";
            mistakes.add(signature, &mapping.signature, ConfigProblem::SameEvent, fix);
        }
        out.push(MappedEvent { pattern, meaning, recorded: mapping.recorded });
    }
    out
}

fn channels(config: &CosmosConfig, mistakes: &mut Mistakes) -> Vec<Channel> {
    let mut out: Vec<Channel> = Vec::new();
    for (at, channel) in config.channels.iter().enumerate() {
        let place = format!("channels[{at}]");
        let domain = number(&format!("{place}.domain"), &channel.domain, mistakes);
        let remote = number(&format!("{place}.remote"), &channel.remote, mistakes);
        let names = [
            ("port", &channel.port),
            ("channel", &channel.channel),
            ("counterparty_port", &channel.counterparty_port),
            ("counterparty_channel", &channel.counterparty_channel),
        ];
        for (name, text) in names {
            if text.is_empty() || text.contains('/') {
                let fix = "write the name as the chain has it, such as transfer or channel-0";
                mistakes.add(format!("{place}.{name}"), text, ConfigProblem::Empty, fix);
            }
        }
        if out.iter().any(|other| other.port == channel.port && other.channel == channel.channel) {
            let fix = "write one [[channels]] per channel; it belongs to one bridge";
            mistakes.add(format!("{place}.channel"), &channel.channel, ConfigProblem::Duplicate, fix);
        }
        let (Some(domain), Some(remote)) = (domain, remote) else { continue };
        out.push(Channel {
            bridge: channel.bridge,
            domain,
            remote,
            prefix: config.prefix.clone(),
            port: channel.port.clone(),
            channel: channel.channel.clone(),
            far_port: channel.counterparty_port.clone(),
            far_channel: channel.counterparty_channel.clone(),
        });
    }
    out
}

#[cfg(test)]
#[path = "compile_tests.rs"]
mod tests;
