//! Value leaves while its source is dark: darkness is no cover. A dark source alone is told to people.

use portcullis_verifier::ActionClass;

use super::{Card, Detector, Fact, Finding, World};
use crate::{effect::Cause, ledger::Verdict};

pub(super) const DETECTOR: Detector = Detector {
    card: Card {
        name: "dark source",
        cause: Cause::DarkSource,
        provoked_by: "whoever can silence the operators of a chain for longer than the bridge's finality",
        cost: "a denial of service against every operator; an honest release has its source seen before that",
        highest: ActionClass::Hold,
    },
    run,
};

fn run(world: &World<'_>, fact: &Fact<'_>) -> Option<Finding> {
    match fact {
        Fact::Judged(change, Verdict::Dark) => {
            let (value, class) = world.weigh(change, ActionClass::Hold);
            let words = world.words(change, value);
            let detail = format!("{words} for a message whose source chain tells nothing at the moment");
            Some(Finding { class, value, detail })
        }
        Fact::Dark { chain, detail } => {
            let detail = format!("nobody tells about {}: {detail}", world.chain(*chain));
            Some(Finding { class: ActionClass::Notify, value: None, detail })
        }
        _ => None,
    }
}
