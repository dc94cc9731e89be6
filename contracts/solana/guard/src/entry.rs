//! Where the machine comes in.
#![allow(unexpected_cfgs, reason = "the macros ask for a target that only another toolchain knows")]

use pinocchio::{no_allocator, nostd_panic_handler, program_entrypoint};

use crate::instructions::process;

/// The most accounts of an instruction: `check` of a bridge with all sixteen scopes.
const MAX_ACCOUNTS: usize = 24;

program_entrypoint!(process, { MAX_ACCOUNTS });
no_allocator!();
nostd_panic_handler!();
