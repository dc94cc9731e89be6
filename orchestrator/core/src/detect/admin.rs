//! A privileged change at a watched contract: what its events mean may have changed with it.

use portcullis_verifier::{ActionClass, AdminKind};

use super::{Card, Detector, Fact, Finding, World};
use crate::effect::Cause;

pub(super) const DETECTOR: Detector = Detector {
    card: Card {
        name: "privileged change",
        cause: Cause::AdminChange,
        provoked_by: "holders of the contract's roles, and whoever stole their keys",
        cost: "a key",
        highest: ActionClass::Tighten,
    },
    run,
};

fn run(world: &World<'_>, fact: &Fact<'_>) -> Option<Finding> {
    let Fact::Admin { chain, change } = fact else { return None };
    let (what, class) = match change.kind {
        AdminKind::Owner => ("has a new owner", ActionClass::Tighten),
        AdminKind::Upgrade => ("was upgraded", ActionClass::Tighten),
        AdminKind::SignerSet => ("has a new set of signers", ActionClass::Tighten),
        AdminKind::Route => ("has a new route", ActionClass::Notify),
        AdminKind::Parameter => ("has a changed parameter", ActionClass::Notify),
    };
    let detail = format!("contract {} on {} {what}: {}", change.contract, world.chain(*chain), change.value);
    Some(Finding { class, value: None, detail })
}
