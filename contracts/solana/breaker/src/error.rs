//! Why an instruction is refused: a code, and a line in the log with the name and the fields that the error has on every other
//! machine. The line is written where the failure becomes the program's error.

use pinocchio::Address;
use pinocchio::error::ProgramError;
use portcullis_rules::WordError;

use crate::Word;
use crate::machine::{emit, num};

/// Names and fields as on every other machine. Times are Unix seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    missing_docs,
    reason = "names and fields are the interface; contracts/solana/README.md explains each"
)]
pub enum Failure {
    WrongAccount(Address),
    NotSigned(Address),
    Malformed,
    AlreadyInitialized(Address),
    InvalidConfig,
    InvalidLevel(u8),
    InvalidDirection(u8),
    InvalidSignature,
    SignatureExpired(u64),
    ScopeUnregistered(Word),
    ScopeAlreadyRegistered(Word),
    StaleRelease { generation: u32, closed_until: u64 },
    NotOwner(Word),
    NotReleaser(Word),
    NotGuardian(Word),
    NotTripper(Word),
    RoleConflict(Word),
    ZeroAccount,
    AlreadySealed,
    NotScheduled(Word),
    NotReady { id: Word, ready_at: u64 },
    OperationExpired { id: Word, expired_at: u64 },
    BoundTooGreat(u64),
    BrokenScope,
    DeadlineNotPassed(u64),
    ScopeClosed(Word),
    ForeignCaller { bridge: Word, caller: Word },
    BridgeAlreadyRegistered(Word),
    BridgeUnregistered(Word),
    AssetRequired,
    LimitExceeded { scope: Word, window: u8, amount: Word, available: u128 },
    RouteStale(Word),
    LimitsNeedCheck(Word),
    InvalidTarget(Word),
    TargetTaken(Word),
    TargetUnknown(Word),
    TargetHeld(Word),
}

impl Failure {
    /// The custom code.
    #[must_use]
    pub const fn code(&self) -> u32 {
        match self {
            Self::WrongAccount(_) => 7000,
            Self::NotSigned(_) => 7001,
            Self::Malformed => 7002,
            Self::AlreadyInitialized(_) => 7003,
            Self::InvalidConfig => 7004,
            Self::InvalidLevel(_) => 7005,
            Self::InvalidDirection(_) => 7006,
            Self::InvalidSignature => 7007,
            Self::SignatureExpired(_) => 7008,
            Self::ScopeUnregistered(_) => 7009,
            Self::ScopeAlreadyRegistered(_) => 7010,
            Self::StaleRelease { .. } => 7011,
            Self::NotOwner(_) => 7012,
            Self::NotReleaser(_) => 7013,
            Self::NotGuardian(_) => 7014,
            Self::NotTripper(_) => 7015,
            Self::RoleConflict(_) => 7016,
            Self::ZeroAccount => 7017,
            Self::AlreadySealed => 7018,
            Self::NotScheduled(_) => 7019,
            Self::NotReady { .. } => 7020,
            Self::OperationExpired { .. } => 7021,
            Self::BoundTooGreat(_) => 7022,
            Self::BrokenScope => 7023,
            Self::DeadlineNotPassed(_) => 7024,
            Self::ScopeClosed(_) => 7030,
            Self::ForeignCaller { .. } => 7031,
            Self::BridgeAlreadyRegistered(_) => 7032,
            Self::BridgeUnregistered(_) => 7033,
            Self::AssetRequired => 7034,
            Self::LimitExceeded { .. } => 7035,
            Self::RouteStale(_) => 7036,
            Self::LimitsNeedCheck(_) => 7037,
            Self::InvalidTarget(_) => 7050,
            Self::TargetTaken(_) => 7051,
            Self::TargetUnknown(_) => 7052,
            Self::TargetHeld(_) => 7053,
        }
    }

    /// Writes the line.
    #[inline(never)]
    fn say(&self) {
        match self {
            Self::WrongAccount(account) => emit(&[b"WrongAccount", account.as_array()]),
            Self::NotSigned(account) => emit(&[b"NotSigned", account.as_array()]),
            Self::Malformed => emit(&[b"Malformed"]),
            Self::AlreadyInitialized(account) => emit(&[b"AlreadyInitialized", account.as_array()]),
            Self::InvalidConfig => emit(&[b"InvalidConfig"]),
            Self::InvalidLevel(level) => emit(&[b"InvalidLevel", &num(*level)]),
            Self::InvalidDirection(direction) => emit(&[b"InvalidDirection", &num(*direction)]),
            Self::InvalidSignature => emit(&[b"InvalidSignature"]),
            Self::SignatureExpired(deadline) => emit(&[b"SignatureExpired", &num(*deadline)]),
            Self::ScopeUnregistered(scope) => emit(&[b"ScopeUnregistered", scope]),
            Self::ScopeAlreadyRegistered(scope) => emit(&[b"ScopeAlreadyRegistered", scope]),
            Self::StaleRelease { generation, closed_until } => {
                emit(&[b"StaleRelease", &num(*generation), &num(*closed_until)]);
            }
            Self::NotOwner(caller) => emit(&[b"NotOwner", caller]),
            Self::NotReleaser(caller) => emit(&[b"NotReleaser", caller]),
            Self::NotGuardian(caller) => emit(&[b"NotGuardian", caller]),
            Self::NotTripper(caller) => emit(&[b"NotTripper", caller]),
            Self::RoleConflict(account) => emit(&[b"RoleConflict", account]),
            Self::ZeroAccount => emit(&[b"ZeroAccount"]),
            Self::AlreadySealed => emit(&[b"AlreadySealed"]),
            Self::NotScheduled(id) => emit(&[b"NotScheduled", id]),
            Self::NotReady { id, ready_at } => emit(&[b"NotReady", id, &num(*ready_at)]),
            Self::OperationExpired { id, expired_at } => {
                emit(&[b"OperationExpired", id, &num(*expired_at)]);
            }
            Self::BoundTooGreat(bound) => emit(&[b"BoundTooGreat", &num(*bound)]),
            Self::BrokenScope => emit(&[b"BrokenScope"]),
            Self::DeadlineNotPassed(deadline) => emit(&[b"DeadlineNotPassed", &num(*deadline)]),
            other => other.say_of_guard_or_gate(),
        }
    }

    fn say_of_guard_or_gate(&self) {
        match self {
            Self::ScopeClosed(scope) => emit(&[b"ScopeClosed", scope]),
            Self::ForeignCaller { bridge, caller } => emit(&[b"ForeignCaller", bridge, caller]),
            Self::BridgeAlreadyRegistered(bridge) => emit(&[b"BridgeAlreadyRegistered", bridge]),
            Self::BridgeUnregistered(bridge) => emit(&[b"BridgeUnregistered", bridge]),
            Self::AssetRequired => emit(&[b"AssetRequired"]),
            Self::LimitExceeded { scope, window, amount, available } => {
                emit(&[b"LimitExceeded", scope, &num(*window), amount, &available.to_le_bytes()]);
            }
            Self::RouteStale(bridge) => emit(&[b"RouteStale", bridge]),
            Self::LimitsNeedCheck(bridge) => emit(&[b"LimitsNeedCheck", bridge]),
            Self::InvalidTarget(account) => emit(&[b"InvalidTarget", account]),
            Self::TargetTaken(account) => emit(&[b"TargetTaken", account]),
            Self::TargetUnknown(account) => emit(&[b"TargetUnknown", account]),
            Self::TargetHeld(account) => emit(&[b"TargetHeld", account]),
            _ => {}
        }
    }
}

impl From<Failure> for ProgramError {
    fn from(failure: Failure) -> Self {
        failure.say();
        Self::Custom(failure.code())
    }
}

impl From<WordError> for Failure {
    fn from(error: WordError) -> Self {
        match error {
            WordError::BoundTooGreat(bound) => Self::BoundTooGreat(bound),
            WordError::Broken => Self::BrokenScope,
        }
    }
}
