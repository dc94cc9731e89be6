//! A mint that belongs to a scope of the Gate, and what the last attempt left of it.

use pinocchio::Address;
use pinocchio::account::AccountView;
use portcullis_solana_breaker::layout::any;
use portcullis_solana_breaker::{Failure, Result, Word, address_of, emit, num, owned, store, writable};

pub(crate) const TAG: &[u8; 8] = b"PCTARGE1";
pub(crate) const SEED: &[u8] = b"target";
pub(crate) const LENGTH: usize = 128;
pub(crate) const MARK: usize = 9;
pub(crate) const FROM_LEVEL: usize = 10;
pub(crate) const SCOPE: usize = 48;
pub(crate) const MINT: usize = 80;
const TIME: usize = 112;

/// The number of this kind of switch, beside those of the other machines.
pub(crate) const KIND: u8 = 7;

/// The gate has not closed it, or has opened it again.
pub(crate) const OPEN: u8 = 1;
/// The gate closed it, and will restore it.
pub(crate) const OURS: u8 = 2;
/// It was closed already, by others: it stays closed until people open it.
pub(crate) const FOUND: u8 = 3;
/// It could not be closed.
pub(crate) const FAILED: u8 = 4;
/// The gate closed it, and could not open it.
pub(crate) const STUCK: u8 = 5;
/// The gate had closed it; it is open, and could not be closed again.
pub(crate) const DOUBTFUL: u8 = 6;

/// The fields of a target's account.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Target {
    pub(crate) mark: u8,
    pub(crate) from_level: u8,
    pub(crate) scope: Word,
    pub(crate) mint: Word,
}

impl Target {
    /// The target of this mint.
    pub(crate) fn load(program: &Address, account: &AccountView, gate: &Word, mint: &Word) -> Result<Self> {
        if !account.owned_by(program) {
            return Err(if is_at(program, account, gate, mint)? {
                Failure::TargetUnknown(*mint)
            } else {
                Failure::WrongAccount(*account.address())
            }
            .into());
        }
        let data = owned(program, account, TAG)?;
        let [mark] = part(&data, MARK);
        let [from_level] = part(&data, FROM_LEVEL);
        let target = Self { mark, from_level, scope: part(&data, SCOPE), mint: part(&data, MINT) };
        if part(&data, any::BREAKER) != *gate || target.mint != *mint {
            return Err(Failure::WrongAccount(*account.address()).into());
        }
        Ok(target)
    }

    /// Whether the gate closed it and owes its opening.
    pub(crate) fn is_ours(&self) -> bool {
        matches!(self.mark, OURS | STUCK | DOUBTFUL)
    }

    /// An event about it: scope, account, kind, argument, and what follows.
    pub(crate) fn say(&self, name: &[u8], gate: &Word, more: Option<bool>) {
        let (kind, none) = (num(KIND), [0; 32]);
        match more.map(|more| num(u8::from(more))) {
            Some(more) => emit(&[name, gate, &self.scope, &self.mint, &kind, &none, &more]),
            None => emit(&[name, gate, &self.scope, &self.mint, &kind, &none]),
        }
    }
}

/// Whether the account is where the target of this mint would be.
pub(crate) fn is_at(program: &Address, account: &AccountView, gate: &Word, mint: &Word) -> Result<bool> {
    let seeds: [&[u8]; 3] = [SEED, gate, mint];
    Ok(address_of(program, &seeds)?.0 == *account.address())
}

/// Writes a mark, and when (Unix seconds).
pub(crate) fn mark(program: &Address, account: &mut AccountView, mark: u8, time: u64) -> Result<()> {
    let mut data = writable(program, account, TAG)?;
    store(&mut data, MARK, &[mark])?;
    store(&mut data, TIME, &num(time))
}

/// A field of an account whose length its tag gives.
pub(crate) fn part<const N: usize>(data: &[u8], at: usize) -> [u8; N] {
    data.get(at..).and_then(|rest| rest.first_chunk::<N>()).copied().unwrap_or([0; N])
}
