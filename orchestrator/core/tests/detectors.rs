//! Each detector speaks when it should, and is quiet in the twin of the same scene where it should be.
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
use portcullis_core::{cards, config::Rules, effect::Cause, input::Body};
use portcullis_verifier::{
    ActionClass, AdminChange, AdminKind, B256, Event, Observation, Status, TransferKind, U256,
};

const NOW: u64 = T0 + 3 * FINALITY;

/// A funded bridge, both chains delivered up to now.
fn scene() -> Run {
    let mut run = Run::new();
    run.fund(50_000_000).until(NOW);
    run
}

fn with_rules(change: impl FnOnce(&mut Rules)) -> Run {
    let mut config = config();
    change(&mut config.rules);
    let mut run = Run::with(config);
    run.fund(50_000_000).until(NOW);
    run
}

#[test]
fn unbacked() {
    let mut run = scene();
    run.see(Move::release(7, 5_000, NOW + 12));
    assert_eq!(run.classes(Cause::Unbacked), [ActionClass::Halt]);

    let mut dust = scene();
    dust.see(Move::release(7, 999, NOW + 12));
    assert_eq!(dust.classes(Cause::Unbacked), [ActionClass::Notify], "below the floor people are told");

    let mut unpriced = scene();
    unpriced.see(Move::new(TransferKind::Release, 7, ODD_HOME, U256::from(5u64), NOW + 12));
    assert_eq!(
        unpriced.classes(Cause::Unbacked),
        [ActionClass::Hold],
        "without a price it cannot be called small"
    );

    let mut backed = scene();
    backed.see(Move::burn(7, 5_000, NOW - FINALITY));
    backed.see(Move::release(7, 5_000, NOW + 12));
    assert_eq!(backed.causes(), []);

    let mut minted = scene();
    minted.see(Move::mint(7, 5_000, NOW + 12));
    assert_eq!(minted.classes(Cause::Unbacked), [ActionClass::Halt], "both directions are matched");
}

#[test]
fn unbacked_waits_until_the_source_is_known_not_to_have_it() {
    let mut run = Run::new();
    run.fund(50_000_000);
    // The source has been delivered up to 2 x finality; a release later than one finality after that may have a
    // source that nobody has seen yet.
    let late = T0 + 3 * FINALITY + 24;
    run.see(Move::release(7, 5_000, late));
    assert_eq!(run.causes(), []);
    assert_eq!(run.engine.ledger().waiting_micro_usd, 5_000_000_000);
    run.chain_until(away(), late - FINALITY);
    assert_eq!(run.causes(), [], "another block of the same second may still hold it");
    run.chain_until(away(), late - FINALITY + 12);
    assert_eq!(run.causes(), [Cause::Unbacked]);
    assert_eq!(run.engine.ledger().waiting_micro_usd, 0);

    // The late source settles it.
    run.see(Move::burn(7, 5_000, late - FINALITY - 60));
    assert_eq!(run.causes(), []);
    assert_eq!(run.retracted(), 1);
}

#[test]
fn skew_is_granted_before_a_source_is_called_missing() {
    let mut config = config();
    config.bridges[0].skew_secs = 120;
    let mut run = Run::with(config);
    run.fund(50_000_000).until(NOW);
    let release = NOW + FINALITY - 60;
    run.see(Move::release(7, 5_000, release));
    assert_eq!(run.causes(), [], "now is past the moment, but not past the skew");
    run.chain_until(away(), NOW + 72);
    assert_eq!(run.causes(), [Cause::Unbacked]);
}

#[test]
fn origin_that_nobody_configured() {
    let mut run = scene();
    run.see(Move::release(7, 5_000, NOW + 12).other(77));
    assert_eq!(run.classes(Cause::Unbacked), [ActionClass::Hold]);
    let mut small = scene();
    small.see(Move::release(7, 10, NOW + 12).other(77));
    assert_eq!(small.classes(Cause::Unbacked), [ActionClass::Notify]);
}

#[test]
fn replayed() {
    let mut run = scene();
    run.see(Move::burn(7, 5_000, NOW - FINALITY));
    run.see(Move::release(7, 5_000, NOW + 12));
    run.see(Move::release(7, 5_000, NOW + 12));
    assert_eq!(run.causes(), [], "the same event twice is one event");
    run.see(Move::release(7, 5_000, NOW + 24));
    assert_eq!(run.classes(Cause::Replayed), [ActionClass::Halt]);

    // Which one is the replay is settled by chain order, not by arrival.
    run.see(Move::release(7, 5_000, NOW));
    let flagged: Vec<_> = run.engine.signals().map(|s| s.event.unwrap()).collect();
    assert_eq!(flagged.len(), 2);
    assert!(
        !flagged.contains(&Move::release(7, 5_000, NOW).observation().id()),
        "the first in chain order is honest"
    );
}

#[test]
fn replayed_long_after() {
    let mut run = scene();
    run.see(Move::burn(7, 5_000, NOW - FINALITY));
    run.see(Move::release(7, 5_000, NOW + 12));
    let later = NOW + 198 * 86_400;
    run.until(later);
    run.see(Move::release(7, 5_000, later + 12));
    assert!(run.causes().contains(&Cause::Replayed), "a consumed message is never forgotten");
}

#[test]
fn mismatch_in_amount_recipient_and_token() {
    let burn = Move::burn(7, 5_000, NOW - FINALITY);
    let honest = Move::release(7, 5_000, NOW + 12);
    for (release, wrong) in [
        (honest, false),
        (Move { amount: usd(5_001), ..honest }, true),
        (honest.to(0xbad), true),
        (Move { token: ETH_HOME, ..honest }, true),
        (Move { token: 0x99, ..honest }, true),
    ] {
        let mut run = scene();
        run.see(burn);
        run.see(release);
        assert_eq!(run.causes().contains(&Cause::ValueMismatch), wrong, "{release:?}");
    }
    let mut dust = scene();
    dust.see(Move::burn(7, 10, NOW - FINALITY));
    dust.see(Move::release(7, 10, NOW + 12).to(0xbad));
    assert_eq!(dust.classes(Cause::ValueMismatch), [ActionClass::Notify], "a malformed recipient of dust");
}

#[test]
fn scales_are_compared_in_message_units() {
    let ether = U256::from(10u64).pow(U256::from(18u64));
    let fine = U256::from(123u64);
    for (minted, wrong) in [(100_000_000u64, false), (100_000_001, true), (99_999_999, true)] {
        let mut run = scene();
        run.see(Move::new(TransferKind::Lock, 7, ETH_HOME, ether + fine, NOW - FINALITY));
        run.see(Move::new(TransferKind::Mint, 7, ETH_AWAY, U256::from(minted), NOW + 12));
        assert_eq!(run.causes().contains(&Cause::ValueMismatch), wrong, "{minted}");
    }
}

#[test]
fn premature() {
    for (age, early) in [(FINALITY, false), (FINALITY - 12, true), (0, true)] {
        let mut run = scene();
        run.see(Move::burn(7, 5_000, NOW - age));
        run.see(Move::release(7, 5_000, NOW));
        assert_eq!(run.causes().contains(&Cause::Premature), early, "{age}");
    }
}

#[test]
fn undeclared_only_tells() {
    let mut run = scene();
    run.see(Move { token: 0x99, ..Move::release(7, 5_000, NOW + 12) });
    assert_eq!(run.classes(Cause::UndeclaredAsset), [ActionClass::Notify]);
    assert_eq!(run.causes(), [Cause::UndeclaredAsset]);
    let mut sent = scene();
    sent.see(Move { token: 0x98, ..Move::burn(7, 5_000, NOW - FINALITY) });
    sent.see(Move { token: 0x99, ..Move::release(7, 5_000, NOW + 12) });
    assert_eq!(sent.causes(), [], "what nobody declared but was sent is matched by amount and recipient");
}

#[test]
fn admin_and_unmapped() {
    let admin = |kind| {
        let change = AdminChange { bridge: slug("b"), kind, contract: word(1), value: word(2) };
        let at = position(home(), NOW, 3, 0);
        Observation::new(home(), at, NOW, Status::Included, word(9), Event::Admin(change))
    };
    for (kind, class) in [
        (AdminKind::Upgrade, ActionClass::Tighten),
        (AdminKind::Owner, ActionClass::Tighten),
        (AdminKind::SignerSet, ActionClass::Tighten),
        (AdminKind::Route, ActionClass::Notify),
        (AdminKind::Parameter, ActionClass::Notify),
    ] {
        let mut run = scene();
        run.body(Body::Observed(admin(kind)));
        run.body(Body::Observed(admin(kind)));
        assert_eq!(run.classes(Cause::AdminChange), [class], "{kind:?}");
        run.body(Body::Observed(admin(kind).with_status(Status::Retracted)));
        assert_eq!(run.causes(), [], "its block left the chain");
    }
    let mut run = scene();
    let event = Event::Unmapped {
        bridge: slug("b"),
        contract: word(1),
        topic: word(2),
        reason: String::from("no mapping"),
    };
    let at = position(home(), NOW, 3, 0);
    run.body(Body::Observed(Observation::new(home(), at, NOW, Status::Included, B256::ZERO, event)));
    assert_eq!(run.classes(Cause::Unmapped), [ActionClass::Notify]);
}

#[test]
fn pending_moves_nothing() {
    let mut run = scene();
    run.body(Body::Observed(Move::release(7, 5_000, NOW + 12).observation().with_status(Status::Pending)));
    assert_eq!(run.causes(), []);
    assert_eq!(run.engine.ledger().messages, 1, "only the funding is known");
}

#[test]
fn a_reorganised_source_takes_its_consumption_with_it() {
    let mut run = scene();
    let burn = Move::burn(7, 5_000, NOW - FINALITY);
    run.see(burn);
    run.see(Move::release(7, 5_000, NOW + 12));
    run.until(NOW + 12);
    assert_eq!(run.causes(), []);
    run.unsee(burn);
    assert_eq!(run.causes(), [Cause::Unbacked]);
    run.see(burn.fork(1));
    assert_eq!(run.causes(), []);
}

#[test]
fn no_detector_goes_beyond_its_card_and_each_says_who_can_provoke_it() {
    let all: Vec<_> = cards().collect();
    assert_eq!(all.len(), 16);
    for card in &all {
        assert!(!card.name.is_empty() && !card.provoked_by.is_empty() && !card.cost.is_empty());
    }
    // What anybody can provoke for next to nothing closes nothing.
    for card in all.iter().filter(|card| card.cost.starts_with("gas") || card.cost.starts_with("nothing")) {
        assert!(card.highest < ActionClass::Hold, "{}", card.name);
    }
    // Overload can be bought with gas: it limits, and no more.
    let overload = all.iter().find(|card| card.cause == Cause::Overload).unwrap();
    assert_eq!(overload.highest, ActionClass::Tighten);
    // What takes capital or an outage, not a break, holds at most.
    for cause in [Cause::FlowCap, Cause::WaitingValue, Cause::DarkSource, Cause::DeepReorg] {
        let card = all.iter().find(|card| card.cause == cause).unwrap();
        assert_eq!(card.highest, ActionClass::Hold, "{}", card.name);
    }
}

#[test]
fn floors_are_the_operators_choice() {
    let mut strict = with_rules(|rules| rules.unbacked_floor_micro_usd = 1);
    strict.see(Move::release(7, 1, NOW + 12));
    assert_eq!(strict.classes(Cause::Unbacked), [ActionClass::Halt]);
}
