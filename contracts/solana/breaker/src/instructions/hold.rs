//! People hold the scope at a level (1 or 2) without expiry. Raises only.
//!
//! | # | account |
//! |---|---|
//! | 0 | guardian or releaser, signs |
//! | 1 | breaker |
//! | 2 | scope, either lane, writable |

use pinocchio::account::AccountView;
use portcullis_rules::{CLOSED, LIMITED, ScopeWord};

use super::{Call, require_guardian_or_releaser};
use crate::error::Failure;
use crate::layout::scope;
use crate::state::{Breaker, known, store, writable};
use crate::{Result, emit, now, num};

/// # Errors
/// When the signer may not, the scope is unknown, or there is no such level.
#[inline(never)]
pub fn process(call: Call<'_>, accounts: &mut [AccountView]) -> Result<()> {
    let [person, breaker, account, ..] = accounts else { return Err(Failure::Malformed.into()) };
    let mut args = call.args();
    let (id, level) = (args.word()?, args.u8()?);
    args.end()?;
    let breaker = Breaker::load(call.program, breaker)?;
    let guardian = require_guardian_or_releaser(&breaker, person)?;
    if level != LIMITED && level != CLOSED {
        return Err(Failure::InvalidLevel(level).into());
    }
    let old = known(call.program, &breaker, account, &id)?.word;
    if level <= old.hold {
        return Ok(());
    }
    let word = ScopeWord { hold: level, ..old };
    let mut data = writable(call.program, account, scope::TAG)?;
    store(&mut data, scope::WORD, &word.pack().map_err(Failure::from)?)?;
    store(&mut data, scope::SLOT, &num(now()?.height))?;
    emit(&[b"Held", &breaker.key, &id, &num(level), &guardian]);
    Ok(())
}
