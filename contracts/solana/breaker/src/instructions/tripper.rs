//! The account of a tripper: whether it may trip, and what it was charged. What it spent stays on record after it was
//! revoked, so that granting it anew does not refill its budget.

use pinocchio::account::AccountView;
use portcullis_rules::Hours;

use super::Call;
use crate::error::Failure;
use crate::layout::{any, tripper};
use crate::state::{Breaker, owned, part, store, writable};
use crate::{Result, Word, address_of};

/// That the key may trip, by its account.
///
/// # Errors
/// [`Failure::NotTripper`], also when the account is not that of this key and this breaker.
pub fn require_tripper(call: Call<'_>, breaker: &Breaker, account: &AccountView, key: &Word) -> Result<()> {
    if is_active(call, breaker, account, key)? == Some(true) {
        Ok(())
    } else {
        Err(Failure::NotTripper(*key).into())
    }
}

/// Whether the account says that this key trips; none when it is not the account of this key and this breaker.
fn is_active(call: Call<'_>, breaker: &Breaker, account: &AccountView, key: &Word) -> Result<Option<bool>> {
    if !account.owned_by(call.program) {
        return Ok(None);
    }
    let data = owned(call.program, account, tripper::TAG)?;
    let is_its = part::<32>(&data, any::BREAKER) == breaker.key && part::<32>(&data, tripper::KEY) == *key;
    Ok(is_its.then(|| part(&data, tripper::ACTIVE) == [1]))
}

/// That the key does not trip.
///
/// # Errors
/// [`Failure::RoleConflict`] when it does; [`Failure::WrongAccount`] when the account is not the one that would say so.
pub(super) fn refuse_tripper(
    call: Call<'_>,
    breaker: &Breaker,
    account: &AccountView,
    key: &Word,
) -> Result<()> {
    match is_active(call, breaker, account, key)? {
        Some(true) => return Err(Failure::RoleConflict(*key).into()),
        Some(false) => return Ok(()),
        None => {}
    }
    // SECURITY: who wants two roles would show another account than the one that tells.
    let (address, _) = address_of(call.program, &[tripper::SEED, &breaker.key, key])?;
    if address == *account.address() && !account.owned_by(call.program) {
        Ok(())
    } else {
        Err(Failure::WrongAccount(*account.address()).into())
    }
}

/// Closed seconds that the tripper may still cause at a time (Unix seconds). The account was checked by [`require_tripper`].
///
/// # Errors
/// When the account is in use.
pub fn left_seconds(account: &mut AccountView, time: u64) -> Result<u64> {
    let mut data = account.try_borrow_mut()?;
    let budget = u64::from(u32::from_le_bytes(part(&data, tripper::BUDGET)));
    let latest = u64::from_le_bytes(part(&data, tripper::LATEST));
    let ring = data.get_mut(tripper::HOURS..).unwrap_or_default().as_chunks_mut().0;
    Ok(budget.saturating_sub(Hours { latest, ring }.spent(time)))
}

/// Charges seconds to the hour of a time (Unix seconds). The account was checked by [`require_tripper`].
///
/// # Errors
/// [`Failure::WrongAccount`] when it is not writable.
pub fn charge(call: Call<'_>, account: &mut AccountView, time: u64, seconds: u64) -> Result<()> {
    let mut data = writable(call.program, account, tripper::TAG)?;
    let latest = u64::from_le_bytes(part(&data, tripper::LATEST));
    let ring = data.get_mut(tripper::HOURS..).unwrap_or_default().as_chunks_mut().0;
    let mut hours = Hours { latest, ring };
    hours.charge(time, seconds);
    let latest = hours.latest;
    store(&mut data, tripper::LATEST, &latest.to_le_bytes())
}
