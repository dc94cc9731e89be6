//! Writes the constants and the first roles of a new guard or gate. Until `seal` a guard lets nothing out.
//!
//! | # | account |
//! |---|---|
//! | 0 | payer, signs, writable |
//! | 1 | creator, signs: part of the address, so that nobody takes it first |
//! | 2 | breaker, writable; made here |
//! | 3 | system program |

use pinocchio::account::AccountView;
use portcullis_rules::Config;

use super::roles::{GUARDIAN, NOBODY, OWNER, RELEASER, role_set};
use super::{Call, somebody};
use crate::error::Failure;
use crate::layout::breaker;
use crate::state::{signed, store};
use crate::{New, Result, create};

/// # Errors
/// When the configuration does not hold, two roles fall on one account, or the guard is there already.
#[inline(never)]
pub fn process(call: Call<'_>, accounts: &mut [AccountView]) -> Result<()> {
    let [payer, creator, account, ..] = accounts else { return Err(Failure::Malformed.into()) };
    let mut args = call.args();
    let name = args.word()?;
    let (owner, releaser, guardian, caip2) = (args.word()?, args.word()?, args.word()?, args.word()?);
    let (max_seconds, max_blocks) = (args.u32()?, args.u32()?);
    let (limited_tail_seconds, limited_tail_blocks) = (args.u32()?, args.u32()?);
    let budget_window_hours = args.u16()?;
    args.end()?;
    let config =
        Config { max_seconds, max_blocks, limited_tail_seconds, limited_tail_blocks, budget_window_hours };
    if !config.is_sound() {
        return Err(Failure::InvalidConfig.into());
    }
    somebody(owner)?;
    for person in [releaser, guardian] {
        if person == owner {
            return Err(Failure::RoleConflict(person).into());
        }
    }
    let creator = signed(creator)?;
    let seeds: [&[u8]; 3] = [breaker::SEED, &creator, &name];
    let new = New {
        program: call.program,
        payer,
        seeds: &seeds,
        tag: breaker::TAG,
        breaker: &NOBODY,
        length: breaker::LENGTH,
    };
    create(&new, account)?;
    let mut data = account.try_borrow_mut()?;
    store(&mut data, breaker::WINDOW_HOURS, &budget_window_hours.to_le_bytes())?;
    store(&mut data, breaker::MAX_SECONDS, &max_seconds.to_le_bytes())?;
    store(&mut data, breaker::MAX_BLOCKS, &max_blocks.to_le_bytes())?;
    store(&mut data, breaker::TAIL_SECONDS, &limited_tail_seconds.to_le_bytes())?;
    store(&mut data, breaker::TAIL_BLOCKS, &limited_tail_blocks.to_le_bytes())?;
    let words = [
        (breaker::CAIP2, &caip2),
        (breaker::CREATOR, &creator),
        (breaker::NAME, &name),
        (breaker::OWNER, &owner),
        (breaker::RELEASER, &releaser),
        (breaker::GUARDIAN, &guardian),
    ];
    for (at, word) in words {
        store(&mut data, at, word)?;
    }
    drop(data);
    let key = account.address().as_array();
    role_set(key, OWNER, &owner, 0);
    for (role, person) in [(RELEASER, releaser), (GUARDIAN, guardian)] {
        if person != NOBODY {
            role_set(key, role, &person, 0);
        }
    }
    Ok(())
}
