//! Closes a target that the level of its scope asks for and that is still open. Anybody.
//!
//! | # | account |
//! |---|---|
//! | 0 | breaker |
//! | 1 | scope of lane 0 |
//! | 2 | scope of lane 1 |
//! | 3 | target, writable |
//! | 4 | mint, writable |
//! | 5 | Token-2022 |

use pinocchio::account::AccountView;
use portcullis_rules::Level;
use portcullis_solana_breaker::instructions::Call;
use portcullis_solana_breaker::{Breaker, Failure, Result, known, now};

use crate::target::{DOUBTFUL, FAILED, FOUND, OURS, Target, mark};
use crate::token::{Asked, Authority, holds, pausable, switch};

/// # Errors
/// When an account is not the one that its place asks for.
#[inline(never)]
pub(super) fn process(call: Call<'_>, accounts: &mut [AccountView]) -> Result<()> {
    let (gate, target, level) = begin(call, accounts)?;
    let [gate_account, _, _, account, mint, program, ..] = accounts else {
        return Err(Failure::Malformed.into());
    };
    if level < target.from_level {
        return Ok(());
    }
    let time = now()?.time;
    let state = pausable(mint)?;
    if state.is_some_and(|mint| mint.paused) {
        if target.is_ours() {
            return mark(call.program, account, OURS, time);
        }
        target.say(b"TargetFound", &gate.key, None);
        return mark(call.program, account, FOUND, time);
    }
    if !holds(&gate, state) {
        target.say(b"TargetFailed", &gate.key, Some(true));
        // SECURITY: what the gate closed stays its own to open, whatever a later attempt says.
        let failed = if target.is_ours() { DOUBTFUL } else { FAILED };
        return mark(call.program, account, failed, time);
    }
    let asked = Asked { program, data: &switch(true), accounts: &[mint], gate: gate_account };
    Authority::of(call.program, gate_account)?.call(&asked)?;
    target.say(b"TargetClosed", &gate.key, Some(true));
    mark(call.program, account, OURS, time)
}

/// The gate, the target, and the stricter level of both lanes of its scope.
pub(super) fn begin(call: Call<'_>, accounts: &mut [AccountView]) -> Result<(Breaker, Target, Level)> {
    let [gate, first, second, account, mint, ..] = accounts else { return Err(Failure::Malformed.into()) };
    let mut args = call.args();
    let named = args.word()?;
    args.end()?;
    let gate = Breaker::load(call.program, gate)?;
    let target = Target::load(call.program, account, &gate.key, &named)?;
    if *mint.address().as_array() != named {
        return Err(Failure::WrongAccount(*mint.address()).into());
    }
    let block = now()?;
    let mut level = 0;
    for (lane, account) in [(0, first), (1, second)] {
        let scope = known(call.program, &gate, account, &target.scope)?;
        // SECURITY: the same lane twice would hide the other.
        if scope.lane != lane {
            return Err(Failure::WrongAccount(*account.address()).into());
        }
        level = scope.level(block).max(level);
    }
    Ok((gate, target, level))
}
