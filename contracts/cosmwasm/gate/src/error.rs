//! Why a call is refused.

use cosmwasm_std::StdError;
use portcullis_breaker::{BreakerError, Word};
use thiserror::Error;

/// What [`BreakerError`] does not have. `account` is as in the events: a contract, or `circuit`.
#[derive(Error, Debug, PartialEq)]
#[expect(missing_docs, reason = "the fields are described by the error's own text")]
pub enum GateError {
    /// What a Guard and a Gate have in common.
    #[error(transparent)]
    Breaker(#[from] BreakerError),
    /// It has not the form that its kind needs, or closing it would lock the gate itself out.
    #[error("InvalidTarget account={account}")]
    InvalidTarget { account: String },
    /// The target does not answer whether it is closed.
    #[error("TargetSilent account={account}")]
    TargetSilent { account: String },
    /// The same switch belongs to a scope already.
    #[error("TargetTaken account={account}")]
    TargetTaken { account: String },
    /// The scope has no target of this index.
    #[error("TargetUnknown scope={scope} index={index}")]
    TargetUnknown { scope: Word, index: u32 },
    /// The gate still keeps it closed.
    #[error("TargetHeld account={account}")]
    TargetHeld { account: String },
    /// A scope has at most 16.
    #[error("TooManyTargets scope={scope}")]
    TooManyTargets { scope: Word },
}

impl From<StdError> for GateError {
    fn from(error: StdError) -> Self {
        Self::Breaker(error.into())
    }
}
