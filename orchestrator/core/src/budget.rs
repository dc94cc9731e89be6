//! How much automation may ask for in an hour, over all playbooks and gates of the group.
//!
//! What is counted is asked for by playbooks or by people; what is withheld is only a playbook's *extension* of a
//! closure that holds already. Withholding it is safe for that reason: the gate stays as tight as it is until its own
//! time runs out, and closing it then is a first closure, which nothing here can withhold. So a detector that runs
//! wild, or an attacker who provokes it, costs at most a bounded number of transactions, and never an open gate.

use std::collections::VecDeque;

use crate::limits;
use borsh::{BorshDeserialize, BorshSerialize};

/// Length of the window, milliseconds of shell time.
pub(crate) const HOUR_MS: u64 = 3_600_000;

/// When actions were asked for within the last hour, oldest first.
#[derive(Debug, Default, BorshSerialize, BorshDeserialize)]
pub(crate) struct Spent {
    at_ms: VecDeque<u64>,
}

impl Spent {
    /// Actions were asked for.
    pub(crate) fn note(&mut self, now_ms: u64, actions: usize) {
        self.forget(now_ms);
        for _ in 0..actions {
            if self.at_ms.len() >= limits::ACTIONS_REMEMBERED {
                self.at_ms.pop_front();
            }
            self.at_ms.push_back(now_ms);
        }
    }

    /// How many more may be asked for now.
    pub(crate) fn left(&mut self, now_ms: u64, per_hour: u64) -> u64 {
        self.forget(now_ms);
        per_hour.saturating_sub(self.count())
    }

    /// When the next one may be asked for, shell time in milliseconds; now where one is left.
    pub(crate) fn free_at_ms(&self, now_ms: u64, per_hour: u64) -> u64 {
        let over = self.count().saturating_sub(per_hour);
        let oldest = usize::try_from(over).ok().and_then(|index| self.at_ms.get(index));
        match oldest {
            Some(at_ms) if self.count() >= per_hour => at_ms.saturating_add(HOUR_MS),
            // With a budget of none there is no such moment: look again in an hour.
            _ if per_hour == 0 => now_ms.saturating_add(HOUR_MS),
            _ => now_ms,
        }
    }

    fn count(&self) -> u64 {
        u64::try_from(self.at_ms.len()).unwrap_or(u64::MAX)
    }

    fn forget(&mut self, now_ms: u64) {
        while self.at_ms.front().is_some_and(|at_ms| at_ms.saturating_add(HOUR_MS) <= now_ms) {
            self.at_ms.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_later_what_was_asked_for_counts_no_more() {
        let mut spent = Spent::default();
        spent.note(1_000, 2);
        spent.note(5_000, 1);
        assert_eq!((spent.left(5_000, 3), spent.left(5_000, 4)), (0, 1));
        assert_eq!(spent.free_at_ms(5_000, 3), 1_000 + HOUR_MS);
        assert_eq!(spent.free_at_ms(5_000, 4), 5_000, "one is left");
        assert_eq!(spent.left(1_000 + HOUR_MS, 3), 2);
        assert_eq!(spent.left(5_000 + HOUR_MS, 3), 3);
    }

    #[test]
    fn after_more_than_allowed_the_window_must_drain_first() {
        let mut spent = Spent::default();
        for at in 0..5 {
            spent.note(at, 1);
        }
        // Five first closures where two actions are allowed: the fourth must leave the window before one is free.
        assert_eq!(spent.free_at_ms(5, 2), 3 + HOUR_MS);
        assert_eq!(spent.left(3 + HOUR_MS, 2), 1);
        assert_eq!(Spent::default().free_at_ms(7, 0), 7 + HOUR_MS);
    }

    #[test]
    fn memory_is_bounded() {
        let mut spent = Spent::default();
        spent.note(1, limits::ACTIONS_REMEMBERED + 10);
        assert_eq!(usize::try_from(spent.count()), Ok(limits::ACTIONS_REMEMBERED));
    }
}
