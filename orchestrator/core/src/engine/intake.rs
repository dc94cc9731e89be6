//! Taking inputs in: transfers to the ledger and the escrows, progress to the clocks, words to the gates.

use portcullis_verifier::{
    ActionClass, B256, ChainId, EndpointFault, Event, FaultKind, Observation, OperatorId, Progress, Status,
    Transfer,
};

use super::{Engine, fate::Fate};
use crate::{
    detect::Fact,
    effect::{Cause, Effects},
    ledger::{Live, Seen, SourceView, Taken},
    names::{BridgeNo, ChainNo, Reach},
    signals::{SignalKey, Subject},
    vault::{Moved, Outflow, Vault},
};

impl Engine {
    pub(super) fn observed(&mut self, observation: &Observation, effects: &mut Effects) {
        let fate = self.fate_of(observation, effects);
        self.intake.count(fate);
    }

    fn fate_of(&mut self, observation: &Observation, effects: &mut Effects) -> Fate {
        let chain_id = observation.chain();
        let Some(chain) = self.names.chain(&chain_id) else { return Fate::Unnamed };
        match (observation.event(), observation.status()) {
            // No block holds it: nothing was moved. A preview of the mempool will look at these.
            (_, Status::Pending) => Fate::Pending,
            (Event::Transfer(transfer), status) => {
                let Some((bridge, seen)) = self.resolve(observation, chain, transfer) else {
                    return Fate::Unnamed;
                };
                match status {
                    Status::Retracted if self.retract(bridge, &seen, effects) => Fate::Retracted,
                    Status::Retracted => Fate::NothingToRetract,
                    _ => self.take(bridge, &seen, effects),
                }
            }
            (_, Status::Retracted) => {
                let event = observation.id().0;
                let stood = self.signals.on_event(&event).next().is_some();
                self.signals.clear_event(self.setting(), &event);
                self.book.drop_event(&event);
                if stood { Fate::Retracted } else { Fate::NothingToRetract }
            }
            (other, _) => self.observed_other(observation, chain, other, effects),
        }
    }

    fn resolve(
        &mut self,
        observation: &Observation,
        chain: ChainNo,
        transfer: &Transfer,
    ) -> Option<(BridgeNo, Seen)> {
        let bridge = self.names.bridge(&transfer.bridge)?;
        let is_source = transfer.kind.is_source();
        let (origin, destination) = transfer.ends();
        let route = self.names.route(&self.config, bridge, origin, destination)?;
        let token = self.names.token(bridge, transfer.local, transfer.asset)?;
        let position = observation.position();
        let live = Live {
            event: observation.id().0,
            chain,
            token,
            height: position.height,
            log_index: position.log_index,
            time: observation.time(),
            amount: transfer.amount,
            recipient: transfer.recipient,
            proof: Some((position.block_hash, observation.raw())),
        };
        Some((bridge, Seen { route, id: transfer.message_id, is_source, live }))
    }

    /// How far the source of a transfer's route is known.
    fn source_view(&self, seen: &Seen) -> SourceView {
        match self.names.route_at(seen.route).map(|route| route.reach) {
            Some(Reach::Watched { source }) => self.clocks.view(source),
            _ => SourceView { watermark: 0, dark: false },
        }
    }

    /// A token that is at home here is paid out of an escrow.
    fn is_home(&self, seen: &Seen) -> bool {
        self.names.form(seen.live.token).is_some_and(|form| form.home)
    }

    fn take(&mut self, bridge: BridgeNo, seen: &Seen, effects: &mut Effects) -> Fate {
        if self.book.is_refuted(&seen.live.event) {
            return Fate::Refuted;
        }
        let view = self.source_view(seen);
        match self.ledger.observe(&self.names, view, seen, &mut self.changes) {
            Taken::New => {}
            Taken::Duplicate => return Fate::Duplicate,
            Taken::Full => {
                let text =
                    String::from("a bound of the ledger is reached: a transfer was counted, not stored");
                self.tell(bridge, Cause::Unmapped, ActionClass::Notify, None, text, effects);
                return Fate::Full;
            }
        }
        let mut left = None;
        if self.is_home(seen) {
            let mut healed = None;
            self.vaults.observe(&self.names, bridge, seen, |_, moved| match moved {
                Moved::In => {}
                Moved::Healed(event) => healed = Some(event),
                Moved::Out(outflow) => left = Some(outflow),
            });
            if let Some(event) = healed {
                self.clear_conservation(bridge, event);
            }
        }
        self.judge_changes(effects);
        if let Some(outflow) = left {
            self.judge_outflow(&outflow, effects);
        }
        Fate::Taken
    }

    /// Takes a transfer back; false when it was not known.
    pub(super) fn retract(&mut self, bridge: BridgeNo, seen: &Seen, effects: &mut Effects) -> bool {
        let view = self.source_view(seen);
        if !self.ledger.retract(&self.names, view, seen, &mut self.changes) {
            return false;
        }
        let event = seen.live.event;
        if self.is_home(seen) {
            let unfounded = self.vaults.retract(&self.names, bridge, seen);
            if let Some(event) = unfounded.flow {
                let key = SignalKey { cause: Cause::FlowCap, bridge, subject: Subject::Event(event) };
                self.signals.clear(self.setting(), &key);
            }
            if let Some(event) = unfounded.short {
                self.clear_conservation(bridge, event);
            }
        }
        self.signals.clear_event(self.setting(), &event);
        self.book.drop_event(&event);
        self.judge_changes(effects);
        true
    }

    fn clear_conservation(&mut self, bridge: BridgeNo, event: B256) {
        let key = SignalKey { cause: Cause::Conservation, bridge, subject: Subject::Event(event) };
        self.signals.clear(self.setting(), &key);
    }

    fn observed_other(
        &mut self,
        observation: &Observation,
        chain: ChainNo,
        event: &Event,
        effects: &mut Effects,
    ) -> Fate {
        let id = observation.id().0;
        if self.book.is_refuted(&id) {
            return Fate::Refuted;
        }
        if self.signals.on_event(&id).next().is_some() {
            return Fate::Duplicate;
        }
        let at = Some((observation, chain));
        match event {
            Event::Transfer(_) => {}
            Event::Admin(change) => {
                let Some(bridge) = self.names.bridge(&change.bridge) else { return Fate::Unnamed };
                self.judge_other(bridge, &Fact::Admin { chain, change }, at, effects);
            }
            Event::Unmapped { bridge, contract, topic, reason } => {
                let Some(bridge) = self.names.bridge(bridge) else { return Fate::Unnamed };
                let fact = Fact::Unmapped { chain, contract: *contract, topic: *topic, reason };
                self.judge_other(bridge, &fact, at, effects);
            }
            Event::Fault(fault) => {
                self.fault(chain, fault, effects);
            }
        }
        Fate::Taken
    }

    /// The whole chain is dark only when its source says so: one operator is not the chain.
    fn fault(&mut self, chain: ChainNo, fault: &EndpointFault, effects: &mut Effects) {
        match fault.kind {
            FaultKind::Stalled => self.set_stalled(chain, effects),
            FaultKind::Recovered => {
                self.faulty.remove(&(chain, fault.operator));
                if !self.faulty.iter().any(|(of, _)| *of == chain) {
                    self.clear_chain(Cause::EndpointDissent, chain);
                }
            }
            FaultKind::DeepReorg | FaultKind::Equivocation | FaultKind::Unproven => {}
            _ => {
                self.faulty.insert((chain, fault.operator));
            }
        }
        for bridge in self.bridges_on(chain) {
            self.judge_other(bridge, &Fact::Fault { chain, fault }, None, effects);
        }
    }

    pub(super) fn progress(&mut self, progress: &Progress, effects: &mut Effects) {
        let Some(chain) = self.names.chain(&progress.chain) else { return };
        let now_ms = self.now_ms;
        let Some(clock) = self.clocks.get_mut(chain) else { return };
        let moved = clock
            .progress
            .is_none_or(|(last, _)| (last.height, last.block_hash) != (progress.height, progress.block_hash));
        let first = clock.progress.is_none();
        // A head that is reported again is not a new block: the chain may stand still all the same.
        if moved {
            clock.progress = Some((*progress, now_ms));
        }
        clock.watermark = clock.watermark.max(progress.time);
        clock.head_time = Some(progress.head_time.max(progress.time));
        let final_rose = progress.final_height > clock.final_height;
        clock.final_height = clock.final_height.max(progress.final_height);
        let was_stalled = moved && core::mem::take(&mut clock.stalled);
        self.rearm |= first || was_stalled;
        if first {
            // What the machine's clock called history until now may be what happens at the head.
            self.signals.changed.extend(self.signals.incidents.keys());
        }
        if was_stalled {
            self.clear_chain(Cause::StalledChain, chain);
        }
        if final_rose {
            self.ledger.finalize(chain, progress.final_height);
        }
        self.close_blocks(chain, progress.height, effects);
        let view = self.clocks.view(chain);
        self.ledger.revisit(&self.names, chain, view, was_stalled, &mut self.changes);
        self.judge_changes(effects);
    }

    fn close_blocks(&mut self, chain: ChainNo, height: u64, effects: &mut Effects) {
        let (names, mut told): (_, Vec<(BridgeNo, Moved)>) = (&self.names, Vec::new());
        let floor = names.rules.large_floor_micro_usd;
        self.vaults.close(names, chain, height, |bridge, vault, moved| match moved {
            Moved::In => {}
            Moved::Healed(_) => told.push((bridge, moved)),
            // Most outflows are far too small for any rule: spare them the way through the detectors.
            Moved::Out(outflow) if speaks(vault, &outflow, floor) => told.push((bridge, moved)),
            Moved::Out(_) => {}
        });
        for (bridge, moved) in told {
            match moved {
                Moved::In => {}
                Moved::Healed(event) => self.clear_conservation(bridge, event),
                Moved::Out(outflow) => self.judge_outflow(&outflow, effects),
            }
        }
    }

    pub(super) fn source_failed(
        &mut self,
        chain_id: &ChainId,
        operator: Option<&OperatorId>,
        since_ms: u64,
        detail: &str,
        effects: &mut Effects,
    ) {
        let Some(chain) = self.names.chain(chain_id) else { return };
        if let Some(operator) = operator {
            let detail = detail.to_owned();
            let fault = EndpointFault { operator: Some(*operator), kind: FaultKind::Dark, detail };
            return self.fault(chain, &fault, effects);
        }
        if let Some(clock) = self.clocks.get_mut(chain) {
            clock.dark_since_ms.get_or_insert(since_ms);
        }
        for bridge in self.bridges_on(chain) {
            self.judge_other(bridge, &Fact::Dark { chain, detail }, None, effects);
        }
        self.revisit(chain, effects);
    }

    pub(super) fn source_recovered(&mut self, chain_id: &ChainId, effects: &mut Effects) {
        let Some(chain) = self.names.chain(chain_id) else { return };
        if let Some(clock) = self.clocks.get_mut(chain) {
            clock.dark_since_ms = None;
        }
        self.clear_chain(Cause::DarkSource, chain);
        self.revisit(chain, effects);
    }

    /// Settles again everything that waits for a chain.
    pub(super) fn revisit(&mut self, chain: ChainNo, effects: &mut Effects) {
        let view = self.clocks.view(chain);
        self.ledger.revisit(&self.names, chain, view, true, &mut self.changes);
        self.judge_changes(effects);
    }

    pub(super) fn set_stalled(&mut self, chain: ChainNo, effects: &mut Effects) {
        if let Some(clock) = self.clocks.get_mut(chain) {
            clock.stalled = true;
        }
        for bridge in self.bridges_on(chain) {
            self.judge_other(bridge, &Fact::Stalled { chain }, None, effects);
        }
        self.revisit(chain, effects);
    }

    pub(super) fn overload(&mut self, chain_id: &ChainId, behind_ms: u64, effects: &mut Effects) {
        let Some(chain) = self.names.chain(chain_id) else { return };
        if behind_ms == 0 {
            return self.clear_chain(Cause::Overload, chain);
        }
        for bridge in self.bridges_on(chain) {
            self.judge_other(bridge, &Fact::Overloaded { chain, behind_ms }, None, effects);
        }
    }

    fn clear_chain(&mut self, cause: Cause, chain: ChainNo) {
        for bridge in self.bridges_on(chain) {
            let key = SignalKey { cause, bridge, subject: Subject::Chain(chain) };
            self.signals.clear(self.setting(), &key);
        }
    }

    /// Bridges with a side on a chain.
    pub(super) fn bridges_on(&self, chain: ChainNo) -> Vec<BridgeNo> {
        let Some(id) = self.names.chain_id(chain) else { return Vec::new() };
        let on = self.config.bridges.iter().filter(|bridge| bridge.sides.iter().any(|side| side.chain == id));
        on.filter_map(|bridge| self.names.bridge_no(&bridge.id)).collect()
    }
}

/// True when some rule could have something to say about an outflow.
fn speaks(vault: &Vault, outflow: &Outflow, floor: u64) -> bool {
    outflow.hour >= floor || outflow.short.is_some() || vault.episode.is_some()
}
