//! Which scopes cover an outflow, and what they say together.

use cosmwasm_std::{Addr, Storage};
use portcullis_breaker::state::{CONFIG, SEALED};
use portcullis_breaker::{
    ANY, Block, BreakerError, CLOSED, DIRECTION_ANY, DIRECTION_IN, DIRECTION_OUT, Level, Log, ScopeParts,
    Word, load, register, scope_of,
};

use crate::error::GuardError;
use crate::limits::Flow;
use crate::state::CONSUMERS;

/// A scope's kind: bit 0 any asset, bit 1 any corridor, bit 2 any direction. Inflow is never asked about.
const ANY_ASSET: u8 = 1;
const ANY_CORRIDOR: u8 = 2;
const ANY_DIRECTION: u8 = 4;
const INFLOW: u8 = 8;

/// The level of an outflow that the caller may make.
pub(crate) fn check(
    storage: &dyn Storage,
    block: Block,
    caller: &Addr,
    flow: Flow,
) -> Result<Level, GuardError> {
    // SECURITY: only the bridge itself, or else anyone could use up its limits; and nothing before set-up is sealed.
    let consumer = CONSUMERS.may_load(storage, &flow.bridge.0)?;
    if consumer.as_ref() != Some(caller) || !SEALED.load(storage)? {
        return Err(GuardError::ForeignCaller { bridge: flow.bridge, caller: caller.clone() });
    }
    let parts = parts(flow, DIRECTION_OUT);
    let covering = covering(storage, block, &parts)?;
    if let Some((scope, _)) = covering.iter().find(|(_, level)| *level == CLOSED) {
        return Err(GuardError::ScopeClosed { scope: *scope });
    }
    covering.iter().map(|(_, level)| *level).max().ok_or_else(|| {
        let caip2 = CONFIG.load(storage).map(|config| config.caip2_hash);
        let scope = caip2.map(|caip2| scope_of(caip2, flow.bridge, DIRECTION_OUT, flow.corridor, flow.asset));
        scope.map_or_else(Into::into, |scope| BreakerError::ScopeUnregistered { scope }.into())
    })
}

/// The strictest level of all scopes that cover the parts; closed when none is registered.
pub(crate) fn level_for(
    storage: &dyn Storage,
    block: Block,
    parts: &ScopeParts,
) -> Result<Level, GuardError> {
    if parts.direction > DIRECTION_OUT {
        return Err(BreakerError::InvalidDirection { direction: parts.direction }.into());
    }
    if !CONSUMERS.has(storage, &parts.bridge.0) || !SEALED.load(storage)? {
        return Ok(CLOSED);
    }
    let levels = covering(storage, block, parts)?;
    Ok(levels.into_iter().map(|(_, level)| level).max().unwrap_or(CLOSED))
}

/// Makes a bridge known; the only contract that may ask for it is the consumer.
pub(crate) fn register_bridge(
    storage: &mut dyn Storage,
    log: &mut Log,
    bridge: Word,
    consumer: &Addr,
) -> Result<(), GuardError> {
    if CONSUMERS.has(storage, &bridge.0) {
        return Err(GuardError::BridgeAlreadyRegistered { bridge });
    }
    CONSUMERS.save(storage, &bridge.0, consumer)?;
    log.emit("BridgeRegistered", &[("bridge", &bridge), ("consumer", consumer)]);
    Ok(())
}

/// Makes a scope of a known bridge known.
pub(crate) fn register_scope(
    storage: &mut dyn Storage,
    log: &mut Log,
    parts: &ScopeParts,
) -> Result<Word, GuardError> {
    if !CONSUMERS.has(storage, &parts.bridge.0) {
        return Err(GuardError::BridgeUnregistered { bridge: parts.bridge });
    }
    let mut kind = match parts.direction {
        DIRECTION_ANY => ANY_DIRECTION,
        DIRECTION_IN => INFLOW,
        _ => 0,
    };
    if parts.corridor == ANY {
        kind |= ANY_CORRIDOR;
    }
    if parts.asset == ANY {
        kind |= ANY_ASSET;
    }
    Ok(register(storage, log, parts, kind)?)
}

/// The registered scopes that cover the parts, and their levels, in this order: (corridor, asset), (corridor, any), (any,
/// asset), (any, any), and those four for any direction.
fn covering(
    storage: &dyn Storage,
    block: Block,
    parts: &ScopeParts,
) -> Result<Vec<(Word, Level)>, GuardError> {
    let caip2 = CONFIG.load(storage)?.caip2_hash;
    let mut found = Vec::new();
    for kind in 0..INFLOW {
        let direction = if kind & ANY_DIRECTION == 0 { parts.direction } else { DIRECTION_ANY };
        let corridor = if kind & ANY_CORRIDOR == 0 { parts.corridor } else { ANY };
        let asset = if kind & ANY_ASSET == 0 { parts.asset } else { ANY };
        let scope = scope_of(caip2, parts.bridge, direction, corridor, asset);
        if let Some(word) = load(storage, scope)? {
            found.push((scope, word.level(block)));
        }
    }
    Ok(found)
}

fn parts(flow: Flow, direction: u8) -> ScopeParts {
    ScopeParts { bridge: flow.bridge, direction, corridor: flow.corridor, asset: flow.asset }
}
