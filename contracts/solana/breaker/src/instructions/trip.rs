//! Raises a scope to a level. A trip only extends, and expires by itself.
//!
//! | # | account |
//! |---|---|
//! | 0 | tripper, signs |
//! | 1 | breaker |
//! | 2 | scope, either lane, writable |
//! | 3 | tripper's account, writable |

use pinocchio::account::AccountView;
use portcullis_rules::Charging;

use super::apply::{Asked, apply};
use super::{Call, require_tripper};
use crate::error::Failure;
use crate::state::{Breaker, signed};
use crate::{Result, Trip, action_id, now, returns};

/// Answers one byte: whether it took effect.
///
/// # Errors
/// When the signer may not, the scope is unknown, or there is no such level.
#[inline(never)]
pub fn process(call: Call<'_>, accounts: &mut [AccountView], charging: Charging) -> Result<()> {
    let [tripper, breaker, scope, paying, ..] = accounts else { return Err(Failure::Malformed.into()) };
    let mut args = call.args();
    let trip = Trip::read(&mut args)?;
    args.end()?;
    let breaker = Breaker::load(call.program, breaker)?;
    let tripper = signed(tripper)?;
    require_tripper(call, &breaker, paying, &tripper)?;
    let id = action_id(&breaker.caip2_hash, &breaker.key, &trip);
    let asked =
        Asked { call, breaker: &breaker, block: now()?, trip: &trip, id: &id, tripper: &tripper, charging };
    let changed = apply(&asked, scope, paying)?;
    returns(&[u8::from(changed)]);
    Ok(())
}
