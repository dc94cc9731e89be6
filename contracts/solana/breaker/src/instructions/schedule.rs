//! Announces a call that waits: the same data can be sent by the owner after `max_seconds`, within 14 days.
//!
//! | # | account |
//! |---|---|
//! | 0 | owner, signs, writable |
//! | 1 | breaker |
//! | 2 | operation, writable; made here |
//! | 3 | system program |

use pinocchio::account::AccountView;

use super::roles::ready_at;
use super::{Call, require_owner};
use crate::error::Failure;
use crate::layout::operation;
use crate::state::{Breaker, store, writable};
use crate::{New, Result, create, emit, keccak256, now, num, returns};

/// Answers the operation's id: the Keccak-256 of the call's data.
///
/// # Errors
/// When the signer may not.
#[inline(never)]
pub fn process(call: Call<'_>, accounts: &mut [AccountView]) -> Result<()> {
    let [owner, breaker, waiting, ..] = accounts else { return Err(Failure::Malformed.into()) };
    let announced = call.args().0;
    let breaker = Breaker::load(call.program, breaker)?;
    require_owner(&breaker, owner)?;
    let id = keccak256(&[announced]);
    if waiting.owned_by(call.program) {
        // Announced again: it waits anew.
        ready_at(call, &breaker, waiting, &id)?;
    } else {
        let seeds: [&[u8]; 3] = [operation::SEED, &breaker.key, &id];
        let new = New {
            program: call.program,
            payer: owner,
            seeds: &seeds,
            tag: operation::TAG,
            breaker: &breaker.key,
            length: operation::LENGTH,
        };
        create(&new, waiting)?;
    }
    let ready_at = now()?.time.saturating_add(u64::from(breaker.config.max_seconds));
    let mut data = writable(call.program, waiting, operation::TAG)?;
    store(&mut data, operation::ID, &id)?;
    store(&mut data, operation::READY_AT, &num(ready_at))?;
    emit(&[b"OperationScheduled", &breaker.key, &id, announced, &num(ready_at)]);
    returns(&id);
    Ok(())
}
