//! One scope's state in one value of 32 bytes. The layout is part of the interface, because it is read from outside, and it
//! is the same on every machine.

/// Nothing is in force.
pub const OPEN: u8 = 0;
/// The limits for this level hold.
pub const LIMITED: u8 = 1;
/// Nothing leaves.
pub const CLOSED: u8 = 2;

/// 0 open, 1 limited, 2 closed.
pub type Level = u8;

/// When a call happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Block {
    /// Unix seconds.
    pub time: u64,
    /// Blocks (or slots) since the chain's beginning.
    pub height: u64,
}

/// Why a word cannot be written or read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WordError {
    /// A time or height beyond 40 bits.
    BoundTooGreat(u64),
    /// Not a value that was written here.
    Broken,
}

/// The fields of a registered scope. As one big-endian number of 256 bits, least significant bits first:
/// registered 0..8, hold 8..16, `closed_until` 16..56, `closed_until_height` 56..96, `limited_until` 96..136,
/// `limited_until_height` 136..176, generation 176..208, kind 208..216, the rest is zero.
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
    #[inline(always)]
    pub const fn level(&self, block: Block) -> Level {
        if self.hold >= CLOSED || block.time < self.closed_until || block.height < self.closed_until_height {
            CLOSED
        } else if block.time < self.limited_until || block.height < self.limited_until_height {
            LIMITED
        } else {
            self.hold
        }
    }

    /// The level of a stored word, without reading the rest of it: what a protected program asks for.
    ///
    /// # Errors
    /// When the word is not one of a registered scope.
    #[inline(always)]
    pub fn level_in(word: &[u8; 32], block: Block) -> Result<Level, WordError> {
        let &[_, _, _, _, _, _, _, ref rest @ .., hold, registered] = word;
        if registered != 1 {
            return Err(WordError::Broken);
        }
        // Each bound is the end of eight bytes; what stands before it is cut off.
        let bound = |at: usize| {
            let bytes = rest.get(at..).and_then(|rest| rest.first_chunk()).copied();
            u64::from_be_bytes(bytes.unwrap_or([u8::MAX; 8])) & 0xff_ffff_ffff
        };
        let word = Self {
            hold,
            closed_until: bound(15),
            closed_until_height: bound(10),
            limited_until: bound(5),
            limited_until_height: bound(0),
            ..Self::default()
        };
        Ok(word.level(block))
    }

    /// The value as it is stored.
    ///
    /// # Errors
    /// When a bound does not fit its 40 bits. SECURITY: it would run into its neighbour.
    pub fn pack(&self) -> Result<[u8; 32], WordError> {
        let [a, b, c, d] = self.generation.to_be_bytes();
        let mut word = [0; 32];
        let mut fields = word.chunks_exact_mut(5);
        let kind_and_generation = [[0, 0, 0, 0, 0], [self.kind, a, b, c, d]];
        let bounds =
            [self.limited_until_height, self.limited_until, self.closed_until_height, self.closed_until];
        for (value, field) in kind_and_generation.into_iter().zip(fields.by_ref()) {
            field.copy_from_slice(&value);
        }
        for (field, bound) in fields.zip(bounds) {
            let [0, 0, 0, bytes @ ..] = bound.to_be_bytes() else {
                return Err(WordError::BoundTooGreat(bound));
            };
            field.copy_from_slice(&bytes);
        }
        let [.., hold, registered] = &mut word;
        (*hold, *registered) = (self.hold, 1);
        Ok(word)
    }

    /// Reads what [`Self::pack`] wrote.
    ///
    /// # Errors
    /// For any other value.
    pub fn unpack(word: &[u8; 32]) -> Result<Self, WordError> {
        let &[0, 0, 0, 0, 0, kind, a, b, c, d, ref bounds @ .., hold, 1] = word else {
            return Err(WordError::Broken);
        };
        let mut bounds = bounds
            .as_chunks::<5>()
            .0
            .iter()
            .map(|&[a, b, c, d, e]| u64::from_be_bytes([0, 0, 0, a, b, c, d, e]));
        let mut bound = || bounds.next().ok_or(WordError::Broken);
        Ok(Self {
            limited_until_height: bound()?,
            limited_until: bound()?,
            closed_until_height: bound()?,
            closed_until: bound()?,
            generation: u32::from_be_bytes([a, b, c, d]),
            hold,
            kind,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FULL: ScopeWord = ScopeWord {
        hold: 1,
        closed_until: 0x01_0203_0405,
        closed_until_height: 0x06_0708_090a,
        limited_until: 0x0b_0c0d_0e0f,
        limited_until_height: 0x10_1112_1314,
        generation: 0x1516_1718,
        kind: 0x19,
    };

    #[test]
    fn fields_lie_where_the_interface_says() {
        let mut expected = [0; 32];
        expected[5..].copy_from_slice(&[
            0x19, 0x15, 0x16, 0x17, 0x18, 0x10, 0x11, 0x12, 0x13, 0x14, 0x0b, 0x0c, 0x0d, 0x0e, 0x0f, 6, 7,
            8, 9, 0x0a, 1, 2, 3, 4, 5, 1, 1,
        ]);
        assert_eq!(FULL.pack(), Ok(expected));
        assert_eq!(ScopeWord::unpack(&expected), Ok(FULL));
        for (time, height) in [(0, 0), (FULL.closed_until, 0), (u64::MAX, u64::MAX), (0, u64::MAX)] {
            let block = Block { time, height };
            assert_eq!(ScopeWord::level_in(&expected, block), Ok(FULL.level(block)));
        }
    }

    #[test]
    fn what_was_not_written_here_is_refused() {
        let good = FULL.pack().unwrap();
        for at in [0, 4, 31] {
            let mut word = good;
            word[at] = 7;
            assert_eq!(ScopeWord::unpack(&word), Err(WordError::Broken), "{at}");
        }
        assert_eq!(ScopeWord::unpack(&[0; 32]), Err(WordError::Broken));
        let now = Block { time: 0, height: 0 };
        assert_eq!(ScopeWord::level_in(&[0; 32], now), Err(WordError::Broken));
    }

    #[test]
    fn a_bound_of_41_bits_is_refused_in_every_field() {
        let great = 1 << 40;
        let words = [
            ScopeWord { closed_until: great, ..FULL },
            ScopeWord { closed_until_height: great, ..FULL },
            ScopeWord { limited_until: great, ..FULL },
            ScopeWord { limited_until_height: great, ..FULL },
        ];
        for word in words {
            assert_eq!(word.pack(), Err(WordError::BoundTooGreat(great)));
        }
    }

    #[test]
    fn closed_runs_out_into_limited_and_height_holds_where_time_is_over() {
        let word =
            ScopeWord { closed_until: 10, closed_until_height: 5, limited_until: 20, ..ScopeWord::default() };
        let packed = word.pack().unwrap();
        let level = |time, height| {
            let block = Block { time, height };
            assert_eq!(ScopeWord::level_in(&packed, block), Ok(word.level(block)));
            word.level(block)
        };
        assert_eq!([level(9, 9), level(10, 4), level(10, 5), level(19, 5), level(20, 5)], [2, 2, 1, 1, 0]);
        assert_eq!(ScopeWord { hold: 1, ..ScopeWord::default() }.level(Block { time: 0, height: 0 }), 1);
    }
}
