//! How far a closure reaches and what it costs. Only the marginal extension is charged; what the budget does not cover is
//! cut off. So a stolen key can annoy, not strangle.

use crate::word::Block;

/// What never changes of a guard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    /// MAX: the longest closure that one trip can reach, and the delay of the owner's changes.
    pub max_seconds: u32,
    /// The same in blocks; zero allows no height bounds.
    pub max_blocks: u32,
    /// How long a scope stays limited after it was closed.
    pub limited_tail_seconds: u32,
    /// The same in blocks; only used where the closure has a height bound.
    pub limited_tail_blocks: u32,
    /// Length of the rolling window of every tripper's budget.
    pub budget_window_hours: u16,
}

/// Keeps every sum of a time and a bound inside 40 bits, and waits inside what people can live with: 365 days.
const MAX_SECONDS_BOUND: u32 = 31_536_000;
/// 90 days of hours: what a sum over a budget's window may cost.
const MAX_WINDOW_HOURS: u16 = 2_160;

impl Config {
    /// Whether every value lies inside its bounds.
    #[must_use]
    pub const fn is_sound(&self) -> bool {
        self.max_seconds >= 1
            && self.max_seconds <= MAX_SECONDS_BOUND
            && self.limited_tail_seconds <= MAX_SECONDS_BOUND
            && self.budget_window_hours >= 1
            && self.budget_window_hours <= MAX_WINDOW_HOURS
    }

    /// What blocks cost, rounded up: `max_blocks` blocks cost as much as `max_seconds` seconds. `blocks` is at most
    /// `max_blocks`.
    fn seconds_of(&self, blocks: u64) -> u64 {
        let cost = product(blocks, self.max_seconds);
        let divisor = u64::from(self.max_blocks);
        match (cost.checked_div(divisor), cost.checked_rem(divisor)) {
            (Some(whole), Some(0)) => whole,
            (Some(whole), Some(_)) => whole.saturating_add(1),
            _ => 0,
        }
    }

    /// How many blocks that many seconds of budget buy, rounded down.
    fn blocks_in(&self, seconds: u64) -> u64 {
        let blocks = product(seconds, self.max_blocks);
        blocks.checked_div(u64::from(self.max_seconds)).unwrap_or(0)
    }
}

/// The product of two numbers of 32 bits; a greater first one counts as the greatest of them.
fn product(a: u64, b: u32) -> u64 {
    // It fits 64 bits. A multiplication that asks whether it does needs 128 bits, which not every machine has.
    a.min(u64::from(u32::MAX)).wrapping_mul(u64::from(b))
}

/// Bounds of something that holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Unix seconds.
    pub until: u64,
    /// Block height.
    pub until_height: u64,
}

/// Cuts an asked span to MAX: never further than `max_seconds` and `max_blocks` from now.
#[must_use]
#[inline(always)]
pub fn capped(config: &Config, block: Block, asked: Span) -> Span {
    Span {
        until: asked.until.min(block.time.saturating_add(u64::from(config.max_seconds))),
        until_height: asked.until_height.min(block.height.saturating_add(u64::from(config.max_blocks))),
    }
}

/// What an extension came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grant {
    /// Nothing to extend: no event, no charge.
    Nothing,
    /// The budget is spent. An event says that `asked` seconds were asked and none granted.
    Spent {
        /// Seconds of budget.
        asked: u64,
    },
    /// It reaches to here, and costs this.
    Extended {
        /// The new bounds.
        span: Span,
        /// Seconds of budget to charge.
        charge: u64,
        /// More was asked: an event says how many seconds of budget.
        clipped: Option<u64>,
    },
}

/// Extends `old` towards `asked` (which was [`capped`]) as far as `left` seconds of budget go. Never shortens.
#[must_use]
#[inline(always)]
pub fn extend(config: &Config, block: Block, old: Span, asked: Span, left: u64) -> Grant {
    let from = old.until.max(block.time);
    let from_height = old.until_height.max(block.height);
    let mut time = asked.until.saturating_sub(from);
    let mut height = asked.until_height.saturating_sub(from_height);
    if time == 0 && height == 0 {
        return Grant::Nothing;
    }
    let needed = time.max(config.seconds_of(height));
    let (mut charge, mut clipped) = (needed, None);
    if needed > left {
        time = time.min(left);
        height = height.min(config.blocks_in(left));
        charge = time.max(config.seconds_of(height));
        if charge == 0 {
            return Grant::Spent { asked: needed };
        }
        clipped = Some(needed);
    }
    let span = Span {
        until: if time == 0 { old.until } else { from.saturating_add(time) },
        until_height: if height == 0 { old.until_height } else { from_height.saturating_add(height) },
    };
    Grant::Extended { span, charge, clipped }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: Config = Config {
        max_seconds: 14_400,
        max_blocks: 1_200,
        limited_tail_seconds: 7_200,
        limited_tail_blocks: 600,
        budget_window_hours: 48,
    };
    const NOW: Block = Block { time: 1_000_000, height: 500 };
    const NONE: Span = Span { until: 0, until_height: 0 };

    #[test]
    fn only_what_is_added_is_charged_and_the_dearer_bound_counts() {
        let asked = Span { until: 1_000_100, until_height: 510 };
        let extended = |old, charge| {
            assert_eq!(
                extend(&CONFIG, NOW, old, asked, 43_200),
                Grant::Extended { span: asked, charge, clipped: None }
            );
        };
        // Ten blocks cost 120 seconds.
        extended(NONE, 120);
        extended(Span { until: 1_000_040, until_height: 509 }, 60);
        assert_eq!(extend(&CONFIG, NOW, asked, asked, 43_200), Grant::Nothing);
    }

    #[test]
    fn what_the_budget_does_not_cover_is_cut_off() {
        let asked = Span { until: 1_000_100, until_height: 0 };
        let span = Span { until: 1_000_030, until_height: 0 };
        let grant = Grant::Extended { span, charge: 30, clipped: Some(100) };
        assert_eq!(extend(&CONFIG, NOW, NONE, asked, 30), grant);
        assert_eq!(extend(&CONFIG, NOW, NONE, asked, 0), Grant::Spent { asked: 100 });
        // Eleven seconds buy no block of twelve.
        let blocks = Span { until: 0, until_height: 501 };
        assert_eq!(extend(&CONFIG, NOW, NONE, blocks, 11), Grant::Spent { asked: 12 });
    }

    #[test]
    fn the_greatest_values_neither_overflow_nor_reach_beyond_max() {
        let greatest = Span { until: u64::MAX, until_height: u64::MAX };
        let asked = capped(&CONFIG, NOW, greatest);
        assert_eq!(asked, Span { until: 1_014_400, until_height: 1_700 });
        let late = Block { time: u64::MAX, height: u64::MAX };
        assert_eq!(extend(&CONFIG, late, NONE, capped(&CONFIG, late, greatest), u64::MAX), Grant::Nothing);
        // What an old guard cannot hold is not shortened either.
        assert_eq!(extend(&CONFIG, NOW, greatest, asked, 1), Grant::Nothing);
    }
}
