//! What the bridge keeps.

use cosmwasm_schema::cw_serde;
use cosmwasm_std::{Addr, Uint128};
use cw_storage_plus::{Item, Map};
use portcullis_breaker::Word;
use portcullis_guard::msg::Guarded;

/// Never changes, but for the root.
#[cw_serde]
pub struct Config {
    /// Registers tokens, and upgrades.
    pub owner: Addr,
    /// Proves messages.
    pub updater: Addr,
    /// Whom it asks, and as what.
    pub guarded: Guarded,
    /// The root under which leaves are proven now.
    pub committed_root: Word,
}

/// Roles, guard and root.
pub const CONFIG: Item<Config> = Item::new("config");
/// Whether a registered token is at home here.
pub const IS_HOME: Map<&str, bool> = Map::new("is_home");
/// The root under which a leaf was proven; none is zero.
pub const MESSAGES: Map<&[u8], Word> = Map::new("messages");
/// Acceptable roots.
pub const CONFIRMED: Map<&[u8], bool> = Map::new("confirmed");
/// Leaves that were processed.
pub const PROCESSED: Map<&[u8], bool> = Map::new("processed");
/// Represented tokens by token and account.
pub const BALANCES: Map<(&str, &Addr), Uint128> = Map::new("balance");
/// Represented tokens in all hands.
pub const SUPPLY: Map<&str, Uint128> = Map::new("supply");
