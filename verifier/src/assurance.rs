//! How much a verdict is worth: a vector of independent facts, not a ladder.
//!
//! Two verdicts can each be better in one respect (a header signed by stake but an inclusion only reported; a
//! Merkle path under a header that two operators reported), so assurances are partially ordered and policies ask
//! for a lower bound in every respect with [`Assurance::meets`].

use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

/// `agreeing` independent voices of `of` said the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, BorshSerialize, BorshDeserialize)]
pub struct Quorum {
    /// How many distinct voices agreed.
    pub agreeing: u16,
    /// How many are configured.
    pub of: u16,
}

/// What is known of the header that everything else hangs on. Each fact stands alone.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, BorshSerialize, BorshDeserialize,
)]
pub struct Header {
    /// RPC operators that reported the same header. Says what they said, no more.
    pub quorum: Option<Quorum>,
    /// Members of the bridge's own attesting set (guardians, validators of a bridge) that signed.
    pub attested: Option<Quorum>,
    /// Signed share of stake or committee, in basis points (0 to 10,000).
    pub signed_bps: Option<u16>,
    /// Accepted by an optimistic rule whose challenge window is still open.
    pub optimistic: bool,
    /// Final by the chain's own consensus rules, verified here.
    pub final_by_consensus: bool,
}

/// How the event or state is tied to the header. Ordered by strength.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    BorshSerialize,
    BorshDeserialize,
)]
#[serde(rename_all = "snake_case")]
#[borsh(use_discriminant = false)]
pub enum Inclusion {
    /// Nothing ties it.
    #[default]
    None,
    /// Operators say so.
    Reported,
    /// A Merkle path or the whole tree's recomputation.
    MerkleProved,
}

/// Whether it is known that the transaction succeeded. Ordered by strength.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    BorshSerialize,
    BorshDeserialize,
)]
#[serde(rename_all = "snake_case")]
#[borsh(use_discriminant = false)]
pub enum Execution {
    /// Not known.
    #[default]
    Unknown,
    /// Operators say so.
    Reported,
    /// By its receipt or by resulting state.
    Proved,
}

/// What was checked, and by what.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, BorshSerialize, BorshDeserialize,
)]
pub struct Assurance {
    /// What the header rests on.
    pub header: Header,
    /// How the event or state is tied to it.
    pub inclusion: Inclusion,
    /// Whether the transaction is known to have succeeded.
    pub execution: Execution,
    /// Age of the header when the verdict was made, in seconds of chain time; none where it does not matter.
    pub age_secs: Option<u64>,
}

fn quorum_meets(have: Option<Quorum>, floor: Option<Quorum>) -> bool {
    match (have, floor) {
        (_, None) => true,
        (None, Some(_)) => false,
        (Some(have), Some(floor)) => have.agreeing >= floor.agreeing,
    }
}

impl Assurance {
    /// True when this is at least `floor` in every respect that `floor` asks for.
    ///
    /// A floor asks for nothing where it is default. `age_secs` of a floor is the oldest that is accepted; where
    /// a floor gives one and this has none, the answer is no.
    #[must_use]
    pub fn meets(&self, floor: &Self) -> bool {
        quorum_meets(self.header.quorum, floor.header.quorum)
            && quorum_meets(self.header.attested, floor.header.attested)
            && self.header.signed_bps.unwrap_or(0) >= floor.header.signed_bps.unwrap_or(0)
            // Optimistic acceptance is a weakness that a floor may tolerate, not a strength that it may ask for.
            && (!self.header.optimistic || floor.header.optimistic || floor.header == Header::default())
            && (self.header.final_by_consensus || !floor.header.final_by_consensus)
            && self.inclusion >= floor.inclusion
            && self.execution >= floor.execution
            && match (self.age_secs, floor.age_secs) {
                (_, None) => true,
                (Some(have), Some(oldest)) => have <= oldest,
                (None, Some(_)) => false,
            }
    }

    /// An operator's word, and nothing else.
    #[must_use]
    pub fn reported(agreeing: u16, of: u16) -> Self {
        Self {
            header: Header { quorum: Some(Quorum { agreeing, of }), ..Header::default() },
            inclusion: Inclusion::Reported,
            execution: Execution::Reported,
            age_secs: None,
        }
    }

    /// A Merkle proof, with execution, under a header that `agreeing` of `of` operators reported.
    #[must_use]
    pub fn proved_under_quorum(agreeing: u16, of: u16) -> Self {
        Self {
            inclusion: Inclusion::MerkleProved,
            execution: Execution::Proved,
            ..Self::reported(agreeing, of)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_is_partial() {
        let merkle = Assurance::proved_under_quorum(2, 3);
        let signed = Assurance {
            header: Header { signed_bps: Some(6_700), final_by_consensus: true, ..Header::default() },
            inclusion: Inclusion::Reported,
            ..Assurance::default()
        };
        assert!(!merkle.meets(&signed));
        assert!(!signed.meets(&merkle));
        assert!(merkle.meets(&merkle) && signed.meets(&signed));
        assert!(merkle.meets(&Assurance::default()), "nothing asked, nothing missing");
    }

    #[test]
    fn each_respect_counts_alone() {
        let have = Assurance::proved_under_quorum(2, 3);
        assert!(have.meets(&Assurance::reported(2, 3)));
        assert!(!have.meets(&Assurance::reported(3, 3)));
        assert!(!Assurance::reported(3, 3).meets(&have));
        assert!(!have.meets(&Assurance { age_secs: Some(60), ..Assurance::default() }));
        let fresh = Assurance { age_secs: Some(12), ..have };
        assert!(fresh.meets(&Assurance { age_secs: Some(60), ..Assurance::default() }));
        assert!(!fresh.meets(&Assurance { age_secs: Some(6), ..Assurance::default() }));
    }

    #[test]
    fn optimistic_headers_satisfy_only_floors_that_tolerate_them() {
        let quorum = Assurance::reported(2, 3);
        let optimistic = Assurance { header: Header { optimistic: true, ..quorum.header }, ..quorum };
        assert!(!optimistic.meets(&quorum));
        assert!(optimistic.meets(&optimistic));
        assert!(quorum.meets(&optimistic));
    }
}
