//! Makes a scope known, both lanes. Nobody asks a gate which scopes cover a call, so it has no kind. The accounts are those of
//! `register_scope` of the breaker.

use pinocchio::account::AccountView;
use portcullis_solana_breaker::Result;
use portcullis_solana_breaker::instructions::Call;
use portcullis_solana_breaker::instructions::register_scope::{begin, make};

/// # Errors
/// When the signer may not, or the scope is known already.
#[inline(never)]
pub(super) fn process(call: Call<'_>, accounts: &mut [AccountView]) -> Result<()> {
    let (gate, parts) = begin(call, accounts)?;
    make(call, accounts, &gate, &parts, 0)
}
