//! Calls of the token programs: what is minted, burned and moved, and who may do so from now on.
//!
//! SECURITY: also what is bundled in one call is read (`Batch`), else a mint could hide in it.

use portcullis_verifier::{AdminKind, B256};

use super::Holding;
use crate::{address, limits};

/// The first token program.
const TOKEN: &str = "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA";
/// Its successor, with extensions.
pub(crate) const TOKEN_2022: &str = "TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb";

/// Both token programs.
pub(super) fn programs() -> [B256; 2] {
    [address::constant(TOKEN), address::constant(TOKEN_2022)]
}

/// Whether a program is one of the two.
pub(crate) fn is_token_program(program: &B256) -> bool {
    programs().contains(program)
}

/// Names of values that a record of a token has.
pub(crate) const TOKEN_VALUES: [&str; 7] =
    ["amount", "mint", "source", "destination", "source_owner", "destination_owner", "authority"];

/// What became of a watched token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TokenMove {
    /// Made.
    Minted,
    /// Destroyed.
    Burned,
    /// Moved into this token account.
    Into(B256),
    /// Moved out of this token account.
    OutOf(B256),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Mint,
    Burn,
    Transfer,
    /// Another authority over something; zero for nobody.
    Authority(B256),
    /// Paused, or not any more.
    Paused(bool),
    /// Amounts that nobody can read.
    Confidential,
}

/// One call of a token program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TokenCall {
    kind: Kind,
    amount: u64,
    mint: Option<B256>,
    source: Option<B256>,
    destination: Option<B256>,
    source_owner: Option<B256>,
    destination_owner: Option<B256>,
    authority: Option<B256>,
}

impl TokenCall {
    /// Whether it is such a move of this token.
    pub(super) fn is(&self, moved: &TokenMove, mint: B256) -> bool {
        // A transfer may leave the mint unsaid; an account that is configured for the mint says it.
        let of_mint = self.mint.is_none_or(|found| found == mint);
        match moved {
            TokenMove::Minted => self.kind == Kind::Mint && self.mint == Some(mint),
            TokenMove::Burned => self.kind == Kind::Burn && self.mint == Some(mint),
            TokenMove::Into(account) => {
                self.kind == Kind::Transfer && of_mint && self.destination == Some(*account)
            }
            TokenMove::OutOf(account) => {
                self.kind == Kind::Transfer && of_mint && self.source == Some(*account)
            }
        }
    }

    /// What it changes about who rules this token.
    pub(super) fn changes(&self, mint: B256) -> Option<(AdminKind, B256)> {
        if self.mint != Some(mint) {
            return None;
        }
        match self.kind {
            Kind::Authority(new) => Some((AdminKind::Owner, new)),
            Kind::Paused(paused) => Some((AdminKind::Parameter, B256::with_last_byte(u8::from(paused)))),
            _ => None,
        }
    }

    /// Why it cannot be told what it does with this token; none where it can.
    pub(super) fn hides(&self, mint: B256) -> Option<&'static str> {
        (self.kind == Kind::Confidential && self.mint == Some(mint))
            .then_some("a confidential transfer, whose amount nobody can read")
    }

    /// One of [`TOKEN_VALUES`]; none where it is not known.
    pub(super) fn value(&self, name: &str) -> Option<B256> {
        match name {
            "amount" => Some(B256::left_padding_from(&self.amount.to_be_bytes())),
            "mint" => self.mint,
            "source" => self.source,
            "destination" => self.destination,
            "source_owner" => self.source_owner,
            "destination_owner" => self.destination_owner,
            "authority" => self.authority,
            _ => None,
        }
    }
}

/// Reads a call of a token program: one, or those that it bundles. What moves nothing and changes nobody's power is left out.
pub(super) fn read(
    data: &[u8],
    accounts: &[B256],
    holdings: &[Holding],
) -> Result<Vec<TokenCall>, &'static str> {
    if data.first() != Some(&255) {
        return Ok(one(data, accounts, holdings)?.into_iter().collect());
    }
    let mut out = Vec::new();
    let (mut data, mut accounts) = (data.get(1..).unwrap_or_default(), accounts);
    for _ in 0..limits::BUNDLED_MAX {
        let Some(&[account_count, length]) = data.get(..2) else { break };
        let (mine, rest) = accounts
            .split_at_checked(usize::from(account_count))
            .ok_or("a bundled call names accounts that are not there")?;
        let (call, others) = data
            .get(2..)
            .and_then(|data| data.split_at_checked(usize::from(length)))
            .ok_or("a bundled call ends before its length")?;
        out.extend(one(call, mine, holdings)?);
        (data, accounts) = (others, rest);
    }
    if data.is_empty() { Ok(out) } else { Err("more calls are bundled than can be read") }
}

fn one(data: &[u8], accounts: &[B256], holdings: &[Holding]) -> Result<Option<TokenCall>, &'static str> {
    const SHORT: &str = "a call of the token program ends before its values";
    let amount = |from: usize| {
        let bytes = data.get(from..from.saturating_add(8)).and_then(|bytes| bytes.try_into().ok());
        bytes.map(u64::from_le_bytes).ok_or(SHORT)
    };
    let account = |at: usize| accounts.get(at).copied();
    let held = |account: Option<B256>| {
        let account = account?;
        holdings.iter().find(|holding| holding.account == account)
    };
    let call = |kind, amount, mint: Option<B256>, source, destination, authority| {
        let known = mint.or_else(|| held(source).or_else(|| held(destination)).map(|holding| holding.mint));
        Ok(Some(TokenCall {
            kind,
            amount,
            mint: known,
            source,
            destination,
            source_owner: held(source).and_then(|holding| holding.owner),
            destination_owner: held(destination).and_then(|holding| holding.owner),
            authority,
        }))
    };
    let Some(tag) = data.first() else { return Err(SHORT) };
    match (tag, data.get(1)) {
        // Transfer: source, destination, authority.
        (3, _) => call(Kind::Transfer, amount(1)?, None, account(0), account(1), account(2)),
        // TransferChecked: source, mint, destination, authority.
        (12, _) => call(Kind::Transfer, amount(1)?, account(1), account(0), account(2), account(3)),
        // TransferFeeExtension::TransferCheckedWithFee: the fee is withheld in the destination.
        (26, Some(1)) => {
            let net = amount(2)?.saturating_sub(amount(11)?);
            call(Kind::Transfer, net, account(1), account(0), account(2), account(3))
        }
        // MintTo and MintToChecked: mint, destination, authority.
        (7 | 14, _) => call(Kind::Mint, amount(1)?, account(0), None, account(1), account(2)),
        // Burn and BurnChecked: source, mint, authority.
        (8 | 15, _) => call(Kind::Burn, amount(1)?, account(1), account(0), None, account(2)),
        // SetAuthority: the mint or token account, the current authority.
        (6, Some(_)) => {
            let new = match data.get(2) {
                Some(1) => B256::try_from(data.get(3..35).ok_or(SHORT)?).map_err(|_short| SHORT)?,
                _ => B256::ZERO,
            };
            call(Kind::Authority(new), 0, account(0), None, None, account(1))
        }
        // ConfidentialTransferExtension and ConfidentialMintBurnExtension on the mint or with it.
        (27, Some(5..=8 | 13)) => call(Kind::Confidential, 0, account(1), account(0), None, None),
        (42, Some(3 | 4)) => call(Kind::Confidential, 0, account(1), account(0), None, None),
        // PausableExtension: mint, authority.
        (44, Some(1)) => call(Kind::Paused(true), 0, account(0), None, None, account(1)),
        (44, Some(2)) => call(Kind::Paused(false), 0, account(0), None, None, account(1)),
        _ => Ok(None),
    }
}
