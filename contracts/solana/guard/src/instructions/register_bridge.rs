//! Makes a bridge known; the only account that may ask for it is the consumer, an address that the bridge's program signs for.
//! Owner; at once before `seal`, scheduled after it.
//!
//! | # | account |
//! |---|---|
//! | 0 | owner, signs, writable |
//! | 1 | breaker |
//! | 2 | operation, writable |
//! | 3 | bridge, writable; made here |
//! | 4 | system program |

use pinocchio::account::AccountView;
use portcullis_solana_breaker::instructions::{Call, owner_call, somebody};
use portcullis_solana_breaker::{Breaker, Failure, New, Result, create, emit, store};

use crate::layout::bridge;

/// # Errors
/// When the signer may not, or the bridge is known already.
#[inline(never)]
pub(super) fn process(call: Call<'_>, accounts: &mut [AccountView]) -> Result<()> {
    let [owner, breaker, waiting, account, ..] = accounts else { return Err(Failure::Malformed.into()) };
    let mut args = call.args();
    let (name, consumer) = (args.word()?, args.word()?);
    args.end()?;
    let guard = Breaker::load(call.program, breaker)?;
    owner_call(call, &guard, owner, waiting)?;
    somebody(consumer)?;
    if account.owned_by(call.program) {
        return Err(Failure::BridgeAlreadyRegistered(name).into());
    }
    let seeds: [&[u8]; 3] = [bridge::SEED, &guard.key, &name];
    let new = New {
        program: call.program,
        payer: owner,
        seeds: &seeds,
        tag: bridge::TAG,
        breaker: &guard.key,
        length: bridge::LENGTH,
    };
    create(&new, account)?;
    let mut data = account.try_borrow_mut()?;
    store(&mut data, bridge::NAME, &name)?;
    store(&mut data, bridge::CONSUMER, &consumer)?;
    emit(&[b"BridgeRegistered", &guard.key, &name, &consumer]);
    Ok(())
}
