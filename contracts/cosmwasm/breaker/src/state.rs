//! What a Guard and a Gate keep. Only the key of a scope is part of the interface: see [`crate::scopes`].

use cosmwasm_schema::cw_serde;
use cosmwasm_std::Addr;
use cw_storage_plus::{Item, Map};

use crate::word::Word;

/// Never changes after instantiation.
#[cw_serde]
pub struct Config {
    /// Keccak-256 of the CAIP-2 name of the chain that this was instantiated on.
    pub caip2_hash: Word,
    /// See [`crate::Instantiate`].
    pub max_seconds: u32,
    /// See [`crate::Instantiate`].
    pub max_blocks: u32,
    /// See [`crate::Instantiate`].
    pub limited_tail_seconds: u32,
    /// See [`crate::Instantiate`].
    pub limited_tail_blocks: u32,
    /// See [`crate::Instantiate`].
    pub budget_window_hours: u16,
}

/// Roles held by one account each.
#[cw_serde]
pub struct Roles {
    /// Configures.
    pub owner: Addr,
    /// Shortens.
    pub releaser: Option<Addr>,
    /// Holds.
    pub guardian: Option<Addr>,
}

/// An account that may close.
#[cw_serde]
#[derive(Default)]
pub struct Tripper {
    /// Whether it may trip now.
    pub active: bool,
    /// Closed seconds that it may cause within the rolling window.
    pub budget_seconds: u32,
}

/// The constants.
pub const CONFIG: Item<Config> = Item::new("config");
/// Owner, releaser, guardian.
pub const ROLES: Item<Roles> = Item::new("roles");
/// Whether set-up is over.
pub const SEALED: Item<bool> = Item::new("sealed");
/// Trippers, also those that were revoked: what they spent stays on record.
pub const TRIPPERS: Map<&Addr, Tripper> = Map::new("tripper");
/// Seconds charged to a tripper, by hour (Unix time / 3,600).
pub const CHARGED: Map<(&Addr, u64), u64> = Map::new("charged");
/// Calls of the owner that wait: from when on they may be sent, in Unix seconds.
pub const READY_AT: Map<&[u8], u64> = Map::new("ready_at");
/// Signed actions that took effect: the signature must not extend again later.
pub const USED: Map<&[u8], bool> = Map::new("used");
