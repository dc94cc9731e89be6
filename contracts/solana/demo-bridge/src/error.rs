//! Why a call is refused, beside what the guard says.

use pinocchio::error::ProgramError;
use portcullis_solana_breaker::{Word, emit};

/// Names and fields are those of the demonstration bridges on other machines.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Refusal {
    NotOwner(Word),
    NotUpdater(Word),
    TokenUnknown(Word),
    AlreadyProcessed(Word),
    NotProven(Word),
}

impl From<Refusal> for ProgramError {
    fn from(refusal: Refusal) -> Self {
        let (code, name, field): (u32, &[u8], Word) = match refusal {
            Refusal::NotOwner(caller) => (7100, b"NotOwner", caller),
            Refusal::NotUpdater(caller) => (7101, b"NotUpdater", caller),
            Refusal::TokenUnknown(token) => (7102, b"TokenUnknown", token),
            Refusal::AlreadyProcessed(leaf) => (7103, b"AlreadyProcessed", leaf),
            Refusal::NotProven(leaf) => (7104, b"NotProven", leaf),
        };
        emit(&[name, &field]);
        Self::Custom(code)
    }
}
