//! Why a call is refused. The texts are the interface of a contract on this machine: the error's name, then its fields.

use cosmwasm_std::{Addr, StdError};
use thiserror::Error;

use crate::word::Word;

/// Names and fields as on every other machine. Times are Unix seconds.
#[derive(Error, Debug, PartialEq)]
#[expect(missing_docs, reason = "the fields are described by the error's own text")]
pub enum BreakerError {
    /// The store or a message is broken.
    #[error("Std {0}")]
    Std(#[from] StdError),
    /// The configuration does not hold.
    #[error("InvalidConfig")]
    InvalidConfig {},
    /// Not a level that this call knows.
    #[error("InvalidLevel level={level}")]
    InvalidLevel { level: u8 },
    /// Neither any, in nor out.
    #[error("InvalidDirection direction={direction}")]
    InvalidDirection { direction: u8 },
    /// The signature has the wrong form, or is the mirror image of another.
    #[error("InvalidSignature")]
    InvalidSignature {},
    /// It came too late.
    #[error("SignatureExpired deadline={deadline}")]
    SignatureExpired { deadline: u64 },
    /// No scope covers the call, or the named one is unknown.
    #[error("ScopeUnregistered scope={scope}")]
    ScopeUnregistered { scope: Word },
    /// It is known already.
    #[error("ScopeAlreadyRegistered scope={scope}")]
    ScopeAlreadyRegistered { scope: Word },
    /// The releaser looked at an older state; the values are the present ones.
    #[error("StaleRelease generation={generation} closedUntil={closed_until}")]
    StaleRelease { generation: u32, closed_until: u64 },
    /// The caller lacks the role.
    #[error("NotOwner caller={caller}")]
    NotOwner { caller: Addr },
    /// The caller lacks the role.
    #[error("NotReleaser caller={caller}")]
    NotReleaser { caller: Addr },
    /// The caller lacks the role.
    #[error("NotGuardian caller={caller}")]
    NotGuardian { caller: Addr },
    /// The caller, or who signed, lacks the role.
    #[error("NotTripper caller={caller}")]
    NotTripper { caller: Addr },
    /// One account may not hold both roles.
    #[error("RoleConflict account={account}")]
    RoleConflict { account: Addr },
    /// An empty address.
    #[error("ZeroAccount")]
    ZeroAccount {},
    /// Set-up is over already.
    #[error("AlreadySealed")]
    AlreadySealed {},
    /// The owner's call was not announced.
    #[error("NotScheduled id={id}")]
    NotScheduled { id: Word },
    /// The owner's call waits.
    #[error("NotReady id={id} readyAt={ready_at}")]
    NotReady { id: Word, ready_at: u64 },
    /// The owner's call waited too long.
    #[error("OperationExpired id={id} expiredAt={expired_at}")]
    OperationExpired { id: Word, expired_at: u64 },
    /// A time or height beyond 40 bits.
    #[error("BoundTooGreat bound={bound}")]
    BoundTooGreat { bound: u64 },
    /// The stored value of a scope is not one that was written here.
    #[error("BrokenScope")]
    BrokenScope {},
}
