//! Ends closure and hold of one lane, and raises its generation; `restore` opens the targets. The accounts are those of `release` of
//! the breaker.

use pinocchio::account::AccountView;
use portcullis_solana_breaker::Result;
use portcullis_solana_breaker::instructions::{Call, release};

/// # Errors
/// As `release` of the breaker.
pub(super) fn process(call: Call<'_>, accounts: &mut [AccountView]) -> Result<()> {
    release::process(call, accounts).map(drop)
}
