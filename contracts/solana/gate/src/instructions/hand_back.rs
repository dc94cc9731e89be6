//! Gives a power over a mint to another account: the way out of a Gate. Owner; at once before `seal`, scheduled after it.
//!
//! | # | account |
//! |---|---|
//! | 0 | owner, signs, writable |
//! | 1 | breaker |
//! | 2 | operation, writable |
//! | 3 | target of the mint, which must be missing |
//! | 4 | mint, writable |
//! | 5 | Token-2022 |

use pinocchio::account::AccountView;
use portcullis_solana_breaker::instructions::{Call, owner_call, somebody};
use portcullis_solana_breaker::{Breaker, Failure, Result, emit};

use crate::target::is_at;
use crate::token::{Asked, Authority, hand_over};

/// Token-2022's numbers of the powers.
const PAUSE: u8 = 16;
const FREEZE: u8 = 1;

/// # Errors
/// When the signer may not, or the mint is still a target.
#[inline(never)]
pub(super) fn process(call: Call<'_>, accounts: &mut [AccountView]) -> Result<()> {
    let [owner, gate_account, waiting, account, mint, program, ..] = accounts else {
        return Err(Failure::Malformed.into());
    };
    let mut args = call.args();
    let (named, power, to) = (args.word()?, args.u8()?, args.word()?);
    args.end()?;
    let gate = Breaker::load(call.program, gate_account)?;
    owner_call(call, &gate, owner, waiting)?;
    somebody(to)?;
    if *mint.address().as_array() != named || !is_at(call.program, account, &gate.key, &named)? {
        return Err(Failure::WrongAccount(*mint.address()).into());
    }
    if account.owned_by(call.program) {
        return Err(Failure::TargetHeld(named).into());
    }
    let data = hand_over(if power == 0 { PAUSE } else { FREEZE }, &to)?;
    let asked = Asked { program, data: &data, accounts: &[mint], gate: gate_account };
    Authority::of(call.program, gate_account)?.call(&asked)?;
    emit(&[b"HandedBack", &gate.key, &named, &to]);
    Ok(())
}
