//! Limits of one asset's outflow. Owner; at once before `seal`, scheduled after it.
//!
//! | # | account |
//! |---|---|
//! | 0 | owner, signs, writable |
//! | 1 | breaker |
//! | 2 | operation, writable |
//! | 3 | bridge, writable |
//! | 4 | scope of lane 0 |
//! | 5 | book, writable; made here when it is not there |
//! | 6 | system program |

use pinocchio::account::AccountView;
use portcullis_rules::Limits;
use portcullis_solana_breaker::instructions::{Call, owner_call};
use portcullis_solana_breaker::{Breaker, Failure, Result, Word, emit};

use crate::cover::Flow;
use crate::limits::{Book, Places, bytes, open};

/// # Errors
/// When the signer may not, the scope is unknown, or names no asset.
#[inline(never)]
pub(super) fn process(call: Call<'_>, accounts: &mut [AccountView]) -> Result<()> {
    let [payer, breaker, waiting, bridge, scope, book, ..] = accounts else {
        return Err(Failure::Malformed.into());
    };
    let (flow, normal, limited) = read(call)?;
    let guard = Breaker::load(call.program, breaker)?;
    owner_call(call, &guard, payer, waiting)?;
    let mut places = Places { payer, bridge, scope, book };
    let (scope, book) = open(call.program, &guard, &flow, &mut places)?;
    settle(call, &guard, &scope, book, (normal, limited), places.book)
}

/// The arguments of this and of `tighten_limits`.
pub(super) fn read(call: Call<'_>) -> Result<(Flow, Limits, Limits)> {
    let mut args = call.args();
    let flow = Flow { bridge: args.word()?, corridor: args.word()?, asset: args.word()? };
    let (normal, limited) = (args.limits()?, args.limits()?);
    args.end()?;
    Ok((flow, normal, limited))
}

/// Writes the new limits, and says so.
#[inline(always)]
pub(super) fn settle(
    call: Call<'_>,
    guard: &Breaker,
    scope: &Word,
    mut book: Book,
    (normal, limited): (Limits, Limits),
    account: &mut AccountView,
) -> Result<()> {
    book.normal = normal;
    book.limited = limited;
    book.count_from_now(normal);
    book.count_from_now(limited);
    book.write(call.program, account)?;
    emit(&[b"LimitsSet", &guard.key, scope, &bytes(normal), &bytes(limited)]);
    Ok(())
}
