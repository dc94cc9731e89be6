//! What counted as settled was rewritten, or signed twice: a reorganisation reached deeper than its bound, or the
//! chain's own validators have signed two truths.

use portcullis_verifier::{ActionClass, FaultKind};

use super::{Card, Detector, Fact, Finding, World};
use crate::effect::Cause;

pub(super) const DETECTOR: Detector = Detector {
    card: Card {
        name: "deep reorganisation",
        cause: Cause::DeepReorg,
        provoked_by: "a majority of the chain's validators, or operators who agree on a lie",
        cost: "control of a chain's consensus",
        highest: ActionClass::Hold,
    },
    run,
};

fn run(world: &World<'_>, fact: &Fact<'_>) -> Option<Finding> {
    let Fact::Fault { chain, fault } = fact else { return None };
    let what = match fault.kind {
        FaultKind::DeepReorg => "was reorganised deeper than its bound",
        FaultKind::Equivocation => "has signed two truths",
        _ => return None,
    };
    let detail = format!("{} {what}: {}", world.chain(*chain), fault.detail);
    Some(Finding { class: ActionClass::Hold, value: None, detail })
}
