//! Takes a mint out of its scope. Owner; at once before `seal`, scheduled after it.
//!
//! | # | account |
//! |---|---|
//! | 0 | owner, signs, writable: gets the rent |
//! | 1 | breaker |
//! | 2 | operation, writable |
//! | 3 | target, writable; ends here |

use pinocchio::account::AccountView;
use portcullis_solana_breaker::instructions::{Call, owner_call};
use portcullis_solana_breaker::{Breaker, Failure, Result, close};

use crate::target::Target;

/// # Errors
/// When the signer may not, the mint is no target, or the gate keeps it closed.
#[inline(never)]
pub(super) fn process(call: Call<'_>, accounts: &mut [AccountView]) -> Result<()> {
    let [owner, gate, waiting, account, ..] = accounts else { return Err(Failure::Malformed.into()) };
    let mut args = call.args();
    let (scope, mint) = (args.word()?, args.word()?);
    args.end()?;
    let gate = Breaker::load(call.program, gate)?;
    owner_call(call, &gate, owner, waiting)?;
    let target = Target::load(call.program, account, &gate.key, &mint)?;
    if target.scope != scope {
        return Err(Failure::TargetUnknown(mint).into());
    }
    // SECURITY: who leaves the list closed would never be opened again.
    if target.is_ours() {
        return Err(Failure::TargetHeld(mint).into());
    }
    close(account, owner)?;
    target.say(b"TargetRemoved", &gate.key, None);
    Ok(())
}
