//! Ends the marker of a signed trip whose deadline has passed: the signature is refused without it from then on. Anybody.
//!
//! | # | account |
//! |---|---|
//! | 0 | who paid for it, writable: gets the rent |
//! | 1 | used marker, writable; ends here |

use pinocchio::account::AccountView;

use super::Call;
use crate::error::Failure;
use crate::layout::used;
use crate::state::{part, writable};
use crate::{Result, close, now};

/// # Errors
/// When the deadline has not passed, or another account would get the rent.
#[inline(never)]
pub fn process(call: Call<'_>, accounts: &mut [AccountView]) -> Result<()> {
    let [payer, marker, ..] = accounts else { return Err(Failure::Malformed.into()) };
    call.args().end()?;
    let data = writable(call.program, marker, used::TAG)?;
    let deadline = u64::from_le_bytes(part(&data, used::DEADLINE));
    let paid = part::<32>(&data, used::PAYER);
    drop(data);
    if now()?.time <= deadline {
        return Err(Failure::DeadlineNotPassed(deadline).into());
    }
    if paid != payer.address().to_bytes() {
        return Err(Failure::WrongAccount(*payer.address()).into());
    }
    close(marker, payer)
}
