//! Makes a scope of a known bridge known, both lanes; every route of the bridge is stale from then on. The accounts are those
//! of `register_scope` of the breaker, with the bridge among them.

use pinocchio::account::AccountView;
use portcullis_solana_breaker::instructions::Call;
use portcullis_solana_breaker::instructions::register_scope::{Parts, begin, make};
use portcullis_solana_breaker::layout::any;
use portcullis_solana_breaker::{
    ANY, Breaker, DIRECTION_ANY, DIRECTION_IN, Failure, Result, address_of, store, writable,
};

use crate::cover::{ANY_ASSET, ANY_CORRIDOR, ANY_DIRECTION, INFLOW};
use crate::layout::bridge;

/// # Errors
/// When the signer may not, the bridge is unknown, or the scope is known already.
#[inline(never)]
pub(super) fn process(call: Call<'_>, accounts: &mut [AccountView]) -> Result<()> {
    let (guard, parts) = begin(call, accounts)?;
    let [_, _, _, account, ..] = accounts else { return Err(Failure::Malformed.into()) };
    count(call, &guard, &parts, account)?;
    let mut kind = match parts.direction {
        DIRECTION_ANY => ANY_DIRECTION,
        DIRECTION_IN => INFLOW,
        _ => 0,
    };
    if parts.corridor == ANY {
        kind |= ANY_CORRIDOR;
    }
    if parts.asset == ANY {
        kind |= ANY_ASSET;
    }
    make(call, accounts, &guard, &parts, kind)
}

/// One scope more.
fn count(call: Call<'_>, guard: &Breaker, parts: &Parts, account: &mut AccountView) -> Result<()> {
    let address = *account.address();
    if !account.owned_by(call.program) {
        let (expected, _) = address_of(call.program, &[bridge::SEED, &guard.key, &parts.bridge])?;
        let missing = expected == address;
        return Err(if missing {
            Failure::BridgeUnregistered(parts.bridge)
        } else {
            Failure::WrongAccount(address)
        }
        .into());
    }
    let mut data = writable(call.program, account, bridge::TAG)?;
    let part = |at: usize| data.get(at..).and_then(|rest| rest.first_chunk::<32>());
    if part(any::BREAKER) != Some(&guard.key) || part(bridge::NAME) != Some(&parts.bridge) {
        return Err(Failure::WrongAccount(address).into());
    }
    let scopes = data.get(bridge::SCOPES..).and_then(|rest| rest.first_chunk().copied());
    let scopes = u32::from_le_bytes(scopes.unwrap_or_default());
    let more = scopes.checked_add(1).ok_or(Failure::BrokenScope)?;
    store(&mut data, bridge::SCOPES, &more.to_le_bytes())
}
