//! Messages and answers that a Guard and a Gate share.

use cosmwasm_schema::cw_serde;
use cosmwasm_std::{Addr, Deps, Storage};

use crate::budget::left_seconds;
use crate::error::BreakerError;
use crate::scope_word::{CLOSED, Level};
use crate::scopes::{Block, load};
use crate::state::{CONFIG, SEALED, TRIPPERS};
use crate::word::Word;

/// Constants and first roles. There is no way to change the constants later.
#[cw_serde]
#[serde(deny_unknown_fields)]
pub struct Instantiate {
    /// Configures; cannot trip, hold or release.
    pub owner: String,
    /// Ends closures; may be set later.
    pub releaser: Option<String>,
    /// Holds without expiry; may be set later, and may be the releaser.
    pub guardian: Option<String>,
    /// MAX: the longest closure that one trip can reach, and the delay of the owner's changes. 1 to 31,536,000.
    pub max_seconds: u32,
    /// The same in blocks. One block is charged to a budget as max_seconds / max_blocks seconds; zero allows no height
    /// bounds.
    pub max_blocks: u32,
    /// How long a scope stays limited after it was closed. At most 31,536,000.
    pub limited_tail_seconds: u32,
    /// The same in blocks; only used where the closure has a height bound.
    pub limited_tail_blocks: u32,
    /// Length of the rolling window of every tripper's budget. 1 to 2,160.
    pub budget_window_hours: u16,
}

/// Raise a scope to a level.
#[cw_serde]
#[serde(deny_unknown_fields)]
pub struct TripRequest {
    /// What to close.
    pub scope: Word,
    /// 1 (limited) or 2 (closed).
    pub level: Level,
    /// Unix seconds. The level holds while now < until; at most now + max_seconds is granted.
    pub until: u64,
    /// The level also holds while height < until_height; at most height + max_blocks is granted. Zero asks for none.
    pub until_height: u64,
    /// Identifier of the incident; only recorded.
    pub incident: Word,
    /// Head of the decision log at the time of the decision; only recorded.
    pub record: Word,
    /// The scope's generation that the decision was made for; any other is ignored, with an event.
    pub generation: u32,
}

/// The parts of a scope's name.
#[cw_serde]
#[serde(deny_unknown_fields)]
pub struct ScopeParts {
    /// The name under which the guard knows a bridge.
    pub bridge: Word,
    /// 0 any, 1 in, 2 out.
    pub direction: u8,
    /// The other side; zeros are any.
    pub corridor: Word,
    /// The asset; zeros are any.
    pub asset: Word,
}

/// A scope's stored fields.
#[cw_serde]
#[derive(Default)]
pub struct ScopeState {
    /// False: every other field is zero.
    pub registered: bool,
    /// Level held by people (0, 1, 2); it does not expire.
    pub hold: Level,
    /// Unix seconds.
    pub closed_until: u64,
    /// Block height.
    pub closed_until_height: u64,
    /// Unix seconds.
    pub limited_until: u64,
    /// Block height.
    pub limited_until_height: u64,
    /// Counts releases.
    pub generation: u32,
}

/// Everything that is configured for all scopes.
#[cw_serde]
pub struct ConfigResponse {
    /// See [`Instantiate`].
    pub owner: Addr,
    /// Nobody: every release is refused.
    pub releaser: Option<Addr>,
    /// Nobody: only the releaser may hold.
    pub guardian: Option<Addr>,
    /// Whether set-up is over.
    pub sealed: bool,
    /// Keccak-256 of the chain's CAIP-2 name.
    pub caip2_hash: Word,
    /// See [`Instantiate`].
    pub max_seconds: u32,
    /// See [`Instantiate`].
    pub max_blocks: u32,
    /// See [`Instantiate`].
    pub limited_tail_seconds: u32,
    /// See [`Instantiate`].
    pub limited_tail_blocks: u32,
    /// See [`Instantiate`].
    pub budget_window_hours: u16,
}

impl ConfigResponse {
    /// Reads it.
    ///
    /// # Errors
    /// Before instantiation.
    pub fn load(storage: &dyn Storage) -> Result<Self, BreakerError> {
        let config = CONFIG.load(storage)?;
        let roles = crate::state::ROLES.load(storage)?;
        Ok(Self {
            owner: roles.owner,
            releaser: roles.releaser,
            guardian: roles.guardian,
            sealed: SEALED.load(storage)?,
            caip2_hash: config.caip2_hash,
            max_seconds: config.max_seconds,
            max_blocks: config.max_blocks,
            limited_tail_seconds: config.limited_tail_seconds,
            limited_tail_blocks: config.limited_tail_blocks,
            budget_window_hours: config.budget_window_hours,
        })
    }
}

/// What a tripper may still cause.
#[cw_serde]
pub struct TripperResponse {
    /// Whether the account may trip.
    pub active: bool,
    /// Closed seconds that it may cause within the rolling window.
    pub budget_seconds: u32,
    /// What is left of them now.
    pub left_seconds: u32,
}

/// The scope's own level now, wildcards aside. An unregistered scope, and any scope before `seal`, is closed.
///
/// # Errors
/// When the stored value is broken.
pub fn level_of(storage: &dyn Storage, block: Block, scope: Word) -> Result<Level, BreakerError> {
    if !SEALED.load(storage)? {
        return Ok(CLOSED);
    }
    Ok(load(storage, scope)?.map_or(CLOSED, |word| word.level(block)))
}

/// The scope's fields; all zero when it is not registered.
///
/// # Errors
/// When the stored value is broken.
pub fn state_of(storage: &dyn Storage, scope: Word) -> Result<ScopeState, BreakerError> {
    Ok(load(storage, scope)?.map_or_else(ScopeState::default, |word| ScopeState {
        registered: true,
        hold: word.hold,
        closed_until: word.closed_until,
        closed_until_height: word.closed_until_height,
        limited_until: word.limited_until,
        limited_until_height: word.limited_until_height,
        generation: word.generation,
    }))
}

/// What an account may cause.
///
/// # Errors
/// When the address is broken.
pub fn tripper_of(deps: Deps<'_>, block: Block, account: &str) -> Result<TripperResponse, BreakerError> {
    let account = deps.api.addr_validate(account)?;
    let tripper = TRIPPERS.may_load(deps.storage, &account)?.unwrap_or_default();
    let left = if tripper.active { left_seconds(deps.storage, block, &account)? } else { 0 };
    Ok(TripperResponse {
        active: tripper.active,
        budget_seconds: tripper.budget_seconds,
        left_seconds: u32::try_from(left).unwrap_or(u32::MAX),
    })
}
