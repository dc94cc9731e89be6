//! Writes down which scopes cover a flow, so that a check need not search. Anybody.
//!
//! | # | account |
//! |---|---|
//! | 0 | payer, signs, writable |
//! | 1 | breaker |
//! | 2 | bridge |
//! | 3 | route, writable; made here when it is not there |
//! | 4 | system program |
//! | 5…12 | the covering scopes of lane 0, in their order; those that are not registered are missing there |

use pinocchio::account::AccountView;
use portcullis_solana_breaker::instructions::Call;
use portcullis_solana_breaker::layout::{any, scope};
use portcullis_solana_breaker::{
    ANY, Breaker, DIRECTION_OUT, Failure, New, Result, address_of, create, owned, scope_of, store, writable,
};

use crate::cover::{COVERING, Flow, covering};
use crate::layout::{book, bridge, route};

/// # Errors
/// When the bridge is unknown, or an account is not the one that its place asks for.
#[inline(never)]
pub(super) fn process(call: Call<'_>, accounts: &mut [AccountView]) -> Result<()> {
    let [payer, breaker, of_bridge, account, _, scopes @ ..] = accounts else {
        return Err(Failure::Malformed.into());
    };
    let Some(scopes) = scopes.first_chunk::<8>() else {
        return Err(Failure::Malformed.into());
    };
    let mut args = call.args();
    let flow = Flow { bridge: args.word()?, corridor: args.word()?, asset: args.word()? };
    args.end()?;
    let guard = Breaker::load(call.program, breaker)?;
    let bridge_data = owned(call.program, of_bridge, bridge::TAG)?;
    let part = |at: usize| bridge_data.get(at..).and_then(|rest| rest.first_chunk::<32>());
    if part(any::BREAKER) != Some(&guard.key) || part(bridge::NAME) != Some(&flow.bridge) {
        return Err(Failure::WrongAccount(*of_bridge.address()).into());
    }
    let registered = bridge_data.get(bridge::SCOPES..).and_then(|rest| rest.first_chunk::<4>()).copied();
    if !account.owned_by(call.program) {
        let seeds: [&[u8]; 5] = [route::SEED, &guard.key, &flow.bridge, &flow.corridor, &flow.asset];
        let new = New {
            program: call.program,
            payer,
            seeds: &seeds,
            tag: route::TAG,
            breaker: &guard.key,
            length: route::LENGTH,
        };
        create(&new, account)?;
        let mut data = account.try_borrow_mut()?;
        store(&mut data, route::BRIDGE, &flow.bridge)?;
        store(&mut data, route::CORRIDOR, &flow.corridor)?;
        store(&mut data, route::ASSET, &flow.asset)?;
    }
    let address = *account.address();
    let mut data = writable(call.program, account, route::TAG)?;
    let part = |at: usize| data.get(at..).and_then(|rest| rest.first_chunk::<32>());
    let is_its = part(any::BREAKER) == Some(&guard.key)
        && part(route::BRIDGE) == Some(&flow.bridge)
        && part(route::CORRIDOR) == Some(&flow.corridor)
        && part(route::ASSET) == Some(&flow.asset);
    if !is_its {
        return Err(Failure::WrongAccount(address).into());
    }
    let mut mask = 0_u8;
    let mut at = route::ADDRESSES;
    for (kind, given) in (0..COVERING).zip(scopes) {
        let (direction, corridor, asset) = covering(&flow, kind);
        let id = scope_of(&guard.caip2_hash, &flow.bridge, direction, &corridor, &asset);
        for lane in [0_u8, 1] {
            let (address, _) = address_of(call.program, &[scope::SEED, &guard.key, &id, &[lane]])?;
            // SECURITY: a scope is missing only where nothing is at its address.
            if lane == 0 && address != *given.address() {
                return Err(Failure::WrongAccount(*given.address()).into());
            }
            store(&mut data, at, address.as_array())?;
            at = at.saturating_add(32);
        }
        if given.owned_by(call.program) {
            mask |= 1_u8.wrapping_shl(u32::from(kind));
        }
    }
    for (at, corridor) in [(route::ESCROW_BOOK, ANY), (route::CORRIDOR_BOOK, flow.corridor)] {
        let id = scope_of(&guard.caip2_hash, &flow.bridge, DIRECTION_OUT, &corridor, &flow.asset);
        let (address, _) = address_of(call.program, &[book::SEED, &guard.key, &id])?;
        store(&mut data, at, address.as_array())?;
    }
    store(&mut data, route::MASK, &[mask])?;
    store(&mut data, route::SCOPES, &registered.unwrap_or_default())
}
