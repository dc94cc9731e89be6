//! Where observations went. Each is counted once, so that nothing that was told can disappear without a trace.

use borsh::{BorshDeserialize, BorshSerialize};
use serde::Serialize;

use super::Engine;
use crate::ledger::Taken;

/// What became of one observation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// The ledger took it, or a detector saw it.
    Taken,
    /// It was known.
    Duplicate,
    /// A bound of the ledger kept it out; people are told.
    Full,
    /// It took back what was known.
    Retracted,
    /// It took back what nobody knew, or what had been taken back before.
    NothingToRetract,
    /// A proof had shown that it never happened.
    Refuted,
    /// No block holds it.
    Pending,
    /// Its chain, bridge or token has no number any more: there are too many names.
    Unnamed,
}

/// Observations by what became of them; the sum is how many there were.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, BorshSerialize, BorshDeserialize)]
pub struct Intake {
    /// The ledger took it, or a detector saw it.
    pub taken: u64,
    /// It was known.
    pub duplicates: u64,
    /// A bound of the ledger kept it out; anything but zero is an alarm.
    pub full: u64,
    /// It took back what was known.
    pub retracted: u64,
    /// It took back what nobody knew, or what had been taken back before.
    pub nothing_to_retract: u64,
    /// A proof had shown that it never happened.
    pub refuted: u64,
    /// No block holds it.
    pub pending: u64,
    /// Its chain, bridge or token has no number any more; anything but zero is an alarm.
    pub unnamed: u64,
}

impl Intake {
    /// How many observations there were.
    #[must_use]
    pub fn total(&self) -> u64 {
        let all = [
            self.taken,
            self.duplicates,
            self.full,
            self.retracted,
            self.nothing_to_retract,
            self.refuted,
            self.pending,
            self.unnamed,
        ];
        all.into_iter().fold(0, u64::saturating_add)
    }

    pub(super) fn count(&mut self, fate: Fate) {
        let counter = match fate {
            Fate::Taken => &mut self.taken,
            Fate::Duplicate => &mut self.duplicates,
            Fate::Full => &mut self.full,
            Fate::Retracted => &mut self.retracted,
            Fate::NothingToRetract => &mut self.nothing_to_retract,
            Fate::Refuted => &mut self.refuted,
            Fate::Pending => &mut self.pending,
            Fate::Unnamed => &mut self.unnamed,
        };
        *counter = counter.saturating_add(1);
    }
}

impl From<Taken> for Fate {
    fn from(taken: Taken) -> Self {
        match taken {
            Taken::New => Self::Taken,
            Taken::Duplicate => Self::Duplicate,
            Taken::Full => Self::Full,
        }
    }
}

impl Engine {
    /// What became of the observations so far.
    #[must_use]
    pub fn intake(&self) -> Intake {
        self.intake
    }
}
