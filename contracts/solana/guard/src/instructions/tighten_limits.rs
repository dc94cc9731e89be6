//! Every limit becomes the smaller of what is set and what is given. Owner, at once.
//!
//! | # | account |
//! |---|---|
//! | 0 | owner, signs, writable |
//! | 1 | breaker |
//! | 2 | bridge, writable |
//! | 3 | scope of lane 0 |
//! | 4 | book, writable; made here when it is not there |
//! | 5 | system program |

use pinocchio::account::AccountView;
use portcullis_solana_breaker::instructions::{Call, require_owner};
use portcullis_solana_breaker::{Breaker, Failure, Result};

use super::set_limits::{read, settle};
use crate::limits::{Places, open};

/// # Errors
/// When the signer may not, the scope is unknown, or names no asset.
#[inline(never)]
pub(super) fn process(call: Call<'_>, accounts: &mut [AccountView]) -> Result<()> {
    let [payer, breaker, bridge, scope, book, ..] = accounts else {
        return Err(Failure::Malformed.into());
    };
    let (flow, normal, limited) = read(call)?;
    let guard = Breaker::load(call.program, breaker)?;
    require_owner(&guard, payer)?;
    let mut places = Places { payer, bridge, scope, book };
    let (scope, book) = open(call.program, &guard, &flow, &mut places)?;
    let tighter = (book.normal.tighter(normal), book.limited.tighter(limited));
    settle(call, &guard, &scope, book, tighter, places.book)
}
