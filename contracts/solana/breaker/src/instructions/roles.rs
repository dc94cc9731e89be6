//! Who may do what. Owner, releaser, guardian and trippers are different accounts; only releaser and guardian may be the
//! same one. An unset role refuses. Revocation is instant; every other change of the owner waits `max_seconds` once
//! set-up is sealed, is visible while it waits, and can be cancelled by the people who would suffer from it.

use pinocchio::account::AccountView;

use super::Call;
use crate::error::Failure;
use crate::layout::{any, operation};
use crate::state::{Breaker, owned, part, signed, store, writable};
use crate::{Result, Word, address_of, emit, keccak256, now, num};

/// A scheduled call that nobody sent for this long after it was ready is void: stale plans are no plans. 14 days.
const SCHEDULE_GRACE_SECONDS: u64 = 1_209_600;

/// Roles as events number them.
pub(super) const OWNER: u8 = 0;
pub(super) const RELEASER: u8 = 1;
pub(super) const GUARDIAN: u8 = 2;
pub(super) const TRIPPER: u8 = 3;
/// An unset role.
pub(super) const NOBODY: Word = [0; 32];

/// # Errors
/// [`Failure::NotSigned`], [`Failure::NotOwner`].
pub fn require_owner(breaker: &Breaker, caller: &AccountView) -> Result<Word> {
    let caller = signed(caller)?;
    if caller == breaker.owner { Ok(caller) } else { Err(Failure::NotOwner(caller).into()) }
}

/// # Errors
/// [`Failure::NotSigned`], [`Failure::NotReleaser`].
pub fn require_releaser(breaker: &Breaker, caller: &AccountView) -> Result<Word> {
    let caller = signed(caller)?;
    // SECURITY: zeros are nobody, and nobody has the key of the address of zeros.
    if caller == breaker.releaser && caller != NOBODY {
        Ok(caller)
    } else {
        Err(Failure::NotReleaser(caller).into())
    }
}

/// # Errors
/// [`Failure::NotSigned`], [`Failure::NotGuardian`].
pub fn require_guardian_or_releaser(breaker: &Breaker, caller: &AccountView) -> Result<Word> {
    let caller = signed(caller)?;
    let people = [breaker.guardian, breaker.releaser];
    if people.contains(&caller) && caller != NOBODY {
        Ok(caller)
    } else {
        Err(Failure::NotGuardian(caller).into())
    }
}

/// Lets the owner's call pass: at once before `seal`; after it only what was scheduled, as the same data, once.
///
/// # Errors
/// When the caller is not the owner, or the call was not announced, is early or late.
pub fn owner_call(
    call: Call<'_>,
    breaker: &Breaker,
    owner: &AccountView,
    waiting: &mut AccountView,
) -> Result<()> {
    require_owner(breaker, owner)?;
    if !breaker.sealed {
        return Ok(());
    }
    let id = keccak256(&[call.data]);
    let ready_at = ready_at(call, breaker, waiting, &id)?.ok_or(Failure::NotScheduled(id))?;
    let time = now()?.time;
    if time < ready_at {
        return Err(Failure::NotReady { id, ready_at }.into());
    }
    let expired_at = ready_at.saturating_add(SCHEDULE_GRACE_SECONDS);
    if time >= expired_at {
        return Err(Failure::OperationExpired { id, expired_at }.into());
    }
    // Not closed here: lamports that moved may not be followed by a call that does not see them. Announcing the same call
    // again uses the account again, and cancelling gives its rent back.
    store(&mut writable(call.program, waiting, operation::TAG)?, operation::READY_AT, &num(0_u64))?;
    emit(&[b"OperationExecuted", &breaker.key, &id]);
    Ok(())
}

/// From when on a call may be sent, in Unix seconds; none when it was sent already.
///
/// # Errors
/// [`Failure::NotScheduled`] when nothing waits; [`Failure::WrongAccount`] when another account was given.
pub(super) fn ready_at(
    call: Call<'_>,
    breaker: &Breaker,
    waiting: &AccountView,
    id: &Word,
) -> Result<Option<u64>> {
    if !waiting.owned_by(call.program) {
        let seeds: [&[u8]; 3] = [operation::SEED, &breaker.key, id];
        if address_of(call.program, &seeds)?.0 != *waiting.address() {
            return Err(Failure::WrongAccount(*waiting.address()).into());
        }
        return Err(Failure::NotScheduled(*id).into());
    }
    let data = owned(call.program, waiting, operation::TAG)?;
    if part::<32>(&data, any::BREAKER) != breaker.key || part::<32>(&data, operation::ID) != *id {
        return Err(Failure::WrongAccount(*waiting.address()).into());
    }
    let ready_at = u64::from_le_bytes(part(&data, operation::READY_AT));
    Ok((ready_at != 0).then_some(ready_at))
}

/// An account has a role; `budget_seconds` is zero except for trippers.
pub(super) fn role_set(breaker: &Word, role: u8, account: &Word, budget_seconds: u32) {
    emit(&[b"RoleSet", breaker, &num(role), account, &num(budget_seconds)]);
}

/// An account has a role no more.
pub(super) fn role_revoked(breaker: &Word, role: u8, account: &Word) {
    emit(&[b"RoleRevoked", breaker, &num(role), account]);
}
