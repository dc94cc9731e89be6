//! One file for each instruction that only a Guard has; the others are those of `portcullis_solana_breaker`.

mod check;
mod lower_limits;
mod register_bridge;
mod register_scope;
mod release;
mod route;
mod set_limits;
mod tighten_limits;

use pinocchio::account::AccountView;
use pinocchio::{Address, ProgramResult};
use portcullis_rules::Charging;
use portcullis_solana_breaker::Failure;
use portcullis_solana_breaker::instructions::{Call, process as common};

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
        Some(5) => check::process(call, accounts),
        Some(6) => lower_limits::process(call, accounts),
        Some(7) => tighten_limits::process(call, accounts),
        Some(8) => set_limits::process(call, accounts),
        Some(19) => register_bridge::process(call, accounts),
        Some(20) => register_scope::process(call, accounts),
        Some(21) => route::process(call, accounts),
        _ => common(call, accounts, Charging::Closing)?.ok_or_else(|| Failure::Malformed.into()),
    }
}
