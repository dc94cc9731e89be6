//! Gate: the breaker for what exists already. Where the power to close includes the power to open, a Gate holds that
//! power. It knows closing switches by kind, closes them when a scope is tripped or held, and restores only what it
//! closed itself: after expiry at anyone's call, before it at the releaser's.
//!
//! A target that refuses does not undo the trip: the scope's state stands, the refusal is an event, and anyone may call
//! `enforce` until it is closed.

pub mod contract;
mod enforce;
mod error;
pub mod msg;
mod reply;
pub mod state;
mod switches;
mod targets;

pub use error::GateError;
