//! What comes back to its sender: a refund consumes its message, like a release over there, and once.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod common;

use common::*;
use portcullis_core::effect::Cause;
use portcullis_verifier::{ActionClass, TransferKind, U256};

const NOW: u64 = T0 + 3 * FINALITY;
const ID: u64 = 7;

/// A funded bridge, both chains delivered up to now.
fn scene() -> Run {
    let mut run = Run::new();
    run.fund(50_000_000).until(NOW);
    run
}

/// Gives back to the sender, who is not the recipient over there.
fn refund(token: u64, dollars: u64, time: u64) -> Move {
    Move::new(TransferKind::Refund, ID, token, usd(dollars), time).to(0x5e4de5)
}

fn escrow(run: &Run) -> U256 {
    run.engine.escrows().iter().find(|escrow| escrow.token == "usd").unwrap().balance
}

#[test]
fn what_was_locked_or_burned_may_come_back_at_any_time_and_closes_its_message() {
    for (source, token) in
        [(Move::lock(ID, 5_000, NOW + 12), USD_HOME), (Move::burn(ID, 5_000, NOW + 12), USD_AWAY)]
    {
        for later in [12, FINALITY + 600] {
            let mut run = scene();
            let (open, held) = (run.engine.ledger().open, escrow(&run));
            run.see(source);
            run.until(NOW + 12);
            assert_eq!(run.engine.ledger().open, open + 1);
            run.see(refund(token, 5_000, NOW + 12 + later));
            run.until(NOW + 2 * FINALITY + 1_200);
            assert_eq!(run.causes(), [], "{source:?}");
            assert_eq!(run.engine.ledger().open, open, "nobody waits for it any more");
            assert_eq!(escrow(&run), held, "what came in went out again, or nothing did");
        }
    }
}

#[test]
fn a_refund_of_what_was_never_sent_is_unbacked_once_its_own_chain_is_seen_past_it() {
    for (token, chain) in [(USD_HOME, home()), (USD_AWAY, away())] {
        let mut run = scene();
        run.see(refund(token, 5_000, NOW + 12));
        run.chain_until(chain, NOW + 12);
        assert_eq!(run.causes(), [], "the same second may still hold it");
        run.chain_until(chain, NOW + 24);
        assert_eq!(run.classes(Cause::Unbacked), [ActionClass::Halt]);
    }
}

#[test]
fn a_refund_and_a_release_of_one_message_are_one_too_many_in_either_order() {
    let lock = Move::lock(ID, 5_000, NOW + 12);
    let (early, late) = (NOW + FINALITY + 60, NOW + FINALITY + 600);
    let after_refund = [lock, refund(USD_HOME, 5_000, early), Move::mint(ID, 5_000, late)];
    let after_mint = [lock, Move::mint(ID, 5_000, early), refund(USD_HOME, 5_000, late)];
    let twice = [lock, refund(USD_HOME, 5_000, early), refund(USD_HOME, 5_000, late)];
    for story in [after_refund, after_mint, twice] {
        let mut run = scene();
        for one in story {
            run.see(one);
        }
        run.until(NOW + 3 * FINALITY);
        assert_eq!(run.classes(Cause::Replayed), [ActionClass::Halt], "{story:?}");
    }
}

#[test]
fn a_refund_of_more_or_of_another_token_is_no_refund_of_the_message() {
    for wrong in [refund(USD_HOME, 5_001, NOW + 60), refund(ETH_HOME, 5_000, NOW + 60)] {
        let mut run = scene();
        run.see(Move::lock(ID, 5_000, NOW + 12));
        run.see(wrong);
        run.until(NOW + 120);
        assert_eq!(run.causes().first(), Some(&Cause::ValueMismatch), "{wrong:?}: {:?}", run.causes());
    }
}

#[test]
fn a_refund_before_its_message_was_sent_is_none() {
    let mut run = scene();
    run.see(refund(USD_HOME, 5_000, NOW + 12));
    run.see(Move::lock(ID, 5_000, NOW + 60));
    run.until(NOW + 120);
    assert_eq!(run.causes(), [Cause::Premature]);
}

/// The other direction of the same number is another message.
#[test]
fn a_refund_is_of_the_message_from_here_and_of_no_other() {
    let mut run = scene();
    run.see(Move::burn(ID, 5_000, NOW + 12));
    run.see(refund(USD_HOME, 5_000, NOW + 60));
    run.until(NOW + 120);
    assert_eq!(run.classes(Cause::Unbacked), [ActionClass::Halt]);
}
