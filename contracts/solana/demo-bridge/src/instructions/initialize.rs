//! Writes roles and guard, and accepts a first root.
//!
//! | # | account |
//! |---|---|
//! | 0 | payer, signs, writable |
//! | 1 | owner, signs |
//! | 2 | demo, writable; made here |
//! | 3 | system program |

use pinocchio::account::AccountView;
use portcullis_solana_breaker::instructions::Call;
use portcullis_solana_breaker::{Failure, New, Result, create, keccak256, signed, store};

use crate::state::{BRIDGE, CREATOR, DEMO, DEMO_LENGTH, GUARD, GUARD_PROGRAM, NAME, ROOT, UPDATER};

/// # Errors
/// When the demo is there already.
#[inline(never)]
pub(super) fn process(call: Call<'_>, accounts: &mut [AccountView]) -> Result<()> {
    let [payer, owner, account, ..] = accounts else { return Err(Failure::Malformed.into()) };
    let owner = signed(owner)?;
    let mut args = call.args();
    let name = args.word()?;
    let seeds: [&[u8]; 3] = [b"demo", &owner, &name];
    let new =
        New { program: call.program, payer, seeds: &seeds, tag: DEMO, breaker: &owner, length: DEMO_LENGTH };
    create(&new, account)?;
    let mut data = account.try_borrow_mut()?;
    for at in [UPDATER, GUARD_PROGRAM, GUARD, BRIDGE] {
        store(&mut data, at, &args.word()?)?;
    }
    args.end()?;
    store(&mut data, ROOT, &keccak256(&[b"portcullis.demo.root"]))?;
    store(&mut data, CREATOR, &owner)?;
    store(&mut data, NAME, &name)
}
