//! Accounts of the program, made and ended.

use pinocchio::account::AccountView;
use pinocchio::cpi::{Seed, Signer, invoke, invoke_signed};
use pinocchio::instruction::{InstructionAccount, InstructionView};
use pinocchio::sysvars::{get_sysvar, rent::RENT_ID};
use pinocchio::{Address, error::ProgramError};

use crate::Result;
use crate::error::Failure;
use crate::layout::any;
use crate::state::store;

const SYSTEM: Address = Address::new_from_array([0; 32]);
/// Bytes that an account costs beside its data.
const OVERHEAD: u64 = 128;
const MAX_SEEDS: usize = 6;

/// The address that the seeds give, and its bump.
///
/// # Errors
/// When no bump gives one, which does not happen.
pub fn address_of(program: &Address, seeds: &[&[u8]]) -> Result<(Address, u8)> {
    #[cfg(target_arch = "bpf")]
    let found = Address::try_find_program_address(seeds, program);
    #[cfg(not(target_arch = "bpf"))]
    // Off chain these programs are only type-checked.
    let found = seeds.first().map(|_| (*program, 0));
    found.ok_or(ProgramError::InvalidSeeds)
}

/// An account that is to be made.
#[derive(Debug, Clone, Copy)]
pub struct New<'a> {
    /// The program that will own it.
    pub program: &'a Address,
    /// Signs, and pays the rent.
    pub payer: &'a AccountView,
    /// What its address is made from.
    pub seeds: &'a [&'a [u8]],
    /// What it begins with.
    pub tag: &'a [u8; 8],
    /// Whose it is.
    pub breaker: &'a [u8; 32],
    /// In bytes.
    pub length: usize,
}

/// Makes an account of this length at the address that the seeds give, with tag, bump and breaker in it. Whoever has sent
/// lamports to that address before does not keep it from being made.
///
/// # Errors
/// [`Failure::WrongAccount`] when the account is another one; [`Failure::NotSigned`] when the payer does not sign.
#[inline(never)]
pub fn create(new: &New<'_>, account: &mut AccountView) -> Result<()> {
    let New { program, payer, seeds, tag, breaker, length } = *new;
    let (address, bump) = address_of(program, seeds)?;
    // SECURITY: only the address that the seeds give, with its own bump, may hold this account.
    if address != *account.address() {
        return Err(Failure::WrongAccount(*account.address()).into());
    }
    if !payer.is_signer() {
        return Err(Failure::NotSigned(*payer.address()).into());
    }
    if !account.owned_by(&SYSTEM) {
        return Err(Failure::AlreadyInitialized(*account.address()).into());
    }
    let bump = [bump];
    let mut with_bump: [Seed<'_>; MAX_SEEDS] = core::array::from_fn(|_| Seed::from(&[]));
    let mut count = 0_usize;
    for (to, from) in with_bump.iter_mut().zip(seeds.iter().copied().chain([bump.as_slice()])) {
        *to = Seed::from(from);
        count = count.saturating_add(1);
    }
    let signer = [Signer::from(with_bump.get(..count).ok_or(ProgramError::MaxSeedLengthExceeded)?)];
    let space = u64::try_from(length).map_err(|_| ProgramError::InvalidArgument)?;
    let missing = rent(space)?.saturating_sub(account.lamports());
    if missing > 0 {
        let data = fields(&2_u32.to_le_bytes(), &missing.to_le_bytes());
        let accounts =
            [InstructionAccount::writable_signer(payer.address()), InstructionAccount::writable(&address)];
        invoke(
            &InstructionView { program_id: &SYSTEM, data: &data, accounts: &accounts },
            &[payer, &*account],
        )?;
    }
    let accounts = [InstructionAccount::writable_signer(&address)];
    let data = fields(&8_u32.to_le_bytes(), &space.to_le_bytes());
    invoke_signed(
        &InstructionView { program_id: &SYSTEM, data: &data, accounts: &accounts },
        &[&*account],
        &signer,
    )?;
    let mut data = [0; 36];
    store(&mut data, 0, &1_u32.to_le_bytes())?;
    store(&mut data, 4, program.as_array())?;
    invoke_signed(
        &InstructionView { program_id: &SYSTEM, data: &data, accounts: &accounts },
        &[&*account],
        &signer,
    )?;
    let mut data = account.try_borrow_mut()?;
    store(&mut data, 0, tag)?;
    store(&mut data, any::BUMP, &bump)?;
    store(&mut data, any::BREAKER, breaker)
}

/// Ends an account of this program and gives its lamports to another.
///
/// # Errors
/// [`Failure::WrongAccount`] when one of both is not writable.
pub fn close(account: &mut AccountView, to: &mut AccountView) -> Result<()> {
    for one in [&*account, &*to] {
        if !one.is_writable() {
            return Err(Failure::WrongAccount(*one.address()).into());
        }
    }
    let sum = to.lamports().checked_add(account.lamports()).ok_or(ProgramError::ArithmeticOverflow)?;
    to.set_lamports(sum);
    account.set_lamports(0);
    account.close()
}

/// What an account of this length must hold to stay.
fn rent(space: u64) -> Result<u64> {
    let mut sysvar = [0_u8; 16];
    get_sysvar(&mut sysvar, &RENT_ID, 0)?;
    let [per_byte @ .., _, _, _, _, _, _, _, _] = sysvar;
    let [_, _, _, _, _, _, _, _, years @ ..] = sysvar;
    // The price is per byte and year, for so many years; newer clusters have one price and the number one.
    let doubled = match u64::from_le_bytes(years) {
        0x3ff0_0000_0000_0000 => 0,
        0x4000_0000_0000_0000 => 1,
        _ => return Err(ProgramError::UnsupportedSysvar),
    };
    let small = |number: u64| u32::try_from(number).map_err(|_| ProgramError::ArithmeticOverflow);
    let bytes = small(space.saturating_add(OVERHEAD))?;
    let price = small(u64::from_le_bytes(per_byte).wrapping_shl(doubled))?;
    // Two numbers of 32 bits: the product fits, and the machine has no wider one to ask with.
    Ok(u64::from(bytes).wrapping_mul(u64::from(price)))
}

/// A number of the system program's instruction and its argument.
fn fields(number: &[u8; 4], argument: &[u8; 8]) -> [u8; 12] {
    let mut data = [0; 12];
    let (head, tail) = data.split_at_mut(4);
    head.copy_from_slice(number);
    tail.copy_from_slice(argument);
    data
}
