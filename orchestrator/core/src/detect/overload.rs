//! The service consumes a chain late: whoever fills it with cheap events may hide something behind them.

use portcullis_verifier::ActionClass;

use super::{Card, Detector, Fact, Finding, World};
use crate::effect::Cause;

pub(super) const DETECTOR: Detector = Detector {
    card: Card {
        name: "overload",
        cause: Cause::Overload,
        provoked_by: "anybody who can make watched contracts emit events faster than they are made durable",
        cost: "gas for some thousand events per second, or the failure of our own database",
        // It can be bought: what a limit leaves open is all that an outsider can buy with it.
        highest: ActionClass::Tighten,
    },
    run,
};

fn run(world: &World<'_>, fact: &Fact<'_>) -> Option<Finding> {
    let Fact::Overloaded { chain, behind_ms } = fact else { return None };
    let detail = format!(
        "{} is consumed {behind_ms} ms after it was seen: what leaves meanwhile is limited before it is late",
        world.chain(*chain)
    );
    Some(Finding { class: ActionClass::Tighten, value: None, detail })
}
