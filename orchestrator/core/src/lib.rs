//! The engine: from observations to decisions, and nothing else.
//!
//! *Who is in the play.* A shell feeds one [`Engine`] per linked group with [`Input`]s in one order. The ledger
//! remembers every message; detectors turn what they see into signals; signals of the group join into one
//! incident; policy and plan turn the incident into a [`effect::Decision`]. The shell stores, proves, signs and
//! sends; what came of it returns as further inputs.
//!
//! **Architecture Invariant:** this crate is pure. Same configuration and same inputs give the same bytes: no
//! clock (time is a field of the input), no randomness, no I/O, no map whose order is not its keys' order.

mod budget;
mod clocks;
pub mod config;
pub mod detect;
pub mod effect;
pub mod engine;
mod evidence;
mod incident;
pub mod input;
mod ledger;
pub mod limits;
pub mod log;
pub mod money;
mod names;
mod notice;
mod plan;
mod policy;
mod signals;
pub mod snapshot;
mod vault;

pub use config::{ConfigError, EngineConfig};
pub use detect::{Card, cards};
pub use effect::{Effect, Effects};
pub use engine::{ENGINE_VERSION, Engine, Intake, view};
pub use input::{Body, Command, Input};
