//! Trust that is lent and taken away, budgets, checks of the ways of containing, canaries.
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
    config::Mode,
    effect::{Cause, ModeChange},
    input::{Body, Check, CheckKind, Command, Outcome},
    limits,
    log::{Record, ReplayReport, chain_head, encode_effects, encode_input, replay},
};
use portcullis_verifier::{Action, ActionClass, B256, Level, Verdict};

const NOW: u64 = T0 + 3 * FINALITY;
const DAY_MS: u64 = 86_400_000;

fn scene_with(change: impl FnOnce(&mut EngineConfig)) -> Run {
    let mut config = config();
    change(&mut config);
    let mut run = Run::with(config);
    run.fund(50_000_000).until(NOW);
    run
}

fn strike(run: &mut Run, n: u64, time: u64) {
    run.see(Move::release(7, 50_000, time).log(u32::try_from(n).unwrap()));
    run.prove_all();
}

fn actions(run: &Run) -> Vec<Action> {
    run.decisions().into_iter().flat_map(|decision| decision.actions.clone()).collect()
}

fn mode(run: &Run, target: &str) -> Mode {
    run.engine.gates().into_iter().find(|gate| gate.target == slug(target)).unwrap().mode
}

fn changes(run: &Run) -> Vec<ModeChange> {
    let changes = run.effects.iter().filter_map(|effect| match effect {
        Effect::Mode(change) => Some(change.clone()),
        _ => None,
    });
    changes.collect()
}

fn set(target: &str, mode: Mode) -> Body {
    Body::Command(Command::SetMode { target: slug(target), mode, by: slug("ada") })
}

fn trust(mode: Mode, with: &str, until_ms: u64) -> Body {
    let (target, by, with) = (slug("home"), slug("ada"), slug(with));
    Body::Command(Command::Trust { target, mode, by, with, until_ms })
}

fn assert_replays(run: &Run) {
    let (mut head, mut records) = (B256::ZERO, Vec::new());
    for (seq, (input, effects)) in (0u64..).zip(&run.log) {
        let input = encode_input(input);
        head = chain_head(head, seq, &input);
        records.push(Record { seq, input, effects: encode_effects(effects), head });
    }
    assert!(matches!(replay(records), ReplayReport::Equal { .. }));
}

#[test]
fn one_person_takes_trust_away_and_cannot_lend_it() {
    let mut run = scene_with(|_| {});
    run.body(set("home", Mode::Limit));
    assert_eq!(mode(&run, "home"), Mode::Limit);
    let effects = run.body(set("home", Mode::Halt));
    assert_eq!(mode(&run, "home"), Mode::Limit, "refused");
    assert!(effects.list.iter().any(|e| matches!(e, Effect::Notify(_))), "and said so");
    assert_eq!(changes(&run).len(), 1);
    assert_replays(&run);
}

#[test]
fn two_people_lend_trust_for_a_time_and_it_falls_back_by_itself() {
    let mut run = scene_with(|config| config.targets[0].mode = Mode::Observe);
    let until = run.now_ms + DAY_MS;
    run.body(trust(Mode::Hold, "ada", until));
    run.body(trust(Mode::Hold, "bob", run.now_ms));
    run.body(trust(Mode::Hold, "bob", run.now_ms + limits::TRUST_MS + 1));
    run.body(trust(Mode::Observe, "bob", until));
    assert_eq!((mode(&run, "home"), changes(&run).len()), (Mode::Observe, 0), "each lacks something");
    run.body(trust(Mode::Hold, "bob", until));
    assert_eq!(mode(&run, "home"), Mode::Hold);
    assert_eq!(run.engine.gates()[0].trusted_until_ms, Some(until));
    run.tick(until - 1);
    assert_eq!(mode(&run, "home"), Mode::Hold);
    run.tick(until);
    assert_eq!(mode(&run, "home"), Mode::Observe, "it ran out");
    assert_eq!(changes(&run).len(), 2);
    assert_replays(&run);
}

#[test]
fn lent_trust_that_a_false_alarm_lowered_never_rises_again_when_it_ends() {
    let mut run = scene_with(|config| config.targets[0].mode = Mode::Hold);
    let until = run.now_ms + DAY_MS;
    run.body(trust(Mode::Halt, "bob", until));
    strike(&mut run, 0, NOW + 12);
    let alarm = |incident| Command::FalseAlarm { incident, by: slug("ada"), reason: String::from("a test") };
    for _ in 0..2 {
        let incident = run.engine.incidents().last().unwrap().id;
        run.body(Body::Command(alarm(incident)));
        strike(&mut run, 1, NOW + 24);
    }
    let lowered = mode(&run, "home");
    assert!(lowered < Mode::Halt);
    run.tick(until);
    assert!(mode(&run, "home") <= lowered.min(Mode::Hold), "{:?}", mode(&run, "home"));
    assert_replays(&run);
}

#[test]
fn a_used_up_budget_withholds_extensions_pages_and_never_a_first_closure() {
    let mut run = scene_with(|config| config.rules.actions_per_hour = 2);
    strike(&mut run, 0, NOW + 12);
    assert_eq!(actions(&run).len(), 2, "both gates close; the budget is used up");
    run.effective();
    // Somebody asks for longer closures within the hour: withheld once, and said.
    run.until(NOW + 3_000);
    let mut longer = run.engine.config().clone();
    longer.playbooks.iter_mut().for_each(|playbook| playbook.expiry_secs = 6 * EXPIRY);
    run.body(Body::ConfigChanged(Box::new(longer)));
    for n in 1..6 {
        strike(&mut run, n, NOW + 3_000 + n);
    }
    assert_eq!(actions(&run).len(), 2);
    let withheld: Vec<_> = run.decisions().into_iter().flat_map(|d| d.withheld.clone()).collect();
    assert_eq!(withheld.len(), 2, "once for each gate: {withheld:?}");
    assert!(withheld[0].reason.contains("budget"));
    let told = |e: &Effect| matches!(e, Effect::Notify(n) if n.cause == Cause::BudgetSpent);
    assert_eq!(run.effects.iter().filter(|e| told(e)).count(), 1);
    // An hour after they were asked for, what was withheld is done without any new signal.
    run.tick((NOW + 12) * 1_000 + 3_600_000);
    assert_eq!(actions(&run).len(), 4, "{:?}", actions(&run));
    assert_replays(&run);
}

#[test]
fn with_no_budget_at_all_every_open_gate_still_closes_and_closes_again() {
    let mut run = scene_with(|config| config.rules.actions_per_hour = 0);
    strike(&mut run, 0, NOW + 12);
    let first = actions(&run);
    assert_eq!(first.len(), 2);
    run.effective();
    run.until(NOW + EXPIRY - 60);
    strike(&mut run, 1, NOW + EXPIRY - 60);
    assert_eq!(actions(&run).len(), 2, "an extension is withheld");
    // The closure runs out while the attack goes on: closing again is a first closure.
    run.tick((first[0].until + 1) * 1_000);
    let again = actions(&run);
    assert_eq!(again.len(), 4, "{again:?}");
    assert!(again[2].until > first[0].until);
    assert_replays(&run);
}

fn check(kind: CheckKind, failing: &[&str]) -> Body {
    let failing = failing.iter().map(|text| (*text).to_owned()).collect();
    Body::Checked(Check { target: slug("away"), kind, failing, took_ms: 7 })
}

#[test]
fn a_failing_way_is_an_incident_until_it_works_again() {
    let mut run = scene_with(|_| {});
    run.body(check(CheckKind::Rehearsal, &["the key is no tripper of the gate"]));
    run.body(check(CheckKind::Rehearsal, &["the key is no tripper of the gate"]));
    assert_eq!(run.causes(), [Cause::DrillFailed]);
    let incident = run.engine.incidents().remove(0);
    assert_eq!(incident.class, ActionClass::Notify, "nothing is closed because closing would fail");
    assert!(incident.signals[0].detail.contains("no tripper"), "{:?}", incident.signals);
    let told = run.effects.iter().filter(|e| matches!(e, Effect::Notify(_))).count();
    assert_eq!(told, 1, "people are told once");
    run.body(check(CheckKind::Canary, &["too late"]));
    assert_eq!(run.engine.incidents().len(), 1, "one group, one incident");
    run.body(check(CheckKind::Rehearsal, &[]));
    assert_eq!(run.causes(), [Cause::CanaryFailed], "each kind stands for itself");
    run.body(check(CheckKind::Canary, &[]));
    assert!(run.engine.incidents().is_empty());
    assert_eq!(run.retracted(), 1);
    assert!(run.decisions().is_empty());
    assert_replays(&run);
}

fn canary(scope: u64) -> Body {
    let (target, by) = (slug("home"), slug("ada"));
    Body::Command(Command::Canary { target, scope: word(scope), generation: 3, by })
}

fn canaries(run: &Run) -> Vec<Check> {
    let checks = run.effects.iter().filter_map(|effect| match effect {
        Effect::Checked(check) if check.kind == CheckKind::Canary => Some(check.clone()),
        _ => None,
    });
    checks.collect()
}

#[test]
fn a_canary_goes_through_the_lane_in_any_mode_and_touches_no_gate() {
    let mut run = scene_with(|config| config.targets.iter_mut().for_each(|t| t.mode = Mode::Observe));
    run.body(canary(0x5c0));
    run.body(canary(0));
    assert!(actions(&run).is_empty(), "never a scope that a bridge asks, never none");
    run.body(canary(0xca));
    run.body(canary(0xca));
    let asked = actions(&run);
    assert_eq!(asked.len(), 1, "one at a time");
    let action = &asked[0];
    assert_eq!((action.scope, action.level, action.generation), (word(0xca), Level::Closed, 3));
    assert!(action.until <= NOW + limits::CANARY_SECS + 60);
    assert!(run.engine.gates().iter().all(|gate| gate.asked.is_none()), "the gate itself was asked nothing");
    run.tick(run.now_ms + 1_500);
    let proven = Outcome::Effective { verdict: Verdict::Proven(needs()) };
    run.body(Body::Landed { action: action.id, outcome: proven });
    let checks = canaries(&run);
    assert!(checks.len() == 1 && checks[0].failing.is_empty(), "{checks:?}");
    assert_eq!(checks[0].took_ms, 1_500);
    run.tick(run.now_ms + 2 * limits::CANARY_WAIT_MS);
    assert_eq!(canaries(&run).len(), 1, "proven is over");
    assert_replays(&run);
}

#[test]
fn a_canary_never_asks_for_longer_than_its_gate_grants() {
    let mut run = scene_with(|config| config.targets[0].max_secs = 60);
    run.body(canary(0xca));
    assert!(actions(&run)[0].until <= NOW + 60, "what a gate caps could not be proven");
}

#[test]
fn a_canary_that_is_not_proven_in_time_or_fails_is_an_incident() {
    let mut run = scene_with(|_| {});
    run.body(canary(0xca));
    run.tick(run.now_ms + limits::CANARY_WAIT_MS);
    assert_eq!(run.causes(), [Cause::CanaryFailed]);
    run.body(canary(0xca));
    let id = actions(&run)[1].id;
    run.body(Body::Landed { action: id, outcome: Outcome::Reverted { detail: String::from("no role") } });
    assert!(canaries(&run)[1].failing[0].contains("no role"));
    assert_eq!(run.causes(), [Cause::CanaryFailed]);
    run.body(canary(0xca));
    let id = actions(&run)[2].id;
    let proven = Outcome::Effective { verdict: Verdict::Proven(needs()) };
    run.body(Body::Landed { action: id, outcome: proven });
    assert_eq!(run.causes(), [], "a canary that lands takes it back");
    assert_replays(&run);
}
