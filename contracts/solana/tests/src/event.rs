//! What programs write into the log.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::Word;

/// A line `Program data:` of one program: a name, and fields by their names, in order, as text: words as hex, numbers in
/// decimal, limits with slashes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The name.
    pub name: String,
    /// Which breaker or bridge says so; zeros for an error.
    pub breaker: Word,
    /// The fields.
    pub fields: Vec<(&'static str, String)>,
}

/// The fields of each event, with the guards on other machines.
const EVENTS: [(&str, &[&str]); 29] = [
    (
        "Tripped",
        &[
            "scope",
            "incident",
            "level",
            "until",
            "untilHeight",
            "record",
            "generation",
            "actionId",
            "tripper",
        ],
    ),
    ("TripIgnored", &["scope", "incident", "actionId", "reason"]),
    ("TripClipped", &["scope", "tripper", "asked", "granted"]),
    ("Released", &["scope", "generation", "releaser"]),
    ("Held", &["scope", "level", "guardian"]),
    ("ScopeRegistered", &["scope", "bridge", "direction", "corridor", "asset"]),
    ("BridgeRegistered", &["bridge", "consumer"]),
    ("LimitsSet", &["scope", "normal", "limited"]),
    ("LimitsLowered", &["scope", "tripper", "lowered", "until", "untilHeight"]),
    ("Sealed", &[]),
    ("RoleSet", &["role", "account", "budgetSeconds"]),
    ("RoleRevoked", &["role", "account"]),
    ("OperationScheduled", &["id", "call", "readyAt"]),
    ("OperationCancelled", &["id", "by"]),
    ("OperationExecuted", &["id"]),
    ("TargetAdded", &["scope", "account", "kind", "fromLevel", "argument"]),
    ("TargetRemoved", &["scope", "account", "kind", "argument"]),
    ("TargetClosed", &["scope", "account", "kind", "argument", "ours"]),
    ("TargetFound", &["scope", "account", "kind", "argument"]),
    ("TargetRestored", &["scope", "account", "kind", "argument", "byGate"]),
    ("TargetFailed", &["scope", "account", "kind", "argument", "closing"]),
    ("HandedBack", &["account", "to"]),
    ("AccountFrozen", &["mint", "account", "by"]),
    ("AccountThawed", &["mint", "account", "by"]),
    ("TokenRegistered", &["token", "isHome"]),
    ("Deposited", &["destination", "messageId", "token", "sender", "recipient", "amount"]),
    ("Burned", &["destination", "messageId", "token", "sender", "recipient", "amount"]),
    ("Minted", &["origin", "messageId", "token", "recipient", "amount"]),
    ("Upgraded", &["committedRoot"]),
];

/// The fields of each error that has any.
const ERRORS: [(&str, &[&str]); 30] = [
    ("WrongAccount", &["account"]),
    ("NotSigned", &["account"]),
    ("AlreadyInitialized", &["account"]),
    ("InvalidLevel", &["level"]),
    ("InvalidDirection", &["direction"]),
    ("SignatureExpired", &["deadline"]),
    ("ScopeUnregistered", &["scope"]),
    ("ScopeAlreadyRegistered", &["scope"]),
    ("StaleRelease", &["generation", "closedUntil"]),
    ("NotOwner", &["caller"]),
    ("NotReleaser", &["caller"]),
    ("NotGuardian", &["caller"]),
    ("NotTripper", &["caller"]),
    ("NotUpdater", &["caller"]),
    ("RoleConflict", &["account"]),
    ("NotScheduled", &["id"]),
    ("NotReady", &["id", "readyAt"]),
    ("OperationExpired", &["id", "expiredAt"]),
    ("DeadlineNotPassed", &["deadline"]),
    ("ScopeClosed", &["scope"]),
    ("ForeignCaller", &["bridge", "caller"]),
    ("BridgeAlreadyRegistered", &["bridge"]),
    ("BridgeUnregistered", &["bridge"]),
    ("LimitExceeded", &["scope", "window", "amount", "available"]),
    ("RouteStale", &["bridge"]),
    ("LimitsNeedCheck", &["bridge"]),
    ("InvalidTarget", &["account"]),
    ("TargetTaken", &["account"]),
    ("TargetUnknown", &["account"]),
    ("TargetHeld", &["account"]),
];

/// The events of a log, in order.
#[must_use]
pub fn events(logs: &[String]) -> Vec<Event> {
    lines(logs).filter_map(|parts| read(&parts, &EVENTS, true)).collect()
}

/// The error of a log: the last line that is one.
#[must_use]
pub fn refusal(logs: &[String]) -> Option<Event> {
    lines(logs).filter_map(|parts| read(&parts, &ERRORS, false)).last()
}

fn lines(logs: &[String]) -> impl Iterator<Item = Vec<Vec<u8>>> + '_ {
    logs.iter().filter_map(|line| {
        let rest = line.strip_prefix("Program data: ")?;
        rest.split(' ').map(|part| STANDARD.decode(part).ok()).collect()
    })
}

fn read(parts: &[Vec<u8>], known: &[(&str, &'static [&'static str])], has_breaker: bool) -> Option<Event> {
    let (name, mut rest) = parts.split_first()?;
    let name = String::from_utf8(name.clone()).ok()?;
    let mut breaker = [0; 32];
    if has_breaker {
        let (first, others) = rest.split_first()?;
        (breaker, rest) = (first.as_slice().try_into().ok()?, others);
    }
    // `Released` is the guard's with three fields, and the bridge's with those of a payout.
    let payout: &[&str] = &["origin", "messageId", "token", "recipient", "amount"];
    let fields = match known.iter().find(|(event, _)| *event == name) {
        Some(("Released", _)) if rest.len() == payout.len() => payout,
        Some((_, fields)) => fields,
        None if !has_breaker => &[],
        None => return None,
    };
    if fields.len() != rest.len() {
        return None;
    }
    let fields = fields.iter().zip(rest).map(|(key, value)| (*key, written(key, value))).collect();
    Some(Event { name, breaker, fields })
}

/// As text, by the length of the value.
fn written(key: &str, value: &[u8]) -> String {
    let amount = |bytes: &[u8]| bytes.try_into().map(u128::from_le_bytes).unwrap_or_default().to_string();
    match value.len() {
        8 => value.try_into().map(u64::from_le_bytes).unwrap_or_default().to_string(),
        16 => amount(value),
        32 if key == "amount" => decimal(value),
        64 if key != "call" => value.chunks(16).map(amount).collect::<Vec<_>>().join("/"),
        _ => hex(value),
    }
}

/// Hex digits.
#[must_use]
pub(crate) fn hex(value: &[u8]) -> String {
    value.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A big-endian number in decimal.
fn decimal(bytes: &[u8]) -> String {
    let mut digits = vec![0_u8];
    for byte in bytes {
        let mut carry = u32::from(*byte);
        for digit in &mut digits {
            let next = u32::from(*digit) * 256 + carry;
            *digit = u8::try_from(next % 10).unwrap_or_default();
            carry = next / 10;
        }
        while carry > 0 {
            digits.push(u8::try_from(carry % 10).unwrap_or_default());
            carry /= 10;
        }
    }
    digits.iter().rev().map(ToString::to_string).collect()
}
