//! From the names of the vectors to values, and back.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::Machine;

/// Accounts that the vectors name; `nobody` is the empty address.
const ACCOUNTS: [&str; 10] =
    ["owner", "releaser", "guardian", "tripper", "second", "signer", "bridge", "stranger", "other", "heir"];

/// Accounts, scopes and the start of one case.
#[derive(Debug, Clone)]
pub struct World {
    /// Unix seconds that the case counts from.
    pub time: u64,
    /// Height that it counts from.
    pub height: u64,
    accounts: BTreeMap<String, String>,
    scopes: BTreeMap<String, String>,
}

impl World {
    pub(crate) fn new(machine: &mut dyn Machine, world: &Value) -> Result<Self, String> {
        let start = |name: &str| world["start"][name].as_u64().ok_or_else(|| format!("no start {name}"));
        let (time, height) = machine.start(start("time")?, start("height")?)?;
        let mut accounts: BTreeMap<String, String> =
            ACCOUNTS.iter().map(|name| ((*name).to_owned(), machine.address(name))).collect();
        accounts.insert("nobody".to_owned(), String::new());
        Ok(Self { time, height, accounts, scopes: BTreeMap::new() })
    }

    pub(crate) fn scope(&mut self, name: &str, id: &str) {
        self.scopes.insert(name.to_owned(), id.to_owned());
    }

    pub(crate) fn scope_id(&self, name: &Value) -> Result<String, String> {
        let name = name.as_str().ok_or("a scope's name is text")?;
        self.scopes.get(name).cloned().ok_or_else(|| format!("no scope is called {name}"))
    }

    pub(crate) fn account(&self, name: &Value) -> Result<String, String> {
        let name = name.as_str().ok_or("an account's name is text")?;
        self.accounts.get(name).cloned().ok_or_else(|| format!("no account is called {name}"))
    }

    pub(crate) fn is_account(&self, name: &str) -> bool {
        self.accounts.contains_key(name)
    }

    /// Zero is "none"; the vectors count from the start. The greatest value of 64 bits stays what it is.
    pub(crate) fn time_of(&self, value: &Value) -> Result<u64, String> {
        absolute(value, self.time)
    }

    pub(crate) fn height_of(&self, value: &Value) -> Result<u64, String> {
        absolute(value, self.height)
    }

    /// What the contract wrote, in the words of the vectors; none for what differs between machines.
    pub(crate) fn written(&self, key: &str, value: &str) -> Option<String> {
        Some(match key {
            "actionId" | "id" | "call" => return None,
            "scope" => name_of(&self.scopes, value),
            "tripper" | "releaser" | "guardian" | "account" | "consumer" | "by" | "caller" => {
                name_of(&self.accounts, value)
            }
            "until" | "closedUntil" | "limitedUntil" | "readyAt" | "expiredAt" | "deadline" => {
                since(value, self.time)
            }
            "untilHeight" | "closedUntilHeight" | "limitedUntilHeight" => since(value, self.height),
            "incident" | "record" | "bridge" | "corridor" | "asset" => spelled(value),
            _ => value.to_owned(),
        })
    }
}

/// Text of up to 32 bytes, padded with zeros on the right, as hex; "*" is any.
pub(crate) fn text(value: &str) -> Result<String, String> {
    if value == "*" {
        return Ok("0".repeat(64));
    }
    if value.len() > 32 {
        return Err(format!("{value} is longer than 32 bytes"));
    }
    let hex: String = value.bytes().map(|byte| format!("{byte:02x}")).collect();
    Ok(format!("{hex:0<64}"))
}

/// The parts of a scope's name, as the guard's messages have them.
pub(crate) fn parts(scope: &Value) -> Result<Value, String> {
    let word = |key: &str| scope[key].as_str().ok_or_else(|| format!("no {key}")).and_then(text);
    let bridge = scope.get("bridge").map_or(Ok("bridge"), |name| name.as_str().ok_or("a bridge is text"))?;
    Ok(json!({
        "bridge": text(bridge)?,
        "direction": direction(&scope["direction"])?,
        "corridor": word("corridor")?,
        "asset": word("asset")?,
    }))
}

fn direction(value: &Value) -> Result<u8, String> {
    match value.as_str() {
        Some("any") => Ok(0),
        Some("in") => Ok(1),
        Some("out") => Ok(2),
        Some(_) => Ok(3),
        None => Err("a direction is text".to_owned()),
    }
}

fn absolute(value: &Value, start: u64) -> Result<u64, String> {
    let value =
        if value.is_null() { 0 } else { value.as_u64().ok_or_else(|| format!("{value} is no number"))? };
    Ok(if value == 0 || value == u64::MAX { value } else { start + value })
}

fn since(value: &str, start: u64) -> String {
    match value.parse::<u64>() {
        Ok(number) if number >= start && number != u64::MAX => (number - start).to_string(),
        _ => value.to_owned(),
    }
}

fn name_of(names: &BTreeMap<String, String>, value: &str) -> String {
    names.iter().find(|(_, known)| *known == value).map_or_else(|| value.to_owned(), |(name, _)| name.clone())
}

fn spelled(value: &str) -> String {
    let bytes: Vec<u8> = (0..value.len() / 2)
        .filter_map(|at| u8::from_str_radix(value.get(2 * at..2 * at + 2)?, 16).ok())
        .take_while(|byte| *byte != 0)
        .collect();
    if bytes.is_empty() { "*".to_owned() } else { String::from_utf8_lossy(&bytes).into_owned() }
}
