//! Maps a leaf to the committed root.
//!
//! | # | account |
//! |---|---|
//! | 0 | updater, signs, writable |
//! | 1 | demo |
//! | 2 | leaf, writable; made here when it is not there |
//! | 3 | system program |

use pinocchio::account::AccountView;
use portcullis_solana_breaker::instructions::Call;
use portcullis_solana_breaker::{Failure, New, Result, create, signed, store, writable};

use crate::error::Refusal;
use crate::state::{Demo, LEAF, LEAF_ID, LEAF_ROOT, SMALL_LENGTH, leaf};

/// # Errors
/// When the signer may not.
#[inline(never)]
pub(super) fn process(call: Call<'_>, accounts: &mut [AccountView]) -> Result<()> {
    let [updater, demo, account, ..] = accounts else { return Err(Failure::Malformed.into()) };
    let mut args = call.args();
    let id = args.word()?;
    args.end()?;
    let demo = Demo::load(call.program, demo)?;
    let caller = signed(updater)?;
    if caller != demo.updater {
        return Err(Refusal::NotUpdater(caller).into());
    }
    if !account.owned_by(call.program) {
        let seeds: [&[u8]; 3] = [b"leaf", &demo.key, &id];
        let (program, breaker) = (call.program, &demo.key);
        let new = New { program, payer: updater, seeds: &seeds, tag: LEAF, breaker, length: SMALL_LENGTH };
        create(&new, account)?;
        store(&mut account.try_borrow_mut()?, LEAF_ID, &id)?;
    }
    leaf(call.program, account, &demo.key, &id)?;
    store(&mut writable(call.program, account, LEAF)?, LEAF_ROOT, &demo.root)
}
