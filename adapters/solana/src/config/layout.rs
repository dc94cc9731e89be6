//! Reading how an event or a call is laid out: a kind, what its bytes begin with, and what follows, in order.
//!
//! ```text
//! data Released(bridge: key = <account>, message_id: bytes32, amount: u64)   logged with a name as its first part
//! data 0x6c6f636b(message_id: bytes32, amount: u64, recipient: key)          logged with these bytes in front
//! data event:Locked(message_id: bytes32, amount: u64)                        as Anchor logs it
//! call 0x07(amount: u64) accounts(_, vault = <account>, recipient)           a call of the program, also an inner one
//! call global:release(amount: u64) accounts(_, vault)                        as Anchor calls it
//! mint    burn    transfer(to = <token account>)    transfer(from = <token account>)       of a watched mint
//! ```
//!
//! A value or account with `= …` must be that one; what has another is somebody else's record of the same program.

use portcullis_adapter::config::Mistakes;
use portcullis_verifier::B256;
use sha2::{Digest, Sha256};

use super::{ConfigProblem, compile::parse_number};
use crate::{
    address,
    decode::{First, Form, Layout, Pattern, TokenMove},
    limits,
};

const FIX: &str = "write `data 0x<first bytes>(name: type, …)`, `call 0x<first bytes>(name: type, …) accounts(name, …)`, or for \
                   a mint: `mint`, `burn`, `transfer(to = <account>)`, `transfer(from = <account>)`";

/// Reads a pattern. `of_mint` says whether the watched address is a token.
pub(super) fn pattern(place: &str, text: &str, of_mint: bool, mistakes: &mut Mistakes) -> Option<Pattern> {
    let parsed = if of_mint { token(text.trim()) } else { program(text.trim()) };
    match parsed {
        Ok(pattern) => Some(pattern),
        Err(detail) => {
            mistakes.add(place, text, ConfigProblem::Signature { detail: detail.to_owned() }, FIX);
            None
        }
    }
}

fn token(text: &str) -> Result<Pattern, &'static str> {
    let (kind, rest) = bracket(text)?;
    let moved = match (kind, rest) {
        ("mint", None) => TokenMove::Minted,
        ("burn", None) => TokenMove::Burned,
        ("transfer", Some(condition)) => {
            let (side, account) =
                condition.split_once('=').ok_or("say to = or from = and a token account")?;
            let account = address::read(account.trim()).ok_or("the token account is no address")?;
            match side.trim() {
                "to" => TokenMove::Into(account),
                "from" => TokenMove::OutOf(account),
                _ => return Err("say to = or from ="),
            }
        }
        _ => return Err("a mint has mint, burn, transfer(to = …) and transfer(from = …)"),
    };
    Ok(Pattern::Token(moved))
}

fn program(text: &str) -> Result<Pattern, &'static str> {
    let (kind, rest) = text.split_once(char::is_whitespace).ok_or("there is no kind in front")?;
    let (accounts_text, rest) = match rest.split_once(" accounts(") {
        Some((rest, accounts)) => {
            (Some(accounts.trim_end().strip_suffix(')').ok_or("a bracket is not closed")?), rest)
        }
        None => (None, rest),
    };
    let (head, values) = bracket(rest.trim())?;
    let mut layout = Layout { first: first(head, kind == "data")?, values: Vec::new(), accounts: Vec::new() };
    for part in parts(values.unwrap_or_default()) {
        let (name, form) = part.split_once(':').ok_or("a value has a name and a type, as in amount: u64")?;
        let name = named(name.trim())?;
        if layout.values.iter().any(|(known, _, _)| *known == name && name != "_") {
            return Err("two values have one name");
        }
        let (form, wanted) = wanted(form)?;
        layout.values.push((name, Form::read(form).ok_or("there is no such type")?, wanted));
    }
    for part in parts(accounts_text.unwrap_or_default()) {
        let (name, wanted) = wanted(part)?;
        layout.accounts.push((named(name)?, wanted));
    }
    if layout.values.len() > limits::VALUES_MAX || layout.accounts.len() > limits::VALUES_MAX {
        return Err("it has too many values");
    }
    match (kind, accounts_text) {
        ("data", None) => Ok(Pattern::Data(layout)),
        ("data", Some(_)) => Err("logged data has no accounts"),
        ("call", _) => Ok(Pattern::Call(layout)),
        _ => Err("it begins with data or call"),
    }
}

/// What stands before `=`, and the number or address behind it.
fn wanted(text: &str) -> Result<(&str, Option<B256>), &'static str> {
    match text.split_once('=') {
        None => Ok((text.trim(), None)),
        Some((before, value)) => {
            let value =
                parse_number(value.trim()).ok_or("what stands behind = is no number and no address")?;
            Ok((before.trim(), Some(value)))
        }
    }
}

fn parts(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|part| !part.is_empty())
}

fn named(text: &str) -> Result<String, &'static str> {
    let good = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if good { Ok(text.to_owned()) } else { Err("a name has letters, digits and _") }
}

/// What stands in front of the bracket, and what in it.
fn bracket(text: &str) -> Result<(&str, Option<&str>), &'static str> {
    match text.split_once('(') {
        None => Ok((text.trim(), None)),
        Some((head, rest)) => {
            let inside = rest.trim_end().strip_suffix(')').ok_or("a bracket is not closed")?;
            Ok((head.trim(), Some(inside)))
        }
    }
}

/// What the bytes begin with: written out, a name, or as Anchor derives it from one.
fn first(text: &str, of_data: bool) -> Result<First, &'static str> {
    if let Some(digits) = text.strip_prefix("0x") {
        let bytes = (0..digits.len()).step_by(2).map(|at| {
            let end = at.checked_add(2)?;
            u8::from_str_radix(digits.get(at..end)?, 16).ok()
        });
        let bytes: Option<Vec<u8>> = bytes.collect();
        let plain = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        return match bytes.filter(|bytes| plain && (1..=32).contains(&bytes.len())) {
            Some(bytes) => Ok(First::Bytes(bytes)),
            None => Err("the first bytes are 0x and 1 to 32 bytes of hexadecimal digits"),
        };
    }
    let Some((space, name)) = text.split_once(':') else {
        return match named(text) {
            Ok(name) if of_data => Ok(First::Name(name)),
            _ => Err("the first bytes are 0x…, event:Name or global:name; of data also a name"),
        };
    };
    if !matches!(space, "event" | "global") || named(name).is_err() {
        return Err("the first bytes are 0x…, event:Name or global:name");
    }
    Ok(First::Bytes(Sha256::digest(text.as_bytes()).iter().take(8).copied().collect()))
}
