//! Between the compact record of a message and its full account: what is ordinary lives in the record, anything
//! else is spread out, settled, and put back as soon as it is ordinary again.

use std::collections::VecDeque;

use portcullis_verifier::{B256, U256};

use super::{
    Change, Ledger, Live, Recent, Seen, SourceView, Taken, Verdict, Waiting,
    message::{Message, Use, absence_known_from, mature, same_value},
    table::{Record, RecordNo, State},
};
use crate::{
    limits,
    money::rescale,
    names::{ChainNo, Names, Reach, Route},
};

impl Ledger {
    /// Keeps what a proof of a settled consumption would need, until it is final.
    pub(super) fn remember(&mut self, live: &Live) {
        let (Some((block_hash, raw)), chain) = (live.proof, usize::from(live.chain)) else {
            return;
        };
        if self.recent.len() <= chain {
            self.recent.resize_with(chain.saturating_add(1), VecDeque::new);
        }
        if let Some(recent) = self.recent.get_mut(chain) {
            if recent.len() >= limits::RECENT_PER_CHAIN {
                recent.pop_front();
            }
            recent.push_back(Recent { event: live.event, height: live.height, block_hash, raw });
        }
    }

    pub(super) fn make_irregular(&mut self, names: &Names, route: &Route, at: RecordNo) {
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
    pub(super) fn make_regular(&mut self, at: RecordNo) {
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
                let live = used.live;
                self.irregular.remove(&at);
                self.remember(&live);
                return;
            }
            _ => return,
        }
        self.irregular.remove(&at);
    }

    pub(super) fn settle(
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
    pub(super) fn note(
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
            let known_from = absence_known_from(names, route, (live.token, live.time));
            let key = (source, known_from, at, live.event);
            if waits(before)
                && let Some(was) = self.waiting.remove(&key)
                && was.counted
            {
                let total = self.waiting_value.entry(was.bridge).or_default();
                *total = total.saturating_sub(was.value);
                self.by_value.remove(&(was.bridge, was.value, at, live.event));
            }
            if waits(after) {
                let value = names.value(live.token, live.amount, live.time).unwrap_or(0);
                let counted = after == Some(Verdict::Waiting);
                self.waiting.insert(key, Waiting { bridge: route.bridge, value, counted });
                if counted {
                    let total = self.waiting_value.entry(route.bridge).or_default();
                    *total = total.saturating_add(value);
                    self.by_value.insert((route.bridge, value, at, live.event));
                }
            }
        }
        let Some(record) = self.table.get(at) else { return };
        changes.push(Change { route: record.route, id: record.id, live, before, after });
    }
}

/// Sources are known by the first half of their id only.
pub(super) fn event_key(event: &B256, is_source: bool) -> B256 {
    if !is_source {
        return *event;
    }
    let mut half = [0u8; 32];
    if let (Some(to), Some(from)) = (half.get_mut(..16), event.as_slice().get(..16)) {
        to.copy_from_slice(from);
    }
    B256::new(half)
}

pub(super) fn half_of(event: &B256) -> [u8; 16] {
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

pub(super) fn is_known(record: &Record, seen: &Seen) -> bool {
    if seen.is_source {
        record.source_event == half_of(&seen.live.event)
    } else {
        record.use_event == seen.live.event
    }
}

pub(super) fn send(record: &mut Record, live: &Live) -> Option<Taken> {
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

pub(super) fn consume(names: &Names, route: &Route, record: &mut Record, live: &Live) -> Option<Taken> {
    let source = (record.source_token, large(record.amount), &record.recipient);
    let used = (live.token, live.amount, &live.recipient);
    let watched = matches!(route.reach, Reach::Watched { .. });
    let sent = (record.source_token, record.source_height, record.source_log, record.source_time);
    let mature = mature(names, route, sent, live.stand());
    if !(watched && mature && same_value(names, route, source, used)) {
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
