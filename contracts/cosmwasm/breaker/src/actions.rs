//! Trip, hold, release. A trip only extends; it expires by itself, closed into limited into open. Holds are placed by
//! people and stay. Only the releaser shortens.

use cosmwasm_std::{Addr, DepsMut, Env, MessageInfo, Storage};

use crate::budget::{Span, capped, extend};
use crate::error::BreakerError;
use crate::events::Log;
use crate::msg::TripRequest;
use crate::roles::{require_guardian_or_releaser, require_releaser, require_tripper};
use crate::scope_id::{account_word, action_id, trip_message};
use crate::scope_word::{CLOSED, LIMITED, Level, OPEN, ScopeWord};
use crate::scopes::{Block, known, save};
use crate::signature::signer;
use crate::state::{CONFIG, USED};
use crate::word::Word;

const IGNORED_GENERATION: u8 = 1;
const IGNORED_NOTHING: u8 = 2;
const IGNORED_USED: u8 = 4;

/// Whether limiting is charged to the tripper's budget, as closing always is. It must be where the limited level can
/// close something; where it only applies limits that the owner chose, it need not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Charging {
    /// Limiting is free.
    Closing,
    /// Limiting costs as closing does.
    ClosingAndLimiting,
}

/// What became of a scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The trip was made for another generation, and nothing follows from it.
    Stale,
    /// Nothing was left to extend, or to pay with: the state is as before.
    Repeated(ScopeWord),
    /// The trip took effect.
    Tripped(ScopeWord),
}

impl Outcome {
    /// What a trip returns: whether it took effect.
    #[must_use]
    pub fn changed(&self) -> bool {
        matches!(self, Self::Tripped(_))
    }
}

/// Raise a scope to a level; the sender is the tripper.
///
/// # Errors
/// When the sender may not, the scope is unknown, or there is no such level.
pub fn trip(
    deps: DepsMut<'_>,
    env: &Env,
    info: &MessageInfo,
    log: &mut Log,
    r: &TripRequest,
    charging: Charging,
) -> Result<Outcome, BreakerError> {
    require_tripper(deps.storage, &info.sender)?;
    let guard = account_word(deps.api, &env.contract.address)?;
    let id = action_id(CONFIG.load(deps.storage)?.caip2_hash, guard, r);
    apply(deps.storage, env.into(), log, (r, id), &info.sender, charging)
}

/// The same on behalf of the tripper who signed; anyone may submit it, once. The signature is refused when
/// `now > deadline`.
///
/// # Errors
/// As [`trip`], and for a signature that is late or broken.
pub fn trip_signed(
    deps: DepsMut<'_>,
    env: &Env,
    log: &mut Log,
    r: &TripRequest,
    (deadline, signature): (u64, &[u8]),
    charging: Charging,
) -> Result<Outcome, BreakerError> {
    let block = Block::from(env);
    if block.time > deadline {
        return Err(BreakerError::SignatureExpired { deadline });
    }
    let guard = account_word(deps.api, &env.contract.address)?;
    let id = action_id(CONFIG.load(deps.storage)?.caip2_hash, guard, r);
    let tripper = signer(deps.api, trip_message(id, deadline, r.record), signature)?;
    require_tripper(deps.storage, &tripper)?;
    if USED.has(deps.storage, &id.0) {
        log.trip_ignored(r.scope, r.incident, id, IGNORED_USED);
        return Ok(Outcome::Repeated(known(deps.storage, r.scope)?));
    }
    let outcome = apply(deps.storage, block, log, (r, id), &tripper, charging)?;
    if outcome.changed() {
        USED.save(deps.storage, &id.0, &true)?;
    }
    Ok(outcome)
}

/// People hold the scope at a level (1 or 2) without expiry. Raises only. Guardian or releaser.
///
/// Returns the state when it changed.
///
/// # Errors
/// When the sender may not, the scope is unknown, or there is no such level.
pub fn hold(
    storage: &mut dyn Storage,
    info: &MessageInfo,
    log: &mut Log,
    scope: Word,
    level: Level,
) -> Result<Option<ScopeWord>, BreakerError> {
    require_guardian_or_releaser(storage, &info.sender)?;
    if level != LIMITED && level != CLOSED {
        return Err(BreakerError::InvalidLevel { level });
    }
    let old = known(storage, scope)?;
    if level <= old.hold {
        return Ok(None);
    }
    let word = ScopeWord { hold: level, ..old };
    save(storage, scope, &word)?;
    log.emit("Held", &[("scope", &scope), ("level", &level), ("guardian", &info.sender)]);
    Ok(Some(word))
}

/// Ends closure and hold, and raises the generation. Releaser only. `to` is 0 (open) or 1 (limited, for the limited
/// tail from now); `seen` are generation and `closed_until` that the releaser saw.
///
/// # Errors
/// When the sender may not, the scope is unknown, there is no such level, or the state has changed since.
pub fn release(
    storage: &mut dyn Storage,
    block: Block,
    info: &MessageInfo,
    log: &mut Log,
    (scope, to): (Word, Level),
    seen: (u32, u64),
) -> Result<ScopeWord, BreakerError> {
    require_releaser(storage, &info.sender)?;
    if to > LIMITED {
        return Err(BreakerError::InvalidLevel { level: to });
    }
    let old = known(storage, scope)?;
    // SECURITY: the releaser ends what it saw. A trip that landed in between shows as another `closed_until`.
    if (old.generation, old.closed_until) != seen {
        return Err(BreakerError::StaleRelease {
            generation: old.generation,
            closed_until: old.closed_until,
        });
    }
    let config = CONFIG.load(storage)?;
    let tail = if to == OPEN {
        Span { until: 0, until_height: 0 }
    } else {
        Span {
            until: block.time.saturating_add(u64::from(config.limited_tail_seconds)),
            until_height: block.height.saturating_add(u64::from(config.limited_tail_blocks)),
        }
    };
    let word = ScopeWord {
        hold: OPEN,
        closed_until: 0,
        closed_until_height: 0,
        limited_until: tail.until,
        limited_until_height: tail.until_height,
        generation: old.generation.checked_add(1).ok_or(BreakerError::BrokenScope {})?,
        kind: old.kind,
    };
    save(storage, scope, &word)?;
    log.emit("Released", &[("scope", &scope), ("generation", &word.generation), ("releaser", &info.sender)]);
    Ok(word)
}

fn apply(
    storage: &mut dyn Storage,
    block: Block,
    log: &mut Log,
    (r, id): (&TripRequest, Word),
    tripper: &Addr,
    charging: Charging,
) -> Result<Outcome, BreakerError> {
    let old = known(storage, r.scope)?;
    if r.generation != old.generation {
        log.trip_ignored(r.scope, r.incident, id, IGNORED_GENERATION);
        return Ok(Outcome::Stale);
    }
    let asked = capped(storage, block, Span { until: r.until, until_height: r.until_height })?;
    let (word, reason) = match r.level {
        CLOSED => close(storage, log, block, (r.scope, tripper), old, asked)?,
        LIMITED => limit(storage, log, block, (r.scope, tripper), (old, asked), charging)?,
        level => return Err(BreakerError::InvalidLevel { level }),
    };
    if reason != 0 {
        log.trip_ignored(r.scope, r.incident, id, reason);
        return Ok(Outcome::Repeated(old));
    }
    save(storage, r.scope, &word)?;
    let (until, until_height) = if r.level == CLOSED {
        (word.closed_until, word.closed_until_height)
    } else {
        (word.limited_until, word.limited_until_height)
    };
    log.emit(
        "Tripped",
        &[
            ("scope", &r.scope),
            ("incident", &r.incident),
            ("level", &r.level),
            ("until", &until),
            ("untilHeight", &until_height),
            ("record", &r.record),
            ("generation", &r.generation),
            ("actionId", &id),
            ("tripper", tripper),
        ],
    );
    Ok(Outcome::Tripped(word))
}

fn close(
    storage: &mut dyn Storage,
    log: &mut Log,
    block: Block,
    who: (Word, &Addr),
    old: ScopeWord,
    asked: Span,
) -> Result<(ScopeWord, u8), BreakerError> {
    let held = Span { until: old.closed_until, until_height: old.closed_until_height };
    let (next, reason) = extend(storage, log, block, who, held, asked)?;
    if reason != 0 {
        return Ok((old, reason));
    }
    let config = CONFIG.load(storage)?;
    // Closed runs out into limited. A bound that was not set leaves no tail behind.
    let tail = |bound: u64, tail: u32| if bound == 0 { 0 } else { bound.saturating_add(u64::from(tail)) };
    let word = ScopeWord {
        closed_until: next.until,
        closed_until_height: next.until_height,
        limited_until: old.limited_until.max(tail(next.until, config.limited_tail_seconds)),
        limited_until_height: old
            .limited_until_height
            .max(tail(next.until_height, config.limited_tail_blocks)),
        ..old
    };
    Ok((word, 0))
}

fn limit(
    storage: &mut dyn Storage,
    log: &mut Log,
    block: Block,
    who: (Word, &Addr),
    (old, asked): (ScopeWord, Span),
    charging: Charging,
) -> Result<(ScopeWord, u8), BreakerError> {
    let mut next = Span { until: old.limited_until, until_height: old.limited_until_height };
    if charging == Charging::ClosingAndLimiting {
        let (span, reason) = extend(storage, log, block, who, next, asked)?;
        if reason != 0 {
            return Ok((old, reason));
        }
        next = span;
    } else {
        let later = asked.until > next.until.max(block.time);
        let higher = asked.until_height > next.until_height.max(block.height);
        if !later && !higher {
            return Ok((old, IGNORED_NOTHING));
        }
        if later {
            next.until = asked.until;
        }
        if higher {
            next.until_height = asked.until_height;
        }
    }
    Ok((ScopeWord { limited_until: next.until, limited_until_height: next.until_height, ..old }, 0))
}
