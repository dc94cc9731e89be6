//! One file for each instruction that only a Gate has; the others are those of `portcullis_solana_breaker`.

mod add_target;
mod enforce;
mod freeze;
mod hand_back;
mod register_scope;
mod release;
mod remove_target;
mod restore;
mod thaw;

use pinocchio::account::AccountView;
use pinocchio::{Address, ProgramResult};
use portcullis_rules::Charging;
use portcullis_solana_breaker::Failure;
use portcullis_solana_breaker::instructions::{Call, process as common};

/// SECURITY: a target may close at the limited level already, and a stolen key must not do that for ever.
const CHARGING: Charging = Charging::ClosingAndLimiting;

/// Does what an instruction says.
///
/// # Errors
/// As the instruction says.
#[inline(always)]
pub fn process(program: &Address, accounts: &mut [AccountView], data: &[u8]) -> ProgramResult {
    dispatch(Call { program, data }, accounts)
}

/// At most five arguments: the machine passes no more.
#[inline(never)]
fn dispatch(call: Call<'_>, accounts: &mut [AccountView]) -> ProgramResult {
    match call.data.first() {
        Some(4) => release::process(call, accounts),
        Some(20) => register_scope::process(call, accounts),
        Some(30) => add_target::process(call, accounts),
        Some(31) => remove_target::process(call, accounts),
        Some(32) => enforce::process(call, accounts),
        Some(33) => restore::process(call, accounts),
        Some(34) => hand_back::process(call, accounts),
        Some(35) => freeze::process(call, accounts),
        Some(36) => thaw::process(call, accounts),
        _ => common(call, accounts, CHARGING)?.ok_or_else(|| Failure::Malformed.into()),
    }
}
