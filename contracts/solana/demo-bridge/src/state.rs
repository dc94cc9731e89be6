//! What the bridge keeps; the offsets stand in `contracts/solana/README.md`.

use pinocchio::Address;
use pinocchio::account::AccountView;
use portcullis_solana_breaker::{Failure, Result, Word, owned};

use crate::error::Refusal;

pub(crate) const DEMO: &[u8; 8] = b"PCDEMOB1";
pub(crate) const TOKEN: &[u8; 8] = b"PCTOKEN1";
pub(crate) const LEAF: &[u8; 8] = b"PCLEAFM1";
pub(crate) const DEMO_LENGTH: usize = 272;
pub(crate) const SMALL_LENGTH: usize = 112;

/// Whether zero became acceptable.
pub(crate) const ZERO_CONFIRMED: usize = 9;
pub(crate) const OWNER: usize = 16;
pub(crate) const UPDATER: usize = 48;
pub(crate) const GUARD_PROGRAM: usize = 80;
pub(crate) const GUARD: usize = 112;
pub(crate) const BRIDGE: usize = 144;
pub(crate) const ROOT: usize = 176;
pub(crate) const CREATOR: usize = 208;
pub(crate) const NAME: usize = 240;

pub(crate) const HOME: usize = 9;
pub(crate) const DECIMALS: usize = 10;
pub(crate) const MINT: usize = 48;
pub(crate) const VAULT: usize = 80;

pub(crate) const PROCESSED: usize = 9;
pub(crate) const LEAF_ID: usize = 48;
pub(crate) const LEAF_ROOT: usize = 80;

/// Whose account it is: the demo's, in a token and a leaf.
const OF: usize = 16;

/// The fields of a demo account that calls need.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Demo {
    pub(crate) key: Word,
    pub(crate) bump: [u8; 1],
    pub(crate) zero_confirmed: bool,
    pub(crate) owner: Word,
    pub(crate) updater: Word,
    pub(crate) root: Word,
    pub(crate) creator: Word,
    pub(crate) name: Word,
}

impl Demo {
    pub(crate) fn load(program: &Address, account: &AccountView) -> Result<Self> {
        let data = owned(program, account, DEMO)?;
        Ok(Self {
            key: account.address().to_bytes(),
            bump: part(&data, 8),
            zero_confirmed: part(&data, ZERO_CONFIRMED) == [1],
            owner: part(&data, OWNER),
            updater: part(&data, UPDATER),
            root: part(&data, ROOT),
            creator: part(&data, CREATOR),
            name: part(&data, NAME),
        })
    }
}

/// A registered token.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Token {
    pub(crate) home: bool,
    pub(crate) decimals: u8,
    pub(crate) vault: Word,
}

impl Token {
    /// The token of this mint.
    pub(crate) fn load(
        program: &Address,
        account: &AccountView,
        demo: &Word,
        mint: &AccountView,
    ) -> Result<Self> {
        let mint = mint.address().as_array();
        if !account.owned_by(program) {
            return Err(Refusal::TokenUnknown(*mint).into());
        }
        let data = owned(program, account, TOKEN)?;
        if part(&data, OF) != *demo || part(&data, MINT) != *mint {
            return Err(Failure::WrongAccount(*account.address()).into());
        }
        let [decimals] = part(&data, DECIMALS);
        Ok(Self { home: part(&data, HOME) == [1], decimals, vault: part(&data, VAULT) })
    }
}

/// Whether a leaf was processed, and the root under which it was proven.
pub(crate) fn leaf(program: &Address, account: &AccountView, demo: &Word, id: &Word) -> Result<(bool, Word)> {
    let data = owned(program, account, LEAF)?;
    if part(&data, OF) != *demo || part(&data, LEAF_ID) != *id {
        return Err(Failure::WrongAccount(*account.address()).into());
    }
    Ok((part(&data, PROCESSED) == [1], part(&data, LEAF_ROOT)))
}

/// A field of an account whose length its tag gives.
pub(crate) fn part<const N: usize>(data: &[u8], at: usize) -> [u8; N] {
    data.get(at..).and_then(|rest| rest.first_chunk::<N>()).copied().unwrap_or([0; N])
}

/// Big-endian with zeros before it.
pub(crate) fn padded(number: u64) -> Word {
    let mut word = [0; 32];
    if let Some(end) = word.last_chunk_mut() {
        *end = number.to_be_bytes();
    }
    word
}
