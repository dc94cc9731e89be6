//! Two headers of one chain that cannot both be true: its validators have signed both, so that none of its headers
//! proves anything until a person has looked.

use super::{
    client::{Checkpoint, Step, Update, judge},
    error::CosmosProofError,
    header::SealedHeader,
    signatures::Scrutiny,
};
use crate::{
    BlockRef, EndpointFault, Event, FaultKind, Observation, Position, Status, Verified, codec::digest,
};

/// In which way two headers contradict each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Contradiction {
    /// Two blocks at one height.
    Equivocation,
    /// The higher block is not later than the lower one.
    TimeBackwards,
}

/// A proven contradiction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misbehaviour {
    kind: Contradiction,
    lower: SealedHeader,
    higher: SealedHeader,
}

impl Misbehaviour {
    /// In which way the headers contradict each other.
    #[must_use]
    pub fn kind(&self) -> Contradiction {
        self.kind
    }

    /// The two blocks, the lower one first.
    #[must_use]
    pub fn blocks(&self) -> [BlockRef; 2] {
        [self.lower.block(), self.higher.block()]
    }

    /// What an adapter reports of it.
    #[must_use]
    pub fn observation(&self, client: &Checkpoint) -> Observation {
        let [lower, higher] = self.blocks();
        let what = match self.kind {
            Contradiction::Equivocation => "two blocks of one height are signed",
            Contradiction::TimeBackwards => "a higher block is signed for an earlier time",
        };
        let detail = format!(
            "{what}: {} at height {}, {} at height {}",
            lower.hash, lower.height, higher.hash, higher.height
        );
        Observation::new(
            client.chain,
            Position {
                height: lower.height,
                tx_index: 0,
                log_index: 0,
                block_hash: lower.hash,
                tx_hash: crate::B256::ZERO,
            },
            self.lower.time(),
            Status::Final,
            digest("portcullis.cosmos.misbehaviour.v1", &(lower, higher)),
            Event::Fault(EndpointFault { operator: None, kind: FaultKind::Equivocation, detail }),
        )
    }
}

/// Judges two headers that are said to contradict each other, each accepted from the client's checkpoint.
///
/// All signatures are verified: a frozen client proves nothing, so freezing must not be cheaper than forging.
///
/// # Errors
/// [`CosmosProofError::NoMisbehaviour`] when both may be true, [`CosmosProofError::NotEnoughTrust`] when one cannot
/// be reached in one step, and whatever check one of them does not pass.
pub fn verify_misbehaviour(
    client: &Checkpoint,
    one: &Update,
    other: &Update,
    now: u64,
) -> Result<Verified<Misbehaviour>, CosmosProofError> {
    let accept = |update: &Update| match judge(client, update, now, Scrutiny::Every, true)? {
        Step::Accepted(header) => Ok(header),
        Step::NotEnoughTrust { tallied, total } => Err(CosmosProofError::NotEnoughTrust { tallied, total }),
    };
    let (one, other) = (accept(one)?, accept(other)?);
    // Equal heights are ordered by hash, so that one contradiction is one observation, whoever tells it.
    let rank = |header: &Verified<SealedHeader>| (header.value().block().height, header.value().block().hash);
    let (lower, higher) = if rank(&one) <= rank(&other) { (one, other) } else { (other, one) };
    let (low, high) = (lower.value().block(), higher.value().block());
    let when = |header: &SealedHeader| (header.time(), header.nanos());
    let kind = if low.height == high.height {
        if low.hash == high.hash {
            return Err(CosmosProofError::NoMisbehaviour);
        }
        Contradiction::Equivocation
    } else if when(higher.value()) <= when(lower.value()) {
        Contradiction::TimeBackwards
    } else {
        return Err(CosmosProofError::NoMisbehaviour);
    };
    let assurance = *lower.assurance();
    let value = Misbehaviour { kind, lower: lower.into_value(), higher: higher.into_value() };
    Ok(Verified::new(value, assurance))
}
