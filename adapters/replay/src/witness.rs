//! The record vouches for itself: a claim about it is looked up, and the answer claims no more than that.

use std::collections::BTreeMap;

use portcullis_core::{Input, input::Body};
use portcullis_verifier::{B256, ChainId, Claim, Refutation, Undecided, Verdict};

use crate::config::recorded;

/// Everything that a record says was emitted.
#[derive(Debug, Default)]
pub struct Witness {
    logs: BTreeMap<(ChainId, u64, u32), (B256, B256)>,
}

impl Witness {
    /// Takes down every event of a timeline.
    #[must_use]
    pub fn new(inputs: &[Input]) -> Self {
        let logs = inputs.iter().filter_map(|input| {
            let Body::Observed(seen) = &input.body else { return None };
            let position = seen.position();
            let place = (seen.chain(), position.height, position.log_index);
            Some((place, (position.block_hash, seen.raw())))
        });
        Self { logs: logs.collect() }
    }

    /// Says what the record knows of a claim: proven or refuted by its word alone, undecided about anything that it
    /// does not hold (state, absence).
    #[must_use]
    pub fn verdict(&self, claim: &Claim) -> Verdict {
        let Claim::Emitted { chain, block, log_index, raw } = claim else {
            let detail = String::from("the record holds events only, no state");
            return Verdict::Undecided(Undecided::NoEvidence { detail });
        };
        match self.logs.get(&(*chain, block.height, *log_index)) {
            Some(found) if *found == (block.hash, *raw) => Verdict::Proven(recorded()),
            found => {
                let found = found.map_or_else(
                    || String::from("nothing recorded there"),
                    |(hash, raw)| format!("block {hash}, log {raw}"),
                );
                let expected = format!("block {}, log {raw}", block.hash);
                Verdict::Refuted(Refutation { expected, found }, recorded())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use portcullis_verifier::{BlockRef, Event, Observation, Position, Slug, Status};

    use super::*;

    #[test]
    fn it_vouches_for_what_it_holds_and_for_nothing_else() {
        let chain = ChainId::new("eip155:1").unwrap();
        let (hash, raw) = (B256::with_last_byte(1), B256::with_last_byte(2));
        let position =
            Position { height: 7, tx_index: 0, log_index: 3, block_hash: hash, tx_hash: B256::ZERO };
        let bridge = Slug::new("b").unwrap();
        let event =
            Event::Unmapped { bridge, contract: B256::ZERO, topic: B256::ZERO, reason: String::new() };
        let seen = Observation::new(chain, position, 1, Status::Included, raw, event);
        let witness = Witness::new(&[Input { at_ms: 0, body: Body::Observed(seen) }]);
        let block = BlockRef { height: 7, hash };
        let emitted = |log_index, raw| Claim::Emitted { chain, block, log_index, raw };
        assert_eq!(witness.verdict(&emitted(3, raw)), Verdict::Proven(recorded()));
        assert!(matches!(witness.verdict(&emitted(3, hash)), Verdict::Refuted(..)));
        assert!(matches!(witness.verdict(&emitted(4, raw)), Verdict::Refuted(..)));
        let absent = Claim::NotEmitted { chain, block, contract: B256::ZERO, topics: Vec::new() };
        assert!(matches!(witness.verdict(&absent), Verdict::Undecided(_)));
    }
}
