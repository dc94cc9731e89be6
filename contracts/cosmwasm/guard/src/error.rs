//! Why a call is refused.

use cosmwasm_std::{Addr, StdError, Uint128, Uint256};
use portcullis_breaker::{BreakerError, Word};
use thiserror::Error;

/// What [`BreakerError`] does not have.
#[derive(Error, Debug, PartialEq)]
#[expect(missing_docs, reason = "the fields are described by the error's own text")]
pub enum GuardError {
    /// What a Guard and a Gate have in common.
    #[error(transparent)]
    Breaker(#[from] BreakerError),
    /// `scope` is closed, and it covers the call.
    #[error("ScopeClosed scope={scope}")]
    ScopeClosed { scope: Word },
    /// The bridge is unknown here, not live yet, or asked by another contract than its own.
    #[error("ForeignCaller bridge={bridge} caller={caller}")]
    ForeignCaller { bridge: Word, caller: Addr },
    /// It is known already.
    #[error("BridgeAlreadyRegistered bridge={bridge}")]
    BridgeAlreadyRegistered { bridge: Word },
    /// Register it first.
    #[error("BridgeUnregistered bridge={bridge}")]
    BridgeUnregistered { bridge: Word },
    /// Limits are in base units of one asset: they need a scope that names the asset.
    #[error("AssetRequired")]
    AssetRequired {},
    /// `window` is 0 per transaction, 1 hour, 2 day, 3 week; amounts are base units.
    #[error("LimitExceeded scope={scope} window={window} amount={amount} available={available}")]
    LimitExceeded { scope: Word, window: u8, amount: Uint256, available: Uint128 },
}

impl From<StdError> for GuardError {
    fn from(error: StdError) -> Self {
        Self::Breaker(error.into())
    }
}
