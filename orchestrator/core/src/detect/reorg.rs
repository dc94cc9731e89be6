//! A reorganisation reached deeper than its bound: what counted as settled was rewritten.

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
    if fault.kind != FaultKind::DeepReorg {
        return None;
    }
    let detail = format!("{} was reorganised deeper than its bound: {}", world.chain(*chain), fault.detail);
    Some(Finding { class: ActionClass::Hold, value: None, detail })
}
