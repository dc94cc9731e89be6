//! Calls of the token programs.

use pinocchio::Address;
use pinocchio::account::AccountView;
use pinocchio::cpi::{Signer, invoke_signed};
use pinocchio::instruction::{InstructionAccount, InstructionView};
use portcullis_solana_breaker::{Failure, Result, store};

/// `TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA`.
const TOKEN: Address = Address::new_from_array([
    0x06, 0xdd, 0xf6, 0xe1, 0xd7, 0x65, 0xa1, 0x93, 0xd9, 0xcb, 0xe1, 0x46, 0xce, 0xeb, 0x79, 0xac, 0x1c,
    0xb4, 0x85, 0xed, 0x5f, 0x5b, 0x37, 0x91, 0x3a, 0x8c, 0xf5, 0x85, 0x7e, 0xff, 0x00, 0xa9,
]);
/// `TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb`.
const TOKEN_2022: Address = Address::new_from_array([
    0x06, 0xdd, 0xf6, 0xe1, 0xee, 0x75, 0x8f, 0xde, 0x18, 0x42, 0x5d, 0xbc, 0xe4, 0x6c, 0xcd, 0xda, 0xb6,
    0x1a, 0xfc, 0x4d, 0x83, 0xb9, 0x0d, 0x27, 0xfe, 0xbd, 0xf9, 0x28, 0xd8, 0xa1, 0x8b, 0xfc,
]);

const TRANSFER_CHECKED: u8 = 12;
const MINT_TO: u8 = 7;
const BURN: u8 = 8;

/// Who moves tokens, and for whom.
pub(crate) struct Move<'a> {
    pub(crate) program: &'a AccountView,
    pub(crate) mint: &'a AccountView,
    pub(crate) authority: &'a AccountView,
    pub(crate) amount: u64,
    /// Those of the token.
    pub(crate) decimals: u8,
    /// Where the program signs for the authority.
    pub(crate) signer: &'a [Signer<'a, 'a>],
}

impl Move<'_> {
    /// That the token program is one, and the mint its own.
    fn checked(&self) -> Result<()> {
        let program = self.program.address();
        if *program != TOKEN && *program != TOKEN_2022 {
            return Err(Failure::WrongAccount(*program).into());
        }
        if !self.mint.owned_by(program) {
            return Err(Failure::WrongAccount(*self.mint.address()).into());
        }
        Ok(())
    }

    /// From one token account to another.
    pub(crate) fn transfer(&self, from: &AccountView, to: &AccountView) -> Result<()> {
        self.checked()?;
        let mut data = [TRANSFER_CHECKED; 10];
        store(&mut data, 1, &self.amount.to_le_bytes())?;
        store(&mut data, 9, &[self.decimals])?;
        let accounts = [
            InstructionAccount::writable(from.address()),
            InstructionAccount::readonly(self.mint.address()),
            InstructionAccount::writable(to.address()),
            InstructionAccount::readonly_signer(self.authority.address()),
        ];
        let call = InstructionView { program_id: self.program.address(), data: &data, accounts: &accounts };
        invoke_signed(&call, &[from, self.mint, to, self.authority], self.signer)
    }

    /// New ones into a token account.
    pub(crate) fn mint(&self, to: &AccountView) -> Result<()> {
        self.change(MINT_TO, self.mint, to)
    }

    /// Those of a token account, for good.
    pub(crate) fn burn(&self, from: &AccountView) -> Result<()> {
        self.change(BURN, from, self.mint)
    }

    fn change(&self, number: u8, first: &AccountView, second: &AccountView) -> Result<()> {
        self.checked()?;
        let mut data = [number; 9];
        store(&mut data, 1, &self.amount.to_le_bytes())?;
        let accounts = [
            InstructionAccount::writable(first.address()),
            InstructionAccount::writable(second.address()),
            InstructionAccount::readonly_signer(self.authority.address()),
        ];
        let call = InstructionView { program_id: self.program.address(), data: &data, accounts: &accounts };
        invoke_signed(&call, &[first, second, self.authority], self.signer)
    }
}
