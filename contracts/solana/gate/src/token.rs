//! Mints of Token-2022: what they say of themselves, and the calls that the Gate makes.

use pinocchio::Address;
use pinocchio::account::AccountView;
use pinocchio::cpi::{Seed, Signer, invoke_signed};
use pinocchio::instruction::{InstructionAccount, InstructionView};
use portcullis_solana_breaker::layout::{any, breaker};
use portcullis_solana_breaker::{Breaker, Failure, Result, Word, owned, store};

use crate::target::part;

/// `TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb`.
const TOKEN_2022: Address = Address::new_from_array([
    0x06, 0xdd, 0xf6, 0xe1, 0xee, 0x75, 0x8f, 0xde, 0x18, 0x42, 0x5d, 0xbc, 0xe4, 0x6c, 0xcd, 0xda, 0xb6,
    0x1a, 0xfc, 0x4d, 0x83, 0xb9, 0x0d, 0x27, 0xfe, 0xbd, 0xf9, 0x28, 0xd8, 0xa1, 0x8b, 0xfc,
]);

/// Where the kind of an account stands, and where its extensions begin: a type and a length of two bytes each, and the data.
const KIND: usize = 165;
const EXTENSIONS: usize = 166;
const IS_MINT: u8 = 1;
/// The extension: an authority (32) and a boolean.
const PAUSABLE: u16 = 26;
/// More extensions than there are kinds of.
const MAX_EXTENSIONS: usize = 40;

/// What a mint says of its pause.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pausable {
    pub(crate) authority: Word,
    pub(crate) paused: bool,
}

/// Reads it; none when it is no mint of Token-2022 with that extension.
pub(crate) fn pausable(mint: &AccountView) -> Result<Option<Pausable>> {
    if !mint.owned_by(&TOKEN_2022) {
        return Ok(None);
    }
    let data = mint.try_borrow()?;
    if data.get(KIND) != Some(&IS_MINT) {
        return Ok(None);
    }
    let mut rest = data.get(EXTENSIONS..).unwrap_or_default();
    for _ in 0..MAX_EXTENSIONS {
        let Some((head, tail)) = rest.split_first_chunk::<4>() else { return Ok(None) };
        let [kind_low, kind_high, low, high] = *head;
        let length = usize::from(u16::from_le_bytes([low, high]));
        if u16::from_le_bytes([kind_low, kind_high]) == PAUSABLE {
            let fields = tail.get(..length).and_then(|fields| fields.first_chunk::<33>());
            let Some([authority @ .., paused]) = fields else { return Ok(None) };
            return Ok(Some(Pausable { authority: *authority, paused: *paused != 0 }));
        }
        rest = tail.get(length..).unwrap_or_default();
    }
    Ok(None)
}

/// What the Gate signs with: the seeds of its breaker account.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Authority {
    creator: Word,
    name: Word,
    bump: [u8; 1],
}

/// A call that the Gate makes: which, with which accounts. The Gate itself is the last.
pub(crate) struct Asked<'a> {
    pub(crate) program: &'a AccountView,
    pub(crate) data: &'a [u8],
    pub(crate) accounts: &'a [&'a AccountView],
    pub(crate) gate: &'a AccountView,
}

impl Authority {
    pub(crate) fn of(program: &Address, gate: &AccountView) -> Result<Self> {
        let data = owned(program, gate, breaker::TAG)?;
        Ok(Self {
            creator: part(&data, breaker::CREATOR),
            name: part(&data, breaker::NAME),
            bump: part(&data, any::BUMP),
        })
    }

    /// Calls Token-2022; the first account may change, others may not.
    #[inline(never)]
    pub(crate) fn call(&self, asked: &Asked<'_>) -> Result<()> {
        let Asked { program, data, accounts, gate } = asked;
        // SECURITY: the Gate's signature goes to Token-2022 only.
        if *program.address() != TOKEN_2022 {
            return Err(Failure::WrongAccount(*program.address()).into());
        }
        let seeds = [
            Seed::from(breaker::SEED),
            Seed::from(&self.creator),
            Seed::from(&self.name),
            Seed::from(&self.bump),
        ];
        let signer = [Signer::from(&seeds)];
        let by = InstructionAccount::readonly_signer(gate.address());
        let program_id = program.address();
        match accounts {
            [one] => {
                let accounts = [InstructionAccount::writable(one.address()), by];
                let call = InstructionView { program_id, data, accounts: &accounts };
                invoke_signed(&call, &[*one, *gate], &signer)
            }
            [one, other] => {
                let accounts = [
                    InstructionAccount::writable(one.address()),
                    InstructionAccount::readonly(other.address()),
                    by,
                ];
                let call = InstructionView { program_id, data, accounts: &accounts };
                invoke_signed(&call, &[*one, *other, *gate], &signer)
            }
            _ => Err(Failure::Malformed.into()),
        }
    }
}

/// `Pausable`: pause or resume.
pub(crate) fn switch(paused: bool) -> [u8; 2] {
    [44, if paused { 1 } else { 2 }]
}

/// `SetAuthority` to a new one: 16 of the pause, 1 of freezing.
pub(crate) fn hand_over(power: u8, to: &Word) -> Result<[u8; 35]> {
    let mut data = [0; 35];
    store(&mut data, 0, &[6, power, 1])?;
    store(&mut data, 3, to)?;
    Ok(data)
}

/// That the Gate's authority is the one that the mint names.
pub(crate) fn holds(gate: &Breaker, mint: Option<Pausable>) -> bool {
    mint.is_some_and(|mint| mint.authority == gate.key)
}
