//! Whatever is called and whatever the targets do, the gate opens nothing that it did not close, and in the end nothing
//! stays closed because of it.
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

use portcullis_breaker::ScopeState;
use portcullis_gate::msg::{ExecuteMsg, QueryMsg};
use proptest::prelude::*;
use support::{Fixture, SEND, pausable};

/// One thing that somebody does, or that time passes.
#[derive(Debug, Clone)]
enum Act {
    Trip { level: u8, seconds: u64 },
    Hold,
    Release,
    Enforce,
    Restore,
    Wait(u64),
    Mood(&'static str),
    OthersPause(bool),
    OthersTrip(bool),
    Permit(bool),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => (1..3_u8, 0..9_000_u64).prop_map(|(level, seconds)| Act::Trip { level, seconds }),
        1 => Just(Act::Hold),
        1 => Just(Act::Release),
        2 => Just(Act::Enforce),
        3 => Just(Act::Restore),
        3 => (0..12_000_u64).prop_map(Act::Wait),
        2 => prop_oneof![Just("good"), Just("refuses"), Just("pretends"), Just("silent")].prop_map(Act::Mood),
        1 => any::<bool>().prop_map(Act::OthersPause),
        1 => any::<bool>().prop_map(Act::OthersTrip),
        1 => any::<bool>().prop_map(Act::Permit),
    ]
}

/// Whether each target is closed in truth.
fn closed(fixture: &mut Fixture) -> [bool; 2] {
    [fixture.paused(), fixture.is_disabled(SEND)]
}

fn step(
    fixture: &mut Fixture,
    act: &Act,
    mood: &mut &'static str,
    may: &mut bool,
) -> Result<(), TestCaseError> {
    let (before, marks) = (closed(fixture), fixture.targets());
    let mut by_gate = true;
    match *act {
        Act::Trip { level, seconds } => drop(fixture.trip(level, seconds)),
        Act::Hold => {
            let scope = fixture.scope;
            fixture.must("guardian", &ExecuteMsg::Hold { scope, level: 2 });
        }
        Act::Release => drop(fixture.release()),
        Act::Enforce => drop(fixture.enforce()),
        Act::Restore => drop(fixture.restore()),
        Act::Wait(seconds) => fixture.wait(seconds),
        Act::Mood(next) => {
            fixture.mood(next);
            *mood = next;
        }
        Act::OthersPause(pause) => {
            by_gate = false;
            let gate = fixture.gate.clone();
            if *mood == "good" && fixture.paused() != pause {
                fixture.tell(&gate, &if pause { pausable::Msg::Pause {} } else { pausable::Msg::Unpause {} });
            }
        }
        Act::OthersTrip(trip) => {
            by_gate = false;
            fixture.circuit(SEND, trip);
        }
        Act::Permit(next) => {
            fixture.permit(SEND, next);
            *may = next;
        }
    }
    let after = closed(fixture);
    for at in 0..2 {
        let opened = by_gate && before[at] && !after[at];
        prop_assert!(!opened || marks[at].mark.is_ours(), "{act:?} opened what the gate had not closed");
    }
    let level: u8 = fixture.ask(&QueryMsg::LevelOf { scope: fixture.scope });
    if level == 2 && matches!(act, Act::Trip { .. } | Act::Enforce) {
        prop_assert!(after[0] || *mood == "refuses" || *mood == "pretends", "{act:?} left the contract open");
        prop_assert!(after[1] || !*may, "{act:?} left the message type open");
        // What is proven from outside says that the closure stands: then both were closed when that was written.
        let (_, until, _) = fixture.enforced();
        let now = fixture.app.block_info().time.seconds();
        prop_assert!(until <= now || after == [true, true], "{act:?}: proven closed, and {after:?}");
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_gate_opens_only_what_it_closed_and_leaves_nothing_closed(acts in prop::collection::vec(act(), 1..40)) {
        let mut fixture = Fixture::new();
        fixture.add(fixture.pausable(2));
        fixture.add(fixture.send());
        fixture.must("owner", &ExecuteMsg::Seal {});
        let (mut mood, mut may) = ("good", true);
        for act in &acts {
            step(&mut fixture, act, &mut mood, &mut may)?;
        }
        // When targets and permissions are sound again, everything of the gate's comes back.
        step(&mut fixture, &Act::Mood("good"), &mut mood, &mut may)?;
        step(&mut fixture, &Act::Permit(true), &mut mood, &mut may)?;
        let state: ScopeState = fixture.ask(&QueryMsg::StateOf { scope: fixture.scope });
        if state.hold != 0 {
            fixture.release();
        }
        fixture.wait(100_000);
        fixture.restore();
        prop_assert!(fixture.targets().iter().all(|target| !target.mark.is_ours()));
    }
}
