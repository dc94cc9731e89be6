//! Both sides of a bridge that has Nomad's flaw. FOR DEMONSTRATION AND TESTS ONLY: it can be robbed, that is its purpose.
//!
//! Messages map to the root under which they were proven, and a message may be processed when that root is acceptable. A
//! message that nobody proved maps to zero. `upgrade` re-initialises with a committed root of zero, and zero becomes
//! acceptable. What the bridge pays out, it asks its guard about first.

#![cfg_attr(target_arch = "bpf", no_std)]

#[cfg(target_arch = "bpf")]
mod entry;
mod error;
pub mod instructions;
mod state;
mod token;
