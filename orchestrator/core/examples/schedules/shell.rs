//! What a shell does with an engine: it waits, restarts, changes the configuration, and hands on what people say.

use portcullis_core::{
    config::Mode,
    input::{Body, Command, Outcome},
    snapshot::{decode_engine, encode_engine, snapshot_hash},
};
use portcullis_verifier::{ActionClass, ActionId, B256, EventId, IncidentId, Level, Progress, Slug};

use crate::{
    common::{T0, away, height, home, slug},
    subject::Subject,
    watch::{Violation, Watched, wrong},
};

/// Times that a waiting shell wakes the engine before the schedule goes on: claims that nobody answers are asked for
/// every ten seconds, and hours of that show nothing new.
const WAKES: usize = 12;

impl Watched {
    pub fn landed(&mut self, action: ActionId, outcome: Outcome) -> Result<(), Violation> {
        self.input(Body::Landed { action, outcome })
    }

    pub fn progress(&mut self, chain: usize, time: u64, block_hash: B256) -> Result<(), Violation> {
        let (chain, height) = ([home(), away()][chain], height(time));
        let (safe_height, final_height) = (height.saturating_sub(32), height.saturating_sub(64));
        let head_time = time;
        self.input(Body::Progress(Progress {
            chain,
            height,
            block_hash,
            time,
            safe_height,
            final_height,
            head_time,
        }))
    }

    /// Time passes on the shell's clock; the engine is woken when it asked to be.
    pub fn wait_until(&mut self, to_ms: u64) -> Result<(), Violation> {
        for _ in 0..WAKES {
            let Some(next) = self.deadlines.first().copied().filter(|at| *at <= to_ms) else { break };
            self.now_ms = self.now_ms.max(next);
            self.input(Body::Tick)?;
        }
        let skipped = self.deadlines.first().is_some_and(|at| *at <= to_ms);
        self.now_ms = self.now_ms.max(to_ms);
        if skipped { self.input(Body::Resumed) } else { Ok(()) }
    }

    /// The engine is woken once, so much later, by a shell that listened all the time.
    pub fn tick_after(&mut self, by_ms: u64) -> Result<(), Violation> {
        self.now_ms += by_ms;
        self.input(Body::Tick)
    }

    /// Invariant 4: what could not be decided was asked for again, if something still stands on it.
    pub fn is_asked_again(&self) -> Result<(), Violation> {
        let needed = |event: EventId| !self.subject.engine.causes_on(event).is_empty();
        let forgotten = self.claims.iter().find(|(claim, event)| {
            self.open.contains(claim) && !self.asked.contains(claim) && needed(*event)
        });
        match forgotten {
            Some((claim, event)) => {
                wrong(4, format!("claim {claim:?} about {event:?} is undecided, and forgotten"))
            }
            None => Ok(()),
        }
    }

    pub fn set_forward(&mut self, by_ms: u64) -> Result<(), Violation> {
        self.now_ms += by_ms;
        self.input(Body::Resumed)
    }

    /// The service ends, and starts again some time later, from a snapshot: the one that its log leaves is no other.
    pub fn restart(&mut self, down_ms: u64) -> Result<(), Violation> {
        let mut again = self.replayed()?;
        let bytes = encode_engine(&self.subject.engine);
        if encode_engine(&again.engine) != bytes {
            return wrong(2, "the same log leaves another snapshot");
        }
        again.engine = match decode_engine(&bytes, snapshot_hash(&bytes)) {
            Ok(engine) => engine,
            Err(error) => return wrong(2, format!("its own snapshot is refused: {error}")),
        };
        if encode_engine(&again.engine) != bytes {
            return wrong(2, "a snapshot of what was read from a snapshot is another");
        }
        self.subject = again;
        self.set_forward(down_ms)
    }

    /// Invariant 2: a fresh engine that is given the log says the same, and knows the same.
    pub fn replayed(&self) -> Result<Subject, Violation> {
        let mut again = self.fresh(self.configs[0].clone());
        for (at, (input, effects)) in self.log.iter().enumerate() {
            let found = again.step(input);
            if found != *effects {
                return wrong(2, format!("record {at}: {effects:?} was decided, and now {found:?}"));
            }
        }
        if again.engine.snapshot_digest() != self.subject.engine.snapshot_digest() {
            return wrong(2, "the same log leaves another state");
        }
        Ok(again)
    }

    pub fn configure(&mut self, which: u8) -> Result<(), Violation> {
        let which = usize::from(which) % self.configs.len();
        let before = self.subject.engine.config().clone();
        let broken = which + 1 == self.configs.len();
        self.turns.reconfigured |= !broken;
        self.input(Body::ConfigChanged(Box::new(self.configs[which].clone())))?;
        if broken && *self.subject.engine.config() != before {
            return wrong(2, "a configuration that contradicts itself is in force");
        }
        Ok(())
    }

    pub fn set_mode(&mut self, gate: usize, to: usize) -> Result<(), Violation> {
        let modes = [Mode::Observe, Mode::Shadow, Mode::Advise, Mode::Limit, Mode::Hold, Mode::Halt];
        let target = slug(["home", "away"][gate]);
        self.by_people(Command::SetMode { target, mode: modes[to % 6], by: slug("ada") })
    }

    pub fn by_people(&mut self, command: Command) -> Result<(), Violation> {
        self.turns.people = true;
        self.input(Body::Command(command))
    }

    pub fn price(&mut self, which: u8, to: u8) -> Result<(), Violation> {
        self.turns.priced = true;
        let asset: Slug = slug(["usd", "eth", "odd", "nobody"][usize::from(which % 4)]);
        let micro_usd = [500_000, 2_000_000, 0, u64::MAX][usize::from(to % 4)];
        let time = T0 + u64::from(to) * 1_000;
        self.input(Body::Price { asset, micro_usd, time })
    }

    pub fn incident_ids(&self) -> Vec<IncidentId> {
        self.subject.engine.incidents().iter().map(|incident| incident.id).collect()
    }

    /// Every gate at which automation may close is asked, or known, to be closed.
    pub fn is_contained(&self, class: ActionClass) -> Result<(), Violation> {
        let now = self.now_ms / 1_000;
        // Nothing has a price that can be relied on, or nobody could prove what was refuted before.
        if self.turns.priced {
            return Ok(());
        }
        for gate in self.subject.engine.gates().iter().filter(|gate| gate.mode >= Mode::Hold) {
            let known = gate.known.is_some_and(|(level, until, _)| level == Level::Closed && until > now);
            let asked = gate.asked.is_some_and(|(_, level, until, _)| level == Level::Closed && until > now);
            if !(known || asked) {
                return wrong(
                    7,
                    format!("an attack of class {class:?} is proven and {} is open", gate.target),
                );
            }
        }
        Ok(())
    }
}
