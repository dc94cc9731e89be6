//! The whole way once: a false release is seen, proven, decided, and every gate of the group is asked to close.
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
use portcullis_core::{Effect, effect::Cause};
use portcullis_verifier::{ActionClass, Level};

const NOW: u64 = T0 + 2 * FINALITY + 100;

#[test]
fn a_release_without_a_source_closes_both_sides_once_it_is_proven() {
    let mut run = Run::new();
    run.fund(50_000_000).until(NOW);
    let effects = run.see(Move::release(7, 2_000_000, NOW + 12));
    assert!(effects.list.iter().any(|e| matches!(e, Effect::Open(_))), "{effects:?}");
    assert_eq!(run.causes(), [Cause::Unbacked]);
    assert!(run.decisions().is_empty(), "a suspicion alone closes nothing: the playbook asks for a proof");
    assert_eq!(run.prove_all(), 1);
    let decisions = run.decisions();
    assert_eq!(decisions.len(), 1);
    let decision = decisions[0];
    assert_eq!(decision.class, ActionClass::Halt);
    let chains: Vec<_> = decision.actions.iter().map(|a| a.chain).collect();
    assert_eq!(chains, [home(), away()]);
    for action in &decision.actions {
        assert_eq!(action.level, Level::Closed);
        assert_eq!(action.id, action.derive_id());
        assert!(action.until >= NOW + EXPIRY && action.until <= NOW + 12 + EXPIRY);
        assert!(action.until_height >= height(NOW) + EXPIRY / 12);
        assert!(action.value_at_risk_micro_usd >= 48_000_000_000_000);
        assert!(!action.reasons.is_empty());
    }
    assert!(decision.withheld.is_empty());
}

#[test]
fn an_honest_transfer_both_ways_says_nothing() {
    let mut run = Run::new();
    run.fund(50_000_000);
    run.see(Move::burn(7, 2_000_000, NOW));
    run.until(NOW + 12);
    run.see(Move::release(7, 2_000_000, NOW + FINALITY + 60));
    run.until(NOW + FINALITY + 72);
    assert_eq!(run.causes(), []);
    assert!(run.effects.iter().all(|e| matches!(e, Effect::Deadline { .. })), "{:?}", run.effects);
    assert_eq!(run.engine.ledger().open, 0);
    assert_eq!(run.engine.ledger().messages, 2);
}
