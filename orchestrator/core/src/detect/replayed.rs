//! A message consumed more than once.

use portcullis_verifier::ActionClass;

use super::{Card, Detector, Fact, Finding, World};
use crate::{effect::Cause, ledger::Verdict};

pub(super) const DETECTOR: Detector = Detector {
    card: Card {
        name: "replayed message",
        cause: Cause::Replayed,
        provoked_by: "whoever can make the bridge pay twice for one message",
        cost: "a break of the bridge's replay protection",
        highest: ActionClass::Halt,
    },
    run,
};

fn run(world: &World<'_>, fact: &Fact<'_>) -> Option<Finding> {
    let Fact::Judged(change, Verdict::Replayed) = fact else { return None };
    let (value, class) = world.weigh(change, ActionClass::Halt);
    let words = world.words(change, value);
    Some(Finding { class, value, detail: format!("{words} for a message that was consumed before") })
}
