//! What goes wrong, or is merely unusual: the alphabet of faults.

use portcullis_core::input::{Body, Command, GateState, Outcome};
use portcullis_verifier::{
    AdminChange, AdminKind, Assurance, ChainId, EndpointFault, Event, FaultKind, IncidentId, Level,
    Observation, Refutation, Status, U256, Undecided, Verdict,
};

use crate::{
    common::{ELSEWHERE, Move, T0, away, height, needs, slug, word},
    watch::Violation,
    world::{BLOCK, Chain, Told, World, chain_id, hash},
};

/// Hours that the clock may be set forward by in all: more, and everything on the chains would be a day old.
const HOURS_FORWARD: u64 = 6;

pub(crate) const HOUR_MS: u64 = 3_600_000;

impl World {
    pub(crate) fn extreme(&mut self, a: u8, b: u8) -> Result<(), Violation> {
        let id = self.fresh_id();
        let out = b.is_multiple_of(2);
        let plain = if out { Move::release(id, 5_000, 0) } else { Move::lock(id, 5_000, 0) };
        match a % 8 {
            0 => self.emit(Move { amount: U256::MAX, ..plain }),
            1 => self.emit(Move { id: 0, ..plain }),
            2 => self.emit(Move { token: 0x99, ..plain }),
            3 => self.emit(plain.other(ELSEWHERE)),
            4 => self.emit(plain.other(77)),
            5 => self.emit(Move { amount: U256::ZERO, to: 0, ..plain }),
            6 => {
                let Chain { time, fork, .. } = self.chains[0];
                let pending =
                    Move { time, fork, log: 90, ..plain }.observation().with_status(Status::Pending);
                self.watched.input(Body::Observed(pending))
            }
            _ => {
                let seen = Move { time: self.chains[0].time, ..plain }.observation();
                let stranger = ChainId::new("eip155:9").expect("a chain's name");
                let (place, event) = (*seen.position(), seen.event().clone());
                let other =
                    Observation::new(stranger, place, seen.time(), Status::Included, seen.raw(), event);
                self.watched.input(Body::Observed(other))
            }
        }
    }

    /// The newest blocks of a chain are replaced. What was held back never arrives; some of what was delivered comes
    /// again in the blocks that replace them, or the old branch wins after all.
    pub(crate) fn reorg(&mut self, at: usize, back: u8) -> Result<(), Violation> {
        let (chain, depth) = (at % 2, [1, 5, 40][at / 2 % 3]);
        let from = self.chains[chain].time.saturating_sub(BLOCK * depth);
        let on_it =
            |told: &Told| told.live && told.seen.chain() == chain_id(chain) && told.seen.time() > from;
        let gone: Vec<usize> = (0..self.told.len()).filter(|n| on_it(&self.told[*n])).rev().collect();
        self.held.retain(|n| !gone.contains(n));
        self.chains[chain].fork += 1;
        for n in &gone {
            self.told[*n].live = false;
            if self.told[*n].delivered {
                let seen = self.told[*n].seen.clone().with_status(Status::Retracted);
                self.watched.input(Body::Observed(seen))?;
            }
        }
        let fork = self.chains[chain].fork;
        let tip = from.max(T0);
        self.watched.progress(chain, tip, hash(chain, tip, fork))?;
        for (n, at) in gone.into_iter().rev().enumerate() {
            match back >> (n % 8) & 1 {
                0 => continue,
                _ if back % 4 == 3 && self.told[at].delivered => {
                    self.told[at].live = true;
                    self.watched.input(Body::Observed(self.told[at].seen.clone()))?;
                }
                _ => {
                    if let Some(moved) = self.told[at].moved {
                        let moved = Move { fork, ..moved };
                        self.put(moved.observation(), Some(moved))?;
                    }
                }
            }
        }
        let before = self.chains[chain].time - BLOCK;
        self.watched.progress(chain, before, hash(chain, before, fork))
    }

    pub(crate) fn deliver_held(&mut self, turn: usize) -> Result<(), Violation> {
        let mut late = std::mem::take(&mut self.held);
        self.holding = 0;
        if !late.is_empty() {
            let by = turn % late.len();
            late.rotate_left(by);
        }
        if turn % 2 == 1 {
            late.reverse();
        }
        for at in late {
            self.told[at].delivered = true;
            self.watched.input(Body::Observed(self.told[at].seen.clone()))?;
        }
        Ok(())
    }

    pub(crate) fn again(&mut self, at: usize, status: u8) -> Result<(), Violation> {
        let known: Vec<&Told> = self.told.iter().filter(|told| told.live && told.delivered).collect();
        let Some(told) = known.get(at % known.len().max(1)) else { return Ok(()) };
        let status = [Status::Included, Status::Safe, Status::Final][usize::from(status % 3)];
        let seen = told.seen.clone().with_status(status);
        self.watched.input(Body::Observed(seen))
    }

    pub(crate) fn undo_unknown(&mut self, a: u8) -> Result<(), Violation> {
        let nobody = Move::release(u64::from(a), 7, self.chains[0].time).fork(1_000);
        self.watched.input(Body::Observed(nobody.observation().with_status(Status::Retracted)))
    }

    pub(crate) fn dark(&mut self, chain: usize, whom: u8) -> Result<(), Violation> {
        let operator = [None, None, Some("a"), Some("b")][usize::from(whom % 4)].map(slug);
        let (since_ms, detail) = (self.watched.now_ms, String::from("dark"));
        self.watched.input(Body::SourceFailed { chain: chain_id(chain % 2), operator, since_ms, detail })
    }

    pub(crate) fn fault(&mut self, chain: usize, which: u8) -> Result<(), Violation> {
        use FaultKind as K;
        let kinds = [
            K::DissentLogs,
            K::DissentHead,
            K::Garbage,
            K::Recovered,
            K::Recovered,
            K::Stalled,
            K::DeepReorg,
        ];
        let kind = kinds[usize::from(which % 7)];
        let operator = [None, Some("a"), Some("b")][usize::from(which / 7 % 3)].map(slug);
        let event = Event::Fault(EndpointFault { operator, kind, detail: String::from("seen") });
        self.aside(chain, event, u64::from(which))
    }

    pub(crate) fn tell(&mut self, chain: usize, which: u8) -> Result<(), Violation> {
        let (bridge, contract) = (slug("b"), word(u64::from(which % 4)));
        let event = if which.is_multiple_of(2) {
            Event::Admin(AdminChange { bridge, kind: AdminKind::Upgrade, contract, value: word(7) })
        } else {
            let reason = "ü".repeat(usize::from(which) * 2);
            Event::Unmapped { bridge, contract, topic: word(u64::from(which)), reason }
        };
        self.aside(chain, event, u64::from(which))
    }

    /// An event that moves nothing. It is neither held back nor reorganised: what stands on it is another test's.
    pub(crate) fn aside(&mut self, chain: usize, event: Event, raw: u64) -> Result<(), Violation> {
        let Chain { time, fork, .. } = self.chains[chain];
        let place = crate::common::position(chain_id(chain), time, 1_000 + self.told.len() as u32, fork);
        let seen = Observation::new(chain_id(chain), place, time, Status::Included, word(raw), event);
        self.watched.input(Body::Observed(seen))
    }

    pub(crate) fn answer(&mut self, at: usize, how: u8) -> Result<(), Violation> {
        let claims = &self.watched.claims;
        let Some((claim, event)) = claims.get(at % claims.len().max(1)).copied() else { return Ok(()) };
        let words = || Refutation { expected: String::from("a log"), found: String::from("none") };
        let weak = Assurance::default();
        let verdict = match how % 8 {
            0..=2 => Verdict::Proven(needs()),
            3 => Verdict::Proven(weak),
            4 => Verdict::Refuted(words(), needs()),
            5 => Verdict::Refuted(words(), weak),
            6 => Verdict::Undecided(Undecided::NoEvidence { detail: String::from("nobody") }),
            _ => Verdict::Undecided(Undecided::NoQuorum { agreeing: 1, needed: 2 }),
        };
        self.watched.proved(claim, event, verdict)
    }

    pub(crate) fn outcome(&mut self, at: usize, how: u8) -> Result<(), Violation> {
        let actions = &self.watched.actions;
        let Some(action) = actions.get(at % actions.len().max(1)).cloned() else { return Ok(()) };
        let gate = usize::from(action.chain == away());
        let detail = String::from("so it was");
        let outcome = match how % 9 {
            0 => Outcome::Broadcast { accepted: 1, asked: 3 },
            1 => Outcome::Landed { height: height(self.chains[gate].time), block_hash: word(9) },
            2 | 3 => {
                // A trip of a generation that people released is ignored by the gate; any other only extends.
                if action.generation == self.gates[gate].1 && action.level == Level::Closed {
                    self.gates[gate].0 = self.gates[gate].0.max(action.until);
                }
                Outcome::Effective { verdict: Verdict::Proven(needs()) }
            }
            4 => Outcome::Effective {
                verdict: Verdict::Undecided(Undecided::NoEvidence { detail: String::from("nobody") }),
            },
            5 => Outcome::Reverted { detail },
            6 => Outcome::Reorged,
            7 => Outcome::Delayed { detail },
            _ => Outcome::Stopped { detail },
        };
        self.watched.landed(action.id, outcome)
    }

    pub(crate) fn gate(&mut self, gate: usize, how: u8) -> Result<(), Violation> {
        if how % 5 == 4 {
            self.gates[gate] = (0, self.gates[gate].1 + 1);
        }
        let (until, generation) = self.gates[gate];
        let now = self.chains[gate].time;
        let lie = how % 5 == 3;
        self.watched.input(Body::Gate(GateState {
            target: slug(["home", "away"][gate]),
            height: height(now),
            level: if until > now && !lie { Level::Closed } else { Level::Open },
            until: if lie { 0 } else { until },
            until_height: 0,
            generation,
            proven: how.is_multiple_of(2) && !lie,
        }))
    }

    pub(crate) fn tick(&mut self, by_ms: u64) -> Result<(), Violation> {
        let to_ms = self.watched.now_ms + by_ms;
        self.watched.wait_until(to_ms)?;
        self.watched.input(Body::Tick)
    }

    /// Set forward, the shell says so. Set back, its log goes on from where it is until the clock has caught up.
    pub(crate) fn clock(&mut self, a: u8) -> Result<(), Violation> {
        if a.is_multiple_of(2) && self.hours_forward < HOURS_FORWARD {
            self.hours_forward += 1;
            self.watched.set_forward(HOUR_MS)?;
        }
        self.watched.input(Body::Tick)
    }

    /// The chains go on while the service is down.
    pub(crate) fn restart(&mut self, down_ms: u64) -> Result<(), Violation> {
        for chain in &mut self.chains {
            chain.time += down_ms / 1_000 / BLOCK * BLOCK;
        }
        self.watched.restart(down_ms)
    }

    pub(crate) fn contain(&mut self, a: u8, b: u8) -> Result<(), Violation> {
        let targets = [vec![], vec![slug("home")], vec![slug("away")], vec![slug("nobody")]];
        let level = [Level::Closed, Level::Limited, Level::Closed, Level::Open][usize::from(b % 4)];
        let (targets, reason) = (targets[usize::from(a % 4)].clone(), String::from("a hunch"));
        self.watched.by_people(Command::Contain { targets, level, by: slug("ada"), reason })
    }

    pub(crate) fn false_alarm(&mut self, at: usize) -> Result<(), Violation> {
        let open: Vec<IncidentId> = self.watched.incident_ids();
        let Some(incident) = open.get(at % open.len().max(1)).copied() else { return Ok(()) };
        self.watched.by_people(Command::FalseAlarm { incident, by: slug("ada"), reason: String::new() })
    }

    pub(crate) fn stop(&mut self, at: usize) -> Result<(), Violation> {
        let actions = &self.watched.actions;
        let Some(action) = actions.get(at % actions.len().max(1)).map(|action| action.id) else {
            return Ok(());
        };
        self.watched.by_people(Command::Stop { action, by: slug("ada"), reason: String::new() })
    }

    /// Cheap events of a stranger: dust, repetitions, noise.
    pub(crate) fn flood(&mut self, a: u8, b: u8) -> Result<(), Violation> {
        for n in 0..8 + a % 16 {
            match b % 3 {
                0 => {
                    let id = self.fresh_id();
                    self.emit(Move::release(id, 1, 0))?;
                }
                1 => self.again(usize::from(n), n)?,
                _ => self.tell(0, n.wrapping_mul(2).wrapping_add(1))?,
            }
        }
        Ok(())
    }
}
