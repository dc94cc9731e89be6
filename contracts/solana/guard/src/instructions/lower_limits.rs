//! A tripper lowers limits until a time or slot, from its budget, because a limit of zero is a closure by another name.
//!
//! | # | account |
//! |---|---|
//! | 0 | payer, signs, writable |
//! | 1 | tripper, signs |
//! | 2 | breaker |
//! | 3 | bridge, writable |
//! | 4 | scope of lane 0 |
//! | 5 | tripper's account, writable |
//! | 6 | book, writable; made here when it is not there |
//! | 7 | system program |

use pinocchio::account::AccountView;
use portcullis_rules::{Grant, Limits, Span, capped, extend};
use portcullis_solana_breaker::instructions::{Call, charge, left_seconds, require_tripper};
use portcullis_solana_breaker::{Breaker, Failure, Result, emit, now, num, returns, signed};

use crate::cover::Flow;
use crate::limits::{Places, bytes, open};

/// Answers one byte: whether anything changed.
///
/// # Errors
/// When the signer may not, the scope is unknown, or names no asset.
#[inline(never)]
pub(super) fn process(call: Call<'_>, accounts: &mut [AccountView]) -> Result<()> {
    let [payer, tripper, breaker, bridge, scope, paying, book, ..] = accounts else {
        return Err(Failure::Malformed.into());
    };
    let mut args = call.args();
    let flow = Flow { bridge: args.word()?, corridor: args.word()?, asset: args.word()? };
    let lowered = args.limits()?;
    let asked = Span { until: args.u64()?, until_height: args.u64()? };
    args.end()?;
    let guard = Breaker::load(call.program, breaker)?;
    let tripper = signed(tripper)?;
    require_tripper(call, &guard, paying, &tripper)?;
    let mut places = Places { payer, bridge, scope, book };
    let (scope, mut book) = open(call.program, &guard, &flow, &mut places)?;
    let block = now()?;
    let in_force = book.is_lowered(block);
    let old = if in_force { book.lowered } else { Limits::NONE };
    let held = Span { until: book.lowered_until, until_height: book.lowered_until_slot };
    let asked = capped(&guard.config, block, asked);
    let left = left_seconds(paying, block.time)?;
    let clip = |asked: u64, granted: u64| {
        emit(&[b"TripClipped", &guard.key, &scope, &tripper, &num(asked), &num(granted)]);
    };
    let (span, extended) = match extend(&guard.config, block, held, asked, left) {
        Grant::Nothing => (held, false),
        Grant::Spent { asked } => {
            clip(asked, 0);
            (held, false)
        }
        Grant::Extended { span, charge: cost, clipped } => {
            if let Some(asked) = clipped {
                clip(asked, cost);
            }
            charge(call, paying, block.time, cost)?;
            (span, true)
        }
    };
    let next = old.tighter(lowered);
    // While something is lowered already, going lower costs nothing more: the time is what was paid for.
    let changed = extended || (in_force && old != next);
    if changed {
        book.lowered = next;
        book.lowered_until = span.until;
        book.lowered_until_slot = span.until_height;
        book.count_from_now(next);
        book.write(call.program, places.book)?;
        let (until, until_height) = (num(span.until), num(span.until_height));
        emit(&[b"LimitsLowered", &guard.key, &scope, &tripper, &bytes(next), &until, &until_height]);
    }
    returns(&[u8::from(changed)]);
    Ok(())
}
