//! Too much value waits for sources that cannot be seen yet: a late source is no cover.

use portcullis_verifier::ActionClass;

use super::{Card, Detector, Fact, Finding, World};
use crate::{effect::Cause, money::usd};

pub(super) const DETECTOR: Detector = Detector {
    card: Card {
        name: "waiting value",
        cause: Cause::WaitingValue,
        provoked_by: "whoever can slow the reading of the source chain, while so much is really on its way",
        cost: "capital of the bound, and an attack on the operators",
        highest: ActionClass::Hold,
    },
    run,
};

fn run(world: &World<'_>, fact: &Fact<'_>) -> Option<Finding> {
    let Fact::Waits { value } = *fact else { return None };
    if value <= world.rules.waiting_bound_micro_usd {
        return None;
    }
    let detail = format!("{} left for messages whose source cannot be seen yet", usd(value));
    Some(Finding { class: ActionClass::Hold, value: Some(value), detail })
}
