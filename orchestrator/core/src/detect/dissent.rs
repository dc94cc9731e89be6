//! Operators contradict each other, or one is dark, behind, or answers garbage; or nothing more can be proven of what they say.

use portcullis_verifier::{ActionClass, FaultKind};

use super::{Card, Detector, Fact, Finding, World};
use crate::effect::Cause;

pub(super) const DETECTOR: Detector = Detector {
    card: Card {
        name: "endpoint dissent",
        cause: Cause::EndpointDissent,
        provoked_by: "any operator, and whoever can reach one of them",
        cost: "nothing to speak of",
        highest: ActionClass::Notify,
    },
    run,
};

fn run(world: &World<'_>, fact: &Fact<'_>) -> Option<Finding> {
    let detail = match fact {
        Fact::Fault { chain, fault } if fault.kind == FaultKind::Unproven => {
            format!("proofs of {} have stopped: {}", world.chain(*chain), fault.detail)
        }
        Fact::Fault { chain, fault } => {
            let what = match fault.kind {
                FaultKind::DissentHead => "contradicts the quorum about a block",
                FaultKind::DissentLogs => "contradicts the quorum about a block's logs",
                FaultKind::Dark => "does not answer",
                FaultKind::Garbage => "answers garbage",
                FaultKind::Lagging => "is behind",
                FaultKind::Recovered
                | FaultKind::Stalled
                | FaultKind::DeepReorg
                | FaultKind::Equivocation
                | FaultKind::Unproven => return None,
            };
            let who =
                fault.operator.map_or_else(|| String::from("an endpoint"), |name| format!("operator {name}"));
            format!("{who} of {} {what}: {}", world.chain(*chain), fault.detail)
        }
        Fact::Refuted { chain, event } => {
            format!(
                "event {event} was reported on {}, and a proof shows that it is not there",
                world.chain(*chain)
            )
        }
        _ => return None,
    };
    Some(Finding { class: ActionClass::Notify, value: None, detail })
}
