//! Asked by a bridge before value leaves. Fails when a scope that covers (bridge, out, corridor, asset) is closed, when none of
//! them is registered, when the signer is not that bridge, or when a limit would be exceeded; else counts the amount
//! against the limits. Refunds, acknowledgements, time-outs and repayments do not ask.
//!
//! | # | account |
//! |---|---|
//! | 0 | consumer of the bridge, signs |
//! | 1 | breaker |
//! | 2 | bridge |
//! | 3 | route |
//! | 4 | book of the escrow, writable; need not exist |
//! | 5 | book of the corridor, writable; need not exist |
//! | 6… | for each bit of the route's mask, from the lowest, the scope of lane 0 and of lane 1 |

use pinocchio::account::AccountView;
use portcullis_solana_breaker::instructions::Call;
use portcullis_solana_breaker::layout::any;
use portcullis_solana_breaker::{
    Breaker, DIRECTION_OUT, Failure, Result, address_of, now, owned, scope_of, signed,
};

use crate::cover::{Flow, Route};
use crate::layout::{bridge, route};
use crate::limits::consume;

/// # Errors
/// As the module says.
#[inline(never)]
pub(super) fn process(call: Call<'_>, accounts: &mut [AccountView]) -> Result<()> {
    let [caller, breaker, of_bridge, of_route, escrow, corridor, scopes @ ..] = accounts else {
        return Err(Failure::Malformed.into());
    };
    let mut args = call.args();
    let flow = Flow { bridge: args.word()?, corridor: args.word()?, asset: args.word()? };
    let amount = args.word()?;
    args.end()?;
    let guard = Breaker::load(call.program, breaker)?;
    let caller = signed(caller)?;
    let foreign = || Failure::ForeignCaller { bridge: flow.bridge, caller };
    if !of_bridge.owned_by(call.program) {
        let (address, _) = address_of(call.program, &[bridge::SEED, &guard.key, &flow.bridge])?;
        let missing = address == *of_bridge.address();
        return Err(if missing { foreign() } else { Failure::WrongAccount(*of_bridge.address()) }.into());
    }
    let bridge_data = owned(call.program, of_bridge, bridge::TAG)?;
    let is_its =
        part(&bridge_data, any::BREAKER) == guard.key && part(&bridge_data, bridge::NAME) == flow.bridge;
    if !is_its {
        return Err(Failure::WrongAccount(*of_bridge.address()).into());
    }
    // SECURITY: only the bridge itself, or else anyone could use up its limits; and nothing before set-up is sealed.
    if part(&bridge_data, bridge::CONSUMER) != caller || !guard.sealed {
        return Err(foreign().into());
    }
    let route_data = owned(call.program, of_route, route::TAG)?;
    let route = Route::check(&route_data, &bridge_data, &guard.key, &flow)?;
    let block = now()?;
    let level = route.level(call.program, block, scopes)?.ok_or_else(|| {
        let caip2 = &guard.caip2_hash;
        Failure::ScopeUnregistered(scope_of(caip2, &flow.bridge, DIRECTION_OUT, &flow.corridor, &flow.asset))
    })?;
    if part(&bridge_data, bridge::LIMITED) != [1] {
        return Ok(());
    }
    let books = [(escrow, route.book(false)), (corridor, route.book(true))];
    consume((call.program, &guard), block, &flow, &amount, level, books)
}

fn part<const N: usize>(data: &[u8], at: usize) -> [u8; N] {
    data.get(at..).and_then(|rest| rest.first_chunk::<N>()).copied().unwrap_or([0; N])
}
