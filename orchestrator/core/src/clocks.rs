//! What is known of each chain's progress: how far it was delivered, whether its source tells.

use borsh::{BorshDeserialize, BorshSerialize};
use portcullis_verifier::Progress;

use crate::{ledger::SourceView, names::ChainNo};

/// One chain's state.
#[derive(Debug, Clone, Copy, Default, BorshSerialize, BorshDeserialize)]
pub(crate) struct Clock {
    /// The last progress, and the shell time at which it came.
    pub(crate) progress: Option<(Progress, u64)>,
    /// Latest time up to which everything was delivered. Never runs backwards: a lying endpoint could
    /// otherwise make what is known to be missing look late again.
    pub(crate) watermark: u64,
    /// Time of the newest block that the chain's operators report, as of the last progress; none before the first.
    pub(crate) head_time: Option<u64>,
    /// Highest final block.
    pub(crate) final_height: u64,
    /// All operators dark, or no quorum, since this shell time in milliseconds.
    pub(crate) dark_since_ms: Option<u64>,
    /// No new block for longer than the bound.
    pub(crate) stalled: bool,
    /// Bound of `stalled`, in milliseconds of shell time; zero where the chain is not configured.
    pub(crate) stall_after_ms: u64,
    /// Shell time since which somebody listens without a break: silence before it says nothing of the chain.
    pub(crate) heard_since_ms: u64,
}

impl Clock {
    /// The chain's own time now, seconds: its last block's time and what passed since on the shell's clock.
    /// Before the first block it is the shell's time.
    pub(crate) fn now(&self, now_ms: u64) -> u64 {
        match &self.progress {
            None => now_ms.checked_div(1_000).unwrap_or(0),
            Some((progress, at_ms)) => {
                let since = now_ms.saturating_sub(*at_ms).checked_div(1_000).unwrap_or(0);
                progress.time.saturating_add(since)
            }
        }
    }

    /// Height of the last block delivered.
    pub(crate) fn height(&self) -> u64 {
        self.progress.map_or(0, |(progress, _)| progress.height)
    }

    /// The shell time at which the chain counts as standing still, unless a block comes first.
    pub(crate) fn stalls_at_ms(&self) -> Option<u64> {
        let (_, at_ms) = self.progress?;
        if self.stalled || self.stall_after_ms == 0 {
            None
        } else {
            Some(at_ms.max(self.heard_since_ms).saturating_add(self.stall_after_ms))
        }
    }
}

/// All chains by number.
#[derive(Debug, Default, BorshSerialize, BorshDeserialize)]
pub(crate) struct Clocks {
    list: Vec<Clock>,
}

impl Clocks {
    /// A chain's state.
    pub(crate) fn get(&self, chain: ChainNo) -> Clock {
        self.list.get(usize::from(chain)).copied().unwrap_or_default()
    }

    /// A chain's state, to change.
    pub(crate) fn get_mut(&mut self, chain: ChainNo) -> Option<&mut Clock> {
        let at = usize::from(chain);
        if self.list.len() <= at {
            self.list.resize(at.saturating_add(1), Clock::default());
        }
        self.list.get_mut(at)
    }

    /// How far a chain's source is known. A chain that stands still tells nothing, as a dark one does.
    pub(crate) fn view(&self, chain: ChainNo) -> SourceView {
        match self.list.get(usize::from(chain)) {
            Some(clock) => SourceView {
                watermark: clock.watermark,
                dark: clock.dark_since_ms.is_some() || clock.stalled,
            },
            None => SourceView { watermark: 0, dark: false },
        }
    }

    /// Nobody listened until now: a chain's silence is counted from here on.
    pub(crate) fn listen_from(&mut self, now_ms: u64) {
        for clock in &mut self.list {
            clock.heard_since_ms = now_ms;
        }
    }

    /// All chains with their numbers.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (ChainNo, &Clock)> {
        self.list.iter().enumerate().filter_map(|(at, clock)| Some((ChainNo::try_from(at).ok()?, clock)))
    }
}
