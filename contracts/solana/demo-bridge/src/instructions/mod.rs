//! One file for each instruction.

mod initialize;
mod payout;
mod prove;
mod register_token;
mod send;
mod upgrade;

use pinocchio::account::AccountView;
use pinocchio::{Address, ProgramResult};
use portcullis_solana_breaker::Failure;
use portcullis_solana_breaker::instructions::Call;

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
        Some(0) => initialize::process(call, accounts),
        Some(1) => register_token::process(call, accounts),
        Some(2) => send::process(call, accounts),
        Some(3) => prove::process(call, accounts),
        Some(4) => payout::process(call, accounts),
        Some(5) => upgrade::process(call, accounts),
        _ => Err(Failure::Malformed.into()),
    }
}
