//! A release without its source, and the source is known not to have it.

use portcullis_verifier::ActionClass;

use super::{Card, Detector, Fact, Finding, World};
use crate::{effect::Cause, ledger::Verdict};

pub(super) const DETECTOR: Detector = Detector {
    card: Card {
        name: "unbacked release",
        cause: Cause::Unbacked,
        provoked_by: "whoever can make the bridge pay without a message",
        cost: "a break of the bridge's verification; a source that hides events instead must fool the quorum",
        highest: ActionClass::Halt,
    },
    run,
};

fn run(world: &World<'_>, fact: &Fact<'_>) -> Option<Finding> {
    let Fact::Judged(change, verdict) = fact else { return None };
    match verdict {
        Verdict::Unbacked => {
            let (value, class) = world.weigh(change, ActionClass::Halt);
            let words = world.words(change, value);
            let detail =
                format!("{words}, and its source chain, seen past the moment that counts, sent nothing");
            Some(Finding { class, value, detail })
        }
        // Nobody named the origin in the configuration. That may be an omission there, so it is not a halt.
        Verdict::UnknownOrigin => {
            let (value, class) = world.weigh(change, ActionClass::Hold);
            let origin = world.names.route_at(change.route).map(|route| route.origin).unwrap_or_default();
            let words = world.words(change, value);
            let detail =
                format!("{words} for a message from domain {origin}, which the configuration does not name");
            Some(Finding { class, value, detail })
        }
        _ => None,
    }
}
