//! Takes a scheduled call back, or the rent of one that was sent.
//!
//! | # | account |
//! |---|---|
//! | 0 | owner, releaser or guardian, signs, writable: gets the rent of the operation |
//! | 1 | breaker |
//! | 2 | operation, writable; ends here |

use pinocchio::account::AccountView;

use super::Call;
use super::roles::{NOBODY, ready_at};
use crate::error::Failure;
use crate::state::{Breaker, signed};
use crate::{Result, close, emit};

/// # Errors
/// When the signer may not, or nothing waits under this id.
#[inline(never)]
pub fn process(call: Call<'_>, accounts: &mut [AccountView]) -> Result<()> {
    let [person, breaker, waiting, ..] = accounts else { return Err(Failure::Malformed.into()) };
    let mut args = call.args();
    let id = args.word()?;
    args.end()?;
    let breaker = Breaker::load(call.program, breaker)?;
    let by = signed(person)?;
    if by == NOBODY || ![breaker.owner, breaker.releaser, breaker.guardian].contains(&by) {
        return Err(Failure::NotOwner(by).into());
    }
    let waits = ready_at(call, &breaker, waiting, &id)?;
    close(waiting, person)?;
    if waits.is_none() {
        // It was sent already: only the rent comes back.
        return Ok(());
    }
    emit(&[b"OperationCancelled", &breaker.key, &id, &by]);
    Ok(())
}
