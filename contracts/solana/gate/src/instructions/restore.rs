//! Opens a target that the gate closed and that the level of its scope does not ask for any more. Anybody. The accounts are those of
//! `enforce`.

use pinocchio::account::AccountView;
use portcullis_solana_breaker::instructions::Call;
use portcullis_solana_breaker::{Failure, Result, now};

use super::enforce::begin;
use crate::target::{OPEN, STUCK, mark};
use crate::token::{Asked, Authority, holds, pausable, switch};

/// # Errors
/// When an account is not the one that its place asks for.
#[inline(never)]
pub(super) fn process(call: Call<'_>, accounts: &mut [AccountView]) -> Result<()> {
    let (gate, target, level) = begin(call, accounts)?;
    let [gate_account, _, _, account, mint, program, ..] = accounts else {
        return Err(Failure::Malformed.into());
    };
    if level >= target.from_level || !target.is_ours() {
        return Ok(());
    }
    let time = now()?.time;
    let state = pausable(mint)?;
    if state.is_some_and(|mint| !mint.paused) {
        target.say(b"TargetRestored", &gate.key, Some(false));
        return mark(call.program, account, OPEN, time);
    }
    if !holds(&gate, state) {
        target.say(b"TargetFailed", &gate.key, Some(false));
        return mark(call.program, account, STUCK, time);
    }
    let asked = Asked { program, data: &switch(false), accounts: &[mint], gate: gate_account };
    Authority::of(call.program, gate_account)?.call(&asked)?;
    target.say(b"TargetRestored", &gate.key, Some(true));
    mark(call.program, account, OPEN, time)
}
