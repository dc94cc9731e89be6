//! A chain makes no blocks.

use portcullis_verifier::ActionClass;

use super::{Card, Detector, Fact, Finding, World};
use crate::effect::Cause;

pub(super) const DETECTOR: Detector = Detector {
    card: Card {
        name: "stalled chain",
        cause: Cause::StalledChain,
        provoked_by: "the chain's validators, and whoever can silence all operators",
        cost: "control of a chain's liveness",
        highest: ActionClass::Notify,
    },
    run,
};

fn run(world: &World<'_>, fact: &Fact<'_>) -> Option<Finding> {
    let Fact::Stalled { chain } = fact else { return None };
    // A release that waits for a source on this chain is held as one with a dark source.
    let detail = format!("{} has made no block for longer than its bound", world.chain(*chain));
    Some(Finding { class: ActionClass::Notify, value: None, detail })
}
