//! From texts of attributes to words of 32 bytes. Pure.

use portcullis_verifier::{B256, U256, keccak256};
use serde_json::Value;

use super::Path;
use crate::{
    config::{account, padded},
    limits::{COINS_MAX, JSON_ATTRIBUTE_BYTES},
    transport::RawEvent,
};

/// A text that was found, or why not.
pub(super) type Finding = Result<String, &'static str>;

/// How a text is read as a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// A decimal number of at most 256 bits.
    Number,
    /// Up to 32 bytes as hexadecimal digits, with or without `0x`; left padded.
    Hex,
    /// An address: bech32 of this chain or of another, `0x` and hexadecimal digits, or exactly 64 of them; left padded.
    Account,
    /// Any text, by its keccak256.
    Text,
    /// A decimal number, or `0x` and up to 64 hexadecimal digits.
    Word,
}

impl Form {
    /// Reads a text. `prefix` is that of the chain's own addresses.
    pub(crate) fn read(self, text: &str, prefix: &str) -> Result<B256, &'static str> {
        match self {
            Self::Number => decimal(text).map(B256::from),
            Self::Hex => hex(text.strip_prefix("0x").unwrap_or(text)),
            Self::Text => Ok(keccak256(text)),
            Self::Word => match text.strip_prefix("0x") {
                Some(digits) => hex(digits),
                None => decimal(text).map(B256::from),
            },
            Self::Account => match text.strip_prefix("0x") {
                Some(digits) => hex(digits),
                None if text.len() == 64 => hex(text).or_else(|_no_word| address(text, prefix)),
                None => address(text, prefix),
            },
        }
    }
}

/// SECURITY: digits only. A sign, a space or a separator that one reader skips and another does not would make two
/// amounts of one text.
fn decimal(text: &str) -> Result<U256, &'static str> {
    if text.is_empty() || text.len() > 78 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err("it is not a decimal number");
    }
    U256::from_str_radix(text, 10).map_err(|_too_large| "the number has more than 256 bits")
}

fn hex(digits: &str) -> Result<B256, &'static str> {
    if digits.is_empty() || digits.len() > 64 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err("it is not up to 32 bytes of hexadecimal digits");
    }
    U256::from_str_radix(digits, 16).map(B256::from).map_err(|_unreachable| "it is not hexadecimal")
}

fn address(text: &str, prefix: &str) -> Result<B256, &'static str> {
    if let Ok(bytes) = account(prefix, text) {
        return Ok(padded(&bytes));
    }
    // Another chain's address, as a recipient over there.
    let other: cosmrs::AccountId = text.parse().map_err(|_not_one| "it is not an address")?;
    Ok(padded(&other.to_bytes()))
}

/// A value of an event: an attribute, a member of its JSON, or a part of the coin that it holds.
///
/// `denom` chooses among several coins.
pub(super) fn find(event: &RawEvent, path: &Path, denom: Option<&str>) -> Finding {
    let mut named = event.attributes.iter().filter(|one| one.key == path.name);
    let first = named.next().ok_or("the event has no such attribute")?;
    // SECURITY: with two values of one name, who reads the first and who reads the last would see two truths.
    if named.next().is_some() {
        return Err("the event has this attribute twice");
    }
    let text = first.value.as_deref().unwrap_or_default();
    match path.member.as_deref() {
        None => Ok(text.to_owned()),
        Some(member) if text.starts_with(['{', '[']) => member_of(text, member),
        Some("amount") => coin(text, denom).map(|(amount, _)| amount.to_owned()),
        Some("denom") => coin(text, denom).map(|(_, denom)| denom.to_owned()),
        Some(_) => Err("the attribute holds no JSON"),
    }
}

/// A member of a JSON object: texts and numbers only.
fn member_of(text: &str, member: &str) -> Finding {
    if text.len() > JSON_ATTRIBUTE_BYTES {
        return Err("the attribute is too long to be read");
    }
    let value: Value = serde_json::from_str(text).map_err(|_not_json| "the attribute is not JSON")?;
    match value.get(member) {
        Some(Value::String(text)) => Ok(text.clone()),
        Some(Value::Number(number)) => Ok(number.to_string()),
        Some(_) => Err("the member is no text and no number"),
        None => Err("there is no such member"),
    }
}

/// Amount and denomination of a coin such as `5uatom`; of several, the one with this denomination.
fn coin<'a>(text: &'a str, denom: Option<&str>) -> Result<(&'a str, &'a str), &'static str> {
    let mut found = None;
    for (index, part) in text.split(',').enumerate() {
        if index >= COINS_MAX {
            return Err("there are too many coins");
        }
        let digits = part.bytes().take_while(u8::is_ascii_digit).count();
        let (amount, name) = part.split_at_checked(digits).ok_or("it is not a coin")?;
        if amount.is_empty() || name.is_empty() {
            return Err("it is not a coin");
        }
        if denom.is_some_and(|wanted| wanted != name) {
            continue;
        }
        if found.replace((amount, name)).is_some() {
            return Err("there are several coins, and the pattern chooses none");
        }
    }
    found.ok_or("there is no such coin")
}
