//! From incidents to gates: what is asked, of whom, for how long; and what is never asked.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    reason = "tests fail by panicking"
)]

mod common;

use common::*;
use portcullis_core::{
    Effect, EngineConfig,
    config::{Mode, Playbook},
    effect::{Cause, Decision},
    input::{Body, Command, GateState, Outcome},
};
use portcullis_verifier::{Action, ActionClass, IncidentId, Level, Progress, Undecided, Verdict};
use proptest::{collection::vec, prelude::*};

const NOW: u64 = T0 + 3 * FINALITY;

fn scene_with(change: impl FnOnce(&mut EngineConfig)) -> Run {
    let mut config = config();
    change(&mut config);
    let mut run = Run::with(config);
    run.fund(50_000_000).until(NOW);
    run
}

fn scene() -> Run {
    scene_with(|_| {})
}

/// False releases of one id: the first is unbacked, the others replayed.
fn strike(run: &mut Run, n: u64, time: u64) {
    run.see(Move::release(7, 50_000, time).log(u32::try_from(n).unwrap()));
}

fn actions(run: &Run) -> Vec<&Action> {
    run.decisions().into_iter().flat_map(|decision| &decision.actions).collect()
}

fn undecided() -> Verdict {
    Verdict::Undecided(Undecided::NoEvidence { detail: String::from("nobody answered") })
}

#[test]
fn an_attack_of_many_releases_is_one_decision() {
    let mut run = scene();
    for n in 0..40 {
        strike(&mut run, n, NOW + 12 + n);
        run.prove_all();
        run.until(NOW + 12 + n);
    }
    assert_eq!(run.decisions().len(), 1, "more of the same asks for nothing new");
    let opened = run.effects.iter().filter(|e| matches!(e, Effect::Open(_))).count();
    let upgraded = run.effects.iter().filter(|e| matches!(e, Effect::Upgrade(_))).count();
    assert!(opened == 1 && upgraded <= 10, "{opened} {upgraded}");
    assert!(run.effects.iter().filter(|e| matches!(e, Effect::RequestEvidence { .. })).count() <= 2);
    assert_eq!(run.engine.incidents().len(), 1);
    assert_eq!(run.engine.incidents()[0].signals.len(), 40);
    assert_eq!(run.engine.incidents()[0].value_micro_usd, 40 * 50_000_000_000);
}

#[test]
fn a_closure_is_extended_when_half_is_gone_and_new_after_expiry() {
    let mut run = scene();
    strike(&mut run, 0, NOW + 12);
    run.prove_all();
    let first = actions(&run)[0].clone();
    run.effective();
    run.until(NOW + EXPIRY / 2 - 60);
    strike(&mut run, 1, NOW + EXPIRY / 2 - 60);
    assert_eq!(run.decisions().len(), 1, "more than half is left");
    run.until(NOW + EXPIRY / 2 + 60);
    strike(&mut run, 2, NOW + EXPIRY / 2 + 60);
    assert_eq!(run.decisions().len(), 2);
    let second = actions(&run)[2].clone();
    assert!(second.until > first.until && second.until_height > first.until_height);
    assert_ne!(second.id, first.id);
    run.effective();
    let late = NOW + 3 * EXPIRY;
    run.until(late);
    assert_eq!(run.decisions().len(), 2, "silence extends nothing: the way back needs no one");
    strike(&mut run, 3, late + 12);
    assert_eq!(run.decisions().len(), 3, "a second attack after expiry is a new action");
}

#[test]
fn modes_decide_what_is_done_and_what_is_only_said() {
    for (mode, acted, withheld) in [
        (Mode::Observe, vec![], 1),
        (Mode::Shadow, vec![], 1),
        (Mode::Advise, vec![], 1),
        (Mode::Limit, vec![(ActionClass::Tighten, Level::Limited)], 1),
        (Mode::Hold, vec![(ActionClass::Hold, Level::Closed)], 1),
        (Mode::Halt, vec![(ActionClass::Halt, Level::Closed)], 0),
    ] {
        let mut run = scene_with(|config| {
            config.targets.truncate(1);
            config.targets[0].mode = mode;
            let tighten =
                Playbook { id: slug("tighten"), class: ActionClass::Tighten, ..config.playbooks[1].clone() };
            config.playbooks.push(tighten);
        });
        for n in 0..3 {
            strike(&mut run, n, NOW + 12 + n);
            run.prove_all();
        }
        let decisions = run.decisions();
        assert_eq!(decisions.len(), 1, "{mode:?}: said once");
        let done: Vec<_> = decisions[0].actions.iter().map(|a| (a.class, a.level)).collect();
        assert_eq!(done, acted, "{mode:?}");
        assert_eq!(decisions[0].withheld.len(), withheld, "{mode:?}");
        assert!(
            decisions[0].withheld.iter().all(|w| w.action.class == ActionClass::Halt && !w.reason.is_empty())
        );
    }
}

#[test]
fn a_hold_in_place_of_a_halt_is_renewed_on_its_own() {
    let mut run = scene_with(|config| {
        config.targets.truncate(1);
        config.targets[0].mode = Mode::Hold;
    });
    strike(&mut run, 0, NOW + 12);
    run.prove_all();
    let hold = actions(&run)[0].clone();
    // The halt that was held back would still last; the hold in its place is nearly over.
    let late = hold.until - 60;
    assert!(late < NOW + EXPIRY);
    run.until(late);
    strike(&mut run, 1, late);
    let renewed = actions(&run).last().map(|a| (*a).clone()).unwrap();
    assert!(renewed.class == ActionClass::Hold && renewed.until > hold.until);
}

#[test]
fn a_raised_mode_does_what_was_held_back_but_not_for_old_stories() {
    let mut run = scene_with(|config| config.targets.iter_mut().for_each(|t| t.mode = Mode::Observe));
    strike(&mut run, 0, NOW + 12);
    run.prove_all();
    assert!(actions(&run).is_empty());
    let raise = |target, now_ms| {
        Body::Command(Command::Trust {
            target: slug(target),
            mode: Mode::Halt,
            by: slug("ada"),
            with: slug("bob"),
            until_ms: now_ms + 86_400_000,
        })
    };
    run.body(raise("home", run.now_ms));
    assert_eq!(actions(&run).len(), 1);
    run.effective();
    run.until(NOW + 3 * 86_400);
    run.body(raise("away", run.now_ms));
    assert_eq!(actions(&run).len(), 1, "three days later nothing is closed for it");
}

#[test]
fn history_is_recorded_not_acted_on() {
    let mut run = Run::new();
    run.at(NOW + 400 * 86_400);
    run.fund(50_000_000).until(NOW);
    for chain in [home(), away()] {
        let head_time = NOW + 400 * 86_400;
        run.body(Body::Progress(Progress { head_time, ..progress(chain, NOW) }));
    }
    strike(&mut run, 0, NOW + 12);
    assert_eq!(run.prove_all(), 0);
    assert_eq!(run.causes(), [Cause::Unbacked]);
    assert!(run.decisions().is_empty(), "it happened a year before the watch began");
}

#[test]
fn a_closure_found_late_is_reckoned_from_now() {
    // Two hours behind: the release is old, but the gate closes on a chain that is not.
    let mut run = scene();
    run.at(NOW + 2 * EXPIRY);
    strike(&mut run, 0, NOW + 12);
    run.prove_all();
    assert!(actions(&run).iter().all(|a| a.until >= NOW + 3 * EXPIRY), "{:?}", actions(&run));
}

#[test]
fn a_gate_known_to_be_closed_long_enough_is_left_alone() {
    let mut run = scene();
    let state = |until, generation| GateState {
        target: slug("home"),
        height: height(NOW),
        level: Level::Closed,
        until,
        until_height: 0,
        generation,
        proven: true,
    };
    run.body(Body::Gate(state(NOW + 2 * EXPIRY, 4)));
    strike(&mut run, 0, NOW + 12);
    run.prove_all();
    let chains: Vec<_> = actions(&run).iter().map(|a| a.chain).collect();
    assert_eq!(chains, [away()]);

    // Released by people: a new attack is a new action, with the generation that the gate counts now.
    run.body(Body::Gate(GateState { level: Level::Open, until: 0, height: height(NOW) + 9, ..state(0, 5) }));
    strike(&mut run, 1, NOW + 24);
    let at_home: Vec<_> = actions(&run).into_iter().filter(|a| a.chain == home()).collect();
    assert_eq!(at_home.len(), 1);
    assert_eq!(at_home[0].generation, 5);
}

#[test]
fn a_closure_never_exceeds_what_the_target_grants() {
    let mut run = scene_with(|config| {
        config.targets[0].max_secs = 600;
        config.targets[1].block_secs = 0;
    });
    strike(&mut run, 0, NOW + 12);
    run.prove_all();
    assert!(actions(&run)[0].until <= NOW + 12 + 600);
    assert!(actions(&run)[1].until_height > height(NOW));
}

#[test]
fn a_reverted_action_is_asked_again_until_it_works_or_a_person_says_stop() {
    let mut run = scene();
    strike(&mut run, 0, NOW + 12);
    run.prove_all();
    let mut last = actions(&run)[0].clone();
    for round in 1..5 {
        let detail = String::from("out of gas");
        run.body(Body::Landed { action: last.id, outcome: Outcome::Reverted { detail } });
        run.tick(run.now_ms + 60_000);
        let next = actions(&run).last().map(|a| (*a).clone()).unwrap();
        assert_eq!(run.decisions().len(), 1 + round);
        assert!(next.chain == last.chain && next.until >= last.until, "never shorter");
        last = next;
    }
    run.body(Body::Landed { action: last.id, outcome: Outcome::Reverted { detail: String::new() } });
    run.body(Body::Command(Command::Stop {
        action: last.id,
        by: slug("me"),
        reason: String::from("enough"),
    }));
    let before = run.decisions().len();
    run.tick(run.now_ms + 60_000);
    strike(&mut run, 1, NOW + 80);
    assert_eq!(run.decisions().len(), before, "stopped");
}

#[test]
fn a_person_closes_by_hand_in_any_mode() {
    let mut run = scene_with(|config| config.targets.iter_mut().for_each(|t| t.mode = Mode::Observe));
    let contain = |targets| {
        Body::Command(Command::Contain {
            targets,
            level: Level::Closed,
            by: slug("ada"),
            reason: String::from("a hunch"),
        })
    };
    run.body(contain(vec![slug("away")]));
    assert_eq!(actions(&run).len(), 1);
    assert_eq!(actions(&run)[0].chain, away());
    assert_eq!(run.causes(), [Cause::Manual]);
    run.body(contain(Vec::new()));
    let chains: Vec<_> = actions(&run).iter().map(|a| a.chain).collect();
    assert_eq!(chains, [away(), home()], "what is closed already is not asked for again");
    run.body(Body::Command(Command::Contain {
        targets: vec![slug("nobody")],
        level: Level::Closed,
        by: slug("ada"),
        reason: String::new(),
    }));
    assert_eq!(actions(&run).len(), 2);
}

#[test]
fn a_false_alarm_lowers_trust_by_a_step_and_opens_nothing() {
    let mut run = scene();
    strike(&mut run, 0, NOW + 12);
    run.prove_all();
    let incident = run.engine.incidents()[0].id;
    let judge = |incident| {
        Body::Command(Command::FalseAlarm { incident, by: slug("ada"), reason: String::from("a test") })
    };
    run.body(judge(incident));
    run.body(judge(incident));
    run.body(judge(IncidentId(word(5))));
    assert!(run.engine.gates().iter().all(|gate| gate.mode == Mode::Hold), "one step, once");
    assert!(run.engine.gates().iter().all(|gate| gate.asked.is_some()));
    strike(&mut run, 1, NOW + 24);
    run.prove_all();
    assert_eq!(run.engine.incidents().len(), 2, "what comes after is another incident");
    let last: &Decision = run.decisions().last().copied().unwrap();
    assert_eq!(last.incident, run.engine.incidents()[1].id);
    assert!(
        last.actions.is_empty() && last.withheld.len() == 2,
        "held already, and halting is no longer trusted"
    );
}

#[test]
fn playbooks_may_name_their_targets() {
    let mut run = scene_with(|config| config.playbooks[0].targets = vec![slug("away")]);
    strike(&mut run, 0, NOW + 12);
    run.prove_all();
    let chains: Vec<_> = actions(&run).iter().map(|a| a.chain).collect();
    assert_eq!(chains, [away()]);
}

#[test]
fn a_reorganised_release_is_retracted_and_no_gate_opens() {
    let mut run = scene();
    let release = Move::release(7, 50_000, NOW + 12);
    run.see(release);
    run.prove_all();
    assert_eq!(run.decisions().len(), 1);
    run.unsee(release);
    assert_eq!(run.causes(), []);
    assert_eq!(run.retracted(), 1);
    assert!(run.engine.incidents().is_empty());
    assert!(
        run.engine.gates().iter().all(|gate| gate.asked.is_some()),
        "closing is never undone by the engine"
    );
}

#[test]
fn noise_does_not_hide_the_beginning_of_an_attack() {
    let mut run = scene();
    run.see(Move::release(5, 10, NOW + 12));
    strike(&mut run, 0, NOW + 24);
    let views = run.engine.incidents();
    assert_eq!(views.len(), 2, "dust and attack are apart");
    assert_eq!((views[0].class, views[1].class), (ActionClass::Notify, ActionClass::Halt));
    assert_eq!(views[1].first_secs, NOW + 24);
}

#[test]
fn a_changed_configuration_is_in_force_at_once_and_a_broken_one_is_not() {
    let mut run = scene();
    let mut stricter = config();
    stricter.rules.unbacked_floor_micro_usd = 1_000_000_000_000_000;
    run.body(Body::ConfigChanged(Box::new(stricter.clone())));
    strike(&mut run, 0, NOW + 12);
    assert_eq!(run.classes(Cause::Unbacked), [ActionClass::Notify]);
    let mut broken = config();
    broken.targets[0].bridge = slug("nowhere");
    let effects = run.body(Body::ConfigChanged(Box::new(broken)));
    assert!(effects.list.iter().any(|e| matches!(e, Effect::Notify(_))));
    assert_eq!(run.engine.config(), &stricter);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// Invariant 7: per gate and generation, what is asked only ever gets longer; however long an attack, the
    /// number of actions is bounded by time, not by events.
    #[test]
    fn actions_are_monotone_and_few(gaps in vec(1u64..900, 1..80), proofs in any::<u64>()) {
        let mut run = scene();
        let mut time = NOW + 12;
        for (n, gap) in gaps.iter().enumerate() {
            time += gap;
            run.until(time);
            strike(&mut run, n as u64, time);
            match (proofs >> (n % 60)) & 3 {
                0 => { run.answer(&undecided()); }
                1 => {}
                _ => { run.prove_all(); }
            }
            run.tick(run.now_ms + 10);
        }
        for chain in [home(), away()] {
            let of_chain: Vec<_> = actions(&run).into_iter().filter(|a| a.chain == chain).collect();
            for pair in of_chain.windows(2) {
                prop_assert!(pair[1].until > pair[0].until);
                prop_assert!(pair[1].until_height >= pair[0].until_height);
                prop_assert!(pair[1].level >= pair[0].level);
            }
            let spent = time - NOW;
            prop_assert!(of_chain.len() as u64 <= 2 + spent / (EXPIRY / 2));
        }
    }
}

#[test]
fn a_limit_asked_later_does_not_make_a_closure_forgotten() {
    let mut run = scene();
    strike(&mut run, 0, NOW + 12);
    run.prove_all();
    let closed = actions(&run)[0].clone();
    run.body(Body::Command(Command::Contain {
        targets: vec![slug("home")],
        level: Level::Limited,
        by: slug("ada"),
        reason: String::from("and for longer"),
    }));
    let detail = String::from("out of gas");
    run.body(Body::Landed { action: closed.id, outcome: Outcome::Reverted { detail } });
    run.tick(run.now_ms + 60_000);
    let last = actions(&run).last().map(|a| (*a).clone()).unwrap();
    assert!(last.level == Level::Closed && last.until >= closed.until, "{last:?}");
    assert_eq!(run.engine.gates()[0].asked.unwrap().1, Level::Closed, "what is in force is what people see");
}

#[test]
fn what_people_released_is_not_closed_again_by_an_old_decision() {
    let mut run = scene();
    strike(&mut run, 0, NOW + 12);
    run.prove_all();
    let closed = actions(&run)[0].clone();
    let before = run.decisions().len();
    run.body(Body::Gate(GateState {
        target: slug("home"),
        height: height(NOW + 24),
        level: Level::Open,
        until: 0,
        until_height: 0,
        generation: 1,
        proven: true,
    }));
    run.body(Body::Landed { action: closed.id, outcome: Outcome::Reverted { detail: String::new() } });
    run.tick(run.now_ms + 60_000);
    let away_only: Vec<_> = run.decisions()[before..].iter().flat_map(|d| &d.actions).collect();
    assert!(away_only.iter().all(|a| a.chain == away()), "{away_only:?}");
}
