//! Escrows: what each bridge holds on each chain, and what left it in the last hour.
//!
//! Everything here happens in chain order: a movement counts when its chain's progress closes its block. What a
//! chain holds depends on that chain's events alone, so the order in which chains report changes nothing.

use std::collections::{BTreeMap, VecDeque};

use borsh::{BorshDeserialize, BorshSerialize};
use portcullis_verifier::{ActionClass, B256, Slug, U256};

use crate::{
    ledger::Seen,
    limits::FLOW_WINDOW_MINUTES,
    money::Sum,
    names::{BridgeNo, ChainNo, Names, TokenNo},
};

/// What an escrow holds of one token.
#[derive(Debug, Clone, Copy, Default, BorshSerialize, BorshDeserialize)]
pub(crate) struct Held {
    pub(crate) came: Sum,
    pub(crate) left: Sum,
    value: u64,
    /// The event at which more had left than ever came by an amount that matters.
    pub(crate) short: Option<B256>,
}

impl Held {
    /// What is there, in base units; zero when more left than came.
    pub(crate) fn balance(&self) -> U256 {
        self.came.less(&self.left).unwrap_or(U256::ZERO)
    }

    /// Nothing ever moved, or all of it was undone.
    pub(crate) fn is_unmoved(&self) -> bool {
        self.came == Sum::default() && self.left == Sum::default()
    }

    /// By how much more left than ever came.
    pub(crate) fn shortage(&self) -> U256 {
        self.left.less(&self.came).unwrap_or(U256::ZERO)
    }
}

/// A stretch of time in which the flow stayed above a threshold.
#[derive(Debug, Clone, Copy, BorshSerialize, BorshDeserialize)]
pub(crate) struct Episode {
    /// The event that crossed the threshold.
    pub(crate) event: B256,
    pub(crate) class: ActionClass,
    /// What had left in the hour when it crossed, and what was needed to cross; micro-USD.
    sum: u64,
    need: u64,
    minute: u64,
}

/// One bridge's escrow on one chain.
#[derive(Debug, Default, BorshSerialize, BorshDeserialize)]
pub(crate) struct Vault {
    pub(crate) held: BTreeMap<TokenNo, Held>,
    /// Value of all of it at the newest prices, micro-USD.
    pub(crate) total: u64,
    window: VecDeque<(u64, u64)>,
    hour: u64,
    pub(crate) episode: Option<Episode>,
}

/// An outflow in chain order, with what its escrow looked like right after.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outflow {
    pub(crate) bridge: BridgeNo,
    pub(crate) seen: Seen,
    /// micro-USD; none without a price.
    pub(crate) value: Option<u64>,
    /// Left in the rolling hour, this one included; micro-USD.
    pub(crate) hour: u64,
    /// The whole escrow before this one left; micro-USD.
    pub(crate) whole: u64,
    /// The whole escrow before the hour's outflow; micro-USD.
    pub(crate) whole_before_hour: u64,
    /// By how much more left of this token than ever came, in value; none when it did not or has no price.
    pub(crate) short: Option<u64>,
}

/// What a movement did.
#[expect(clippy::large_enum_variant, reason = "short-lived, and an outflow is what it is for")]
#[derive(Debug, Clone, Copy)]
pub(crate) enum Moved {
    /// Value came.
    In,
    /// Value came, and a shortage that stood on this event is over.
    Healed(B256),
    /// Value left.
    Out(Outflow),
}

fn minute_of(time: u64) -> u64 {
    time.checked_div(60).unwrap_or(0)
}

impl Vault {
    fn revalue(&mut self, names: &Names, token: TokenNo) {
        if let Some(held) = self.held.get_mut(&token) {
            let value = names.value_now(token, held.balance()).unwrap_or(0);
            self.total = self.total.saturating_sub(held.value).saturating_add(value);
            held.value = value;
        }
    }

    fn slide(&mut self, minute: u64, value: u64) {
        let oldest = minute.saturating_sub(FLOW_WINDOW_MINUTES);
        while let Some((at, gone)) = self.window.front().copied() {
            if at >= oldest {
                break;
            }
            self.hour = self.hour.saturating_sub(gone);
            self.window.pop_front();
        }
        self.hour = self.hour.saturating_add(value);
        match self.window.back_mut() {
            // A late one counts in the newest minute: it is money that left, and it is known only now.
            Some((at, sum)) if *at >= minute => *sum = sum.saturating_add(value),
            _ => self.window.push_back((minute, value)),
        }
    }

    fn apply(&mut self, names: &Names, bridge: BridgeNo, seen: &Seen) -> Moved {
        let live = &seen.live;
        let held = self.held.entry(live.token).or_default();
        let whole = self.total;
        if seen.is_source {
            held.came.add(live.amount);
            self.revalue(names, live.token);
            return self.heal(names, live.token).map_or(Moved::In, Moved::Healed);
        }
        held.left.add(live.amount);
        let shortage = held.shortage();
        let short = if shortage.is_zero() { None } else { names.value(live.token, shortage, live.time) };
        let value = names.value(live.token, live.amount, live.time);
        self.revalue(names, live.token);
        self.slide(minute_of(live.time), value.unwrap_or(0));
        let whole_before_hour = self.total.saturating_add(self.hour);
        Moved::Out(Outflow { bridge, seen: *seen, value, hour: self.hour, whole, whole_before_hour, short })
    }

    fn undo(&mut self, names: &Names, seen: &Seen) {
        let live = &seen.live;
        let Some(held) = self.held.get_mut(&live.token) else { return };
        if seen.is_source {
            held.came.sub(live.amount);
        } else {
            held.left.sub(live.amount);
            let value = names.value(live.token, live.amount, live.time).unwrap_or(0);
            let minute = minute_of(live.time);
            if let Some((_, sum)) = self.window.iter_mut().rev().find(|(at, _)| *at <= minute) {
                *sum = sum.saturating_sub(value);
                self.hour = self.hour.saturating_sub(value);
            }
            if let Some(episode) = &mut self.episode
                && minute.saturating_add(FLOW_WINDOW_MINUTES) >= episode.minute
            {
                episode.sum = episode.sum.saturating_sub(value);
            }
        }
        self.revalue(names, live.token);
    }

    /// Ends the shortage of a token when what came covers again what left; gives the event it stood on.
    fn heal(&mut self, names: &Names, token: TokenNo) -> Option<B256> {
        let held = self.held.get_mut(&token)?;
        let event = held.short?;
        let value = names.value_now(token, held.shortage()).unwrap_or(0);
        if value >= names.rules.unbacked_floor_micro_usd {
            return None;
        }
        held.short = None;
        Some(event)
    }

    /// Opens an episode, or raises it.
    pub(crate) fn cross(&mut self, outflow: &Outflow, class: ActionClass, need: u64) {
        let (event, minute) = (outflow.seen.live.event, minute_of(outflow.seen.live.time));
        self.episode = Some(Episode { event, class, sum: outflow.hour, need, minute });
    }

    /// Ends an episode whose outflow turned out not to have happened; gives the event it stood on.
    fn unfounded(&mut self) -> Option<B256> {
        let episode = self.episode?;
        if episode.sum >= episode.need {
            return None;
        }
        self.episode = None;
        Some(episode.event)
    }
}

/// All escrows, and the movements whose blocks are not closed yet.
#[derive(Debug, Default, BorshSerialize, BorshDeserialize)]
pub(crate) struct Vaults {
    vaults: BTreeMap<(BridgeNo, ChainNo), Vault>,
    pending: Vec<Vec<(BridgeNo, Seen)>>,
    closed: Vec<u64>,
}

/// What a retraction took with it.
#[derive(Debug, Default)]
pub(crate) struct Unfounded {
    /// Event on which a flow signal stood that no longer holds.
    pub(crate) flow: Option<B256>,
    /// Event on which a conservation signal stood that no longer holds.
    pub(crate) short: Option<B256>,
}

impl Vaults {
    /// Takes a movement of a token that is at home here. Counts it at once when its block is closed already: it
    /// came late.
    pub(crate) fn observe(
        &mut self,
        names: &Names,
        bridge: BridgeNo,
        seen: &Seen,
        mut tell: impl FnMut(&mut Vault, Moved),
    ) {
        let chain = usize::from(seen.live.chain);
        if self.closed.get(chain).is_some_and(|height| seen.live.height <= *height) {
            let vault = self.vaults.entry((bridge, seen.live.chain)).or_default();
            let moved = vault.apply(names, bridge, seen);
            return tell(vault, moved);
        }
        if self.pending.len() <= chain {
            self.pending.resize_with(chain.saturating_add(1), Vec::new);
        }
        if let Some(pending) = self.pending.get_mut(chain) {
            pending.push((bridge, *seen));
        }
    }

    /// Closes the blocks of a chain up to a height and hands each movement, in chain order, to `tell`.
    pub(crate) fn close(
        &mut self,
        names: &Names,
        chain: ChainNo,
        height: u64,
        mut tell: impl FnMut(BridgeNo, &mut Vault, Moved),
    ) {
        let at = usize::from(chain);
        if self.closed.len() <= at {
            self.closed.resize(at.saturating_add(1), 0);
        }
        if let Some(closed) = self.closed.get_mut(at) {
            // Blocks that a reorganisation replaces come again below the old height: they must wait again.
            *closed = height;
        }
        let Some(pending) = self.pending.get_mut(at) else { return };
        if pending.is_empty() {
            return;
        }
        pending.sort_by_key(|(_, seen)| seen.live.order());
        let due = pending.partition_point(|(_, seen)| seen.live.height <= height);
        for (bridge, seen) in pending.drain(..due) {
            let vault = self.vaults.entry((bridge, chain)).or_default();
            let moved = vault.apply(names, bridge, &seen);
            tell(bridge, vault, moved);
        }
    }

    /// Takes a movement back.
    pub(crate) fn retract(&mut self, names: &Names, bridge: BridgeNo, seen: &Seen) -> Unfounded {
        let chain = seen.live.chain;
        if let Some(pending) = self.pending.get_mut(usize::from(chain))
            && let Some(at) = pending.iter().position(|(_, known)| known.live.event == seen.live.event)
        {
            pending.remove(at);
            return Unfounded::default();
        }
        let Some(vault) = self.vaults.get_mut(&(bridge, chain)) else { return Unfounded::default() };
        vault.undo(names, seen);
        let flow = vault.unfounded();
        Unfounded { flow, short: vault.heal(names, seen.live.token) }
    }

    /// A price changed, of one asset or of any: values follow.
    pub(crate) fn reprice(&mut self, names: &Names, asset: Option<Slug>) {
        let named =
            |token: &TokenNo| names.form(*token).and_then(|form| names.asset_at(form.asset)).map(|a| a.name);
        for vault in self.vaults.values_mut() {
            let touched = vault.held.keys().filter(|token| asset.is_none() || named(token) == asset);
            for token in touched.copied().collect::<Vec<_>>() {
                vault.revalue(names, token);
            }
        }
    }

    /// An escrow, to change.
    pub(crate) fn get_mut(&mut self, bridge: BridgeNo, chain: ChainNo) -> Option<&mut Vault> {
        self.vaults.get_mut(&(bridge, chain))
    }

    /// All escrows.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&(BridgeNo, ChainNo), &Vault)> {
        self.vaults.iter()
    }

    /// What a bridge holds on all chains, micro-USD.
    pub(crate) fn total(&self, bridge: BridgeNo) -> u64 {
        let of_bridge = self.vaults.iter().filter(|((b, _), _)| *b == bridge);
        of_bridge.fold(0u64, |sum, (_, vault)| sum.saturating_add(vault.total))
    }
}
