//! One file for each instruction that a Guard and a Gate have in common.

mod apply;
pub mod cancel;
pub mod forget;
pub mod grant_tripper;
pub mod hold;
pub mod initialize;
pub mod register_scope;
pub mod release;
pub mod revoke_guardian;
pub mod revoke_releaser;
pub mod revoke_tripper;
mod roles;
pub mod schedule;
pub mod seal;
pub mod set_guardian;
pub mod set_releaser;
pub mod transfer_ownership;
pub mod trip;
pub mod trip_signed;
mod tripper;

use pinocchio::Address;
use pinocchio::account::AccountView;
use portcullis_rules::Charging;

use crate::args::Args;
use crate::error::Failure;
use crate::{Result, Trip, Word};

pub use roles::{owner_call, require_guardian_or_releaser, require_owner, require_releaser};
pub use tripper::{charge, left_seconds, require_tripper};

/// What was sent: to which program, with which data.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// The program that runs.
    pub program: &'a Address,
    /// The number of the instruction and its arguments.
    pub data: &'a [u8],
}

impl<'a> Call<'a> {
    /// The arguments.
    #[must_use]
    pub fn args(&self) -> Args<'a> {
        Args(self.data.get(1..).unwrap_or_default())
    }
}

/// Does what a common instruction says; none when the number is not one of them.
///
/// # Errors
/// As the instruction says.
#[inline(never)]
pub fn process(call: Call<'_>, accounts: &mut [AccountView], charging: Charging) -> Result<Option<()>> {
    match call.data.first().ok_or(Failure::Malformed)? {
        0 => initialize::process(call, accounts),
        1 => trip::process(call, accounts, charging),
        2 => trip_signed::process(call, accounts, charging),
        3 => hold::process(call, accounts),
        9 => seal::process(call, accounts),
        10 => schedule::process(call, accounts),
        11 => cancel::process(call, accounts),
        12 => revoke_releaser::process(call, accounts),
        13 => revoke_guardian::process(call, accounts),
        14 => revoke_tripper::process(call, accounts),
        15 => transfer_ownership::process(call, accounts),
        16 => set_releaser::process(call, accounts),
        17 => set_guardian::process(call, accounts),
        18 => grant_tripper::process(call, accounts),
        22 => forget::process(call, accounts),
        _ => return Ok(None),
    }
    .map(Some)
}

/// An account that is not zeros.
///
/// # Errors
/// [`Failure::ZeroAccount`].
pub fn somebody(account: Word) -> Result<Word> {
    if account == [0; 32] { Err(Failure::ZeroAccount.into()) } else { Ok(account) }
}

/// A trip that succeeded without effect. Reasons: 1 other generation, 2 nothing to extend, 3 budget spent, 4 signed
/// action already used.
fn ignored(breaker: &Word, trip: &Trip, action_id: &Word, reason: u8) {
    let reason = crate::num(reason);
    crate::emit(&[b"TripIgnored", breaker, &trip.scope, &trip.incident, action_id, &reason]);
}
