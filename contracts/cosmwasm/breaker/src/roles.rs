//! Who may do what. Owner, releaser, guardian and trippers are different accounts; only releaser and guardian may be the
//! same one. An unset role refuses. Revocation is instant; every other change of the owner waits `max_seconds` once
//! set-up is sealed, is visible while it waits, and can be cancelled by the people who would suffer from it.

use cosmwasm_std::{Addr, Api, DepsMut, Env, MessageInfo, Storage};

use crate::error::BreakerError;
use crate::events::Log;
use crate::msg::Instantiate;
use crate::scope_id::caip2_hash;
use crate::scopes::Block;
use crate::state::{CONFIG, Config, READY_AT, ROLES, Roles, SEALED, TRIPPERS};
use crate::word::{Word, keccak256};

/// A scheduled call that nobody sent for this long after it was ready is void: stale plans are no plans. 14 days.
const SCHEDULE_GRACE_SECONDS: u64 = 14 * 86_400;
/// Keeps every sum of a time and a bound inside 40 bits, and waits inside what people can live with: 365 days.
const MAX_SECONDS_BOUND: u32 = 365 * 86_400;
/// 90 days of hours: what a sum over a budget's window may cost.
const MAX_WINDOW_HOURS: u16 = 2_160;

/// Roles as events number them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Role {
    Owner,
    Releaser,
    Guardian,
    Tripper,
}

impl Role {
    fn number(self) -> u8 {
        match self {
            Self::Owner => 0,
            Self::Releaser => 1,
            Self::Guardian => 2,
            Self::Tripper => 3,
        }
    }
}

/// Writes the constants and the first roles.
///
/// # Errors
/// When the configuration does not hold, or two roles fall on one account.
pub fn instantiate(
    deps: DepsMut<'_>,
    env: &Env,
    log: &mut Log,
    msg: &Instantiate,
) -> Result<(), BreakerError> {
    let sound = (1..=MAX_SECONDS_BOUND).contains(&msg.max_seconds)
        && msg.limited_tail_seconds <= MAX_SECONDS_BOUND
        && (1..=MAX_WINDOW_HOURS).contains(&msg.budget_window_hours);
    if !sound {
        return Err(BreakerError::InvalidConfig {});
    }
    let config = Config {
        caip2_hash: caip2_hash(&env.block.chain_id),
        max_seconds: msg.max_seconds,
        max_blocks: msg.max_blocks,
        limited_tail_seconds: msg.limited_tail_seconds,
        limited_tail_blocks: msg.limited_tail_blocks,
        budget_window_hours: msg.budget_window_hours,
    };
    CONFIG.save(deps.storage, &config)?;
    SEALED.save(deps.storage, &false)?;
    let owner = account(deps.api, &msg.owner)?;
    ROLES.save(deps.storage, &Roles { owner: owner.clone(), releaser: None, guardian: None })?;
    log.role_set(Role::Owner.number(), owner.as_str(), 0);
    if let Some(releaser) = &msg.releaser {
        set_releaser(deps.storage, deps.api, log, releaser)?;
    }
    if let Some(guardian) = &msg.guardian {
        set_guardian(deps.storage, deps.api, log, guardian)?;
    }
    Ok(())
}

/// Ends set-up, once. Owner.
///
/// # Errors
/// When the sender may not, or it has ended already.
pub fn seal(storage: &mut dyn Storage, info: &MessageInfo, log: &mut Log) -> Result<(), BreakerError> {
    require_owner(storage, &info.sender)?;
    if SEALED.load(storage)? {
        return Err(BreakerError::AlreadySealed {});
    }
    SEALED.save(storage, &true)?;
    log.emit("Sealed", &[]);
    Ok(())
}

/// Announce a call that waits: the same call can be sent by the owner after `max_seconds`. Owner. `call` is the message
/// in JSON, as this contract would write it; its Keccak-256 is the operation's id.
///
/// # Errors
/// When the sender may not.
pub fn schedule(
    storage: &mut dyn Storage,
    block: Block,
    info: &MessageInfo,
    log: &mut Log,
    call: &[u8],
) -> Result<Word, BreakerError> {
    require_owner(storage, &info.sender)?;
    let id = keccak256(&[call]);
    let ready_at = block.time.saturating_add(u64::from(CONFIG.load(storage)?.max_seconds));
    READY_AT.save(storage, &id.0, &ready_at)?;
    let text = String::from_utf8_lossy(call);
    log.emit("OperationScheduled", &[("id", &id), ("call", &text), ("readyAt", &ready_at)]);
    Ok(id)
}

/// Takes a scheduled call back. Owner, releaser or guardian.
///
/// # Errors
/// When the sender may not, or nothing waits under this id.
pub fn cancel(
    storage: &mut dyn Storage,
    info: &MessageInfo,
    log: &mut Log,
    id: Word,
) -> Result<(), BreakerError> {
    let roles = ROLES.load(storage)?;
    let caller = Some(&info.sender);
    if info.sender != roles.owner && caller != roles.releaser.as_ref() && caller != roles.guardian.as_ref() {
        return Err(BreakerError::NotOwner { caller: info.sender.clone() });
    }
    if !READY_AT.has(storage, &id.0) {
        return Err(BreakerError::NotScheduled { id });
    }
    READY_AT.remove(storage, &id.0);
    log.emit("OperationCancelled", &[("id", &id), ("by", &info.sender)]);
    Ok(())
}

/// Lets the owner's call pass: at once before `seal`; after it only what was scheduled, as the same message.
///
/// # Errors
/// When the sender is not the owner, or the call was not announced, is early or late.
pub fn owner_call(
    storage: &mut dyn Storage,
    block: Block,
    info: &MessageInfo,
    log: &mut Log,
    call: &[u8],
) -> Result<(), BreakerError> {
    require_owner(storage, &info.sender)?;
    if !SEALED.load(storage)? {
        return Ok(());
    }
    let id = keccak256(&[call]);
    let ready_at = READY_AT.may_load(storage, &id.0)?.ok_or(BreakerError::NotScheduled { id })?;
    if block.time < ready_at {
        return Err(BreakerError::NotReady { id, ready_at });
    }
    let expired_at = ready_at.saturating_add(SCHEDULE_GRACE_SECONDS);
    if block.time >= expired_at {
        return Err(BreakerError::OperationExpired { id, expired_at });
    }
    READY_AT.remove(storage, &id.0);
    log.emit("OperationExecuted", &[("id", &id)]);
    Ok(())
}

/// Another owner. Through [`owner_call`] only.
///
/// # Errors
/// When the account holds another role.
pub fn transfer_ownership(
    storage: &mut dyn Storage,
    api: &dyn Api,
    log: &mut Log,
    to: &str,
) -> Result<(), BreakerError> {
    let to = account(api, to)?;
    let mut roles = ROLES.load(storage)?;
    if Some(&to) == roles.releaser.as_ref()
        || Some(&to) == roles.guardian.as_ref()
        || is_tripper(storage, &to)?
    {
        return Err(BreakerError::RoleConflict { account: to });
    }
    log.role_set(Role::Owner.number(), to.as_str(), 0);
    roles.owner = to;
    Ok(ROLES.save(storage, &roles)?)
}

/// Who may shorten. Through [`owner_call`] only.
///
/// # Errors
/// When the account is the owner or a tripper.
pub fn set_releaser(
    storage: &mut dyn Storage,
    api: &dyn Api,
    log: &mut Log,
    to: &str,
) -> Result<(), BreakerError> {
    let (to, mut roles) = for_people(storage, api, to)?;
    log.role_set(Role::Releaser.number(), to.as_str(), 0);
    roles.releaser = Some(to);
    Ok(ROLES.save(storage, &roles)?)
}

/// Who may hold. Through [`owner_call`] only.
///
/// # Errors
/// When the account is the owner or a tripper.
pub fn set_guardian(
    storage: &mut dyn Storage,
    api: &dyn Api,
    log: &mut Log,
    to: &str,
) -> Result<(), BreakerError> {
    let (to, mut roles) = for_people(storage, api, to)?;
    log.role_set(Role::Guardian.number(), to.as_str(), 0);
    roles.guardian = Some(to);
    Ok(ROLES.save(storage, &roles)?)
}

/// An account that may trip, within a budget. Through [`owner_call`] only.
///
/// # Errors
/// When the account holds another role.
pub fn grant_tripper(
    storage: &mut dyn Storage,
    api: &dyn Api,
    log: &mut Log,
    to: &str,
    budget_seconds: u32,
) -> Result<(), BreakerError> {
    let to = account(api, to)?;
    let roles = ROLES.load(storage)?;
    if to == roles.owner || Some(&to) == roles.releaser.as_ref() || Some(&to) == roles.guardian.as_ref() {
        return Err(BreakerError::RoleConflict { account: to });
    }
    TRIPPERS.update(storage, &to, |old| {
        let mut tripper = old.unwrap_or_default();
        tripper.active = true;
        tripper.budget_seconds = budget_seconds;
        Ok::<_, BreakerError>(tripper)
    })?;
    log.role_set(Role::Tripper.number(), to.as_str(), budget_seconds);
    Ok(())
}

/// Nobody shortens any more. Owner, at once.
///
/// # Errors
/// When the sender may not.
pub fn revoke_releaser(
    storage: &mut dyn Storage,
    info: &MessageInfo,
    log: &mut Log,
) -> Result<(), BreakerError> {
    require_owner(storage, &info.sender)?;
    let mut roles = ROLES.load(storage)?;
    let old = roles.releaser.take();
    log.role_revoked(Role::Releaser.number(), old.as_ref().map_or("", Addr::as_str));
    Ok(ROLES.save(storage, &roles)?)
}

/// Only the releaser holds any more. Owner, at once.
///
/// # Errors
/// When the sender may not.
pub fn revoke_guardian(
    storage: &mut dyn Storage,
    info: &MessageInfo,
    log: &mut Log,
) -> Result<(), BreakerError> {
    require_owner(storage, &info.sender)?;
    let mut roles = ROLES.load(storage)?;
    let old = roles.guardian.take();
    log.role_revoked(Role::Guardian.number(), old.as_ref().map_or("", Addr::as_str));
    Ok(ROLES.save(storage, &roles)?)
}

/// An account that trips no more. Owner, at once. What it spent stays on record, so that granting it anew does not
/// refill its budget.
///
/// # Errors
/// When the sender may not, or the account does not trip.
pub fn revoke_tripper(
    storage: &mut dyn Storage,
    api: &dyn Api,
    info: &MessageInfo,
    log: &mut Log,
    who: &str,
) -> Result<(), BreakerError> {
    require_owner(storage, &info.sender)?;
    let who = account(api, who)?;
    require_tripper(storage, &who)?;
    TRIPPERS.update(storage, &who, |old| {
        let mut tripper = old.unwrap_or_default();
        tripper.active = false;
        Ok::<_, BreakerError>(tripper)
    })?;
    log.role_revoked(Role::Tripper.number(), who.as_str());
    Ok(())
}

/// # Errors
/// [`BreakerError::NotOwner`].
pub fn require_owner(storage: &dyn Storage, caller: &Addr) -> Result<(), BreakerError> {
    if ROLES.load(storage)?.owner != caller {
        return Err(BreakerError::NotOwner { caller: caller.clone() });
    }
    Ok(())
}

/// # Errors
/// [`BreakerError::NotTripper`].
pub fn require_tripper(storage: &dyn Storage, caller: &Addr) -> Result<(), BreakerError> {
    if !is_tripper(storage, caller)? {
        return Err(BreakerError::NotTripper { caller: caller.clone() });
    }
    Ok(())
}

pub(crate) fn require_releaser(storage: &dyn Storage, caller: &Addr) -> Result<(), BreakerError> {
    if ROLES.load(storage)?.releaser.as_ref() != Some(caller) {
        return Err(BreakerError::NotReleaser { caller: caller.clone() });
    }
    Ok(())
}

pub(crate) fn require_guardian_or_releaser(storage: &dyn Storage, caller: &Addr) -> Result<(), BreakerError> {
    let roles = ROLES.load(storage)?;
    if roles.guardian.as_ref() != Some(caller) && roles.releaser.as_ref() != Some(caller) {
        return Err(BreakerError::NotGuardian { caller: caller.clone() });
    }
    Ok(())
}

fn is_tripper(storage: &dyn Storage, account: &Addr) -> Result<bool, BreakerError> {
    Ok(TRIPPERS.may_load(storage, account)?.is_some_and(|tripper| tripper.active))
}

fn for_people(storage: &dyn Storage, api: &dyn Api, to: &str) -> Result<(Addr, Roles), BreakerError> {
    let to = account(api, to)?;
    let roles = ROLES.load(storage)?;
    if to == roles.owner || is_tripper(storage, &to)? {
        return Err(BreakerError::RoleConflict { account: to });
    }
    Ok((to, roles))
}

/// An address, checked; the empty one is nobody.
fn account(api: &dyn Api, text: &str) -> Result<Addr, BreakerError> {
    if text.is_empty() {
        return Err(BreakerError::ZeroAccount {});
    }
    Ok(api.addr_validate(text)?)
}
