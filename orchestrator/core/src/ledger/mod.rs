//! The ledger: every message ever seen, who consumed it, and what is still owed.
//!
//! The rule that found Nomad in its first log: a release consumes exactly one unconsumed source event with the
//! same id, token, amount and recipient, old enough to be final. Which release that is, is settled by chain order
//! over what is live *now*, so arrival order, duplicates and undone reorganisations leave no trace.

mod message;
mod table;

use std::collections::{BTreeMap, VecDeque};

pub(crate) use message::{Live, SourceView, Verdict, absence_known_from};
use message::{Message, Use, same_value};
use portcullis_verifier::{B256, U256};
use table::{Record, RecordNo, State, Table};

use crate::{
    limits,
    money::{Sum, rescale},
    names::{BridgeNo, ChainNo, Names, Reach, Route, RouteNo, TokenNo},
};

/// A transfer with its names resolved.
#[derive(Debug, Clone, Copy)]
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
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Tally {
    pub(crate) events: u64,
    pub(crate) amount: Sum,
}

#[derive(Debug, Clone, Copy)]
struct Waiting {
    bridge: BridgeNo,
    value: u64,
    counted: bool,
}

#[derive(Debug, Clone, Copy)]
struct Recent {
    event: B256,
    height: u64,
    block_hash: B256,
    raw: B256,
}

type WaitingKey = (ChainNo, u64, RecordNo, B256);

/// See the module.
#[derive(Debug)]
pub(crate) struct Ledger {
    table: Table,
    irregular: BTreeMap<RecordNo, Message>,
    waiting: BTreeMap<WaitingKey, Waiting>,
    waiting_value: BTreeMap<BridgeNo, u64>,
    tallies: BTreeMap<(RouteNo, TokenNo), Tally>,
    recent: Vec<VecDeque<Recent>>,
    open: u64,
    overflowed: u64,
    /// Sum of the ids of all live events: equal sets, equal sums.
    digest: U256,
}

/// Sources are known by the first half of their id only.
fn event_key(event: &B256, is_source: bool) -> B256 {
    if !is_source {
        return *event;
    }
    let mut half = [0u8; 32];
    if let (Some(to), Some(from)) = (half.get_mut(..16), event.as_slice().get(..16)) {
        to.copy_from_slice(from);
    }
    B256::new(half)
}

fn half_of(event: &B256) -> [u8; 16] {
    event.as_slice().first_chunk::<16>().copied().unwrap_or_default()
}

fn from_half(half: [u8; 16]) -> B256 {
    let mut full = [0u8; 32];
    if let Some(to) = full.first_chunk_mut::<16>() {
        *to = half;
    }
    B256::new(full)
}

fn small(amount: U256) -> Option<[u64; 2]> {
    let [low, high, 0, 0] = amount.into_limbs() else { return None };
    Some([low, high])
}

fn large([low, high]: [u64; 2]) -> U256 {
    U256::from_limbs([low, high, 0, 0])
}

impl Ledger {
    /// An empty ledger; the seed is only for the index.
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            table: Table::new(seed),
            irregular: BTreeMap::new(),
            waiting: BTreeMap::new(),
            waiting_value: BTreeMap::new(),
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
            Some(taken) => taken,
            None => self.observe_irregular(names, &route, view, at, seen, changes),
        };
        if taken == Taken::New {
            self.count(seen, true);
            match record_state(&self.table, at) {
                State::Sent => self.open = self.open.saturating_add(1),
                State::Matched => {
                    self.open = self.open.saturating_sub(1);
                    self.remember(seen);
                }
                _ => {}
            }
        }
        taken
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
        self.count(seen, false);
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
        let waits = self.waiting.iter().filter(|(_, w)| w.bridge == bridge && w.counted);
        let ((_, _, at, event), _) = waits.max_by_key(|((_, _, at, event), w)| (w.value, *at, *event))?;
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

    fn count(&mut self, seen: &Seen, add: bool) {
        let tally = self.tallies.entry((seen.route, seen.live.token)).or_default();
        let id = U256::from_be_bytes(seen.live.event.0);
        if add {
            tally.amount.add(seen.live.amount);
            tally.events = tally.events.saturating_add(1);
            self.digest = self.digest.wrapping_add(id);
        } else {
            tally.amount.sub(seen.live.amount);
            tally.events = tally.events.saturating_sub(1);
            self.digest = self.digest.wrapping_sub(id);
        }
    }

    fn remember(&mut self, seen: &Seen) {
        let (Some((block_hash, raw)), chain) = (seen.live.proof, usize::from(seen.live.chain)) else {
            return;
        };
        if self.recent.len() <= chain {
            self.recent.resize_with(chain.saturating_add(1), VecDeque::new);
        }
        if let Some(recent) = self.recent.get_mut(chain) {
            if recent.len() >= limits::RECENT_PER_CHAIN {
                recent.pop_front();
            }
            recent.push_back(Recent { event: seen.live.event, height: seen.live.height, block_hash, raw });
        }
    }

    fn make_irregular(&mut self, names: &Names, route: &Route, at: RecordNo) {
        let Some(record) = self.table.get_mut(at) else { return };
        if record.state == State::Irregular {
            return;
        }
        let mut message = Message::default();
        if matches!(record.state, State::Sent | State::Matched) {
            message.sources.push(source_of(record, route));
        }
        if record.state == State::Matched {
            let recent = self.recent.get(usize::from(record.use_chain));
            let found = recent.and_then(|r| r.iter().rev().find(|r| r.event == record.use_event));
            let live = use_of(names, record, found.map(|r| (r.block_hash, r.raw)));
            message.uses.push(Use { live, verdict: Some(Verdict::Matched), took: Some(0) });
        }
        if record.state == State::Sent {
            self.open = self.open.saturating_sub(1);
        }
        record.state = State::Irregular;
        self.irregular.insert(at, message);
    }

    /// Puts a message that has become ordinary back into its record.
    fn make_regular(&mut self, at: RecordNo) {
        let Some(message) = self.irregular.get(&at) else { return };
        let Some(record) = self.table.get_mut(at) else { return };
        match (message.sources.as_slice(), message.uses.as_slice()) {
            ([], []) => record.state = State::Empty,
            ([source], []) if send(record, source).is_some() => self.open = self.open.saturating_add(1),
            ([source], [used])
                if used.verdict == Some(Verdict::Matched) && small(source.amount).is_some() =>
            {
                let _fits = send(record, source);
                settle_record(record, &used.live);
                // What a proof of it needs is kept until it is final, as for any other.
                if let Some((block_hash, raw)) = used.live.proof {
                    let chain = usize::from(used.live.chain);
                    let (event, height) = (used.live.event, used.live.height);
                    if self.recent.len() <= chain {
                        self.recent.resize_with(chain.saturating_add(1), VecDeque::new);
                    }
                    if let Some(recent) = self.recent.get_mut(chain)
                        && !recent.iter().rev().any(|r| r.event == event)
                    {
                        recent.push_back(Recent { event, height, block_hash, raw });
                    }
                }
            }
            _ => return,
        }
        self.irregular.remove(&at);
    }

    fn settle(
        &mut self,
        names: &Names,
        route: &Route,
        view: SourceView,
        at: RecordNo,
        from: usize,
        changes: &mut Vec<Change>,
    ) {
        let mut moved: Vec<(Live, Option<Verdict>, Verdict)> = Vec::new();
        if let Some(message) = self.irregular.get_mut(&at) {
            message
                .settle(names, route, view, from, |live, before, after| moved.push((*live, before, after)));
        }
        for (live, before, after) in moved {
            self.note(names, route, at, live, before, Some(after), changes);
        }
        self.make_regular(at);
    }

    /// Keeps the list of what waits, and tells.
    #[expect(
        clippy::too_many_arguments,
        reason = "one private call site's worth of context, all of it needed"
    )]
    fn note(
        &mut self,
        names: &Names,
        route: &Route,
        at: RecordNo,
        live: Live,
        before: Option<Verdict>,
        after: Option<Verdict>,
        changes: &mut Vec<Change>,
    ) {
        let waits = |v: Option<Verdict>| matches!(v, Some(Verdict::Waiting | Verdict::Dark));
        if let Reach::Watched { source } = route.reach {
            let key = (source, absence_known_from(live.time, route), at, live.event);
            if waits(before)
                && let Some(was) = self.waiting.remove(&key)
                && was.counted
            {
                let total = self.waiting_value.entry(was.bridge).or_default();
                *total = total.saturating_sub(was.value);
            }
            if waits(after) {
                let value = names.value(live.token, live.amount, live.time).unwrap_or(0);
                let counted = after == Some(Verdict::Waiting);
                self.waiting.insert(key, Waiting { bridge: route.bridge, value, counted });
                if counted {
                    let total = self.waiting_value.entry(route.bridge).or_default();
                    *total = total.saturating_add(value);
                }
            }
        }
        let Some(record) = self.table.get(at) else { return };
        changes.push(Change { route: record.route, id: record.id, live, before, after });
    }
}

fn record_state(table: &Table, at: RecordNo) -> State {
    table.get(at).map_or(State::Empty, |record| record.state)
}

fn is_known(record: &Record, seen: &Seen) -> bool {
    if seen.is_source {
        record.source_event == half_of(&seen.live.event)
    } else {
        record.use_event == seen.live.event
    }
}

fn send(record: &mut Record, live: &Live) -> Option<Taken> {
    record.amount = small(live.amount)?;
    record.recipient = live.recipient;
    record.source_event = half_of(&live.event);
    record.source_height = live.height;
    record.source_time = live.time;
    record.source_log = live.log_index;
    record.source_token = live.token;
    record.state = State::Sent;
    Some(Taken::New)
}

fn consume(names: &Names, route: &Route, record: &mut Record, live: &Live) -> Option<Taken> {
    let source = (record.source_token, large(record.amount), &record.recipient);
    let used = (live.token, live.amount, &live.recipient);
    let watched = matches!(route.reach, Reach::Watched { .. });
    let mature = message::mature(record.source_time, live.time, route);
    if !(watched && mature && same_value(names, source, used)) {
        return None;
    }
    settle_record(record, live);
    Some(Taken::New)
}

fn settle_record(record: &mut Record, live: &Live) {
    record.use_event = live.event;
    record.use_height = live.height;
    record.use_time = live.time;
    record.use_log = live.log_index;
    record.use_token = live.token;
    record.use_chain = live.chain;
    record.state = State::Matched;
}

fn source_of(record: &Record, route: &Route) -> Live {
    let chain = if let Reach::Watched { source } = route.reach { source } else { ChainNo::MAX };
    Live {
        event: from_half(record.source_event),
        chain,
        token: record.source_token,
        height: record.source_height,
        log_index: record.source_log,
        time: record.source_time,
        amount: large(record.amount),
        recipient: record.recipient,
        proof: None,
    }
}

fn use_of(names: &Names, record: &Record, proof: Option<(B256, B256)>) -> Live {
    // A settled consumption equals its source, so its amount is the source's in its own scale.
    let sent = large(record.amount);
    let amount = match (names.form(record.source_token), names.form(record.use_token)) {
        (Some(from), Some(to)) => rescale(sent, from.decimals, to.decimals).unwrap_or(sent),
        _ => sent,
    };
    Live {
        event: record.use_event,
        chain: record.use_chain,
        token: record.use_token,
        height: record.use_height,
        log_index: record.use_log,
        time: record.use_time,
        amount,
        recipient: record.recipient,
        proof,
    }
}
