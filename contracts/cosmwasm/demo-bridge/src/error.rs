//! Why a call is refused.

use cosmwasm_std::{Addr, StdError};
use portcullis_breaker::Word;
use thiserror::Error;

/// Names and fields are those of the demonstration bridges on other machines.
#[derive(Error, Debug, PartialEq)]
#[expect(missing_docs, reason = "the fields are described by the error's own text")]
pub enum BridgeError {
    /// The store or a message is broken.
    #[error("Std {0}")]
    Std(#[from] StdError),
    /// The caller lacks the role.
    #[error("NotOwner caller={caller}")]
    NotOwner { caller: Addr },
    /// The caller lacks the role.
    #[error("NotUpdater caller={caller}")]
    NotUpdater { caller: Addr },
    /// It was never registered.
    #[error("TokenUnknown token={token}")]
    TokenUnknown { token: String },
    /// Each message counts once.
    #[error("AlreadyProcessed leaf={leaf}")]
    AlreadyProcessed { leaf: Word },
    /// Its root is not acceptable.
    #[error("NotProven leaf={leaf}")]
    NotProven { leaf: Word },
    /// A home token is sent with the call, exactly as named; a represented one is not.
    #[error("TransferFailed token={token}")]
    TransferFailed { token: String },
}
