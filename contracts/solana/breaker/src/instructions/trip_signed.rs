//! Raises a scope to a level on behalf of the tripper who signed; anyone may submit it, once per lane.
//!
//! The machine itself checks the signature, in an instruction of its ed25519 program that stands in the same transaction:
//! that the transaction runs at all says that it holds. What is left to check is what was signed, and by whom.
//!
//! | # | account |
//! |---|---|
//! | 0 | payer, signs, writable |
//! | 1 | breaker |
//! | 2 | scope, either lane, writable |
//! | 3 | tripper's account, writable |
//! | 4 | used marker of action and lane, writable; made here |
//! | 5 | instructions sysvar |
//! | 6 | system program |

use pinocchio::Address;
use pinocchio::account::AccountView;
use pinocchio::sysvars::instructions::Instructions;
use portcullis_rules::Charging;

use super::apply::{Asked, apply};
use super::{Call, ignored, require_tripper};
use crate::error::Failure;
use crate::layout::used;
use crate::state::{Breaker, known, part, store};
use crate::{New, Result, Trip, Word, action_id, create, now, num, returns, trip_message};

const ALREADY_USED: u8 = 4;
/// `Ed25519SigVerify111111111111111111111111111`.
const ED25519: Address = Address::new_from_array([
    0x03, 0x7d, 0x46, 0xd6, 0x7c, 0x93, 0xfb, 0xbe, 0x12, 0xf9, 0x42, 0x8f, 0x83, 0x8d, 0x40, 0xff, 0x05,
    0x70, 0x74, 0x49, 0x27, 0xf4, 0x8a, 0x64, 0xfc, 0xca, 0x70, 0x44, 0x80, 0x00, 0x00, 0x00,
]);
/// What says "in this instruction itself".
const HERE: u16 = u16::MAX;

/// Answers one byte: whether it took effect.
///
/// # Errors
/// As `trip`, and for a signature that is late or was made for something else.
#[inline(never)]
pub fn process(call: Call<'_>, accounts: &mut [AccountView], charging: Charging) -> Result<()> {
    let [payer, breaker, scope, paying, marker, sysvar, ..] = accounts else {
        return Err(Failure::Malformed.into());
    };
    let mut args = call.args();
    let trip = Trip::read(&mut args)?;
    let (deadline, index) = (args.u64()?, args.u16()?);
    args.end()?;
    let breaker = Breaker::load(call.program, breaker)?;
    let block = now()?;
    if block.time > deadline {
        return Err(Failure::SignatureExpired(deadline).into());
    }
    let id = action_id(&breaker.caip2_hash, &breaker.key, &trip);
    let tripper = signer(sysvar, index, &trip_message(&id, deadline, &trip.record))?;
    require_tripper(call, &breaker, paying, &tripper)?;
    let lane = [known(call.program, &breaker, scope, &trip.scope)?.lane];
    let seeds: [&[u8]; 4] = [used::SEED, &breaker.key, &id, &lane];
    if marker.owned_by(call.program) {
        // SECURITY: a marker that exists is only looked at where it must be.
        if crate::address_of(call.program, &seeds)?.0 != *marker.address() {
            return Err(Failure::WrongAccount(*marker.address()).into());
        }
        ignored(&breaker.key, &trip, &id, ALREADY_USED);
        returns(&[0]);
        return Ok(());
    }
    let asked = Asked { call, breaker: &breaker, block, trip: &trip, id: &id, tripper: &tripper, charging };
    let changed = apply(&asked, scope, paying)?;
    if changed {
        let new = New {
            program: call.program,
            payer,
            seeds: &seeds,
            tag: used::TAG,
            breaker: &breaker.key,
            length: used::LENGTH,
        };
        create(&new, marker)?;
        let mut data = marker.try_borrow_mut()?;
        store(&mut data, used::ACTION, &id)?;
        store(&mut data, used::DEADLINE, &num(deadline))?;
        store(&mut data, used::PAYER, payer.address().as_array())?;
    }
    returns(&[u8::from(changed)]);
    Ok(())
}

/// Whose signature of this message the machine has checked, in the instruction at this index.
fn signer(sysvar: &AccountView, index: u16, message: &Word) -> Result<Word> {
    let instructions =
        Instructions::try_from(sysvar).map_err(|_| Failure::WrongAccount(*sysvar.address()))?;
    let checked = instructions.load_instruction_at(index.into()).map_err(|_| Failure::InvalidSignature)?;
    let data = checked.get_instruction_data();
    let number = |at| u16::from_le_bytes(part(data, at));
    // SECURITY: one signature, and key, signature and message in the instruction itself: an index elsewhere would make
    // the machine check other bytes than those that are read here.
    let is_plain = *checked.get_program_id() == ED25519
        && data.first() == Some(&1)
        && [4, 8, 14].into_iter().all(|at| number(at) == HERE)
        && number(12) == 32;
    let text = |at: u16| data.get(usize::from(at)..).and_then(|rest| rest.first_chunk::<32>());
    match (text(number(6)), text(number(10))) {
        (Some(key), Some(signed)) if is_plain && signed == message => Ok(*key),
        _ => Err(Failure::InvalidSignature.into()),
    }
}
