//! Nonce accounts on a development node: the calls of the system program that make and advance them.

use portcullis_verifier::B256;

use super::{Call, Devnet, DevnetError};
use crate::{
    address,
    contain::{nonce::NONCE_BYTES, query, tx},
};

/// The system program.
const SYSTEM: B256 = B256::ZERO;
/// Where the chain says what rent is.
const RENT: &str = "SysvarRent111111111111111111111111111111111";
/// Where a nonce account keeps its value.
const VALUE: core::ops::Range<usize> = 40..72;

fn blockhashes() -> (B256, bool, bool) {
    (address::constant(tx::BLOCKHASHES), false, false)
}

/// Makes the account, which signs, with these lamports. It holds no value before it is initialised.
#[must_use]
pub fn create(payer: B256, account: B256, lamports: u64) -> Call {
    let mut data = 0_u32.to_le_bytes().to_vec();
    data.extend(lamports.to_le_bytes());
    data.extend(NONCE_BYTES.to_le_bytes());
    data.extend(SYSTEM.as_slice());
    Call { program: SYSTEM, accounts: vec![(payer, true, true), (account, true, true)], data }
}

/// Gives the account its first value, and says who may advance it.
#[must_use]
pub fn initialise(account: B256, authority: B256) -> Call {
    let data = [6_u32.to_le_bytes().as_slice(), authority.as_slice()].concat();
    let rent = (address::constant(RENT), false, false);
    Call { program: SYSTEM, accounts: vec![(account, false, true), blockhashes(), rent], data }
}

/// Gives the account its next value; the authority signs.
#[must_use]
pub fn advance(account: B256, authority: B256) -> Call {
    let accounts = vec![(account, false, true), blockhashes(), (authority, true, false)];
    Call { program: SYSTEM, accounts, data: 4_u32.to_le_bytes().to_vec() }
}

impl Devnet {
    /// Lamports that a nonce account has to hold.
    ///
    /// # Errors
    /// [`DevnetError::Rpc`].
    pub async fn nonce_rent(&self) -> Result<u64, DevnetError> {
        let rent = query::rent(&self.client, NONCE_BYTES).await;
        rent.map_err(|source| DevnetError::Rpc { method: "getMinimumBalanceForRentExemption", source })
    }

    /// The value of a nonce account after the newest confirmed block; none where there is no such account.
    ///
    /// # Errors
    /// [`DevnetError::Rpc`].
    pub async fn nonce(&self, account: B256) -> Result<Option<B256>, DevnetError> {
        let told = query::accounts(&self.client, &[account], 0).await;
        let (_, accounts) =
            told.map_err(|source| DevnetError::Rpc { method: "getMultipleAccounts", source })?;
        let account = accounts.into_iter().next().flatten();
        Ok(account.and_then(|account| B256::try_from(account.data.get(VALUE)?).ok()))
    }
}
