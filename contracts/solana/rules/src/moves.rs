//! What a trip and a release make of a scope's word.

use crate::budget::{Config, Grant, Span, extend};
use crate::word::{Block, LIMITED, Level, OPEN, ScopeWord};

/// Whether limiting is charged to the tripper's budget, as closing always is. It must be where the limited level can
/// close something; where it only applies limits that the owner chose, it need not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Charging {
    /// Limiting is free.
    Closing,
    /// Limiting costs as closing does.
    ClosingAndLimiting,
}

/// What a trip comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Move {
    /// Nothing to extend (reason 2).
    Nothing,
    /// The budget is spent (reason 3).
    Spent {
        /// Seconds of budget that were asked.
        asked: u64,
    },
    /// It takes effect.
    Tripped {
        /// The new state.
        word: ScopeWord,
        /// Seconds of budget to charge; zero charges nothing.
        charge: u64,
        /// Seconds of budget that were asked, when more than were granted.
        clipped: Option<u64>,
    },
}

/// Closes towards `asked` (which was capped). Closed runs out into limited; a bound that was not set leaves no tail behind.
#[must_use]
#[inline(always)]
pub fn close(config: &Config, block: Block, old: ScopeWord, asked: Span, left: u64) -> Move {
    let held = Span { until: old.closed_until, until_height: old.closed_until_height };
    let (span, charge, clipped) = match extend(config, block, held, asked, left) {
        Grant::Nothing => return Move::Nothing,
        Grant::Spent { asked } => return Move::Spent { asked },
        Grant::Extended { span, charge, clipped } => (span, charge, clipped),
    };
    let tail = |bound: u64, tail: u32| if bound == 0 { 0 } else { bound.saturating_add(u64::from(tail)) };
    let word = ScopeWord {
        closed_until: span.until,
        closed_until_height: span.until_height,
        limited_until: old.limited_until.max(tail(span.until, config.limited_tail_seconds)),
        limited_until_height: old
            .limited_until_height
            .max(tail(span.until_height, config.limited_tail_blocks)),
        ..old
    };
    Move::Tripped { word, charge, clipped }
}

/// Limits towards `asked` (which was capped).
#[must_use]
#[inline(always)]
pub fn limit(
    config: &Config,
    block: Block,
    old: ScopeWord,
    asked: Span,
    left: u64,
    charging: Charging,
) -> Move {
    let mut next = Span { until: old.limited_until, until_height: old.limited_until_height };
    let (mut charge, mut clipped) = (0, None);
    if charging == Charging::ClosingAndLimiting {
        match extend(config, block, next, asked, left) {
            Grant::Nothing => return Move::Nothing,
            Grant::Spent { asked } => return Move::Spent { asked },
            Grant::Extended { span, charge: cost, clipped: cut } => {
                (next, charge, clipped) = (span, cost, cut)
            }
        }
    } else {
        let later = asked.until > next.until.max(block.time);
        let higher = asked.until_height > next.until_height.max(block.height);
        if !later && !higher {
            return Move::Nothing;
        }
        if later {
            next.until = asked.until;
        }
        if higher {
            next.until_height = asked.until_height;
        }
    }
    let word = ScopeWord { limited_until: next.until, limited_until_height: next.until_height, ..old };
    Move::Tripped { word, charge, clipped }
}

/// Ends closure and hold: to open, or to limited for the limited tail from now. None when no generation is left.
#[must_use]
#[inline(always)]
pub fn release(config: &Config, block: Block, old: ScopeWord, to: Level) -> Option<ScopeWord> {
    let mut word = ScopeWord {
        hold: OPEN,
        generation: old.generation.checked_add(1)?,
        kind: old.kind,
        ..ScopeWord::default()
    };
    if to == LIMITED {
        word.limited_until = block.time.saturating_add(u64::from(config.limited_tail_seconds));
        word.limited_until_height = block.height.saturating_add(u64::from(config.limited_tail_blocks));
    }
    Some(word)
}
