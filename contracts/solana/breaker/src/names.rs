//! How scopes and actions are named: the same hashes on every machine, each part one word of 32 bytes.

use crate::args::Args;
use crate::machine::keccak256;
use crate::{Result, Word};

/// The explicit wildcard for corridor and asset.
pub const ANY: Word = [0; 32];
/// In and out.
pub const DIRECTION_ANY: u8 = 0;
/// Value comes in.
pub const DIRECTION_IN: u8 = 1;
/// Value leaves.
pub const DIRECTION_OUT: u8 = 2;

/// keccak256("portcullis.scope.v1").
const SCOPE_DOMAIN: Word = [
    0x98, 0x6c, 0x49, 0x99, 0x6b, 0x5a, 0xbe, 0x47, 0x7e, 0x1d, 0x0a, 0x8c, 0x4e, 0xf4, 0x97, 0xc5, 0x47,
    0x41, 0x6d, 0x86, 0x46, 0x66, 0x0b, 0x77, 0xd0, 0x92, 0xb9, 0xb8, 0xad, 0x33, 0xe0, 0xe0,
];
/// keccak256("portcullis.action.v1").
const ACTION_DOMAIN: Word = [
    0x14, 0x93, 0x11, 0x34, 0x7a, 0xf9, 0x35, 0x89, 0xc2, 0xf7, 0x61, 0x7a, 0xc5, 0x31, 0x34, 0xab, 0xc2,
    0x60, 0x95, 0x5b, 0x11, 0x18, 0xab, 0xea, 0xd9, 0xf5, 0xdd, 0x93, 0xcf, 0x17, 0x49, 0xdf,
];

/// What a trip asks for.
#[derive(Debug, Clone, Copy)]
pub struct Trip {
    /// What to close.
    pub scope: Word,
    /// 1 (limited) or 2 (closed).
    pub level: u8,
    /// Unix seconds.
    pub until: u64,
    /// Slot; zero asks for none.
    pub until_height: u64,
    /// Identifier of the incident; only recorded.
    pub incident: Word,
    /// Head of the decision log; only recorded.
    pub record: Word,
    /// The scope's generation that the decision was made for.
    pub generation: u32,
}

impl Trip {
    /// Reads it, in this order.
    ///
    /// # Errors
    /// When the data is too short.
    pub fn read(args: &mut Args<'_>) -> Result<Self> {
        Ok(Self {
            scope: args.word()?,
            level: args.u8()?,
            until: args.u64()?,
            until_height: args.u64()?,
            incident: args.word()?,
            record: args.word()?,
            generation: args.u32()?,
        })
    }
}

/// keccak256(keccak256("portcullis.scope.v1"), caip2 hash, bridge, direction, corridor, asset).
#[must_use]
#[inline(always)]
pub fn scope_of(caip2_hash: &Word, bridge: &Word, direction: u8, corridor: &Word, asset: &Word) -> Word {
    keccak256(&[&SCOPE_DOMAIN, caip2_hash, bridge, &padded(u64::from(direction)), corridor, asset])
}

/// keccak256(keccak256("portcullis.action.v1"), caip2 hash, guard, scope, level, until, until height, incident,
/// generation). The guard is the address of the breaker account.
#[must_use]
pub fn action_id(caip2_hash: &Word, guard: &Word, trip: &Trip) -> Word {
    keccak256(&[
        &ACTION_DOMAIN,
        caip2_hash,
        guard,
        &trip.scope,
        &padded(u64::from(trip.level)),
        &padded(trip.until),
        &padded(trip.until_height),
        &trip.incident,
        &padded(u64::from(trip.generation)),
    ])
}

/// What a tripper signs: keccak256(action id, deadline, record). The record is signed too, so that who submits cannot
/// forge it.
#[must_use]
pub fn trip_message(action_id: &Word, deadline: u64, record: &Word) -> Word {
    keccak256(&[action_id, &padded(deadline), record])
}

/// Big-endian with zeros before it.
fn padded(number: u64) -> Word {
    let mut word = [0; 32];
    if let Some(end) = word.last_chunk_mut() {
        *end = number.to_be_bytes();
    }
    word
}
