//! Locks or burns. Does not ask the guard: what comes in stays open.
//!
//! | # | account |
//! |---|---|
//! | 0 | sender, signs |
//! | 1 | demo |
//! | 2 | token |
//! | 3 | mint, writable |
//! | 4 | sender's token account, writable |
//! | 5 | vault, writable |
//! | 6 | token program |

use pinocchio::account::AccountView;
use portcullis_solana_breaker::instructions::Call;
use portcullis_solana_breaker::{Failure, Result, emit, num, signed};

use crate::state::{Demo, Token};
use crate::token::Move;

/// # Errors
/// When the token is unknown, or the sender has not that much.
#[inline(never)]
pub(super) fn process(call: Call<'_>, accounts: &mut [AccountView]) -> Result<()> {
    let [sender, demo, token, mint, from, vault, program, ..] = accounts else {
        return Err(Failure::Malformed.into());
    };
    let mut args = call.args();
    let (destination, amount) = (args.u32()?, args.u64()?);
    let (recipient, message_id) = (args.word()?, args.word()?);
    args.end()?;
    let demo = Demo::load(call.program, demo)?;
    let caller = signed(sender)?;
    let token = Token::load(call.program, token, &demo.key, mint)?;
    let decimals = token.decimals;
    let moved = Move { program, mint, authority: sender, amount, decimals, signer: &[] };
    let name: &[u8] = if token.home {
        if vault.address().as_array() != &token.vault {
            return Err(Failure::WrongAccount(*vault.address()).into());
        }
        moved.transfer(from, vault)?;
        b"Deposited"
    } else {
        moved.burn(from)?;
        b"Burned"
    };
    let mint = mint.address().as_array();
    let (destination, amount) = (num(destination), num(amount));
    emit(&[name, &demo.key, &destination, &message_id, mint, &caller, &recipient, &amount]);
    Ok(())
}
