//! What trouble an operator of this family can be in.

use portcullis_verifier::FaultKind;

/// Where trouble shows; each ends on its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Trouble {
    /// No connection, or silence.
    Dark,
    /// Heads that are no heads.
    GarbageHead,
    /// Logs that are no logs.
    GarbageLogs,
    /// Safe and final blocks that are no blocks.
    GarbageTags,
    /// Refuses to tell logs, again and again.
    NoLogs,
    /// Heads that the quorum contradicts.
    DissentHead,
    /// Logs that the quorum contradicts.
    DissentLogs,
    /// Behind.
    Lagging,
    /// No blocks.
    Stalled,
}

impl Trouble {
    /// Found by the clock, again at each of its ticks, and not by an answer.
    pub(crate) fn by_the_clock(self) -> bool {
        matches!(self, Self::Lagging | Self::Stalled | Self::DissentHead)
    }
}

impl portcullis_rpc::health::Trouble for Trouble {
    fn kind(self) -> FaultKind {
        match self {
            Self::Dark | Self::NoLogs => FaultKind::Dark,
            Self::GarbageHead | Self::GarbageLogs | Self::GarbageTags => FaultKind::Garbage,
            Self::DissentHead => FaultKind::DissentHead,
            Self::DissentLogs => FaultKind::DissentLogs,
            Self::Lagging => FaultKind::Lagging,
            Self::Stalled => FaultKind::Stalled,
        }
    }
}

/// The health of this family's operators.
pub(crate) type Health = portcullis_rpc::Health<Trouble>;
