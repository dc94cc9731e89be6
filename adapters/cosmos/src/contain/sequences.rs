//! Sequences: read from the chain, kept apart for actions that are under way together.
//!
//! A node takes a transaction only with the sequence that follows what it has waiting already. So the actions of one key
//! stand in a line, the second may be sent only after the first, and a sequence that a node refused, or that nobody
//! answered to, is read again before it is used again.

use std::collections::{BTreeMap, BTreeSet};

use portcullis_verifier::{ActionId, OperatorId};

use crate::limits;

/// By what an account signs: a signature holds for one of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Numbers {
    /// Number of the account; it never changes.
    pub(crate) account: u64,
    /// Transactions of the account in blocks.
    pub(crate) sequence: u64,
}

/// What is known of one key's sequences. Pure.
#[derive(Debug, Default)]
pub(crate) struct Sequences {
    reported: BTreeMap<OperatorId, Numbers>,
    /// Actions under way in the order in which they were first signed.
    outstanding: Vec<Outstanding>,
    /// Something was refused, or not answered, since they were reported.
    doubted: bool,
    /// A node expected another sequence than the one that it had reported: it has something waiting.
    overtaken: bool,
}

#[derive(Debug)]
struct Outstanding {
    action: ActionId,
    given: BTreeSet<u64>,
    /// Which node has taken it with which sequence.
    taken: BTreeSet<(OperatorId, u64)>,
    /// Whether any of its bytes have left.
    sent: bool,
    /// How often sequences were refreshed since it was signed.
    age: u32,
}

impl Sequences {
    /// What an operator says of the account.
    pub(crate) fn report(&mut self, operator: OperatorId, numbers: Numbers) {
        self.reported.insert(operator, numbers);
    }

    /// Whether what was reported may be used.
    pub(crate) fn usable(&self) -> bool {
        !self.reported.is_empty() && !self.doubted
    }

    /// A node expects another sequence, or nobody answered: what was reported is not used again before it is read anew.
    pub(crate) fn doubt(&mut self, mismatch: bool) {
        self.doubted = true;
        self.overtaken |= mismatch;
    }

    /// Sequences were refreshed. What was signed a while ago and never sent gives its place back: others must not wait for
    /// a sequence that nobody uses.
    pub(crate) fn refreshed(&mut self) {
        self.doubted = false;
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

    /// A node has taken an action with this sequence.
    pub(crate) fn taken(&mut self, action: ActionId, operator: OperatorId, sequence: u64) {
        for outstanding in self.outstanding.iter_mut().filter(|o| o.action == action) {
            outstanding.taken.insert((operator, sequence));
        }
    }

    /// Whether a node has taken this very action with this sequence before, at whatever step of the fees.
    pub(crate) fn waits(&self, action: ActionId, operator: OperatorId, sequence: u64) -> bool {
        self.outstanding.iter().any(|o| o.action == action && o.taken.contains(&(operator, sequence)))
    }

    /// Whether another action under way was signed with the sequence before this one: a node takes this one only after it.
    pub(crate) fn queues_behind(&self, action: ActionId, sequence: u64) -> bool {
        let before = sequence.checked_sub(1);
        before.is_some_and(|before| {
            self.outstanding.iter().any(|o| o.action != action && o.given.contains(&before))
        })
    }

    /// Numbers to sign an action with: one for each distinct report of operators, in the order of how many report it.
    ///
    /// An action that is first in line gets the reported sequence itself; later ones queue behind it. Where a node turned
    /// out to have something waiting that is not known here (a former process left it), the place behind that is a
    /// candidate too: whichever lands first does the work, and a second trip changes nothing. Not so where what waits is
    /// this very action, which a node has taken with that sequence: behind it a second trip would only cost. From step
    /// [`limits::OVERTAKE_BUMP`] on, an action that queues behind another one also gets the first place: what is stuck
    /// there must not hold up everything behind it.
    pub(crate) fn candidates(&mut self, action: ActionId, bump: u16) -> Vec<Numbers> {
        let place = match self.outstanding.iter().position(|o| o.action == action) {
            Some(place) => place,
            None if self.outstanding.len() >= limits::OUTSTANDING_MAX => return Vec::new(),
            None => {
                let (given, taken) = (BTreeSet::new(), BTreeSet::new());
                self.outstanding.push(Outstanding { action, given, taken, sent: false, age: 0 });
                self.outstanding.len().saturating_sub(1)
            }
        };
        let ahead = u64::try_from(place).unwrap_or(u64::MAX);
        let taken: BTreeSet<u64> = self
            .outstanding
            .get(place)
            .map(|o| o.taken.iter().map(|(_, sequence)| *sequence).collect())
            .unwrap_or_default();
        let mut voices: BTreeMap<Numbers, usize> = BTreeMap::new();
        let at = |numbers: &Numbers, ahead: u64| Numbers {
            sequence: numbers.sequence.saturating_add(ahead),
            ..*numbers
        };
        for reported in self.reported.values() {
            let count = voices.entry(at(reported, ahead)).or_default();
            *count = count.saturating_add(1);
            if bump >= limits::OVERTAKE_BUMP {
                voices.entry(*reported).or_default();
            }
            let own = at(reported, ahead).sequence;
            if self.overtaken && !taken.contains(&own) {
                voices.entry(at(reported, ahead.saturating_add(1))).or_default();
            }
        }
        let mut ranked: Vec<(Numbers, usize)> = voices.into_iter().collect();
        ranked.sort_by_key(|(numbers, count)| (core::cmp::Reverse(*count), *numbers));
        ranked.truncate(limits::CANDIDATES_MAX);
        let numbers: Vec<Numbers> = ranked.into_iter().map(|(numbers, _)| numbers).collect();
        if let Some(outstanding) = self.outstanding.get_mut(place) {
            outstanding.given.extend(numbers.iter().map(|numbers| numbers.sequence));
        }
        numbers
    }

    /// A candidate of an action is decided: landed, failed or replaced. The sequence is spent either way.
    pub(crate) fn settle(&mut self, action: ActionId, sequence: u64) {
        self.overtaken = false;
        self.outstanding.retain(|o| o.action != action || !o.given.contains(&sequence));
        for reported in self.reported.values_mut() {
            // Whoever is behind will be told so by its node; signing below it would be refused everywhere.
            if reported.sequence == sequence {
                reported.sequence = sequence.saturating_add(1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::arithmetic_side_effects)]
    use super::*;
    use portcullis_verifier::{B256, U256};

    fn operator(name: &str) -> OperatorId {
        OperatorId::new(name).unwrap()
    }

    fn action(byte: u8) -> ActionId {
        ActionId(B256::repeat_byte(byte))
    }

    fn told(reports: &[(&str, u64)]) -> Sequences {
        let mut sequences = Sequences::default();
        for (name, sequence) in reports {
            sequences.report(operator(name), Numbers { account: 7, sequence: *sequence });
        }
        sequences
    }

    fn given(sequences: &mut Sequences, id: u8, bump: u16) -> Vec<u64> {
        sequences.candidates(action(id), bump).iter().map(|numbers| numbers.sequence).collect()
    }

    #[test]
    fn one_candidate_per_distinct_report_the_common_one_first() {
        assert!(!Sequences::default().usable());
        let mut sequences = told(&[("liar", 900), ("a", 5), ("b", 5)]);
        assert!(sequences.usable());
        assert_eq!(given(&mut sequences, 1, 0), [5, 900]);
        assert_eq!(given(&mut sequences, 1, 0), [5, 900], "asking again changes nothing");
        sequences.report(operator("liar"), Numbers { account: 8, sequence: 5 });
        let numbers = sequences.candidates(action(1), 0);
        assert_eq!(numbers.first(), Some(&Numbers { account: 7, sequence: 5 }));
        assert_eq!(numbers.len(), 2, "another account number is another signature");
    }

    #[test]
    fn actions_under_way_queue_and_move_up_when_one_is_settled() {
        let mut sequences = told(&[("a", 5)]);
        assert_eq!(given(&mut sequences, 1, 0), [5]);
        assert_eq!(given(&mut sequences, 2, 0), [6]);
        assert!(sequences.queues_behind(action(2), 6) && !sequences.queues_behind(action(1), 5));
        sequences.settle(action(1), 5);
        assert!(!sequences.queues_behind(action(2), 6));
        assert_eq!(given(&mut sequences, 2, 0), [6], "the sequence that it has is still the right one");
        assert_eq!(given(&mut sequences, 3, 0), [7]);
    }

    #[test]
    fn what_was_refused_or_not_answered_is_not_used_again_before_it_is_read_anew() {
        let mut sequences = told(&[("a", 5)]);
        sequences.doubt(false);
        assert!(!sequences.usable());
        sequences.report(operator("a"), Numbers { account: 7, sequence: 6 });
        assert!(!sequences.usable(), "one answer is not all of them");
        sequences.refreshed();
        assert!(sequences.usable());
        assert_eq!(given(&mut sequences, 1, 0), [6]);
    }

    #[test]
    fn what_a_node_has_waiting_is_followed_too() {
        let mut sequences = told(&[("a", 5)]);
        assert_eq!(given(&mut sequences, 1, 0), [5]);
        sequences.doubt(true);
        sequences.refreshed();
        assert_eq!(given(&mut sequences, 1, 1), [5, 6]);
        sequences.settle(action(1), 6);
        assert_eq!(given(&mut sequences, 2, 0), [5], "and forgotten once something landed");
    }

    #[test]
    fn behind_the_same_action_no_second_one_is_signed() {
        let mut sequences = told(&[("a", 5)]);
        assert_eq!(given(&mut sequences, 1, 0), [5]);
        sequences.taken(action(1), operator("a"), 5);
        assert!(sequences.waits(action(1), operator("a"), 5));
        assert!(
            !sequences.waits(action(1), operator("b"), 5) && !sequences.waits(action(2), operator("a"), 5)
        );
        sequences.doubt(true);
        sequences.refreshed();
        assert_eq!(given(&mut sequences, 1, 1), [5], "what waits there is this action itself");
        assert_eq!(
            given(&mut sequences, 2, 0),
            [6, 7],
            "another action may have to follow a stranger all the same"
        );
        sequences.settle(action(1), 5);
        assert!(!sequences.waits(action(1), operator("a"), 5));
    }

    #[test]
    fn a_later_step_overtakes_what_is_stuck_in_front() {
        let mut sequences = told(&[("a", 5)]);
        assert_eq!(given(&mut sequences, 1, 0), [5]);
        assert_eq!(given(&mut sequences, 2, limits::OVERTAKE_BUMP - 1), [6]);
        assert_eq!(given(&mut sequences, 2, limits::OVERTAKE_BUMP), [6, 5]);
    }

    #[test]
    fn what_was_signed_and_never_sent_gives_its_place_back() {
        let mut sequences = told(&[("a", 5)]);
        given(&mut sequences, 1, 0);
        given(&mut sequences, 2, 0);
        sequences.sent(action(2));
        for _ in 0..limits::UNSENT_AGE {
            sequences.refreshed();
        }
        assert_eq!(given(&mut sequences, 2, 0), [5], "it moved up");
        assert_eq!(given(&mut sequences, 3, 0), [6]);
    }

    #[test]
    fn the_number_of_outstanding_actions_is_bounded() {
        let mut sequences = told(&[("a", 0)]);
        for at in 0..limits::OUTSTANDING_MAX {
            assert!(!sequences.candidates(ActionId(B256::from(U256::from(at))), 0).is_empty());
        }
        assert!(given(&mut sequences, 255, 0).is_empty());
    }
}
