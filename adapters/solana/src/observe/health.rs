//! What trouble an operator of this family can be in.

use portcullis_verifier::FaultKind;

/// Where trouble shows; each ends on its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Trouble {
    /// No connection, or silence.
    Dark,
    /// Heads that are no heads.
    GarbageHead,
    /// Blocks that are none.
    GarbageBlock,
    /// Its node no longer has the blocks that are needed.
    Pruned,
    /// Refuses to tell blocks, again and again.
    NoBlock,
    /// Blocks that the quorum contradicts.
    DissentHead,
    /// Records that the quorum contradicts.
    DissentEvents,
    /// Behind.
    Lagging,
    /// No blocks.
    Stalled,
}

impl portcullis_rpc::health::Trouble for Trouble {
    fn kind(self) -> FaultKind {
        match self {
            Self::Dark | Self::NoBlock | Self::Pruned => FaultKind::Dark,
            Self::GarbageHead | Self::GarbageBlock => FaultKind::Garbage,
            Self::DissentHead => FaultKind::DissentHead,
            Self::DissentEvents => FaultKind::DissentLogs,
            Self::Lagging => FaultKind::Lagging,
            Self::Stalled => FaultKind::Stalled,
        }
    }
}

/// Why nothing more can be proven; told once when it begins. Blocks are told as before, so that this is trouble of no operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Unproven {
    /// Validators agree by rules that this version does not know.
    Regime,
    /// The pinned table of stakes is of another epoch.
    Epoch,
}

/// The health of this family's operators.
pub(crate) type Health = portcullis_rpc::Health<Trouble>;
