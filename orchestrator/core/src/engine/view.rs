//! What the engine knows, for people: nothing here changes anything.

use portcullis_verifier::{
    ActionClass, ActionId, Assurance, B256, ChainId, EventId, IncidentId, Level, Slug, U256, codec::digest,
};
use serde::Serialize;

use super::Engine;
use crate::{
    config::Mode,
    effect::{Cause, Signal},
    names::Reach,
};

/// An incident as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct IncidentView {
    /// Which.
    pub id: IncidentId,
    /// Highest class that its signals allow.
    pub class: ActionClass,
    /// Highest class that was decided, none when nothing was.
    pub acted: Option<ActionClass>,
    /// A person judged it to be nothing.
    pub dismissed: bool,
    /// When it was opened, shell time in milliseconds.
    pub opened_ms: u64,
    /// Chain time of its first signal, seconds.
    pub first_secs: u64,
    /// Chain time of its last signal, seconds.
    pub last_secs: u64,
    /// Value behind it, micro-USD.
    pub value_micro_usd: u64,
    /// Everything that supports it now, in order of chain time and position.
    pub signals: Vec<Signal>,
    /// Events proven to have happened, and how well.
    pub proven: Vec<(EventId, Assurance)>,
}

/// What the ledger remembers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct LedgerView {
    /// Messages ever met.
    pub messages: usize,
    /// Messages sent and not consumed yet.
    pub open: u64,
    /// Value that waits for sources, all bridges, micro-USD.
    pub waiting_micro_usd: u64,
    /// Bytes in use.
    pub bytes: usize,
    /// Transfers that a bound kept out; anything but zero is an alarm.
    pub overflowed: u64,
    /// Signals that a bound kept out; anything but zero is an alarm.
    pub signals_overflowed: u64,
    /// Inputs consumed.
    pub inputs: u64,
    /// Claims put to verifiers.
    pub claims: usize,
}

/// What moved in one token on one corridor, in one direction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TallyView {
    /// Bridge.
    pub bridge: Slug,
    /// Domain where messages start.
    pub origin: B256,
    /// Domain where they end.
    pub destination: B256,
    /// Domain of the token.
    pub domain: B256,
    /// Token on that side.
    pub token: B256,
    /// Transfers.
    pub events: u64,
    /// Amount in base units; saturates at the largest U256.
    pub amount: U256,
    /// Whether messages of this corridor can be matched to their sources.
    pub watched: bool,
}

/// What an escrow holds of one token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EscrowView {
    /// Bridge.
    pub bridge: Slug,
    /// Chain.
    pub chain: ChainId,
    /// Token, by the asset's name.
    pub token: String,
    /// What is there, base units.
    pub balance: U256,
    /// By how much more left than ever came, base units.
    pub shortage: U256,
}

/// A gate as the engine knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GateView {
    /// Configured name.
    pub target: Slug,
    /// Chain.
    pub chain: ChainId,
    /// How far automation may go now.
    pub mode: Mode,
    /// Until when that is lent by two people, milliseconds since 1970; none where it does not run out.
    pub trusted_until_ms: Option<u64>,
    /// What the gate said last: level, until, height of the reading.
    pub known: Option<(Level, u64, u64)>,
    /// The tightest that is asked and not over: action, level, until, whether it is known to be in effect.
    pub asked: Option<(ActionId, Level, u64, bool)>,
}

impl Engine {
    /// All incidents that something supports, or that a person dismissed, in the order of their first signal.
    #[must_use]
    pub fn incidents(&self) -> Vec<IncidentView> {
        let mut views: Vec<IncidentView> = self
            .signals
            .incidents
            .values()
            .map(|i| {
                let signals =
                    i.keys.iter().filter_map(|(_, key)| self.signals.get(key)).map(|s| s.signal.clone());
                IncidentView {
                    id: i.id,
                    class: i.class().unwrap_or(ActionClass::Notify),
                    acted: i.acted,
                    dismissed: i.dismissed,
                    opened_ms: i.opened_ms,
                    first_secs: i.keys.first().map_or(0, |(moment, _)| moment.0),
                    last_secs: i.keys.last().map_or(0, |(moment, _)| moment.0),
                    value_micro_usd: self.signals.value(i),
                    signals: signals.collect(),
                    proven: i.proven.iter().map(|(event, assurance)| (EventId(*event), *assurance)).collect(),
                }
            })
            .collect();
        views.sort_by_key(|view| (view.first_secs, view.id));
        views
    }

    /// Every signal that stands now, in no particular order of importance.
    pub fn signals(&self) -> impl Iterator<Item = &Signal> {
        self.signals.iter().map(|(_, stored)| &stored.signal)
    }

    /// Causes that stand on an event.
    #[must_use]
    pub fn causes_on(&self, event: EventId) -> Vec<Cause> {
        self.signals.on_event(&event.0).map(|(key, _)| key.cause).collect()
    }

    /// True when a proof showed that an event never happened.
    #[must_use]
    pub fn is_refuted(&self, event: EventId) -> bool {
        self.book.is_refuted(&event.0)
    }

    /// Counters of the ledger.
    #[must_use]
    pub fn ledger(&self) -> LedgerView {
        let bridges = 0..u16::try_from(self.names.bridges().len()).unwrap_or(u16::MAX);
        let waiting = bridges.map(|no| self.ledger.waiting_value(no)).fold(0u64, u64::saturating_add);
        LedgerView {
            messages: self.ledger.messages(),
            open: self.ledger.open(),
            waiting_micro_usd: waiting,
            bytes: self.ledger.bytes(),
            overflowed: self.ledger.overflowed(),
            signals_overflowed: self.signals.overflowed,
            inputs: self.inputs,
            claims: self.book.len(),
        }
    }

    /// What moved, per corridor and token.
    #[must_use]
    pub fn tallies(&self) -> Vec<TallyView> {
        let moved = self.ledger.tallies().filter(|(_, tally)| tally.events > 0);
        let views = moved.filter_map(|((route, token), tally)| {
            let (route, token) = (self.names.route_at(*route)?, self.names.token_at(*token)?);
            Some(TallyView {
                bridge: self.names.bridge_id(route.bridge)?,
                origin: route.origin,
                destination: route.destination,
                domain: token.domain,
                token: token.token,
                events: tally.events,
                amount: tally.amount.saturated(),
                watched: matches!(route.reach, Reach::Watched { .. }),
            })
        });
        views.collect()
    }

    /// What the escrows hold.
    #[must_use]
    pub fn escrows(&self) -> Vec<EscrowView> {
        let mut views = Vec::new();
        for ((bridge, chain), vault) in self.vaults.iter() {
            let (Some(bridge), Some(chain)) = (self.names.bridge_id(*bridge), self.names.chain_id(*chain))
            else {
                continue;
            };
            for (token, held) in vault.held.iter().filter(|(_, held)| !held.is_unmoved()) {
                let (balance, shortage) = (held.balance(), held.shortage());
                views.push(EscrowView {
                    bridge,
                    chain,
                    token: self.names.token_name(*token),
                    balance,
                    shortage,
                });
            }
        }
        views
    }

    /// The gates.
    #[must_use]
    pub fn gates(&self) -> Vec<GateView> {
        let views = self.config.targets.iter().filter_map(|target| {
            let gate = self.gates.get(&target.id)?;
            Some(GateView {
                target: target.id,
                chain: target.chain,
                mode: self.mode_of(target),
                trusted_until_ms: gate.trust.map(|(_, until_ms)| until_ms),
                known: gate.state.as_ref().map(|s| (s.level, s.until, s.height)),
                asked: gate
                    .asked
                    .tightest(self.now_at(target).time)
                    .map(|a| (a.action, a.level, a.until, a.effective)),
            })
        });
        views.collect()
    }

    /// Digest of what the engine knows that later decisions depend on: equal inputs, equal digests; the converse is
    /// what a hash gives. For snapshots and for comparing replicas.
    #[must_use]
    pub fn snapshot_digest(&self) -> B256 {
        let signals: Vec<&Signal> = self.signals.iter().map(|(_, stored)| &stored.signal).collect();
        let gates: Vec<_> = self
            .gates
            .iter()
            .map(|(name, gate)| {
                let asked: Vec<_> =
                    gate.asked.iter().map(|a| (a.action, a.effective, a.stopped, a.again_ms)).collect();
                (*name, gate.state.clone(), asked, (gate.mode, gate.trust, gate.held_back_ms))
            })
            .collect();
        let escrows: Vec<_> =
            self.escrows().into_iter().map(|e| (e.bridge, e.chain, e.token, e.balance, e.shortage)).collect();
        let clocks: Vec<_> = self
            .clocks
            .iter()
            .map(|(no, c)| (no, c.progress.map(|(p, _)| p), c.watermark, c.dark_since_ms, c.stalled))
            .collect();
        let ledger = (self.ledger.digest(), self.ledger.open(), self.ledger.overflowed());
        let head = (super::ENGINE_VERSION, self.now_ms, self.inputs);
        digest("portcullis.snapshot.v1", &(head, &self.config, ledger, signals, (gates, escrows, clocks)))
    }
}
