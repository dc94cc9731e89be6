//! What a tripper may cause. Every tripper has its own budget of closed seconds in a rolling window. Only the marginal
//! extension of a closure is charged; what the budget does not cover is cut off. So a stolen key can annoy, not
//! strangle, and a second tripper that is operated apart keeps its own reserve.

use cosmwasm_std::{Addr, Order, StdResult, Storage};
use cw_storage_plus::Bound;

use crate::error::BreakerError;
use crate::events::Log;
use crate::scopes::Block;
use crate::state::{CHARGED, CONFIG, Config, TRIPPERS};
use crate::word::Word;

const SECONDS_PER_HOUR: u64 = 3_600;
/// Hours that left the window and are forgotten with one charge: enough to never fall behind, and bounded.
const FORGOTTEN_PER_CHARGE: usize = 4;

/// Bounds of something that holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Unix seconds.
    pub until: u64,
    /// Block height.
    pub until_height: u64,
}

/// Cuts an asked span to MAX: never further than `max_seconds` and `max_blocks` from now.
///
/// # Errors
/// Before instantiation.
pub fn capped(storage: &dyn Storage, block: Block, asked: Span) -> StdResult<Span> {
    let config = CONFIG.load(storage)?;
    Ok(Span {
        until: asked.until.min(block.time.saturating_add(u64::from(config.max_seconds))),
        until_height: asked.until_height.min(block.height.saturating_add(u64::from(config.max_blocks))),
    })
}

/// Extends `old` towards `asked` as far as the tripper's budget goes, and charges it. Never shortens.
///
/// The second value is zero when something was extended, else why not: 2 nothing to extend, 3 budget spent.
///
/// # Errors
/// When the store is broken.
pub fn extend(
    storage: &mut dyn Storage,
    log: &mut Log,
    block: Block,
    (scope, tripper): (Word, &Addr),
    old: Span,
    asked: Span,
) -> Result<(Span, u8), BreakerError> {
    let config = CONFIG.load(storage)?;
    let from = old.until.max(block.time);
    let from_height = old.until_height.max(block.height);
    let mut time = asked.until.saturating_sub(from);
    let mut height = asked.until_height.saturating_sub(from_height);
    if time == 0 && height == 0 {
        return Ok((old, 2));
    }
    let mut needed = time.max(seconds_of(&config, height));
    let left = left_seconds(storage, block, tripper)?;
    if needed > left {
        time = time.min(left);
        height = height.min(blocks_in(&config, left));
        let granted = time.max(seconds_of(&config, height));
        log.emit(
            "TripClipped",
            &[("scope", &scope), ("tripper", tripper), ("asked", &needed), ("granted", &granted)],
        );
        if granted == 0 {
            return Ok((old, 3));
        }
        needed = granted;
    }
    charge(storage, block, &config, tripper, needed)?;
    let next = Span {
        until: if time == 0 { old.until } else { from.saturating_add(time) },
        until_height: if height == 0 { old.until_height } else { from_height.saturating_add(height) },
    };
    Ok((next, 0))
}

/// Closed seconds that the tripper may still cause now.
///
/// # Errors
/// When the store is broken.
pub fn left_seconds(storage: &dyn Storage, block: Block, tripper: &Addr) -> StdResult<u64> {
    let budget = TRIPPERS.may_load(storage, tripper)?.unwrap_or_default().budget_seconds;
    let config = CONFIG.load(storage)?;
    // The current hour and as many before it as the window has: a rolling window never holds more than the budget.
    let first = Some(Bound::inclusive(first_hour(&config, block)));
    let spent = CHARGED
        .prefix(tripper)
        .range(storage, first, None, Order::Ascending)
        .try_fold(0_u64, |sum, entry| entry.map(|(_, seconds)| sum.saturating_add(seconds)))?;
    Ok(u64::from(budget).saturating_sub(spent))
}

/// What blocks cost, rounded up: `max_blocks` blocks cost as much as `max_seconds` seconds.
fn seconds_of(config: &Config, blocks: u64) -> u64 {
    let cost = u128::from(blocks)
        .saturating_mul(u128::from(config.max_seconds))
        .checked_next_multiple_of(u128::from(config.max_blocks))
        .and_then(|cost| cost.checked_div(u128::from(config.max_blocks)));
    cost.and_then(|cost| u64::try_from(cost).ok()).unwrap_or(0)
}

/// How many blocks that many seconds of budget buy, rounded down.
fn blocks_in(config: &Config, seconds: u64) -> u64 {
    let blocks = u128::from(seconds)
        .saturating_mul(u128::from(config.max_blocks))
        .checked_div(u128::from(config.max_seconds));
    blocks.and_then(|blocks| u64::try_from(blocks).ok()).unwrap_or(0)
}

fn first_hour(config: &Config, block: Block) -> u64 {
    hour(block).saturating_sub(u64::from(config.budget_window_hours))
}

fn hour(block: Block) -> u64 {
    block.time.checked_div(SECONDS_PER_HOUR).unwrap_or_default()
}

fn charge(
    storage: &mut dyn Storage,
    block: Block,
    config: &Config,
    tripper: &Addr,
    seconds: u64,
) -> StdResult<()> {
    let end = Some(Bound::exclusive(first_hour(config, block)));
    let old: Vec<u64> = CHARGED
        .prefix(tripper)
        .keys(storage, None, end, Order::Ascending)
        .take(FORGOTTEN_PER_CHARGE)
        .collect::<StdResult<_>>()?;
    for hour in old {
        CHARGED.remove(storage, (tripper, hour));
    }
    CHARGED.update(storage, (tripper, hour(block)), |sum| {
        StdResult::Ok(sum.unwrap_or_default().saturating_add(seconds))
    })?;
    Ok(())
}
