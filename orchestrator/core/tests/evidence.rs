//! Between suspicion and action stands evidence: proven, refuted or undecided, and never mixed up.
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
use portcullis_core::{Effect, EngineConfig, effect::Cause};
use portcullis_verifier::{ActionClass, Assurance, Inclusion, Refutation, Undecided, Verdict};
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

fn undecided() -> Verdict {
    Verdict::Undecided(Undecided::NoEvidence { detail: String::from("nobody answered") })
}

fn refuted(by: Assurance) -> Verdict {
    Verdict::Refuted(Refutation { expected: String::from("a log"), found: String::from("none") }, by)
}

#[test]
fn undecided_is_asked_again_and_is_never_a_no() {
    let mut run = scene();
    strike(&mut run, 0, NOW + 12);
    let mut asked = 0;
    for round in 0..12 {
        asked += run.answer(&undecided());
        let next = run.effects.iter().rev().find_map(|e| match e {
            Effect::Deadline { at_ms } => Some(*at_ms),
            _ => None,
        });
        run.effects.retain(|e| !matches!(e, Effect::RequestEvidence { .. }));
        run.tick(next.unwrap_or(run.now_ms));
        assert!(run.causes().contains(&Cause::Unbacked), "round {round}");
    }
    assert!(asked >= 5, "{asked}");
    assert!(run.decisions().is_empty(), "both playbooks ask for a proof");
    // The proof comes in the end, and then it is done.
    run.tick(run.now_ms + 120_000);
    assert_eq!(run.prove_all(), 1);
    assert_eq!(run.decisions().len(), 1);
}

#[test]
fn without_evidence_in_time_a_hold_that_asks_for_none_runs_and_the_proof_upgrades_it() {
    let mut run = scene_with(|config| config.playbooks[1].needs = Assurance::default());
    strike(&mut run, 0, NOW + 12);
    assert!(run.decisions().is_empty());
    let wait = run.engine.config().rules.evidence_wait_ms;
    run.tick(run.now_ms + wait - 1);
    assert!(run.decisions().is_empty());
    run.tick(run.now_ms + 1);
    let classes = |run: &Run| run.decisions().iter().map(|d| d.class).collect::<Vec<_>>();
    assert_eq!(classes(&run), [ActionClass::Hold]);
    assert!(
        run.effects.iter().any(|e| matches!(e, Effect::Deadline { .. })),
        "the shell was asked to wake it"
    );
    run.prove_all();
    assert_eq!(classes(&run), [ActionClass::Hold, ActionClass::Halt]);
    let (hold, halt) = (&run.decisions()[0].actions[0], &run.decisions()[1].actions[0]);
    assert!(halt.until > hold.until);
}

#[test]
fn what_is_proven_for_less_runs_at_once() {
    let weak = Assurance::reported(2, 3);
    let mut run = scene_with(|config| config.playbooks[1].needs = weak);
    strike(&mut run, 0, NOW + 12);
    run.answer(&Verdict::Proven(weak));
    assert_eq!(run.decisions().iter().map(|d| d.class).collect::<Vec<_>>(), [ActionClass::Hold]);
    assert!(run.decisions()[0].actions.iter().all(|a| a.class == ActionClass::Hold));
}

#[test]
fn too_weak_a_proof_runs_nothing() {
    let mut run = scene();
    strike(&mut run, 0, NOW + 12);
    run.answer(&Verdict::Proven(Assurance { inclusion: Inclusion::Reported, ..Assurance::default() }));
    run.tick(run.now_ms + 600_000);
    assert!(run.decisions().is_empty());
}

#[test]
fn refuted_is_retracted_and_told_as_dissent() {
    let mut run = scene();
    strike(&mut run, 0, NOW + 12);
    run.answer(&refuted(needs()));
    assert_eq!(run.causes(), [Cause::EndpointDissent]);
    assert_eq!(run.retracted(), 1);
    assert!(run.decisions().is_empty());
    strike(&mut run, 0, NOW + 12);
    assert_eq!(run.causes(), [Cause::EndpointDissent], "the same lie again is known");
    // The truth beside it still counts.
    strike(&mut run, 1, NOW + 24);
    assert_eq!(run.prove_all(), 1);
    assert_eq!(run.decisions().len(), 1);
}

#[test]
fn too_weak_a_refutation_takes_nothing_away() {
    let mut run = scene();
    strike(&mut run, 0, NOW + 12);
    run.answer(&refuted(Assurance::reported(1, 3)));
    assert_eq!(run.causes(), [Cause::Unbacked]);
    run.tick(run.now_ms + 1_000);
    let again = run.effects.iter().filter(|e| matches!(e, Effect::RequestEvidence { .. })).count();
    assert_eq!(again, 2, "asked again");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// Invariant 4: nothing closes unless a proof of an event that still stands was good enough; what is
    /// undecided stays on the list of what is asked again.
    #[test]
    fn only_proofs_close(answers in vec(0u8..4, 1..30)) {
        let mut run = scene();
        let mut proven = false;
        for (n, kind) in answers.iter().enumerate() {
            strike(&mut run, n as u64, NOW + 12 + n as u64);
            let open = run.open_claims().len();
            match kind {
                0 => { proven |= run.answer(&Verdict::Proven(needs())) > 0; }
                1 => { run.answer(&Verdict::Proven(Assurance::reported(3, 3))); }
                2 => { run.answer(&undecided()); }
                _ => { run.answer(&refuted(needs())); }
            }
            prop_assert!(open <= 32);
            prop_assert_eq!(!run.decisions().is_empty(), proven, "after answer {}", n);
        }
    }
}
