//! One scope's state in one value of 32 bytes. The layout is part of the interface, because it is proven from outside, and
//! it is the layout of the guards on other machines.

use crate::error::BreakerError;
use crate::scopes::Block;

/// Nothing is in force.
pub const OPEN: u8 = 0;
/// The limits for this level hold.
pub const LIMITED: u8 = 1;
/// Nothing leaves.
pub const CLOSED: u8 = 2;

/// 0 open, 1 limited, 2 closed.
pub type Level = u8;

/// The fields of a registered scope. As one big-endian number of 256 bits, least significant bits first:
/// registered 0..8, hold 8..16, closed_until 16..56, closed_until_height 56..96, limited_until 96..136,
/// limited_until_height 136..176, generation 176..208, kind 208..216, the rest is zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ScopeWord {
    /// Level held by people (0, 1, 2); it does not expire.
    pub hold: Level,
    /// Unix seconds; closed while the block's time is below it.
    pub closed_until: u64,
    /// Closed while the block's height is below it.
    pub closed_until_height: u64,
    /// As `closed_until`, for limited.
    pub limited_until: u64,
    /// As `closed_until_height`, for limited.
    pub limited_until_height: u64,
    /// Counts releases.
    pub generation: u32,
    /// Which of its parts are wildcards: bit 0 any asset, bit 1 any corridor, bit 2 any direction; 8 is inflow. Zero
    /// where nobody asks.
    pub kind: u8,
}

impl ScopeWord {
    /// The level now: the strictest of hold, closure and limitation. A level holds while `now < until` or
    /// `height < until height`, so that a chain which stood still does not wake up open.
    #[must_use]
    pub fn level(&self, block: Block) -> Level {
        let holds = |until, height| block.time < until || block.height < height;
        if self.hold >= CLOSED || holds(self.closed_until, self.closed_until_height) {
            CLOSED
        } else if holds(self.limited_until, self.limited_until_height) {
            LIMITED
        } else {
            self.hold
        }
    }

    /// The value as it lies in the store.
    ///
    /// # Errors
    /// When a bound does not fit its 40 bits. SECURITY: it would run into its neighbour.
    pub fn pack(&self) -> Result<[u8; 32], BreakerError> {
        let mut out = Vec::with_capacity(32);
        out.extend([0_u8; 5]);
        out.push(self.kind);
        out.extend(self.generation.to_be_bytes());
        for bound in
            [self.limited_until_height, self.limited_until, self.closed_until_height, self.closed_until]
        {
            let [0, 0, 0, bytes @ ..] = bound.to_be_bytes() else {
                return Err(BreakerError::BoundTooGreat { bound });
            };
            out.extend(bytes);
        }
        out.extend([self.hold, 1]);
        out.try_into().map_err(|_| BreakerError::BrokenScope {})
    }

    /// Reads what [`Self::pack`] wrote.
    ///
    /// # Errors
    /// For any other value: the store holds what this contract did not write.
    pub fn unpack(bytes: &[u8]) -> Result<Self, BreakerError> {
        let &[0, 0, 0, 0, 0, kind, ref rest @ ..] = bytes else { return Err(BreakerError::BrokenScope {}) };
        let (generation, rest) = rest.split_first_chunk::<4>().ok_or(BreakerError::BrokenScope {})?;
        let (limited_until_height, rest) = bound(rest)?;
        let (limited_until, rest) = bound(rest)?;
        let (closed_until_height, rest) = bound(rest)?;
        let (closed_until, rest) = bound(rest)?;
        let &[hold, 1] = rest else { return Err(BreakerError::BrokenScope {}) };
        Ok(Self {
            hold,
            closed_until,
            closed_until_height,
            limited_until,
            limited_until_height,
            generation: u32::from_be_bytes(*generation),
            kind,
        })
    }
}

/// Five bytes, and what follows them.
fn bound(bytes: &[u8]) -> Result<(u64, &[u8]), BreakerError> {
    let (&[a, b, c, d, e], rest) = bytes.split_first_chunk::<5>().ok_or(BreakerError::BrokenScope {})?;
    Ok((u64::from_be_bytes([0, 0, 0, a, b, c, d, e]), rest))
}
