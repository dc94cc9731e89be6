//! Nobody shortens any more. At once.
//!
//! | # | account |
//! |---|---|
//! | 0 | owner, signs |
//! | 1 | breaker, writable |

use pinocchio::account::AccountView;

use super::roles::{NOBODY, RELEASER, role_revoked};
use super::{Call, require_owner};
use crate::Result;
use crate::error::Failure;
use crate::layout::breaker;
use crate::state::{Breaker, store, writable};

/// # Errors
/// When the signer may not.
#[inline(never)]
pub fn process(call: Call<'_>, accounts: &mut [AccountView]) -> Result<()> {
    let [owner, account, ..] = accounts else { return Err(Failure::Malformed.into()) };
    call.args().end()?;
    let breaker = Breaker::load(call.program, account)?;
    require_owner(&breaker, owner)?;
    store(&mut writable(call.program, account, breaker::TAG)?, breaker::RELEASER, &NOBODY)?;
    role_revoked(&breaker.key, RELEASER, &breaker.releaser);
    Ok(())
}
