//! Snapshots: all that an engine knows, as bytes, so that a start need not replay what was consumed long ago.
//!
//! A snapshot is a shortcut through the log and takes nothing of its place. It is of use to the same version of the
//! engine only; another one replays. An engine that was read back goes on as the one that was written would have, byte
//! for byte.

use borsh::{BorshDeserialize, BorshSerialize};
use portcullis_verifier::{B256, keccak256};

use crate::engine::{ENGINE_VERSION, Engine};

/// Version of the encoding: the first byte.
pub const SNAPSHOT_VERSION: u8 = 1;

/// Why bytes are not a snapshot that this engine can go on from.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    /// Shorter than its header.
    #[error("{0} bytes are too few for a snapshot")]
    Short(usize),
    /// Not what was hashed when it was taken.
    #[error("the snapshot hashes to {found}, and {expected} was written down when it was taken")]
    Hash {
        /// As it was written down.
        expected: B256,
        /// Of the bytes.
        found: B256,
    },
    /// Another version of the encoding.
    #[error("the snapshot has encoding version {found}, this program reads {SNAPSHOT_VERSION}")]
    Version {
        /// First byte.
        found: u8,
    },
    /// Another version of the engine knows other things.
    #[error("engine version {wrote} took the snapshot, and this is {ENGINE_VERSION}")]
    Engine {
        /// Which version took it.
        wrote: u32,
    },
    /// The bytes after the header are not what an engine knows.
    #[error("the snapshot cannot be read: {detail}")]
    State {
        /// What the decoder says.
        detail: String,
    },
}

/// What an engine knows: encoding version, engine version (4 bytes, little-endian), borsh.
#[must_use]
pub fn encode_engine(engine: &Engine) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(engine.ledger().bytes.saturating_add(65_536));
    bytes.push(SNAPSHOT_VERSION);
    bytes.extend_from_slice(&ENGINE_VERSION.to_le_bytes());
    // Writing into memory cannot fail for these types.
    let _infallible = BorshSerialize::serialize(engine, &mut bytes);
    bytes
}

/// The hash that has to be written down, where nobody can change it, when a snapshot is taken.
#[must_use]
pub fn snapshot_hash(bytes: &[u8]) -> B256 {
    keccak256(bytes)
}

/// An engine as it was when a snapshot was taken.
///
/// SECURITY: `expected` is the hash from the log. Whoever could slip other bytes in could make the engine forget a
/// consumed message.
///
/// # Errors
/// [`SnapshotError`] says why the log has to be replayed instead.
pub fn decode_engine(bytes: &[u8], expected: B256) -> Result<Engine, SnapshotError> {
    let found = snapshot_hash(bytes);
    if found != expected {
        return Err(SnapshotError::Hash { expected, found });
    }
    let short = || SnapshotError::Short(bytes.len());
    let (version, rest) = bytes.split_first().ok_or_else(short)?;
    if *version != SNAPSHOT_VERSION {
        return Err(SnapshotError::Version { found: *version });
    }
    let (wrote, state) = rest.split_first_chunk::<4>().ok_or_else(short)?;
    let wrote = u32::from_le_bytes(*wrote);
    if wrote != ENGINE_VERSION {
        return Err(SnapshotError::Engine { wrote });
    }
    Engine::try_from_slice(state).map_err(|error| SnapshotError::State { detail: error.to_string() })
}
