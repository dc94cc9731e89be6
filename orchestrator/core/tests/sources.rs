//! Sources that are late, dark, standing still or contradicted: kept apart, and none of them a cover.
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
use portcullis_verifier::{ActionClass, FaultKind};

const NOW: u64 = T0 + 3 * FINALITY;

/// A funded bridge, both chains delivered up to now.
fn scene() -> Run {
    let mut run = Run::new();
    run.fund(50_000_000).until(NOW);
    run
}

#[test]
fn waiting_value_is_bounded() {
    let late = T0 + 4 * FINALITY;
    let mut run = Run::new();
    run.fund(50_000_000);
    run.see(Move::release(7, 600_000, late));
    assert_eq!(run.causes(), []);
    run.see(Move::release(8, 600_000, late));
    assert_eq!(run.causes(), [], "two chains are never delivered at the same instant");
    run.tick(late * 1_000 + limits::WAITING_GRACE_MS);
    assert_eq!(run.classes(Cause::WaitingValue), [ActionClass::Hold]);
    run.see(Move::burn(7, 600_000, late - FINALITY));
    assert_eq!(run.causes(), [], "the source came: less than the bound waits");
}

#[test]
fn catching_up_with_one_chain_before_the_other_is_no_alarm() {
    let late = T0 + 4 * FINALITY;
    let mut run = Run::new();
    run.fund(50_000_000);
    run.see(Move::release(7, 5_000_000, late));
    // Old blocks of the source chain come one after the other: each may bring the source.
    for step in 1..50 {
        run.tick(late * 1_000 + step * (limits::WAITING_GRACE_MS - 1));
        run.body(Body::Progress(progress(away(), T0 + 2 * FINALITY + 12 * step)));
    }
    assert_eq!(run.causes(), []);
    let mut matched = run;
    matched.body(Body::Observed(Move::burn(7, 5_000_000, late - FINALITY).observation()));
    matched.tick(late * 1_000 + 2 * limits::WAITING_LIMIT_MS);
    assert!(!matched.causes().contains(&Cause::WaitingValue));
}

#[test]
fn feeding_old_blocks_slowly_buys_no_more_than_the_limit() {
    let late = T0 + 4 * FINALITY;
    let mut run = Run::new();
    run.fund(50_000_000);
    run.see(Move::release(7, 5_000_000, late));
    for step in 1..=limits::WAITING_LIMIT_MS / (limits::WAITING_GRACE_MS - 1) + 1 {
        run.tick(late * 1_000 + step * (limits::WAITING_GRACE_MS - 1));
        run.body(Body::Progress(progress(away(), T0 + 2 * FINALITY + 12 * step)));
    }
    assert_eq!(run.classes(Cause::WaitingValue), [ActionClass::Hold]);
}

#[test]
fn dark_source_is_no_cover() {
    let late = T0 + 4 * FINALITY;
    let dark = |run: &mut Run| {
        run.body(Body::SourceFailed {
            chain: away(),
            operator: None,
            since_ms: 1,
            detail: String::from("no quorum"),
        })
    };
    let mut run = Run::new();
    run.fund(50_000_000);
    run.see(Move::release(7, 5_000, late));
    assert_eq!(run.causes(), [], "late is not dark");
    dark(&mut run);
    let mut classes = run.classes(Cause::DarkSource);
    classes.sort();
    assert_eq!(
        classes,
        [ActionClass::Notify, ActionClass::Hold],
        "the dark chain, and the release without a source"
    );
    run.body(Body::SourceRecovered { chain: away() });
    assert_eq!(run.causes(), [], "waiting again");
    run.chain_until(away(), late);
    assert_eq!(run.causes(), [Cause::Unbacked]);

    // An honest release has its source seen before the darkness.
    let mut honest = Run::new();
    honest.fund(50_000_000);
    honest.see(Move::burn(7, 5_000, T0 + 2 * FINALITY));
    dark(&mut honest);
    honest.see(Move::release(7, 5_000, late));
    assert_eq!(honest.classes(Cause::DarkSource), [ActionClass::Notify]);
}

#[test]
fn one_dark_operator_is_dissent_and_ends_with_it() {
    let mut run = scene();
    run.body(Body::SourceFailed {
        chain: away(),
        operator: Some(slug("a")),
        since_ms: 1,
        detail: String::new(),
    });
    assert_eq!(run.classes(Cause::EndpointDissent), [ActionClass::Notify]);
    run.fault(away(), Some("b"), FaultKind::DissentLogs);
    run.fault(away(), Some("a"), FaultKind::Recovered);
    assert_eq!(run.causes(), [Cause::EndpointDissent], "another one still dissents");
    run.fault(away(), Some("b"), FaultKind::Recovered);
    assert_eq!(run.causes(), []);
}

#[test]
fn stalled_chain_by_the_clock_and_by_word() {
    let mut config = config();
    config.chains[1].stall_after_secs = 600;
    let mut run = Run::with(config);
    run.until(T0);
    run.tick((T0 + 599) * 1_000);
    assert_eq!(run.causes(), []);
    run.tick((T0 + 600) * 1_000);
    assert_eq!(run.classes(Cause::StalledChain), [ActionClass::Notify]);
    run.body(Body::Progress(progress(away(), T0)));
    assert_eq!(run.causes(), [Cause::StalledChain], "the same head again is not a new block");
    run.chain_until(away(), T0 + 601);
    assert_eq!(run.causes(), []);

    let mut told = scene();
    told.fault(away(), None, FaultKind::Stalled);
    assert_eq!(told.causes(), [Cause::StalledChain]);
    // What waits for a chain that stands still is as good as dark.
    told.see(Move::release(7, 5_000, NOW + 2 * FINALITY));
    assert!(told.causes().contains(&Cause::DarkSource));
}

#[test]
fn deep_reorganisation() {
    let mut run = scene();
    run.fault(home(), None, FaultKind::DeepReorg);
    assert_eq!(run.classes(Cause::DeepReorg), [ActionClass::Hold]);
    // So is a chain whose own validators have signed two truths.
    let mut twice = scene();
    twice.fault(home(), None, FaultKind::Equivocation);
    assert_eq!(twice.classes(Cause::DeepReorg), [ActionClass::Hold]);
    let mut other = scene();
    other.fault(home(), Some("a"), FaultKind::DissentHead);
    assert_eq!(other.causes(), [Cause::EndpointDissent]);
}

/// Nothing more can be proven of a chain whose blocks are told as before: people are told, and nothing is taken for dark.
#[test]
fn proofs_that_stop_are_told_and_are_no_darkness() {
    let mut run = scene();
    run.fault(away(), None, FaultKind::Unproven);
    assert_eq!(run.classes(Cause::EndpointDissent), [ActionClass::Notify]);
    run.see(Move::release(7, 5_000, NOW + 2 * FINALITY));
    assert!(!run.causes().contains(&Cause::DarkSource), "{:?}", run.causes());
}

#[test]
fn overload_limits_and_is_over_when_it_is_over() {
    let mut run = scene();
    run.body(Body::Overload { chain: home(), behind_ms: 6_000 });
    assert_eq!(run.classes(Cause::Overload), [ActionClass::Tighten]);
    run.body(Body::Overload { chain: home(), behind_ms: 9_000 });
    assert_eq!(run.causes(), [Cause::Overload], "told once");
    run.body(Body::Overload { chain: away(), behind_ms: 0 });
    assert_eq!(run.causes(), [Cause::Overload], "another chain");
    run.body(Body::Overload { chain: home(), behind_ms: 0 });
    assert_eq!(run.causes(), []);
}
