//! Makes a mint known: at home here (locked in a vault), or represented (minted and burned; the demo is its mint authority).
//!
//! | # | account |
//! |---|---|
//! | 0 | owner, signs, writable |
//! | 1 | demo |
//! | 2 | token, writable; made here |
//! | 3 | mint |
//! | 4 | vault: a token account of the demo's; any account for a represented token |
//! | 5 | system program |

use pinocchio::account::AccountView;
use portcullis_solana_breaker::instructions::Call;
use portcullis_solana_breaker::{Failure, New, Result, create, emit, num, signed, store};

use crate::error::Refusal;
use crate::state::{DECIMALS, Demo, HOME, MINT, SMALL_LENGTH, TOKEN, VAULT, part};

/// Where a mint has its number of decimals.
const MINT_DECIMALS: usize = 44;

/// # Errors
/// When the signer may not, or the token is known already.
#[inline(never)]
pub(super) fn process(call: Call<'_>, accounts: &mut [AccountView]) -> Result<()> {
    let [owner, demo, account, mint, vault, ..] = accounts else { return Err(Failure::Malformed.into()) };
    let mut args = call.args();
    let home = args.u8()?;
    args.end()?;
    let demo = Demo::load(call.program, demo)?;
    let caller = signed(owner)?;
    if caller != demo.owner {
        return Err(Refusal::NotOwner(caller).into());
    }
    let decimals: [u8; 1] = part(&mint.try_borrow()?, MINT_DECIMALS);
    let mint = mint.address().as_array();
    let seeds: [&[u8]; 3] = [b"token", &demo.key, mint];
    let (program, breaker) = (call.program, &demo.key);
    let new = New { program, payer: owner, seeds: &seeds, tag: TOKEN, breaker, length: SMALL_LENGTH };
    create(&new, account)?;
    let mut data = account.try_borrow_mut()?;
    store(&mut data, HOME, &[u8::from(home == 1)])?;
    store(&mut data, DECIMALS, &decimals)?;
    store(&mut data, MINT, mint)?;
    store(&mut data, VAULT, vault.address().as_array())?;
    emit(&[b"TokenRegistered", &demo.key, mint, &num(u8::from(home == 1))]);
    Ok(())
}
