//! Gate: the breaker for what exists already. Where the power to close includes the power to open, a Gate holds that power. On
//! this machine those are mints of Token-2022 with the extension `Pausable`: the breaker account of the Gate is their authority.
//!
//! A call that fails fails the whole transaction here, so a Gate looks before it calls: what would refuse is marked as failed, and
//! the trip and the other targets stand.

#![cfg_attr(target_arch = "bpf", no_std)]

#[cfg(target_arch = "bpf")]
mod entry;
pub mod instructions;
mod target;
mod token;
