//! What the guard keeps beside [`portcullis_breaker::state`]. None of it is part of the interface.

use cosmwasm_schema::cw_serde;
use cosmwasm_std::Addr;
use cw_storage_plus::Map;

use crate::msg::Limits;
use crate::windows::Window;

/// Limits of one outflow scope, and what counts against them.
#[cw_serde]
pub struct Book {
    /// Always hold.
    pub normal: Limits,
    /// Hold beside them while the level is limited.
    pub limited: Limits,
    /// What a tripper asked for.
    pub lowered: Limits,
    /// Unix seconds.
    pub lowered_until: u64,
    /// Block height.
    pub lowered_until_height: u64,
    /// Hour, day, week.
    pub windows: [Window; 3],
}

/// The contract that may ask for a bridge. A bridge is live when set-up is over.
pub const CONSUMERS: Map<&[u8], Addr> = Map::new("consumer");
/// Limits by scope.
pub const BOOKS: Map<&[u8], Book> = Map::new("book");
/// Bridges that have, or had, limits: their checks look for them.
pub const LIMITED_BRIDGES: Map<&[u8], bool> = Map::new("limited");
