//! Source and release differ in token, amount or recipient.

use portcullis_verifier::ActionClass;

use super::{Card, Detector, Fact, Finding, World};
use crate::{effect::Cause, ledger::Verdict};

pub(super) const DETECTOR: Detector = Detector {
    card: Card {
        name: "value mismatch",
        cause: Cause::ValueMismatch,
        provoked_by: "whoever can make the bridge pay something else than was sent",
        cost: "a break of the bridge's verification; dust with a malformed recipient needs none and stays below the floor",
        highest: ActionClass::Halt,
    },
    run,
};

fn run(world: &World<'_>, fact: &Fact<'_>) -> Option<Finding> {
    let Fact::Judged(change, Verdict::Mismatch { amount, token, recipient }) = fact else { return None };
    let (value, class) = world.weigh(change, ActionClass::Halt);
    let sent = format!("{amount} base units of {}", world.names.token_name(*token));
    let whom = if *recipient == change.live.recipient { "the same recipient" } else { "another recipient" };
    let words = world.words(change, value);
    Some(Finding { class, value, detail: format!("{words}, but its message sent {sent} to {whom}") })
}
