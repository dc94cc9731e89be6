//! Puts a mint under a scope. Owner; at once before `seal`, scheduled after it.
//!
//! | # | account |
//! |---|---|
//! | 0 | owner, signs, writable |
//! | 1 | breaker |
//! | 2 | operation, writable |
//! | 3 | scope of lane 0 |
//! | 4 | target, writable; made here |
//! | 5 | mint |
//! | 6 | system program |

use pinocchio::account::AccountView;
use portcullis_rules::{CLOSED, LIMITED};
use portcullis_solana_breaker::instructions::{Call, owner_call};
use portcullis_solana_breaker::{Breaker, Failure, New, Result, create, emit, known, num, store};

use crate::target::{FROM_LEVEL, KIND, LENGTH, MARK, MINT, OPEN, SCOPE, SEED, TAG};
use crate::token::pausable;

/// # Errors
/// When the signer may not, the scope is unknown, the mint has no pause, or belongs to a scope already.
#[inline(never)]
pub(super) fn process(call: Call<'_>, accounts: &mut [AccountView]) -> Result<()> {
    let [owner, gate, waiting, scope, account, mint, ..] = accounts else {
        return Err(Failure::Malformed.into());
    };
    let mut args = call.args();
    let (id, named, from_level) = (args.word()?, args.word()?, args.u8()?);
    args.end()?;
    let gate = Breaker::load(call.program, gate)?;
    owner_call(call, &gate, owner, waiting)?;
    known(call.program, &gate, scope, &id)?;
    if *mint.address().as_array() != named {
        return Err(Failure::WrongAccount(*mint.address()).into());
    }
    if (from_level != LIMITED && from_level != CLOSED) || pausable(mint)?.is_none() {
        return Err(Failure::InvalidTarget(named).into());
    }
    // SECURITY: a switch in two scopes would be opened by one while the other wants it closed.
    if account.owned_by(call.program) {
        return Err(Failure::TargetTaken(named).into());
    }
    let seeds: [&[u8]; 3] = [SEED, &gate.key, &named];
    let (program, breaker) = (call.program, &gate.key);
    let new = New { program, payer: owner, seeds: &seeds, tag: TAG, breaker, length: LENGTH };
    create(&new, account)?;
    let mut data = account.try_borrow_mut()?;
    store(&mut data, MARK, &[OPEN])?;
    store(&mut data, FROM_LEVEL, &[from_level])?;
    store(&mut data, SCOPE, &id)?;
    store(&mut data, MINT, &named)?;
    emit(&[b"TargetAdded", &gate.key, &id, &named, &num(KIND), &num(from_level), &[0; 32]]);
    Ok(())
}
