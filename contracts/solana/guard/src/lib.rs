//! Guard: the breaker that a bridge asks before value leaves. The same rules, events and errors as the guards on every
//! other machine; `contracts/vectors` runs against it.

#![cfg_attr(target_arch = "bpf", no_std)]

mod cover;
#[cfg(all(target_arch = "bpf", not(feature = "library")))]
mod entry;
pub mod instructions;
pub mod layout;
mod limits;

pub use cover::{Flow, Route, covering};
