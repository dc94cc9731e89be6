//! Makes a scope known, both lanes; open from then on. At once before `seal`, scheduled after it.
//!
//! | # | account |
//! |---|---|
//! | 0 | owner, signs, writable |
//! | 1 | breaker |
//! | 2 | operation, writable |
//! | 3 | bridge, writable (Guard; the Gate looks at no account here) |
//! | 4 | scope of lane 0, writable; made here |
//! | 5 | scope of lane 1, writable; made here |
//! | 6 | system program |

use pinocchio::account::AccountView;
use portcullis_rules::ScopeWord;

use super::{Call, owner_call};
use crate::error::Failure;
use crate::layout::scope;
use crate::state::{Breaker, store};
use crate::{DIRECTION_OUT, New, Result, Word, create, emit, now, num, returns, scope_of};

/// The parts of a scope's name.
#[derive(Debug, Clone, Copy)]
pub struct Parts {
    /// The name under which the guard knows a bridge.
    pub bridge: Word,
    /// 0 any, 1 in, 2 out.
    pub direction: u8,
    /// The other side; zeros are any.
    pub corridor: Word,
    /// The asset; zeros are any.
    pub asset: Word,
}

/// Reads the arguments and lets the owner's call pass.
///
/// # Errors
/// When the signer may not.
pub fn begin(call: Call<'_>, accounts: &mut [AccountView]) -> Result<(Breaker, Parts)> {
    let [owner, breaker, waiting, ..] = accounts else { return Err(Failure::Malformed.into()) };
    let mut args = call.args();
    let parts =
        Parts { bridge: args.word()?, direction: args.u8()?, corridor: args.word()?, asset: args.word()? };
    args.end()?;
    let breaker = Breaker::load(call.program, breaker)?;
    owner_call(call, &breaker, owner, waiting)?;
    Ok((breaker, parts))
}

/// Makes both accounts. Answers the scope.
///
/// # Errors
/// For a direction that does not exist, and for a scope that is known already.
#[inline(always)]
pub fn make(
    call: Call<'_>,
    accounts: &mut [AccountView],
    breaker: &Breaker,
    parts: &Parts,
    kind: u8,
) -> Result<()> {
    let [owner, _, _, _, lanes @ ..] = accounts else { return Err(Failure::Malformed.into()) };
    let Some(lanes) = lanes.first_chunk_mut::<2>() else { return Err(Failure::Malformed.into()) };
    let Parts { bridge, direction, corridor, asset } = parts;
    if *direction > DIRECTION_OUT {
        return Err(Failure::InvalidDirection(*direction).into());
    }
    let id = scope_of(&breaker.caip2_hash, bridge, *direction, corridor, asset);
    let word = ScopeWord { kind, ..ScopeWord::default() }.pack().map_err(Failure::from)?;
    let slot = now()?.height;
    for (lane, account) in [0_u8, 1].into_iter().zip(lanes) {
        if account.owned_by(call.program) {
            crate::known(call.program, breaker, account, &id)?;
            return Err(Failure::ScopeAlreadyRegistered(id).into());
        }
        let seeds: [&[u8]; 4] = [scope::SEED, &breaker.key, &id, &[lane]];
        let new = New {
            program: call.program,
            payer: owner,
            seeds: &seeds,
            tag: scope::TAG,
            breaker: &breaker.key,
            length: scope::LENGTH,
        };
        create(&new, account)?;
        let mut data = account.try_borrow_mut()?;
        store(&mut data, scope::LANE, &[lane, *direction])?;
        store(&mut data, scope::ID, &id)?;
        store(&mut data, scope::WORD, &word)?;
        store(&mut data, scope::BRIDGE, bridge)?;
        store(&mut data, scope::CORRIDOR, corridor)?;
        store(&mut data, scope::ASSET, asset)?;
        store(&mut data, scope::SLOT, &num(slot))?;
    }
    emit(&[b"ScopeRegistered", &breaker.key, &id, bridge, &num(*direction), corridor, asset]);
    returns(&id);
    Ok(())
}
