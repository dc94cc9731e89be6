//! Mints and token accounts, as the token programs lay them out.

use crate::terms::address;
use crate::{Ix, Meta, Result, SYSTEM, Svm, Word, r, sw, w};

/// Lamports that keep any of these accounts.
const RENT: u64 = 10_000_000;

/// The older token program.
#[must_use]
pub fn spl_token() -> Word {
    address("TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA")
}

/// The newer one, with extensions.
#[must_use]
pub fn token_2022() -> Word {
    address("TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb")
}

/// Who may do what with a mint; none is nobody.
#[derive(Debug, Clone, Copy, Default)]
pub struct Mint {
    /// Makes tokens.
    pub authority: Option<Word>,
    /// Freezes accounts.
    pub freezer: Option<Word>,
    /// Pauses, and whether it is paused; with the extension.
    pub pausable: Option<(Word, bool)>,
}

impl Mint {
    /// Puts it there, with six decimals and this supply.
    ///
    /// # Errors
    /// When the machine refuses it.
    pub fn put(&self, chain: &mut Svm, at: &Word, supply: u64) -> Result<()> {
        let optional = |who: Option<Word>| {
            let mut bytes = u32::from(who.is_some()).to_le_bytes().to_vec();
            bytes.extend(who.unwrap_or_default());
            bytes
        };
        let mut data = optional(self.authority);
        data.extend(supply.to_le_bytes());
        data.extend([6, 1]);
        data.extend(optional(self.freezer));
        let Some((authority, paused)) = self.pausable else {
            return chain.put(at, &spl_token(), RENT, data);
        };
        data.resize(165, 0);
        data.push(1);
        data.extend(26_u16.to_le_bytes());
        data.extend(33_u16.to_le_bytes());
        data.extend(authority);
        data.push(u8::from(paused));
        chain.put(at, &token_2022(), RENT, data)
    }
}

/// Puts a token account there.
///
/// # Errors
/// When the machine refuses it.
pub fn put_account(
    chain: &mut Svm,
    program: &Word,
    at: &Word,
    mint: &Word,
    owner: &Word,
    amount: u64,
) -> Result<()> {
    let mut data = Vec::new();
    data.extend(mint);
    data.extend(owner);
    data.extend(amount.to_le_bytes());
    data.extend([0; 36]);
    data.push(1);
    data.resize(165, 0);
    if *program == token_2022() {
        // A token account of a mint that can be paused says so.
        data.push(2);
        data.extend(27_u16.to_le_bytes());
        data.extend(0_u16.to_le_bytes());
    }
    chain.put(at, program, RENT, data)
}

/// Tokens in a token account.
#[must_use]
pub fn amount(data: &[u8]) -> u64 {
    data.get(64..72).and_then(|bytes| bytes.try_into().ok()).map(u64::from_le_bytes).unwrap_or_default()
}

/// What makes a mint of six decimals on a chain: its account, and what it says; of Token-2022 where somebody may pause it.
#[must_use]
pub fn make_mint(payer: &Word, mint: &Word, authority: &Word, pauser: Option<&Word>) -> Vec<Ix> {
    let program = if pauser.is_some() { token_2022() } else { spl_token() };
    let space: u64 = if pauser.is_some() { 203 } else { 82 };
    let mut all = vec![make_account(payer, mint, space, &program)];
    all.extend(pauser.map(|pauser| ix(&program, vec![w(*mint)], &[&[44, 0], pauser])));
    all.push(ix(&program, vec![w(*mint)], &[&[20, 6], authority, &[0]]));
    all
}

/// What makes a token account of the older token program.
#[must_use]
pub fn make_holder(payer: &Word, account: &Word, mint: &Word, owner: &Word) -> Vec<Ix> {
    let program = spl_token();
    vec![
        make_account(payer, account, 165, &program),
        ix(&program, vec![w(*account), r(*mint)], &[&[18], owner]),
    ]
}

fn make_account(payer: &Word, account: &Word, space: u64, owner: &Word) -> Ix {
    let accounts = vec![sw(*payer), sw(*account)];
    ix(&SYSTEM, accounts, &[&0_u32.to_le_bytes(), &RENT.to_le_bytes(), &space.to_le_bytes(), owner])
}

fn ix(program: &Word, accounts: Vec<Meta>, parts: &[&[u8]]) -> Ix {
    Ix { program: *program, accounts, data: parts.concat() }
}
