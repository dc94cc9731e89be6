//! From the names of the vectors to values, and back.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::address::text;
use crate::event::hex;
use crate::{Key, Parts, Word};

/// Accounts that the vectors name; `nobody` is the address of zeros.
const ACCOUNTS: [&str; 10] =
    ["owner", "releaser", "guardian", "tripper", "second", "signer", "bridge", "stranger", "other", "heir"];

/// Accounts, scopes and the start of one case.
#[derive(Debug, Clone)]
pub(super) struct World {
    /// Unix seconds that the case counts from.
    pub(super) time: u64,
    /// Slot that it counts from.
    pub(super) height: u64,
    accounts: BTreeMap<String, Word>,
    scopes: BTreeMap<String, Word>,
}

impl World {
    pub(super) fn new((time, height): (u64, u64)) -> Self {
        let mut accounts: BTreeMap<String, Word> =
            ACCOUNTS.iter().map(|name| ((*name).to_owned(), Key::named(name).address())).collect();
        accounts.insert("nobody".to_owned(), [0; 32]);
        Self { time, height, accounts, scopes: BTreeMap::new() }
    }

    pub(super) fn scope(&mut self, name: &str, id: Word) {
        self.scopes.insert(name.to_owned(), id);
    }

    pub(super) fn scope_id(&self, name: &Value) -> Result<Word, String> {
        let name = name.as_str().ok_or("a scope's name is text")?;
        self.scopes.get(name).copied().ok_or_else(|| format!("no scope is called {name}"))
    }

    pub(super) fn account(&self, name: &Value) -> Result<Word, String> {
        let name = name.as_str().ok_or("an account's name is text")?;
        self.accounts.get(name).copied().ok_or_else(|| format!("no account is called {name}"))
    }

    pub(super) fn is_account(&self, name: &str) -> bool {
        self.accounts.contains_key(name)
    }

    /// Zero is "none"; the vectors count from the start. The greatest value of 64 bits stays what it is.
    pub(super) fn time_of(&self, value: &Value) -> Result<u64, String> {
        absolute(value, self.time)
    }

    pub(super) fn height_of(&self, value: &Value) -> Result<u64, String> {
        absolute(value, self.height)
    }

    /// What the program wrote, in the words of the vectors; none for what differs between machines.
    pub(super) fn written(&self, key: &str, value: &str) -> Option<String> {
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

/// The parts of a scope's name.
pub(super) fn parts(scope: &Value) -> Result<Parts, String> {
    let word = |key: &str| scope[key].as_str().map(text).ok_or_else(|| format!("no {key}"));
    Ok(Parts {
        bridge: if scope.get("bridge").is_some() { word("bridge")? } else { text("bridge") },
        direction: match scope["direction"].as_str() {
            Some("any") => 0,
            Some("in") => 1,
            Some("out") => 2,
            Some(_) => 3,
            None => return Err("a direction is text".to_owned()),
        },
        corridor: word("corridor")?,
        asset: word("asset")?,
    })
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

fn name_of(names: &BTreeMap<String, Word>, value: &str) -> String {
    names
        .iter()
        .find(|(_, known)| hex(*known) == value)
        .map_or_else(|| value.to_owned(), |(name, _)| name.clone())
}

fn spelled(value: &str) -> String {
    let bytes: Vec<u8> = (0..value.len() / 2)
        .filter_map(|at| u8::from_str_radix(value.get(2 * at..2 * at + 2)?, 16).ok())
        .take_while(|byte| *byte != 0)
        .collect();
    if bytes.is_empty() { "*".to_owned() } else { String::from_utf8_lossy(&bytes).into_owned() }
}
