//! Releases or mints, after asking the guard.
//!
//! | # | account |
//! |---|---|
//! | 0 | payer, signs, writable |
//! | 1 | demo |
//! | 2 | token |
//! | 3 | leaf, writable; made here when nobody proved it |
//! | 4 | mint, writable |
//! | 5 | recipient's token account, writable |
//! | 6 | vault, writable |
//! | 7 | token program |
//! | 8 | system program |
//! | 9 | guard's program |
//! | 10… | those of the guard's `check`; the first is the demo again, as the consumer |

use pinocchio::Address;
use pinocchio::account::AccountView;
use pinocchio::cpi::{Seed, Signer};
use portcullis_solana_breaker::instructions::Call;
use portcullis_solana_breaker::{
    Failure, New, Result, Word, create, emit, keccak256, num, owned, store, units, writable,
};
use portcullis_solana_guard::Flow;
use portcullis_solana_guarded::Guarded;

use crate::error::Refusal;
use crate::state::{
    BRIDGE, DEMO, Demo, GUARD, GUARD_PROGRAM, LEAF, LEAF_ID, PROCESSED, SMALL_LENGTH, Token, leaf, padded,
    part,
};
use crate::token::Move;

/// A message that arrived. Copies of one message with another nonce are distinct leaves, as they were in reality.
struct Message {
    origin: u32,
    id: Word,
    amount: u64,
    nonce: Word,
}

/// # Errors
/// When the message was not proven, counts already, or the guard refuses.
#[inline(never)]
pub(super) fn process(call: Call<'_>, accounts: &mut [AccountView]) -> Result<()> {
    let mut args = call.args();
    let message = Message { origin: args.u32()?, id: args.word()?, amount: args.u64()?, nonce: args.word()? };
    args.end()?;
    accept(call, accounts, &message)?;
    // Before the payout; a refusal undoes everything above and below.
    ask(call, accounts, &message)?;
    pay(call, accounts, &message)
}

/// Each message counts once, and only when its root is acceptable.
#[inline(never)]
fn accept(call: Call<'_>, accounts: &mut [AccountView], message: &Message) -> Result<()> {
    let [payer, demo, _, account, mint, to, ..] = accounts else { return Err(Failure::Malformed.into()) };
    let demo = Demo::load(call.program, demo)?;
    let id = keccak256(&[
        &padded(message.origin.into()),
        &message.id,
        mint.address().as_array(),
        &padded(message.amount),
        to.address().as_array(),
        &message.nonce,
    ]);
    if !account.owned_by(call.program) {
        let seeds: [&[u8]; 3] = [b"leaf", &demo.key, &id];
        let (program, breaker) = (call.program, &demo.key);
        let new = New { program, payer, seeds: &seeds, tag: LEAF, breaker, length: SMALL_LENGTH };
        create(&new, account)?;
        store(&mut account.try_borrow_mut()?, LEAF_ID, &id)?;
    }
    let (processed, root) = leaf(call.program, account, &demo.key, &id)?;
    if processed {
        return Err(Refusal::AlreadyProcessed(id).into());
    }
    // The mistake: once zero is confirmed, this takes every message that was never proven.
    let acceptable =
        root == keccak256(&[b"portcullis.demo.root"]) || (root == [0; 32] && demo.zero_confirmed);
    if !acceptable {
        return Err(Refusal::NotProven(id).into());
    }
    store(&mut writable(call.program, account, LEAF)?, PROCESSED, &[1])
}

/// The guard that the owner has named, about this corridor and asset.
#[inline(never)]
fn ask(call: Call<'_>, accounts: &mut [AccountView], message: &Message) -> Result<()> {
    let [_, demo_account, _, _, mint, _, _, _, _, _, asked @ ..] = accounts else {
        return Err(Failure::Malformed.into());
    };
    let demo = Demo::load(call.program, demo_account)?;
    let data = owned(call.program, demo_account, DEMO)?;
    let (program, guard): (Word, Word) = (part(&data, GUARD_PROGRAM), part(&data, GUARD));
    let flow = Flow {
        bridge: part(&data, BRIDGE),
        corridor: padded(message.origin.into()),
        asset: mint.address().to_bytes(),
    };
    drop(data);
    let bump = demo.bump;
    let seeds = [Seed::from(b"demo"), Seed::from(&demo.creator), Seed::from(&demo.name), Seed::from(&bump)];
    let program = Address::new_from_array(program);
    let guarded = Guarded { program: &program, guard: &guard };
    // What the question costs can be read from the log.
    units();
    guarded.check_outflow(asked, &flow, message.amount, &[Signer::from(&seeds)])?;
    units();
    Ok(())
}

#[inline(never)]
fn pay(call: Call<'_>, accounts: &mut [AccountView], message: &Message) -> Result<()> {
    let [_, demo_account, token, _, mint, to, vault, program, ..] = accounts else {
        return Err(Failure::Malformed.into());
    };
    let demo = Demo::load(call.program, demo_account)?;
    let token = Token::load(call.program, token, &demo.key, mint)?;
    let bump = demo.bump;
    let seeds = [Seed::from(b"demo"), Seed::from(&demo.creator), Seed::from(&demo.name), Seed::from(&bump)];
    let signer = [Signer::from(&seeds)];
    let (amount, decimals) = (message.amount, token.decimals);
    let moved = Move { program, mint, authority: demo_account, amount, decimals, signer: &signer };
    let name: &[u8] = if token.home {
        if vault.address().as_array() != &token.vault {
            return Err(Failure::WrongAccount(*vault.address()).into());
        }
        moved.transfer(vault, to)?;
        b"Released"
    } else {
        moved.mint(to)?;
        b"Minted"
    };
    let (mint, to) = (mint.address().as_array(), to.address().as_array());
    emit(&[name, &demo.key, &num(message.origin), &message.id, mint, to, &num(message.amount)]);
    Ok(())
}
