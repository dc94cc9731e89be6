//! Events: one `wasm-<Name>` for each event of the other machines, its fields as attributes in their order.

use cosmwasm_std::{Event, Uint128};

use crate::word::Word;

/// The events of one call, in order.
#[derive(Debug, Default)]
pub struct Log(pub Vec<Event>);

impl Log {
    /// Adds an event; values are written as they display: words as hex digits, numbers in decimal, accounts as addresses.
    pub fn emit(&mut self, name: &str, fields: &[(&str, &dyn std::fmt::Display)]) {
        let event = Event::new(name);
        self.0.push(
            fields.iter().fold(event, |event, (key, value)| event.add_attribute(*key, value.to_string())),
        );
    }

    /// A trip that succeeded without effect. Reasons: 1 other generation, 2 nothing to extend, 3 budget spent, 4 signed
    /// action already used.
    pub(crate) fn trip_ignored(&mut self, scope: Word, incident: Word, action_id: Word, reason: u8) {
        self.emit(
            "TripIgnored",
            &[("scope", &scope), ("incident", &incident), ("actionId", &action_id), ("reason", &reason)],
        );
    }

    /// An account has a role; `budget_seconds` is zero except for trippers.
    pub(crate) fn role_set(&mut self, role: u8, account: &str, budget_seconds: u32) {
        self.emit("RoleSet", &[("role", &role), ("account", &account), ("budgetSeconds", &budget_seconds)]);
    }

    /// An account has a role no more.
    pub(crate) fn role_revoked(&mut self, role: u8, account: &str) {
        self.emit("RoleRevoked", &[("role", &role), ("account", &account)]);
    }
}

/// Several amounts in one attribute, separated by slashes.
#[must_use]
pub fn amounts(values: &[Uint128]) -> String {
    values.iter().map(ToString::to_string).collect::<Vec<_>>().join("/")
}
