//! Nonces: read from the chain, kept apart for actions that are under way together.

use std::collections::{BTreeMap, BTreeSet};

use portcullis_verifier::{ActionId, OperatorId};

use crate::limits;

/// What is known of one key's nonces. Pure.
#[derive(Debug, Default)]
pub(crate) struct Nonces {
    reported: BTreeMap<OperatorId, Reported>,
    /// Actions under way in the order in which they were first signed.
    outstanding: Vec<Outstanding>,
}

#[derive(Debug)]
struct Outstanding {
    action: ActionId,
    given: BTreeSet<u64>,
    /// Whether any of its bytes have left.
    sent: bool,
    /// How often nonces were refreshed since it was signed.
    age: u32,
}

#[derive(Debug, Clone, Copy)]
struct Reported {
    latest: u64,
    pending: u64,
}

impl Nonces {
    /// An operator's counts: transactions in blocks, and with those that it has waiting.
    pub(crate) fn report(&mut self, operator: OperatorId, latest: u64, pending: u64) {
        self.reported.insert(operator, Reported { latest, pending: pending.max(latest) });
    }

    /// Whether any operator has reported.
    pub(crate) fn known(&self) -> bool {
        !self.reported.is_empty()
    }

    /// Nonces were refreshed. What was signed a while ago and never sent gives its place back: others must not
    /// wait for a nonce that nobody uses.
    pub(crate) fn refreshed(&mut self) {
        for outstanding in &mut self.outstanding {
            outstanding.age = outstanding.age.saturating_add(1);
        }
        self.outstanding.retain(|o| o.sent || o.age < limits::UNSENT_AGE);
    }

    /// Bytes of an action are about to leave.
    pub(crate) fn sent(&mut self, action: ActionId) {
        for outstanding in self.outstanding.iter_mut().filter(|o| o.action == action) {
            outstanding.sent = true;
        }
    }

    /// Nonces to sign an action with: one for each distinct count that operators report, in the order of how
    /// many report it.
    ///
    /// An action that is first in line gets the reported count itself, so that it replaces whatever is stuck
    /// there; later ones queue behind it. Where a node has more waiting than is known here (a former process
    /// left it), the end of its queue is a candidate too: whichever lands first does the work, and a second trip
    /// changes nothing. From step [`limits::OVERTAKE_BUMP`] on, an action that queues behind another one also gets the
    /// first place: what is stuck there must not hold up everything behind it.
    pub(crate) fn candidates(&mut self, action: ActionId, bump: u16) -> Vec<u64> {
        let place = match self.outstanding.iter().position(|o| o.action == action) {
            Some(place) => place,
            None if self.outstanding.len() >= limits::OUTSTANDING_MAX => return Vec::new(),
            None => {
                self.outstanding.push(Outstanding { action, given: BTreeSet::new(), sent: false, age: 0 });
                self.outstanding.len().saturating_sub(1)
            }
        };
        let ahead = u64::try_from(place).unwrap_or(u64::MAX);
        let known = u64::try_from(self.outstanding.len()).unwrap_or(u64::MAX);
        let mut voices: BTreeMap<u64, usize> = BTreeMap::new();
        for reported in self.reported.values() {
            let count = voices.entry(reported.latest.saturating_add(ahead)).or_default();
            *count = count.saturating_add(1);
            if bump >= limits::OVERTAKE_BUMP {
                voices.entry(reported.latest).or_default();
            }
            if reported.pending > reported.latest.saturating_add(known) {
                voices.entry(reported.pending.saturating_add(ahead)).or_default();
            }
        }
        let mut ranked: Vec<(u64, usize)> = voices.into_iter().collect();
        ranked.sort_by_key(|(nonce, count)| (core::cmp::Reverse(*count), *nonce));
        ranked.truncate(limits::CANDIDATES_MAX);
        let nonces: Vec<u64> = ranked.into_iter().map(|(nonce, _)| nonce).collect();
        if let Some(outstanding) = self.outstanding.get_mut(place) {
            outstanding.given.extend(&nonces);
        }
        nonces
    }

    /// A candidate of an action is decided: landed, failed or replaced. The nonce is spent either way.
    pub(crate) fn settle(&mut self, action: ActionId, nonce: u64) {
        self.outstanding.retain(|o| o.action != action || !o.given.contains(&nonce));
        for reported in self.reported.values_mut() {
            // Whoever is behind will be told so by its node; signing below it would be refused everywhere.
            if reported.latest == nonce {
                reported.latest = nonce.saturating_add(1);
                reported.pending = reported.pending.max(reported.latest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use portcullis_verifier::B256;

    fn operator(name: &str) -> OperatorId {
        OperatorId::new(name).unwrap()
    }

    fn action(byte: u8) -> ActionId {
        ActionId(B256::repeat_byte(byte))
    }

    #[test]
    fn one_candidate_per_distinct_report_the_common_one_first() {
        let mut nonces = Nonces::default();
        assert!(!nonces.known());
        for (name, latest) in [("liar", 900), ("a", 5), ("b", 5)] {
            nonces.report(operator(name), latest, latest);
        }
        assert_eq!(nonces.candidates(action(1), 0), [5, 900]);
        assert_eq!(nonces.candidates(action(1), 0), [5, 900], "asking again changes nothing");
    }

    #[test]
    fn actions_under_way_queue_and_move_up_when_one_is_settled() {
        let mut nonces = Nonces::default();
        nonces.report(operator("a"), 5, 5);
        assert_eq!(nonces.candidates(action(1), 0), [5]);
        assert_eq!(nonces.candidates(action(2), 0), [6]);
        nonces.settle(action(1), 5);
        assert_eq!(nonces.candidates(action(2), 0), [6], "the nonce that it has is still the right one");
        assert_eq!(nonces.candidates(action(3), 0), [7]);
    }

    #[test]
    fn what_another_process_left_waiting_is_replaced_or_followed() {
        let mut nonces = Nonces::default();
        nonces.report(operator("a"), 5, 8);
        assert_eq!(nonces.candidates(action(1), 0), [5, 8]);
    }

    #[test]
    fn a_later_step_overtakes_what_is_stuck_in_front() {
        let mut nonces = Nonces::default();
        nonces.report(operator("a"), 5, 5);
        assert_eq!(nonces.candidates(action(1), 0), [5]);
        assert_eq!(nonces.candidates(action(2), limits::OVERTAKE_BUMP - 1), [6]);
        assert_eq!(nonces.candidates(action(2), limits::OVERTAKE_BUMP), [6, 5]);
    }

    #[test]
    fn what_was_signed_and_never_sent_gives_its_place_back() {
        let mut nonces = Nonces::default();
        nonces.report(operator("a"), 5, 5);
        nonces.candidates(action(1), 0);
        nonces.candidates(action(2), 0);
        nonces.sent(action(2));
        for _ in 0..limits::UNSENT_AGE {
            nonces.refreshed();
        }
        assert_eq!(nonces.candidates(action(2), 0), [5], "it moved up");
        assert_eq!(nonces.candidates(action(3), 0), [6]);
    }

    #[test]
    fn the_number_of_outstanding_actions_is_bounded() {
        let mut nonces = Nonces::default();
        nonces.report(operator("a"), 0, 0);
        for at in 0..limits::OUTSTANDING_MAX {
            let id = ActionId(B256::from(alloy::primitives::U256::from(at)));
            assert!(!nonces.candidates(id, 0).is_empty());
        }
        assert!(nonces.candidates(action(255), 0).is_empty());
    }
}
