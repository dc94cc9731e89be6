//! What is said to a guard: its constants, scopes, flows and trips, and signatures for the machine to check.

use crate::{Ix, Key, Word, data};

/// The program whose instructions are signatures.
pub(crate) const ED25519: &str = "Ed25519SigVerify111111111111111111111111111";

/// Reads an address.
pub(crate) fn address(text: &str) -> Word {
    let mut word = [0; 32];
    bs58::decode(text).onto(&mut word).map(|_| word).unwrap_or_default()
}

/// Constants and first roles of a guard or a gate.
#[derive(Debug, Clone, Copy)]
pub struct Config {
    /// Configures.
    pub owner: Word,
    /// Shortens; zeros are nobody.
    pub releaser: Word,
    /// Holds; zeros are nobody.
    pub guardian: Word,
    /// Keccak-256 of the chain's CAIP-2 name.
    pub caip2: Word,
    /// MAX.
    pub max_seconds: u32,
    /// The same in slots.
    pub max_blocks: u32,
    /// After a closure.
    pub limited_tail_seconds: u32,
    /// The same in slots.
    pub limited_tail_blocks: u32,
    /// Of every tripper's budget.
    pub budget_window_hours: u16,
}

/// The parts of a scope's name.
#[derive(Debug, Clone, Copy)]
pub struct Parts {
    /// The bridge.
    pub bridge: Word,
    /// 0 any, 1 in, 2 out.
    pub direction: u8,
    /// Zeros are any.
    pub corridor: Word,
    /// Zeros are any.
    pub asset: Word,
}

/// What an outflow is of.
#[derive(Debug, Clone, Copy)]
pub struct Flow {
    /// The bridge.
    pub bridge: Word,
    /// Zeros are any.
    pub corridor: Word,
    /// Zeros are any.
    pub asset: Word,
}

/// What a trip asks for.
#[derive(Debug, Clone, Copy)]
pub struct Trip {
    /// What to close.
    pub scope: Word,
    /// 1 or 2.
    pub level: u8,
    /// Unix seconds.
    pub until: u64,
    /// Slot.
    pub until_height: u64,
    /// Of the incident.
    pub incident: Word,
    /// Head of the log.
    pub record: Word,
    /// Of the scope.
    pub generation: u32,
}

impl Trip {
    /// As instructions have it.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        data(&[
            &self.scope,
            &[self.level],
            &self.until.to_le_bytes(),
            &self.until_height.to_le_bytes(),
            &self.incident,
            &self.record,
            &self.generation.to_le_bytes(),
        ])
    }
}

/// An instruction in which the machine checks a signature of 32 bytes.
#[must_use]
pub fn ed25519(key: &Key, message: &Word, signature: &[u8]) -> Ix {
    let here = u16::MAX;
    let (at_key, at_signature) = (16_u16, 48_u16);
    let at_message = at_signature + u16::try_from(signature.len()).unwrap_or_default();
    let mut data = vec![1, 0];
    for number in [at_signature, here, at_key, here, at_message, 32, here] {
        data.extend(number.to_le_bytes());
    }
    data.extend(key.address());
    data.extend(signature);
    data.extend(message);
    Ix { program: address(ED25519), accounts: Vec::new(), data }
}
