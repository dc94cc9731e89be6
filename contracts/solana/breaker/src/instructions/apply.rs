//! What both ways of tripping come to.

use pinocchio::account::AccountView;
use portcullis_rules::{Block, CLOSED, Charging, LIMITED, Move, Span, capped, close, limit};

use super::{Call, charge, ignored, left_seconds};
use crate::error::Failure;
use crate::layout::scope;
use crate::state::{Breaker, known, store, writable};
use crate::{Result, Trip, Word, emit, num};

const OTHER_GENERATION: u8 = 1;
const NOTHING: u8 = 2;
const SPENT: u8 = 3;

/// What is asked, and by whom.
pub(super) struct Asked<'a> {
    pub(super) call: Call<'a>,
    pub(super) breaker: &'a Breaker,
    pub(super) block: Block,
    pub(super) trip: &'a Trip,
    /// The action's id.
    pub(super) id: &'a Word,
    pub(super) tripper: &'a Word,
    pub(super) charging: Charging,
}

/// Raises the scope, as far as the tripper's budget goes. Whether it took effect.
#[inline(never)]
pub(super) fn apply(asked: &Asked<'_>, target: &mut AccountView, paying: &mut AccountView) -> Result<bool> {
    let Asked { call, breaker, block, trip, id, tripper, charging } = *asked;
    let old = known(call.program, breaker, target, &trip.scope)?.word;
    if trip.generation != old.generation {
        ignored(&breaker.key, trip, id, OTHER_GENERATION);
        return Ok(false);
    }
    let config = &breaker.config;
    let asked = capped(config, block, Span { until: trip.until, until_height: trip.until_height });
    let left = left_seconds(paying, block.time)?;
    let moved = match trip.level {
        CLOSED => close(config, block, old, asked, left),
        LIMITED => limit(config, block, old, asked, left, charging),
        level => return Err(Failure::InvalidLevel(level).into()),
    };
    let clip = |asked: u64, granted: u64| {
        emit(&[b"TripClipped", &breaker.key, &trip.scope, tripper, &num(asked), &num(granted)]);
    };
    let (word, cost, clipped) = match moved {
        Move::Nothing => {
            ignored(&breaker.key, trip, id, NOTHING);
            return Ok(false);
        }
        Move::Spent { asked } => {
            clip(asked, 0);
            ignored(&breaker.key, trip, id, SPENT);
            return Ok(false);
        }
        Move::Tripped { word, charge, clipped } => (word, charge, clipped),
    };
    if let Some(asked) = clipped {
        clip(asked, cost);
    }
    if cost > 0 {
        charge(call, paying, block.time, cost)?;
    }
    let mut data = writable(call.program, target, scope::TAG)?;
    store(&mut data, scope::WORD, &word.pack().map_err(Failure::from)?)?;
    store(&mut data, scope::INCIDENT, &trip.incident)?;
    store(&mut data, scope::ACTION, id)?;
    store(&mut data, scope::RECORD, &trip.record)?;
    store(&mut data, scope::SLOT, &num(block.height))?;
    let (until, until_height) = if trip.level == CLOSED {
        (word.closed_until, word.closed_until_height)
    } else {
        (word.limited_until, word.limited_until_height)
    };
    emit(&[
        b"Tripped",
        &breaker.key,
        &trip.scope,
        &trip.incident,
        &num(trip.level),
        &num(until),
        &num(until_height),
        &trip.record,
        &num(trip.generation),
        id,
        tripper,
    ]);
    Ok(true)
}
