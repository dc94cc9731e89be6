//! A message consumed before its source was final.

use portcullis_verifier::ActionClass;

use super::{Card, Detector, Fact, Finding, World};
use crate::{effect::Cause, ledger::Verdict};

pub(super) const DETECTOR: Detector = Detector {
    card: Card {
        name: "premature release",
        cause: Cause::Premature,
        provoked_by: "whoever can make the bridge skip its waiting time",
        cost: "a break of the bridge's verification, or a bridge whose configured finality is too long",
        highest: ActionClass::Halt,
    },
    run,
};

fn run(world: &World<'_>, fact: &Fact<'_>) -> Option<Finding> {
    let Fact::Judged(change, Verdict::Premature { age_secs }) = fact else { return None };
    let (value, class) = world.weigh(change, ActionClass::Halt);
    let needed = world.names.route_at(change.route).map_or(0, |route| route.finality_secs);
    let words = world.words(change, value);
    let detail = format!("{words} for a message {age_secs} s old, which may be consumed after {needed} s");
    Some(Finding { class, value, detail })
}
