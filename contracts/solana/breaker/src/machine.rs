//! What the machine does for a program: hash, log, time, return data.

use pinocchio::sysvars::Sysvar;
use pinocchio::sysvars::clock::Clock;
use portcullis_rules::Block;

use crate::{Result, Word};

/// Writes one line: the parts as base64, a space between them. The first is the name.
#[inline(always)]
#[cfg_attr(
    target_arch = "bpf",
    expect(
        unsafe_code,
        clippy::as_conversions,
        reason = "a call into the machine, with a slice of its own length"
    )
)]
pub fn emit(parts: &[&[u8]]) {
    #[cfg(target_arch = "bpf")]
    // SAFETY: the machine reads as many slices as there are, and a slice is an address and a length there too.
    unsafe {
        solana_define_syscall::definitions::sol_log_data(parts.as_ptr().cast(), parts.len() as u64);
    }
    #[cfg(not(target_arch = "bpf"))]
    let _ = parts;
}

/// Whether two words are the same. Eight bytes at a time: what the compiler makes of `==` here goes byte by byte.
#[inline(always)]
#[must_use]
pub fn same(a: &Word, b: &Word) -> bool {
    let ([a, b, c, d], [e, f, g, h]) = (a.as_chunks().0, b.as_chunks().0) else { return false };
    let differ = |a: &[u8; 8], b: &[u8; 8]| u64::from_ne_bytes(*a) ^ u64::from_ne_bytes(*b);
    differ(a, e) | differ(b, f) | differ(c, g) | differ(d, h) == 0
}

/// A number as events have it.
#[inline(always)]
pub fn num(value: impl Into<u64>) -> [u8; 8] {
    value.into().to_le_bytes()
}

/// Keccak-256 of the parts, one after the other.
#[inline(always)]
#[must_use]
#[cfg_attr(
    target_arch = "bpf",
    expect(
        unsafe_code,
        clippy::as_conversions,
        reason = "a call into the machine, with a slice of its own length"
    )
)]
pub fn keccak256(parts: &[&[u8]]) -> Word {
    let mut hash = [0; 32];
    #[cfg(target_arch = "bpf")]
    // SAFETY: the machine reads as many slices as there are and writes 32 bytes. It ends the program when it cannot.
    unsafe {
        let _ended_or_zero = solana_define_syscall::definitions::sol_keccak256(
            parts.as_ptr().cast(),
            parts.len() as u64,
            hash.as_mut_ptr(),
        );
    }
    #[cfg(not(target_arch = "bpf"))]
    for (to, from) in hash.iter_mut().zip(parts.iter().flat_map(|part| part.iter())) {
        // Off chain these programs are only type-checked.
        *to ^= from;
    }
    hash
}

/// Time and slot. A time before 1970 is 0.
///
/// # Errors
/// When the machine has no clock.
pub fn now() -> Result<Block> {
    let clock = Clock::get()?;
    Ok(Block { time: u64::try_from(clock.unix_timestamp).unwrap_or(0), height: clock.slot })
}

/// What the instruction answers.
pub fn returns(data: &[u8]) {
    pinocchio::cpi::set_return_data(data);
}

/// Writes into the log how many compute units are left: 100 of them are spent on that.
#[inline(always)]
pub fn units() {
    #[cfg(target_arch = "bpf")]
    #[expect(unsafe_code, reason = "a call into the machine without arguments")]
    // SAFETY: it reads nothing of the program's.
    unsafe {
        solana_define_syscall::definitions::sol_log_compute_units_();
    }
}
