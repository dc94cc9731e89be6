//! The ledger: every message ever seen, who consumed it, and what is still owed.
//!
//! The rule that found Nomad in its first log: a release consumes exactly one unconsumed source event with the
//! same id, token, amount and recipient, old enough to be final. Which release that is, is settled by chain order
//! over what is live *now*, so arrival order, duplicates and undone reorganisations leave no trace.

mod index;
mod message;
mod settle;
mod table;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use borsh::{BorshDeserialize, BorshSerialize};
pub(crate) use message::{Live, SourceView, Verdict};
use message::{Message, Use};
use portcullis_verifier::{B256, U256};
use settle::{consume, event_key, half_of, is_known, send};
use table::{RecordNo, State, Table};

use crate::{
    limits,
    money::Sum,
    names::{BridgeNo, ChainNo, Names, Reach, Route, RouteNo, TokenNo},
};

/// A transfer with its names resolved.
#[derive(Debug, Clone, Copy, BorshSerialize, BorshDeserialize)]
pub(crate) struct Seen {
    pub(crate) route: RouteNo,
    pub(crate) id: B256,
    pub(crate) is_source: bool,
    pub(crate) live: Live,
}

/// What became of a transfer in the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Taken {
    /// It is new.
    New,
    /// It was known.
    Duplicate,
    /// A bound of the ledger is reached; it is counted, not stored.
    Full,
}

/// A consumption whose verdict changed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Change {
    pub(crate) route: RouteNo,
    pub(crate) id: B256,
    pub(crate) live: Live,
    /// None when it is new.
    pub(crate) before: Option<Verdict>,
    /// None when it left.
    pub(crate) after: Option<Verdict>,
}

/// What moved on one route in one token.
#[derive(Debug, Clone, Copy, Default, BorshSerialize, BorshDeserialize)]
pub(crate) struct Tally {
    pub(crate) events: u64,
    pub(crate) amount: Sum,
}

#[derive(Debug, Clone, Copy, BorshSerialize, BorshDeserialize)]
struct Waiting {
    bridge: BridgeNo,
    value: u64,
    counted: bool,
}

#[derive(Debug, Clone, Copy, BorshSerialize, BorshDeserialize)]
struct Recent {
    event: B256,
    height: u64,
    block_hash: B256,
    raw: B256,
}

type WaitingKey = (ChainNo, u64, RecordNo, B256);

/// See the module.
#[derive(Debug, BorshSerialize, BorshDeserialize)]
pub(crate) struct Ledger {
    table: Table,
    irregular: BTreeMap<RecordNo, Message>,
    waiting: BTreeMap<WaitingKey, Waiting>,
    waiting_value: BTreeMap<BridgeNo, u64>,
    /// Those of them that count, by bridge and value: while a source is late, every further one asks for the largest.
    by_value: BTreeSet<(BridgeNo, u64, RecordNo, B256)>,
    tallies: BTreeMap<(RouteNo, TokenNo), Tally>,
    recent: Vec<VecDeque<Recent>>,
    open: u64,
    overflowed: u64,
    /// Sum of the ids of all live events: equal sets, equal sums.
    digest: U256,
}

impl Ledger {
    /// An empty ledger; the seed is only for the index.
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            table: Table::new(seed),
            irregular: BTreeMap::new(),
            waiting: BTreeMap::new(),
            waiting_value: BTreeMap::new(),
            by_value: BTreeSet::new(),
            tallies: BTreeMap::new(),
            recent: Vec::new(),
            open: 0,
            overflowed: 0,
            digest: U256::ZERO,
        }
    }

    /// Takes a transfer in. Verdicts that change because of it go to `changes`; a consumption that matches its
    /// source at once, as nearly all do, changes nothing that anybody needs to hear of.
    pub(crate) fn observe(
        &mut self,
        names: &Names,
        view: SourceView,
        seen: &Seen,
        changes: &mut Vec<Change>,
    ) -> Taken {
        let Some(route) = names.route_at(seen.route).copied() else { return self.full() };
        let Some(at) = self.table.find_or_add(seen.route, &seen.id) else { return self.full() };
        let Some(record) = self.table.get_mut(at) else { return self.full() };
        let taken = match record.state {
            State::Empty if seen.is_source => send(record, &seen.live),
            State::Sent if !seen.is_source => consume(names, &route, record, &seen.live),
            State::Sent if record.source_event == half_of(&seen.live.event) => Some(Taken::Duplicate),
            State::Matched if is_known(record, seen) => Some(Taken::Duplicate),
            _ => None,
        };
        let taken = match taken {
            Some(Taken::New) if seen.is_source => {
                self.open = self.open.saturating_add(1);
                Taken::New
            }
            Some(Taken::New) => {
                self.open = self.open.saturating_sub(1);
                self.remember(&seen.live);
                Taken::New
            }
            Some(known) => known,
            None => self.observe_irregular(names, &route, view, at, seen, changes),
        };
        if taken == Taken::New {
            self.count(names, seen, true);
        }
        taken
    }

    /// Has the records of these messages fetched from memory; see [`Table::touch`].
    pub(crate) fn touch<'a>(&self, messages: impl Iterator<Item = (RouteNo, &'a B256)>) {
        self.table.touch(messages);
    }

    fn full(&mut self) -> Taken {
        self.overflowed = self.overflowed.saturating_add(1);
        Taken::Full
    }

    fn observe_irregular(
        &mut self,
        names: &Names,
        route: &Route,
        view: SourceView,
        at: RecordNo,
        seen: &Seen,
        changes: &mut Vec<Change>,
    ) -> Taken {
        self.make_irregular(names, route, at);
        let Some(message) = self.irregular.get_mut(&at) else { return self.full() };
        let key = event_key(&seen.live.event, seen.is_source);
        if message.knows(&key) {
            self.make_regular(at);
            return Taken::Duplicate;
        }
        if message.len() >= limits::LIVE_PER_MESSAGE {
            return self.full();
        }
        let live = Live { event: key, ..seen.live };
        let from = if seen.is_source {
            message.add_source(live);
            0
        } else if message.add_use(live) {
            message.uses.len().saturating_sub(1)
        } else {
            0
        };
        self.settle(names, route, view, at, from, changes);
        Taken::New
    }

    /// Takes a transfer out again: its block left the chain, or a proof shows that it never happened. True when
    /// it was known.
    pub(crate) fn retract(
        &mut self,
        names: &Names,
        view: SourceView,
        seen: &Seen,
        changes: &mut Vec<Change>,
    ) -> bool {
        let Some(route) = names.route_at(seen.route).copied() else { return false };
        let Some(at) = self.table.find(seen.route, &seen.id) else { return false };
        self.make_irregular(names, &route, at);
        let key = event_key(&seen.live.event, seen.is_source);
        let Some(message) = self.irregular.get_mut(&at) else { return false };
        if !message.knows(&key) {
            self.make_regular(at);
            return false;
        }
        if let Some(gone) = message.remove(&key) {
            self.note(names, &route, at, gone.live, gone.verdict, None, changes);
        }
        self.count(names, seen, false);
        self.settle(names, &route, view, at, 0, changes);
        true
    }

    /// Settles again every consumption that waits for a source on `chain`: all of them when the source went dark
    /// or tells again, else those whose moment the watermark has passed.
    pub(crate) fn revisit(
        &mut self,
        names: &Names,
        chain: ChainNo,
        view: SourceView,
        all: bool,
        changes: &mut Vec<Change>,
    ) {
        let last = if all { u64::MAX } else { view.watermark.saturating_sub(1) };
        let from = (chain, 0, 0, B256::ZERO);
        let to = (chain, last, RecordNo::MAX, B256::repeat_byte(0xff));
        // Nothing waits nearly always: do not even build the list then.
        if self.waiting.range(from..=to).next().is_none() {
            return;
        }
        let due: Vec<(RecordNo, RouteNo)> = self
            .waiting
            .range(from..=to)
            .filter_map(|((_, _, at, _), _)| Some((*at, self.table.get(*at)?.route)))
            .collect();
        for (at, route_no) in due {
            if let Some(route) = names.route_at(route_no).copied() {
                self.settle(names, &route, view, at, 0, changes);
            }
        }
    }

    /// Settles everything irregular again after the configuration changed: finality, scales and what is declared
    /// may all be different now.
    pub(crate) fn reconfigure(
        &mut self,
        names: &Names,
        view: impl Fn(ChainNo) -> SourceView,
        changes: &mut Vec<Change>,
    ) {
        self.waiting.clear();
        self.waiting_value.clear();
        self.by_value.clear();
        for at in self.irregular.keys().copied().collect::<Vec<_>>() {
            let Some(route) = self.table.get(at).and_then(|r| names.route_at(r.route)).copied() else {
                continue;
            };
            let source = match route.reach {
                Reach::Watched { source } => view(source),
                _ => SourceView { watermark: 0, dark: false },
            };
            let waits: Vec<(Live, Option<Verdict>)> = self
                .irregular
                .get(&at)
                .map(|m| m.uses.iter().map(|u| (u.live, u.verdict)).collect())
                .unwrap_or_default();
            for (live, verdict) in waits {
                if matches!(verdict, Some(Verdict::Waiting | Verdict::Dark)) {
                    let mut told = Vec::new();
                    self.note(names, &route, at, live, None, verdict, &mut told);
                }
            }
            self.settle(names, &route, source, at, 0, changes);
        }
    }

    /// Drops what proofs of final consumptions would need; they can no longer turn out false.
    pub(crate) fn finalize(&mut self, chain: ChainNo, height: u64) {
        if let Some(recent) = self.recent.get_mut(usize::from(chain)) {
            while recent.front().is_some_and(|front| front.height <= height) {
                recent.pop_front();
            }
        }
    }

    /// Value that waits for sources at a bridge, micro-USD.
    pub(crate) fn waiting_value(&self, bridge: BridgeNo) -> u64 {
        self.waiting_value.get(&bridge).copied().unwrap_or(0)
    }

    /// The largest consumption that waits at a bridge.
    pub(crate) fn largest_waiting(&self, bridge: BridgeNo) -> Option<(RouteNo, B256, Live)> {
        let from = (bridge, 0, 0, B256::ZERO);
        let to = (bridge, u64::MAX, RecordNo::MAX, B256::repeat_byte(0xff));
        let (_, _, at, event) = self.by_value.range(from..=to).next_back()?;
        let record = self.table.get(*at)?;
        let used = self.irregular.get(at)?.uses.iter().find(|u| u.live.event == *event)?;
        Some((record.route, record.id, used.live))
    }

    /// Messages ever met.
    pub(crate) fn messages(&self) -> usize {
        self.table.len()
    }

    /// Messages sent and not consumed.
    pub(crate) fn open(&self) -> u64 {
        self.open
    }

    /// Transfers that a bound kept out.
    pub(crate) fn overflowed(&self) -> u64 {
        self.overflowed
    }

    /// Sum of the ids of all live events.
    pub(crate) fn digest(&self) -> U256 {
        self.digest
    }

    /// Bytes in use, roughly where trees are concerned.
    pub(crate) fn bytes(&self) -> usize {
        let live = self.irregular.values().map(Message::len).fold(0usize, usize::saturating_add);
        let recent = self.recent.iter().map(VecDeque::capacity).fold(0usize, usize::saturating_add);
        self.table
            .bytes()
            .saturating_add(live.saturating_mul(core::mem::size_of::<Use>()))
            .saturating_add(self.irregular.len().saturating_mul(core::mem::size_of::<Message>()))
            .saturating_add(recent.saturating_mul(core::mem::size_of::<Recent>()))
    }

    /// What moved, per route and token.
    pub(crate) fn tallies(&self) -> impl Iterator<Item = (&(RouteNo, TokenNo), &Tally)> {
        self.tallies.iter()
    }

    fn count(&mut self, names: &Names, seen: &Seen, add: bool) {
        let id = U256::from_be_bytes(seen.live.event.0);
        self.digest = if add { self.digest.wrapping_add(id) } else { self.digest.wrapping_sub(id) };
        // What came back has moved nowhere.
        if names.route_at(seen.route).is_some_and(|route| names.is_refund(route, seen.live.token))
            && !seen.is_source
        {
            return;
        }
        let tally = self.tallies.entry((seen.route, seen.live.token)).or_default();
        if add {
            tally.amount.add(seen.live.amount);
            tally.events = tally.events.saturating_add(1);
        } else {
            tally.amount.sub(seen.live.amount);
            tally.events = tally.events.saturating_sub(1);
        }
    }
}
