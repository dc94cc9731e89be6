//! A log of a watched contract that the mapping does not explain.

use portcullis_verifier::ActionClass;

use super::{Card, Detector, Fact, Finding, World};
use crate::effect::Cause;

pub(super) const DETECTOR: Detector = Detector {
    card: Card {
        name: "unmapped log",
        cause: Cause::Unmapped,
        provoked_by: "anybody who can make the contract emit an event that the mapping leaves out",
        cost: "gas",
        highest: ActionClass::Notify,
    },
    run,
};

fn run(world: &World<'_>, fact: &Fact<'_>) -> Option<Finding> {
    let Fact::Unmapped { chain, contract, topic, reason } = fact else { return None };
    let chain = world.chain(*chain);
    let detail = format!(
        "contract {contract} on {chain} emitted {topic}, which the mapping does not explain: {reason}"
    );
    Some(Finding { class: ActionClass::Notify, value: None, detail })
}
