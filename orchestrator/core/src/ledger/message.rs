//! One irregular message: everything live about it, and which consumption is what.
//!
//! The verdicts are a pure function of the live observations in chain order, of the route and of how far its
//! source is known; whoever calls in which order gets the same answer.

use borsh::{BorshDeserialize, BorshSerialize};
use portcullis_verifier::{B256, U256};

use crate::{
    money::rescale,
    names::{ChainNo, Names, Reach, Route, TokenNo},
};

/// A live observation of a transfer, with what a proof of it binds to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct Live {
    pub(crate) event: B256,
    pub(crate) chain: ChainNo,
    pub(crate) token: TokenNo,
    pub(crate) height: u64,
    pub(crate) log_index: u32,
    pub(crate) time: u64,
    pub(crate) amount: U256,
    pub(crate) recipient: B256,
    /// Block hash and raw digest; none when the event was final before it became interesting.
    pub(crate) proof: Option<(B256, B256)>,
}

impl Live {
    /// Chain order. The event id breaks ties that only a lying source can make.
    pub(crate) fn order(&self) -> (u64, u32, B256) {
        (self.height, self.log_index, self.event)
    }

    pub(super) fn stand(&self) -> Stand {
        (self.token, self.height, self.log_index, self.time)
    }
}

/// What a consumption is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) enum Verdict {
    /// It consumes a source that equals it and was old enough.
    Matched,
    /// It consumes a source that equals it but was too young.
    Premature {
        /// Age of the source in seconds.
        age_secs: u64,
    },
    /// Its message was consumed before.
    Replayed,
    /// A source has its id, but differs in token, amount or recipient.
    Mismatch {
        /// What the source says, in base units there.
        amount: U256,
        /// Token there.
        token: TokenNo,
        /// Recipient there.
        recipient: B256,
    },
    /// No source yet, and none can be expected yet.
    Waiting,
    /// No source yet, and the chain that would have it does not tell.
    Dark,
    /// No source, and the chain that would have it is known not to.
    Unbacked,
    /// No source, in an asset that nobody declared.
    Undeclared,
    /// First consumption of a message whose origin is not observed.
    Unmatchable,
    /// First consumption of a message whose origin nobody configured.
    UnknownOrigin,
}

/// A consumption with its verdict.
#[derive(Debug, Clone, Copy, BorshSerialize, BorshDeserialize)]
pub(crate) struct Use {
    pub(crate) live: Live,
    /// None until it was settled once.
    pub(crate) verdict: Option<Verdict>,
    /// Which source it took.
    pub(crate) took: Option<usize>,
}

/// How far the source of a route is known.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SourceView {
    /// Everything up to this time has been seen.
    pub(crate) watermark: u64,
    /// The source does not tell at the moment.
    pub(crate) dark: bool,
}

/// Everything live of one message.
#[derive(Debug, Clone, Default, BorshSerialize, BorshDeserialize)]
pub(crate) struct Message {
    /// In chain order.
    pub(crate) sources: Vec<Live>,
    /// In chain order.
    pub(crate) uses: Vec<Use>,
}

/// Until the watermark of its source is past this time (two blocks may share a second, so past means later), the absence
/// of a consumption's source means nothing. A source over there must be old enough to be final, and the skew is added
/// because the two chains' clocks may differ by so much. What is given back was sent by the same chain, at any time before.
pub(crate) fn absence_known_from(names: &Names, route: &Route, used: (TokenNo, u64)) -> u64 {
    let (token, time) = used;
    if names.is_refund(route, token) {
        return time;
    }
    time.saturating_sub(route.finality_secs).saturating_add(route.skew_secs)
}

/// Where a transfer stands: token, height, place in the block, time.
pub(super) type Stand = (TokenNo, u64, u32, u64);

/// The source is old enough for its consumption, clocks' difference granted. What is given back must have been sent before,
/// and no longer ago: chain and source would be undone together.
pub(super) fn mature(names: &Names, route: &Route, source: Stand, used: Stand) -> bool {
    let ((_, source_height, source_log, source_time), (token, height, log, time)) = (source, used);
    if names.is_refund(route, token) {
        return (source_height, source_log) < (height, log);
    }
    time.saturating_add(route.skew_secs) >= source_time.saturating_add(route.finality_secs)
}

/// A source and a consumption with these contents are one transfer. What is given back goes to the sender, of whom the
/// ledger keeps nothing: there token and amount are compared, and that it was given back once.
pub(crate) fn same_value(
    names: &Names,
    route: &Route,
    source: (TokenNo, U256, &B256),
    used: (TokenNo, U256, &B256),
) -> bool {
    if source.2 != used.2 && !names.is_refund(route, used.0) {
        return false;
    }
    match (names.form(source.0), names.form(used.0)) {
        (Some(from), Some(to)) => {
            from.asset == to.asset && rescale(source.1, from.decimals, to.decimals) == Some(used.1)
        }
        // Nobody said which token stands for which: amount and recipient are all there is to compare.
        (None, None) => source.1 == used.1,
        _ => false,
    }
}

impl Message {
    /// True when the event is known here.
    pub(crate) fn knows(&self, event: &B256) -> bool {
        self.sources.iter().any(|s| s.event == *event) || self.uses.iter().any(|u| u.live.event == *event)
    }

    /// How many observations are live.
    pub(crate) fn len(&self) -> usize {
        self.sources.len().saturating_add(self.uses.len())
    }

    /// Adds a source; every verdict has to be settled again.
    pub(crate) fn add_source(&mut self, live: Live) {
        let at = self.sources.partition_point(|known| known.order() < live.order());
        self.sources.insert(at, live);
    }

    /// Adds a consumption. True when it came last in chain order, so that only its own verdict is open.
    pub(crate) fn add_use(&mut self, live: Live) -> bool {
        let at = self.uses.partition_point(|known| known.live.order() < live.order());
        let last = at == self.uses.len();
        self.uses.insert(at, Use { live, verdict: None, took: None });
        last
    }

    /// Removes an event; gives back the consumption if it was one.
    pub(crate) fn remove(&mut self, event: &B256) -> Option<Use> {
        self.sources.retain(|s| s.event != *event);
        let at = self.uses.iter().position(|u| u.live.event == *event)?;
        Some(self.uses.remove(at))
    }

    /// Settles verdicts from number `from` on, in chain order, and reports each that changed as
    /// (number, before, after).
    pub(crate) fn settle(
        &mut self,
        names: &Names,
        route: &Route,
        source: SourceView,
        from: usize,
        mut changed: impl FnMut(&Live, Option<Verdict>, Verdict),
    ) {
        let mut taken = vec![false; self.sources.len()];
        let mut consumed = false;
        for (number, used) in self.uses.iter_mut().enumerate() {
            if number >= from {
                let earlier = Earlier { any: number > 0, consumed };
                let (verdict, took) = judge(names, route, source, &self.sources, &taken, earlier, &used.live);
                if used.verdict != Some(verdict) {
                    changed(&used.live, used.verdict, verdict);
                }
                used.verdict = Some(verdict);
                used.took = took;
            }
            if let Some(place) = used.took.and_then(|at| taken.get_mut(at)) {
                *place = true;
                consumed = true;
            }
        }
    }
}

/// What came before a consumption in chain order.
#[derive(Clone, Copy)]
struct Earlier {
    /// Another consumption of the message.
    any: bool,
    /// One that took a source.
    consumed: bool,
}

fn judge(
    names: &Names,
    route: &Route,
    view: SourceView,
    sources: &[Live],
    taken: &[bool],
    earlier: Earlier,
    used: &Live,
) -> (Verdict, Option<usize>) {
    match route.reach {
        Reach::Watched { .. } => {}
        // A second consumption is false whoever sent the message: no need to see the origin for that.
        _ if earlier.any => return (Verdict::Replayed, None),
        Reach::Unwatched if names.form(used.token).is_none() => return (Verdict::Undeclared, None),
        Reach::Unwatched => return (Verdict::Unmatchable, None),
        Reach::Unknown => return (Verdict::UnknownOrigin, None),
    }
    let mut young = None;
    let mut exact_taken = false;
    for (at, (source, taken)) in sources.iter().zip(taken).enumerate() {
        let content = (source.token, source.amount, &source.recipient);
        if !same_value(names, route, content, (used.token, used.amount, &used.recipient)) {
            continue;
        }
        if *taken {
            exact_taken = true;
        } else if mature(names, route, source.stand(), used.stand()) {
            return (Verdict::Matched, Some(at));
        } else if young.is_none() {
            young = Some((at, source.time));
        }
    }
    if let Some((at, time)) = young {
        return (Verdict::Premature { age_secs: used.time.saturating_sub(time) }, Some(at));
    }
    if exact_taken || earlier.consumed {
        return (Verdict::Replayed, None);
    }
    if let Some(source) = sources.first() {
        let (amount, token, recipient) = (source.amount, source.token, source.recipient);
        return (Verdict::Mismatch { amount, token, recipient }, None);
    }
    // Two consumptions, no source: whatever source may still come, it backs one of them at most.
    if earlier.any {
        return (Verdict::Replayed, None);
    }
    if names.form(used.token).is_none() {
        return (Verdict::Undeclared, None);
    }
    let verdict = if view.watermark > absence_known_from(names, route, (used.token, used.time)) {
        Verdict::Unbacked
    } else if view.dark {
        Verdict::Dark
    } else {
        Verdict::Waiting
    };
    (verdict, None)
}
