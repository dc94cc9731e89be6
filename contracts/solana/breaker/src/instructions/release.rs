//! Ends closure and hold of one lane, and raises its generation.
//!
//! | # | account |
//! |---|---|
//! | 0 | releaser, signs |
//! | 1 | breaker |
//! | 2 | scope, either lane, writable |

use pinocchio::account::AccountView;
use portcullis_rules::{LIMITED, ScopeWord, release};

use super::{Call, require_releaser};
use crate::error::Failure;
use crate::layout::scope;
use crate::state::{Breaker, known, store, writable};
use crate::{Result, Word, emit, now, num};

/// What was released: the guard, the scope, its new state.
#[derive(Debug, Clone, Copy)]
pub struct Released {
    /// The breaker.
    pub breaker: Breaker,
    /// The scope's id.
    pub scope: Word,
    /// Its state now.
    pub word: ScopeWord,
}

/// `to` is 0 (open) or 1 (limited, for the limited tail from now); generation and closed until are what the releaser saw.
///
/// # Errors
/// When the signer may not, the scope is unknown, there is no such level, or the state has changed since.
#[inline(never)]
pub fn process(call: Call<'_>, accounts: &mut [AccountView]) -> Result<Released> {
    let [releaser, breaker, account, ..] = accounts else { return Err(Failure::Malformed.into()) };
    let mut args = call.args();
    let (id, to, generation, closed_until) = (args.word()?, args.u8()?, args.u32()?, args.u64()?);
    args.end()?;
    let breaker = Breaker::load(call.program, breaker)?;
    let releaser = require_releaser(&breaker, releaser)?;
    if to > LIMITED {
        return Err(Failure::InvalidLevel(to).into());
    }
    let old = known(call.program, &breaker, account, &id)?.word;
    // SECURITY: the releaser ends what it saw. A trip that landed in between shows as another `closed_until`.
    if (old.generation, old.closed_until) != (generation, closed_until) {
        let (generation, closed_until) = (old.generation, old.closed_until);
        return Err(Failure::StaleRelease { generation, closed_until }.into());
    }
    let block = now()?;
    let word = release(&breaker.config, block, old, to).ok_or(Failure::BrokenScope)?;
    let mut data = writable(call.program, account, scope::TAG)?;
    store(&mut data, scope::WORD, &word.pack().map_err(Failure::from)?)?;
    store(&mut data, scope::SLOT, &num(block.height))?;
    emit(&[b"Released", &breaker.key, &id, &num(word.generation), &releaser]);
    Ok(Released { breaker, scope: id, word })
}
