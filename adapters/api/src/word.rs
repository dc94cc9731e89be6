//! The word that a Guard or Gate of any family keeps of a scope, and what of it shows that an action took effect.
//!
//! Least significant bits first: registered 0..8, hold 8..16, closed until 16..56, closed until height 56..96, limited
//! until 96..136, limited until height 136..176, generation 176..208. Fixed by the contracts' documentation and tested on
//! both sides. Where the word lies is each family's own.

use portcullis_verifier::{Action, B256, BlockRef, ChainId, Claim, Level, Relation, U256};

use crate::GateReport;

/// A field of a scope's word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// Closed until this time, seconds since 1970.
    ClosedUntil,
    /// Closed below this height.
    ClosedUntilHeight,
    /// Limited until this time, seconds since 1970.
    LimitedUntil,
    /// Limited below this height.
    LimitedUntilHeight,
}

/// Greatest value of a field: 40 bits.
const FIELD_MAX: u64 = (1 << 40) - 1;

impl Field {
    const ALL: [Self; 4] =
        [Self::ClosedUntil, Self::ClosedUntilHeight, Self::LimitedUntil, Self::LimitedUntilHeight];

    fn shift(self) -> usize {
        match self {
            Self::ClosedUntil => 16,
            Self::ClosedUntilHeight => 56,
            Self::LimitedUntil => 96,
            Self::LimitedUntilHeight => 136,
        }
    }

    /// All bits of the field, in place.
    #[must_use]
    pub fn mask(self) -> U256 {
        U256::from(FIELD_MAX).wrapping_shl(self.shift())
    }

    /// A value in place; what does not fit is the greatest that does.
    #[must_use]
    pub fn place(self, value: u64) -> U256 {
        U256::from(value.min(FIELD_MAX)).wrapping_shl(self.shift())
    }
}

/// Which field of the word shows that an action took effect: its time, or its height where no time is asked.
#[must_use]
pub fn effect_field(action: &Action) -> Field {
    match (action.level, action.until) {
        (Level::Closed, 0) => Field::ClosedUntilHeight,
        (Level::Closed, _) => Field::ClosedUntil,
        (Level::Limited | Level::Open, 0) => Field::LimitedUntilHeight,
        (Level::Limited | Level::Open, _) => Field::LimitedUntil,
    }
}

/// What must hold at a block for an action to have taken effect: the field of the word that lies at `key` is at least what
/// was asked for.
#[must_use]
pub fn effect(chain: ChainId, action: &Action, block: BlockRef, key: B256) -> Claim {
    let field = effect_field(action);
    let asked = match field {
        Field::ClosedUntilHeight | Field::LimitedUntilHeight => action.until_height,
        Field::ClosedUntil | Field::LimitedUntil => action.until,
    };
    Claim::State {
        chain,
        block,
        contract: action.target,
        key,
        mask: field.mask(),
        relation: Relation::AtLeast,
        value: field.place(asked),
    }
}

/// A scope's word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScopeWord(pub U256);

impl ScopeWord {
    /// A word without bounds; [`Self::with`] adds them.
    #[must_use]
    pub fn new(registered: bool, hold: u8, generation: u32) -> Self {
        let hold = U256::from(hold).wrapping_shl(8);
        Self(U256::from(registered) | hold | U256::from(generation).wrapping_shl(176))
    }

    /// The same with a field that was empty.
    #[must_use]
    pub fn with(self, field: Field, value: u64) -> Self {
        Self(self.0 | field.place(value))
    }

    /// Reads a field.
    #[must_use]
    pub fn get(self, field: Field) -> u64 {
        (self.0 & field.mask()).wrapping_shr(field.shift()).saturating_to()
    }

    fn bits(self, from: usize, mask: u32) -> u32 {
        (self.0.wrapping_shr(from) & U256::from(mask)).saturating_to()
    }

    /// Whether the gate knows the scope.
    #[must_use]
    pub fn registered(self) -> bool {
        self.bits(0, 1) != 0
    }

    /// What people hold it at without an end: 0 nothing, 1 limited, 2 and above closed.
    #[must_use]
    pub fn hold(self) -> u32 {
        self.bits(8, 0xff)
    }

    /// How often it was released.
    #[must_use]
    pub fn generation(self) -> u32 {
        self.bits(176, u32::MAX)
    }

    /// The level at a block: the strictest of hold, closure and limitation; unregistered is closed. A level holds
    /// while time or height is below its bound.
    #[must_use]
    pub fn level_at(self, time: u64, height: u64) -> Level {
        let holds = |until, until_height| time < self.get(until) || height < self.get(until_height);
        if !self.registered() || self.hold() >= 2 || holds(Field::ClosedUntil, Field::ClosedUntilHeight) {
            Level::Closed
        } else if self.hold() == 1 || holds(Field::LimitedUntil, Field::LimitedUntilHeight) {
            Level::Limited
        } else {
            Level::Open
        }
    }

    /// The stricter of two words of one scope, field by field.
    #[must_use]
    pub fn stricter(self, other: Self) -> Self {
        let mut word = U256::from(self.bits(0, 1).max(other.bits(0, 1)));
        word |= U256::from(self.hold().max(other.hold())).wrapping_shl(8);
        word |= U256::from(self.generation().max(other.generation())).wrapping_shl(176);
        for field in Field::ALL {
            word |= field.place(self.get(field).max(other.get(field)));
        }
        Self(word)
    }

    /// The same with nothing closed: what a Gate's word is worth while something that it should have closed is not.
    #[must_use]
    pub fn not_enforced(self) -> Self {
        Self(self.0 & !Field::ClosedUntil.mask() & !Field::ClosedUntilHeight.mask())
    }

    /// What the word says of the gate at a block of this time.
    #[must_use]
    pub fn report(self, block: BlockRef, time: u64) -> GateReport {
        GateReport {
            block,
            time,
            registered: self.registered(),
            level: self.level_at(time, block.height),
            until: self.get(Field::ClosedUntil),
            until_height: self.get(Field::ClosedUntilHeight),
            generation: self.generation(),
        }
    }
}
