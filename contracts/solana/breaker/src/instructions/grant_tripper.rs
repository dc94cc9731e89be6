//! An account that may trip, within a budget. At once before `seal`, scheduled after it.
//!
//! | # | account |
//! |---|---|
//! | 0 | owner, signs, writable |
//! | 1 | breaker |
//! | 2 | operation, writable |
//! | 3 | tripper's account, writable; made here when it is not there |
//! | 4 | system program |

use pinocchio::account::AccountView;

use super::roles::{TRIPPER, role_set};
use super::{Call, owner_call, somebody};
use crate::error::Failure;
use crate::layout::{any, tripper};
use crate::state::{Breaker, part, store, writable};
use crate::{New, Result, create};

/// # Errors
/// When the signer may not, or the account holds another role.
#[inline(never)]
pub fn process(call: Call<'_>, accounts: &mut [AccountView]) -> Result<()> {
    let [owner, breaker, waiting, account, ..] = accounts else { return Err(Failure::Malformed.into()) };
    let mut args = call.args();
    let (key, budget) = (args.word()?, args.u32()?);
    args.end()?;
    let breaker = Breaker::load(call.program, breaker)?;
    owner_call(call, &breaker, owner, waiting)?;
    somebody(key)?;
    if [breaker.owner, breaker.releaser, breaker.guardian].contains(&key) {
        return Err(Failure::RoleConflict(key).into());
    }
    if !account.owned_by(call.program) {
        let hours = usize::from(breaker.config.budget_window_hours).saturating_add(1);
        let length = hours.saturating_mul(4).saturating_add(tripper::HOURS);
        let seeds: [&[u8]; 3] = [tripper::SEED, &breaker.key, &key];
        let new = New {
            program: call.program,
            payer: owner,
            seeds: &seeds,
            tag: tripper::TAG,
            breaker: &breaker.key,
            length,
        };
        create(&new, account)?;
        store(&mut account.try_borrow_mut()?, tripper::KEY, &key)?;
    }
    let address = *account.address();
    let mut data = writable(call.program, account, tripper::TAG)?;
    if part::<32>(&data, any::BREAKER) != breaker.key || part::<32>(&data, tripper::KEY) != key {
        return Err(Failure::WrongAccount(address).into());
    }
    store(&mut data, tripper::ACTIVE, &[1])?;
    store(&mut data, tripper::BUDGET, &budget.to_le_bytes())?;
    role_set(&breaker.key, TRIPPER, &key, budget);
    Ok(())
}
