//! Where the machine comes in.
#![allow(unexpected_cfgs, reason = "the macros ask for a target that only another toolchain knows")]

use pinocchio::{no_allocator, nostd_panic_handler, program_entrypoint};

use crate::instructions::process;

/// The most accounts of an instruction, with room for some that nobody looks at.
const MAX_ACCOUNTS: usize = 12;

program_entrypoint!(process, { MAX_ACCOUNTS });
no_allocator!();
nostd_panic_handler!();
