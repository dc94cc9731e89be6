//! Which scopes cover an outflow, and what they say together.
//!
//! A route is a page of the guard's own: the addresses of the sixteen accounts that may cover a flow, and which of them are
//! registered. Anybody has it written; the guard writes only what is so. As long as the bridge's number of scopes is that of
//! the route, a scope that the route does not name is not there.

use pinocchio::Address;
use pinocchio::account::AccountView;
use portcullis_rules::{Block, CLOSED, Level, OPEN, ScopeWord};
use portcullis_solana_breaker::layout::{any, scope};
use portcullis_solana_breaker::{ANY, DIRECTION_ANY, DIRECTION_OUT, Failure, Result, Word, is_owned, same};

use crate::layout::{bridge, route};

/// Bits of a scope's kind. Inflow is never asked about.
pub(crate) const ANY_ASSET: u8 = 1;
pub(crate) const ANY_CORRIDOR: u8 = 2;
pub(crate) const ANY_DIRECTION: u8 = 4;
pub(crate) const INFLOW: u8 = 8;
/// How many scopes may cover a flow.
pub(crate) const COVERING: u8 = 8;

/// One asset of a bridge: all of it, or what goes through one corridor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flow {
    /// The bridge's name.
    pub bridge: Word,
    /// The other side; zeros are any.
    pub corridor: Word,
    /// The asset; zeros are any.
    pub asset: Word,
}

/// Direction, corridor and asset of the covering scope with this number.
#[must_use]
pub fn covering(flow: &Flow, kind: u8) -> (u8, Word, Word) {
    (
        if kind & ANY_DIRECTION == 0 { DIRECTION_OUT } else { DIRECTION_ANY },
        if kind & ANY_CORRIDOR == 0 { flow.corridor } else { ANY },
        if kind & ANY_ASSET == 0 { flow.asset } else { ANY },
    )
}

/// A route that was checked: it is the guard's, about this flow, and not stale.
#[derive(Debug)]
pub struct Route<'a> {
    data: &'a [u8; route::LENGTH],
}

impl<'a> Route<'a> {
    /// Checks bridge and route, whose owner and tag were checked, against the guard and the flow.
    ///
    /// # Errors
    /// [`Failure::RouteStale`] when the route is about something else, or scopes were registered since.
    #[inline(always)]
    pub fn check(route_data: &'a [u8], bridge_data: &[u8], guard: &Word, flow: &Flow) -> Result<Self> {
        let stale = || Failure::RouteStale(flow.bridge);
        let data: &[u8; route::LENGTH] = route_data.first_chunk().ok_or_else(stale)?;
        let of_bridge: &[u8; bridge::LENGTH] = bridge_data.first_chunk().ok_or_else(stale)?;
        // SECURITY: a route of another guard, bridge or flow would name scopes that nobody closes.
        let is_its = same(part(data, any::BREAKER), guard)
            && same(part(data, route::BRIDGE), &flow.bridge)
            && same(part(data, route::CORRIDOR), &flow.corridor)
            && same(part(data, route::ASSET), &flow.asset)
            && same(part(of_bridge, any::BREAKER), guard)
            && same(part(of_bridge, bridge::NAME), &flow.bridge)
            && part::<4>(of_bridge, bridge::SCOPES) == part::<4>(data, route::SCOPES);
        if is_its { Ok(Self { data }) } else { Err(stale().into()) }
    }

    /// Bit k: the covering scope k is registered.
    #[must_use]
    pub fn mask(&self) -> u8 {
        let [mask] = part(self.data, route::MASK);
        *mask
    }

    /// The book's address: of the escrow, of the corridor.
    #[must_use]
    pub fn book(&self, of_corridor: bool) -> &Word {
        part(self.data, if of_corridor { route::CORRIDOR_BOOK } else { route::ESCROW_BOOK })
    }

    /// The strictest level of the registered scopes, of both lanes, which are given in the route's order; none when no scope
    /// is registered.
    ///
    /// # Errors
    /// [`Failure::WrongAccount`] for an account that is not the next one of the route; [`Failure::ScopeClosed`] for the first
    /// scope that is closed.
    #[inline(always)]
    pub fn level(&self, program: &Address, block: Block, scopes: &[AccountView]) -> Result<Option<Level>> {
        let (addresses, _) =
            self.data.get(route::ADDRESSES..route::ESCROW_BOOK).unwrap_or_default().as_chunks::<32>();
        let (mask, mut given, mut strictest) = (self.mask(), scopes.iter(), OPEN);
        for (kind, pair) in (0..COVERING).zip(addresses.as_chunks::<2>().0) {
            if mask & 1_u8.wrapping_shl(u32::from(kind)) == 0 {
                continue;
            }
            for address in pair {
                let account = given.next().ok_or(Failure::Malformed)?;
                // SECURITY: exactly the account that the route names, and still the program's own. What lies at the address
                // of a scope, and was registered when the route was written, is that scope for good: nothing ends it.
                if !same(account.address().as_array(), address) || !is_owned(account, program) {
                    return Err(Failure::WrongAccount(*account.address()).into());
                }
                let data = account.try_borrow()?;
                let data: &[u8; scope::LENGTH] = data.first_chunk().ok_or(Failure::BrokenScope)?;
                let level = ScopeWord::level_in(part(data, scope::WORD), block).map_err(Failure::from)?;
                if level == CLOSED {
                    return Err(Failure::ScopeClosed(*part(data, scope::ID)).into());
                }
                strictest = strictest.max(level);
            }
        }
        Ok((mask != 0).then_some(strictest))
    }
}

/// A field of an account whose length is known.
#[inline(always)]
fn part<const N: usize>(data: &[u8], at: usize) -> &[u8; N] {
    const { assert!(N <= 64) };
    static ZEROS: [u8; 64] = [0; 64];
    let nothing: &[u8; N] = ZEROS.first_chunk().unwrap_or(&[0; N]);
    data.get(at..).and_then(|rest| rest.first_chunk()).unwrap_or(nothing)
}
