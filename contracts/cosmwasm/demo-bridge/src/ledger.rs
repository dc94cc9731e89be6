//! Balances of represented tokens.

use cosmwasm_std::{Addr, StdResult, Storage, Uint128};

use crate::error::BridgeError;
use crate::state::{BALANCES, SUPPLY};

pub(crate) fn mint(storage: &mut dyn Storage, token: &str, to: &Addr, amount: Uint128) -> StdResult<()> {
    let add =
        |old: Option<Uint128>| -> StdResult<Uint128> { Ok(old.unwrap_or_default().checked_add(amount)?) };
    BALANCES.update(storage, (token, to), add)?;
    SUPPLY.update(storage, token, add)?;
    Ok(())
}

pub(crate) fn burn(
    storage: &mut dyn Storage,
    token: &str,
    from: &Addr,
    amount: Uint128,
) -> Result<(), BridgeError> {
    let short = || BridgeError::TransferFailed { token: token.to_owned() };
    let less = |old: Option<Uint128>| old.unwrap_or_default().checked_sub(amount).map_err(|_| short());
    BALANCES.update(storage, (token, from), less)?;
    SUPPLY.update(storage, token, less)?;
    Ok(())
}
