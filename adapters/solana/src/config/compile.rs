//! Checking a configuration: all mistakes at once, and a type that only a checked one can become.

use portcullis_adapter::config::{Mistakes, check_endpoints, meaning, number};
use portcullis_verifier::{B256, U256};

use super::{
    Compiled, CompiledTarget, ConfigErrors, ConfigProblem, SolanaConfig, WatchedContract, layout::pattern,
    mapping::Records,
};
use crate::{
    address,
    decode::{Decoder, MappedContract, MappedEvent, Pattern, Whose},
    limits,
};

impl SolanaConfig {
    /// Checks everything and builds what the hot path uses.
    ///
    /// # Errors
    /// All mistakes, each with its place, the offending text and a fix.
    pub fn compile(self) -> Result<Compiled, ConfigErrors> {
        let mut mistakes = Mistakes::default();
        check_chain(&self, &mut mistakes);
        let closes = !self.targets.is_empty();
        check_endpoints(&self.endpoints, limits::ENDPOINTS_MAX, &self.submission, closes, &mut mistakes);
        check_numbers(&self, &mut mistakes);
        let decoder = Decoder::new(self.chain, contracts(&self, &mut mistakes));
        let targets = targets(&self, &mut mistakes);
        let nonces = nonces(&self, &mut mistakes);
        mistakes.finish(Compiled { decoder, targets, nonces, config: self })
    }
}

/// A cluster is named by the first 32 characters of its genesis hash.
#[must_use]
pub fn is_reference(reference: &str) -> bool {
    reference.len() == 32 && bs58::decode(reference).into_vec().is_ok()
}

fn check_chain(config: &SolanaConfig, mistakes: &mut Mistakes) {
    if config.chain.namespace() != "solana" || !is_reference(config.chain.reference()) {
        let fix = "write solana: and the first 32 characters of the genesis hash, such as \
                   solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp";
        mistakes.add("chain", config.chain.as_str(), ConfigProblem::NotThisFamily, fix);
    }
}

fn check_numbers(config: &SolanaConfig, mistakes: &mut Mistakes) {
    let operators = u64::try_from(config.endpoints.len()).unwrap_or(u64::MAX).max(1);
    mistakes.range("quorum", u64::from(config.quorum), 1, operators);
    let periods =
        [("silence_ms", config.silence_ms), ("stall_ms", config.stall_ms), ("poll_ms", config.poll_ms)];
    for (place, value) in periods {
        mistakes.range(place, value, limits::PERIOD_MIN_MS, limits::PERIOD_MAX_MS);
    }
    if let Some(stakes) = &config.stakes {
        mistakes.range("stakes.wait_ms", stakes.wait_ms, 0, limits::VOTES_WAIT_MAX_MS);
    }
    mistakes.range("lag_blocks", config.lag_blocks, 1, limits::LAG_MAX_SLOTS);
    mistakes.range("reorg_bound_blocks", config.reorg_bound_blocks, 1, limits::REORG_BOUND_MAX_BLOCKS);
    let fees = &config.fees;
    let number = |value: u128| u64::try_from(value).unwrap_or(u64::MAX);
    mistakes.range("fees.price", number(fees.price), 0, number(fees.price_cap));
    mistakes.range("fees.price_cap", number(fees.price_cap), 0, limits::PRICE_MAX);
    mistakes.range("fees.bumps", u64::from(fees.bumps), 0, u64::from(limits::BUMPS_MAX));
    let (least, most) = (limits::UNITS_MIN, limits::UNITS_MAX);
    mistakes.range("fees.unit_limit", u64::from(fees.unit_limit), u64::from(least), u64::from(most));
}

fn no_address() -> ConfigProblem {
    ConfigProblem::Address { detail: "it has not 32 bytes in base 58".to_owned() }
}

fn parse_address(place: &str, text: &str, mistakes: &mut Mistakes) -> Option<B256> {
    let address = address::read(text);
    if address.is_none() {
        let fix = "write the address as the chain does: 32 bytes in base 58";
        mistakes.add(place, text, no_address(), fix);
    }
    address
}

/// A decimal number, `0x` and up to 64 hex digits, or an address; left padded.
pub(super) fn parse_number(text: &str) -> Option<B256> {
    match text.strip_prefix("0x") {
        Some(digits) if !digits.is_empty() => U256::from_str_radix(digits, 16).ok().map(B256::from),
        Some(_) => None,
        None if text.is_empty() => None,
        // Addresses may consist of digits only in theory; none of 32 characters or more is a number that anybody means.
        None if text.len() >= 32 => address::read(text),
        None => U256::from_str_radix(text, 10).ok().map(B256::from),
    }
}

/// Reads `breaker@program`: the account that is the gate, and the program that works for it.
#[must_use]
pub fn gate_address(text: &str) -> Option<(B256, B256)> {
    let (breaker, program) = text.split_once('@')?;
    Some((address::read(breaker.trim())?, address::read(program.trim())?))
}

fn targets(config: &SolanaConfig, mistakes: &mut Mistakes) -> Vec<CompiledTarget> {
    let mut out: Vec<CompiledTarget> = Vec::new();
    for (at, target) in config.targets.iter().enumerate() {
        let Some((address, program)) = gate_address(&target.address) else {
            let fix = "write the breaker account, @, and the program: <account>@<program>";
            mistakes.add(format!("targets[{at}].address"), &target.address, no_address(), fix);
            continue;
        };
        if out.iter().any(|other| other.id == target.id) {
            let (place, fix) = (format!("targets[{at}].id"), "give each target its own name");
            mistakes.add(place, target.id.as_str(), ConfigProblem::Duplicate, fix);
        }
        out.push(CompiledTarget { id: target.id, address, program, kind: target.kind });
    }
    out
}

fn nonces(config: &SolanaConfig, mistakes: &mut Mistakes) -> [Option<B256>; 2] {
    let lanes = [("nonce", &config.nonce), ("carrier_nonce", &config.carrier_nonce)];
    let nonces = lanes.map(|(place, text)| parse_address(place, text.as_deref()?, mistakes));
    // SECURITY: of two transactions on one nonce one lands. Two lanes are there so that one closes where the other cannot.
    if let ([Some(own), Some(carrier)], Some(text)) = (nonces, &config.carrier_nonce)
        && own == carrier
    {
        let fix = "make another nonce account for the carrier, with the carrier's key as its authority";
        mistakes.add("carrier_nonce", text, ConfigProblem::Shared, fix);
    }
    nonces
}

fn contracts(config: &SolanaConfig, mistakes: &mut Mistakes) -> Vec<MappedContract> {
    let mut out: Vec<MappedContract> = Vec::new();
    for (at, contract) in config.contracts.iter().enumerate() {
        let place = format!("contracts[{at}]");
        let address_place = format!("{place}.address");
        let whose = match contract.address.strip_prefix("mint:") {
            Some(mint) => parse_address(&address_place, mint, mistakes).map(Whose::Mint),
            None => parse_address(&address_place, &contract.address, mistakes).map(Whose::program),
        };
        let of_mint = contract.address.starts_with("mint:");
        let domain = number(&format!("{place}.domain"), &contract.domain, mistakes);
        let events = events(&place, contract, of_mint, mistakes);
        let ignored: Vec<Pattern> = contract
            .ignored
            .iter()
            .enumerate()
            .filter_map(|(at, text)| pattern(&format!("{place}.ignored[{at}]"), text, of_mint, mistakes))
            .collect();
        let (Some(whose), Some(domain)) = (whose, domain) else { continue };
        if out.iter().any(|other| other.whose == whose && other.bridge == contract.bridge) {
            let fix = "write one [[contracts]] per address, with all its mappings";
            mistakes.add(address_place, &contract.address, ConfigProblem::Duplicate, fix);
        }
        out.push(MappedContract { bridge: contract.bridge, whose, domain, events, ignored });
    }
    out
}

fn events(
    place: &str,
    contract: &WatchedContract,
    of_mint: bool,
    mistakes: &mut Mistakes,
) -> Vec<MappedEvent> {
    let mut out: Vec<MappedEvent> = Vec::new();
    for (at, mapping) in contract.mappings.iter().enumerate() {
        let place = format!("{place}.mappings[{at}]");
        let signature = format!("{place}.signature");
        let Some(pattern) = pattern(&signature, &mapping.signature, of_mint, mistakes) else { continue };
        let Some(meaning) = meaning(&place, mapping, &Records(&pattern), mistakes) else { continue };
        if out.iter().any(|other| other.pattern.same_records(&pattern)) {
            let fix = "keep one of them; a record means one thing";
            mistakes.add(signature, &mapping.signature, ConfigProblem::SameEvent, fix);
        }
        out.push(MappedEvent { pattern, meaning });
    }
    out
}

#[cfg(test)]
#[path = "compile_tests.rs"]
mod tests;
