//! Ends set-up, once.
//!
//! | # | account |
//! |---|---|
//! | 0 | owner, signs |
//! | 1 | breaker, writable |

use pinocchio::account::AccountView;

use super::{Call, require_owner};
use crate::error::Failure;
use crate::layout::breaker;
use crate::state::{Breaker, store, writable};
use crate::{Result, emit};

/// # Errors
/// When the signer may not, or it has ended already.
#[inline(never)]
pub fn process(call: Call<'_>, accounts: &mut [AccountView]) -> Result<()> {
    let [owner, account, ..] = accounts else { return Err(Failure::Malformed.into()) };
    call.args().end()?;
    let breaker = Breaker::load(call.program, account)?;
    require_owner(&breaker, owner)?;
    if breaker.sealed {
        return Err(Failure::AlreadySealed.into());
    }
    store(&mut writable(call.program, account, breaker::TAG)?, breaker::SEALED, &[1])?;
    emit(&[b"Sealed", &breaker.key]);
    Ok(())
}
