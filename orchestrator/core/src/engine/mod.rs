//! The engine itself: one input in, its effects out.
//!
//! A step has four parts, in files of their own: taking the input in (`intake`, `words`), turning facts into signals
//! (`judge`), deciding what to do about incidents (`decide`), and waking up again (`timers`). `view` shows the
//! state to people and changes nothing.

mod check;
mod decide;
mod fate;
mod intake;
mod judge;
mod timers;
mod trust;
pub mod view;
mod words;

use std::collections::{BTreeMap, BTreeSet};

use borsh::{BorshDeserialize, BorshSerialize};
pub use fate::Intake;
use portcullis_verifier::{Event, Observation, OperatorId, Slug, U256, codec::digest};

use crate::{
    budget::Spent,
    clocks::Clocks,
    config::{ConfigError, EngineConfig, Mode},
    effect::Effects,
    evidence::Book,
    input::{Body, Input},
    ledger::{Change, Ledger},
    limits,
    names::{BridgeNo, ChainNo, Names},
    notice::Notices,
    plan::Gates,
    signals::{Setting, Signals},
    vault::Vaults,
};

/// Version of the engine's decisions. A log says which version decided; another version answers "another
/// engine", not "unequal". Raised whenever the same inputs may give other effects.
pub const ENGINE_VERSION: u32 = 4;

/// The engine of one linked group. See the crate's documentation.
#[derive(Debug, BorshSerialize, BorshDeserialize)]
pub struct Engine {
    config: EngineConfig,
    names: Names,
    clocks: Clocks,
    ledger: Ledger,
    vaults: Vaults,
    signals: Signals,
    book: Book,
    notices: Notices,
    gates: Gates,
    /// Actions that were asked for lately.
    spent: Spent,
    /// Canaries under way, by target.
    canaries: BTreeMap<Slug, check::Canary>,
    /// Bridges at which more value waits for sources than the bound, since this shell time in milliseconds.
    waits: BTreeMap<BridgeNo, u64>,
    /// Operators that misbehave at the moment.
    faulty: BTreeSet<(ChainNo, Option<OperatorId>)>,
    now_ms: u64,
    inputs: u64,
    intake: Intake,
    /// The deadline that the shell was given, shell time in milliseconds.
    armed_ms: Option<u64>,
    /// Something changed that may need an earlier deadline.
    rearm: bool,
    /// Empty between steps.
    #[borsh(skip)]
    changes: Vec<Change>,
}

impl Engine {
    /// Makes an engine. The shell then logs the same configuration as record 0 and steps it like any other input.
    ///
    /// # Errors
    /// [`ConfigError`] lists everything in the configuration that contradicts itself.
    pub fn new(config: EngineConfig) -> Result<Self, ConfigError> {
        config.validate()?;
        let seed = digest("portcullis.ledger.seed.v1", &config);
        let mut engine = Self {
            names: Names::default(),
            clocks: Clocks::default(),
            ledger: Ledger::new(U256::from_be_bytes(seed.0).as_limbs().first().copied().unwrap_or(0)),
            vaults: Vaults::default(),
            signals: Signals::default(),
            book: Book::default(),
            notices: Notices::default(),
            gates: Gates::default(),
            spent: Spent::default(),
            canaries: BTreeMap::new(),
            waits: BTreeMap::new(),
            faulty: BTreeSet::new(),
            now_ms: 0,
            inputs: 0,
            intake: Intake::default(),
            armed_ms: None,
            rearm: false,
            changes: Vec::new(),
            config,
        };
        engine.configure();
        Ok(engine)
    }

    /// Consumes one input and gives everything that it causes, in order. Never fails: what it cannot use it
    /// counts or tells.
    pub fn step(&mut self, input: &Input) -> Effects {
        let mut effects = Effects::default();
        self.now_ms = self.now_ms.max(input.at_ms);
        self.inputs = self.inputs.saturating_add(1);
        self.notices.begin_step();
        match &input.body {
            Body::Observed(observation) => self.observed(observation, &mut effects),
            Body::Progress(progress) => self.progress(progress, &mut effects),
            Body::SourceFailed { chain, operator, since_ms, detail } => {
                self.source_failed(chain, operator.as_ref(), *since_ms, detail, &mut effects);
            }
            Body::SourceRecovered { chain } => self.source_recovered(chain, &mut effects),
            Body::Proved { claim, verdict } => self.proved(*claim, verdict, &mut effects),
            Body::Landed { action, outcome } => {
                self.landed(*action, outcome);
                self.canary_landed(*action, outcome, &mut effects);
            }
            Body::Gate(state) => self.gate(state),
            Body::Price { asset, micro_usd, time } => {
                if self.names.learn_price(*asset, *time, *micro_usd) {
                    self.vaults.reprice(&self.names, Some(*asset));
                }
            }
            Body::Tick | Body::Snapshot { .. } => {}
            Body::Command(command) => self.command(command, &mut effects),
            Body::ConfigChanged(config) => self.config_changed(config, &mut effects),
            Body::Checked(check) => self.checked(check, &mut effects),
            Body::Overload { chain, behind_ms } => self.overload(chain, *behind_ms, &mut effects),
            Body::Resumed => self.listen_again(),
        }
        if let Some(armed_ms) = self.armed_ms.filter(|at| *at <= self.now_ms) {
            // Whoever wakes the engine so late did not listen meanwhile, whether it knows that or not.
            if self.now_ms.saturating_sub(armed_ms) > limits::WAKE_LATE_MS {
                self.listen_again();
            }
            self.wake(&mut effects);
        }
        if !self.signals.changed.is_empty() {
            self.decide(&mut effects);
        }
        if self.rearm {
            self.arm(&mut effects);
        }
        effects
    }

    /// Looks ahead: has fetched what the next steps will read of the ledger, for up to [`limits::FORESEEN`] observations.
    ///
    /// Whoever has a batch shows it before stepping through it. Among ten million messages a step alone waits for
    /// memory longer than it works; shown ahead, the waits of many steps are one. Changes nothing and decides nothing.
    pub fn foresee<'a>(&self, coming: impl IntoIterator<Item = &'a Observation>) {
        let messages = coming.into_iter().filter_map(|observation| match observation.event() {
            Event::Transfer(transfer) => {
                let (origin, destination) = transfer.ends();
                let bridge = self.names.bridge_no(&transfer.bridge)?;
                Some((self.names.route_no(bridge, origin, destination)?, &transfer.message_id))
            }
            _ => None,
        });
        self.ledger.touch(messages);
    }

    /// The configuration in force.
    #[must_use]
    pub fn config(&self) -> &EngineConfig {
        &self.config
    }

    fn setting(&self) -> Setting {
        Setting { group: self.config.group, quiet_secs: self.config.rules.quiet_secs, now_ms: self.now_ms }
    }

    fn configure(&mut self) {
        self.names.configure(&self.config);
        for chain in &self.config.chains {
            let Some(no) = self.names.chain(&chain.id) else { continue };
            if let Some(clock) = self.clocks.get_mut(no) {
                clock.stall_after_ms = chain.stall_after_secs.saturating_mul(1_000);
            }
        }
        self.gates.retain(|name, _| self.config.targets.iter().any(|target| target.id == *name));
        for target in &self.config.targets {
            self.gates.entry(target.id).or_default();
        }
        self.rearm = true;
    }

    /// How far automation may go at a target now: as configured, unless a person changed it since.
    fn mode_of(&self, target: &crate::config::Target) -> Mode {
        self.gates.get(&target.id).and_then(|gate| gate.mode).unwrap_or(target.mode)
    }
}
