//! Who may hold. At once before `seal`, scheduled after it.
//!
//! | # | account |
//! |---|---|
//! | 0 | owner, signs, writable |
//! | 1 | breaker, writable |
//! | 2 | operation, writable |
//! | 3 | tripper's account of the new guardian, which need not exist |

use pinocchio::account::AccountView;

use super::roles::{GUARDIAN, role_set};
use super::tripper::refuse_tripper;
use super::{Call, owner_call, somebody};
use crate::Result;
use crate::error::Failure;
use crate::layout::breaker;
use crate::state::{Breaker, store, writable};

/// # Errors
/// When the signer may not, or the account is the owner or a tripper.
#[inline(never)]
pub fn process(call: Call<'_>, accounts: &mut [AccountView]) -> Result<()> {
    let [owner, account, waiting, tripper, ..] = accounts else { return Err(Failure::Malformed.into()) };
    let mut args = call.args();
    let person = args.word()?;
    args.end()?;
    let breaker = Breaker::load(call.program, account)?;
    owner_call(call, &breaker, owner, waiting)?;
    somebody(person)?;
    if person == breaker.owner {
        return Err(Failure::RoleConflict(person).into());
    }
    refuse_tripper(call, &breaker, tripper, &person)?;
    store(&mut writable(call.program, account, breaker::TAG)?, breaker::GUARDIAN, &person)?;
    role_set(&breaker.key, GUARDIAN, &person, 0);
    Ok(())
}
