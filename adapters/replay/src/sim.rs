//! A deterministic simulated chain behind operators that can be made to misbehave.
//!
//! *Who is in the play.* [`SimNet`] holds one chain and what each operator says of it: it makes blocks, replaces
//! them, and lets operators lie, fall silent or go dark on command. [`Follower`] asks the operators and turns their
//! answers into batches: it is pure, and so is everything that it decides. [`SimObserver`] wraps it into
//! [`portcullis_adapter::Observe`].
//!
//! There is no clock and no chance in here: block hashes, times and ids follow from the configuration and from the
//! commands, silence is measured in blocks of the chain, and equal commands give equal batches. Nothing of it is a
//! model of a real network's delays: it is for tests of what stands above an adapter, and for rehearsing scenarios.

mod chain;
mod follow;
mod limits;
mod net;
mod observe;
mod tell;

pub use chain::{Header, SimLog};
pub use follow::{Delivery, Follower};
pub use net::{Answer, Ask, Behaviour, SimConfig, SimNet};
pub use observe::SimObserver;
