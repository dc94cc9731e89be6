//! Re-initialises with a committed root of zero: the mistake.
//!
//! | # | account |
//! |---|---|
//! | 0 | owner, signs |
//! | 1 | demo, writable |

use pinocchio::account::AccountView;
use portcullis_solana_breaker::instructions::Call;
use portcullis_solana_breaker::{Failure, Result, emit, signed, store, writable};

use crate::error::Refusal;
use crate::state::{DEMO, Demo, ROOT, ZERO_CONFIRMED};

/// # Errors
/// When the signer may not.
#[inline(never)]
pub(super) fn process(call: Call<'_>, accounts: &mut [AccountView]) -> Result<()> {
    let [owner, account, ..] = accounts else { return Err(Failure::Malformed.into()) };
    call.args().end()?;
    let demo = Demo::load(call.program, account)?;
    let caller = signed(owner)?;
    if caller != demo.owner {
        return Err(Refusal::NotOwner(caller).into());
    }
    let mut data = writable(call.program, account, DEMO)?;
    store(&mut data, ROOT, &[0; 32])?;
    store(&mut data, ZERO_CONFIRMED, &[1])?;
    emit(&[b"Upgraded", &demo.key, &[0; 32]]);
    Ok(())
}
