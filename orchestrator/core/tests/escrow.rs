//! Escrows: what is in them, what leaves them, and how fast; each rule with the twin in which it is quiet.
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
use portcullis_core::{effect::Cause, input::Body, limits};
use portcullis_verifier::{ActionClass, TransferKind};

const NOW: u64 = T0 + 3 * FINALITY;

/// A funded bridge, both chains delivered up to now.
fn scene() -> Run {
    let mut run = Run::new();
    run.fund(50_000_000).until(NOW);
    run
}

#[test]
fn conservation_over_all_corridors() {
    let mut run = Run::new();
    run.fund(1_000_000).until(NOW);
    run.see(Move::release(1, 600_000, NOW + 12).other(ELSEWHERE));
    run.until(NOW + 12);
    assert_eq!(run.causes(), [], "an unwatched corridor may take what is there");
    run.see(Move::release(2, 600_000, NOW + 24).other(ELSEWHERE));
    run.until(NOW + 24);
    assert_eq!(run.classes(Cause::Conservation), [ActionClass::Halt]);
    // A lock that came late covers it.
    run.see(Move::lock(3, 600_000, NOW));
    assert!(!run.causes().contains(&Cause::Conservation));

    let mut dust = Run::new();
    dust.fund(1_000_000).until(NOW);
    dust.see(Move::release(1, 1_000_500, NOW + 12).other(ELSEWHERE));
    dust.until(NOW + 12);
    assert!(!dust.causes().contains(&Cause::Conservation), "rounding and fees");
}

#[test]
fn unwatched_corridors_are_bounded_not_matched_but_never_replayed() {
    let mut run = scene();
    run.see(Move::release(1, 5_000, NOW + 12).other(ELSEWHERE));
    assert_eq!(run.causes(), []);
    run.see(Move::release(1, 5_000, NOW + 24).other(ELSEWHERE));
    assert_eq!(run.causes(), [Cause::Replayed], "twice is false whoever sent it");
}

#[test]
fn the_escrow_may_be_on_the_other_side() {
    let lock = |id, time| Move::new(TransferKind::Lock, id, GLM_AWAY, usd(5_000_000), time);
    let release = |id, time| Move::new(TransferKind::Release, id, GLM_AWAY, usd(2_000_000), time);
    let mut run = scene();
    run.see(lock(1, NOW));
    run.until(NOW + 12);
    let escrow = run.engine.escrows().into_iter().find(|e| e.token == "glm").unwrap();
    assert_eq!((escrow.chain, escrow.balance), (away(), usd(5_000_000)));
    run.see(Move::new(TransferKind::Burn, 2, GLM_HOME, usd(2_000_000), NOW));
    run.see(release(2, NOW + FINALITY));
    run.until(NOW + FINALITY);
    assert_eq!(run.classes(Cause::LargeTransfer), [ActionClass::Notify]);
    assert_eq!(run.classes(Cause::FlowCap), [ActionClass::Hold]);
}

#[test]
fn large_transfers_in_money_and_in_share() {
    for (funds, dollars, large) in
        [(50_000_000, 5_000_000, true), (50_000_000, 4_900_000, false), (5_000_000, 900_000, false)]
    {
        let mut run = Run::new();
        run.fund(funds);
        run.see(Move::burn(7, dollars, NOW - FINALITY));
        run.until(NOW);
        run.see(Move::release(7, dollars, NOW + 12));
        assert_eq!(run.causes(), [], "size is judged in chain order, when the block is complete");
        run.until(NOW + 12);
        assert_eq!(run.causes().contains(&Cause::LargeTransfer), large, "{dollars} of {funds}");
    }
}

#[test]
fn flow_tells_then_holds_and_needs_the_hour() {
    let honest = |run: &mut Run, id: u64, dollars: u64, time: u64| {
        run.see(Move::burn(id, dollars, time - FINALITY));
        run.see(Move::release(id, dollars, time));
        run.until(time);
    };
    let mut run = scene();
    for n in 0..4u64 {
        honest(&mut run, 10 + n, 2_050_000, NOW + 12 + 60 * n);
    }
    assert_eq!(run.classes(Cause::FlowCap), [ActionClass::Notify], "16.4 % of 50 million");
    for n in 4..7u64 {
        honest(&mut run, 10 + n, 2_050_000, NOW + 12 + 60 * n);
    }
    let mut classes = run.classes(Cause::FlowCap);
    classes.sort();
    assert_eq!(classes, [ActionClass::Notify, ActionClass::Hold], "28.7 %");

    let mut slow = scene();
    for n in 0..7u64 {
        honest(&mut slow, 10 + n, 2_050_000, NOW + 12 + 1_800 * n);
    }
    assert_eq!(slow.causes(), [], "the same over three hours");

    let mut young = Run::new();
    young.fund(100_000).until(NOW);
    honest(&mut young, 10, 90_000, NOW + 12);
    assert_eq!(young.causes(), [], "a young escrow moves large shares of little");
}

#[test]
fn a_flow_whose_releases_are_undone_is_retracted() {
    let mut run = scene();
    let mut releases = Vec::new();
    for n in 0..7u64 {
        let time = NOW + 12 + 60 * n;
        run.see(Move::burn(10 + n, 2_050_000, time - FINALITY));
        releases.push(Move::release(10 + n, 2_050_000, time));
        run.see(releases[releases.len() - 1]);
        run.until(time);
    }
    assert!(run.classes(Cause::FlowCap).contains(&ActionClass::Hold));
    for release in releases.iter().take(3) {
        run.unsee(*release);
    }
    assert!(!run.classes(Cause::FlowCap).contains(&ActionClass::Hold));
}

#[test]
fn noise_that_anybody_can_make_is_bounded_and_hides_nothing() {
    let mut run = scene();
    for n in 0..limits::ADVISORY_SIGNALS as u64 + 10 {
        let noise = Move { token: 0x99, ..Move::release(1_000_000 + n, 1, NOW + 12) };
        run.body(Body::Observed(noise.observation()));
        run.effects.clear();
        run.log.clear();
    }
    assert_eq!(run.engine.ledger().signals_overflowed, 10);
    assert_eq!(run.engine.signals().count(), limits::ADVISORY_SIGNALS);
    run.see(Move::release(7, 50_000, NOW + 24));
    assert_eq!(run.classes(Cause::Unbacked), [ActionClass::Halt]);
    run.prove_all();
    assert_eq!(run.decisions().len(), 1);
}
