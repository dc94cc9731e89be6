//! Ends closure and hold of one lane, raises its generation, and ends what a tripper lowered when it opens.
//!
//! | # | account |
//! |---|---|
//! | 0 | releaser, signs |
//! | 1 | breaker |
//! | 2 | scope, either lane, writable |
//! | 3 | book of the scope, writable; need not exist |

use pinocchio::account::AccountView;
use portcullis_solana_breaker::instructions::{Call, release};
use portcullis_solana_breaker::{Failure, Result};

use crate::limits::clear_lowered;

/// # Errors
/// As `release` of the breaker, and for another account than the scope's book.
#[inline(never)]
pub(super) fn process(call: Call<'_>, accounts: &mut [AccountView]) -> Result<()> {
    let released = release::process(call, accounts)?;
    let [_, _, _, book, ..] = accounts else { return Err(Failure::Malformed.into()) };
    if released.word.limited_until == 0 {
        clear_lowered(call.program, &released.breaker, &released.scope, book)?;
    }
    Ok(())
}
