//! A wasmd node of one validator, and a client that signs. For tests: it binds loopback only, on free ports, its blocks follow each other at once, and dropping it ends the process that it started.

mod client;
mod key;
mod proto;
mod start;

pub use client::{Client, Landed};
pub use key::{Key, PREFIX, address_bytes, contract_address};
pub use proto::{Message, bank_send, circuit_reset, execute, instantiate, store_code};
pub use start::{Genesis, Node, wasmd};

/// What went wrong, with its place; tests print it and end.
pub type Error = Box<dyn std::error::Error + Send + Sync>;
/// A result of this crate.
pub type Result<T> = std::result::Result<T, Error>;
