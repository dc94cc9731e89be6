//! What trouble an operator of this family can be in.

use portcullis_verifier::FaultKind;

/// Where trouble shows; each ends on its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Trouble {
    /// No connection, or silence.
    Dark,
    /// Heads that are no heads.
    GarbageHead,
    /// Blocks or results that are none.
    GarbageBlock,
    /// Its node no longer has the blocks that are needed.
    Pruned,
    /// Refuses to tell blocks, again and again.
    NoBlock,
    /// Headers that do not verify.
    DissentHead,
    /// Events that the quorum contradicts.
    DissentEvents,
    /// The light client cannot go on, and no operator is to blame.
    ///
    /// Told as darkness and not as [`FaultKind::Unproven`], which says that operators' reports are delivered as before: here
    /// no block is delivered that the light client has not verified, so that from then on nothing of the chain is seen.
    Unproven,
    /// Behind.
    Lagging,
    /// No blocks.
    Stalled,
}

impl portcullis_rpc::health::Trouble for Trouble {
    fn kind(self) -> FaultKind {
        match self {
            Self::Dark | Self::NoBlock | Self::Pruned | Self::Unproven => FaultKind::Dark,
            Self::GarbageHead | Self::GarbageBlock => FaultKind::Garbage,
            Self::DissentHead => FaultKind::DissentHead,
            Self::DissentEvents => FaultKind::DissentLogs,
            Self::Lagging => FaultKind::Lagging,
            Self::Stalled => FaultKind::Stalled,
        }
    }
}

/// The health of this family's operators.
pub(crate) type Health = portcullis_rpc::Health<Trouble>;
