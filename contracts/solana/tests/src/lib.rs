//! The programs as programs outside the chain see them: addresses, instructions, events; and a chain to send them to, in
//! process or a validator. For tests.

pub mod address;
mod bridge;
pub mod fixture;

mod event;

mod gate;
mod guard;
mod message;
mod node;
mod svm;
mod terms;
pub mod token;

mod vectors;

use std::collections::BTreeMap;

use ed25519_dalek::{Signer, SigningKey};
use sha2::{Digest, Sha256};

pub use bridge::{Bridge, Payout};
pub use event::{Event, events, refusal};
pub use gate::Gate;
pub use guard::Guard;
pub use node::{Node, validator};
pub use svm::{Svm, artifact, program};
pub use terms::{Config, Flow, Parts, Trip, ed25519};
pub use vectors::{Count, FILES, run};

/// 32 bytes: an address, a scope, an id.
pub type Word = [u8; 32];
/// What went wrong, with its place; tests print it and end.
pub type Error = Box<dyn std::error::Error + Send + Sync>;
/// A result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// The system program.
pub const SYSTEM: Word = [0; 32];

/// An account's key, made from a name: the same name is always the same account.
#[derive(Debug, Clone)]
pub struct Key(SigningKey);

impl Key {
    /// The key of this name.
    #[must_use]
    pub fn named(name: &str) -> Self {
        Self(SigningKey::from_bytes(&Sha256::digest(format!("portcullis test key: {name}")).into()))
    }

    /// Its address.
    #[must_use]
    pub fn address(&self) -> Word {
        self.0.verifying_key().to_bytes()
    }

    /// Signs.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message).to_bytes()
    }

    /// Secret and public half.
    #[must_use]
    pub fn bytes(&self) -> [u8; 64] {
        self.0.to_keypair_bytes()
    }
}

/// An account of an instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Meta {
    /// Its address.
    pub address: Word,
    /// Whether it signs.
    pub signs: bool,
    /// Whether it may change.
    pub writable: bool,
}

/// Read only.
#[must_use]
pub fn r(address: Word) -> Meta {
    Meta { address, signs: false, writable: false }
}

/// Writable.
#[must_use]
pub fn w(address: Word) -> Meta {
    Meta { writable: true, ..r(address) }
}

/// Signs.
#[must_use]
pub fn s(address: Word) -> Meta {
    Meta { signs: true, ..r(address) }
}

/// Signs, and may change.
#[must_use]
pub fn sw(address: Word) -> Meta {
    Meta { signs: true, ..w(address) }
}

/// An instruction.
#[derive(Debug, Clone)]
pub struct Ix {
    /// Who runs.
    pub program: Word,
    /// With which accounts.
    pub accounts: Vec<Meta>,
    /// And data.
    pub data: Vec<u8>,
}

/// What a transaction that succeeded left.
#[derive(Debug, Clone, Default)]
pub struct Landed {
    /// Its log.
    pub logs: Vec<String>,
    /// Data that the last instruction returned.
    pub returned: Vec<u8>,
    /// Compute units, those of all its instructions.
    pub units: u64,
}

/// Why a transaction failed.
#[derive(Debug, Clone)]
pub struct Failed {
    /// The machine's own words.
    pub reason: String,
    /// The custom code, where a program gave one.
    pub code: Option<u32>,
    /// Its log.
    pub logs: Vec<String>,
}

/// A chain. The first signer pays.
pub trait Chain {
    /// Sends a transaction and waits for its end.
    ///
    /// # Errors
    /// When it fails.
    fn send(&mut self, instructions: &[Ix], signers: &[&Key]) -> std::result::Result<Landed, Failed>;
    /// Owner and data of an account.
    fn account(&self, address: &Word) -> Option<(Word, Vec<u8>)>;
    /// Time (Unix seconds) and slot now.
    fn now(&self) -> (u64, u64);
    /// Goes to a time and slot, where the chain can.
    ///
    /// # Errors
    /// When it cannot.
    fn at(&mut self, time: u64, slot: u64) -> Result<()>;
}

/// Bytes of the instruction's data, one after the other.
#[must_use]
pub fn data(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

/// The keys that sign, by their address, each once.
#[must_use]
pub fn distinct<'a>(signers: &[&'a Key]) -> Vec<&'a Key> {
    let mut seen = BTreeMap::new();
    signers.iter().filter(|key| seen.insert(key.address(), ()).is_none()).copied().collect()
}
