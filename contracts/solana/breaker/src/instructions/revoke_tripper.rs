//! An account that trips no more. At once. What it spent stays on record.
//!
//! | # | account |
//! |---|---|
//! | 0 | owner, signs |
//! | 1 | breaker |
//! | 2 | tripper's account, writable |

use pinocchio::account::AccountView;

use super::roles::{TRIPPER, role_revoked};
use super::{Call, require_owner, require_tripper, somebody};
use crate::Result;
use crate::error::Failure;
use crate::layout::tripper;
use crate::state::{Breaker, store, writable};

/// # Errors
/// When the signer may not, or the account does not trip.
#[inline(never)]
pub fn process(call: Call<'_>, accounts: &mut [AccountView]) -> Result<()> {
    let [owner, breaker, account, ..] = accounts else { return Err(Failure::Malformed.into()) };
    let mut args = call.args();
    let key = args.word()?;
    args.end()?;
    let breaker = Breaker::load(call.program, breaker)?;
    require_owner(&breaker, owner)?;
    somebody(key)?;
    require_tripper(call, &breaker, account, &key)?;
    store(&mut writable(call.program, account, tripper::TAG)?, tripper::ACTIVE, &[0])?;
    role_revoked(&breaker.key, TRIPPER, &key);
    Ok(())
}
