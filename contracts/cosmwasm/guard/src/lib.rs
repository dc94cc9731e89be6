//! Guard: the breaker that a bridge asks before value leaves. The same rules, events and errors as the guards on every
//! other machine; `contracts/vectors` runs against it. There is no migration and no admin call beyond the roles.

pub mod contract;
mod cover;
mod error;
mod limits;
pub mod msg;
pub mod state;
mod windows;

pub use error::GuardError;
