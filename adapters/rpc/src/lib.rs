//! The stack under every family: one way to ask an endpoint, and one way to compare what endpoints say.
//!
//! *Who is in the play.* A [`Client`] asks one operator's endpoint in one [`Lane`]: bounded in bytes, time,
//! concurrency and retries. [`quorum`] asks many and groups equal answers; [`hedged`] asks a second one when the
//! first is slow, for reads that feed no verdict; [`broadcast`] hands the same bytes to all. [`ws::connect`]
//! opens a push socket that says when it ends and never hides a gap; [`push::keep_open`] opens the next one.
//!
//! **Architecture Invariant:** nothing here knows a chain family, and nothing here retries or hedges a
//! submission.

pub mod error;
pub mod faults;
pub mod health;
pub mod http;
pub mod limits;
pub mod loopback;
pub mod operators;
pub mod push;
pub mod quorum;
pub mod request;
pub mod stack;
#[cfg(feature = "testing")]
pub mod testing;
mod wire;
pub mod ws;

pub use error::RpcError;
pub use faults::FaultLog;
pub use health::Health;
pub use operators::{NoClient, Operator, operators};
pub use portcullis_adapter::config::redacted;
pub use quorum::{Agreement, Split, Wait, quorum};
pub use request::{Kind, Reply, ReplySize, RpcRequest};
pub use stack::{Client, Jitter, Lane, LaneSettings, Lanes, broadcast, hedged};

/// Installs the crypto provider once. Harmless when the program installed one already.
pub fn install_crypto() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        // An error means that another provider is installed: then that one is used, by the program's choice.
        let _installed_before = rustls::crypto::ring::default_provider().install_default();
    });
}
