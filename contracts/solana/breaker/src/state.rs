//! Accounts, read and checked.

use pinocchio::account::{AccountView, Ref, RefMut};
use pinocchio::{Address, error::ProgramError};
use portcullis_rules::{CLOSED, Config, Level, ScopeWord};

use crate::create::address_of;
use crate::error::Failure;
use crate::layout::{any, breaker, scope};
use crate::machine::same;
use crate::{Result, Word};

/// The fields of a breaker account.
#[derive(Debug, Clone, Copy)]
pub struct Breaker {
    /// Its address.
    pub key: Word,
    /// Whether set-up is over.
    pub sealed: bool,
    /// What never changes.
    pub config: Config,
    /// Keccak-256 of the chain's CAIP-2 name.
    pub caip2_hash: Word,
    /// Configures.
    pub owner: Word,
    /// Shortens; zeros are nobody.
    pub releaser: Word,
    /// Holds; zeros are nobody.
    pub guardian: Word,
}

impl Breaker {
    /// Reads it.
    ///
    /// # Errors
    /// [`Failure::WrongAccount`].
    pub fn load(program: &Address, account: &AccountView) -> Result<Self> {
        let data = owned(program, account, breaker::TAG)?;
        let wrong = || Failure::WrongAccount(*account.address());
        let data: &[u8; breaker::LENGTH] = data.first_chunk().ok_or_else(wrong)?;
        let number = |at| u32::from_le_bytes(part(data, at));
        Ok(Self {
            key: account.address().to_bytes(),
            sealed: part(data, breaker::SEALED) == [1],
            config: Config {
                max_seconds: number(breaker::MAX_SECONDS),
                max_blocks: number(breaker::MAX_BLOCKS),
                limited_tail_seconds: number(breaker::TAIL_SECONDS),
                limited_tail_blocks: number(breaker::TAIL_BLOCKS),
                budget_window_hours: u16::from_le_bytes(part(data, breaker::WINDOW_HOURS)),
            },
            caip2_hash: part(data, breaker::CAIP2),
            owner: part(data, breaker::OWNER),
            releaser: part(data, breaker::RELEASER),
            guardian: part(data, breaker::GUARDIAN),
        })
    }
}

/// What an instruction needs of a scope's account.
#[derive(Debug, Clone, Copy)]
pub struct Scope {
    /// Its id.
    pub id: Word,
    /// 0 or 1.
    pub lane: u8,
    /// Its state.
    pub word: ScopeWord,
}

impl Scope {
    /// Its level at a time.
    #[must_use]
    pub fn level(&self, block: portcullis_rules::Block) -> Level {
        self.word.level(block)
    }
}

/// Bytes at an offset that the layout gives; zeros beyond the end, which a check of the length has ruled out before.
pub(crate) fn part<const N: usize>(data: &[u8], at: usize) -> [u8; N] {
    data.get(at..).and_then(|rest| rest.first_chunk::<N>()).copied().unwrap_or([0; N])
}

/// Writes bytes at an offset that the layout gives.
///
/// # Errors
/// When the account is shorter than its layout.
#[inline(always)]
pub fn store(data: &mut [u8], at: usize, value: &[u8]) -> Result<()> {
    let to = data.get_mut(at..).and_then(|rest| rest.get_mut(..value.len()));
    to.ok_or(ProgramError::AccountDataTooSmall)?.copy_from_slice(value);
    Ok(())
}

/// Whether a program owns an account. Eight bytes at a time: what the compiler makes of `owned_by` here is a comparison byte by
/// byte, a hundred units for each account.
#[inline(always)]
#[must_use]
pub fn is_owned(account: &AccountView, program: &Address) -> bool {
    same(account.owner().as_array(), program.as_array())
}

/// The data of an account that this program owns and that begins with the tag.
///
/// # Errors
/// [`Failure::WrongAccount`].
pub fn owned<'a>(program: &Address, account: &'a AccountView, tag: &[u8; 8]) -> Result<Ref<'a, [u8]>> {
    if !is_owned(account, program) {
        return Err(Failure::WrongAccount(*account.address()).into());
    }
    let data = account.try_borrow()?;
    if data.first_chunk() != Some(tag) {
        return Err(Failure::WrongAccount(*account.address()).into());
    }
    Ok(data)
}

/// The same, to write to.
///
/// # Errors
/// [`Failure::WrongAccount`], also when it is not writable.
pub fn writable<'a>(
    program: &Address,
    account: &'a mut AccountView,
    tag: &[u8; 8],
) -> Result<RefMut<'a, [u8]>> {
    if !account.is_writable() {
        return Err(Failure::WrongAccount(*account.address()).into());
    }
    drop(owned(program, account, tag)?);
    account.try_borrow_mut()
}

/// The address of an account that signed.
///
/// # Errors
/// [`Failure::NotSigned`].
pub fn signed(account: &AccountView) -> Result<Word> {
    if !account.is_signer() {
        return Err(Failure::NotSigned(*account.address()).into());
    }
    Ok(account.address().to_bytes())
}

/// The account of a scope of this breaker, either lane.
///
/// # Errors
/// [`Failure::ScopeUnregistered`] when the account is missing at an address that is the scope's;
/// [`Failure::WrongAccount`] for any other account.
pub fn known(program: &Address, breaker: &Breaker, account: &AccountView, id: &Word) -> Result<Scope> {
    if !account.owned_by(program) {
        // SECURITY: missing is only what is missing where it must be.
        let is_at = |lane: u8| {
            let seeds: [&[u8]; 4] = [scope::SEED, &breaker.key, id, &[lane]];
            address_of(program, &seeds).is_ok_and(|(address, _)| address == *account.address())
        };
        if is_at(0) || is_at(1) {
            return Err(Failure::ScopeUnregistered(*id).into());
        }
        return Err(Failure::WrongAccount(*account.address()).into());
    }
    let data = owned(program, account, scope::TAG)?;
    parse_scope(&data, &breaker.key)
        .filter(|found| found.id == *id)
        .ok_or_else(|| Failure::WrongAccount(*account.address()).into())
}

/// Reads the data of a scope's account, whose tag was checked; none when it belongs to another breaker or is broken.
#[must_use]
pub fn parse_scope(data: &[u8], breaker: &Word) -> Option<Scope> {
    let data: &[u8; scope::LENGTH] = data.first_chunk()?;
    if part::<32>(data, any::BREAKER) != *breaker {
        return None;
    }
    let word = ScopeWord::unpack(&part(data, scope::WORD)).ok()?;
    debug_assert!(word.hold <= CLOSED);
    let [lane] = part(data, scope::LANE);
    Some(Scope { id: part(data, scope::ID), lane, word })
}
