//! Whatever is called in whatever order, these hold after every step.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    missing_docs
)]

mod support;

use portcullis_breaker::Word;
use portcullis_guard::msg::{ExecuteMsg, QueryMsg};
use proptest::prelude::*;
use support::{ANY, BRIDGE, BUDGET, Fixture, GOLD, MAX_BLOCKS, MAX_SECONDS, NORTH, START, limits, out};

/// One thing that somebody does, or that time passes.
#[derive(Debug, Clone)]
enum Act {
    Trip { second: bool, scope: usize, level: u8, seconds: u64, blocks: u64 },
    Hold { scope: usize, level: u8 },
    Release { scope: usize, to: u8 },
    Check { north: bool, amount: u128 },
    Lower { amount: u128, seconds: u64 },
    Stranger { kind: u8, scope: usize },
    Wait { seconds: u64, blocks: u64 },
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => (any::<bool>(), 0..4_usize, 1..3_u8, 0..40_000_u64, 0..3_000_u64)
            .prop_map(|(second, scope, level, seconds, blocks)| Act::Trip { second, scope, level, seconds, blocks }),
        1 => (0..4_usize, 1..3_u8).prop_map(|(scope, level)| Act::Hold { scope, level }),
        1 => (0..4_usize, 0..2_u8).prop_map(|(scope, to)| Act::Release { scope, to }),
        4 => (any::<bool>(), 0..60_u128).prop_map(|(north, amount)| Act::Check { north, amount }),
        1 => (0..60_u128, 0..20_000_u64).prop_map(|(amount, seconds)| Act::Lower { amount, seconds }),
        1 => (0..6_u8, 0..4_usize).prop_map(|(kind, scope)| Act::Stranger { kind, scope }),
        3 => (0..30_000_u64, 0..2_000_u64).prop_map(|(seconds, blocks)| Act::Wait { seconds, blocks }),
    ]
}

const HOUR_LIMIT: u128 = 100;

/// The guard, and what is known beside it.
struct Run {
    fixture: Fixture,
    scopes: Vec<Word>,
    /// When which amount left.
    left: Vec<(u64, u128)>,
    /// When which tripper closed for how many seconds more.
    charged: Vec<(u64, &'static str, u64)>,
}

impl Run {
    fn new() -> Self {
        let mut fixture = Fixture::new();
        let most = u128::MAX;
        let call = ExecuteMsg::SetLimits {
            bridge: BRIDGE,
            corridor: ANY,
            asset: GOLD,
            normal: limits(most, HOUR_LIMIT, most, most),
            limited: limits(40, most, most, most),
        };
        fixture.must("owner", &ExecuteMsg::Schedule { call: Box::new(call.clone()) });
        fixture.at(START + MAX_SECONDS, support::HEIGHT);
        fixture.must("owner", &call);
        let names = [(ANY, ANY), (NORTH, ANY), (ANY, GOLD), (NORTH, GOLD)];
        let scopes = names.iter().map(|(corridor, asset)| fixture.scope(*corridor, *asset)).collect();
        Self { fixture, scopes, left: Vec::new(), charged: Vec::new() }
    }

    fn step(&mut self, act: &Act) -> Result<(), TestCaseError> {
        let before: Vec<_> = self.scopes.iter().map(|scope| self.fixture.state(*scope)).collect();
        let (now, height) = self.fixture.now();
        let mut released = None;
        match *act {
            Act::Trip { second, scope, level, seconds, blocks } => {
                self.trip(if second { "second" } else { "tripper" }, scope, level, (seconds, blocks))?;
            }
            Act::Hold { scope, level } => {
                self.fixture.must("guardian", &ExecuteMsg::Hold { scope: self.scopes[scope], level });
            }
            Act::Release { scope, to } => {
                let (generation, closed_until) = (before[scope].generation, before[scope].closed_until);
                let scope_id = self.scopes[scope];
                let msg = ExecuteMsg::Release { scope: scope_id, to, generation, closed_until };
                self.fixture.must("releaser", &msg);
                prop_assert_eq!(self.fixture.level(scope_id), to);
                released = Some(scope);
            }
            Act::Check { north, amount } => {
                let corridor = if north { NORTH } else { Word([0x50; 32]) };
                let level: u8 = self.fixture.ask(&QueryMsg::LevelFor(out(corridor, GOLD)));
                let passed = self.fixture.check(corridor, GOLD, amount).is_ok();
                prop_assert!(!passed || level < 2, "nothing leaves while a scope that covers it is closed");
                prop_assert!(
                    !passed || level == 0 || amount <= 40,
                    "the limited limits hold at the limited level"
                );
                if passed {
                    self.left.push((now, amount));
                }
            }
            Act::Lower { amount, seconds } => {
                let msg = ExecuteMsg::LowerLimits {
                    bridge: BRIDGE,
                    corridor: ANY,
                    asset: GOLD,
                    lowered: limits(amount, u128::MAX, u128::MAX, u128::MAX),
                    until: now + seconds,
                    until_height: 0,
                };
                self.fixture.must("second", &msg);
            }
            Act::Stranger { kind, scope } => self.stranger(kind, self.scopes[scope])?,
            Act::Wait { seconds, blocks } => self.fixture.at(now + seconds, height + blocks),
        }
        for (index, old) in before.iter().enumerate() {
            let new = self.fixture.state(self.scopes[index]);
            if released == Some(index) {
                prop_assert_eq!(new.generation, old.generation + 1);
                continue;
            }
            // Only the releaser shortens.
            prop_assert!(new.closed_until >= old.closed_until && new.limited_until >= old.limited_until);
            prop_assert!(new.closed_until_height >= old.closed_until_height);
            prop_assert!(new.limited_until_height >= old.limited_until_height);
            prop_assert!(new.hold >= old.hold && new.generation == old.generation);
            let (now, height) = self.fixture.now();
            prop_assert!(new.closed_until <= now + MAX_SECONDS, "MAX");
            prop_assert!(new.closed_until_height <= height + MAX_BLOCKS, "MAX in blocks");
        }
        self.windows()
    }

    fn trip(&mut self, by: &'static str, at: usize, level: u8, ask: (u64, u64)) -> Result<(), TestCaseError> {
        let (now, height) = self.fixture.now();
        let (scope, before) = (self.scopes[at], self.fixture.left(by));
        let blocks = if ask.1 == 0 { 0 } else { height + ask.1 };
        let changed = self.fixture.trip(by, scope, level, now + ask.0, blocks).unwrap();
        let cost = before - self.fixture.left(by);
        prop_assert!(changed || cost == 0, "what has no effect costs nothing");
        prop_assert!(level == 2 || cost == 0, "limiting is free");
        if changed {
            prop_assert!(self.fixture.level(scope) >= level);
        }
        self.charged.push((now, by, u64::from(cost)));
        Ok(())
    }

    /// Whoever has no role changes nothing.
    fn stranger(&mut self, kind: u8, scope: Word) -> Result<(), TestCaseError> {
        let account = self.fixture.account("stranger").to_string();
        let state = self.fixture.state(scope);
        let msg = match kind {
            0 => ExecuteMsg::Hold { scope, level: 2 },
            1 => {
                let (generation, closed_until) = (state.generation, state.closed_until);
                ExecuteMsg::Release { scope, to: 0, generation, closed_until }
            }
            2 => ExecuteMsg::TransferOwnership { account },
            3 => ExecuteMsg::Check { bridge: BRIDGE, corridor: NORTH, asset: GOLD, amount: 1_u128.into() },
            4 => ExecuteMsg::RevokeTripper { account },
            _ => {
                let (now, _) = self.fixture.now();
                prop_assert!(self.fixture.trip("stranger", scope, 2, now + 60, 0).is_err());
                return Ok(());
            }
        };
        prop_assert!(self.fixture.call("stranger", &msg).is_err());
        prop_assert_eq!(self.fixture.state(scope), state);
        Ok(())
    }

    /// No rolling window holds more than it may.
    fn windows(&self) -> Result<(), TestCaseError> {
        let (now, _) = self.fixture.now();
        let hour: u128 = self.left.iter().filter(|(at, _)| at + 3_600 > now).map(|(_, amount)| amount).sum();
        prop_assert!(hour <= HOUR_LIMIT, "{hour} left within an hour");
        for who in ["tripper", "second"] {
            let recent = self.charged.iter().filter(|(at, by, _)| *by == who && at + 48 * 3_600 > now);
            let spent: u64 = recent.map(|(_, _, cost)| cost).sum();
            prop_assert!(spent <= u64::from(BUDGET), "{who} spent {spent}");
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_the_rules_hold(acts in prop::collection::vec(act(), 1..60)) {
        let mut run = Run::new();
        for act in &acts {
            run.step(act)?;
        }
        // The way back needs nobody: what people do not hold opens by itself.
        let held: Vec<bool> = run.scopes.iter().map(|scope| run.fixture.state(*scope).hold != 0).collect();
        let (now, height) = run.fixture.now();
        run.fixture.at(now + MAX_SECONDS + 7_200, height + MAX_BLOCKS + 600);
        for (scope, held) in run.scopes.iter().zip(held) {
            prop_assert!(held || run.fixture.level(*scope) == 0);
        }
    }
}
