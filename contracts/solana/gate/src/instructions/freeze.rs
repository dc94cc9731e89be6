//! Freezes one token account. People only: whoever sends dust to an account could make it a suspect.
//!
//! | # | account |
//! |---|---|
//! | 0 | guardian or releaser, signs |
//! | 1 | breaker: the freeze authority of the mint |
//! | 2 | token account, writable |
//! | 3 | mint |
//! | 4 | Token-2022 |

use pinocchio::account::AccountView;
use portcullis_solana_breaker::instructions::{Call, require_guardian_or_releaser};
use portcullis_solana_breaker::{Breaker, Failure, Result, emit};

use crate::token::{Asked, Authority};

/// `FreezeAccount` of Token-2022.
const NUMBER: u8 = 10;

/// # Errors
/// When the signer may not, or Token-2022 refuses.
#[inline(never)]
pub(super) fn process(call: Call<'_>, accounts: &mut [AccountView]) -> Result<()> {
    let [person, gate_account, account, mint, program, ..] = accounts else {
        return Err(Failure::Malformed.into());
    };
    call.args().end()?;
    let gate = Breaker::load(call.program, gate_account)?;
    let by = require_guardian_or_releaser(&gate, person)?;
    let asked = Asked { program, data: &[NUMBER], accounts: &[account, mint], gate: gate_account };
    Authority::of(call.program, gate_account)?.call(&asked)?;
    emit(&[b"AccountFrozen", &gate.key, mint.address().as_array(), account.address().as_array(), &by]);
    Ok(())
}
