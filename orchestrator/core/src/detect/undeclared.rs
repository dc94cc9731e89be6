//! An asset that the bridge is not meant to carry, paid out without a source.

use portcullis_verifier::ActionClass;

use super::{Card, Detector, Fact, Finding, World};
use crate::{effect::Cause, ledger::Verdict};

pub(super) const DETECTOR: Detector = Detector {
    card: Card {
        name: "undeclared asset",
        cause: Cause::UndeclaredAsset,
        provoked_by: "anybody, where a bridge lets anybody enrol a token",
        cost: "gas",
        highest: ActionClass::Notify,
    },
    run,
};

fn run(world: &World<'_>, fact: &Fact<'_>) -> Option<Finding> {
    let Fact::Judged(change, Verdict::Undeclared) = fact else { return None };
    let words = world.words(change, None);
    Some(Finding { class: ActionClass::Notify, value: None, detail: format!("{words} without a source") })
}
